/* SPDX-License-Identifier: Unlicense
 *
 * Linux calls that libc does not wrap, or wraps in one libc only. Results are 0 (or a value) or -errno; errno itself is
 * left as it was where that matters and is never part of the contract.
 */
#ifndef MPL_BASE_OS_H
#define MPL_BASE_OS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Waits until woken, for at most `timeout_ns`, if *word is still `value`. Returns early for signals. Between processes.
 */
void mpl_os_futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t timeout_ns);

/* Wakes up to `count` waiters; returns how many there were. */
int mpl_os_futex_wake(_Atomic uint32_t *word, int count);

/* membarrier(2). Registering makes this process take part in others' GLOBAL_EXPEDITED barriers and allows its own
 * PRIVATE ones; both are per process and lost by exec. false: the kernel or a filter refuses. */
bool mpl_os_membarrier_register(void);
bool mpl_os_membarrier_global(void);
bool mpl_os_membarrier_private(void);

/* A descriptor that becomes readable when the process has died; -errno. Never 0, 1 or 2. */
int mpl_os_pidfd_open(pid_t pid);

/* Moves a fresh descriptor above 2, where no host expects to find one of its own; close-on-exec. Closes `fd` on
 * failure. */
int mpl_os_fd_above_stdio(int fd);

/* True if `fd` is still the file (dev, ino): a host may have closed it and opened another under its number. */
bool mpl_os_fd_is(int fd, uint64_t dev, uint64_t ino);

/* True: descriptors or memory were missing, which may be over soon. Takes errno, or what was returned for it. */
bool mpl_os_is_shortage(int error);

/* Bytes rounded up to whole pages of this machine. */
uint64_t mpl_os_page_round(uint64_t bytes);

/* Field 22 of /proc/PID/stat: when the process started, in clock ticks since boot. 0: no such process, or not visible.
 */
uint64_t mpl_os_start_time(pid_t pid);

/* Has the process been killed, or does it end, or is it gone? It runs no code of its own any more, but may hold its
 * locks until its last thread has given up its memory. False where that cannot be seen. Allocates. */
bool mpl_os_is_exiting(pid_t pid);

/* Parent of a process, from /proc/PID/stat; 0 if unknown. */
pid_t mpl_os_parent(pid_t pid);

/* Inode of the calling process's pid namespace; 0 if unknown. */
uint64_t mpl_os_pid_namespace(void);

pid_t mpl_os_thread_id(void);

/* True: the process runs with more rights than who started it (AT_SECURE); the environment must not steer it. */
bool mpl_os_is_set_id(void);

/* Fills `bytes` from the kernel's generator; falls back on clocks and ids, for names only (directories are still
 * created exclusively). */
void mpl_os_random(void *bytes, unsigned n);

/* Sleeps; signals shorten it. */
void mpl_os_sleep_ns(uint64_t ns);

/* ftruncate. 0 or -errno; -EFBIG: more than the process may write (RLIMIT_FSIZE). Raises no signal. */
int mpl_os_set_size(int fd, uint64_t bytes);

/* posix_fallocate for files in memory, on every libc: -errno (-ENOSPC, -EFBIG as above), never a hole. */
int mpl_os_allocate(int fd, uint64_t offset, uint64_t bytes);

/* Starts a thread that gets none of the signals to the process, which are for the host's own threads; only those that
 * its own faults raise, since the kernel kills a process that blocks them. 0 or errno. */
int mpl_os_thread_start(pthread_t *thread, size_t stack_bytes, void *(*run_fn)(void *), void *arg);

/* Between these a thread cannot be cancelled. Returns the state for the second call. */
int mpl_os_cancel_disable(void);
void mpl_os_cancel_restore(int state);

/* For a child that another thread may fork at any moment: it finds stores before this done if it finds one behind it
 * done. ThreadSanitizer knows no fences (gcc's -Wtsan), and looks at no child. */
static inline void mpl_os_order_stores(void)
{
#ifdef __SANITIZE_THREAD__
    atomic_signal_fence(memory_order_seq_cst);
#else
    atomic_thread_fence(memory_order_release);
#endif
}

#endif
