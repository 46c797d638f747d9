/* SPDX-License-Identifier: Unlicense
 *
 * One pass. T0 was taken before anything here is read: a record that was published before T0 is seen by this pass, and
 * one that follows it through any hand-over in the kernel has a later stamp. So emitting only what is stamped before
 * T0, in the order of stamps, keeps what happened before first in the file.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/os.h"
#include "collector/collector.h"
#include "shm/segment.h"

/* ---- hot and cold ---- */

static void promise(struct mpl_collector *c, struct mpl_ring_view *r)
{
    uint64_t watch = atomic_load_explicit(&r->ring->watch, memory_order_relaxed);
    /* Renewed when half of it is over: the line is read by every log call, and each store costs the next one a miss. */
    if (watch < c->now_stamp + c->horizon_ticks / 2 || watch > c->now_stamp + 2 * c->horizon_ticks)
        atomic_store_explicit(&r->ring->watch, c->now_stamp + c->horizon_ticks, memory_order_release);
}

static void give_index(struct mpl_collector *c, struct mpl_ring_view *r)
{
    if (r->index != MPL_NO_INDEX || c->indexed_count == MPL_ATTENTION_BITS)
        return; /* without index it is told by news */
    uint32_t i = c->index_free;
    while (i < c->indexed_count && c->indexed[i])
        i++;
    if (i == c->indexed_capacity) {
        uint32_t capacity = i ? i * 2 : 64;
        struct mpl_ring_view **indexed = realloc(c->indexed, capacity * sizeof(struct mpl_ring_view *));
        if (!indexed)
            return;
        c->indexed = indexed;
        c->indexed_capacity = capacity;
    }
    c->indexed[i] = r;
    c->indexed_count = i == c->indexed_count ? i + 1 : c->indexed_count;
    c->index_free = i + 1;
    r->index = i;
    /* Before the watch word that sends a producer here. Partner: mpl_wake_for_ring. */
    atomic_store_explicit(&r->ring->index, i, memory_order_release);
}

static void take_index(struct mpl_collector *c, struct mpl_ring_view *r)
{
    if (r->index == MPL_NO_INDEX)
        return;
    c->indexed[r->index] = NULL;
    c->index_free = r->index < c->index_free ? r->index : c->index_free;
    r->index = MPL_NO_INDEX;
    atomic_store_explicit(&r->ring->index, MPL_NO_INDEX, memory_order_release);
}

void mpl_pass_heat(struct mpl_collector *c, struct mpl_ring_view *r)
{
    if (r->is_hot)
        return;
    if (c->hot_count == c->hot_capacity) {
        uint32_t capacity = c->hot_capacity ? c->hot_capacity * 2 : 64;
        struct mpl_ring_view **hot = realloc(c->hot, capacity * sizeof(struct mpl_ring_view *));
        if (!hot)
            return; /* it stays cold, and its producer tells us again within a millisecond */
        c->hot = hot;
        c->hot_capacity = capacity;
    }
    c->hot[c->hot_count++] = r;
    r->is_hot = true;
    r->active_stamp = c->now_stamp;
    give_index(c, r);
    promise(c, r);
}

void mpl_pass_forget_ring(struct mpl_collector *c, struct mpl_ring_view *r)
{
    take_index(c, r);
    for (uint32_t i = 0; r->is_hot && i < c->hot_count; i++) {
        if (c->hot[i] == r) {
            c->hot[i] = c->hot[--c->hot_count];
            r->is_hot = false;
        }
    }
}

/* "I shall not look at this ring again until I am told." */
static void make_cold(struct mpl_ring_view *r)
{
    uint64_t count = atomic_load_explicit(&r->ring->cold_count, memory_order_relaxed) + 1;
    if (count >= MPL_STAMP_LEAST)
        count = 1;
    atomic_store_explicit(&r->ring->cold_count, count, memory_order_relaxed);
    atomic_store_explicit(&r->ring->watch, count, memory_order_release);
}

/* ---- freeing ---- */

/* A large ring's pages go back; they are allocated again when it is claimed (mpl_segment_refill_ring). */
static void give_back_pages(struct mpl_collector *c, struct mpl_ring_view *r)
{
    char name[MPL_SEGMENT_NAME_MAX];
    if (r->data_bytes <= c->ring_initial_bytes)
        return;
    mpl_segment_name(name, r->member->serial);
    int fd = mpl_dir_open_file(c->dir_fd, name, O_RDWR);
    if (fd < 0)
        return;
    /* Refused: the memory is kept for the next claim. */
    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)r->data_offset, (off_t)r->data_bytes);
    close(fd);
}

/* A closed and drained ring may be claimed by another thread: cold first, so that its first record is told of. */
static void free_ring(struct mpl_collector *c, struct mpl_ring_view *r)
{
    make_cold(r);
    mpl_pass_forget_ring(c, r);
    r->is_closing = false;
    give_back_pages(c, r);
    /* Release: partner is is_free in producer/claim.c. */
    atomic_store_explicit(&r->ring->state, MPL_RING_FREE, memory_order_release);
}

/* ---- looking ---- */

static void note_corrupt(struct mpl_collector *c, struct mpl_ring_view *r, uint64_t bytes)
{
    if (bytes == 0)
        return;
    atomic_fetch_add_explicit(&r->ring->lost[MPL_LOST_CORRUPT], bytes, memory_order_relaxed);
    mpl_commit_touch(c, r);
}

/* The record at r->pos, if this pass may emit it; its key for the heap. */
static bool next_key(struct mpl_collector *c, struct mpl_ring_view *r, uint64_t *key)
{
    uint64_t corrupt_bytes;
    bool is_record = mpl_view_peek(r, &corrupt_bytes);
    note_corrupt(c, r, corrupt_bytes);
    if (!is_record)
        return false;
    *key = r->key;
    if (r->key < c->now_stamp)
        return true;
    if (r->pos >= r->seen)
        return false;
    /* Stamped later than now, and yet it was there in the pass before: the clock went back, or the stamp is no stamp.
     * Those behind it are ordered by their own again. */
    *key = r->key = c->now_stamp - 1;
    return true;
}

static void look_at_ring(struct mpl_collector *c, struct mpl_ring_view *r)
{
    uint64_t key;
    /* The state before the position: what a closed ring's position says then is final. Acquire: partners are
     * mpl_claim_close and mpl_claim_ring. */
    r->is_closing = atomic_load_explicit(&r->ring->state, memory_order_acquire) == MPL_RING_CLOSED || r->is_closing;
    r->claim = atomic_load_explicit(&r->ring->claim, memory_order_relaxed);
    r->seen = r->head;
    r->head = mpl_view_write_pos(r);
    if (r->head < r->pos || r->head - r->pos > r->data_bytes) {
        note_corrupt(c, r, 1); /* a position that no producer can have stored */
        r->pos = r->head;
    }
    if (r->head == r->pos)
        return;
    r->active_stamp = c->now_stamp;
    if (next_key(c, r, &key))
        mpl_heap_add(&c->heap, key, r->claim, r); /* out of memory: in the next pass */
}

static void take_attention(struct mpl_collector *c)
{
    for (uint32_t i = 0; i < MPL_ATTENTION_BITS / 64; i++) {
        if (atomic_load_explicit(&c->control->attention[i], memory_order_relaxed) == 0)
            continue;
        uint64_t bits = atomic_exchange(&c->control->attention[i], 0); /* partner: mpl_wake_for_ring */
        for (; bits; bits &= bits - 1) {
            uint32_t index = i * 64 + (uint32_t)__builtin_ctzll(bits);
            if (index < c->indexed_count && c->indexed[index])
                mpl_pass_heat(c, c->indexed[index]);
        }
    }
}

/* Partner: settled_bytes in producer/space.c. */
static void publish_hot_count(struct mpl_collector *c)
{
    struct mpl_control_head *h = &c->control->head;
    if (atomic_load_explicit(&h->hot_rings, memory_order_relaxed) != c->hot_count)
        atomic_store_explicit(&h->hot_rings, c->hot_count, memory_order_relaxed);
}

static void gather(struct mpl_collector *c)
{
    c->heap.count = 0;
    publish_hot_count(c);
    for (uint32_t i = 0; i < c->hot_count; i++) {
        promise(c, c->hot[i]);
        look_at_ring(c, c->hot[i]);
    }
    mpl_heap_build(&c->heap);
}

/* ---- merging ---- */

void mpl_pass_put_back_first(struct mpl_collector *c)
{
    uint64_t key;
    if (!next_key(c, c->heap.entry[0].ring, &key)) {
        mpl_heap_remove_first(&c->heap);
        return;
    }
    c->heap.entry[0].key = key;
    mpl_heap_sink_first(&c->heap);
}

static void emit_first(struct mpl_collector *c)
{
    struct mpl_ring_view *r = c->heap.entry[0].ring;
    if (!mpl_emit_record(c, r))
        return; /* blocked */
    r->pos += r->record_bytes;
    c->pass_bytes += r->record_bytes;
    c->pass_records++;
    mpl_commit_touch(c, r);
    mpl_pass_put_back_first(c);
}

static void merge(struct mpl_collector *c)
{
    while (c->heap.count > 0 && !c->is_blocked && !c->is_replaced) {
        struct mpl_sink *only = mpl_run_sink(c);
        if (only)
            mpl_run(c, only);
        if (c->heap.count > 0)
            emit_first(c);
    }
}

static void report_sink_losses(struct mpl_collector *c)
{
    for (uint32_t i = 0; i < c->sink_count; i++)
        mpl_loss_report_sink(c, c->sink[i]);
    mpl_notice_tell(c);
}

/* Without records for a while. */
static bool is_idle(const struct mpl_collector *c, const struct mpl_ring_view *r)
{
    return c->now_stamp - r->active_stamp > c->cold_after_ticks;
}

/* Where there was something to read; and once more before the ring becomes cold: a thread may have found it full when
 * its records were merged, have counted a loss when that had been looked for, and log nothing more. */
static void report_losses(struct mpl_collector *c)
{
    for (uint32_t i = 0; i < c->hot_count; i++) {
        struct mpl_ring_view *r = c->hot[i];
        if (r->active_stamp == c->now_stamp || r->is_closing || is_idle(c, r)) {
            mpl_loss_report_ring(c, r);
            mpl_loss_report_member(c, r->member);
        }
    }
    for (uint32_t i = 0; c->has_member_losses && i < c->member_bound; i++) {
        if (c->member[i])
            mpl_loss_report_member(c, c->member[i]);
    }
    c->has_member_losses = c->has_member_losses && c->is_blocked;
    report_sink_losses(c);
}

/* ---- cooling ---- */

static bool is_drained(const struct mpl_ring_view *r) { return r->pos == r->head && !r->is_touched; }

/* Rings without records for a while: all are made cold, then one barrier runs on all CPUs, then each is looked at once
 * more. A producer either sees the cold word after publishing, or has published before we look; the same where it has
 * counted a loss. models/watch.pml. */
static void cool(struct mpl_collector *c)
{
    uint32_t candidates = 0;
    for (uint32_t i = 0; i < c->hot_count; i++) {
        struct mpl_ring_view *r = c->hot[i];
        if (!is_drained(r) || !is_idle(c, r) || !r->member->can_be_cold || r->is_closing)
            continue;
        make_cold(r);
        c->hot[i] = c->hot[candidates]; /* cold ones to the front */
        c->hot[candidates++] = r;
    }
    if (candidates == 0)
        return;
    bool is_certain = mpl_os_membarrier_global();
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->hot_count; i++) {
        struct mpl_ring_view *r = c->hot[i];
        if (i < candidates && is_certain && mpl_view_write_pos(r) == r->head && mpl_loss_is_told(r)) {
            r->is_hot = false;
            continue;
        }
        if (i < candidates) {
            r->active_stamp = c->now_stamp;
            promise(c, r);
        }
        c->hot[kept++] = r;
    }
    c->hot_count = kept;
}

/* One that has lost its lock, and had nothing to decide, has not noticed yet: its successor may have freed the ring,
 * and another thread writes there. */
static bool is_followed(struct mpl_collector *c)
{
    c->is_replaced = c->is_replaced || atomic_load(&c->control->head.takeovers) != c->takeover;
    return c->is_replaced;
}

static void free_closed(struct mpl_collector *c)
{
    for (uint32_t i = c->hot_count; i-- > 0;) {
        struct mpl_ring_view *r = c->hot[i];
        if (r->is_closing && is_drained(r) && !r->member->is_dead && !r->member->is_leaving && !is_followed(c))
            free_ring(c, r);
    }
}

/* ---- the pass ---- */

static bool have_streams_reached_marks(const struct mpl_collector *c)
{
    for (uint32_t i = 0; i < c->sink_count; i++) {
        if (c->sink[i]->is_stream && !mpl_stream_has_reached(c->sink[i], c->sink[i]->mark))
            return false;
    }
    return true;
}

/* As mpl_commit_written_until: a stream that is written to all the time is never drained. */
static uint64_t streamed_until(struct mpl_collector *c)
{
    uint64_t until = c->stream_mark_stamp;
    for (uint32_t i = 0; i < c->sink_count; i++) {
        if (c->sink[i]->is_stream && c->flush_seen >= c->streamed_until)
            mpl_stream_await(c->sink[i]); /* before looking */
    }
    if (!have_streams_reached_marks(c))
        return c->streamed_until;
    c->stream_mark_stamp = c->now_stamp;
    for (uint32_t i = 0; i < c->sink_count; i++) {
        if (c->sink[i]->is_stream)
            c->sink[i]->mark = c->sink[i]->write_pos; /* which is decided: a pass has ended */
    }
    return have_streams_reached_marks(c) ? c->now_stamp : until;
}

static void say_how_far(struct mpl_collector *c)
{
    atomic_store(&c->control->head.given_up_files, mpl_commit_given_up(c)); /* partner: mpl_session_flush */
    c->written_until = mpl_commit_written_until(c);
    if (!c->is_other_boot)
        c->control->head.pulse = (struct mpl_pulse){c->wall.stamp, c->wall.wall_ns, c->wall.ns_per_tick};
    c->streamed_until = streamed_until(c);
    mpl_wake_flushed(c->control, c->written_until, c->streamed_until);
}

void mpl_collector_pass(struct mpl_collector *c, uint64_t stamp, uint64_t now_ns)
{
    c->now_stamp = stamp;
    c->pass_records = c->pass_bytes = 0;
    c->is_blocked = false;
    mpl_collector_read_clocks(c);
    mpl_commit_write(c, now_ns);
    mpl_members_scan(c);
    if (!mpl_collector_open_sinks(c)) {
        take_attention(c); /* or it would end every rest at once */
        c->is_blocked = true;
        return;
    }
    mpl_commit_judge(c, now_ns); /* of those who are left, and of new sinks */
    report_sink_losses(c);       /* of files that are written again: before what comes next */
    take_attention(c);
    gather(c);
    merge(c);
    report_losses(c);
    if (!mpl_commit(c) || c->is_blocked || c->is_replaced) {
        c->is_blocked = true;
        return;
    }
    cool(c);
    free_closed(c);
    mpl_members_remove_drained(c);
    say_how_far(c);
}
