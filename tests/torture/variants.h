/* SPDX-License-Identifier: Unlicense
 *
 * With which errors a system call may fail. Calls that are not here cannot fail, or end the process.
 */
#ifndef TESTS_TORTURE_VARIANTS_H
#define TESTS_TORTURE_VARIANTS_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#define SHORT (-1) /* it takes half of the bytes */
#define VARIANTS_MAX 8u

struct variants {
    const char *name;
    uint64_t call;
    unsigned count;
    int error[VARIANTS_MAX];
};

#define MAY_FAIL(name, ...)                                                                                            \
    {                                                                                                                  \
#name, SYS_##name, sizeof((int[]){__VA_ARGS__}) / sizeof(int), { __VA_ARGS__ }                                 \
    }

static const struct variants variants[] = {
    MAY_FAIL(openat, EMFILE, EACCES, ENOMEM, EINTR, ENOSPC, EROFS),
    MAY_FAIL(open, EMFILE, ENOENT, EACCES),
    MAY_FAIL(read, EIO, EINTR, SHORT),
    MAY_FAIL(pread64, EIO, EINTR, SHORT),
    MAY_FAIL(readlink, EACCES, ENOMEM),
    MAY_FAIL(readlinkat, EACCES, ENOMEM),
    MAY_FAIL(write, ENOSPC, EIO, EDQUOT, EINTR, EFBIG, EAGAIN, SHORT),
    MAY_FAIL(pwrite64, ENOSPC, EIO, EINTR, SHORT),
    MAY_FAIL(writev, ENOSPC, EIO, EINTR),
    MAY_FAIL(close, EIO, EINTR),
    MAY_FAIL(fstat, ENOMEM),
    MAY_FAIL(newfstatat, EACCES, ENOMEM),
    MAY_FAIL(statx, EACCES, ENOMEM),
    MAY_FAIL(fstatfs, ENOSYS, EIO),
    MAY_FAIL(statfs, ENOSYS, EACCES),
    MAY_FAIL(lseek, EINVAL),
    MAY_FAIL(access, EACCES),
    MAY_FAIL(faccessat, EACCES),
    MAY_FAIL(mmap, ENOMEM, EAGAIN),
    MAY_FAIL(munmap, ENOMEM),
    MAY_FAIL(mremap, ENOMEM),
    MAY_FAIL(mprotect, ENOMEM),
    MAY_FAIL(madvise, EINVAL, ENOMEM),
    MAY_FAIL(ftruncate, EINTR, EIO, EPERM),
    MAY_FAIL(fallocate, ENOSPC, EINTR, EOPNOTSUPP),
    MAY_FAIL(fcntl, ENOLCK, EINTR, EAGAIN, EACCES),
    MAY_FAIL(flock, EINTR, ENOLCK, EWOULDBLOCK),
    MAY_FAIL(fchmod, EPERM),
    MAY_FAIL(fchown, EPERM),
    MAY_FAIL(fdatasync, EIO, EINTR),
    MAY_FAIL(fsync, EIO, EINTR),
    MAY_FAIL(mkdir, EACCES, ENOSPC, EROFS),
    MAY_FAIL(mkdirat, EACCES, ENOSPC, EROFS),
    MAY_FAIL(rename, EACCES, ENOSPC),
    MAY_FAIL(renameat, EACCES, ENOSPC),
    MAY_FAIL(renameat2, EACCES, ENOSPC, EINVAL, ENOSYS),
    MAY_FAIL(unlink, EACCES, EBUSY),
    MAY_FAIL(unlinkat, EACCES, EBUSY),
    MAY_FAIL(rmdir, EACCES, EBUSY),
    MAY_FAIL(getdents64, ENOMEM),
    MAY_FAIL(getrandom, ENOSYS, EINTR),
    MAY_FAIL(futex, EINTR, EAGAIN, ENOSYS),
    MAY_FAIL(membarrier, ENOSYS, EPERM, EINVAL),
    MAY_FAIL(pidfd_open, ENOSYS, EMFILE),
    MAY_FAIL(poll, EINTR, ENOMEM),
    MAY_FAIL(ppoll, EINTR, ENOMEM),
    MAY_FAIL(nanosleep, EINTR),
    MAY_FAIL(clock_nanosleep, EINTR),
    MAY_FAIL(clock_gettime, EINVAL),
    MAY_FAIL(clone, EAGAIN, ENOMEM, EPERM),
    MAY_FAIL(clone3, ENOSYS, EAGAIN, EPERM),
    MAY_FAIL(vfork, EAGAIN),
    MAY_FAIL(wait4, EINTR),
    MAY_FAIL(setsid, EPERM),
    MAY_FAIL(chdir, EACCES),
    MAY_FAIL(prctl, EINVAL),
    MAY_FAIL(prlimit64, EPERM),
    MAY_FAIL(sched_setaffinity, EPERM, EINVAL),
    MAY_FAIL(sched_getaffinity, EINVAL),
    MAY_FAIL(setpriority, EACCES),
    MAY_FAIL(dup, EMFILE),
    MAY_FAIL(dup3, EMFILE),
    MAY_FAIL(pipe2, EMFILE),
    MAY_FAIL(close_range, ENOSYS, EMFILE),
    MAY_FAIL(pidfd_send_signal, EPERM),
};

#undef MAY_FAIL

/* NULL: it cannot fail. */
static inline const struct variants *variants_of(uint64_t call)
{
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        if (variants[i].call == call)
            return &variants[i];
    }
    return NULL;
}

#endif
