/* SPDX-License-Identifier: Unlicense */
#include "producer/space.h"

#include "base/clock.h"
#include "base/os.h"
#include "producer/binding.h"
#include "producer/claim.h"
#include "producer/process.h"
#include "shm/codec.h"
#include "shm/control.h"
#include "shm/wake.h"

/* A full ring is looked at again after 100 us, then at growing intervals. Short fixed sleeps of many producers starve
 * the collector (256 processes: 14 s instead of 0.15 s); beyond 25 ms nothing is gained. */
#define BACKOFF_LEAST_NS UINT64_C(100000)
#define BACKOFF_MOST_NS UINT64_C(25000000)

#define GROWTH_FACTOR 4u

/* Rings grow beyond this, 13,000 records, or beyond their share of what all that are being written have together, only
 * where the collector does not get on: while it does, larger ones are not written any faster, leave the caches, and
 * have more pages to be touched for the first time (docs/performance.md: 16 processes 350 ns a line, 96 with 256 KiB
 * each). */
#define SETTLED_BYTES (UINT64_C(1) << 20)
#define SETTLED_SUM_BYTES (UINT64_C(4) << 20)
#define STUCK_NS UINT64_C(20000000) /* longer than a batch takes */

static const struct mpl_facts *facts(void) { return &mpl_process.facts; }

static bool has_room(const struct mpl_producer *p, uint64_t bytes) { return bytes <= (uint64_t)(p->limit - p->cur); }

/* Looks at how far the collector has read. Fills the end of the ring with a PAD where the record would wrap. */
static bool see_room(struct mpl_producer *p, uint64_t bytes)
{
    const struct mpl_ring_map *m = p->map;
    /* Acquire: partner is release_rings in collector/commit.c; the collector has finished with the bytes before. */
    uint64_t read_pos = atomic_load_explicit(&p->ring->read_pos, memory_order_acquire);
    uint64_t used = p->write_pos - read_pos;
    if (used > m->data_bytes)
        return false; /* somebody scribbled over the ring: take it for full */
    uint64_t free_bytes = m->data_bytes - used, offset = p->write_pos & (m->data_bytes - 1);
    uint64_t to_end = m->data_bytes - offset;
    p->cur = m->data + offset; /* the last record may have ended exactly where the ring does */
    if (bytes > to_end && bytes <= m->data_bytes && to_end + bytes <= free_bytes) {
        uint32_t pad = mpl_kind_words(MPL_RECORD_PAD, to_end);
        __builtin_memcpy(p->cur, &pad, sizeof pad); /* becomes visible with the record behind it */
        p->cur = m->data;
        p->write_pos += to_end;
        free_bytes -= to_end;
        to_end = m->data_bytes;
    }
    p->limit = p->cur + (to_end < free_bytes ? to_end : free_bytes);
    return has_room(p, bytes);
}

void mpl_space_enter(struct mpl_producer *p, struct mpl_ring_map *m)
{
    p->map = m;
    p->ring = m->ring;
    /* A multiple of 8, whatever stands there: a record must not begin less than a word before the ring's end. */
    p->write_pos = atomic_load_explicit(&m->ring->write_pos, memory_order_relaxed) & ~UINT64_C(7);
    p->cur = p->limit = m->data + (p->write_pos & (m->data_bytes - 1));
    p->notified = 0;
    p->is_lossy = false;
    p->full_since_ns = 0;
    p->names_are_stale = true;
}

static void switch_ring(struct mpl_producer *p, struct mpl_ring_map *m)
{
    mpl_claim_close(p->map);
    mpl_space_enter(p, m);
    atomic_fetch_add(&mpl_process.control->head.news,
                     1); /* the first record there finds it cold and wakes the collector */
}

/* Another ring of `data_bytes` for this thread; the one it has is closed. False: no memory, no budget, or the session
 * has changed meanwhile. */
static bool change_ring(struct mpl_producer *p, enum mpl_claim purpose, uint64_t data_bytes, uint64_t record_bytes)
{
    if (!mpl_producer_lock(p))
        return false;
    struct mpl_ring_map *m = mpl_claim_ring(purpose, data_bytes, record_bytes);
    if (m)
        switch_ring(p, m);
    mpl_producer_unlock(p);
    return m != NULL;
}

static uint64_t power_of_two_from(uint64_t bytes)
{
    uint64_t power = MPL_PAGE_BYTES;
    while (power < bytes)
        power *= 2;
    return power;
}

static bool grow(struct mpl_producer *p, uint64_t bytes)
{
    uint64_t larger = p->map->data_bytes * GROWTH_FACTOR;
    if (larger > facts()->ring_max_bytes)
        larger = facts()->ring_max_bytes;
    if (bytes > larger / 2) { /* the thread's names come before it */
        uint64_t with_names = bytes + sizeof(struct mpl_names_record) + 2 * MPL_NAME_MAX + 8;
        return change_ring(p, MPL_CLAIM_OWN, power_of_two_from(with_names), with_names);
    }
    return larger > p->map->data_bytes && change_ring(p, MPL_CLAIM_GROWTH, larger, bytes);
}

static void count_loss(struct mpl_producer *p, enum mpl_ring_loss cause)
{
    _Atomic uint64_t *n = &p->ring->lost[cause];
    uint64_t stamp = mpl_clock_stamp(mpl_process.clock_kind);
    /* One writer: no read-modify-write needed. Partner: collector/loss.c. */
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_release);
    p->is_lost = true;
    /* As after a record: this thread may have been away since it found the ring full, or too small, and the ring may
     * have become cold. Partner: cool in collector/pass.c, which looks at the counters as it looks at write_pos. */
    atomic_signal_fence(memory_order_seq_cst);
    uint64_t watch = atomic_load_explicit(&p->ring->watch, memory_order_acquire);
    if (stamp >= watch)
        mpl_producer_notify(p, stamp, watch);
}

/* A ring stays full when its collector has died: who loses records looks after it, at most once a ms. */
static void look_after_collector(struct mpl_producer *p)
{
    uint64_t stamp = mpl_clock_stamp(mpl_process.clock_kind);
    if (stamp < p->check_stamp)
        return;
    p->check_stamp = stamp + mpl_process.ticks_per_ms;
    mpl_wake_collector(mpl_process.control);
    mpl_producer_need_collector(p);
}

/* For a ring that is full: the collector is told, or started, and the caller sleeps; longer each time. */
static void sleep_a_little(const struct mpl_producer *p, uint64_t *backoff_ns, uint64_t most_ns)
{
    if (!mpl_wake_collector(mpl_process.control) || *backoff_ns > BACKOFF_LEAST_NS)
        mpl_producer_need_collector(p);
    mpl_os_sleep_ns(*backoff_ns < most_ns ? *backoff_ns : most_ns);
    *backoff_ns = *backoff_ns * 2 < BACKOFF_MOST_NS ? *backoff_ns * 2 : BACKOFF_MOST_NS;
}

static bool leave_wait_to_caller(struct mpl_producer *p)
{
    mpl_wake_collector(mpl_process.control);
    mpl_producer_need_collector(p);
    p->must_wait = true;
    return false;
}

/* A wait was in vain, and nothing has been read since. */
static bool is_still_lossy(const struct mpl_producer *p)
{
    return p->is_lossy && p->lossy_read_pos == atomic_load_explicit(&p->ring->read_pos, memory_order_relaxed);
}

/* Waits while the collector makes progress, at most for what this call has not waited yet of block_timeout. After one
 * wait in vain the ring is lossy: calls return at once until read_pos moves, so that a stuck disk costs a program one
 * timeout and not one per record. */
static bool wait_for_room(struct mpl_producer *p, uint64_t bytes, uint64_t waited_ns)
{
    if (is_still_lossy(p))
        return false;
    p->is_lossy = false;
    if (p->is_nested && mpl_process_is_locked_here())
        return false; /* others wait for what the interrupted code does */
    if (p->patience == MPL_WAITS_OUTSIDE)
        return leave_wait_to_caller(p);
    uint64_t start_ns = mpl_clock_monotonic_ns() - waited_ns, backoff_ns = BACKOFF_LEAST_NS;
    while (waited_ns < facts()->block_timeout_ns && p->patience == MPL_WAITS_HERE) {
        sleep_a_little(p, &backoff_ns, facts()->block_timeout_ns - waited_ns);
        if (mpl_producer_is_restarted(p))
            return false;
        if (see_room(p, bytes))
            return true;
        waited_ns = mpl_clock_monotonic_ns() - start_ns;
    }
    p->is_lossy = true;
    p->lossy_read_pos = atomic_load_explicit(&p->ring->read_pos, memory_order_relaxed);
    return false;
}

/* The collector, for which this full ring waits, has decided nothing for a while. Calls may come and go meanwhile:
 * those that wait outside do. */
static bool is_stuck(struct mpl_producer *p, uint64_t now_ns)
{
    uint64_t batch_seq = atomic_load_explicit(&mpl_process.control->head.batch_seq, memory_order_relaxed);
    if (p->full_since_ns == 0 || p->full_batch_seq != batch_seq) {
        p->full_since_ns = now_ns;
        p->full_batch_seq = batch_seq;
    }
    return now_ns - p->full_since_ns >= STUCK_NS;
}

static uint64_t settled_bytes(void)
{
    /* Any number may stand there. Partner: publish_hot_count in collector/pass.c. */
    uint32_t rings = atomic_load_explicit(&mpl_process.control->head.hot_rings, memory_order_relaxed);
    uint64_t share = SETTLED_SUM_BYTES / (rings ? rings : 1);
    return share < SETTLED_BYTES ? share : SETTLED_BYTES;
}

/* It could grow, but the collector is asked first. */
static bool is_settled(const struct mpl_producer *p, uint64_t bytes)
{
    uint64_t size = p->map->data_bytes;
    return size * GROWTH_FACTOR > settled_bytes() && size < facts()->ring_max_bytes && bytes <= size / 2 &&
           facts()->overflow == MPL_OVERFLOW_BLOCK && !p->is_nested && p->patience != MPL_HAS_WAITED &&
           !is_still_lossy(p);
}

/* Room without growth. False: p->must_wait, or the session has changed, or the ring has to grow. */
static bool wait_for_progress(struct mpl_producer *p, uint64_t bytes, uint64_t *waited_ns)
{
    uint64_t start_ns = mpl_clock_monotonic_ns(), backoff_ns = BACKOFF_LEAST_NS;
    while (*waited_ns < facts()->block_timeout_ns && !is_stuck(p, start_ns + *waited_ns)) {
        if (p->patience == MPL_WAITS_OUTSIDE)
            return leave_wait_to_caller(p);
        sleep_a_little(p, &backoff_ns, facts()->block_timeout_ns - *waited_ns);
        if (mpl_producer_is_restarted(p))
            return false;
        if (see_room(p, bytes))
            return true;
        *waited_ns = mpl_clock_monotonic_ns() - start_ns;
    }
    return false;
}

/* A ring that was claimed for one huge message is given back with the next record. */
static void leave_huge_ring(struct mpl_producer *p, uint64_t bytes)
{
    if (p->map->data_bytes > facts()->ring_max_bytes && bytes <= facts()->ring_initial_bytes / 2)
        change_ring(p, MPL_CLAIM_OWN, facts()->ring_initial_bytes, bytes);
}

bool mpl_space_see(struct mpl_producer *p, uint64_t bytes)
{
    return p->map && !p->names_are_stale && p->map->data_bytes <= facts()->ring_max_bytes && see_room(p, bytes);
}

bool mpl_space_make(struct mpl_producer *p, uint64_t bytes)
{
    if (mpl_producer_is_restarted(p))
        return false;
    if (has_room(p, bytes) || see_room(p, bytes))
        return true;
    uint64_t waited_ns = 0;
    if (is_settled(p, bytes)) {
        if (wait_for_progress(p, bytes, &waited_ns))
            return true;
        if (p->must_wait || mpl_producer_is_restarted(p))
            return false;
    }
    if (grow(p, bytes))
        return see_room(p, bytes);
    if (mpl_producer_is_restarted(p))
        return false;
    if (bytes > p->map->data_bytes / 2) {
        count_loss(p, MPL_LOST_OVERSIZE);
        return false;
    }
    bool is_block = facts()->overflow == MPL_OVERFLOW_BLOCK;
    if (is_block && wait_for_room(p, bytes, waited_ns))
        return true;
    if (!mpl_producer_is_restarted(p)) {
        if (!p->must_wait)
            count_loss(p, is_block ? MPL_LOST_FULL : MPL_LOST_DROPPED);
        look_after_collector(p);
    }
    return false;
}

bool mpl_space_reserve(struct mpl_producer *p, uint64_t bytes)
{
    p->is_lost = false;
    leave_huge_ring(p, bytes);
    /* Each turn either succeeds, fails, or has moved to another ring, which needs the names first. */
    do {
        if (p->names_are_stale && !mpl_producer_write_names(p))
            return false;
        if (!mpl_space_make(p, bytes))
            return false;
    } while (p->names_are_stale);
    return true;
}

uint64_t mpl_space_largest(struct mpl_producer *p, uint64_t bytes)
{
    if (bytes > MPL_SPACE_RECORD_MAX)
        bytes = MPL_SPACE_RECORD_MAX;
    for (uint64_t n = bytes; n > p->map->data_bytes / 2; n = n / 2 & ~UINT64_C(7)) {
        if (grow(p, n))
            return n;
        if (mpl_producer_is_restarted(p))
            break;
    }
    return bytes < p->map->data_bytes / 2 ? bytes : p->map->data_bytes / 2;
}
