/* SPDX-License-Identifier: Unlicense
 *
 * A sink that may make a writer wait: stderr, a pipe, a terminal. Lines go into a circular buffer in shared memory, and
 * a thread of its own writes them out: poll(2) says when, and a write of at most PIPE_BUF bytes then does not block.
 * (Setting O_NONBLOCK would change the descriptor for the host, who shares it.)
 *
 * Main thread: append, prepare, decided. Writer thread: read_pos, the descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "collector/sink.h"
#include "shm/dir.h"
#include "shm/map.h"

#define NS_PER_MS UINT64_C(1000000)

/* Pages of the buffer are allocated this many at a time, as the positions pass them for the first time. */
#define ALLOCATE_BYTES 65536u

/* A pipe that polls writable takes this much without blocking (pipe(7)); a regular file never blocks. */
#define CHUNK_BYTES ((uint64_t)PIPE_BUF)
#define FILE_CHUNK_BYTES 65536u

#define STACK_BYTES 65536u

/* AT_ONCE: what is not written is left to a successor; TOO_LATE: who may have begun to write it. */
enum stop { GO_ON, AT_ONCE, TOO_LATE };

struct mpl_stream_writer {
    pthread_t thread;
    struct mpl_stream *stream;
    const char *data;
    int fd;
    uint64_t chunk_bytes;
    /* How far the bytes are there, and how far they are written. Those in the stream are for a successor alone. */
    _Atomic uint64_t write_pos;    /* main thread: release; writer: acquire */
    _Atomic uint64_t read_pos;     /* writer, after write(): seq_cst against is_awaited; main thread */
    _Atomic uint32_t *wake_word;   /* the collector's main thread */
    _Atomic uint32_t work;         /* futex: main thread adds 1 when there is more, or to finish */
    _Atomic uint32_t is_awaited;   /* main thread wants to know of the next progress. seq_cst against read_pos */
    _Atomic uint32_t is_finishing; /* write what is there, then end */
    _Atomic uint32_t stop;         /* enum stop */
    _Atomic uint32_t is_over;      /* the thread has ended or is about to: nothing is written any more */
    _Atomic int error;             /* why; 0: it was told to */
};

/* ---- what forked children must not keep ---- */

/* Descriptors that the writers of this process have, with the file behind each; one that is not here (too many) stays
 * open in children. */
static struct held {
    _Atomic int held_fd; /* 0: free; -1: being filled in */
    uint64_t dev, ino;
} held[2 * MPL_SINKS_MAX];

static void hold(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return;
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        int none = 0;
        if (atomic_compare_exchange_strong(&held[i].held_fd, &none, -1)) {
            held[i].dev = st.st_dev;
            held[i].ino = st.st_ino;
            atomic_store(&held[i].held_fd, fd);
            return;
        }
    }
}

static void let_go(int fd)
{
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        int own = fd;
        if (atomic_compare_exchange_strong(&held[i].held_fd, &own, 0))
            return;
    }
}

void mpl_stream_close_in_child(void)
{
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        int fd = atomic_exchange(&held[i].held_fd, 0);
        if (fd > 0 && mpl_os_fd_is(fd, held[i].dev, held[i].ino))
            close(fd);
    }
}

/* ---- the writer thread ---- */

static void tell_main(struct mpl_stream_writer *w)
{
    if (!atomic_exchange(&w->is_awaited, 0))
        return;
    atomic_fetch_add(w->wake_word, 1);
    mpl_os_futex_wake(w->wake_word, 1);
}

/* Up to and including the last newline among the first chunk_bytes: other writers of the pipe then come between lines.
 */
static uint64_t chunk_len(const struct mpl_stream_writer *w, uint64_t from, uint64_t available)
{
    uint64_t mask = MPL_STREAM_DATA_BYTES - 1, limit = available < w->chunk_bytes ? available : w->chunk_bytes;
    if (available <= w->chunk_bytes)
        return available;
    for (uint64_t n = limit; n > 0; n--) {
        if (w->data[(from + n - 1) & mask] == '\n')
            return n;
    }
    return limit;
}

/* One write. Bytes written, 0: not now, or -errno. */
static ssize_t write_some(struct mpl_stream_writer *w, uint64_t from, uint64_t available)
{
    uint64_t at = from & (MPL_STREAM_DATA_BYTES - 1), n = chunk_len(w, from, available);
    uint64_t first = MPL_STREAM_DATA_BYTES - at < n ? MPL_STREAM_DATA_BYTES - at : n;
    struct iovec parts[2] = {{(void *)(uintptr_t)(w->data + at), first}, {(void *)(uintptr_t)w->data, n - first}};
    ssize_t written = writev(w->fd, parts, n > first ? 2 : 1);
    if (written >= 0)
        return written;
    return errno == EINTR || errno == EAGAIN ? 0 : -errno;
}

#define LOOK_MS 100 /* an end without a write is noticed after that */

/* 1: the descriptor takes something; 0: not yet; -EPIPE: it never will. */
static int wait_writable(struct mpl_stream_writer *w)
{
    struct pollfd p = {.fd = w->fd, .events = POLLOUT};
    int n = poll(&p, 1, LOOK_MS);
    if (n > 0 && (p.revents & (POLLERR | POLLNVAL)) != 0 && (p.revents & POLLOUT) == 0)
        return -EPIPE;
    return n != 0; /* poll itself may fail, and the write tell more */
}

static void *run_writer(void *arg)
{
    struct mpl_stream_writer *w = arg;
    struct mpl_stream *st = w->stream;
    uint64_t read_pos = atomic_load_explicit(&w->read_pos, memory_order_relaxed);
    int error = 0;
    while (!error && !atomic_load(&w->stop)) {
        uint32_t work = atomic_load(&w->work);
        /* Acquire: partner is mpl_stream_decided; the bytes are there. */
        uint64_t write_pos = atomic_load_explicit(&w->write_pos, memory_order_acquire);
        if (write_pos == read_pos) {
            if (atomic_load(&w->is_finishing))
                break;
            mpl_os_futex_wait(&w->work, work, 3600 * 1000 * NS_PER_MS);
            continue;
        }
        ssize_t n = wait_writable(w);
        n = n > 0 ? write_some(w, read_pos, write_pos - read_pos) : n;
        if (n == 0)
            continue;
        if (n < 0)
            error = (int)-n;
        read_pos += n > 0 ? (uint64_t)n : 0;
        if (atomic_load(&w->stop) == TOO_LATE)
            break; /* it is a successor's now, who has begun where we did */
        atomic_store_explicit(&st->read_pos, read_pos, memory_order_release); /* partner: a successor's take_progress */
        /* Partners: mpl_stream_offer, which uses the room again; mpl_stream_await, which does the reverse of these two.
         */
        atomic_store(&w->read_pos, read_pos);
        tell_main(w);
    }
    atomic_store(&w->error, error);
    let_go(w->fd);
    close(w->fd);
    atomic_store(&w->is_awaited, 1);
    atomic_store(&w->is_over, 1);
    tell_main(w);
    return NULL;
}

int mpl_stream_start(struct mpl_sink *s, int fd, _Atomic uint32_t *wake_word)
{
    struct stat st;
    struct mpl_stream_writer *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    w->stream = s->stream;
    w->data = (const char *)s->stream + MPL_STREAM_HEAD_BYTES;
    w->fd = fd;
    atomic_init(&w->read_pos, s->first_read_pos);
    atomic_init(&w->write_pos, s->write_pos);
    w->chunk_bytes = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? FILE_CHUNK_BYTES : CHUNK_BYTES;
    w->wake_word = wake_word;
    hold(fd);
    int error = mpl_os_thread_start(&w->thread, STACK_BYTES, run_writer, w); /* SIGPIPE, blocked, becomes EPIPE */
    if (error) {
        let_go(fd);
        free(w);
        return mpl_fail_errno(error, "the thread that writes to %s cannot be started", s->name);
    }
    s->writer = w;
    s->fd = fd;
    return 0;
}

/* ---- the main thread ---- */

static void take_progress(struct mpl_sink *s, uint64_t batch_seq)
{
    const struct mpl_stream_progress *best = NULL;
    for (int i = 0; i < 2; i++) {
        struct mpl_stream_progress *p = &s->stream->progress[i];
        uint64_t tag = atomic_load_explicit(&p->tag, memory_order_acquire);
        if (tag > batch_seq)
            atomic_store_explicit(&p->tag, 0, memory_order_release);
        else if (tag > 0 && (!best || tag > atomic_load_explicit(&best->tag, memory_order_relaxed)))
            best = p;
    }
    uint64_t read_pos = atomic_load_explicit(&s->stream->read_pos, memory_order_acquire);
    uint64_t decided_pos = best ? best->write_pos : 0;
    s->write_pos = decided_pos > read_pos ? decided_pos : read_pos;
    if (s->write_pos - read_pos > MPL_STREAM_DATA_BYTES)
        s->write_pos = read_pos; /* damaged: what is left of it cannot be told */
    s->first_read_pos = read_pos;
    atomic_store_explicit(&s->stream->write_pos, s->write_pos, memory_order_release);
}

static int open_file(int dir_fd, uint32_t index)
{
    char name[MPL_SINKFILE_NAME_MAX];
    mpl_sinkfile_name(name, "stream", index);
    int fd = mpl_dir_open_file(dir_fd, name, O_RDWR);
    return fd == -ENOENT ? mpl_fail(EPROTO, "session file %s: is missing", name) : fd;
}

int mpl_stream_open(struct mpl_sink *s, int dir_fd, uint64_t batch_seq)
{
    struct stat st;
    int fd = s->stream_fd = open_file(dir_fd, s->index);
    if (fd < 0)
        return fd;
    uint64_t bytes = MPL_STREAM_HEAD_BYTES + MPL_STREAM_DATA_BYTES;
    if (fstat(fd, &st) == 0 && (uint64_t)st.st_size == bytes)
        s->stream = mpl_map(fd, 0, bytes);
    if (s->stream && (s->stream->magic != MPL_STREAM_MAGIC || s->stream->data_bytes != MPL_STREAM_DATA_BYTES)) {
        mpl_unmap(s->stream, bytes);
        s->stream = NULL;
    }
    if (!s->stream)
        return mpl_fail(EPROTO, "session file stream%u: is damaged", s->index);
    take_progress(s, batch_seq);
    return 0;
}

bool mpl_stream_close(struct mpl_sink *s)
{
    struct mpl_stream_writer *w = s->writer;
    mpl_stream_finish(s);
    bool has_ended = !w || atomic_load(&w->is_over);
    if (w && has_ended) {
        pthread_join(w->thread, NULL);
        free(w);
    } else if (w) {
        pthread_detach(w->thread); /* stuck in a write: it keeps the buffer it reads from, and ends with the process */
        s->stream = NULL;
    }
    s->writer = NULL;
    if (s->stream)
        mpl_unmap(s->stream, MPL_STREAM_HEAD_BYTES + MPL_STREAM_DATA_BYTES);
    s->stream = NULL;
    return has_ended;
}

static bool is_over(const struct mpl_sink *s) { return !s->writer || atomic_load(&s->writer->is_over); }

bool mpl_stream_has_ended(const struct mpl_sink *s, int *error)
{
    *error = s->writer && is_over(s) ? atomic_load(&s->writer->error) : 0;
    return is_over(s);
}

/* From the position on that a successor goes by, which is the main thread's now. */
uint64_t mpl_stream_take_back(struct mpl_sink *s)
{
    uint64_t lines = 0, mask = MPL_STREAM_DATA_BYTES - 1;
    uint64_t from = atomic_load_explicit(&s->stream->read_pos, memory_order_acquire);
    const char *data = (const char *)s->stream + MPL_STREAM_HEAD_BYTES;
    for (uint64_t at = from; at < s->write_pos; at++)
        lines += data[at & mask] == '\n';
    atomic_store_explicit(&s->stream->read_pos, s->write_pos, memory_order_release);
    atomic_store_explicit(&s->stream->write_pos, s->write_pos, memory_order_release);
    return lines;
}

/* Pages up to `bytes` of the data area exist. */
static bool allocate(struct mpl_sink *s, uint64_t bytes)
{
    if (bytes <= s->allocated_bytes)
        return true;
    uint64_t until = (bytes + ALLOCATE_BYTES - 1) / ALLOCATE_BYTES * ALLOCATE_BYTES;
    until = until < MPL_STREAM_DATA_BYTES ? until : MPL_STREAM_DATA_BYTES;
    bool is_there = mpl_os_allocate(s->stream_fd, MPL_STREAM_HEAD_BYTES, until) == 0;
    if (is_there)
        s->allocated_bytes = until;
    return is_there;
}

enum mpl_append mpl_stream_offer(struct mpl_sink *s, uint64_t bytes)
{
    uint64_t size = MPL_STREAM_DATA_BYTES, at = s->write_pos & (size - 1);
    if (is_over(s) || bytes > size)
        return MPL_APPEND_LOST;
    if (s->may_wait)
        mpl_stream_await(s); /* before looking */
    /* Partner: run_writer, which has written those bytes out. */
    uint64_t used = s->write_pos - atomic_load(&s->writer->read_pos);
    if (bytes <= size - used && allocate(s, at + bytes < size ? at + bytes : size))
        return MPL_APPENDED;
    return s->may_wait && used > 0 ? MPL_APPEND_WAIT : MPL_APPEND_LOST;
}

void mpl_stream_take(struct mpl_sink *s, struct mpl_str bytes)
{
    uint64_t size = MPL_STREAM_DATA_BYTES, at = s->write_pos & (size - 1);
    char *data = (char *)s->stream + MPL_STREAM_HEAD_BYTES;
    uint64_t first = size - at < bytes.len ? size - at : bytes.len;
    memcpy(data + at, bytes.ptr, first);
    memcpy(data, bytes.ptr + first, bytes.len - first);
    s->write_pos += bytes.len;
}

void mpl_stream_prepare(struct mpl_sink *s, uint64_t tag)
{
    struct mpl_stream_progress *p = s->stream->progress;
    uint64_t tag0 = atomic_load_explicit(&p[0].tag, memory_order_relaxed);
    uint64_t tag1 = atomic_load_explicit(&p[1].tag, memory_order_relaxed);
    p = tag0 > tag1 ? &p[1] : &p[0]; /* the one not in force */
    p->write_pos = s->write_pos;
    atomic_store_explicit(&p->tag, tag, memory_order_release); /* in force once batch_seq reaches it */
}

void mpl_stream_decided(struct mpl_sink *s)
{
    atomic_store_explicit(&s->stream->write_pos, s->write_pos, memory_order_release);
    if (s->writer) {
        atomic_store_explicit(&s->writer->write_pos, s->write_pos, memory_order_release); /* partner: run_writer */
        atomic_fetch_add(&s->writer->work, 1);
        mpl_os_futex_wake(&s->writer->work, 1);
    }
}

bool mpl_stream_has_reached(const struct mpl_sink *s, uint64_t pos)
{
    /* Partner: run_writer; seq_cst, since mpl_stream_await stores before this is asked. */
    int error;
    if (mpl_stream_has_ended(s, &error))
        return error == 0 || s->is_end_noted;
    return atomic_load(&s->writer->read_pos) >= pos;
}

bool mpl_stream_is_drained(const struct mpl_sink *s)
{
    return mpl_stream_has_reached(s, s->writer ? atomic_load_explicit(&s->writer->write_pos, memory_order_relaxed) : 0);
}

void mpl_stream_await(struct mpl_sink *s)
{
    if (s->writer)
        atomic_store(&s->writer->is_awaited, 1);
}

#define FINISH_WAIT_NS (1000 * NS_PER_MS)

static void wait_for_end(struct mpl_stream_writer *w)
{
    atomic_fetch_add(&w->work, 1);
    mpl_os_futex_wake(&w->work, 1);
    uint64_t deadline_ns = mpl_clock_monotonic_ns() + FINISH_WAIT_NS;
    while (!atomic_load(&w->is_over) && mpl_clock_monotonic_ns() < deadline_ns)
        mpl_os_sleep_ns(NS_PER_MS / 2);
}

void mpl_stream_finish(struct mpl_sink *s)
{
    struct mpl_stream_writer *w = s->writer;
    if (!w || atomic_load(&w->is_finishing))
        return;
    atomic_store(&w->is_finishing, 1);
    wait_for_end(w);
}

void mpl_stream_stop(struct mpl_sink *s)
{
    struct mpl_stream_writer *w = s->writer;
    if (!w || atomic_load(&w->is_finishing))
        return;
    atomic_store(&w->is_finishing, 1);
    atomic_store(&w->stop, AT_ONCE);
    wait_for_end(w);
    if (!atomic_load(&w->is_over))
        atomic_store(&w->stop, TOO_LATE);
}
