/* SPDX-License-Identifier: Unlicense
 *
 * "Whoever needs a collector and finds none starts one; the kernel lock lets one win."
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "collector/helper.h"
#include "collector/thread.h"
#include "producer/crash.h"
#include "session/session.h"
#include "session/spawn.h"
#include "shm/control.h"
#include "shm/map.h"

#define NS_PER_MS UINT64_C(1000000)

/* Who has said that it starts a collector gets this long before another may try: a helper needs 1 ms, or 50 on a
 * machine that is busy with other things. */
#define CLAIM_NS (100 * NS_PER_MS)

#define READY_WAIT_NS (5000 * NS_PER_MS)

/* Variables that the helper needs to start at all, or to convert encodings. It gets no others: what steers the host
 * must not steer a process that outlives it. */
static const char *const passed_on[] = {"LD_LIBRARY_PATH", "GCONV_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS",
                                        "LSAN_OPTIONS"};

#define PASSED_ON (sizeof passed_on / sizeof passed_on[0])
#define ENVIRONMENT_BYTES 4096u

static void make_environment(char *envp[PASSED_ON + 1], char *buffer)
{
    struct mpl_text t = {buffer, 0, ENVIRONMENT_BYTES};
    size_t count = 0;
    for (size_t i = 0; i < PASSED_ON && !mpl_os_is_set_id(); i++) {
        const char *value = getenv(passed_on[i]);
        size_t begin = t.len;
        if (!value)
            continue;
        mpl_text_printf(&t, "%s=%s", passed_on[i], value);
        mpl_text_char(&t, '\0');
        if (!mpl_text_fits(&t))
            break;
        envp[count++] = buffer + begin;
    }
    envp[count] = NULL;
}

#define CANDIDATES_MAX 4u /* 0, 1, 2 and a pipe */

/* Descriptors of ours that may be what the session's streams go to; the collector knows by device and inode. */
static unsigned candidates(const struct mpl_session *s, int fds[CANDIDATES_MAX])
{
    unsigned count = 0;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            fds[count++] = fd;
    }
    if (s->pipe_fd >= 0)
        fds[count++] = s->pipe_fd;
    return count;
}

static pid_t spawn_helper(const struct mpl_session *s)
{
    char digits[CANDIDATES_MAX][16], *argv[4 + CANDIDATES_MAX + 1], *envp[PASSED_ON + 1];
    int fds[CANDIDATES_MAX], keep[CANDIDATES_MAX + 1];
    unsigned n = 0, count = candidates(s, fds);
    argv[n++] = (char *)(uintptr_t)s->options.o.helper;
    argv[n++] = (char *)(uintptr_t) "collect";
    argv[n++] = (char *)(uintptr_t)s->dir;
    for (unsigned i = 0; i < count; i++) {
        struct mpl_text t = {digits[i], 0, sizeof digits[i]};
        mpl_text_u64(&t, (uint64_t)fds[i]);
        mpl_text_cstr(&t);
        argv[n++] = digits[i];
        keep[i] = fds[i];
    }
    argv[n] = NULL;
    keep[count] = -1;
    /* Not on the stack: a log call may have come here. */
    char *environment = mmap(NULL, ENVIRONMENT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (environment == MAP_FAILED)
        return -errno;
    make_environment(envp, environment);
    pid_t pid = mpl_spawn(argv, envp, keep);
    munmap(environment, ENVIRONMENT_BYTES);
    return pid;
}

static int start_thread(const struct mpl_session *s)
{
    int fds[CANDIDATES_MAX];
    unsigned count = candidates(s, fds);
    int error = mpl_collector_thread_start(s->dir, fds, count);
    return error == -EALREADY ? 0 : error;
}

static bool wants_helper(const struct mpl_options *o)
{
    return o->o.helper && !(o->o.collector && strcmp(o->o.collector, "thread") == 0);
}

/* Waits until the collector serves. False: it has died, or takes too long. `pid` 0: a thread of this process. */
static bool wait_until_ready(const struct mpl_session *s, struct mpl_control *c, pid_t pid)
{
    uint64_t deadline_ns = mpl_clock_monotonic_ns() + READY_WAIT_NS;
    int pid_fd = pid > 0 ? mpl_os_pidfd_open(pid) : -1;
    bool is_ready = false, is_dead = false;
    while (!is_ready && !is_dead && mpl_clock_monotonic_ns() < deadline_ns) {
        struct pollfd p = {.fd = pid_fd, .events = POLLIN};
        is_dead = pid > 0 ? pid_fd >= 0 && poll(&p, 1, 0) > 0
                          : !mpl_collector_thread_serves(s->control_dev, s->control_ino);
        is_ready = mpl_state_of(atomic_load(&c->head.state)) == MPL_SESSION_RUNNING;
        if (!is_ready)
            mpl_os_futex_wait(&c->head.state, MPL_SESSION_NEW,
                              10 * NS_PER_MS); /* woken by serve() in collector/life.c */
    }
    if (pid_fd >= 0)
        close(pid_fd);
    return is_ready;
}

/* Helpers that die within a minute before a thread is taken instead: MPLOG_HELPER_DEATHS; 0: any number. */
#define DEATHS_MAX 3

static unsigned deaths_max(void)
{
    const char *wanted = mpl_os_is_set_id() ? NULL : getenv("MPLOG_HELPER_DEATHS");
    return wanted && wanted[0] >= '0' && wanted[0] <= '9' ? (unsigned)(wanted[0] - '0') : DEATHS_MAX;
}

static bool is_helper_useful(const struct mpl_session *s, struct mpl_control *c)
{
    return wants_helper(&s->options) && !mpl_control_is_helper_doomed(c, mpl_clock_monotonic_ns(), deaths_max());
}

static void note_failure(struct mpl_session *s, pid_t pid)
{
    char reason[128];
    struct mpl_text t = {s->no_helper, 0, sizeof s->no_helper};
    mpl_text_printf(&t, "helper: %s: %s", s->options.o.helper,
                    pid < 0 ? mpl_errno_text(-pid, reason, sizeof reason) : "it did not come up");
    mpl_text_cstr(&t);
}

static int start(struct mpl_session *s, struct mpl_control *c, enum mpl_start how)
{
    pid_t pid = is_helper_useful(s, c) ? spawn_helper(s) : -ENOENT;
    if (pid >= 0 && (how != MPL_START_AND_WAIT || wait_until_ready(s, c, pid)))
        return 0;
    if (how == MPL_START_AND_WAIT && wants_helper(&s->options))
        note_failure(s, pid);
    if (how == MPL_START_HELPER || mpl_crash_is_underway())
        return -EAGAIN;
    /* It cannot be executed, or it did not come up. */
    int error = start_thread(s);
    if (!error && how == MPL_START_AND_WAIT && !wait_until_ready(s, c, 0))
        error = mpl_fail(ETIMEDOUT, "neither a helper nor a thread came up to write the log");
    return error;
}

/* True: we are the one who tries now. */
static bool claim_start(struct mpl_control *c)
{
    uint64_t now_ns = mpl_clock_monotonic_ns();
    uint64_t claimed_ns = atomic_load(&c->head.spawn_claim_ns);
    /* A claim in the future was made in another time namespace, and tells nothing. */
    if (claimed_ns <= now_ns && claimed_ns != 0 && now_ns - claimed_ns < CLAIM_NS)
        return false;
    if (!atomic_compare_exchange_strong(&c->head.spawn_claim_ns, &claimed_ns, now_ns))
        return false;
    mpl_control_note_death(c, now_ns);
    return true;
}

/* A descriptor of the session's control file: the one kept, or, where the host has closed it, a new one. */
static int control_fd(const struct mpl_session *s, bool *is_temporary)
{
    *is_temporary = !mpl_os_fd_is(s->control_fd, s->control_dev, s->control_ino);
    if (!*is_temporary)
        return s->control_fd;
    int dir_fd = mpl_dir_open(s->dir);
    int fd = dir_fd < 0 ? dir_fd : mpl_control_open(dir_fd);
    if (dir_fd >= 0)
        close(dir_fd);
    return fd;
}

int mpl_session_start_collector(struct mpl_session *s, enum mpl_start how)
{
    bool is_temporary;
    if (mpl_collector_thread_serves(s->control_dev, s->control_ino))
        return 0;
    int fd = control_fd(s, &is_temporary);
    if (fd < 0)
        return fd;
    int error = 0;
    /* Who waits has just created the session: nobody can have its lock, and where locks do not work this must show. */
    if (how == MPL_START_AND_WAIT || !mpl_control_has_collector(fd)) {
        struct mpl_control *c = mpl_control_map(fd, NULL);
        if (!c)
            error = -ENOMEM;
        else if (mpl_state_of(atomic_load(&c->head.state)) != MPL_SESSION_REMOVED &&
                 (claim_start(c) || how == MPL_START_AND_WAIT || how == MPL_START_NOW))
            error = start(s, c, how);
        if (c)
            mpl_unmap(c, sizeof *c);
    }
    if (is_temporary)
        close(fd);
    return error;
}

int mpl_session_start_recovery(const char *dir, const struct mpl_options *o)
{
    char environment[ENVIRONMENT_BYTES], *envp[PASSED_ON + 1];
    char *argv[] = {(char *)(uintptr_t)o->o.helper, (char[]){"collect"}, (char[]){MPL_HELPER_RECOVER},
                    (char *)(uintptr_t)dir, NULL};
    const int none[] = {-1}; /* what went to stderr has had its reader */
    make_environment(envp, environment);
    pid_t pid = wants_helper(o) ? mpl_spawn(argv, envp, none) : -ENOENT;
    return pid >= 0 ? 0 : mpl_collector_thread_recover(dir);
}
