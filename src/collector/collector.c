/* SPDX-License-Identifier: Unlicense */
#include "collector/collector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/os.h"
#include "shm/control.h"
#include "shm/map.h"

/* The watch promise: long enough that a line which every log call reads is rarely written, short enough that a dead
 * collector is soon noticed. */
#define HORIZON_NS 25000000.0

/* A ring without records for this long is no longer looked at. */
#define COLD_AFTER_NS 20000000.0

/* As the option: a file that fails does not hold the others up without bound. */
#define BLOCK_TIMEOUT_MAX_NS UINT64_C(3600000000000)

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
    if (fd < 0 || mpl_stream_start(s, fd, &c->control->head.wake_word) == 0)
        return;
    close(fd);
    s->fd = -1;
}

static void open_sinks(struct mpl_collector *c)
{
    uint32_t count = atomic_load_explicit(&c->control->head.sink_count, memory_order_acquire);
    for (uint32_t i = 0; i < count && i < MPL_SINKS_MAX; i++) {
        struct mpl_sink *s = calloc(1, sizeof *s);
        if (!s)
            return;
        c->sink[i] = s;
        c->sink_count = i + 1;
        if (mpl_sink_open(s, c->dir_fd, i, c->batch_seq, c->candidates) < 0) {
            mpl_complain("%s", mpl_error_text());
            s->is_failing = s->batch != NULL; /* a file: tried again with the next writes */
            continue;
        }
        for (uint32_t k = 0; k < i; k++) {
            if (c->sink[k]->like == k && looks_like(s, c->sink[k])) {
                s->like = k;
                break;
            }
        }
        c->sinks_up |= UINT32_C(1) << i;
    }
}

static void start_streams(struct mpl_collector *c)
{
    for (uint32_t i = 0; i < c->sink_count; i++) {
        struct mpl_sink *s = c->sink[i];
        if (!s->is_stream)
            continue;
        start_stream(c, s);
        if (!s->writer)
            c->sinks_up &= ~(UINT32_C(1) << i);
    }
}

int mpl_collector_init(struct mpl_collector *c, const char *dir, int dir_fd, int control_fd,
                       const struct mpl_candidates *candidates)
{
    struct stat st;
    memset(c, 0, sizeof *c);
    strncpy(c->dir, dir, sizeof c->dir - 1);
    c->dir_fd = dir_fd;
    c->control_fd = control_fd;
    c->candidates = candidates;
    c->pid_ns = mpl_os_pid_namespace();
    if (fstat(control_fd, &st) == 0) {
        c->control_dev = st.st_dev;
        c->control_ino = st.st_ino;
    }
    c->control = mpl_control_map(control_fd, NULL);
    if (!c->control)
        return -ENOMEM;
    struct mpl_control_head *h = &c->control->head;
    c->takeover = atomic_fetch_add(&h->takeovers, 1) + 1;
    c->batch_seq = atomic_load_explicit(&h->batch_seq, memory_order_acquire); /* partner: decide in commit.c */
    c->news_seen = atomic_load(&h->news) - 1;
    c->now_stamp = mpl_clock_stamp_before_loads(h->clock_kind);
    c->wall.ns_per_tick = 1.0;
    mpl_clock_wall_read(&c->wall, h->clock_kind, h->stamp_base, h->monotonic_base_ns);
    c->horizon_ticks = (uint64_t)(HORIZON_NS / c->wall.ns_per_tick);
    c->cold_after_ticks = (uint64_t)(COLD_AFTER_NS / c->wall.ns_per_tick);
    c->block_timeout_ns = h->block_timeout_ns < BLOCK_TIMEOUT_MAX_NS ? h->block_timeout_ns : BLOCK_TIMEOUT_MAX_NS;
    c->ring_initial_bytes = h->ring_initial_bytes;
    c->watch = mpl_watch_start(&h->wake_word);
    mpl_members_scan(c); /* also finds stderr among the members */
    open_sinks(c);
    start_streams(c);
    return 0;
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
        free(c->sink[i]);
    }
    mpl_defs_fini(&c->defs);
    free(c->indexed);
    free(c->hot);
    free(c->touched);
    free(c->heap.entry);
    free(c->copy);
    free(c->line);
    if (c->control && !is_in_use) /* else it stays: threads of ours wake us there */
        mpl_unmap(c->control, sizeof *c->control);
}
