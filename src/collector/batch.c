/* SPDX-License-Identifier: Unlicense
 *
 * The batch of a regular file: filled by emit.c, decided by commit.c, written here under the file's lock, with an
 * intent before each write. While the file fails, what is decided stays where it is, and further lines follow it: the
 * buffer grows, up to a bound.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/level.h"
#include "base/os.h"
#include "collector/sink.h"
#include "shm/dir.h"
#include "shm/map.h"

#define NS_PER_S UINT64_C(1000000000)

static uint64_t ends_offset(uint32_t count) { return MPL_PAGE_BYTES + (uint64_t)count * sizeof(uint32_t); }

static uint32_t round_ends(uint32_t count) { return (count + MPL_BATCH_ENDS - 1) / MPL_BATCH_ENDS * MPL_BATCH_ENDS; }

static int open_file(int dir_fd, uint32_t index)
{
    char name[MPL_SINKFILE_NAME_MAX];
    mpl_sinkfile_name(name, "batch", index);
    int fd = mpl_dir_open_file(dir_fd, name, O_RDWR);
    return fd == -ENOENT ? mpl_fail(EPROTO, "session file %s: is missing", name) : fd;
}

static bool is_sound(const struct mpl_batch *b, uint64_t file_bytes)
{
    return b->magic == MPL_BATCH_MAGIC && b->ends_max == MPL_BATCH_ENDS_MAX &&
           b->data_bytes <= file_bytes - MPL_BATCH_DATA_OFFSET;
}

static int map_file(struct mpl_sink *s, int fd)
{
    struct stat st;
    uint64_t least = MPL_BATCH_DATA_OFFSET;
    if (fstat(fd, &st) < 0)
        return mpl_fail_errno(errno, "session file batch%u: cannot be examined", s->index);
    if ((uint64_t)st.st_size < least)
        return mpl_fail(EPROTO, "session file batch%u: is damaged", s->index);
    struct mpl_batch *b = mpl_map(fd, 0, (uint64_t)st.st_size);
    if (!b)
        return mpl_fail_errno(errno, "session file batch%u: cannot be mapped", s->index);
    if (!is_sound(b, (uint64_t)st.st_size)) {
        mpl_unmap(b, (uint64_t)st.st_size);
        return mpl_fail(EPROTO, "session file batch%u: is damaged", s->index);
    }
    s->batch = b;
    s->batch_map_bytes = (uint64_t)st.st_size;
    s->batch_data_bytes = s->batch_map_bytes - MPL_BATCH_DATA_OFFSET;
    return 0;
}

bool mpl_batch_is_pending(const struct mpl_sink *s) { return s->done < s->decided_len; }

/* What was decided is in the file, and nothing more has been filled in: the next line comes to the front. */
static void rewind_if_done(struct mpl_sink *s)
{
    if (s->done < s->decided_len || s->len > s->decided_len)
        return;
    s->begin += s->len;
    s->len = s->decided_len = s->done = 0;
    s->count = s->own_count = s->decided_count = s->decided_own_count = 0;
}

/* Damaged: nobody can tell what it was, or how much. */
static void forget_batch(struct mpl_sink *s)
{
    struct mpl_batch *b = s->batch;
    for (int i = 0; i < 2; i++)
        atomic_store_explicit(&b->progress[i].tag, 0, memory_order_release);
    atomic_store_explicit(&b->done, 0, memory_order_relaxed);
    s->account->untold++;
}

static bool is_whole(const struct mpl_sink *s, const struct mpl_batch_progress *p, uint64_t done)
{
    return p->begin <= done && done <= p->end && p->end - p->begin <= s->batch_data_bytes &&
           p->record_count <= MPL_BATCH_ENDS_MAX;
}

/* What a predecessor has decided. Of a batch that was never decided the records are in their rings still. */
static void take_decided(struct mpl_sink *s, uint64_t batch_seq)
{
    struct mpl_batch *b = s->batch;
    int in_force = mpl_batch_in_force(b, batch_seq);
    uint64_t done = atomic_load_explicit(&b->done, memory_order_acquire);
    for (int i = 0; i < 2; i++) { /* the number will be used again */
        if (atomic_load_explicit(&b->progress[i].tag, memory_order_relaxed) > batch_seq)
            atomic_store_explicit(&b->progress[i].tag, 0, memory_order_release);
    }
    if (in_force < 0) {
        s->begin = done;
        return;
    }
    struct mpl_batch_progress p = b->progress[in_force];
    if (!is_whole(s, &p, done)) {
        forget_batch(s);
        return;
    }
    s->begin = p.begin;
    s->len = s->decided_len = p.end - p.begin;
    s->count = s->decided_count = p.record_count;
    s->own_count = s->decided_own_count = p.own_count;
    s->oldest_stamp = p.oldest_stamp;
    s->done = done - p.begin;
    s->ends_allocated = p.record_count > MPL_BATCH_ENDS ? round_ends(p.record_count) : MPL_BATCH_ENDS;
    s->is_inherited = mpl_batch_is_pending(s);
    rewind_if_done(s);
}

int mpl_batch_open(struct mpl_sink *s, int dir_fd, uint64_t batch_seq)
{
    s->buffer_fd = open_file(dir_fd, s->index);
    if (s->buffer_fd < 0)
        return s->buffer_fd;
    int error = map_file(s, s->buffer_fd);
    if (error)
        return error;
    s->ends_allocated = MPL_BATCH_ENDS;
    take_decided(s, batch_seq);
    return 0;
}

void mpl_batch_close(struct mpl_sink *s)
{
    if (s->batch)
        mpl_unmap(s->batch, s->batch_map_bytes);
    s->batch = NULL;
}

uint64_t mpl_batch_waiting(const struct mpl_sink *s)
{
    return mpl_batch_is_pending(s)
               ? mpl_sinkfile_waiting(mpl_batch_ends(s->batch), s->decided_count, s->decided_own_count, s->done)
               : 0;
}

/* Makes the file and the map so large. What lies in it stays. Smaller: only while nothing is pending or filled in. */
static bool resize(struct mpl_sink *s, uint64_t data_bytes)
{
    int fd = s->buffer_fd;
    uint64_t bytes = mpl_os_page_round(MPL_BATCH_DATA_OFFSET + data_bytes);
    bool is_larger = bytes > s->batch_map_bytes;
    struct mpl_batch *b = NULL;
    if (!is_larger || mpl_os_allocate(fd, s->batch_map_bytes, bytes - s->batch_map_bytes) == 0)
        b = mpl_map(fd, 0, bytes);
    if (b) {
        b->data_bytes = s->batch_data_bytes = bytes - MPL_BATCH_DATA_OFFSET;
        mpl_unmap(s->batch, s->batch_map_bytes);
        s->batch = b;
        s->batch_map_bytes = bytes;
        if (!is_larger && ftruncate(fd, (off_t)bytes) < 0) {
            /* the memory is kept for nothing; the next huge line uses it */
        }
    }
    return b != NULL;
}

void mpl_batch_shrink(struct mpl_sink *s)
{
    if (!s->batch || s->len > 0)
        return;
    if (s->batch_data_bytes > 2 * MPL_BATCH_DATA_BYTES)
        resize(s, MPL_BATCH_DATA_BYTES);
    /* Refused: the memory is kept until the session ends. */
    if (s->ends_allocated > MPL_BATCH_ENDS &&
        fallocate(s->buffer_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)ends_offset(MPL_BATCH_ENDS),
                  (off_t)(ends_offset(s->ends_allocated) - ends_offset(MPL_BATCH_ENDS))) == 0)
        s->ends_allocated = MPL_BATCH_ENDS;
}

/* Room for one more line behind those that wait for the file. */
static bool grow(struct mpl_sink *s, uint64_t bytes)
{
    uint64_t wanted = s->len + bytes, larger = 2 * s->batch_data_bytes;
    larger = larger < s->waiting_bytes_max ? larger : s->waiting_bytes_max;
    if (wanted > s->waiting_bytes_max || s->count == MPL_BATCH_ENDS_MAX)
        return false;
    if (s->count == s->ends_allocated) {
        /* The maximum is a multiple of what there is at first. */
        if (mpl_os_allocate(s->buffer_fd, ends_offset(s->ends_allocated), MPL_BATCH_ENDS * sizeof(uint32_t)) < 0)
            return false;
        s->ends_allocated += MPL_BATCH_ENDS;
    }
    return wanted <= s->batch_data_bytes || resize(s, larger > wanted ? larger : wanted);
}

/* Bytes that a batch may have: no more than at first, unless it is one line alone, or waits for its file. */
static uint64_t bytes_max(const struct mpl_sink *s)
{
    bool is_bounded = s->batch_data_bytes > MPL_BATCH_DATA_BYTES && !mpl_batch_is_pending(s);
    return is_bounded ? MPL_BATCH_DATA_BYTES : s->batch_data_bytes;
}

uint32_t mpl_batch_ends_left(const struct mpl_sink *s)
{
    uint32_t most = mpl_batch_is_pending(s) ? s->ends_allocated : MPL_BATCH_ENDS;
    return s->count < most ? most - s->count : 0;
}

static bool has_room(const struct mpl_sink *s, uint64_t bytes)
{
    uint64_t most = s->count == 0 ? s->batch_data_bytes : bytes_max(s);
    return mpl_batch_ends_left(s) > 0 && s->len <= most && bytes <= most - s->len;
}

enum mpl_append mpl_batch_offer(struct mpl_sink *s, uint64_t bytes)
{
    if (!s->batch)
        return MPL_APPEND_LOST;
    if (has_room(s, bytes))
        return MPL_APPENDED;
    if (mpl_batch_is_pending(s))
        return grow(s, bytes) ? MPL_APPENDED : s->may_wait ? MPL_APPEND_WAIT : MPL_APPEND_LOST;
    if (s->count > 0)
        return MPL_APPEND_FULL;
    /* One line of more than a whole batch; without memory for it the record is lost for this sink, and counted. */
    return bytes < UINT32_MAX && resize(s, bytes) ? MPL_APPENDED : MPL_APPEND_LOST;
}

struct mpl_text mpl_batch_room(const struct mpl_sink *s)
{
    uint64_t most = s->batch ? bytes_max(s) : 0;
    if (s->len >= most)
        return (struct mpl_text){NULL, 0, 0};
    return (struct mpl_text){mpl_batch_data(s->batch) + s->len, 0, most - s->len};
}

void mpl_batch_take(struct mpl_sink *s, struct mpl_str bytes, const struct mpl_line *line)
{
    if (s->count == 0)
        s->oldest_stamp = line->stamp;
    char *to = mpl_batch_data(s->batch) + s->len;
    if (to != bytes.ptr) /* mpl_batch_room */
        memcpy(to, bytes.ptr, bytes.len);
    s->len += bytes.len;
    mpl_batch_ends(s->batch)[s->count++] = (uint32_t)s->len;
    s->own_count += line->is_own;
    s->has_error_record |= line->level >= MPL_LEVEL_ERROR;
}

void mpl_batch_taken(struct mpl_sink *s, uint32_t count, uint64_t bytes, bool has_error_record, uint64_t first_stamp)
{
    if (s->count == 0)
        s->oldest_stamp = first_stamp;
    s->len += bytes;
    s->count += count;
    s->has_error_record |= has_error_record;
}

void mpl_batch_prepare(struct mpl_sink *s, uint64_t tag)
{
    struct mpl_batch_progress *p = s->batch->progress;
    uint64_t tag0 = atomic_load_explicit(&p[0].tag, memory_order_relaxed);
    uint64_t tag1 = atomic_load_explicit(&p[1].tag, memory_order_relaxed);
    if (s->len == s->decided_len)
        return;
    p = tag0 > tag1 ? &p[1] : &p[0]; /* the one not in force */
    p->begin = s->begin;
    p->end = s->begin + s->len;
    p->record_count = s->count;
    p->own_count = s->own_count;
    p->oldest_stamp = s->oldest_stamp;
    atomic_store_explicit(&p->tag, tag, memory_order_release); /* partner: mpl_batch_in_force, for a successor */
    s->decided_len = s->len;
    s->decided_count = s->count;
    s->decided_own_count = s->own_count;
}

/* ---- writing ---- */

static void begin_write(void *arg, uint64_t dev, uint64_t ino, uint64_t offset, uint64_t from, uint64_t until)
{
    const struct mpl_sink *s = arg;
    struct mpl_intent *i = &s->batch->intent;
    i->until = 0;
    atomic_signal_fence(memory_order_seq_cst); /* a successor sees our stores in order: we are dead then */
    *i = (struct mpl_intent){.dev = dev, .ino = ino, .offset = offset, .from = s->begin + from, .until = 0};
    atomic_signal_fence(memory_order_seq_cst);
    i->until = s->begin + until;
    atomic_signal_fence(memory_order_seq_cst);
}

static void done_write(void *arg, uint64_t until)
{
    const struct mpl_sink *s = arg;
    atomic_store_explicit(&s->batch->done, s->begin + until, memory_order_release); /* partner: take_decided */
}

void mpl_batch_resume(struct mpl_sink *s)
{
    if (!s->is_inherited)
        return;
    s->is_inherited = false;
    struct mpl_intent i = s->batch->intent;
    atomic_signal_fence(memory_order_seq_cst); /* what is checked is the copy */
    if (i.until <= s->begin + s->done || i.until > s->begin + s->decided_len || i.from > i.until || i.from < s->begin)
        return; /* no write was announced */
    uint64_t from = i.from - s->begin;
    uint64_t there = mpl_file_already_written(&s->file, i.dev, i.ino, i.offset, mpl_batch_data(s->batch) + from,
                                              i.until - i.from);
    if (from + there > s->done) {
        s->done = from + there;
        done_write(s, s->done);
        rewind_if_done(s);
    }
}

int mpl_batch_write(struct mpl_sink *s)
{
    struct mpl_lines lines = {mpl_batch_data(s->batch), s->decided_len, mpl_batch_ends(s->batch), s->decided_count};
    struct mpl_file_journal journal = {s, begin_write, done_write};
    int error = mpl_file_append(&s->file, &lines, &s->done, &journal);
    done_write(s, s->done);
    s->needs_sync = s->needs_sync || !error;
    rewind_if_done(s);
    return error;
}

int mpl_batch_sync(struct mpl_sink *s, uint64_t now_ns)
{
    bool is_due = s->fsync == MPL_FSYNC_ERROR ? s->has_error_record && now_ns >= s->sync_due_ns
                                              : s->fsync == MPL_FSYNC_INTERVAL && now_ns >= s->sync_due_ns;
    if (s->fsync == MPL_FSYNC_NEVER || !s->needs_sync || !is_due)
        return 0;
    int error = mpl_file_sync(&s->file);
    if (error || s->fsync == MPL_FSYNC_INTERVAL)
        s->sync_due_ns = now_ns + NS_PER_S;
    if (!error)
        s->needs_sync = s->has_error_record = false;
    return error;
}
