/* SPDX-License-Identifier: Unlicense */
#include "base/lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void mpl_lock_take_slow(struct mpl_lock *l)
{
    /* Partner: mpl_lock_release. Storing 2 before waiting makes the holder wake somebody. */
    while (atomic_exchange_explicit(&l->word, 2, memory_order_acquire) != 0)
        syscall(SYS_futex, &l->word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

void mpl_lock_wake(struct mpl_lock *l) { syscall(SYS_futex, &l->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0); }
