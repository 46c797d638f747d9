/* SPDX-License-Identifier: Unlicense
 *
 * System calls that fail, or kill the process, at a chosen moment. To be linked with
 * -Wl,--wrap=write,--wrap=rename,--wrap=unlink,--wrap=syscall,--wrap=fchown,--wrap=fchmod,--wrap=close,--wrap=fcntl,
 * --wrap=fcntl64,--wrap=open,--wrap=open64,--wrap=fdatasync,--wrap=fsync. Unarmed, every call goes through.
 */
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum fault_action {
    FAULT_KILL_BEFORE, /* the process ends instead of the call ... */
    FAULT_KILL_AFTER,  /* ... after it ... */
    FAULT_KILL_HALF,   /* ... in the middle of a write; of other calls, before */
    FAULT_ERROR,
    FAULT_HALF,       /* a write takes half of its bytes; other calls go through */
    FAULT_HALF_ERROR, /* ... and the next call fails */
};

#define FAULT_EXIT 77 /* exit status of a process that a fault killed */

static struct {
    bool is_armed;
    bool is_lasting; /* from call number `at` on, not only that one */
    enum fault_action action;
    int error;
    const char *only; /* counts calls of this function alone; NULL: of all */
    long at;          /* from 1 */
    long calls;       /* counted since armed */
    void (*before_fn)(const char *function, const char *second_path); /* called before each call, armed or not */
} fault;

static inline void fault_arm(enum fault_action action, int error, const char *only, long at)
{
    fault.is_armed = true;
    fault.is_lasting = false;
    fault.action = action;
    fault.error = error;
    fault.only = only;
    fault.at = at;
    fault.calls = 0;
}

static inline void fault_disarm(void)
{
    fault.is_armed = false;
    fault.before_fn = NULL;
}

static inline bool fault_is_due(const char *function, const char *second_path)
{
    if (fault.before_fn)
        fault.before_fn(function, second_path);
    if (!fault.is_armed || (fault.only && strcmp(fault.only, function) != 0))
        return false;
    fault.calls++;
    if (fault.action == FAULT_HALF_ERROR && fault.calls == fault.at + 1)
        return true;
    return fault.calls == fault.at || (fault.is_lasting && fault.calls > fault.at);
}

static inline bool fault_fails(void)
{
    bool is_second = fault.action == FAULT_HALF_ERROR && fault.calls == fault.at + 1;
    if (fault.action == FAULT_KILL_BEFORE || fault.action == FAULT_KILL_HALF)
        _exit(FAULT_EXIT);
    if (fault.action == FAULT_ERROR || is_second)
        errno = fault.error;
    return fault.action == FAULT_ERROR || is_second;
}

/* What is left of a due fault once `call` was made. */
#define FAULT_RETURN(type, call)                                                                                       \
    do {                                                                                                               \
        type result_ = (call);                                                                                         \
        if (fault.action == FAULT_KILL_AFTER)                                                                          \
            _exit(FAULT_EXIT);                                                                                         \
        return result_;                                                                                                \
    } while (0)

#define FAULT_WRAP(name, second_path, declaration, ...)                                                                \
    int __real_##name declaration;                                                                                     \
    int __wrap_##name declaration;                                                                                     \
    int __wrap_##name declaration                                                                                      \
    {                                                                                                                  \
        if (!fault_is_due(#name, second_path))                                                                         \
            return __real_##name(__VA_ARGS__);                                                                         \
        if (fault_fails())                                                                                             \
            return -1;                                                                                                 \
        FAULT_RETURN(int, __real_##name(__VA_ARGS__));                                                                 \
    }

FAULT_WRAP(rename, to, (const char *from, const char *to), from, to)
FAULT_WRAP(unlink, NULL, (const char *path), path)
FAULT_WRAP(fchown, NULL, (int fd, uid_t uid, gid_t gid), fd, uid, gid)
FAULT_WRAP(fdatasync, NULL, (int fd), fd)
FAULT_WRAP(fsync, NULL, (int fd), fd)
FAULT_WRAP(fchmod, NULL, (int fd, mode_t mode), fd, mode)

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    if (!fault_is_due("write", NULL))
        return __real_write(fd, bytes, len);
    if (fault.action == FAULT_KILL_HALF && __real_write(fd, bytes, (len + 1) / 2) >= 0)
        _exit(FAULT_EXIT);
    if (fault_fails())
        return -1;
    FAULT_RETURN(ssize_t, __real_write(fd, bytes, fault.action == FAULT_KILL_AFTER ? len : (len + 1) / 2));
}

/* A close that fails has closed all the same. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    if (!fault_is_due("close", NULL))
        return __real_close(fd);
    bool has_failed = fault_fails();
    int saved_errno = errno, rc = __real_close(fd);
    if (fault.action == FAULT_KILL_AFTER)
        _exit(FAULT_EXIT);
    errno = saved_errno;
    return has_failed ? -1 : rc;
}

static inline long fault_variadic(const char *name, const char *second_path, long (*call_fn)(const long *),
                                  const long *args)
{
    if (!fault_is_due(name, second_path))
        return call_fn(args);
    if (fault_fails())
        return -1;
    FAULT_RETURN(long, call_fn(args));
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
static inline long fault_syscall(const long *a) { return __real_syscall(a[0], a[1], a[2], a[3], a[4], a[5]); }

/* Counted as renameat2: the only one that the tested code makes this way. */
long __wrap_syscall(long number, ...)
{
    long args[6] = {number};
    va_list ap;
    va_start(ap, number);
    for (int i = 1; i < 6; i++)
        args[i] = va_arg(ap, long);
    va_end(ap);
    return fault_variadic("renameat2", (const char *)args[4], fault_syscall, args);
}

#define FAULT_WRAP_FCNTL(name)                                                                                         \
    int __real_##name(int fd, int command, ...);                                                                       \
    int __wrap_##name(int fd, int command, ...);                                                                       \
    static inline long fault_##name(const long *a) { return __real_##name((int)a[0], (int)a[1], a[2]); }               \
    int __wrap_##name(int fd, int command, ...)                                                                        \
    {                                                                                                                  \
        va_list ap;                                                                                                    \
        va_start(ap, command);                                                                                         \
        long args[3] = {fd, command, va_arg(ap, long)};                                                                \
        va_end(ap);                                                                                                    \
        return (int)fault_variadic("fcntl", NULL, fault_##name, args);                                                 \
    }

FAULT_WRAP_FCNTL(fcntl)
#ifdef __GLIBC__
FAULT_WRAP_FCNTL(fcntl64) /* what fcntl is called where _FILE_OFFSET_BITS is 64 */
#endif

#define FAULT_WRAP_OPEN(name)                                                                                          \
    int __real_##name(const char *path, int flags, ...);                                                               \
    int __wrap_##name(const char *path, int flags, ...);                                                               \
    static inline long fault_##name(const long *a) { return __real_##name((const char *)a[0], (int)a[1], a[2]); }      \
    int __wrap_##name(const char *path, int flags, ...)                                                                \
    {                                                                                                                  \
        va_list ap;                                                                                                    \
        va_start(ap, flags);                                                                                           \
        long args[3] = {(long)path, flags, flags & O_CREAT ? va_arg(ap, int) : 0};                                     \
        va_end(ap);                                                                                                    \
        return (int)fault_variadic("open", NULL, fault_##name, args);                                                  \
    }

FAULT_WRAP_OPEN(open)
#ifdef __GLIBC__
FAULT_WRAP_OPEN(open64)
#endif

#endif
