/* SPDX-License-Identifier: Unlicense */
#include "session/look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/os.h"
#include "config/options.h"
#include "output/file.h"
#include "shm/alive.h"
#include "shm/control.h"
#include "shm/sinkfile.h"
#include "shm/slot.h"

#define DESCRIPTION_MAX 32768u

/* ---- the whole ---- */

static ssize_t read_file(int dir_fd, const char *name, char *text, size_t size)
{
    int fd = mpl_dir_open_file(dir_fd, name, O_RDONLY);
    ssize_t n = fd < 0 ? fd : read(fd, text, size);
    if (fd >= 0)
        close(fd);
    return n;
}

static void read_log_file(struct mpl_look *l)
{
    char *text = malloc(DESCRIPTION_MAX);
    ssize_t n = text ? read_file(l->dir_fd, "options", text, DESCRIPTION_MAX) : -1;
    if (n <= 0 || !mpl_options_find((struct mpl_str){text, (size_t)n}, "log_file", l->log_file, sizeof l->log_file))
        l->log_file[0] = '\0';
    free(text);
}

static int open_directory(struct mpl_look *l, const char *dir)
{
    *l = (struct mpl_look){.control_fd = -1};
    struct mpl_text t = {l->dir, 0, sizeof l->dir};
    mpl_text_str(&t, mpl_str_from(dir));
    mpl_text_cstr(&t);
    l->dir_fd = mpl_dir_open(dir);
    return l->dir_fd < 0 ? l->dir_fd : 0;
}

static int open_control(struct mpl_look *l)
{
    l->control_fd = mpl_dir_open_file(l->dir_fd, "control", O_RDONLY);
    return l->control_fd < 0 ? l->control_fd : 0;
}

int mpl_look_open(struct mpl_look *l, const char *dir)
{
    int error = open_directory(l, dir);
    if (error)
        return error;
    read_log_file(l);
    error = open_control(l);
    if (error)
        return error;
    l->collector = mpl_control_holder(l->control_fd);
    l->has_collector = l->collector != 0;
    return mpl_control_check(l->control_fd);
}

void mpl_look_close(struct mpl_look *l)
{
    if (l->control_fd >= 0 && !(l->own && l->control_fd == l->own->control_fd))
        close(l->control_fd);
    if (l->dir_fd >= 0)
        close(l->dir_fd);
    free(l->control);
    free(l->is_alive);
}

static bool copy_part(const struct mpl_look *l, size_t from, size_t to)
{
    char *copy = (char *)l->control;
    while (from < to) {
        ssize_t n = pread(l->control_fd, copy + from, to - from, (off_t)from);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        from += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Of 256 KiB of slots only those that have been in use: set-up looks at each session that was left behind. */
static bool copy_control(const struct mpl_look *l)
{
    const size_t slots = offsetof(struct mpl_control, slot);
    return copy_part(l, 0, slots) &&
           copy_part(l, slots, slots + mpl_slot_bound(l->control) * sizeof l->control->slot[0]);
}

#define COPIES_MAX 100 /* a collector decides every half millisecond, and a copy takes a tenth of one */

/* What is decided meanwhile changes the account that the copy holds the number of. */
static int read_control(struct mpl_look *l)
{
    const off_t at = offsetof(struct mpl_control_head, batch_seq);
    uint64_t before, after = 0;
    l->control = aligned_alloc(_Alignof(struct mpl_control), sizeof *l->control);
    l->is_alive = calloc(MPL_SLOTS_MAX, sizeof *l->is_alive);
    if (!l->control || !l->is_alive)
        return mpl_fail(ENOMEM, "%s: out of memory", l->dir);
    for (int i = 0; i < COPIES_MAX; i++) {
        if (!copy_control(l) || pread(l->control_fd, &after, sizeof after, at) != (ssize_t)sizeof after)
            return mpl_fail(EPROTO, "%s: its control file is damaged", l->dir);
        before = atomic_load(&l->control->head.batch_seq);
        if (before == after)
            break;
    }
    return 0;
}

static void read_counts(struct mpl_look *l)
{
    struct mpl_control_head *h = &l->control->head;
    uint32_t sink_count = atomic_load(&h->sink_count);
    l->slot_bound = mpl_slot_bound(l->control);
    l->sink_count = sink_count <= MPL_SINKS_MAX ? sink_count : MPL_SINKS_MAX;
    l->batch_seq = atomic_load(&h->batch_seq);
}

int mpl_look_from_within(struct mpl_look *l, const char *dir, const struct mpl_look_own *own)
{
    int error = open_directory(l, dir);
    if (error)
        return error;
    l->own = own;
    l->control_fd = own->control_fd;
    error = own->control_fd < 0 ? open_control(l) : 0;
    error = error ? error : read_control(l);
    if (error)
        return error;
    read_counts(l);
    l->has_collector = true; /* or it has just died; what it may be deciding counts as decided */
    return 0;
}

int mpl_look_read(struct mpl_look *l)
{
    int error = read_control(l);
    if (error)
        return error;
    struct mpl_control_head *h = &l->control->head;
    uint64_t pid_ns = mpl_os_pid_namespace();
    read_counts(l);
    l->is_other_boot = mpl_alive_is_other_boot(h);
    l->has_collector = l->collector < 0 || (l->collector > 0 && !mpl_os_is_exiting(l->collector));
    for (uint32_t i = 0; i < l->slot_bound; i++) {
        l->is_alive[i] = mpl_alive_is_member(l->dir, l->dir_fd, &l->control->slot[i], pid_ns, l->is_other_boot);
        l->has_members = l->has_members || l->is_alive[i];
    }
    l->is_stale = !l->has_collector && !l->has_members;
    return 0;
}

/* ---- sinks ---- */

const struct mpl_account *mpl_look_account(const struct mpl_look *l)
{
    static const struct mpl_account nothing;
    const struct mpl_account *best = &nothing;
    for (int i = 0; i < 2; i++) {
        const struct mpl_account *a = &l->control->account[i];
        uint64_t tag = atomic_load_explicit(&a->tag, memory_order_relaxed);
        if ((tag <= l->batch_seq || l->has_collector) && tag > atomic_load_explicit(&best->tag, memory_order_relaxed))
            best = a;
    }
    return best;
}

/* kind and path. */
static void describe(const struct mpl_look *l, uint32_t i, struct mpl_look_sink *s)
{
    static const char *const kinds[] = {"file", "pipe", "stderr"};
    char name[MPL_SINKFILE_NAME_MAX], kind[16] = "";
    char *text = malloc(DESCRIPTION_MAX);
    mpl_sinkfile_name(name, "sink", i);
    ssize_t n = text ? read_file(l->dir_fd, name, text, DESCRIPTION_MAX) : -1;
    if (n > 0) {
        struct mpl_str description = {text, (size_t)n};
        mpl_options_find(description, "kind", kind, sizeof kind);
        if (!mpl_options_find(description, "log_file", s->path, sizeof s->path))
            s->path[0] = '\0';
    }
    free(text);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        if (strcmp(kind, kinds[k]) == 0)
            s->kind = kinds[k];
    }
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return strcmp(a, b) == 0 || (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

bool mpl_look_writes_to(const struct mpl_look *l, const char *path)
{
    struct mpl_look_sink *s = malloc(sizeof *s);
    bool is_found = false;
    for (uint32_t i = 0; s && i < l->sink_count && !is_found; i++) {
        *s = (struct mpl_look_sink){.kind = "?"};
        describe(l, i, s);
        is_found = strcmp(s->kind, "stderr") != 0 && (!path || is_same_file(path, s->path));
    }
    free(s);
    return is_found;
}

/* Where the bytes up to the result are in the file: `done`, or, if a collector died in the middle of a write, as far as
 * the file holds what it had announced. */
static uint64_t find_done(const struct mpl_look_sink *s, int fd, const struct mpl_batch *b,
                          const struct mpl_batch_progress *p, uint64_t done)
{
    const struct mpl_intent *i = &b->intent;
    struct mpl_file file = {
        .path = (char *)(uintptr_t)s->path, .fd = -1, .backup_count = UINT32_MAX, .newline = "\n", .newline_len = 1};
    if (i->until <= done || i->until > p->end || i->from > i->until || i->from < p->begin ||
        p->end - p->begin > MPL_BATCH_WAITING_BYTES_MAX)
        return done;
    uint64_t len = i->until - i->from;
    char *data = malloc(len);
    off_t at = (off_t)(MPL_BATCH_DATA_OFFSET + i->from - p->begin);
    uint64_t there = data && pread(fd, data, len, at) == (ssize_t)len
                         ? mpl_file_already_written(&file, i->dev, i->ino, i->offset, data, len)
                         : 0;
    free(data);
    return i->from + there > done ? i->from + there : done;
}

/* Adds what of a batch is decided and not in the file. */
static void read_batch(const struct mpl_look *l, int fd, struct mpl_look_sink *s)
{
    struct mpl_batch b;
    if (pread(fd, &b, sizeof b, 0) != (ssize_t)sizeof b || b.magic != MPL_BATCH_MAGIC ||
        b.ends_max != MPL_BATCH_ENDS_MAX)
        return;
    /* A collector that is at work may have decided twice since we have read batch_seq. */
    int in_force = mpl_batch_in_force(&b, l->has_collector ? UINT64_MAX : l->batch_seq);
    if (in_force < 0 || b.progress[in_force].record_count > MPL_BATCH_ENDS_MAX)
        return;
    const struct mpl_batch_progress *p = &b.progress[in_force];
    uint64_t done = mpl_batch_done(&b, p);
    if (!l->has_collector)
        done = find_done(s, fd, &b, p, done);
    if (done >= p->end)
        return;
    ssize_t bytes = (ssize_t)(p->record_count * sizeof(uint32_t));
    uint32_t *ends = malloc((size_t)bytes + 1);
    if (ends && pread(fd, ends, (size_t)bytes, MPL_PAGE_BYTES) == bytes)
        s->waiting_records += mpl_sinkfile_waiting(ends, p->record_count, p->own_count, done - p->begin);
    free(ends);
    s->waiting_bytes += p->end - done;
    if (s->oldest_stamp == 0 || p->oldest_stamp < s->oldest_stamp)
        s->oldest_stamp = p->oldest_stamp;
}

/* A stream knows no records; in which lines the bytes end does not matter to anybody but a reader. */
static void read_stream(int fd, struct mpl_look_sink *s)
{
    struct mpl_stream t;
    if (pread(fd, &t, sizeof t, 0) != (ssize_t)sizeof t || t.magic != MPL_STREAM_MAGIC)
        return;
    uint64_t waiting = atomic_load_explicit(&t.write_pos, memory_order_relaxed) -
                       atomic_load_explicit(&t.read_pos, memory_order_relaxed);
    s->waiting_bytes = waiting <= MPL_STREAM_DATA_BYTES ? waiting : 0;
}

static void read_sinkfile(const struct mpl_look *l, const char *kind, uint32_t i, struct mpl_look_sink *s)
{
    char name[MPL_SINKFILE_NAME_MAX];
    mpl_sinkfile_name(name, kind, i);
    int fd = mpl_dir_open_file(l->dir_fd, name, O_RDONLY);
    if (fd < 0)
        return;
    if (strcmp(kind, "stream") == 0)
        read_stream(fd, s);
    else
        read_batch(l, fd, s);
    close(fd);
}

void mpl_look_sink(const struct mpl_look *l, uint32_t i, struct mpl_look_sink *s)
{
    *s = (struct mpl_look_sink){.kind = "?", .account = mpl_look_account(l)->sink[i]};
    describe(l, i, s);
    if (strcmp(s->kind, "file") == 0) {
        read_sinkfile(l, MPL_BATCH_KIND, i, s);
        read_sinkfile(l, MPL_BATCH_KIND_2, i, s);
    } else {
        read_sinkfile(l, "stream", i, s);
    }
    if (s->waiting_records > s->account.records)
        s->waiting_records = s->account.records; /* read at two moments */
}

uint64_t mpl_look_count_in_rings(const struct mpl_look *l)
{
    struct mpl_look_member *m = malloc(sizeof *m);
    uint64_t records = 0;
    for (uint32_t i = 0; m && i < l->slot_bound; i++)
        records += mpl_look_member(l, i, m) ? m->records : 0;
    free(m);
    return records;
}

uint64_t mpl_look_count_waiting(const struct mpl_look *l)
{
    struct mpl_look_sink *s = malloc(sizeof *s);
    uint64_t in_batches = 0;
    for (uint32_t i = 0; s && i < l->sink_count; i++) {
        mpl_look_sink(l, i, s);
        in_batches = s->waiting_records > in_batches ? s->waiting_records : in_batches;
    }
    free(s);
    return mpl_look_count_in_rings(l) + in_batches;
}
