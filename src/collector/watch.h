/* SPDX-License-Identifier: Unlicense
 *
 * A thread that waits for deaths: the collector sleeps on a futex, and pidfds can only be polled. It sets a bit per
 * slot and wakes the collector, nothing else.
 */
#ifndef MPL_COLLECTOR_WATCH_H
#define MPL_COLLECTOR_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct mpl_watch;

/* NULL with a sentence: without it deaths are noticed by mpl_members_check_lives, within seconds. */
struct mpl_watch *mpl_watch_start(_Atomic uint32_t *wake_word);
void mpl_watch_stop(struct mpl_watch *w);

/* Watches a pidfd, which stays the caller's; closing it ends the watch. */
void mpl_watch_add(struct mpl_watch *w, int pid_fd, uint32_t slot);

/* The next slot whose process has died since the last call; false: none. */
bool mpl_watch_next_dead(struct mpl_watch *w, uint32_t *slot);

#endif
