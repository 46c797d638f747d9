/* SPDX-License-Identifier: Unlicense */
#include "collector/life.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
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

/* How long the end of a session waits for a file that fails or a reader that does not read. */
#define LAST_WAIT_NS (5000 * NS_PER_MS)

/* Of the collector's own buffers, what is kept while idle. */
#define IDLE_BUFFER_BYTES 65536u

/* ---- beginning ---- */

static void serve(struct mpl_collector *c, uint32_t kind)
{
    struct mpl_control_head *h = &c->control->head;
    atomic_store(&h->collector_pid, (uint32_t)getpid());
    atomic_store(&h->collector_kind, kind);
    atomic_store(&h->state, MPL_SESSION_RUNNING);              /* also from CLOSING, where a predecessor was killed */
    mpl_os_futex_wake((_Atomic uint32_t *)&h->state, INT_MAX); /* partner: wait_until_ready in session/start.c */
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

static bool is_everything_written(struct mpl_collector *c)
{
    for (uint32_t i = 0; i < c->sink_count; i++) {
        struct mpl_sink *s = c->sink[i];
        if (s->is_stream ? s->writer && !mpl_stream_is_drained(s) : mpl_batch_is_pending(s))
            return false;
    }
    return true;
}

/* models/join.pml: a joiner claims a slot and then reads the state; we set the state and then read the slots. */
static bool leave(struct mpl_collector *c)
{
    struct mpl_control_head *h = &c->control->head;
    atomic_store(&h->state, MPL_SESSION_CLOSING);
    if (!are_slots_free(c)) {
        atomic_store(&h->state, MPL_SESSION_RUNNING);
        c->news_seen = atomic_load(&h->news) - 1; /* look at all slots */
        return false;
    }
    atomic_store(&h->state, MPL_SESSION_REMOVED);
    mpl_dir_retire(c->dir, c->control_dev, c->control_ino);
    return true;
}

/* True: the session is over, and gone. `idle_since_ns`: when the last member had gone. */
static bool try_to_leave(struct mpl_collector *c, uint64_t *idle_since_ns, uint64_t now_ns)
{
    if (c->alive_count > 0 || c->ending_count > 0) {
        *idle_since_ns = 0;
        return false;
    }
    if (*idle_since_ns == 0)
        *idle_since_ns = now_ns;
    if (!is_everything_written(c) && now_ns - *idle_since_ns < LAST_WAIT_NS)
        return false;
    return leave(c);
}

/* stderr is closed when no member has it any more: else whoever waits for its end, as $(command) does, waits for us. */
static void finish_streams(struct mpl_collector *c)
{
    for (uint32_t i = 0; i < c->sink_count; i++) {
        struct mpl_sink *s = c->sink[i];
        if (!s->is_stream || !s->writer || s->is_finished || !s->is_stderr ||
            mpl_members_have_stderr(c, s->dev, s->ino))
            continue;
        mpl_stream_finish(s);
        s->is_finished = true;
        c->sinks_up &= ~(UINT32_C(1) << i);
    }
}

/* ---- serving ---- */

static bool is_ours(struct mpl_collector *c)
{
    return !c->is_replaced && atomic_load(&c->control->head.takeovers) == c->takeover &&
           mpl_os_fd_is(c->control_fd, c->control_dev, c->control_ino);
}

static void shrink_buffers(struct mpl_collector *c)
{
    for (uint32_t i = 0; i < c->sink_count; i++) {
        struct mpl_sink *s = c->sink[i];
        if (s->line_cap > IDLE_BUFFER_BYTES) {
            free(s->line);
            s->line = NULL;
            s->line_cap = 0;
        }
    }
    if (c->copy_cap > IDLE_BUFFER_BYTES) {
        free(c->copy);
        c->copy = NULL;
        c->copy_cap = 0;
    }
    for (uint32_t i = 0; i < c->sink_count; i++)
        mpl_batch_shrink(c->sink[i], c->dir_fd);
}

static bool has_sync_due(const struct mpl_collector *c)
{
    for (uint32_t i = 0; i < c->sink_count; i++) {
        if (c->sink[i]->fsync != MPL_FSYNC_NEVER && c->sink[i]->needs_sync)
            return true;
    }
    return false;
}

static void rest(struct mpl_collector *c)
{
    uint64_t timeout_ns = NAP_NS;
    if (!c->is_blocked && c->pass_bytes >= BUSY_BYTES)
        return;
    bool is_quiet = c->hot_count == 0 && c->ending_count == 0 && !c->is_blocked && c->alive_count > 0;
    if (is_quiet) {
        shrink_buffers(c);
        timeout_ns = has_sync_due(c) ? HEARTBEAT_NS / 10 : HEARTBEAT_NS;
    } else if (c->is_blocked) {
        timeout_ns = 10 * NAP_NS;
    }
    mpl_wake_sleep(c->control, c->news_seen, c->flush_seen, timeout_ns);
}

static void look_after_lives(struct mpl_collector *c, uint64_t *next_ns, uint64_t now_ns)
{
    bool is_due = now_ns >= *next_ns;
    if (is_due) {
        *next_ns = now_ns + HEARTBEAT_NS;
        mpl_members_check_lives(c);
    }
    if (c->has_deaths || is_due)
        finish_streams(c);
    c->has_deaths = false;
}

static void run(struct mpl_collector *c, const struct mpl_life *life)
{
    uint64_t next_look_ns = 0, idle_since_ns = 0;
    while (is_ours(c)) {
        uint64_t stamp = mpl_clock_stamp_before_loads(c->control->head.clock_kind), now_ns = mpl_clock_monotonic_ns();
        mpl_collector_pass(c, stamp, now_ns);
        look_after_lives(c, &next_look_ns, now_ns);
        if (try_to_leave(c, &idle_since_ns, now_ns))
            return;
        if (life->must_stop && atomic_load(life->must_stop) && !c->is_blocked && c->ending_count == 0)
            break;
        rest(c);
    }
    /* Whoever wants to wake us from now on finds nobody, and starts another. */
    if (is_ours(c))
        atomic_store(&c->control->head.sleeping, 1);
}

static int lead(const struct mpl_life *life, int dir_fd, int control_fd)
{
    struct mpl_collector *c = malloc(sizeof *c);
    if (!c)
        return mpl_fail(ENOMEM, "collector: out of memory");
    int error = mpl_collector_init(c, life->dir, dir_fd, control_fd, life->candidates);
    if (!error) {
        if (atomic_load(&c->control->head.state) != MPL_SESSION_REMOVED) {
            serve(c, life->kind);
            run(c, life);
        }
    }
    mpl_collector_fini(c);
    free(c);
    return error;
}

int mpl_life_run(const struct mpl_life *life)
{
    int dir_fd = mpl_dir_open(life->dir);
    if (dir_fd < 0)
        return dir_fd;
    int control_fd = mpl_control_open(dir_fd);
    int error = control_fd < 0 ? control_fd : 0;
    if (!error && mpl_control_lock(control_fd))
        error = lead(life, dir_fd, control_fd);
    if (control_fd >= 0)
        close(control_fd);
    close(dir_fd);
    return error;
}
