/* SPDX-License-Identifier: Unlicense
 *
 * Starting a process that is nobody's child: the host gets no SIGCHLD and finds nobody to wait for, and it is not
 * forked, so no fork handlers run and no gigabytes of page tables are copied.
 */
#ifndef MPL_SESSION_SPAWN_H
#define MPL_SESSION_SPAWN_H

#include <sys/types.h>

/* Executes argv[0] with environment `envp` in a session of its own. Of the caller's descriptors only 0..2 and
 * `keep_fds`
 * (-1 ends the list) stay open behind exec, if the others are close-on-exec. Signals are blocked in the new process.
 * Returns its pid, or -errno of what failed. Works in a multithreaded process and allocates nothing from the heap;
 * takes about 0.4 ms. */
pid_t mpl_spawn(char *const argv[], char *const envp[], const int *keep_fds);

/* Path of the mplog command: `wanted` if it is not NULL, else beside this library, beside the executable, in libexec.
 * 0, or -ENOENT with a sentence. */
int mpl_spawn_find_helper(const char *wanted, char *path, size_t size);

#endif
