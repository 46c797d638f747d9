/* SPDX-License-Identifier: Unlicense
 *
 * Nothing is lost silently: every count of lost records that grows becomes a line in the log, in the name of the thread
 * or process that lost them. What has been told is part of what a batch decides, so that a successor neither repeats
 * nor forgets it.
 */
#include <inttypes.h>

#include "base/error.h"
#include "collector/collector.h"

_Static_assert(MPL_LOSS_FULL + MPL_LOST_CORRUPT == MPL_LOSS_CORRUPT_BYTES &&
                   MPL_LOSS_NESTED + MPL_LOST_NO_RING == MPL_LOSS_NO_RING &&
                   MPL_LOSS_DAMAGED == MPL_RING_LOSSES + MPL_SEGMENT_LOSSES,
               "the account has all causes");

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
        if (!mpl_emit_notice(c, UINT32_MAX, more, r->member, r, "%" PRIu64 " %s lost: %s", more,
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
        if (!mpl_emit_notice(c, UINT32_MAX, more, m, named_ring(m), "%" PRIu64 " %s lost: %s", more,
                             more == 1 ? "record was" : "records were", causes[cause]))
            return;
        m->lost_reported[cause] = lost;
        c->touched_members += !m->is_touched;
        m->is_touched = true;
        c->account.lost[MPL_LOSS_NESTED + cause] += more;
    }
}

/* The reader of a stream has gone away: said once, where somebody may still read it. */
static void report_end(struct mpl_collector *c, struct mpl_sink *s)
{
    int error;
    char reason[128];
    if (!s->is_stream || !(c->sinks_up >> s->index & 1) || !mpl_stream_has_ended(s, &error))
        return;
    c->sinks_up &= ~(UINT32_C(1) << s->index);
    if (error)
        mpl_emit_notice(c, c->sinks_up, 0, NULL, NULL, "%s: nothing is written there any more: %s", s->name,
                        mpl_errno_text(error, reason, sizeof reason));
}

void mpl_loss_report_sink(struct mpl_collector *c, struct mpl_sink *s)
{
    report_end(c, s);
    uint64_t more = s->account->untold;
    if (more == 0 || !(c->sinks_up >> s->index & 1))
        return;
    /* Where it is not taken, they are counted as untold once more. */
    if (mpl_emit_notice(c, UINT32_C(1) << s->index, more, NULL, NULL, "%" PRIu64 " %s lost here: %s", more,
                        more == 1 ? "record was" : "records were",
                        s->is_stream ? "the reader was too slow" : "the file could not be written"))
        s->account->untold -= more;
}
