/* SPDX-License-Identifier: Unlicense
 *
 * Room in a ring: the free space seen again, a larger ring, or a wait, as the session's overflow option says.
 */
#ifndef MPL_PRODUCER_SPACE_H
#define MPL_PRODUCER_SPACE_H

#include "producer/producer.h"

/* The largest record: a message of MPL_MESSAGE_MAX bytes and its fields. */
#define MPL_SPACE_RECORD_MAX (MPL_MESSAGE_MAX + (1u << 20))

/* Room for a record of `bytes` (a multiple of 8) at p->cur, after the thread's names where they are due. False: the
 * record is lost, and counted (p->is_lost), or p->epoch is no longer the process's: the session has changed, and the
 * call begins again. The record's stamp must be taken after this. */
bool mpl_space_reserve(struct mpl_producer *p, uint64_t bytes);

/* What reserve begins with, where that is enough: the ring has room again, and neither names nor another ring are due.
 * With `busy` set, and the epoch compared. */
bool mpl_space_see(struct mpl_producer *p, uint64_t bytes);

/* The same without names. */
bool mpl_space_make(struct mpl_producer *p, uint64_t bytes);

/* `m`, which was claimed for it, becomes the ring of `p`. Under the process's lock. */
void mpl_space_enter(struct mpl_producer *p, struct mpl_ring_map *m);

/* The largest record not above `bytes` for which there is, or can be, a ring. At least a few kilobytes. */
uint64_t mpl_space_largest(struct mpl_producer *p, uint64_t bytes);

#endif
