/* SPDX-License-Identifier: Unlicense
 *
 * Batches of lines for tests of output/file.h, and a reader that tells whether each line of each writer is in the files
 * once, whole and in its order.
 */
#ifndef TESTS_LOGFILES_H
#define TESTS_LOGFILES_H

#include "base/error.h"
#include "files.h"
#include "harness.h"
#include "output/file.h"

#define LOG_NAME "app.log"
#define BATCH_BYTES_MAX 65536
#define BATCH_RECORDS_MAX 1024
#define WRITERS_MAX 8

static inline const char *log_path(unsigned index) { return files_path(LOG_NAME, index); }

static inline int log_open(struct mpl_file *f, uint64_t max_bytes, uint32_t backup_count)
{
    struct mpl_file_options o = {.path = log_path(0), .max_bytes = max_bytes, .backup_count = backup_count};
    return mpl_file_open(f, &o, 0644);
}

struct batch {
    char data[BATCH_BYTES_MAX];
    uint32_t ends[BATCH_RECORDS_MAX];
    struct mpl_lines lines;
};

static inline void batch_clear(struct batch *b) { b->lines = (struct mpl_lines){.data = b->data, .ends = b->ends}; }

static inline void batch_add(struct batch *b, const char *bytes, size_t len)
{
    if (b->lines.count == BATCH_RECORDS_MAX || b->lines.len + len > sizeof b->data)
        files_die("batch too small for", bytes);
    memcpy(b->data + b->lines.len, bytes, len);
    b->lines.len += len;
    b->ends[b->lines.count++] = (uint32_t)b->lines.len;
}

static inline void batch_set(struct batch *b, const char *line)
{
    batch_clear(b);
    batch_add(b, line, strlen(line));
}

/* Appends one text as one record. */
static inline int log_append(struct mpl_file *f, const char *text)
{
    static struct batch batch;
    uint64_t done = 0;
    batch_set(&batch, text);
    return mpl_file_append(f, &batch.lines, &done, NULL);
}

static inline int log_append_and_close(struct mpl_file *f, const char *text)
{
    int rc = log_append(f, text);
    mpl_file_close(f);
    return rc;
}

static inline bool log_error_names(const char *path, const char *reason)
{
    bool is_named = strstr(mpl_error_text(), path) != NULL && strstr(mpl_error_text(), reason) != NULL;
    if (!is_named)
        printf("# sentence: %s\n", mpl_error_text());
    return is_named;
}

/* "p<writer> <number> <letters>\n"; its length depends on both. */
static inline size_t line_make(char *line, size_t size, unsigned writer, unsigned number)
{
    unsigned letters = (writer * 13 + number * 37) % 70;
    int n = snprintf(line, size, "p%u %u ", writer, number);
    for (unsigned i = 0; i < letters; i++)
        line[n++] = (char)('a' + (writer + number + i) % 26);
    line[n++] = '\n';
    return (size_t)n;
}

static inline void batch_add_lines(struct batch *b, unsigned writer, unsigned first, unsigned count)
{
    char line[128];
    for (unsigned i = 0; i < count; i++)
        batch_add(b, line, line_make(line, sizeof line, writer, first + i));
}

/* How often each line was found; `next`: the number that should follow, if order is to be checked. */
struct line_count {
    unsigned writers, lines; /* what to expect */
    bool is_ordered;
    unsigned next[WRITERS_MAX];
    unsigned char *found; /* [writers][lines] */
    unsigned bad;         /* lines that are none of ours and do not begin with "foreign" */
};

static inline void line_count_begin(struct line_count *c, unsigned writers, unsigned lines, bool is_ordered)
{
    *c = (struct line_count){.writers = writers, .lines = lines, .is_ordered = is_ordered};
    c->found = calloc(writers, lines);
    if (!c->found)
        files_die("no memory for", "lines");
}

static inline void line_count_line(struct line_count *c, const char *text, size_t len)
{
    char line[128];
    unsigned writer, number;
    bool is_known = sscanf(text, "p%u %u ", &writer, &number) == 2 && writer < c->writers && number < c->lines;
    if (len >= 7 && memcmp(text, "foreign", 7) == 0)
        return;
    if (!is_known || line_make(line, sizeof line, writer, number) != len || memcmp(line, text, len) != 0 ||
        (c->is_ordered && c->next[writer]++ != number)) {
        if (c->bad++ < 5)
            printf("# not a line: %.*s\n", (int)(len < 100 ? len - 1 : 100), text);
        return;
    }
    c->found[writer * c->lines + number]++;
}

static inline void line_count_file(struct line_count *c, const char *path)
{
    size_t len;
    char *bytes = files_read(path, &len), *line = bytes;
    while (bytes && line < bytes + len) {
        char *end = memchr(line, '\n', len - (size_t)(line - bytes));
        size_t n = end ? (size_t)(end - line) + 1 : len - (size_t)(line - bytes);
        line_count_line(c, line, n);
        line += n;
    }
    free(bytes);
}

/* The backups from the oldest on, then the file itself. */
static inline void line_count_chain(struct line_count *c, unsigned backup_count)
{
    for (unsigned i = backup_count + 1; i-- > 0;)
        line_count_file(c, log_path(i));
}

/* True: all found exactly once. */
static inline bool line_count_is_complete(struct line_count *c)
{
    unsigned missing = 0, doubled = 0;
    for (unsigned i = 0; i < c->writers * c->lines; i++) {
        missing += c->found[i] == 0;
        doubled += c->found[i] > 1;
    }
    free(c->found);
    if (missing + doubled + c->bad > 0)
        printf("# %u missing, %u doubled, %u bad\n", missing, doubled, c->bad);
    return missing + doubled + c->bad == 0;
}

#endif
