/* SPDX-License-Identifier: Unlicense
 *
 * Reads log files, oldest first, and tells what has become of the numbered messages (numbered.h) that were logged.
 *
 *     oracle [OPTION]... FILE...
 *     oracle [OPTION]... --rotated BASE      BASE.N ... BASE.1, BASE
 *
 *     --expect PRODUCER=COUNT     the producer logged the numbers 0 .. COUNT - 1
 *     --at-least PRODUCER=COUNT   it was killed after COUNT calls had returned; the next ones may be there
 *     --expect-file FILE          lines "PRODUCER COUNT" or "PRODUCER >=COUNT"
 *     --handoffs                  "token K": K only grows from line to line
 *     --allow-doubled             a collector was killed
 *     --details N                 show the first N faults on stderr: 10
 *
 * In a line, what is before the first '#' is its prefix and may be anything; the message goes to the end of the line.
 * Lines without '#' are the library's own about losses, or foreign. Prints key=value lines:
 *
 *     lines payloads producers    what there is
 *     lost                        expected and not there, or, of producers without expectation, holes
 *     torn                        lines that hold a message, but not one whole unchanged one
 *     doubled                     messages that were there before
 *     out_of_order                messages after one with a higher number of the same producer
 *     counted_lost                the sum of all "N records were lost" of logger mplog
 *     damaged                     lines of logger mplog that tell of damaged memory
 *     unexpected                  numbers beyond the expected ones, and producers that nobody expects when some are
 *     handoffs                    tokens that are not higher than all before
 *     foreign                     other lines
 *
 * Exit status: 0 if lost equals counted_lost and torn, doubled, out_of_order, damaged, unexpected and handoffs are 0;
 * 1 if not; 2: usage, or a file cannot be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "numbered.h"

enum expectation { EXPECT_NOTHING, EXPECT_EXACTLY, EXPECT_AT_LEAST };

struct producer {
    char name[NUMBERED_NAME_MAX + 1];
    uint64_t hash;
    enum expectation expectation;
    uint64_t expected;
    uint64_t *seen; /* a bit a number */
    uint64_t seen_words;
    uint64_t bound; /* one more than the greatest number seen */
    struct producer *next;
};

enum count {
    LINES,
    PAYLOADS,
    PRODUCERS,
    LOST,
    TORN,
    DOUBLED,
    OUT_OF_ORDER,
    COUNTED_LOST,
    DAMAGED,
    UNEXPECTED,
    HANDOFFS,
    FOREIGN,
    COUNTS
};

static const char *const count_names[COUNTS] = {
    [LINES] = "lines",
    [PAYLOADS] = "payloads",
    [PRODUCERS] = "producers",
    [LOST] = "lost",
    [TORN] = "torn",
    [DOUBLED] = "doubled",
    [OUT_OF_ORDER] = "out_of_order",
    [COUNTED_LOST] = "counted_lost",
    [DAMAGED] = "damaged",
    [UNEXPECTED] = "unexpected",
    [HANDOFFS] = "handoffs",
    [FOREIGN] = "foreign",
};

#define BUCKETS 4096u

static struct producer *buckets[BUCKETS], *latest;
static uint64_t counts[COUNTS];
static uint64_t details_left = 10;
static bool has_expectations, check_handoffs, allow_doubled;
static int64_t greatest_token = -1;

/* ---- telling ---- */

static void fail_usage(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void fail_usage(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fputs("oracle: ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(2);
}

struct place {
    const char *file;
    uint64_t line;
    const char *text;
    size_t len;
};

static void note(enum count what, const struct place *at)
{
    const size_t shown = at->len < 200 ? at->len : 200;
    counts[what]++;
    if (details_left == 0)
        return;
    details_left--;
    fprintf(stderr, "%s:%" PRIu64 ": %s: %.*s%s\n", at->file, at->line, count_names[what], (int)shown, at->text,
            shown < at->len ? "..." : "");
}

static void note_lost(const struct producer *p, uint64_t first, uint64_t count)
{
    counts[LOST] += count;
    if (details_left == 0)
        return;
    details_left--;
    fprintf(stderr, "lost: %s %" PRIu64 " .. %" PRIu64 "\n", p->name, first, first + count - 1);
}

/* ---- producers ---- */

static struct producer *find_producer(const char *name, size_t len)
{
    uint64_t hash = numbered_hash(name, len);
    struct producer **link = &buckets[(hash ^ hash >> 32) % BUCKETS];
    if (latest && latest->hash == hash && strlen(latest->name) == len && memcmp(latest->name, name, len) == 0)
        return latest;
    for (; *link; link = &(*link)->next) {
        if ((*link)->hash == hash && strlen((*link)->name) == len && memcmp((*link)->name, name, len) == 0)
            return latest = *link;
    }
    struct producer *p = calloc(1, sizeof *p);
    if (!p)
        fail_usage("out of memory");
    memcpy(p->name, name, len);
    p->hash = hash;
    return latest = *link = p;
}

static void make_room(struct producer *p, uint64_t number)
{
    uint64_t words = p->seen_words ? p->seen_words : 16;
    while (words * 64 <= number)
        words *= 2;
    if (words == p->seen_words)
        return;
    uint64_t *seen = realloc(p->seen, words * sizeof *seen);
    if (!seen)
        fail_usage("out of memory");
    memset(seen + p->seen_words, 0, (words - p->seen_words) * sizeof *seen);
    p->seen = seen;
    p->seen_words = words;
}

static bool has_seen(const struct producer *p, uint64_t number)
{
    return number / 64 < p->seen_words && (p->seen[number / 64] >> number % 64 & 1);
}

static void take_number(struct producer *p, uint64_t number, const struct place *at)
{
    counts[PAYLOADS]++;
    if (has_expectations &&
        (p->expectation == EXPECT_NOTHING || (p->expectation == EXPECT_EXACTLY && number >= p->expected)))
        note(UNEXPECTED, at);
    if (has_seen(p, number)) {
        note(DOUBLED, at);
        return;
    }
    if (number < p->bound)
        note(OUT_OF_ORDER, at);
    make_room(p, number);
    p->seen[number / 64] |= UINT64_C(1) << number % 64;
    p->bound = number >= p->bound ? number + 1 : p->bound;
}

static void count_lost(const struct producer *p)
{
    uint64_t end = p->bound > p->expected || p->expectation == EXPECT_NOTHING ? p->bound : p->expected, first = 0,
             run = 0;
    for (uint64_t i = 0; i < end; i++) {
        if (!has_seen(p, i)) {
            first = run ? first : i;
            run++;
        } else if (run) {
            note_lost(p, first, run);
            run = 0;
        }
    }
    if (run)
        note_lost(p, first, run);
}

/* ---- lines ---- */

/* Reads digits up to `end_char`; false: none, too many, or something else. */
static bool read_number(const char **at, const char *end, char end_char, uint64_t *number)
{
    const char *p = *at;
    *number = 0;
    while (p < end && *p >= '0' && *p <= '9' && p - *at < 10)
        *number = *number * 10 + (uint64_t)(*p++ - '0');
    if (p == *at || p == end || *p != end_char || *number > UINT32_MAX)
        return false;
    *at = p + 1;
    return true;
}

static bool read_hex(const char **at, const char *end, uint32_t *number)
{
    *number = 0;
    if (end - *at < 9 || (*at)[8] != ' ')
        return false;
    for (int i = 0; i < 8; i++) {
        char c = (*at)[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        *number = *number << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *at += 9;
    return true;
}

struct message {
    const char *name;
    size_t name_len;
    uint64_t number;
    bool has_token;
    uint64_t token;
};

/* What follows the filler: nothing, or a token. */
static bool read_tail(const char *at, const char *end, struct message *m)
{
    static const char word[] = " token ";
    const size_t word_len = sizeof word - 1;
    m->has_token = false;
    if (at == end)
        return true;
    if ((size_t)(end - at) <= word_len || memcmp(at, word, word_len) != 0)
        return false;
    m->has_token = true;
    at += word_len;
    return read_number(&at, end + 1, '\n', &m->token) && at == end + 1;
}

/* The message from behind '#' to `end`, where the newline is. */
static bool read_message(const char *at, const char *end, struct message *m)
{
    const char *begin = at, *space = memchr(at, ' ', (size_t)(end - at));
    uint64_t len;
    uint32_t crc;
    if (!space || space == at || (size_t)(space - at) > NUMBERED_NAME_MAX)
        return false;
    m->name = at;
    m->name_len = (size_t)(space - at);
    at = space + 1;
    if (!read_number(&at, end, ' ', &m->number) || !read_number(&at, end, ' ', &len))
        return false;
    size_t head_len = (size_t)(at - begin);
    if (!read_hex(&at, end, &crc) || (uint64_t)(end - at) < len || !read_tail(at + len, end, m))
        return false;
    return numbered_crc32(numbered_crc32(0, begin, head_len), at, len) == crc &&
           numbered_is_filler(at, numbered_hash(m->name, m->name_len), (uint32_t)m->number, (uint32_t)len);
}

static bool is_delimiter(char c)
{
    return !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'));
}

/* Is there the word "mplog" in the text, as the name of the logger? */
static bool names_mplog(const char *text, const char *end)
{
    static const char word[] = "mplog";
    const size_t len = sizeof word - 1;
    for (const char *at = text; (at = memmem(at, (size_t)(end - at), word, len)) != NULL; at += len) {
        if ((at == text || is_delimiter(at[-1])) && at + len < end && is_delimiter(at[len]))
            return true;
    }
    return false;
}

/* "<prefix> 12 records were lost: <cause>", or "lost here:" for one sink. */
static bool take_loss(const char *line, const char *end)
{
    static const char *const words[] = {" record was lost", " records were lost"};
    for (int i = 0; i < 2; i++) {
        const char *at = memmem(line, (size_t)(end - line), words[i], strlen(words[i]));
        const char *after = at ? at + strlen(words[i]) : NULL, *digits = at;
        if (!at || after == end || (*after != ':' && (end - after < 6 || memcmp(after, " here:", 6) != 0)))
            continue;
        while (digits > line && digits[-1] >= '0' && digits[-1] <= '9')
            digits--;
        if (digits == at || !names_mplog(line, digits))
            continue;
        counts[COUNTED_LOST] += strtoull(digits, NULL, 10);
        return true;
    }
    return false;
}

static bool is_damage(const char *line, const char *end)
{
    static const char *const words[] = {" bytes were lost: ", "a damaged record of "};
    for (int i = 0; i < 2; i++) {
        const char *at = memmem(line, (size_t)(end - line), words[i], strlen(words[i]));
        if (at && names_mplog(line, at))
            return true;
    }
    return false;
}

static void take_message(const struct message *m, const struct place *at)
{
    take_number(find_producer(m->name, m->name_len), m->number, at);
    if (!check_handoffs || !m->has_token)
        return;
    if ((int64_t)m->token <= greatest_token)
        note(HANDOFFS, at);
    else
        greatest_token = (int64_t)m->token;
}

static void take_line(const char *line, const char *end, const struct place *at)
{
    struct message m;
    const char *mark = memchr(line, '#', (size_t)(end - line));
    counts[LINES]++;
    if (mark) {
        if (read_message(mark + 1, end, &m))
            take_message(&m, at);
        else
            note(TORN, at);
    } else if (is_damage(line, end)) {
        note(DAMAGED, at);
    } else if (!take_loss(line, end)) {
        note(FOREIGN, at);
    }
}

static void take_text(const char *name, const char *text, size_t len)
{
    struct place at = {name, 0, text, 0};
    for (const char *line = text, *end = text + len; line < end; line = at.text + at.len + 1) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        at = (struct place){name, at.line + 1, line, newline ? (size_t)(newline - line) : (size_t)(end - line)};
        if (newline) {
            take_line(line, newline, &at);
        } else {
            counts[LINES]++;
            note(TORN, &at); /* a line without an end */
        }
    }
}

static void take_file(const char *name)
{
    struct stat st;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        fail_usage("%s: %s", name, strerror(errno));
    if (st.st_size > 0) {
        char *text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (text == MAP_FAILED)
            fail_usage("%s: %s", name, strerror(errno));
        madvise(text, (size_t)st.st_size, MADV_SEQUENTIAL); /* advice; nothing depends on it */
        take_text(name, text, (size_t)st.st_size);
        munmap(text, (size_t)st.st_size);
    }
    close(fd);
}

/* ---- options ---- */

static void expect(const char *name, size_t len, enum expectation expectation, const char *count)
{
    char *end;
    if (len == 0 || len > NUMBERED_NAME_MAX)
        fail_usage("\"%.*s\" is no producer's name", (int)len, name);
    struct producer *p = find_producer(name, len);
    p->expectation = expectation;
    p->expected = strtoull(count, &end, 10);
    if (*count < '0' || *count > '9' || (*end != '\0' && *end != '\n'))
        fail_usage("\"%s\" is no count", count);
    has_expectations = true;
}

static void expect_pair(const char *pair, enum expectation expectation)
{
    const char *equals = strrchr(pair, '=');
    if (!equals)
        fail_usage("\"%s\" is not PRODUCER=COUNT", pair);
    expect(pair, (size_t)(equals - pair), expectation, equals + 1);
}

static void expect_file(const char *name)
{
    char line[256];
    FILE *f = fopen(name, "re");
    if (!f)
        fail_usage("%s: %s", name, strerror(errno));
    has_expectations = true;
    while (fgets(line, sizeof line, f)) {
        const char *space = strchr(line, ' ');
        bool is_least = space && strncmp(space + 1, ">=", 2) == 0;
        if (!space)
            fail_usage("%s: \"%s\" is not PRODUCER COUNT", name, line);
        expect(line, (size_t)(space - line), is_least ? EXPECT_AT_LEAST : EXPECT_EXACTLY,
               space + 1 + (is_least ? 2 : 0));
    }
    fclose(f);
}

/* Backups are numbered without holes but for those that a test makes. */
#define HOLES_MAX 100

static void take_rotated(const char *base)
{
    char name[4096];
    int oldest = 0;
    for (int i = 1; i <= oldest + HOLES_MAX; i++) {
        snprintf(name, sizeof name, "%s.%d", base, i);
        oldest = access(name, F_OK) == 0 ? i : oldest;
    }
    for (int i = oldest; i > 0; i--) {
        snprintf(name, sizeof name, "%s.%d", base, i);
        if (access(name, F_OK) == 0)
            take_file(name);
    }
    take_file(base);
}

/* The value of the option at argv[*i], if that is its name. */
static const char *value_of(const char *option, char **argv, int *i)
{
    if (strcmp(argv[*i], option) != 0)
        return NULL;
    if (!argv[*i + 1])
        fail_usage("%s needs a value", option);
    return argv[++*i];
}

static const char *read_options(int argc, char **argv, int *first_file)
{
    const char *value, *base = NULL;
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if ((value = value_of("--expect", argv, &i)))
            expect_pair(value, EXPECT_EXACTLY);
        else if ((value = value_of("--at-least", argv, &i)))
            expect_pair(value, EXPECT_AT_LEAST);
        else if ((value = value_of("--expect-file", argv, &i)))
            expect_file(value);
        else if ((value = value_of("--rotated", argv, &i)))
            base = value;
        else if ((value = value_of("--details", argv, &i)))
            details_left = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--handoffs") == 0)
            check_handoffs = true;
        else if (strcmp(argv[i], "--allow-doubled") == 0)
            allow_doubled = true;
        else
            fail_usage("there is no option %s", argv[i]);
    }
    *first_file = i;
    if ((i == argc) == (base == NULL))
        fail_usage("give files, or --rotated BASE");
    return base;
}

static bool is_good(void)
{
    return counts[LOST] == counts[COUNTED_LOST] && counts[TORN] == 0 && (counts[DOUBLED] == 0 || allow_doubled) &&
           counts[OUT_OF_ORDER] == 0 && counts[DAMAGED] == 0 && counts[UNEXPECTED] == 0 && counts[HANDOFFS] == 0;
}

int main(int argc, char **argv)
{
    int first;
    numbered_init();
    const char *base = read_options(argc, argv, &first);
    if (base)
        take_rotated(base);
    for (int i = first; i < argc; i++)
        take_file(argv[i]);
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (const struct producer *p = buckets[i]; p; p = p->next) {
            counts[PRODUCERS] += p->bound > 0;
            count_lost(p);
        }
    }
    for (int i = 0; i < COUNTS; i++)
        printf("%s=%" PRIu64 "\n", count_names[i], counts[i]);
    return is_good() ? 0 : 1;
}
