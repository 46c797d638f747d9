/* SPDX-License-Identifier: Unlicense
 *
 * Sessions in numbers, for `mplog stat`.
 */
#include "session/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "session/look.h"
#include "session/recover.h"
#include "shm/control.h"
#include "shm/slot.h"

/* One session: what is told, and the memory behind it. */
struct report {
    struct mplog_session_report told;
    struct mplog_loss_report losses[MPL_LOSSES];
    struct mplog_sink_report sinks[MPL_SINKS_MAX];
    struct mpl_look_sink looks[MPL_SINKS_MAX];
    struct mplog_member_report *members;
    char (*names)[MPL_NAME_MAX + 1];
    uint64_t oldest_stamp; /* 0: nothing waits */
};

struct request {
    const char *log_file;
    void (*tell_fn)(void *arg, const struct mplog_session_report *report);
    void *arg;
};

static void note_stamp(struct report *r, uint64_t stamp)
{
    if (stamp != 0 && (r->oldest_stamp == 0 || stamp < r->oldest_stamp))
        r->oldest_stamp = stamp;
}

/* ---- members ---- */

static const char *member_state(const struct mpl_look_member *m)
{
    if (m->state != MPL_SLOT_LEAVING && !m->is_alive)
        return "dead";
    return m->state == MPL_SLOT_ACTIVE ? "active" : m->state == MPL_SLOT_JOINING ? "joining" : "leaving";
}

static void add_member(struct report *r, const struct mpl_look_member *m)
{
    size_t i = r->told.member_count++;
    memcpy(r->names[i], m->name, sizeof m->name);
    r->members[i] = (struct mplog_member_report){m->pid,   r->names[i], member_state(m), m->threads,
                                                 m->rings, m->records,  m->bytes};
    r->told.waiting += m->records;
    r->told.waiting_bytes += m->bytes;
    for (int k = 0; k < MPL_LOSSES; k++)
        r->losses[k].count += m->lost[k];
    note_stamp(r, m->oldest_stamp);
}

static bool read_members(struct report *r, const struct mpl_look *l)
{
    struct mpl_look_member *m = malloc(sizeof *m);
    r->members = calloc(l->slot_bound + 1, sizeof *r->members);
    r->names = calloc(l->slot_bound + 1, sizeof *r->names);
    bool has_memory = m && r->members && r->names;
    for (uint32_t i = 0; has_memory && i < l->slot_bound; i++) {
        if (mpl_look_member(l, i, m))
            add_member(r, m);
    }
    free(m);
    r->told.members = r->members;
    return has_memory;
}

/* ---- losses and sinks ---- */

static void name_losses(struct report *r)
{
    static const char *const causes[MPL_LOSSES] = {
        [MPL_LOSS_FULL] = "full",         [MPL_LOSS_DROPPED] = "dropped",
        [MPL_LOSS_OVERSIZE] = "oversize", [MPL_LOSS_CORRUPT_BYTES] = "corrupt_bytes",
        [MPL_LOSS_NESTED] = "nested",     [MPL_LOSS_NO_RING] = "no_ring",
        [MPL_LOSS_DAMAGED] = "damaged",   [MPL_LOSS_MEMORY] = "memory",
    };
    for (int i = 0; i < MPL_LOSSES; i++)
        r->losses[i].cause = causes[i];
    r->told.losses = r->losses;
    r->told.loss_count = MPL_LOSSES;
}

/* Accepted: what was taken from rings, what waits in them, and what never got into one. */
static void read_account(struct report *r, const struct mpl_look *l)
{
    const struct mpl_account *a = mpl_look_account(l);
    r->told.accepted = a->merged + r->told.waiting;
    for (int i = 0; i < MPL_LOSSES; i++) {
        r->losses[i].count += a->lost[i];
        if (i != MPL_LOSS_CORRUPT_BYTES)
            r->told.accepted += r->losses[i].count;
    }
}

static void read_sinks(struct report *r, const struct mpl_look *l)
{
    uint64_t in_rings = r->told.waiting;
    for (uint32_t i = 0; i < l->sink_count; i++) {
        struct mpl_look_sink *s = &r->looks[i];
        mpl_look_sink(l, i, s);
        r->sinks[i] = (struct mplog_sink_report){
            .kind = s->kind,
            .name = strcmp(s->kind, "stderr") == 0 ? "stderr" : s->path,
            .written = s->account.records - s->waiting_records,
            .waiting = s->waiting_records + in_rings,
            .lost = s->account.lost,
            .skipped = s->account.skipped,
            .bytes = s->account.bytes > s->waiting_bytes ? s->account.bytes - s->waiting_bytes : 0,
            .waiting_bytes = s->waiting_bytes,
        };
        if (s->waiting_records + in_rings > r->told.waiting)
            r->told.waiting = s->waiting_records + in_rings;
        r->told.waiting_bytes += s->waiting_bytes;
        note_stamp(r, s->oldest_stamp);
    }
    r->told.sinks = r->sinks;
    r->told.sink_count = l->sink_count;
}

/* ---- the whole ---- */

static long long lag_of(const struct report *r, const struct mpl_look *l)
{
    const struct mpl_control_head *h = &l->control->head;
    struct mpl_clock_wall now = {.ns_per_tick = 0};
    if (r->oldest_stamp == 0)
        return 0;
    if (l->is_other_boot || (h->clock_kind != MPL_CLOCK_MONOTONIC && h->clock_kind != MPL_CLOCK_COUNTER))
        return -1;
    mpl_clock_wall_read(&now, h->clock_kind, h->stamp_base, h->monotonic_base_ns);
    int64_t age_ns = now.wall_ns - mpl_clock_wall_of(&now, r->oldest_stamp);
    return age_ns > 0 ? age_ns : 0;
}

static const char *state_of(const struct mpl_look *l)
{
    static const char *const states[] = {"new", "running", "closing", "removed"};
    uint32_t state = mpl_state_of(atomic_load(&l->control->head.state));
    if (l->is_stale)
        return "stale";
    return state < sizeof states / sizeof states[0] ? states[state] : "?";
}

static const char *kind_of(uint32_t kind)
{
    return kind == MPL_COLLECTOR_HELPER ? "helper" : kind == MPL_COLLECTOR_THREAD ? "thread" : "none";
}

static void read_session(struct report *r, const struct mpl_look *l)
{
    const struct mpl_control_head *h = &l->control->head;
    r->told.state = state_of(l);
    r->told.collector_pid = atomic_load(&h->collector_pid);
    r->told.collector_kind = kind_of(atomic_load(&h->collector_kind));
    name_losses(r);
    if (!read_members(r, l))
        r->told.problem = "out of memory";
    read_account(r, l);
    read_sinks(r, l);
    r->told.lag_ns = lag_of(r, l);
}

static void report(void *arg, const char *path, enum mpl_dir_kind kind)
{
    struct request *q = arg;
    struct mpl_look l;
    struct report *r = calloc(1, sizeof *r);
    if (!r || kind != MPL_DIR_SESSION) {
        free(r);
        return;
    }
    int error = mpl_look_open(&l, path);
    bool has_gone = error == -ENOENT;
    error = error ? error : mpl_look_read(&l);
    bool is_wanted = !q->log_file || (!error && mpl_look_writes_to(&l, q->log_file));
    if (is_wanted && !has_gone) {
        r->told = (struct mplog_session_report){
            .dir = path,
            .id = strrchr(path, '/') + 1,
            .log_file = l.log_file,
            .state = "?",
            .problem = error ? mpl_error_text() : NULL,
            .has_collector = l.has_collector,
            .collector_kind = "none",
        };
        if (!error)
            read_session(r, &l);
        q->tell_fn(q->arg, &r->told);
    }
    mpl_look_close(&l);
    free(r->members);
    free(r->names);
    free(r);
}

int mpl_report_all(const char *ring_dir, const char *log_file,
                   void (*tell_fn)(void *arg, const struct mplog_session_report *report), void *arg)
{
    struct request q = {log_file, tell_fn, arg};
    struct stat st;
    char parent[MPL_DIR_MAX];
    int error = 0;
    if (ring_dir && stat(ring_dir, &st) < 0)
        return mpl_fail_errno(errno, "%s: cannot be looked into", ring_dir);
    for (unsigned i = 0; mpl_recover_place(i, ring_dir, parent); i++) {
        int result = parent[0] ? mpl_dir_each(parent, report, &q) : 0;
        error = error ? error : result;
    }
    return error;
}
