/* SPDX-License-Identifier: Unlicense */
#include "shm/wake.h"

#include <limits.h>

#include "base/os.h"

bool mpl_wake_collector(struct mpl_control *c)
{
    /* seq_cst: what the caller stored before (attention, news, flush_wanted) is ordered before this load; partner:
     * mpl_wake_sleep, which stores `sleeping` and then reads those. */
    if (atomic_load(&c->head.sleeping) == 0)
        return true;
    /* The word changes before the wake, so that a collector between its last look and its wait does not wait; a waker
     * that is killed in between has left the change, and others wake again. */
    atomic_fetch_add(&c->head.wake_word, 1);
    return mpl_os_futex_wake(&c->head.wake_word, 1) > 0;
}

bool mpl_wake_for_ring(struct mpl_control *c, struct mpl_ring *ring)
{
    /* Acquire: partner is give_index in collector/pass.c, which stores `index` before the watch word that sent us
     * here. */
    uint32_t index = atomic_load_explicit(&ring->index, memory_order_acquire);
    if (index >= MPL_ATTENTION_BITS)
        return mpl_wake_for_news(c);
    atomic_fetch_or(&c->attention[index / 64], UINT64_C(1) << (index % 64));
    return mpl_wake_collector(c);
}

bool mpl_wake_for_news(struct mpl_control *c)
{
    atomic_fetch_add(&c->head.news, 1);
    return mpl_wake_collector(c);
}

bool mpl_wake_is_flushed(struct mpl_control *c, uint64_t stamp)
{
    return atomic_load(&c->head.written_until) > stamp && atomic_load(&c->head.streamed_until) > stamp;
}

uint64_t mpl_wake_progress(const struct mpl_control *c)
{
    return atomic_load(&c->head.written_until) + atomic_load(&c->head.streamed_until);
}

static void raise_to(_Atomic uint64_t *word, uint64_t value)
{
    uint64_t seen = atomic_load(word);
    while (seen < value && !atomic_compare_exchange_weak(word, &seen, value))
        ;
}

bool mpl_wake_flush_wait(struct mpl_control *c, uint64_t stamp, uint64_t timeout_ns)
{
    uint32_t word = atomic_load(&c->head.flush_word);
    raise_to(&c->head.flush_wanted, stamp);
    bool is_awake = mpl_wake_collector(c);
    /* Partner: mpl_wake_flushed. It stores written_until and then reads flush_wanted; we did the reverse: one of us
     * sees the other. */
    if (!mpl_wake_is_flushed(c, stamp))
        mpl_os_futex_wait(&c->head.flush_word, word, timeout_ns);
    return is_awake;
}

void mpl_wake_flushed(struct mpl_control *c, uint64_t written_until, uint64_t streamed_until)
{
    uint64_t before = atomic_load_explicit(&c->head.written_until, memory_order_relaxed);
    uint64_t streamed_before = atomic_load_explicit(&c->head.streamed_until, memory_order_relaxed);
    atomic_store(&c->head.written_until, written_until);
    atomic_store(&c->head.streamed_until, streamed_until);
    uint64_t wanted = atomic_load(&c->head.flush_wanted);
    /* Somebody may wait for any stamp between the old and the new marks. */
    if (wanted >= before || wanted >= streamed_before) {
        atomic_fetch_add(&c->head.flush_word, 1);
        mpl_os_futex_wake(&c->head.flush_word, INT_MAX);
    }
}

static bool has_attention(struct mpl_control *c)
{
    for (unsigned i = 0; i < MPL_ATTENTION_BITS / 64; i++) {
        if (atomic_load_explicit(&c->attention[i], memory_order_relaxed) != 0)
            return true;
    }
    return false;
}

bool mpl_wake_is_wanted(struct mpl_control *c, uint32_t news_seen)
{
    atomic_thread_fence(memory_order_seq_cst); /* before the relaxed loads of has_attention */
    return has_attention(c) || atomic_load(&c->head.news) != news_seen;
}

void mpl_wake_sleep(struct mpl_control *c, uint32_t word, uint32_t news_seen, uint64_t flush_served,
                    uint64_t timeout_ns)
{
    atomic_store(&c->head.sleeping, 1);
    atomic_thread_fence(memory_order_seq_cst); /* before the relaxed loads of has_attention */
    if (!has_attention(c) && atomic_load(&c->head.news) == news_seen &&
        atomic_load(&c->head.flush_wanted) <= flush_served)
        mpl_os_futex_wait(&c->head.wake_word, word, timeout_ns);
    atomic_store(&c->head.sleeping, 0);
}
