/* SPDX-License-Identifier: Unlicense
 *
 * The batch of a regular file: filled by emit.c, decided by commit.c, written here under the file's lock, with an
 * intent before each write.
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

static int open_file(int dir_fd, uint32_t index)
{
    char name[MPL_SINKFILE_NAME_MAX];
    mpl_sinkfile_name(name, "batch", index);
    return mpl_dir_open_file(dir_fd, name, O_RDWR);
}

static bool is_sound(const struct mpl_batch *b, uint64_t file_bytes)
{
    return b->magic == MPL_BATCH_MAGIC && b->ends_max == MPL_BATCH_ENDS_MAX &&
           b->data_bytes <= file_bytes - MPL_BATCH_DATA_OFFSET;
}

static int map_file(struct mpl_sink *s, int fd)
{
    struct stat st;
    uint64_t least = mpl_os_page_round(MPL_PAGE_BYTES + MPL_BATCH_ENDS_MAX * 4);
    if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < least)
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

/* What a predecessor has decided. A batch that was never decided has its records in their rings still, and of one that
 * is damaged nobody can tell what it was. */
static void take_decided(struct mpl_sink *s, uint64_t batch_seq)
{
    struct mpl_batch *b = s->batch;
    uint64_t tag = atomic_load_explicit(&b->tag, memory_order_acquire), len = b->len;
    uint32_t count = b->record_count;
    bool is_decided = tag != 0 && tag <= batch_seq,
         is_whole = len <= s->batch_data_bytes && count <= MPL_BATCH_ENDS_MAX;
    if (is_decided && is_whole) {
        s->decided_len = len;
        s->decided_count = count;
        s->is_inherited = true;
        s->done = atomic_load_explicit(&b->done, memory_order_relaxed);
        return;
    }
    if (is_decided)
        s->account->untold++; /* how many they were, nobody can tell */
    atomic_store_explicit(&b->tag, 0, memory_order_release);
    b->len = b->record_count = 0;
    atomic_store_explicit(&b->done, 0, memory_order_relaxed);
}

int mpl_batch_open(struct mpl_sink *s, int dir_fd, uint64_t batch_seq)
{
    s->buffer_fd = open_file(dir_fd, s->index);
    if (s->buffer_fd < 0)
        return s->buffer_fd;
    int error = map_file(s, s->buffer_fd);
    if (error)
        return error;
    take_decided(s, batch_seq);
    return 0;
}

void mpl_batch_close(struct mpl_sink *s)
{
    if (s->batch)
        mpl_unmap(s->batch, s->batch_map_bytes);
    s->batch = NULL;
}

bool mpl_batch_is_pending(const struct mpl_sink *s) { return s->done < s->decided_len; }

uint64_t mpl_batch_waiting(const struct mpl_sink *s)
{
    return mpl_batch_is_pending(s)
               ? mpl_sinkfile_waiting(mpl_batch_ends(s->batch), s->decided_count, s->batch->own_count, s->done)
               : 0;
}

/* Makes the file and the map `data_bytes` large. Only while nothing is pending or filled in. */
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
    if (s->batch && s->batch_data_bytes > 2 * MPL_BATCH_DATA_BYTES && s->len == 0 && !mpl_batch_is_pending(s))
        resize(s, MPL_BATCH_DATA_BYTES);
}

enum mpl_append mpl_batch_offer(struct mpl_sink *s, uint64_t bytes)
{
    if (!s->batch || (s->count == 0 && mpl_batch_is_pending(s)))
        return MPL_APPEND_LOST; /* what waits there must stay; only lines of our own come here meanwhile */
    if (s->count < MPL_BATCH_ENDS_MAX && bytes <= s->batch_data_bytes - s->len)
        return MPL_APPENDED;
    if (s->count > 0)
        return MPL_APPEND_FULL;
    /* One line of more than a whole batch; without memory for it the record is lost for this sink, and counted. */
    return bytes < UINT32_MAX && resize(s, bytes) ? MPL_APPENDED : MPL_APPEND_LOST;
}

struct mpl_text mpl_batch_room(const struct mpl_sink *s)
{
    if (!s->batch || (s->count == 0 && mpl_batch_is_pending(s)))
        return (struct mpl_text){NULL, 0, 0};
    return (struct mpl_text){mpl_batch_data(s->batch) + s->len, 0, s->batch_data_bytes - s->len};
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
    struct mpl_batch *b = s->batch;
    if (s->count == 0)
        return;
    atomic_store_explicit(&b->tag, 0, memory_order_release); /* not in force while the rest changes */
    b->len = s->decided_len = s->len;
    b->record_count = s->decided_count = s->count;
    b->own_count = s->own_count;
    b->oldest_stamp = s->oldest_stamp;
    b->intent = (struct mpl_intent){.until = 0};
    atomic_store_explicit(&b->done, 0, memory_order_relaxed);
    s->done = 0;
    atomic_store_explicit(&b->tag, tag, memory_order_release); /* in force once batch_seq reaches it (commit.c) */
    s->len = s->count = s->own_count = 0;
}

/* ---- writing ---- */

static void begin_write(void *arg, uint64_t dev, uint64_t ino, uint64_t offset, uint64_t from, uint64_t until)
{
    struct mpl_batch *b = arg;
    b->intent.until = 0;
    atomic_signal_fence(memory_order_seq_cst); /* a successor sees our stores in order: we are dead then */
    b->intent = (struct mpl_intent){.dev = dev, .ino = ino, .offset = offset, .from = from, .until = 0};
    atomic_signal_fence(memory_order_seq_cst);
    b->intent.until = until;
    atomic_signal_fence(memory_order_seq_cst);
}

static void done_write(void *arg, uint64_t until)
{
    struct mpl_batch *b = arg;
    atomic_store_explicit(&b->done, until, memory_order_release);
}

void mpl_batch_resume(struct mpl_sink *s)
{
    if (!s->is_inherited)
        return;
    s->is_inherited = false;
    struct mpl_intent i = s->batch->intent;
    atomic_signal_fence(memory_order_seq_cst); /* what is checked is the copy */
    if (i.until <= s->done || i.until > s->decided_len || i.from > i.until)
        return; /* no write was announced */
    uint64_t there = mpl_file_already_written(&s->file, i.dev, i.ino, i.offset, mpl_batch_data(s->batch) + i.from,
                                              i.until - i.from);
    if (i.from + there > s->done) {
        s->done = i.from + there;
        atomic_store_explicit(&s->batch->done, s->done, memory_order_release);
    }
}

int mpl_batch_write(struct mpl_sink *s)
{
    struct mpl_batch *b = s->batch;
    struct mpl_lines lines = {mpl_batch_data(b), s->decided_len, mpl_batch_ends(b), s->decided_count};
    struct mpl_file_journal journal = {b, begin_write, done_write};
    int error = mpl_file_append(&s->file, &lines, &s->done, &journal);
    atomic_store_explicit(&b->done, s->done, memory_order_release);
    s->needs_sync = s->needs_sync || !error;
    return error;
}

void mpl_batch_sync(struct mpl_sink *s, uint64_t now_ns)
{
    bool is_due = s->fsync == MPL_FSYNC_ERROR ? s->has_error_record
                                              : s->fsync == MPL_FSYNC_INTERVAL && now_ns >= s->sync_due_ns;
    if (s->fsync == MPL_FSYNC_NEVER || !s->needs_sync || !is_due)
        return;
    /* A failure shows with the next write; there is nothing to be done about it here. */
    mpl_file_sync(&s->file);
    s->needs_sync = s->has_error_record = false;
    s->sync_due_ns = now_ns + NS_PER_S;
}
