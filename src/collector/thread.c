/* SPDX-License-Identifier: Unlicense */
#include "collector/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cformat.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "collector/life.h"
#include "shm/control.h"
#include "shm/dir.h"

#define CANDIDATES_MAX 8
#define STACK_BYTES (512u << 10) /* the C library's conversions of huge numbers and of local time want some */
#define NS_PER_MS UINT64_C(1000000)

/* At most one serves the session this process writes to; one of a former session may still be ending. */
struct instance {
    pthread_t thread;
    char dir[MPL_DIR_MAX];
    uint64_t dev, ino;           /* of the session's control file */
    int fds[CANDIDATES_MAX];
    struct mpl_candidates candidates;
    _Atomic uint32_t must_stop, has_ended;
};

static _Atomic(struct instance *) current;

static void close_fds(struct instance *t)
{
    for (unsigned i = 0; i < t->candidates.count; i++)
        close(t->fds[i]);
}

static void *run(void *arg)
{
    struct instance *t = arg;
    struct mpl_life life = {
        .dir = t->dir, .candidates = &t->candidates, .kind = MPL_COLLECTOR_THREAD, .must_stop = &t->must_stop};
    mpl_cformat_use_c_locale(); /* of this thread, for good */
    if (mpl_life_run(&life) < 0)
        mpl_complain("the collector thread ends: %s", mpl_error_text());
    close_fds(t);
    atomic_store(&t->has_ended, 1);
    return NULL;
}

static int create(struct instance *t)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the host's signals are for its own threads */
    int error = pthread_create(&t->thread, &attributes, run, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

static void identify(struct instance *t)
{
    struct stat st;
    int dir_fd = mpl_dir_open(t->dir);
    if (dir_fd < 0)
        return;
    /* By name: opening the control file and closing it again would release this process's lock on it. */
    if (fstatat(dir_fd, "control", &st, AT_SYMLINK_NOFOLLOW) == 0) {
        t->dev = st.st_dev;
        t->ino = st.st_ino;
    }
    close(dir_fd);
}

static void reap(struct instance *t)
{
    pthread_join(t->thread, NULL);
    free(t);
}

int mpl_collector_thread_start(const char *dir, const int *fds, unsigned fd_count)
{
    struct instance *t = atomic_load(&current);
    if (t && !atomic_load(&t->has_ended) && strcmp(t->dir, dir) == 0)
        return -EALREADY;
    struct instance *fresh = calloc(1, sizeof *fresh);
    if (!fresh)
        return mpl_fail(ENOMEM, "the collector thread: out of memory");
    strncpy(fresh->dir, dir, sizeof fresh->dir - 1);
    identify(fresh);
    for (unsigned i = 0; i < fd_count && fresh->candidates.count < CANDIDATES_MAX; i++) {
        int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (fd >= 0)
            fresh->fds[fresh->candidates.count++] = fd;
    }
    fresh->candidates.fds = fresh->fds;
    if (!atomic_compare_exchange_strong(&current, &t, fresh)) { /* another thread was first */
        close_fds(fresh);
        free(fresh);
        return -EALREADY;
    }
    int error = create(fresh);
    if (error) {
        atomic_store(&current, NULL);
        close_fds(fresh);
        free(fresh);
        return mpl_fail_errno(error, "the collector thread cannot be started");
    }
    if (t && atomic_load(&t->has_ended))
        reap(t);
    else if (t)
        pthread_detach(t->thread); /* of a former session, which it serves to its end */
    return 0;
}

bool mpl_collector_thread_serves(uint64_t dev, uint64_t ino)
{
    struct instance *t = atomic_load(&current);
    return t && !atomic_load(&t->has_ended) && t->dev == dev && t->ino == ino;
}

void mpl_collector_thread_stop(int timeout_ms)
{
    struct instance *t = atomic_load(&current);
    uint64_t deadline_ns = mpl_clock_monotonic_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    if (!t)
        return;
    atomic_store(&t->must_stop, 1);
    while (!atomic_load(&t->has_ended) && mpl_clock_monotonic_ns() < deadline_ns)
        mpl_os_sleep_ns(NS_PER_MS / 4);
    if (!atomic_load(&t->has_ended))
        return; /* stuck in a write; it ends with the process */
    atomic_store(&current, NULL);
    reap(t);
}

void mpl_collector_thread_forget(void) { atomic_store(&current, NULL); }
