/* SPDX-License-Identifier: Unlicense
 *
 * Rings of this process: claiming one for a thread, within the budget, and giving it back. Under the process's lock.
 */
#ifndef MPL_PRODUCER_CLAIM_H
#define MPL_PRODUCER_CLAIM_H

#include "shm/segment.h"

enum mpl_claim {
    MPL_CLAIM_OWN,    /* for a thread; within the budget */
    MPL_CLAIM_GROWTH, /* a larger one; within half of the budget, so that threads to come find room */
    MPL_CLAIM_SHARED, /* for all who have none; beyond the budget if need be */
};

/* An open ring of at least `data_bytes` (a power of two) that takes a record of `record_bytes` in one piece: one that
 * the collector has freed, or a new one, linked. NULL: budget or memory is used up. */
struct mpl_ring_map *mpl_claim_ring(enum mpl_claim purpose, uint64_t data_bytes, uint64_t record_bytes);

/* Nobody writes into it any more; the collector will drain and free it. */
void mpl_claim_close(struct mpl_ring_map *map);

/* Unmaps all rings and forgets them. */
void mpl_claim_forget_all(void);

/* Forgets them and leaves them mapped: a thread may still be writing. */
void mpl_claim_abandon_all(void);

#endif
