/* SPDX-License-Identifier: Unlicense */
#include "collector/collector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/os.h"
#include "shm/alive.h"
#include "shm/control.h"
#include "shm/map.h"

/* The watch promise: long enough that a line which every log call reads is rarely written, short enough that a dead
 * collector is soon noticed. */
#define HORIZON_NS 25000000.0

/* A ring without records for this long is no longer looked at. */
#define COLD_AFTER_NS 20000000.0

/* Rings that there is room for from the beginning. */
#define RINGS_LEAST 64u

/* As the option: a file that fails does not hold the others up without bound. */
#define BLOCK_TIMEOUT_MAX_NS UINT64_C(3600000000000)

/* What may come from damaged memory; the time: until the year 2160. */
static bool is_rate(double ns_per_tick) { return ns_per_tick > 1e-6 && ns_per_tick < 1e6; }
static bool is_time(int64_t wall_ns) { return wall_ns > 0 && wall_ns < INT64_C(6000000000000000000); }

/* Two sinks whose lines look alike are rendered once. */
static bool looks_like(const struct mpl_sink *a, const struct mpl_sink *b)
{
    const char *fa = a->format_string ? a->format_string : MPL_DEFAULT_FORMAT;
    const char *fb = b->format_string ? b->format_string : MPL_DEFAULT_FORMAT;
    const char *da = a->date_format ? a->date_format : "", *db = b->date_format ? b->date_format : "";
    return strcmp(fa, fb) == 0 && strcmp(da, db) == 0 && a->escape == b->escape;
}

static void start_stream(struct mpl_collector *c, struct mpl_sink *s)
{
    if (s->fd < 0 && s->stream && s->ino != 0)
        s->fd = mpl_members_find_fd(c, s->dev, s->ino);
    int fd = s->fd;
    if (fd < 0 || (s->stream && mpl_stream_start(s, fd, &c->control->head.wake_word) == 0))
        return;
    close(fd);
    s->fd = -1;
}

/* What the session's files say is wrong, and will not change. */
static bool is_final(int error) { return error == -EPROTO || error == -EINVAL || error == -EPERM; }

/* False: something is missing, as descriptors or memory; until it is there the records wait in their rings. */
static bool open_sink(struct mpl_collector *c, uint32_t i)
{
    struct mpl_sink *s = calloc(1, sizeof *s);
    if (!s)
        return false;
    c->sink[i] = s;
    c->sink_count = i + 1;
    int error = mpl_sink_open(s, c->dir_fd, i, &c->account.sink[i], c->batch_seq, c->candidates);
    if (error < 0 && !is_final(error) && !mpl_batch_is_open(s) && !s->stream)
        return false;
    c->sinks_shared |= s->is_alone ? 0 : UINT32_C(1) << i;
    s->waiting_bytes_max = c->waiting_bytes_max;
    if (error < 0) {
        mpl_complain("%s", mpl_error_text());
        if (!mpl_batch_is_open(s))
            return true;
        s->is_failing = true; /* a file: tried again with the next writes */
        s->failure = -error;
        s->failing_since_ns = mpl_clock_monotonic_ns();
    }
    for (uint32_t k = 0; k < i; k++) {
        if (c->sink[k]->like == k && looks_like(s, c->sink[k])) {
            s->like = k;
            break;
        }
    }
    c->sinks_up |= UINT32_C(1) << i;
    return true;
}

static void begin_stream(struct mpl_collector *c, struct mpl_sink *s)
{
    start_stream(c, s);
    if (!s->writer)
        c->sinks_up &= ~(UINT32_C(1) << s->index);
}

/* Takes back that sinks from `first` on were opened; nothing has begun there. */
static void forget_sinks(struct mpl_collector *c, uint32_t first)
{
    while (c->sink_count > first) {
        struct mpl_sink *s = c->sink[--c->sink_count];
        c->sinks_up &= ~(UINT32_C(1) << c->sink_count);
        c->sinks_shared &= ~(UINT32_C(1) << c->sink_count);
        if (s->fd >= 0)
            close(s->fd);
        mpl_sink_close(s);
    }
}

bool mpl_collector_open_sinks(struct mpl_collector *c)
{
    /* Acquire: partner is find_or_create in session/sinks.c. */
    uint32_t first = c->sink_count, count = atomic_load_explicit(&c->control->head.sink_count, memory_order_acquire);
    for (uint32_t i = first; i < count && i < MPL_SINKS_MAX; i++) {
        if (!open_sink(c, i)) {
            forget_sinks(c, first);
            return false;
        }
    }
    for (uint32_t i = first; i < c->sink_count; i++) {
        if (c->sink[i]->is_stream)
            begin_stream(c, c->sink[i]);
    }
    return true;
}

/* Beyond every stamp: counters of nanoseconds or of CPU cycles get there in decades. */
#define STAMP_OF_LATER_BOOT (UINT64_C(1) << 62)

uint64_t mpl_collector_now(struct mpl_collector *c)
{
    /* First: who wants something later finds that it was not served, and ends the rest after the pass. */
    c->flush_seen = atomic_load(&c->control->head.flush_wanted);
    return c->is_other_boot ? STAMP_OF_LATER_BOOT : mpl_clock_stamp_before_loads(c->control->head.clock_kind);
}

void mpl_collector_read_clocks(struct mpl_collector *c)
{
    const struct mpl_control_head *h = &c->control->head;
    const struct mpl_pulse *p = &h->pulse;
    if (c->is_other_boot) /* its last collector has left word; if there was none, all its records are from the set-up */
        c->wall = (struct mpl_clock_wall){p->stamp, p->wall_ns, p->ns_per_tick};
    else
        mpl_clock_wall_read(&c->wall, h->clock_kind, h->stamp_base, h->monotonic_base_ns);
    if (!is_rate(c->wall.ns_per_tick))
        c->wall.ns_per_tick = 1.0; /* damaged, or too early to tell */
    if (!is_time(c->wall.wall_ns))
        c->wall.wall_ns = 0;
}

/* For most sessions that is all: no record is lost, and none written twice, because memory is missing later. */
static bool allocate_buffers(struct mpl_collector *c)
{
    c->copy = malloc(MPL_LINE_BYTES_LEAST);
    c->heap.entry = malloc(RINGS_LEAST * sizeof *c->heap.entry);
    c->hot = malloc(RINGS_LEAST * sizeof(struct mpl_ring_view *));
    c->touched = malloc(RINGS_LEAST * sizeof(struct mpl_ring_view *));
    c->copy_cap = c->copy ? MPL_LINE_BYTES_LEAST : 0;
    c->heap.capacity = c->heap.entry ? RINGS_LEAST : 0;
    c->hot_capacity = c->hot ? RINGS_LEAST : 0;
    c->touched_capacity = c->touched ? RINGS_LEAST : 0;
    return c->copy && c->heap.entry && c->hot && c->touched;
}

int mpl_collector_init(struct mpl_collector *c, const char *dir, int dir_fd, int control_fd,
                       const struct mpl_candidates *candidates)
{
    strncpy(c->dir, dir, sizeof c->dir - 1);
    c->dir_fd = dir_fd;
    c->control_fd = control_fd;
    c->candidates = candidates;
    c->pid_ns = mpl_os_pid_namespace();
    if (!allocate_buffers(c))
        return mpl_fail(ENOMEM, "collector: out of memory");
    int error = mpl_control_identify(control_fd, &c->control_dev, &c->control_ino);
    if (error)
        return error;
    c->control = mpl_control_map(control_fd, NULL);
    if (!c->control)
        return -ENOMEM;
    struct mpl_control_head *h = &c->control->head;
    if (mpl_state_of(atomic_load(&h->state)) == MPL_SESSION_REMOVED)
        return -ESHUTDOWN;
    c->takeover = atomic_fetch_add(&h->takeovers, 1) + 1;
    c->batch_seq = atomic_load_explicit(&h->batch_seq, memory_order_acquire); /* partner: decide in commit.c */
    c->news_seen = atomic_load(&h->news) - 1;
    c->pulse_ns = is_time(h->pulse.wall_ns) ? h->pulse.wall_ns : 0;
    c->is_other_boot = mpl_alive_is_other_boot(h);
    c->now_stamp = mpl_collector_now(c);
    mpl_collector_read_clocks(c);
    c->horizon_ticks = (uint64_t)(HORIZON_NS / c->wall.ns_per_tick);
    c->cold_after_ticks = (uint64_t)(COLD_AFTER_NS / c->wall.ns_per_tick);
    c->block_timeout_ns = h->block_timeout_ns < BLOCK_TIMEOUT_MAX_NS ? h->block_timeout_ns : BLOCK_TIMEOUT_MAX_NS;
    c->ring_initial_bytes = h->ring_initial_bytes;
    c->waiting_bytes_max = h->ring_max_bytes < MPL_BATCH_DATA_BYTES          ? MPL_BATCH_DATA_BYTES
                           : h->ring_max_bytes < MPL_BATCH_WAITING_BYTES_MAX ? h->ring_max_bytes
                                                                             : MPL_BATCH_WAITING_BYTES_MAX;
    mpl_account_take(c);
    c->watch = mpl_watch_start(&h->wake_word);
    mpl_members_scan(c); /* also finds stderr among the members */
    /* Tags of a batch that was never decided may stand in what is not open now, and would count later, when the number
     * has been used. models/elect.pml. */
    if (c->has_missed || !mpl_collector_open_sinks(c))
        return mpl_fail(ENOMEM, "collector: descriptors or memory are missing for what the session holds");
    return 0;
}

bool mpl_collector_end_writers(struct mpl_collector *c)
{
    bool have_ended = true;
    for (uint32_t i = 0; i < c->sink_count; i++)
        have_ended = mpl_writer_stop(c->sink[i]) && have_ended; /* streams have none of these */
    return have_ended;
}

void mpl_collector_fini(struct mpl_collector *c)
{
    bool is_in_use = false;
    mpl_watch_stop(c->watch);
    for (uint32_t i = 0; i < MPL_SLOTS_MAX; i++) {
        if (c->member[i])
            mpl_view_close(c->member[i]);
    }
    for (uint32_t i = 0; i < c->sink_count; i++) {
        is_in_use = !mpl_sink_close(c->sink[i]) || is_in_use;
    }
    mpl_defs_fini(&c->defs);
    free(c->indexed);
    free(c->hot);
    free(c->touched);
    free(c->heap.entry);
    free(c->copy);
    if (c->control && !is_in_use) /* else it stays: threads of ours wake us there */
        mpl_unmap(c->control, sizeof *c->control);
}
