/* SPDX-License-Identifier: Unlicense
 *
 * Deciding a batch. In this order: the new positions and the new lines are laid down under the tag batch_seq + 1;
 * batch_seq is stored; the rings get their space back; the lines are written. Whoever takes over after a death before
 * the store finds nothing of it in force, after it everything. See docs/design.md M8.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "collector/collector.h"

#define NS_PER_MS UINT64_C(1000000)

/* A write that failed is tried again after this long, then twice as long, ... Under load each of these waits costs
 * records when there is room again; a try costs microseconds. */
#define RETRY_LEAST_NS (10 * NS_PER_MS)
#define RETRY_MOST_NS (200 * NS_PER_MS)

/* So long nothing else is done while a full batch waits for another one to be written; then it grows. A disk that works
 * takes milliseconds. */
#define SLOW_NS (100 * NS_PER_MS)

/* So long at least a write may get on nowhere before that counts as failing, however short block_timeout_ms is: a disk
 * that is busy with other things takes some of this. */
#define ABSENT_LEAST_NS (1000 * NS_PER_MS)

void mpl_commit_touch(struct mpl_collector *c, struct mpl_ring_view *r)
{
    if (r->is_touched)
        return;
    if (c->touched_count == c->touched_capacity) {
        uint32_t capacity = c->touched_capacity ? c->touched_capacity * 2 : 64;
        struct mpl_ring_view **touched = realloc(c->touched, capacity * sizeof(struct mpl_ring_view *));
        if (!touched)
            return; /* its records are merged again with the next batch: doubled rather than lost */
        c->touched = touched;
        c->touched_capacity = capacity;
    }
    r->is_touched = true;
    c->touched[c->touched_count++] = r;
}

static uint64_t tag_of(const _Atomic uint64_t *tag) { return atomic_load_explicit(tag, memory_order_relaxed); }

static void prepare_names(struct mpl_ring_view *r, uint64_t tag)
{
    struct mpl_names *n = r->ring->names;
    n = tag_of(&n[0].tag) > tag_of(&n[1].tag) ? &n[1] : &n[0]; /* the one not in force */
    n->thread = r->thread;
    n->process = r->process;
    n->process_len = r->process_len;
    n->thread_len = r->thread_len;
    memcpy(n->text, r->names, sizeof n->text);
    atomic_store_explicit(&n->tag, tag, memory_order_release); /* partner: a successor's take_names in view.c */
    r->names_changed = false;
}

static void prepare_ring(struct mpl_ring_view *r, uint64_t tag)
{
    struct mpl_ring_progress *p = r->ring->progress;
    p = tag_of(&p[0].tag) > tag_of(&p[1].tag) ? &p[1] : &p[0];
    p->read_pos = r->pos;
    memcpy(p->lost_reported, r->lost_reported, sizeof p->lost_reported);
    atomic_store_explicit(&p->tag, tag, memory_order_release); /* partner: a successor's take_ring_progress in view.c */
    if (r->names_changed)
        prepare_names(r, tag);
}

static void prepare_member(struct mpl_member_view *m, uint64_t tag)
{
    struct mpl_segment_progress *p = m->head->progress;
    p = tag_of(&p[0].tag) > tag_of(&p[1].tag) ? &p[1] : &p[0];
    memcpy(p->lost_reported, m->lost_reported, sizeof p->lost_reported);
    atomic_store_explicit(&p->tag, tag, memory_order_release);
    m->is_touched = false;
}

static bool has_something(const struct mpl_collector *c)
{
    return c->touched_count > 0 || c->batch_lines > 0 || c->touched_members > 0;
}

static bool decide(struct mpl_collector *c)
{
    uint64_t tag = c->batch_seq + 1, expected = c->batch_seq;
    for (uint32_t i = 0; i < c->touched_count; i++)
        prepare_ring(c->touched[i], tag);
    for (uint32_t i = 0; c->touched_members > 0 && i < c->member_bound; i++) {
        if (c->member[i] && c->member[i]->is_touched) {
            prepare_member(c->member[i], tag);
            c->touched_members--;
        }
    }
    for (uint32_t i = 0; i < c->sink_count; i++) {
        if (c->sinks_up >> i & 1)
            mpl_sink_prepare(c->sink[i], tag);
    }
    mpl_account_prepare(c, tag);
    /* The decision. A compare-and-swap, since a thread that has lost its lock (its host closed the descriptor) may only
     * now find out that another has taken over. Release: all of the above; acquire: a successor's mpl_collector_init.
     */
    if (!atomic_compare_exchange_strong_explicit(&c->control->head.batch_seq, &expected, tag, memory_order_acq_rel,
                                                 memory_order_relaxed)) {
        c->is_replaced = true;
        return false;
    }
    c->batch_seq = tag;
    return true;
}

static void release_rings(struct mpl_collector *c)
{
    for (uint32_t i = 0; i < c->touched_count; i++) {
        struct mpl_ring_view *r = c->touched[i];
        r->is_touched = false;
        /* Partner: see_room in producer/space.c, acquire: we are done with the bytes before. */
        atomic_store_explicit(&r->ring->read_pos, r->pos, memory_order_release);
    }
    c->touched_count = 0;
}

bool mpl_commit(struct mpl_collector *c)
{
    if (has_something(c)) {
        if (!decide(c))
            return false;
        release_rings(c);
        for (uint32_t i = 0; i < c->sink_count; i++) {
            if (c->sinks_up >> i & 1)
                mpl_sink_decided(c->sink[i]);
        }
        c->batch_lines = 0;
    }
    mpl_commit_write(c, mpl_clock_monotonic_ns());
    return true;
}

/* ---- writing ---- */

static uint32_t bit_of(const struct mpl_sink *s) { return UINT32_C(1) << s->index; }

static void note_failure(struct mpl_collector *c, struct mpl_sink *s, int error, const char *reason, uint64_t now_ns)
{
    if (s->backoff_ns == 0 || !s->is_failing)
        s->backoff_ns = RETRY_LEAST_NS;
    if (!s->is_failing)
        s->failing_since_ns = now_ns;
    s->is_failing = true;
    s->failure = -error;
    s->retry_ns = now_ns + s->backoff_ns;
    s->backoff_ns = s->backoff_ns * 2 < RETRY_MOST_NS ? s->backoff_ns * 2 : RETRY_MOST_NS;
    if (s->has_told)
        return;
    s->has_told = true;
    /* Who has not heard that it went on has heard that it fails. */
    mpl_notice_post(c, s, MPL_NOTICE_FAILS, c->sinks_up & ~bit_of(s) & ~s->notice[MPL_NOTICE_GOES_ON].sinks,
                    "writing fails: %s", reason);
    s->notice[MPL_NOTICE_GOES_ON].sinks = 0;
}

static void note_success(struct mpl_collector *c, struct mpl_sink *s, uint64_t now_ns)
{
    bool has_told = s->has_told;
    if (!s->is_failing)
        return;
    s->is_failing = s->has_told = false;
    if (has_told)
        mpl_notice_post(c, s, MPL_NOTICE_GOES_ON, c->sinks_up & ~bit_of(s) & ~s->notice[MPL_NOTICE_FAILS].sinks,
                        "writing goes on after %.1f s", (double)(now_ns - s->failing_since_ns) / 1e9);
    s->notice[MPL_NOTICE_FAILS].sinks = 0;
}

/* Said once, and again when it has worked in between. */
static void note_rotation(struct mpl_collector *c, struct mpl_sink *s)
{
    bool has_failed = s->file.rotation_error != 0;
    if (has_failed && !s->has_told_rotation)
        mpl_notice_post(c, s, MPL_NOTICE_ROTATION, c->sinks_up, "cannot be rotated and grows: %s", s->work.reason);
    s->has_told_rotation = has_failed;
}

/* What was written may be lost if the machine stops now; the kernel tells that once. */
static void note_sync(struct mpl_collector *c, struct mpl_sink *s)
{
    int error = s->work.sync_error;
    if (error && !s->has_told_sync)
        mpl_notice_post(c, s, MPL_NOTICE_SYNC, c->sinks_up, "what was written may not be on the disk: %s",
                        s->work.sync_reason);
    s->has_told_sync = error ? true : s->has_told_sync && s->needs_sync;
}

/* What came of s->work. */
static void note_work(struct mpl_collector *c, struct mpl_sink *s, uint64_t now_ns)
{
    s->out = MPL_NOT_OUT;
    if (s->work.batch)
        mpl_batch_rewind(s->work.batch);
    if (s->work.error) { /* what it has written all the same is not synced */
        note_failure(c, s, s->work.error, s->work.reason, now_ns);
        return;
    }
    s->finished = mpl_batch_written(s);
    note_success(c, s, now_ns);
    note_rotation(c, s);
    note_sync(c, s);
}

/* When it counts as failing that nothing is heard of what is out. */
static uint64_t absence_ns(const struct mpl_collector *c, const struct mpl_sink *s)
{
    return s->work.moved_ns + (c->block_timeout_ns > ABSENT_LEAST_NS ? c->block_timeout_ns : ABSENT_LEAST_NS);
}

/* What is out does not come back: a disk that is slow is waited for as full rings are; one that does not get on at all
 * counts as one that fails after a while. */
static void note_absence(struct mpl_collector *c, struct mpl_sink *s, uint64_t now_ns)
{
    struct mpl_work *w = &s->work;
    /* Relaxed: it tells that something happens, no more. */
    uint64_t done = w->batch ? atomic_load_explicit(&w->batch->shared->done, memory_order_relaxed) : 0;
    if (s->out == MPL_OUT_WANTED || now_ns >= w->now_ns + SLOW_NS)
        s->out = MPL_OUT_SLOW;
    if (done != w->seen_done)
        w->moved_ns = now_ns;
    w->seen_done = done;
    if (now_ns < absence_ns(c, s) || (s->is_failing && s->has_told))
        return;
    note_failure(c, s, -ETIMEDOUT, "it has not come back; is its file system there?", now_ns);
    s->failing_since_ns = w->moved_ns;
}

static void write_file(struct mpl_collector *c, struct mpl_sink *s, uint64_t now_ns)
{
    for (;;) {
        bool is_wanted = s->out == MPL_OUT_WANTED;
        if (s->out && !mpl_writer_is_back(s, is_wanted ? SLOW_NS : 0)) {
            note_absence(c, s, is_wanted ? mpl_clock_monotonic_ns() : now_ns);
            return;
        }
        if (s->out)
            note_work(c, s, now_ns);
        if (!mpl_writer_is_due(s, now_ns, c->writes_apart))
            return;
        mpl_writer_begin(s, now_ns, c->writes_apart, &c->control->head.wake_word);
        if (s->out)
            return;
        note_work(c, s, now_ns);
    }
}

void mpl_commit_write(struct mpl_collector *c, uint64_t now_ns)
{
    for (uint32_t i = 0; i < c->sink_count; i++) {
        struct mpl_sink *s = c->sink[i];
        if (!s->is_stream && mpl_batch_is_open(s))
            write_file(c, s, now_ns);
    }
    mpl_commit_judge(c, now_ns);
}

/* ---- who waits for whom ---- */

/* A file that fails is waited for until then. With no member left it always is: what is in the rings stays there, if
 * need be until the session is recovered. */
static bool is_given_up(const struct mpl_collector *c, const struct mpl_sink *s, uint64_t now_ns)
{
    return c->alive_count > 0 && now_ns - s->failing_since_ns >= c->block_timeout_ns;
}

/* For members, who may be the last to tell anybody. */
static void publish_failure(struct mpl_collector *c, const struct mpl_sink *s)
{
    _Atomic uint32_t *failure = &c->control->head.failure[s->index];
    uint32_t now = s->is_failing || s->is_stream ? (uint32_t)s->failure : 0;
    if (atomic_load_explicit(failure, memory_order_relaxed) != now)
        atomic_store_explicit(failure, now, memory_order_relaxed); /* partner: failure_of in session/unwritten.c */
}

void mpl_commit_judge(struct mpl_collector *c, uint64_t now_ns)
{
    bool has_file = false, has_stream = false; /* that go on */
    for (uint32_t i = 0; i < c->sink_count; i++) {
        const struct mpl_sink *s = c->sink[i];
        has_file = has_file || (!s->is_stream && mpl_batch_is_open(s) && !s->is_failing);
        has_stream = has_stream || (s->is_stream && (c->sinks_up & bit_of(s)) != 0);
    }
    for (uint32_t i = 0; i < c->sink_count; i++) {
        struct mpl_sink *s = c->sink[i];
        bool is_alone = !has_file && (s->is_stream || !has_stream);
        s->is_given_up = !s->is_stream && s->is_failing && is_given_up(c, s, now_ns);
        s->may_wait = (is_alone && !s->is_given_up) || (!s->is_stream && c->alive_count == 0);
        publish_failure(c, s);
    }
}

/* A file may always have something on its way: what was decided by the end of one pass is followed until it is there.
 */
static void set_mark(struct mpl_collector *c)
{
    c->mark_stamp = c->now_stamp;
    for (uint32_t i = 0; i < c->sink_count; i++) {
        struct mpl_sink *s = c->sink[i];
        if (!s->is_stream)
            s->mark = mpl_batch_is_open(s) ? mpl_batch_decided(s) : 0;
    }
}

static bool has_reached_mark(const struct mpl_collector *c)
{
    for (uint32_t i = 0; i < c->sink_count; i++) {
        const struct mpl_sink *s = c->sink[i];
        if (!s->is_stream && !s->is_given_up && s->finished < s->mark)
            return false;
    }
    return true;
}

uint64_t mpl_commit_written_until(struct mpl_collector *c)
{
    if (!has_reached_mark(c))
        return c->written_until;
    uint64_t until = c->mark_stamp;
    set_mark(c);
    return has_reached_mark(c) ? c->now_stamp : until;
}

uint32_t mpl_commit_given_up(const struct mpl_collector *c)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->sink_count; i++)
        count += c->sink[i]->is_given_up || (!c->sink[i]->is_stderr && !(c->sinks_up >> i & 1));
    return count;
}

uint64_t mpl_commit_retry_ns(const struct mpl_collector *c)
{
    uint64_t earliest_ns = UINT64_MAX;
    for (uint32_t i = 0; i < c->sink_count; i++) {
        const struct mpl_sink *s = c->sink[i];
        uint64_t at_ns = s->out ? absence_ns(c, s) : s->retry_ns;
        if ((s->out != MPL_NOT_OUT) != s->is_failing && at_ns < earliest_ns)
            earliest_ns = at_ns;
    }
    return earliest_ns;
}
