/* SPDX-License-Identifier: Unlicense
 *
 * What is done to a regular file: opening it, writing the batch that is next, syncing. The main thread does it itself
 * where that takes microseconds. Much at once goes to a thread of the file's own, so that the next lines are rendered
 * meanwhile; so does everything for a file whose file system may make a call wait for ever, which then holds up nobody
 * else.
 *
 * Only one of the two has the file at a time: what is out belongs to the thread from mpl_writer_begin until its state
 * says that it is idle again.
 */
#include <linux/magic.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "collector/sink.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* Worth a thread: writing these takes the main thread 20 us or more, waking another one 5. */
#define APART_BYTES_LEAST 65536u

#define STACK_BYTES (256u << 10) /* several paths of PATH_MAX lie on it; pages are taken as they are used */

/* As mpl_stream_finish. */
#define STOP_WAIT_NS (1000 * NS_PER_MS)

enum state { IDLE, BUSY, STOPPING };

struct mpl_file_writer {
    pthread_t thread;
    struct mpl_sink *sink;
    /* Futex. Main thread: IDLE -> BUSY, release, with the work; thread: BUSY -> IDLE, release, with what came of it. */
    _Atomic uint32_t state;
    _Atomic uint32_t is_over;
    _Atomic uint32_t *wake_word; /* the collector's main thread */
};

/* ---- the work ---- */

static bool is_sync_due(const struct mpl_sink *s, uint64_t now_ns)
{
    if (s->fsync == MPL_FSYNC_NEVER || !s->needs_sync || now_ns < s->sync_due_ns)
        return false;
    return s->fsync == MPL_FSYNC_INTERVAL || s->has_unsynced_error;
}

static void copy_reason(char reason[MPL_ERROR_MAX])
{
    strncpy(reason, mpl_error_text(), MPL_ERROR_MAX - 1);
    reason[MPL_ERROR_MAX - 1] = '\0';
}

static int write_batch(struct mpl_sink *s, struct mpl_batch_view *b)
{
    bool has_error_record = b->has_error_record;
    mpl_batch_resume(s, b);
    int error = mpl_batch_write(s, b);
    s->needs_sync = s->needs_sync || !error;
    s->has_unsynced_error = s->has_unsynced_error || (!error && has_error_record);
    return error;
}

static int sync_file(struct mpl_sink *s, uint64_t now_ns)
{
    int error = mpl_file_sync(&s->file);
    if (error || s->fsync == MPL_FSYNC_INTERVAL)
        s->sync_due_ns = now_ns + NS_PER_S;
    if (!error)
        s->needs_sync = s->has_unsynced_error = false;
    return error;
}

static void do_work(struct mpl_sink *s)
{
    struct mpl_work *w = &s->work;
    w->sync_error = 0;
    w->error = mpl_sink_open_file(s);
    if (!w->error && w->batch)
        w->error = write_batch(s, w->batch);
    if (w->error || s->file.rotation_error)
        copy_reason(w->reason);
    if (!w->error && is_sync_due(s, w->now_ns))
        w->sync_error = sync_file(s, w->now_ns);
    if (w->sync_error)
        copy_reason(w->sync_reason);
}

bool mpl_writer_is_due(struct mpl_sink *s, uint64_t now_ns, bool may_go_apart)
{
    const struct mpl_batch_view *b = mpl_batch_next(s);
    /* A line of our own has come behind it: what may hang must not be written here, and can go when that is decided. */
    if (s->may_hang && may_go_apart && b == mpl_batch_filling(s) && b->len > b->decided_len)
        return false;
    return s->is_failing ? now_ns >= s->retry_ns : b || is_sync_due(s, now_ns);
}

/* ---- the thread ---- */

static void *run_writer(void *arg)
{
    struct mpl_file_writer *w = arg;
    for (;;) {
        uint32_t state = atomic_load_explicit(&w->state, memory_order_acquire); /* partner: mpl_writer_begin */
        if (state == STOPPING)
            break;
        if (state == IDLE) {
            mpl_os_futex_wait(&w->state, IDLE, 3600 * NS_PER_S);
            continue;
        }
        do_work(w->sink);
        /* Partner: mpl_writer_is_back. Told to stop meanwhile: the state stays so. */
        atomic_compare_exchange_strong_explicit(&w->state, &state, IDLE, memory_order_release, memory_order_relaxed);
        mpl_os_futex_wake(&w->state, 1);
        atomic_fetch_add(w->wake_word, 1);
        mpl_os_futex_wake(w->wake_word, 1);
    }
    atomic_store_explicit(&w->is_over, 1, memory_order_release); /* partner: mpl_writer_stop */
    return NULL;
}

/* Without memory or right to have a thread the main thread does all; it is tried again with the next batch. */
static bool start(struct mpl_sink *s, _Atomic uint32_t *wake_word)
{
    if (s->file_writer)
        return true;
    struct mpl_file_writer *w = calloc(1, sizeof *w);
    if (!w)
        return false;
    w->sink = s;
    w->wake_word = wake_word;
    if (mpl_os_thread_start(&w->thread, STACK_BYTES, run_writer, w) != 0) {
        free(w);
        return false;
    }
    s->file_writer = w;
    return true;
}

/* ---- the main thread ---- */

bool mpl_writer_may_hang(const struct mpl_sink *s)
{
    struct statfs st;
    if (fstatfs(s->file.fd, &st) < 0)
        return false;
    switch ((uint32_t)st.f_type) {
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case 0xfe534d42u: /* SMB2_MAGIC_NUMBER; these are in no header of all that we are built with */
    case 0xff534d42u: /* CIFS */
    case CODA_SUPER_MAGIC:
    case AFS_SUPER_MAGIC:
    case 0x6b414653u: /* kAFS */
    case V9FS_MAGIC:
    case 0x65735546u: /* FUSE */
    case 0x00c36400u: /* Ceph */
    case 0x0bd00bd0u: /* Lustre */
    case 0x01161970u: /* GFS2 */
    case 0x19830326u: /* BeeGFS */
    case 0x47504653u: /* GPFS */
    case 0x20030528u: /* OrangeFS */
    case 0xaad7aaeau: /* PanFS */
    case 0xbeefdeadu: /* StorNext */
    case 0xbacbacbcu: /* VMware's folders of the host */
    case 0x786f4256u: /* VirtualBox's */
    case OCFS2_SUPER_MAGIC: return true;
    default: return false;
    }
}

static bool goes_apart(struct mpl_sink *s, const struct mpl_batch_view *b)
{
    if (s->may_hang)
        return true;
    return b && b->decided_len - b->done >= APART_BYTES_LEAST;
}

void mpl_writer_begin(struct mpl_sink *s, uint64_t now_ns, bool may_go_apart, _Atomic uint32_t *wake_word)
{
    struct mpl_batch_view *b = mpl_batch_next(s);
    s->work.batch = b;
    s->work.now_ns = s->work.moved_ns = now_ns;
    may_go_apart = may_go_apart && goes_apart(s, b) && start(s, wake_word);
    if (may_go_apart && (b != mpl_batch_filling(s) || mpl_batch_turn(s))) {
        s->out = MPL_OUT;
        atomic_store_explicit(&s->file_writer->state, BUSY, memory_order_release); /* partner: run_writer */
        mpl_os_futex_wake(&s->file_writer->state, 1);
        return;
    }
    do_work(s);
}

bool mpl_writer_is_back(struct mpl_sink *s, uint64_t wait_ns)
{
    struct mpl_file_writer *w = s->file_writer;
    uint64_t deadline_ns = wait_ns ? mpl_clock_monotonic_ns() + wait_ns : 0;
    while (s->out && atomic_load_explicit(&w->state, memory_order_acquire) == BUSY) { /* partner: run_writer */
        uint64_t now_ns = wait_ns ? mpl_clock_monotonic_ns() : 0;
        if (now_ns >= deadline_ns)
            return false;
        mpl_os_futex_wait(&w->state, BUSY, deadline_ns - now_ns);
    }
    return true;
}

bool mpl_writer_stop(struct mpl_sink *s)
{
    struct mpl_file_writer *w = s->file_writer;
    if (!w)
        return true;
    uint64_t deadline_ns = mpl_clock_monotonic_ns();
    if (atomic_exchange_explicit(&w->state, STOPPING, memory_order_acq_rel) != STOPPING)
        deadline_ns += STOP_WAIT_NS;
    mpl_os_futex_wake(&w->state, 1);
    while (!atomic_load_explicit(&w->is_over, memory_order_acquire) && mpl_clock_monotonic_ns() < deadline_ns)
        mpl_os_sleep_ns(NS_PER_MS / 20);
    if (!atomic_load_explicit(&w->is_over, memory_order_acquire))
        return false;
    pthread_join(w->thread, NULL);
    free(w);
    s->file_writer = NULL;
    s->out = MPL_NOT_OUT;
    return true;
}
