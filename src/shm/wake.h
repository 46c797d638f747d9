/* SPDX-License-Identifier: Unlicense
 *
 * How a producer reaches the collector: the watch promise of each ring (abi.h, docs/design.md M6) and the wait for a
 * flush. models/watch.pml is the protocol; each function names its side of it.
 */
#ifndef MPL_SHM_WAKE_H
#define MPL_SHM_WAKE_H

#include <stdbool.h>

#include "shm/abi.h"

/* Producer: wakes the collector if it sleeps or naps. False: it said it sleeps, but nobody was there to be woken: it
 * was just going to sleep or waking up, or it has died. */
bool mpl_wake_collector(struct mpl_control *c);

/* Producer, after publishing in a cold ring: leaves word that the ring has records, then mpl_wake_collector. */
bool mpl_wake_for_ring(struct mpl_control *c, struct mpl_ring *ring);

/* Process, after it joined, linked or closed a ring: leaves word that something changed, then mpl_wake_collector. */
bool mpl_wake_for_news(struct mpl_control *c);

/* Flusher: has everything stamped before `stamp` reached files and streams? */
bool mpl_wake_is_flushed(struct mpl_control *c, uint64_t stamp);

/* Changes whenever files or streams have come further. */
uint64_t mpl_wake_progress(const struct mpl_control *c);

/* Flusher: asks for it, wakes the collector and waits up to `timeout_ns` once; the caller looks again. False as
 * mpl_wake_collector. */
bool mpl_wake_flush_wait(struct mpl_control *c, uint64_t stamp, uint64_t timeout_ns);

/* Collector: says how far files and streams are, and wakes flushers who waited for that. */
void mpl_wake_flushed(struct mpl_control *c, uint64_t written_until, uint64_t streamed_until);

/* Has anybody said that there is something to do? */
bool mpl_wake_is_wanted(struct mpl_control *c, uint32_t news_seen);

/* Collector: one wait of at most `timeout_ns`. Returns at once if there is attention, news since `news_seen`, a flush
 * is wanted beyond `flush_served`, or wake_word is not `word` any more, as it was before the pass. */
void mpl_wake_sleep(struct mpl_control *c, uint32_t word, uint32_t news_seen, uint64_t flush_served,
                    uint64_t timeout_ns);

#endif
