/* SPDX-License-Identifier: Unlicense
 *
 * A mutex between the threads of one process that is unlocked when its bytes are zero, so that one in a page which the
 * kernel wipes at fork is free in the child, whoever held it in the parent. (Drepper, "Futexes are tricky", mutex 2.)
 */
#ifndef MPL_BASE_LOCK_H
#define MPL_BASE_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct mpl_lock {
    _Atomic uint32_t word; /* 0 free, 1 held, 2 held and somebody may wait. Acquire to take, release to free */
};

void mpl_lock_take_slow(struct mpl_lock *l);
void mpl_lock_wake(struct mpl_lock *l);

static inline bool mpl_lock_try(struct mpl_lock *l)
{
    uint32_t free_word = 0;
    return atomic_compare_exchange_strong_explicit(&l->word, &free_word, 1, memory_order_acquire, memory_order_relaxed);
}

static inline void mpl_lock_take(struct mpl_lock *l)
{
    if (!mpl_lock_try(l))
        mpl_lock_take_slow(l);
}

static inline void mpl_lock_release(struct mpl_lock *l)
{
    if (atomic_exchange_explicit(&l->word, 0, memory_order_release) == 2)
        mpl_lock_wake(l);
}

#endif
