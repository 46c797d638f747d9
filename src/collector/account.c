/* SPDX-License-Identifier: Unlicense
 *
 * What became of how many records: part of what a batch decides, so that accepted = written + lost also after the death
 * of a collector.
 */
#include <string.h>

#include "collector/collector.h"

void mpl_account_take(struct mpl_collector *c)
{
    struct mpl_account *best = NULL;
    for (int i = 0; i < 2; i++) {
        struct mpl_account *a = &c->control->account[i];
        uint64_t tag = atomic_load_explicit(&a->tag, memory_order_acquire);
        if (tag > c->batch_seq)
            atomic_store_explicit(&a->tag, 0, memory_order_release);
        else if (!best || tag > atomic_load_explicit(&best->tag, memory_order_relaxed))
            best = a;
    }
    if (best)
        memcpy(&c->account, best, sizeof c->account);
}

void mpl_account_prepare(struct mpl_collector *c, uint64_t tag)
{
    struct mpl_account *a = c->control->account;
    uint64_t tag0 = atomic_load_explicit(&a[0].tag, memory_order_relaxed);
    uint64_t tag1 = atomic_load_explicit(&a[1].tag, memory_order_relaxed);
    a = tag0 > tag1 ? &a[1] : &a[0]; /* the one not in force */
    a->merged = c->account.merged;
    memcpy(a->lost, c->account.lost, sizeof a->lost);
    memcpy(a->sink, c->account.sink, c->sink_count * sizeof a->sink[0]);
    atomic_store_explicit(&a->tag, tag, memory_order_release); /* partner: a successor's mpl_account_take */
}
