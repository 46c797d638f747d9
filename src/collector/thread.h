/* SPDX-License-Identifier: Unlicense
 *
 * The collector as a thread of a member process: where no helper can be started, or as an option.
 */
#ifndef MPL_COLLECTOR_THREAD_H
#define MPL_COLLECTOR_THREAD_H

#include <stdbool.h>
#include <stdint.h>

/* Starts it for the session at `dir`; it ends by itself when it finds another collector, or the session is over. `fds`:
 * as for mpl_helper_main; the thread works on duplicates. 0 or -errno with a sentence; -EALREADY: one serves it. */
int mpl_collector_thread_start(const char *dir, const int *fds, unsigned fd_count);

/* The same for a session that is over and was left behind; the thread stops if somebody lives there after all. */
int mpl_collector_thread_recover(const char *dir);

/* True while it serves the session whose control file is (dev, ino). A forked child has none. */
bool mpl_collector_thread_serves(uint64_t dev, uint64_t ino);

/* Lets it write what there is, end the session if no other member is left, and waits for its end, at most `timeout_ms`.
 * It is woken by `control_fd`, the caller's descriptor of that file. */
void mpl_collector_thread_stop(uint64_t dev, uint64_t ino, int control_fd, int timeout_ms);

/* Forked child: the threads were the parent's. */
void mpl_collector_thread_forget(void);

#endif
