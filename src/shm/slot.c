/* SPDX-License-Identifier: Unlicense */
#include "shm/slot.h"

#include <errno.h>

#include "base/error.h"

#define GENERATION_STEP (UINT64_C(1) << 8)
#define GENERATION_MASK UINT64_C(0xffffff00)

/* The bound grows before the claim, so that a collector that reads the bound after a claim always covers it: also where
 * another joiner has raised it. Partner: mpl_slot_bound. */
static void raise_bound(struct mpl_control *c, uint32_t bound)
{
    uint32_t seen = atomic_load(&c->head.slots_used);
    while (seen < bound && !atomic_compare_exchange_weak(&c->head.slots_used, &seen, bound))
        ;
}

int mpl_slot_claim(struct mpl_control *c, pid_t pid, uint64_t *word, uint64_t *serial)
{
    for (uint32_t i = 0; i < MPL_SLOTS_MAX; i++) {
        struct mpl_slot *s = &c->slot[i];
        uint64_t seen = atomic_load_explicit(&s->word, memory_order_relaxed);
        if (mpl_slot_state(seen) != MPL_SLOT_FREE)
            continue;
        raise_bound(c, i + 1);
        *serial = atomic_load(&s->segment_serial); /* before the claim: of who had the slot before */
        *word = mpl_slot_word(seen, MPL_SLOT_JOINING, pid);
        if (atomic_compare_exchange_strong(&s->word, &seen, *word))
            return (int)i;
    }
    return mpl_fail(ENOSPC, "the session has %u member processes already", MPL_SLOTS_MAX);
}

/* A claimer that was stopped for long, and taken for dead, must not store over what the next one has stored: that one's
 * records would never be found. Serials are given out once. */
bool mpl_slot_set_serial(struct mpl_slot *s, uint64_t before, uint64_t serial)
{
    return atomic_compare_exchange_strong(&s->segment_serial, &before, serial);
}

bool mpl_slot_advance(struct mpl_slot *s, uint64_t *word, uint32_t state)
{
    uint64_t expected = *word, next = mpl_slot_word(expected, state, mpl_slot_pid(expected));
    if (!atomic_compare_exchange_strong(&s->word, &expected, next))
        return false;
    *word = next;
    return true;
}

bool mpl_slot_free(struct mpl_slot *s, uint64_t word)
{
    uint64_t next = ((word & GENERATION_MASK) + GENERATION_STEP) & GENERATION_MASK;
    return atomic_compare_exchange_strong(&s->word, &word, next | MPL_SLOT_FREE);
}

uint32_t mpl_slot_bound(const struct mpl_control *c)
{
    uint32_t bound = atomic_load(&c->head.slots_used);
    return bound <= MPL_SLOTS_MAX ? bound : MPL_SLOTS_MAX;
}
