/* SPDX-License-Identifier: Unlicense */
#include "collector/life.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/os.h"
#include "collector/collector.h"
#include "shm/control.h"
#include "shm/slot.h"
#include "shm/wake.h"

#define NS_PER_MS UINT64_C(1000000)

/* Between passes while there are hot rings: records wait half a millisecond at most, and a producer that is busy is not
 * followed around (its cache lines would go to and fro). A full ring, a cold one or a flush ends the nap. */
#define NAP_NS (NS_PER_MS / 2)

/* With nothing hot: lives are looked at once a second. */
#define HEARTBEAT_NS (1000 * NS_PER_MS)

/* A pass that found this much is followed by the next at once: somebody is filling rings faster than naps allow. */
#define BUSY_BYTES 32768u

/* With no member left: a file that fails, or a reader that does not read, gets this long without any progress. */
#define LAST_WAIT_NS (5000 * NS_PER_MS)

/* Processes that were killed a moment ago get this long to be gone. */
#define DYING_WAIT_NS (1000 * NS_PER_MS)

/* One that is told to stop takes its promises back within this time. A ring that is still hot then is written to all
 * the time, or cannot be cold; its promise is over soon. */
#define COOLING_NS (50 * NS_PER_MS)

/* One that is told to stop waits so long for the readers of its streams. */
#define STREAMS_WAIT_NS (1000 * NS_PER_MS)

/* Of the collector's own buffers, what is kept while idle. */
#define IDLE_BUFFER_BYTES 65536u

/* ---- beginning ---- */

/* False: a predecessor that has lost its lock has removed the session after all. */
static bool serve(struct mpl_collector *c, uint32_t kind)
{
    struct mpl_control_head *h = &c->control->head;
    uint32_t seen = atomic_load(&h->state);
    atomic_store(&h->collector_pid, (uint32_t)getpid());
    c->follows_helper = atomic_exchange(&h->collector_kind, kind) == MPL_COLLECTOR_HELPER;
    do { /* also from CLOSING, where a predecessor was killed */
        if (mpl_state_of(seen) == MPL_SESSION_REMOVED)
            return false;
    } while (!atomic_compare_exchange_weak(&h->state, &seen, mpl_state_word(MPL_SESSION_RUNNING, c->takeover)));
    mpl_os_futex_wake(&h->state, INT_MAX); /* partner: wait_until_ready in session/start.c */
    return true;
}

/* From one state of ours to the next. False: somebody else is the collector now. */
static bool change_state(struct mpl_collector *c, uint32_t from, uint32_t to)
{
    uint32_t seen = mpl_state_word(from, c->takeover);
    if (!atomic_compare_exchange_strong(&c->control->head.state, &seen, mpl_state_word(to, c->takeover)))
        c->is_replaced = true;
    return !c->is_replaced;
}

/* ---- ending ---- */

static bool are_slots_free(struct mpl_collector *c)
{
    uint32_t bound = mpl_slot_bound(c->control);
    for (uint32_t i = 0; i < bound; i++) {
        if (mpl_slot_state(atomic_load(&c->control->slot[i].word)) != MPL_SLOT_FREE)
            return false;
    }
    return true;
}

static bool is_sink_done(const struct mpl_sink *s)
{
    return s->is_stream ? !s->writer || mpl_stream_is_drained(s) : !mpl_batch_is_pending(s);
}

/* Also what is lost if nobody writes it now: stderr ends with its last reader. */
static bool is_everything_written(const struct mpl_collector *c, bool with_stderr)
{
    for (uint32_t i = 0; i < c->sink_count; i++) {
        if (!is_sink_done(c->sink[i]) && (with_stderr || !c->sink[i]->is_stderr))
            return false;
    }
    return c->ending_count == 0 && !(with_stderr && c->has_notices);
}

/* models/join.pml: a joiner claims a slot and then reads the state; we set the state and then read the slots. The host
 * of a thread may take its lock away at any moment: a successor then changes the state first, or finds it REMOVED. */
static bool leave(struct mpl_collector *c)
{
    if (!change_state(c, MPL_SESSION_RUNNING, MPL_SESSION_CLOSING))
        return false;
    if (!are_slots_free(c)) {
        change_state(c, MPL_SESSION_CLOSING, MPL_SESSION_RUNNING);
        c->news_seen = atomic_load(&c->control->head.news) - 1; /* look at all slots */
        return false;
    }
    if (!change_state(c, MPL_SESSION_CLOSING, MPL_SESSION_REMOVED))
        return false;
    /* Only who has the lock moves the directory away: the name may be another session's a moment later. Whoever has it
     * instead of us finds the session REMOVED, and does the same. */
    if (mpl_os_fd_is(c->control_fd, c->control_dev, c->control_ino) && mpl_control_lock(c->control_fd))
        mpl_dir_retire(c->dir, c->control_dev, c->control_ino);
    return true;
}

/* Changes whenever anything gets on. */
static uint64_t progress(const struct mpl_collector *c)
{
    uint64_t sum = c->batch_seq + c->ending_count;
    for (uint32_t i = 0; i < c->sink_count; i++) {
        const struct mpl_sink *s = c->sink[i];
        if (s->is_stream && s->stream)
            sum += atomic_load_explicit(&s->stream->read_pos, memory_order_relaxed);
        for (int k = 0; k < 2 && mpl_batch_is_open(s); k++)
            sum += atomic_load_explicit(&s->batch[k].shared->done, memory_order_relaxed);
    }
    return sum;
}

struct ending {
    uint64_t progress, since_ns; /* since_ns: when that was seen first; 0: there are members */
    uint64_t records_at_first;   /* in the files when we came */
    bool has_told;
};

/* Records that have come into the files so far. */
static uint64_t records_in_files(const struct mpl_collector *c)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < c->sink_count; i++) {
        const struct mpl_sink *s = c->sink[i];
        sum += s->is_stream ? 0 : s->account->records - mpl_batch_waiting(s);
    }
    return sum;
}

static void format_time(char text[32], int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / INT64_C(1000000000));
    struct tm tm;
    if (!localtime_r(&seconds, &tm) || strftime(text, 32, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        strcpy(text, "an unknown time");
}

/* Where the log is that what happens to the session belongs in: a program may have set up nothing but handlers. */
static uint32_t notice_sinks(const struct mpl_collector *c) { return c->sinks_shared ? c->sinks_shared : c->sinks_up; }

/* Into the log, once, before its session is removed. */
static bool tell_recovery(struct mpl_collector *c, uint64_t records)
{
    char when[32];
    int64_t newest_ns = c->newest_stamp ? mpl_clock_wall_of(&c->wall, c->newest_stamp) : 0;
    format_time(when, newest_ns > c->pulse_ns ? newest_ns : c->pulse_ns);
    return mpl_emit_notice(c, notice_sinks(c), 0, NULL, NULL,
                           "%" PRIu64 " %s of a session that ended at %s %s recovered", records,
                           records == 1 ? "record" : "records", when, records == 1 ? "was" : "were");
}

enum next { GO_ON, REMOVED, LEFT_BEHIND };

/* With no member left: the session is removed when all is written; where nothing gets on, it is left as it is, for
 * whoever recovers it. */
static enum next try_to_leave(struct mpl_collector *c, const struct mpl_life *life, struct ending *e, uint64_t now_ns)
{
    uint64_t seen = progress(c);
    if (c->alive_count > 0 || e->since_ns == 0 || seen != e->progress)
        e->since_ns = c->alive_count > 0 ? 0 : now_ns;
    e->progress = seen;
    if (c->alive_count > 0)
        return GO_ON;
    bool is_stuck = now_ns - e->since_ns >= LAST_WAIT_NS;
    if (!is_everything_written(c, !is_stuck))
        return is_stuck ? LEFT_BEHIND : GO_ON;
    uint64_t recovered = records_in_files(c) - e->records_at_first;
    if (life->is_recovery && !e->has_told && recovered > 0) {
        e->has_told = tell_recovery(c, recovered);
        return GO_ON;
    }
    if (leave(c))
        return REMOVED;
    return is_stuck ? LEFT_BEHIND : GO_ON; /* somebody joins, and does not get on */
}

/* stderr is closed when no member has it any more: else whoever waits for its end, as $(command) does, waits for us. */
static void finish_streams(struct mpl_collector *c)
{
    int error;
    for (uint32_t i = 0; i < c->sink_count; i++) {
        struct mpl_sink *s = c->sink[i];
        if (!s->is_stream || !s->writer || s->is_finished || !s->is_stderr ||
            mpl_members_have_stderr(c, s->dev, s->ino))
            continue;
        mpl_stream_finish(s);
        s->is_finished = true;
        if (mpl_stream_has_ended(s, &error) && error)
            continue; /* what it has not written is to be counted: loss.c */
        s->is_end_noted = true;
        c->sinks_up &= ~(UINT32_C(1) << i);
    }
}

/* ---- serving ---- */

static bool is_ours(struct mpl_collector *c)
{
    return !c->is_replaced && atomic_load(&c->control->head.takeovers) == c->takeover &&
           mpl_os_fd_is(c->control_fd, c->control_dev, c->control_ino);
}

/* If realloc fails, the large buffer is as good as the small one. */
static void shrink(char **buffer, size_t *cap)
{
    char *smaller = *cap > IDLE_BUFFER_BYTES ? realloc(*buffer, MPL_LINE_BYTES_LEAST) : NULL;
    if (smaller) {
        *buffer = smaller;
        *cap = MPL_LINE_BYTES_LEAST;
    }
}

static void shrink_buffers(struct mpl_collector *c)
{
    for (uint32_t i = 0; i < c->sink_count; i++)
        shrink(&c->sink[i]->line, &c->sink[i]->line_cap);
    shrink(&c->copy, &c->copy_cap);
    for (uint32_t i = 0; i < c->sink_count; i++)
        mpl_batch_shrink(c->sink[i]);
}

static bool has_sync_due(const struct mpl_collector *c)
{
    for (uint32_t i = 0; i < c->sink_count; i++) {
        if (c->sink[i]->fsync != MPL_FSYNC_NEVER && !c->sink[i]->out && c->sink[i]->needs_sync)
            return true;
    }
    return false;
}

static void rest(struct mpl_collector *c, uint32_t wake_word, uint64_t now_ns)
{
    uint64_t timeout_ns = NAP_NS, retry_ns = mpl_commit_retry_ns(c);
    if (!c->is_blocked && c->pass_bytes >= BUSY_BYTES)
        return;
    bool is_quiet = c->hot_count == 0 && c->ending_count == 0 && !c->is_blocked && !c->has_missed && !c->has_posted &&
                    c->alive_count > 0;
    if (is_quiet) {
        shrink_buffers(c);
        timeout_ns = has_sync_due(c) ? HEARTBEAT_NS / 10 : HEARTBEAT_NS;
        if (retry_ns < now_ns + timeout_ns)
            timeout_ns = retry_ns > now_ns ? retry_ns - now_ns : 1;
    } else if (c->is_blocked) {
        timeout_ns = 10 * NAP_NS;
    }
    mpl_wake_sleep(c->control, wake_word, c->news_seen, c->flush_seen, timeout_ns);
}

static void look_after_lives(struct mpl_collector *c, uint64_t *next_ns, uint64_t now_ns)
{
    bool is_due = now_ns >= *next_ns;
    if (is_due) {
        *next_ns = now_ns + HEARTBEAT_NS;
        mpl_members_check_lives(c);
    }
    if (c->is_blocked || !(c->has_deaths || is_due))
        return; /* blocked: what the dead have logged is not in the streams yet */
    finish_streams(c);
    c->has_deaths = false;
}

/* A thread that comes after a helper: none can be started here, or too many have died. */
static void tell_of_deaths(struct mpl_collector *c, const struct mpl_life *life, uint64_t now_ns)
{
    unsigned count = 0;
    if (!c->follows_helper || life->kind != MPL_COLLECTOR_THREAD || life->is_recovery)
        return;
    for (unsigned i = 0; i < MPL_DEATHS_KEPT; i++) {
        uint64_t death_ns = atomic_load(&c->control->head.death_ns[i]);
        count += death_ns != 0 && death_ns <= now_ns && now_ns - death_ns < MPL_DEATHS_WITHIN_NS;
    }
    /* Where there is no room now, the next pass tells. */
    c->follows_helper = count > 0 &&
                        !mpl_emit_notice(c, notice_sinks(c), 0, NULL, NULL,
                                         "the helper has died %u times within a minute, a thread of process %ld writes "
                                         "the log for now",
                                         count, (long)getpid());
}

/* For a while; the next collector may be long in coming. */
static bool are_streams_drained(struct mpl_collector *c, uint64_t waited_ns)
{
    bool are_drained = true;
    for (uint32_t i = 0; i < c->sink_count && waited_ns < STREAMS_WAIT_NS; i++) {
        if (!c->sink[i]->is_stream)
            continue;
        mpl_stream_await(c->sink[i]); /* before looking */
        are_drained = mpl_stream_is_drained(c->sink[i]) && are_drained;
    }
    return are_drained;
}

/* True: the session is removed. */
static bool run(struct mpl_collector *c, const struct mpl_life *life, bool *is_left_behind)
{
    uint64_t next_look_ns = 0, begin_ns = mpl_clock_monotonic_ns(), stop_ns = 0;
    *is_left_behind = false;
    struct ending ending = {.records_at_first = records_in_files(c)};
    while (is_ours(c)) {
        /* Read first: the pass then sees that the member who asks for it has left. */
        bool must_stop = life->must_stop && atomic_load(life->must_stop);
        /* Also before the pass: a member that dies, or a stream that has got on, after the pass has looked, ends the
         * rest. */
        uint32_t wake_word = atomic_load(&c->control->head.wake_word);
        if (must_stop) {
            next_look_ns = 0;        /* of those who are left, who lives? */
            c->cold_after_ticks = 0; /* what was promised does not hold; who logs next is to look for a collector */
        }
        uint64_t stamp = mpl_collector_now(c), now_ns = mpl_clock_monotonic_ns();
        mpl_collector_pass(c, stamp, now_ns);
        tell_of_deaths(c, life, now_ns);
        look_after_lives(c, &next_look_ns, now_ns);
        enum next next = try_to_leave(c, life, &ending, now_ns);
        *is_left_behind = next == LEFT_BEHIND;
        must_stop = must_stop && (!life->is_recovery || now_ns > begin_ns + DYING_WAIT_NS);
        stop_ns = must_stop && stop_ns == 0 ? now_ns : stop_ns;
        bool is_cold = c->hot_count == 0 || now_ns - stop_ns > COOLING_NS;
        bool is_done = !c->is_blocked && c->ending_count == 0 && c->written_until == c->now_stamp && !c->has_posted &&
                       is_cold && are_streams_drained(c, now_ns - stop_ns);
        if (next != GO_ON || (must_stop && is_done && c->alive_count > 0))
            break;
        rest(c, wake_word, now_ns);
    }
    if (life->end)
        life->end->written += records_in_files(c) - ending.records_at_first;
    return mpl_state_of(atomic_load(&c->control->head.state)) == MPL_SESSION_REMOVED;
}

/* Members that will look for a collector, some day. One that is leaving may have looked already. */
static bool has_members(struct mpl_collector *c)
{
    uint32_t bound = mpl_slot_bound(c->control);
    for (uint32_t i = 0; i < bound; i++) {
        uint32_t state = mpl_slot_state(atomic_load(&c->control->slot[i].word));
        if (state == MPL_SLOT_JOINING || state == MPL_SLOT_ACTIVE)
            return true;
    }
    return false;
}

/* Who joins, leaves or logs in a cold ring says so and then looks for a collector. One that goes while there are
 * members, or before all is written, gives up its lock and then looks whether somebody has said so: one of them sees
 * the other. Also, if it was told to stop: the last member removes the session. models/join.pml. True: it is needed
 * again. */
static bool give_up_lock(struct mpl_collector *c, bool is_left_behind, int *control_fd)
{
    atomic_store(&c->control->head.collector_pid, 0);
    atomic_store(&c->control->head.spawn_claim_ns, 0); /* who claimed to start us has done it */
    atomic_store(&c->control->head.sleeping, 1);       /* whoever wants to wake us from now on finds nobody */
    /* A successor compares the file with what was announced: not while that may still come. The lock then ends with the
     * process, when the stuck thread has. */
    if (!mpl_collector_end_writers(c)) {
        *control_fd = -1;
        return false;
    }
    mpl_control_unlock(c->control_fd);
    return mpl_wake_is_wanted(c->control, c->news_seen) || (!is_left_behind && !has_members(c));
}

static void close_candidates(struct mpl_candidates *candidates)
{
    for (unsigned i = 0; i < candidates->count; i++)
        close(candidates->fds[i]);
    candidates->count = 0;
}

static void note_end(const struct mpl_life *life, bool is_removed)
{
    if (!life->end)
        return;
    life->end->has_led = true;
    life->end->is_removed = is_removed;
}

/* *control_fd becomes -1 where it is to stay open, with its lock. */
static int lead(const struct mpl_life *life, int dir_fd, int *control_fd, bool *is_again)
{
    *is_again = false;
    struct mpl_collector *c = calloc(1, sizeof *c);
    if (!c)
        return mpl_fail(ENOMEM, "collector: out of memory");
    int error = mpl_collector_init(c, life->dir, dir_fd, *control_fd, life->candidates);
    close_candidates(life->candidates);
    /* A host is given no threads that are not needed. */
    c->writes_apart = life->kind == MPL_COLLECTOR_HELPER && !life->is_recovery;
    if (!error && !serve(c, life->kind))
        error = -ESHUTDOWN;
    if (!error) {
        bool is_left_behind;
        bool is_removed = run(c, life, &is_left_behind);
        note_end(life, is_removed);
        for (uint32_t i = 0; i < c->sink_count && !is_removed; i++) /* before the lock is given up, if we have it */
            mpl_stream_stop(c->sink[i]);
        *is_again = !is_removed && is_ours(c) && give_up_lock(c, is_left_behind, control_fd);
    } else if (error == -ESHUTDOWN) {
        /* Somebody else was the last, while we waited for the lock, or was killed before it could delete what it had
         * left. */
        mpl_dir_retire(c->dir, c->control_dev, c->control_ino);
        note_end(life, true);
        error = 0;
    }
    mpl_collector_fini(c);
    free(c);
    return error;
}

/* A former holder may be on its way out, and somebody must recover what it leaves. */
static bool take_lock(const struct mpl_life *life, int control_fd)
{
    uint64_t deadline_ns = mpl_clock_monotonic_ns() + DYING_WAIT_NS;
    while (!mpl_control_lock(control_fd)) {
        pid_t holder = mpl_control_holder(control_fd);
        if (!life->is_recovery || (holder != 0 && !(holder > 0 && mpl_os_is_exiting(holder))) ||
            mpl_clock_monotonic_ns() > deadline_ns)
            return false;
        mpl_os_sleep_ns(NS_PER_MS);
    }
    return true;
}

static int try_to_lead(const struct mpl_life *life)
{
    int dir_fd = mpl_dir_open(life->dir);
    if (dir_fd < 0)
        return dir_fd == -ENOENT ? 0 : dir_fd; /* the session is over */
    int control_fd = mpl_control_open(dir_fd);
    int error = control_fd < 0 && control_fd != -ENOENT ? control_fd : 0;
    bool is_again = true;
    while (!error && is_again && control_fd >= 0 && take_lock(life, control_fd))
        error = lead(life, dir_fd, &control_fd, &is_again);
    if (control_fd >= 0)
        close(control_fd);
    close(dir_fd);
    return error;
}

int mpl_life_run(const struct mpl_life *life)
{
    int error = try_to_lead(life);
    close_candidates(life->candidates);
    return error;
}
