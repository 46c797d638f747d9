/* SPDX-License-Identifier: Unlicense */
#include "collector/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cformat.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/os.h"
#include "collector/life.h"
#include "collector/sink.h"
#include "shm/control.h"
#include "shm/dir.h"
#include "shm/map.h"
#include "shm/wake.h"

#define CANDIDATES_MAX 8
#define STACK_BYTES (512u << 10) /* the C library's conversions of huge numbers and of local time want some */
#define NS_PER_MS UINT64_C(1000000)

/* One serves the session this process writes to; those of former sessions may still be ending. More than a few at a
 * time means that they do not end, and then another would not help. */
#define INSTANCES_MAX 8

struct instance {
    pthread_t thread;
    char dir[MPL_DIR_MAX];
    uint64_t dev, ino; /* of the session's control file */
    int fds[CANDIDATES_MAX];
    struct mpl_candidates candidates;
    bool is_recovery;
    _Atomic uint32_t must_stop, has_ended;
};

static _Atomic(struct instance *) instances[INSTANCES_MAX];
static _Atomic bool has_fork_hook;
static struct mpl_lock instances_lock; /* starting and stopping; a forked child gets a fresh one */

static void *run(void *arg)
{
    struct instance *t = arg;
    struct mpl_life life = {.dir = t->dir,
                            .candidates = &t->candidates,
                            .kind = MPL_COLLECTOR_THREAD,
                            .is_recovery = t->is_recovery,
                            .must_stop = &t->must_stop};
    mpl_cformat_use_c_locale(); /* of this thread, for good */
    if (mpl_life_run(&life) < 0)
        mpl_complain("the collector thread ends: %s", mpl_error_text());
    atomic_store(&t->has_ended, 1);
    return NULL;
}

/* A thread that nobody knows would get a second one beside it: the kernel's lock is the process's. */
static int identify(struct instance *t)
{
    struct stat st;
    int dir_fd = mpl_dir_open(t->dir);
    if (dir_fd < 0)
        return dir_fd;
    /* By name: opening the control file and closing it again would release this process's lock on it. */
    int error = fstatat(dir_fd, "control", &st, AT_SYMLINK_NOFOLLOW) < 0 ? errno : 0;
    close(dir_fd);
    if (error)
        return mpl_fail_errno(error, "the collector thread: the control file in %s cannot be examined", t->dir);
    t->dev = st.st_dev;
    t->ino = st.st_ino;
    return 0;
}

/* The instance for that control file; NULL: none is running. The kernel's lock would not tell: it is the process's. */
static struct instance *find(uint64_t dev, uint64_t ino, unsigned *index)
{
    for (unsigned i = 0; i < INSTANCES_MAX; i++) {
        struct instance *t = atomic_load(&instances[i]);
        *index = i;
        if (t && t->dev == dev && t->ino == ino && !atomic_load(&t->has_ended))
            return t;
    }
    return NULL;
}

static void reap(unsigned index)
{
    struct instance *t = atomic_exchange(&instances[index], NULL);
    pthread_join(t->thread, NULL);
    free(t);
}

/* A free place, after those that have ended are cleared away; INSTANCES_MAX: none. */
static unsigned free_index(void)
{
    unsigned found = INSTANCES_MAX;
    for (unsigned i = INSTANCES_MAX; i-- > 0;) {
        struct instance *t = atomic_load(&instances[i]);
        if (t && atomic_load(&t->has_ended))
            reap(i);
        if (!atomic_load(&instances[i]))
            found = i;
    }
    return found;
}

static void discard(struct instance *t)
{
    for (unsigned i = 0; i < t->candidates.count; i++)
        close(t->fds[i]);
    free(t);
}

static struct instance *prepare(const char *dir, const int *fds, unsigned fd_count)
{
    struct instance *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    strncpy(t->dir, dir, sizeof t->dir - 1);
    for (unsigned i = 0; i < fd_count && t->candidates.count < CANDIDATES_MAX; i++) {
        int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (fd >= 0)
            t->fds[t->candidates.count++] = fd;
    }
    t->candidates.fds = t->fds;
    return t;
}

/* Under instances_lock. */
static int start(struct instance *t)
{
    unsigned index;
    if (find(t->dev, t->ino, &index))
        return -EALREADY;
    index = free_index();
    if (index == INSTANCES_MAX)
        return mpl_fail(EAGAIN, "the collector thread: %u of former sessions are still running", INSTANCES_MAX);
    atomic_store(&instances[index], t);
    int error = mpl_os_thread_start(&t->thread, STACK_BYTES, run, t);
    if (!error)
        return 0;
    atomic_store(&instances[index], NULL);
    return mpl_fail_errno(error, "the collector thread cannot be started");
}

static int start_new(const char *dir, const int *fds, unsigned fd_count, bool is_recovery)
{
    struct instance *t = prepare(dir, fds, fd_count);
    if (!t)
        return mpl_fail(ENOMEM, "the collector thread: out of memory");
    t->is_recovery = is_recovery;
    /* For children that never log, and so never notice that they are some; others notice without it. */
    if (!atomic_exchange(&has_fork_hook, true))
        pthread_atfork(NULL, NULL, mpl_stream_close_in_child);
    atomic_init(&t->must_stop, is_recovery);
    int error = identify(t);
    if (!error) {
        mpl_lock_take(&instances_lock);
        error = start(t);
        mpl_lock_release(&instances_lock);
    }
    if (error)
        discard(t);
    return error;
}

int mpl_collector_thread_start(const char *dir, const int *fds, unsigned fd_count)
{
    return start_new(dir, fds, fd_count, false);
}

int mpl_collector_thread_recover(const char *dir) { return start_new(dir, NULL, 0, true); }

bool mpl_collector_thread_serves(uint64_t dev, uint64_t ino)
{
    unsigned index;
    return find(dev, ino, &index) != NULL;
}

/* It may be about to sleep for a second. By the descriptor that the caller has: to open another one, and close it,
 * would release the lock. */
static void wake(const struct instance *t, int control_fd)
{
    struct mpl_control *c = mpl_os_fd_is(control_fd, t->dev, t->ino) ? mpl_control_map(control_fd, NULL) : NULL;
    if (!c)
        return;
    mpl_wake_for_news(c);
    mpl_unmap(c, sizeof *c);
}

void mpl_collector_thread_stop(uint64_t dev, uint64_t ino, int control_fd, int timeout_ms)
{
    unsigned index;
    uint64_t deadline_ns = mpl_clock_monotonic_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    struct instance *t = find(dev, ino, &index);
    if (!t)
        return;
    atomic_store(&t->must_stop, 1);
    wake(t, control_fd);
    /* Not ended in time: it is stuck in a write, and ends with the process. */
    while (!atomic_load(&t->has_ended) && mpl_clock_monotonic_ns() < deadline_ns)
        mpl_os_sleep_ns(NS_PER_MS / 4);
    mpl_lock_take(&instances_lock);
    free_index();
    mpl_lock_release(&instances_lock);
}

void mpl_collector_thread_forget(void)
{
    for (unsigned i = 0; i < INSTANCES_MAX; i++)
        atomic_store(&instances[i], NULL);
    instances_lock = (struct mpl_lock){0};
    mpl_stream_close_in_child();
}
