/* SPDX-License-Identifier: Unlicense
 *
 * Nothing is lost silently: every count of lost records that grows becomes a line in the log, in the name of the thread
 * or process that lost them. What has been told is part of what a batch decides, so that a successor neither repeats
 * nor forgets it.
 */
#include <inttypes.h>
#include <time.h>

#include "base/error.h"
#include "collector/collector.h"

_Static_assert(MPL_LOSS_FULL + MPL_LOST_CORRUPT == MPL_LOSS_CORRUPT_BYTES &&
                   MPL_LOSS_NESTED + MPL_LOST_NO_RING == MPL_LOSS_NO_RING &&
                   MPL_LOSS_DAMAGED == MPL_RING_LOSSES + MPL_SEGMENT_LOSSES,
               "the account has all causes");

uint32_t mpl_loss_sinks(const struct mpl_collector *c) { return c->sinks_up | c->sinks_shared; }

void mpl_loss_report_ring(struct mpl_collector *c, struct mpl_ring_view *r)
{
    static const char *const causes[MPL_RING_LOSSES] = {
        [MPL_LOST_FULL] = "the ring was full for too long",
        [MPL_LOST_DROPPED] = "the ring was full",
        [MPL_LOST_OVERSIZE] = "too large for any ring",
        [MPL_LOST_CORRUPT] = "the ring was damaged",
    };
    for (int cause = 0; cause < MPL_RING_LOSSES; cause++) {
        /* Acquire: partner is count_loss in producer/space.c. */
        uint64_t lost = atomic_load_explicit(&r->ring->lost[cause], memory_order_acquire);
        uint64_t more = lost - r->lost_reported[cause];
        if (more == 0)
            continue;
        if (!mpl_emit_notice(c, mpl_loss_sinks(c), more, r->member, r, "%" PRIu64 " %s lost: %s", more,
                             cause == MPL_LOST_CORRUPT ? "bytes were"
                             : more == 1               ? "record was"
                                                       : "records were",
                             causes[cause]))
            return; /* no room now */
        r->lost_reported[cause] = lost;
        c->account.lost[MPL_LOSS_FULL + cause] += more;
        mpl_commit_touch(c, r);
    }
}

bool mpl_loss_is_told(const struct mpl_ring_view *r)
{
    for (int cause = 0; cause < MPL_RING_LOSSES; cause++) {
        if (atomic_load_explicit(&r->ring->lost[cause], memory_order_acquire) != r->lost_reported[cause])
            return false;
    }
    return true;
}

bool mpl_loss_is_member_told(const struct mpl_member_view *m)
{
    for (int cause = 0; m->head && cause < MPL_SEGMENT_LOSSES; cause++) {
        if (atomic_load_explicit(&m->head->lost[cause], memory_order_acquire) != m->lost_reported[cause])
            return false;
    }
    return true;
}

/* Whose names the member's own losses are told under: its first thread that has written any. The first ring is the one
 * for signal handlers. */
static const struct mpl_ring_view *named_ring(const struct mpl_member_view *m)
{
    for (uint32_t i = 1; i < m->ring_count; i++) {
        if (m->ring[i]->process_len > 0)
            return m->ring[i];
    }
    return m->ring_count ? m->ring[0] : NULL;
}

void mpl_loss_report_member(struct mpl_collector *c, struct mpl_member_view *m)
{
    static const char *const causes[MPL_SEGMENT_LOSSES] = {
        [MPL_LOST_NESTED] = "logged in a signal handler that interrupted a log call",
        [MPL_LOST_NO_RING] = "no shared memory for a ring",
    };
    for (int cause = 0; m->head && cause < MPL_SEGMENT_LOSSES; cause++) {
        uint64_t lost = atomic_load_explicit(&m->head->lost[cause], memory_order_acquire);
        uint64_t more = lost - m->lost_reported[cause];
        if (more == 0)
            continue;
        if (!mpl_emit_notice(c, mpl_loss_sinks(c), more, m, named_ring(m), "%" PRIu64 " %s lost: %s", more,
                             more == 1 ? "record was" : "records were", causes[cause]))
            return;
        m->lost_reported[cause] = lost;
        c->touched_members += !m->is_touched;
        m->is_touched = true;
        c->account.lost[MPL_LOSS_NESTED + cause] += more;
    }
}

/* ---- in a sink ---- */

void mpl_loss_count(struct mpl_collector *c, struct mpl_sink *s, const struct mpl_line *line, uint64_t weight)
{
    struct mpl_losers *l = &s->account->losers;
    uint64_t untold = s->account->untold;
    uint32_t i = 0;
    s->account->lost += !line->is_own;
    s->account->untold += weight;
    if (weight == 0)
        return;
    if (untold == 0)
        *l = (struct mpl_losers){.first_ns = mpl_clock_wall_of(&c->wall, line->stamp)};
    l->last_ns = mpl_clock_wall_of(&c->wall, line->stamp);
    l->error = s->is_failing || s->is_stream ? s->failure : l->error;
    while (i < MPL_LOSERS_MAX && l->process[i] != line->process && l->process[i] != 0)
        i++;
    if (i == MPL_LOSERS_MAX)
        return;
    l->process[i] = line->process;
    l->count[i] += weight;
}

static void append_time(struct mpl_text *t, int64_t wall_ns)
{
    char text[32];
    struct tm tm;
    time_t seconds = (time_t)(wall_ns / INT64_C(1000000000));
    if (localtime_r(&seconds, &tm) && strftime(text, sizeof text, "%H:%M:%S", &tm) > 0)
        mpl_text_str(t, mpl_str_from(text));
}

/* " (from 10:00:01 to 10:00:09; process 7: 12, process 8: 3, others: 1)" */
static void append_losers(struct mpl_text *t, const struct mpl_losers *l, uint64_t all)
{
    uint64_t told = 0;
    if (l->first_ns == 0)
        return;
    mpl_text_str(t, MPL_STR(" (from "));
    append_time(t, l->first_ns);
    mpl_text_str(t, MPL_STR(" to "));
    append_time(t, l->last_ns);
    for (uint32_t i = 0; i < MPL_LOSERS_MAX && l->process[i] != 0; i++) {
        mpl_text_printf(t, "%s process %u: %" PRIu64, i > 0 ? "," : ";", l->process[i], l->count[i]);
        told += l->count[i];
    }
    if (told < all)
        mpl_text_printf(t, "%s others: %" PRIu64, told > 0 ? "," : ";", all - told);
    mpl_text_char(t, ')');
}

static void append_reason(struct mpl_text *t, const struct mpl_sink *s)
{
    char reason[128];
    mpl_text_str(t, s->is_stream ? MPL_STR("the reader was too slow") : MPL_STR("the file could not be written"));
    if (!s->is_stream && s->account->losers.error > 0)
        mpl_text_printf(t, ": %s", mpl_errno_text(s->account->losers.error, reason, sizeof reason));
}

/* What had been handed over and was not written: no record of it is known any more, but how many lines it was. */
static void count_unwritten(struct mpl_collector *c, struct mpl_sink *s, int error)
{
    struct mpl_sink_account *a = s->account;
    uint64_t lines = mpl_stream_take_back(s), records = lines < a->records ? lines : a->records;
    a->records -= records;
    a->lost += records;
    a->untold += records;
    a->losers.error = error;
    s->failure = s->is_stderr ? 0 : error; /* a member tells, whose stderr may be another one */
    c->batch_lines++;                      /* part of the next decision, if nothing else is */
}

/* The reader of a stream has gone away, or the device fails: said once, where somebody may still read it. */
static void report_end(struct mpl_collector *c, struct mpl_sink *s)
{
    int error;
    char reason[128];
    if (!s->is_stream || !(c->sinks_up >> s->index & 1) || !mpl_stream_has_ended(s, &error))
        return;
    c->sinks_up &= ~(UINT32_C(1) << s->index);
    if (error)
        count_unwritten(c, s, error);
    s->is_end_noted = true;
    if (error)
        mpl_notice_post(c, s, MPL_NOTICE_END, c->sinks_up, "nothing is written there any more: %s",
                        mpl_errno_text(error, reason, sizeof reason));
}

void mpl_loss_report_sink(struct mpl_collector *c, struct mpl_sink *s)
{
    char details[400];
    struct mpl_text t = {details, 0, sizeof details};
    report_end(c, s);
    uint64_t more = s->account->untold;
    if (more == 0 || !(c->sinks_up >> s->index & 1) || s->is_failing)
        return;
    struct mpl_losers losers = s->account->losers;
    append_reason(&t, s);
    append_losers(&t, &losers, more);
    if (!mpl_emit_notice(c, UINT32_C(1) << s->index, more, NULL, NULL, "%" PRIu64 " %s lost here: %s", more,
                         more == 1 ? "record was" : "records were", mpl_text_cstr(&t)))
        return;
    /* Where the line is not taken, they were counted as untold once more, as the line's. */
    s->account->untold -= more;
    if (s->account->untold > 0)
        s->account->losers = losers;
}
