/* SPDX-License-Identifier: Unlicense
 *
 * The two batches of a regular file. Lines are filled into one by emit.c, decided by commit.c, and written under the
 * file's lock, with an intent before each write; meanwhile the other one is filled. Positions say which of them is the
 * older one. While the file fails, what is decided stays where it is, and further lines follow it: the buffer grows, up
 * to a bound. models/waiting.pml, models/batches.pml.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/level.h"
#include "base/os.h"
#include "collector/sink.h"
#include "shm/dir.h"
#include "shm/map.h"

/* While the other batch is being written: waiting for the thread, and waking it, costs some 50 us each time, as much as
 * 100 KiB of lines. One and a half of these fill the cache of a CPU. */
#define STRETCHED_BYTES_MAX (1u << 20)

static uint64_t ends_offset(uint32_t count) { return MPL_PAGE_BYTES + (uint64_t)count * sizeof(uint32_t); }

static uint32_t round_ends(uint32_t count) { return (count + MPL_BATCH_ENDS - 1) / MPL_BATCH_ENDS * MPL_BATCH_ENDS; }

static int open_file(int dir_fd, const char *kind, uint32_t index)
{
    char name[MPL_SINKFILE_NAME_MAX];
    mpl_sinkfile_name(name, kind, index);
    int fd = mpl_dir_open_file(dir_fd, name, O_RDWR);
    return fd == -ENOENT ? mpl_fail(EPROTO, "session file %s: is missing", name) : fd;
}

static bool is_sound(const struct mpl_batch *b, uint64_t file_bytes)
{
    return b->magic == MPL_BATCH_MAGIC && b->ends_max == MPL_BATCH_ENDS_MAX &&
           b->data_bytes <= file_bytes - MPL_BATCH_DATA_OFFSET;
}

static int map_file(struct mpl_batch_view *b, const char *kind, uint32_t index)
{
    struct stat st;
    if (fstat(b->fd, &st) < 0)
        return mpl_fail_errno(errno, "session file %s%u: cannot be examined", kind, index);
    if ((uint64_t)st.st_size < MPL_BATCH_DATA_OFFSET)
        return mpl_fail(EPROTO, "session file %s%u: is damaged", kind, index);
    struct mpl_batch *shared = mpl_map(b->fd, 0, (uint64_t)st.st_size);
    if (!shared)
        return mpl_fail_errno(errno, "session file %s%u: cannot be mapped", kind, index);
    if (!is_sound(shared, (uint64_t)st.st_size)) {
        mpl_unmap(shared, (uint64_t)st.st_size);
        return mpl_fail(EPROTO, "session file %s%u: is damaged", kind, index);
    }
    b->shared = shared;
    b->map_bytes = (uint64_t)st.st_size;
    b->data_bytes = b->map_bytes - MPL_BATCH_DATA_OFFSET;
    b->ends_allocated = MPL_BATCH_ENDS;
    return 0;
}

/* Something of it is decided and not in the file. */
static bool waits(const struct mpl_batch_view *b) { return b->done < b->decided_len; }

bool mpl_batch_is_pending(const struct mpl_sink *s) { return s->out || waits(&s->batch[0]) || waits(&s->batch[1]); }

struct mpl_batch_view *mpl_batch_next(struct mpl_sink *s)
{
    struct mpl_batch_view *older = &s->batch[!s->filling], *filling = mpl_batch_filling(s);
    return waits(older) ? older : waits(filling) ? filling : NULL;
}

uint64_t mpl_batch_written(struct mpl_sink *s)
{
    const struct mpl_batch_view *b = mpl_batch_next(s);
    return b ? b->begin + b->done : mpl_batch_decided(s);
}

uint64_t mpl_batch_decided(const struct mpl_sink *s)
{
    const struct mpl_batch_view *b = &s->batch[s->filling];
    return b->begin + b->decided_len;
}

bool mpl_batch_turn(struct mpl_sink *s)
{
    struct mpl_batch_view *full = mpl_batch_filling(s), *other = &s->batch[!s->filling];
    if (other->len > 0 || full->len > full->decided_len)
        return false;
    other->begin = full->begin + full->len;
    s->filling = !s->filling;
    return true;
}

void mpl_batch_rewind(struct mpl_batch_view *b)
{
    if (waits(b) || b->len > b->decided_len)
        return;
    b->begin += b->len;
    b->len = b->decided_len = b->done = 0;
    b->count = b->own_count = b->decided_count = b->decided_own_count = 0;
    b->has_error_record = false;
}

/* Damaged: nobody can tell what it was, or how much. */
static void forget_batch(struct mpl_sink *s, struct mpl_batch *shared)
{
    for (int i = 0; i < 2; i++)
        atomic_store_explicit(&shared->progress[i].tag, 0, memory_order_release);
    atomic_store_explicit(&shared->done, 0, memory_order_relaxed);
    s->account->untold++;
}

static bool is_whole(const struct mpl_batch_view *b, const struct mpl_batch_progress *p, uint64_t done)
{
    return p->begin <= done && done <= p->end && p->end - p->begin <= b->data_bytes &&
           p->record_count <= MPL_BATCH_ENDS_MAX;
}

/* What a predecessor has decided. Of a batch that was never decided the records are in their rings still. */
static void take_decided(struct mpl_sink *s, struct mpl_batch_view *b, uint64_t batch_seq)
{
    struct mpl_batch *shared = b->shared;
    int in_force = mpl_batch_in_force(shared, batch_seq);
    for (int i = 0; i < 2; i++) { /* the number will be used again */
        if (atomic_load_explicit(&shared->progress[i].tag, memory_order_relaxed) > batch_seq)
            atomic_store_explicit(&shared->progress[i].tag, 0, memory_order_release);
    }
    b->begin = atomic_load_explicit(&shared->done, memory_order_acquire);
    if (in_force < 0)
        return;
    struct mpl_batch_progress p = shared->progress[in_force];
    uint64_t done = mpl_batch_done(shared, &p);
    if (!is_whole(b, &p, done)) {
        b->begin = 0;
        forget_batch(s, shared);
        return;
    }
    b->begin = p.begin;
    b->len = b->decided_len = p.end - p.begin;
    b->count = b->decided_count = p.record_count;
    b->own_count = b->decided_own_count = p.own_count;
    b->oldest_stamp = p.oldest_stamp;
    b->done = done - p.begin;
    b->ends_allocated = p.record_count > MPL_BATCH_ENDS ? round_ends(p.record_count) : MPL_BATCH_ENDS;
    b->is_inherited = waits(b);
    mpl_batch_rewind(b);
}

/* Lines go behind what waits; positions go on behind both. */
static void choose_filling(struct mpl_sink *s)
{
    const struct mpl_batch_view *b = s->batch;
    uint64_t end0 = b[0].begin + b[0].len, end1 = b[1].begin + b[1].len;
    s->filling = waits(&b[0]) != waits(&b[1]) ? waits(&b[1]) : end1 > end0;
    struct mpl_batch_view *filling = mpl_batch_filling(s);
    if (filling->len == 0)
        filling->begin = end0 > end1 ? end0 : end1;
}

int mpl_batch_open(struct mpl_sink *s, int dir_fd, uint64_t batch_seq)
{
    static const char *const kinds[] = {MPL_BATCH_KIND, MPL_BATCH_KIND_2};
    for (int i = 0; i < 2; i++) {
        struct mpl_batch_view *b = &s->batch[i];
        b->fd = open_file(dir_fd, kinds[i], s->index);
        int error = b->fd < 0 ? b->fd : map_file(b, kinds[i], s->index);
        if (error)
            return error;
    }
    for (int i = 0; i < 2; i++)
        take_decided(s, &s->batch[i], batch_seq);
    choose_filling(s);
    return 0;
}

void mpl_batch_close(struct mpl_sink *s)
{
    for (int i = 0; i < 2; i++) {
        struct mpl_batch_view *b = &s->batch[i];
        if (b->shared)
            mpl_unmap(b->shared, b->map_bytes);
        if (b->fd >= 0)
            close(b->fd);
        *b = (struct mpl_batch_view){.fd = -1};
    }
}

uint64_t mpl_batch_waiting(const struct mpl_sink *s)
{
    uint64_t sum = 0;
    for (int i = 0; i < 2; i++) {
        const struct mpl_batch_view *b = &s->batch[i];
        bool is_away = s->out && s->work.batch == b;
        /* Relaxed: a number for people, of what the thread has not finished yet. */
        uint64_t done = is_away ? atomic_load_explicit(&b->shared->done, memory_order_relaxed) - b->begin : b->done;
        if (is_away && done > b->decided_len)
            done = 0; /* of what the buffer held before */
        sum += done < b->decided_len
                   ? mpl_sinkfile_waiting(mpl_batch_ends(b->shared), b->decided_count, b->decided_own_count, done)
                   : 0;
    }
    return sum;
}

/* Makes the file and the map so large. What lies in it stays. Smaller: only while nothing is pending or filled in. */
static bool resize(struct mpl_batch_view *v, uint64_t data_bytes)
{
    uint64_t bytes = mpl_os_page_round(MPL_BATCH_DATA_OFFSET + data_bytes);
    bool is_larger = bytes > v->map_bytes;
    struct mpl_batch *b = NULL;
    if (!is_larger || mpl_os_allocate(v->fd, v->map_bytes, bytes - v->map_bytes) == 0)
        b = mpl_map(v->fd, 0, bytes);
    if (b) {
        b->data_bytes = v->data_bytes = bytes - MPL_BATCH_DATA_OFFSET;
        mpl_unmap(v->shared, v->map_bytes);
        v->shared = b;
        v->map_bytes = bytes;
        if (!is_larger && ftruncate(v->fd, (off_t)bytes) < 0) {
            /* the memory is kept for nothing; the next huge line uses it */
        }
    }
    return b != NULL;
}

static void shrink(struct mpl_batch_view *b)
{
    if (b->len > 0)
        return;
    if (b->data_bytes > 2 * MPL_BATCH_DATA_BYTES)
        resize(b, MPL_BATCH_DATA_BYTES);
    /* Refused: the memory is kept until the session ends. */
    if (b->ends_allocated > MPL_BATCH_ENDS &&
        fallocate(b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)ends_offset(MPL_BATCH_ENDS),
                  (off_t)(ends_offset(b->ends_allocated) - ends_offset(MPL_BATCH_ENDS))) == 0)
        b->ends_allocated = MPL_BATCH_ENDS;
}

void mpl_batch_shrink(struct mpl_sink *s)
{
    for (int i = 0; i < 2 && mpl_batch_is_open(s) && !s->out; i++)
        shrink(&s->batch[i]);
}

/* Room for one more line behind those that wait for the file. */
static bool grow(const struct mpl_sink *s, struct mpl_batch_view *b, uint64_t bytes)
{
    uint64_t wanted = b->len + bytes, larger = 2 * b->data_bytes;
    larger = larger < s->waiting_bytes_max ? larger : s->waiting_bytes_max;
    if (wanted > s->waiting_bytes_max || b->count == MPL_BATCH_ENDS_MAX)
        return false;
    if (b->count == b->ends_allocated) {
        /* The maximum is a multiple of what there is at first. */
        if (mpl_os_allocate(b->fd, ends_offset(b->ends_allocated), MPL_BATCH_ENDS * sizeof(uint32_t)) < 0)
            return false;
        b->ends_allocated += MPL_BATCH_ENDS;
    }
    return wanted <= b->data_bytes || resize(b, larger > wanted ? larger : wanted);
}

/* It may have more than at first: it waits for its file, or for the other one to be written. */
static bool is_stretched(const struct mpl_sink *s, const struct mpl_batch_view *b) { return waits(b) || s->out; }

/* Bytes that a batch may have: no more than at first, unless it is one line alone, or has to wait. */
static uint64_t bytes_max(const struct mpl_sink *s, const struct mpl_batch_view *b)
{
    bool is_bounded = b->data_bytes > MPL_BATCH_DATA_BYTES && !is_stretched(s, b);
    return is_bounded ? MPL_BATCH_DATA_BYTES : b->data_bytes;
}

static uint32_t ends_left(const struct mpl_sink *s, const struct mpl_batch_view *b)
{
    uint32_t most = is_stretched(s, b) ? b->ends_allocated : MPL_BATCH_ENDS;
    return b->count < most ? most - b->count : 0;
}

uint32_t mpl_batch_ends_left(const struct mpl_sink *s) { return ends_left(s, &s->batch[s->filling]); }

static bool has_room(const struct mpl_sink *s, const struct mpl_batch_view *b, uint64_t bytes)
{
    uint64_t most = b->count == 0 ? b->data_bytes : bytes_max(s, b);
    return ends_left(s, b) > 0 && b->len <= most && bytes <= most - b->len;
}

enum mpl_append mpl_batch_offer(struct mpl_sink *s, uint64_t bytes)
{
    struct mpl_batch_view *b = mpl_batch_filling(s);
    if (!mpl_batch_is_open(s))
        return MPL_APPEND_LOST;
    if (has_room(s, b, bytes))
        return MPL_APPENDED;
    if (b->count > 0 && s->out && s->out != MPL_OUT_SLOW) {
        if (b->len + bytes <= STRETCHED_BYTES_MAX && grow(s, b, bytes))
            return MPL_APPENDED;
        s->out = MPL_OUT_WANTED;
        return MPL_APPEND_FULL;
    }
    if (waits(b) && grow(s, b, bytes))
        return MPL_APPENDED;
    if (waits(b)) /* what only is slow is waited for, until it counts as failing */
        return s->may_wait || !s->is_failing ? MPL_APPEND_WAIT : MPL_APPEND_LOST;
    if (b->count > 0)
        return MPL_APPEND_FULL;
    /* One line of more than a whole batch; without memory for it the record is lost for this sink, and counted. */
    return bytes < UINT32_MAX && resize(b, bytes) ? MPL_APPENDED : MPL_APPEND_LOST;
}

struct mpl_text mpl_batch_room(const struct mpl_sink *s)
{
    const struct mpl_batch_view *b = &s->batch[s->filling];
    uint64_t most = b->shared ? bytes_max(s, b) : 0;
    if (b->len >= most)
        return (struct mpl_text){NULL, 0, 0};
    return (struct mpl_text){mpl_batch_data(b->shared) + b->len, 0, most - b->len};
}

void mpl_batch_take(struct mpl_sink *s, struct mpl_str bytes, const struct mpl_line *line)
{
    struct mpl_batch_view *b = mpl_batch_filling(s);
    if (b->count == 0)
        b->oldest_stamp = line->stamp;
    char *to = mpl_batch_data(b->shared) + b->len;
    if (to != bytes.ptr) /* mpl_batch_room */
        memcpy(to, bytes.ptr, bytes.len);
    b->len += bytes.len;
    mpl_batch_ends(b->shared)[b->count++] = (uint32_t)b->len;
    b->own_count += line->is_own;
    b->has_error_record |= line->level >= MPL_LEVEL_ERROR;
}

void mpl_batch_taken(struct mpl_sink *s, uint32_t count, uint64_t bytes, bool has_error_record, uint64_t first_stamp)
{
    struct mpl_batch_view *b = mpl_batch_filling(s);
    if (b->count == 0)
        b->oldest_stamp = first_stamp;
    b->len += bytes;
    b->count += count;
    b->has_error_record |= has_error_record;
}

void mpl_batch_prepare(struct mpl_sink *s, uint64_t tag)
{
    struct mpl_batch_view *b = mpl_batch_filling(s);
    struct mpl_batch_progress *p = b->shared->progress;
    uint64_t tag0 = atomic_load_explicit(&p[0].tag, memory_order_relaxed);
    uint64_t tag1 = atomic_load_explicit(&p[1].tag, memory_order_relaxed);
    if (b->len == b->decided_len)
        return;
    p = tag0 > tag1 ? &p[1] : &p[0]; /* the one not in force */
    p->begin = b->begin;
    p->end = b->begin + b->len;
    p->record_count = b->count;
    p->own_count = b->own_count;
    p->oldest_stamp = b->oldest_stamp;
    atomic_store_explicit(&p->tag, tag, memory_order_release); /* partner: mpl_batch_in_force, for a successor */
    b->decided_len = b->len;
    b->decided_count = b->count;
    b->decided_own_count = b->own_count;
}

/* ---- writing ---- */

static void begin_write(void *arg, uint64_t dev, uint64_t ino, uint64_t offset, uint64_t from, uint64_t until)
{
    const struct mpl_batch_view *b = arg;
    struct mpl_intent *i = &b->shared->intent;
    i->until = 0;
    atomic_signal_fence(memory_order_seq_cst); /* a successor sees our stores in order: we are dead then */
    *i = (struct mpl_intent){.dev = dev, .ino = ino, .offset = offset, .from = b->begin + from, .until = 0};
    atomic_signal_fence(memory_order_seq_cst);
    i->until = b->begin + until;
    atomic_signal_fence(memory_order_seq_cst);
}

static void done_write(void *arg, uint64_t until)
{
    const struct mpl_batch_view *b = arg;
    atomic_store_explicit(&b->shared->done, b->begin + until, memory_order_release); /* partner: take_decided */
}

void mpl_batch_resume(struct mpl_sink *s, struct mpl_batch_view *b)
{
    if (!b->is_inherited)
        return;
    b->is_inherited = false;
    struct mpl_intent i = b->shared->intent;
    atomic_signal_fence(memory_order_seq_cst); /* what is checked is the copy */
    if (i.until <= b->begin + b->done || i.until > b->begin + b->decided_len || i.from > i.until || i.from < b->begin)
        return; /* no write was announced */
    uint64_t from = i.from - b->begin;
    uint64_t there = mpl_file_already_written(&s->file, i.dev, i.ino, i.offset, mpl_batch_data(b->shared) + from,
                                              i.until - i.from);
    if (from + there > b->done) {
        b->done = from + there;
        done_write(b, b->done);
    }
}

int mpl_batch_write(struct mpl_sink *s, struct mpl_batch_view *b)
{
    struct mpl_lines lines = {mpl_batch_data(b->shared), b->decided_len, mpl_batch_ends(b->shared), b->decided_count};
    struct mpl_file_journal journal = {b, begin_write, done_write};
    int error = mpl_file_append(&s->file, &lines, &b->done, &journal);
    done_write(b, b->done);
    return error;
}
