/* SPDX-License-Identifier: Unlicense */
#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434 /* the same on every architecture; headers before 5.3 lack it */
#endif

#define NS_PER_S UINT64_C(1000000000)

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

/* Where a filter refuses futex(2), who waits looks again after this time instead of at once. */
#define REFUSED_WAIT_NS 1000000u

void mpl_os_futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
    struct timespec timeout = timespec_of(timeout_ns);
    /* Every outcome (woken, changed, timed out, interrupted) sends the caller back to look at its condition. */
    if (syscall(SYS_futex, word, FUTEX_WAIT, value, &timeout, NULL, 0) < 0 && (errno == ENOSYS || errno == EPERM))
        mpl_os_sleep_ns(timeout_ns < REFUSED_WAIT_NS ? timeout_ns : REFUSED_WAIT_NS);
}

int mpl_os_futex_wake(_Atomic uint32_t *word, int count)
{
    long n = syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
    return n > 0 ? (int)n : 0;
}

static bool membarrier(int command) { return syscall(SYS_membarrier, command, 0, 0) == 0; }

bool mpl_os_membarrier_register(void)
{
    return membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) &&
           membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

bool mpl_os_membarrier_global(void) { return membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED); }

bool mpl_os_membarrier_private(void) { return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED); }

int mpl_os_fd_above_stdio(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), error = errno;
    close(fd);
    return moved < 0 ? -error : moved;
}

int mpl_os_pidfd_open(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : mpl_os_fd_above_stdio(fd);
}

bool mpl_os_fd_is(int fd, uint64_t dev, uint64_t ino)
{
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

bool mpl_os_is_shortage(int error)
{
    int e = error < 0 ? -error : error;
    return e == EMFILE || e == ENFILE || e == ENOMEM || e == EAGAIN; /* the last: memory that would be locked */
}

uint64_t mpl_os_page_round(uint64_t bytes)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

#define STAT_LINE_MAX 1024u

static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* Field `field` (>= 3) of what /proc says in `stat`. The command name before it may hold spaces and parentheses, so
 * fields are counted from the last ")". */
static uint64_t field_of(const char *line, unsigned field)
{
    const char *p = strrchr(line, ')');
    for (unsigned i = 2; p && i < field; i++)
        p = strchr(p + 1, ' ');
    uint64_t value = 0;
    for (p = p ? p + 1 : ""; *p >= '0' && *p <= '9'; p++)
        value = value * 10 + (uint64_t)(*p - '0');
    return value;
}

static uint64_t stat_field(pid_t pid, unsigned field)
{
    char path[32], line[STAT_LINE_MAX];
    struct mpl_text t = {path, 0, sizeof path};
    mpl_text_str(&t, MPL_STR("/proc/"));
    mpl_text_u64(&t, (uint64_t)pid);
    mpl_text_str(&t, MPL_STR("/stat"));
    return read_text(mpl_text_cstr(&t), line, sizeof line) ? field_of(line, field) : 0;
}

uint64_t mpl_os_start_time(pid_t pid) { return stat_field(pid, 22); }

static const uint64_t killed = UINT64_C(1) << (SIGKILL - 1);

/* Behind the groups, of which a process may have so many that it is not seen; then its threads tell. */
#define STATUS_MAX 4096u

/* SIGKILL stays pending for the process until it is gone. A thread that takes it has it no more and is not exiting yet,
 * for a moment that is long on a busy machine. */
static bool is_killed(pid_t pid)
{
    static const char name[] = "\nShdPnd:";
    char path[32], text[STATUS_MAX];
    struct mpl_text t = {path, 0, sizeof path};
    mpl_text_printf(&t, "/proc/%d/status", (int)pid);
    const char *at = read_text(mpl_text_cstr(&t), text, sizeof text) ? strstr(text, name) : NULL;
    return at && (strtoull(at + sizeof name - 1, NULL, 16) & killed) != 0;
}

/* proc(5). A thread that has ended before the others is exiting, too: all of them must be. */
static bool is_thread_exiting(pid_t pid, const char *thread)
{
    enum { FLAGS = 9, PENDING_SIGNALS = 31 };
    static const uint64_t exiting = 4; /* PF_EXITING */
    char path[64], line[STAT_LINE_MAX];
    struct mpl_text t = {path, 0, sizeof path};
    mpl_text_printf(&t, "/proc/%d/task/%s/stat", (int)pid, thread);
    return !read_text(mpl_text_cstr(&t), line, sizeof line) || (field_of(line, FLAGS) & exiting) != 0 ||
           (field_of(line, PENDING_SIGNALS) & killed) != 0;
}

bool mpl_os_is_exiting(pid_t pid)
{
    char path[32];
    struct mpl_text t = {path, 0, sizeof path};
    if (is_killed(pid))
        return true;
    mpl_text_printf(&t, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(mpl_text_cstr(&t));
    if (!dir)
        return errno == ENOENT || errno == ESRCH;
    bool are_all = true;
    for (struct dirent *e; are_all && (e = readdir(dir)) != NULL;)
        are_all = e->d_name[0] == '.' || is_thread_exiting(pid, e->d_name);
    closedir(dir);
    return are_all;
}

pid_t mpl_os_parent(pid_t pid) { return (pid_t)stat_field(pid, 4); }

#define SHORTAGE_TRIES 3

/* Not known, a process would be taken for one of another namespace: for dead, by a collector that is a thread of it. */
uint64_t mpl_os_pid_namespace(void)
{
    struct stat st;
    for (int i = 0; i < SHORTAGE_TRIES; i++) {
        if (stat("/proc/self/ns/pid", &st) == 0)
            return (uint64_t)st.st_ino;
        if (!mpl_os_is_shortage(errno))
            break;
    }
    return 0;
}

pid_t mpl_os_thread_id(void) { return (pid_t)syscall(SYS_gettid); }

bool mpl_os_is_set_id(void) { return getauxval(AT_SECURE) != 0; }

void mpl_os_random(void *bytes, unsigned n)
{
    unsigned char *out = bytes;
    if (getrandom(out, n, GRND_NONBLOCK) == (ssize_t)n)
        return;
    uint64_t mix = mpl_clock_monotonic_ns() ^ (uint64_t)mpl_clock_wall_ns() << 20 ^ (uint64_t)getpid();
    for (unsigned i = 0; i < n; i++) {
        mix = mix * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407); /* Knuth's MMIX generator */
        out[i] = (unsigned char)(mix >> 56);
    }
}

void mpl_os_sleep_ns(uint64_t ns)
{
    struct timespec t = timespec_of(ns);
    nanosleep(&t, NULL);
}

/* A file that grows past the host's limit would get it SIGXFSZ, which ends it. */
static bool is_within_limit(uint64_t file_bytes)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY || file_bytes <= limit.rlim_cur;
}

int mpl_os_set_size(int fd, uint64_t bytes)
{
    if (!is_within_limit(bytes))
        return -EFBIG;
    return ftruncate(fd, (off_t)bytes) < 0 ? -errno : 0;
}

int mpl_os_allocate(int fd, uint64_t offset, uint64_t bytes)
{
    int error;
    if (!is_within_limit(offset + bytes))
        return -EFBIG;
    do {
        error = posix_fallocate(fd, (off_t)offset, (off_t)bytes);
    } while (error == EINTR);
    if (error != EOPNOTSUPP && error != EINVAL && error != ENOSYS && error != EPERM)
        return -error;
    /* A file system without fallocate (musl does not emulate it), or a filter that refuses it: zeros written now are
     * pages that exist. */
    static const char zeros[4096];
    for (uint64_t at = offset; at < offset + bytes;) {
        size_t n = offset + bytes - at < sizeof zeros ? (size_t)(offset + bytes - at) : sizeof zeros;
        ssize_t written = pwrite(fd, zeros, n, (off_t)at);
        if (written < 0 && errno != EINTR)
            return -errno;
        at += written > 0 ? (uint64_t)written : 0;
    }
    return 0;
}

int mpl_os_thread_start(pthread_t *thread, size_t stack_bytes, void *(*run_fn)(void *), void *arg)
{
    static const int faults[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP};
    pthread_attr_t attributes;
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&blocked, faults[i]);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int error = pthread_create(thread, &attributes, run_fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

int mpl_os_cancel_disable(void)
{
    int state = PTHREAD_CANCEL_ENABLE;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    return state;
}

void mpl_os_cancel_restore(int state) { pthread_setcancelstate(state, NULL); }
