/* SPDX-License-Identifier: Unlicense
 *
 * Membership: one slot of the control file per member process. See models/join.pml for joining against leaving.
 */
#ifndef MPL_SHM_SLOT_H
#define MPL_SHM_SLOT_H

#include <stdbool.h>
#include <sys/types.h>

#include "shm/abi.h"

static inline uint32_t mpl_slot_state(uint64_t word) { return (uint32_t)(word & 0xff); }
static inline pid_t mpl_slot_pid(uint64_t word) { return (pid_t)(word >> 32); }
static inline uint64_t mpl_slot_word(uint64_t old_word, uint32_t state, pid_t pid)
{
    return (old_word & 0xffffff00u) | state | (uint64_t)(uint32_t)pid << 32;
}

/* Is it the same member, in whatever state? */
static inline bool mpl_slot_is_same(uint64_t word, uint64_t other_word)
{
    return ((word ^ other_word) & ~0xffull) == 0;
}

/* Takes a free slot for `pid`, in state JOINING. Returns its index, its word and the serial that stands there, or
 * -ENOSPC with a sentence. seq_cst: the joiner reads head.state afterwards, the collector does the reverse
 * (collector/life.c). */
int mpl_slot_claim(struct mpl_control *c, pid_t pid, uint64_t *word, uint64_t *serial);

/* Stores the serial of the claimer's segment in the place of `before`, which stood there when it claimed the slot.
 * False: another one has done so; the slot is no longer ours, or not ours alone. */
bool mpl_slot_set_serial(struct mpl_slot *s, uint64_t before, uint64_t serial);

/* Moves a slot from `*word` to `state`; updates *word. False: the slot is no longer ours. */
bool mpl_slot_advance(struct mpl_slot *s, uint64_t *word, uint32_t state);

/* Frees a slot for the next claimer, with the next generation, if its word is still `word`. */
bool mpl_slot_free(struct mpl_slot *s, uint64_t word);

/* Slots below the result may be in use. */
uint32_t mpl_slot_bound(const struct mpl_control *c);

#endif
