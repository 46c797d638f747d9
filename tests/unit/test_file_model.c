/* SPDX-License-Identifier: Unlicense
 *
 * The append path against a model of RotatingFileHandler (Python 3.13) with files in memory, what the journal is told,
 * and what a successor finds.
 */
#include <fcntl.h>
#include <limits.h>

#include "logfiles.h"

static struct batch batch;

/* ---- model ---- */

#define COUNT_MAX 5u
#define TEXT_MAX 8192

struct text {
    bool is_there;
    size_t len;
    char bytes[TEXT_MAX];
};

struct model {
    uint64_t max_bytes;
    uint32_t backup_count;
    struct mpl_str bom, newline;
    struct text file[COUNT_MAX + 1];
};

static void text_add(struct text *t, const char *bytes, size_t len)
{
    if (t->len + len > TEXT_MAX)
        files_die("model too small for", bytes);
    memcpy(t->bytes + t->len, bytes, len);
    t->len += len;
}

static bool model_is_empty(const struct model *m)
{
    const struct text *t = &m->file[0];
    return t->len == 0 || (t->len == m->bom.len && memcmp(t->bytes, m->bom.ptr, t->len) == 0);
}

static void model_rotate(struct model *m)
{
    unsigned hole = 1;
    while (hole < m->backup_count && m->file[hole].is_there)
        hole++;
    for (; hole > 0; hole--)
        m->file[hole] = m->file[hole - 1];
    m->file[0] = (struct text){.is_there = true};
}

static void model_start_file(struct model *m)
{
    struct text *t = &m->file[0];
    size_t unit = m->newline.len;
    t->is_there = true;
    if (t->len == 0)
        text_add(t, m->bom.ptr, m->bom.len);
    if (model_is_empty(m))
        return;
    if (t->len % unit != 0 || memcmp(t->bytes + t->len - unit, m->newline.ptr, unit) != 0) {
        while (t->len % unit != 0)
            text_add(t, "", 1);
        text_add(t, m->newline.ptr, unit);
    }
}

static void model_append(struct model *m, const struct mpl_lines *lines)
{
    uint32_t from = 0;
    model_start_file(m);
    for (uint32_t i = 0; i < lines->count; from = lines->ends[i++]) {
        size_t len = lines->ends[i] - from;
        if (m->max_bytes > 0 && m->backup_count > 0 && !model_is_empty(m) && m->file[0].len + len >= m->max_bytes) {
            model_rotate(m);
            model_start_file(m);
        }
        text_add(&m->file[0], lines->data + from, len);
    }
}

static bool model_is_true(const struct model *m)
{
    for (unsigned i = 0; i <= COUNT_MAX + 1; i++) {
        const struct text *t = i <= COUNT_MAX && m->file[i].is_there ? &m->file[i] : NULL;
        size_t len;
        char *bytes = files_read(log_path(i), &len);
        bool is_same = t ? bytes && len == t->len && memcmp(bytes, t->bytes, len) == 0 : bytes == NULL;
        free(bytes);
        if (!is_same) {
            printf("# .%u: %zu bytes, not %zu\n", i, len, t ? t->len : 0);
            return false;
        }
    }
    return true;
}

/* ---- random sequences ---- */

#ifndef SEQUENCES
#define SEQUENCES 1000 /* a second; more of them by -DSEQUENCES= */
#endif

static void make_random_batch(uint64_t *seed, const struct model *m)
{
    char record[256];
    size_t unit = m->newline.len;
    unsigned count = 1 + (unsigned)(test_random(seed) % 10);
    batch_clear(&batch);
    for (unsigned i = 0; i < count; i++) {
        size_t len = test_random(seed) % (test_random(seed) % 8 == 0 ? 200 : 30) * unit;
        memset(record, (int)('a' + test_random(seed) % 26), sizeof record);
        len = len < sizeof record - unit ? len : sizeof record / unit * unit - unit;
        memcpy(record + len, m->newline.ptr, unit);
        batch_add(&batch, record, len + unit);
    }
}

/* What people and other programs do to log files between two batches. */
static void disturb(uint64_t *seed, struct model *m)
{
    unsigned victim = (unsigned)(test_random(seed) % (COUNT_MAX + 1));
    switch (test_random(seed) % 12) {
    case 0:
    case 1:
        m->file[victim] = (struct text){.is_there = false};
        unlink(log_path(victim));
        break;
    case 2:
        m->file[0] = (struct text){.is_there = false};
        rename(log_path(0), files_path("moved", 0));
        break;
    case 3: /* an unfinished line, of odd length where characters have two bytes */
        m->file[0].is_there = true;
        text_add(&m->file[0], "foreign", 7);
        files_append(log_path(0), "foreign");
        break;
    case 4: /* logrotate's copytruncate */
        m->file[0] = (struct text){.is_there = true};
        files_write(log_path(0), "");
        break;
    case 5: /* a file that was begun */
        m->file[0] = (struct text){.is_there = true};
        text_add(&m->file[0], m->bom.ptr, m->bom.len);
        files_put(log_path(0), "w", m->bom.ptr, m->bom.len);
        break;
    default: break;
    }
}

static bool sequence_is_as_model(uint64_t seed)
{
    static const struct mpl_str boms[] = {{"", 0}, {"\xef\xbb\xbf", 3}, {"\xff\xfe", 2}}; /* the last: UTF-16 */
    static struct model m;
    struct mpl_file f;
    size_t kind = test_random(&seed) % 3;
    files_begin();
    memset(&m, 0, sizeof m);
    m.bom = boms[kind];
    m.newline = (struct mpl_str){"\n", kind == 2 ? 2 : 1};
    m.max_bytes = test_random(&seed) % 10 == 0 ? 0 : 1 + test_random(&seed) % 250;
    m.backup_count = (uint32_t)(test_random(&seed) % (COUNT_MAX + 1));
    struct mpl_file_options o = {.path = log_path(0),
                                 .max_bytes = m.max_bytes,
                                 .backup_count = m.backup_count,
                                 .bom = m.bom,
                                 .newline = m.newline};
    m.file[0].is_there = true;
    bool is_same = mpl_file_open(&f, &o, 0644) == 0;
    for (int i = 0; is_same && i < 6; i++) {
        uint64_t done = 0;
        make_random_batch(&seed, &m);
        model_append(&m, &batch.lines);
        is_same = mpl_file_append(&f, &batch.lines, &done, NULL) == 0 && done == batch.lines.len && model_is_true(&m);
        disturb(&seed, &m);
    }
    mpl_file_close(&f);
    return is_same;
}

static void random_sequences_give_the_files_of_the_model(void)
{
    for (uint64_t seed = 1; seed <= SEQUENCES; seed++)
        if (!sequence_is_as_model(seed)) {
            test_fail(__FILE__, __LINE__, "seed %" PRIu64, seed);
            return;
        }
}

/* ---- journal ---- */

#define ANNOUNCED_MAX 64

struct announced {
    unsigned count, done_count;
    bool is_open;
    struct {
        uint64_t dev, ino, offset, from, until;
    } write[ANNOUNCED_MAX];
    uint64_t done, step_max; /* bytes between two calls of done_fn */
};

static void note_begin(void *arg, uint64_t dev, uint64_t ino, uint64_t offset, uint64_t from, uint64_t until)
{
    struct announced *a = arg;
    if (a->is_open || a->count == ANNOUNCED_MAX)
        files_die("journal:", "a write inside a write");
    a->write[a->count].dev = dev;
    a->write[a->count].ino = ino;
    a->write[a->count].offset = offset;
    a->write[a->count].from = from;
    a->write[a->count++].until = until;
    a->is_open = true;
}

static void note_done(void *arg, uint64_t until)
{
    struct announced *a = arg;
    a->is_open = false;
    a->step_max = until - a->done > a->step_max ? until - a->done : a->step_max;
    a->done = until;
    a->done_count++;
}

static void journal_tells_every_write_and_no_newline_of_ours(void)
{
    struct announced a = {.count = 0};
    struct mpl_file_journal j = {&a, note_begin, note_done};
    struct mpl_file f;
    struct stat st;
    uint64_t done = 0;
    files_begin();
    files_write(log_path(0), "foreign");
    batch_set(&batch, "one\n");
    batch_add(&batch, "two\n", 4);
    batch_add(&batch, "three\n", 6);
    CHECK_INT(log_open(&f, 18, 1), 0);
    CHECK_INT(mpl_file_append(&f, &batch.lines, &done, &j), 0);
    mpl_file_close(&f);
    CHECK_INT(a.count, 2);
    CHECK_INT(a.done_count, 2);
    CHECK_INT(a.done, 14);
    CHECK(files_hold(log_path(1), "foreign\none\ntwo\n"));
    CHECK_INT(stat(log_path(1), &st), 0);
    CHECK_INT(a.write[0].ino, st.st_ino);
    CHECK_INT(a.write[0].dev, st.st_dev);
    CHECK_INT(a.write[0].offset, 8);
    CHECK_INT(a.write[0].from, 0);
    CHECK_INT(a.write[0].until, 8);
    CHECK_INT(stat(log_path(0), &st), 0);
    CHECK_INT(a.write[1].ino, st.st_ino);
    CHECK_INT(a.write[1].offset, 0);
    CHECK_INT(a.write[1].from, 8);
    CHECK_INT(a.write[1].until, 14);
}

static void large_batch_is_written_in_portions_of_a_mebibyte(void)
{
    enum { MEBIBYTE = 1 << 20, HUGE_BYTES = 3 * MEBIBYTE, SMALL_BYTES = 1000, SMALL_COUNT = 2000 };
    enum { COUNT = SMALL_COUNT + 1 };
    static uint32_t ends[COUNT];
    struct announced a = {.count = 0};
    struct mpl_file_journal j = {&a, note_begin, note_done};
    struct mpl_file f;
    uint64_t done = 0;
    size_t len = HUGE_BYTES + SMALL_COUNT * SMALL_BYTES, got_len;
    char *data = malloc(len);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)('a' + i * i % 23);
    for (uint32_t i = 0; i < COUNT; i++)
        ends[i] = HUGE_BYTES + i * SMALL_BYTES;
    struct mpl_lines lines = {.data = data, .len = len, .ends = ends, .count = COUNT};
    files_begin();
    CHECK_INT(log_open(&f, 0, 0), 0);
    CHECK_INT(mpl_file_append(&f, &lines, &done, &j), 0);
    mpl_file_close(&f);
    CHECK(a.count >= 5 && a.count <= 6);
    for (unsigned i = 0; i < a.count; i++) {
        CHECK_INT(a.write[i].from, i > 0 ? a.write[i - 1].until : 0);
        CHECK_INT(a.write[i].offset, a.write[i].from);
        CHECK(a.write[i].until - a.write[i].from <= MEBIBYTE);
        /* after the record that is larger than a portion, writes end where records do */
        CHECK(a.write[i].until <= HUGE_BYTES || (a.write[i].until - HUGE_BYTES) % SMALL_BYTES == 0);
    }
    char *bytes = files_read(log_path(0), &got_len);
    bool is_same = got_len == len && memcmp(bytes, data, len) == 0;
    free(bytes);
    free(data);
    CHECK(is_same);
}

static void pipe_is_written_in_portions_that_stay_whole(void)
{
    struct announced a = {.count = 0};
    struct mpl_file_journal j = {&a, note_begin, note_done};
    struct mpl_file f;
    struct mpl_file_options o = {.path = "/dev/stdout"};
    uint64_t done = 0;
    int fds[2];
    CHECK_INT(pipe(fds), 0);
    fcntl(fds[1], F_SETPIPE_SZ, 1 << 17);
    CHECK_INT(mpl_file_adopt(&f, &o, fds[1]), 0);
    batch_clear(&batch);
    batch_add_lines(&batch, 0, 0, 900);
    CHECK_INT(mpl_file_append(&f, &batch.lines, &done, &j), 0);
    mpl_file_close(&f);
    close(fds[0]);
    CHECK_INT(a.done, batch.lines.len);
    CHECK_INT(a.count, 0); /* there is no place in a pipe that could be announced */
    CHECK(a.step_max <= PIPE_BUF);
    CHECK(a.step_max > PIPE_BUF - 128);
}

/* ---- what a successor finds ---- */

struct identity {
    uint64_t dev, ino;
};

static struct identity identity_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        files_die("cannot look at", path);
    return (struct identity){st.st_dev, st.st_ino};
}

static uint64_t find_written(struct identity id, uint64_t offset, const char *data)
{
    struct mpl_file f;
    if (log_open(&f, 0, 3) < 0)
        files_die("cannot open", log_path(0));
    uint64_t n = mpl_file_already_written(&f, id.dev, id.ino, offset, data, strlen(data));
    mpl_file_close(&f);
    return n;
}

static void already_written_compares_the_announced_place(void)
{
    static const struct {
        const char *held;
        uint64_t count;
    } cases[] = {
        {"old\n", 0},                 /* nothing was written */
        {"old\none\ntw", 6},          /* the file ends inside */
        {"old\none\ntwo\n", 8},       /* all */
        {"old\none\ntwo\nmore\n", 8}, /* all, and others went on */
        {"old\nforeign\n", 0},
        {"old\nontario\n", 0},          /* begins like ours by chance, but is foreign */
        {"old\none\ntwain\n", 4},       /* whole lines count */
        {"old\none\ntw\nforeign\n", 4}, /* cut, and ended by another */
        {"ol", 0},                      /* truncated since */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        files_begin();
        files_write(log_path(0), cases[i].held);
        CHECK_INT(find_written(identity_of(log_path(0)), 4, "one\ntwo\n"), cases[i].count);
    }
}

static void already_written_looks_at_backups(void)
{
    for (unsigned at = 0; at <= 4; at++) { /* with three backups, the last is out of sight */
        files_begin();
        for (unsigned i = 0; i <= 4; i++)
            files_write(log_path(i), i == at ? "old\none\n" : "old\nxxxxxxx\n");
        CHECK_INT(find_written(identity_of(log_path(at)), 4, "one\ntwo\n"), at <= 3 ? 4 : 0);
    }
}

static void already_written_in_deleted_file_is_none(void)
{
    files_begin();
    files_write(log_path(1), "one\n");
    struct identity id = identity_of(log_path(1));
    files_write(log_path(0), "one\n");
    unlink(log_path(1));
    CHECK_INT(find_written(id, 0, "one\n"), 0);
}

static void already_written_at_linked_log_follows_the_link(void)
{
    files_begin();
    CHECK_INT(symlink("real.log", log_path(0)), 0);
    files_write(files_path("real.log", 1), "one\n");
    CHECK_INT(find_written(identity_of(files_path("real.log", 1)), 0, "one\ntwo\n"), 4);
}

TEST_MAIN(TEST_CASE(random_sequences_give_the_files_of_the_model),
          TEST_CASE(journal_tells_every_write_and_no_newline_of_ours),
          TEST_CASE(large_batch_is_written_in_portions_of_a_mebibyte),
          TEST_CASE(pipe_is_written_in_portions_that_stay_whole),
          TEST_CASE(already_written_compares_the_announced_place), TEST_CASE(already_written_looks_at_backups),
          TEST_CASE(already_written_in_deleted_file_is_none), TEST_CASE(already_written_at_linked_log_follows_the_link))
