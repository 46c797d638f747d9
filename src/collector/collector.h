/* SPDX-License-Identifier: Unlicense
 *
 * The collector of one session: rings in, files and streams out. mpl_collector_pass is one bounded step without a clock
 * or thread of its own, so that tests can drive it; life.c gives it both.
 *
 *     pass.c     look at news, attention and hot rings; merge; emit; cool
 *     merge.c    the heap of rings by stamp
 *     run.c      many records of one ring that are as usual, to one file
 *     emit.c     record -> attributes -> line -> sinks
 *     commit.c   decide a batch, release the rings, write
 *     account.c  how many records came to what
 *     loss.c     what was lost becomes a line
 *     members.c  who belongs, who is dead
 *     life.c     lead, nap, sleep, leave
 */
#ifndef MPL_COLLECTOR_COLLECTOR_H
#define MPL_COLLECTOR_COLLECTOR_H

#include "base/clock.h"
#include "collector/defs.h"
#include "collector/merge.h"
#include "collector/sink.h"
#include "collector/view.h"
#include "collector/watch.h"
#include "shm/wake.h"
#include "shm/abi.h"
#include "shm/dir.h"

struct mpl_collector {
    char dir[MPL_DIR_MAX];
    int dir_fd, control_fd;
    uint64_t control_dev, control_ino;
    struct mpl_control *control;
    const struct mpl_candidates *candidates;
    bool is_other_boot;  /* the session was made before the machine was started last */
    bool follows_helper; /* the last collector was one */
    uint32_t takeover;   /* our number; another in the control file: we have been replaced */
    bool is_replaced;
    uint64_t batch_seq; /* decided so far */
    uint64_t horizon_ticks, cold_after_ticks;
    /* the session's, as they were at the beginning */
    uint64_t block_timeout_ns, ring_initial_bytes, waiting_bytes_max;

    struct mpl_watch *watch; /* NULL: deaths are not watched for (tests) */
    struct mpl_member_view *member[MPL_SLOTS_MAX];
    uint64_t joining_since_ns[MPL_SLOTS_MAX]; /* when ... */
    uint64_t joining_word[MPL_SLOTS_MAX];     /* ... this one was seen first */
    uint32_t check_next;                      /* member whose life is looked at next */
    uint32_t alive_count, ending_count;       /* members; ending: dead or leaving, and not removed yet */
    bool has_deaths;                          /* since life.c looked last */
    bool has_member_losses;                   /* that the scan has found, and no line tells of yet */
    bool has_missed; /* descriptors or memory were missing for something of a member: the next pass tries again */
    uint64_t pid_ns;
    uint32_t member_bound; /* slots below it may have a member */
    uint32_t news_seen;
    struct mpl_defs defs;

    /* rings by attention index, and the hot ones */
    struct mpl_ring_view **indexed;
    uint32_t indexed_count, indexed_capacity;
    uint32_t index_free; /* no index below it is free */
    struct mpl_ring_view **hot;
    uint32_t hot_count, hot_capacity;

    /* one pass */
    uint64_t now_stamp;    /* T0 */
    uint64_t newest_stamp; /* of a record we have merged; 0: none */
    int64_t pulse_ns;      /* time of day when our predecessor last lived */
    struct mpl_clock_wall wall;
    struct mpl_heap heap;
    uint64_t pass_records, pass_bytes;
    bool is_blocked;              /* a sink must catch up before anything more is merged */
    bool has_notices, has_posted; /* that somebody does not have yet; that nobody was offered yet */

    /* the batch that is being filled */
    struct mpl_ring_view **touched;
    uint32_t touched_count, touched_capacity;
    uint32_t touched_members; /* members with is_touched */
    uint64_t batch_lines;
    struct mpl_account account; /* as of that batch */

    /* one record */
    char *copy;
    size_t copy_cap;

    struct mpl_sink *sink[MPL_SINKS_MAX];
    uint32_t sink_count;
    uint32_t sinks_up;     /* mask: opened, and not at their end */
    uint64_t source_count; /* numbers given out: struct mpl_ring_view */
    uint32_t sinks_shared; /* mask: those that do not stand alone */

    /* how far everything is written; the stamp a flusher compares with */
    uint64_t written_until, streamed_until, flush_seen;
    /* the next ones of the first two, when each file, or stream, has finished its mark */
    uint64_t mark_stamp, stream_mark_stamp;

    bool writes_apart; /* files may have threads */
};

/* Takes the session at `dir` over: maps it, finishes what a predecessor had decided, opens the sinks. The caller holds
 * the lock on control_fd, and `c` is all zeros: pages that nobody needs are not touched. 0; -ESHUTDOWN: the session is
 * over; or -errno with a sentence. mpl_collector_fini also after a failure. */
int mpl_collector_init(struct mpl_collector *c, const char *dir, int dir_fd, int control_fd,
                       const struct mpl_candidates *candidates);
/* Opens sinks that were added since the last time. False: descriptors or memory are missing for one; to be tried again
 * before any record is merged, which might be for that one. */
bool mpl_collector_open_sinks(struct mpl_collector *c);

void mpl_collector_fini(struct mpl_collector *c);

/* Ends the threads that write files. False: one is stuck, and may still write; it ends with the process. */
bool mpl_collector_end_writers(struct mpl_collector *c);

/* T0 of a pass that begins now. What it has to come up to, c->flush_seen, is read before. */
uint64_t mpl_collector_now(struct mpl_collector *c);

/* Fills in c->wall: which stamp means which time of day. */
void mpl_collector_read_clocks(struct mpl_collector *c);

/* One pass over what is there now. `stamp` is T0, taken before this call by mpl_collector_now; `now_ns` is
 * CLOCK_MONOTONIC. c->pass_records and pass_bytes tell what was done. */
void mpl_collector_pass(struct mpl_collector *c, uint64_t stamp, uint64_t now_ns);

/* ---- pass.c ---- */

/* The ring is looked at in every pass from now on. */
void mpl_pass_heat(struct mpl_collector *c, struct mpl_ring_view *r);
void mpl_pass_forget_ring(struct mpl_collector *c, struct mpl_ring_view *r);

/* Of the first ring in the heap records were taken: brings it to where its next one belongs, or takes it out. */
void mpl_pass_put_back_first(struct mpl_collector *c);

/* ---- run.c ---- */

/* The file that records for all sinks go to, if it is the only sink for them, works, and is in UTF-8; else NULL. */
struct mpl_sink *mpl_run_sink(const struct mpl_collector *c);

/* Puts the next records of all rings into the batch of `s`, which is that file, in order: as many, from none on, as are
 * as nearly all are. As mpl_emit_record for each would do. */
void mpl_run(struct mpl_collector *c, struct mpl_sink *s);

/* ---- emit.c ---- */

/* Puts the record at r->pos into the sinks' buffers. False: a sink has no room (c->is_blocked), the record stays. */
bool mpl_emit_record(struct mpl_collector *c, struct mpl_ring_view *r);

/* A line of our own, at level WARNING under the logger "mplog", in the name of process and thread of `r` or of the
 * process of `m` (NULL: the collector), for the sinks in `sinks`. It stands for `weight` records, of which a sink that
 * does not take it has yet to tell. False: blocked; as if nothing had been tried. */
bool mpl_emit_notice(struct mpl_collector *c, uint32_t sinks, uint64_t weight, const struct mpl_member_view *m,
                     const struct mpl_ring_view *r, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* The same in the collector's name, for the sink `s` alone. False: it has no room now, and nobody is blocked. */
bool mpl_emit_about(struct mpl_collector *c, struct mpl_sink *s, struct mpl_str text);

/* ---- notice.c ---- */

/* A line about `s`, for those in `sinks`; in the place of one of the same kind that has not been told yet. */
void mpl_notice_post(struct mpl_collector *c, struct mpl_sink *s, enum mpl_notice_kind kind, uint32_t sinks,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Tells all that has been posted to those who have room. */
void mpl_notice_tell(struct mpl_collector *c);

/* ---- commit.c ---- */

/* The ring's position belongs to the batch that is being filled. */
void mpl_commit_touch(struct mpl_collector *c, struct mpl_ring_view *r);

/* Decides what was filled, gives the rings their space back and starts the writing. False: we have been replaced. */
bool mpl_commit(struct mpl_collector *c);

/* Writes pending batches, and retries failed ones. */
void mpl_commit_write(struct mpl_collector *c, uint64_t now_ns);

/* Says of each sink whether it is waited for: not while another one goes on, and no longer than block_timeout_ms. */
void mpl_commit_judge(struct mpl_collector *c, uint64_t now_ns);

/* The stamp until which everything is in the files, c->now_stamp if nothing waits; those that have failed for
 * block_timeout_ms are not asked. For the end of a pass that was not blocked. */
uint64_t mpl_commit_written_until(struct mpl_collector *c);

/* Files that are not waited for any more, or could not be opened. */
uint32_t mpl_commit_given_up(const struct mpl_collector *c);

/* When a file that fails is to be tried again, or counts as one that does if nothing comes back; UINT64_MAX: never. */
uint64_t mpl_commit_retry_ns(const struct mpl_collector *c);

/* ---- account.c ---- */

/* What was decided last. */
void mpl_account_take(struct mpl_collector *c);

/* Lays c->account down under `tag`: it becomes fact when batch_seq is stored. */
void mpl_account_prepare(struct mpl_collector *c, uint64_t tag);

/* ---- loss.c ---- */

/* That sink will not have the line, which stands for `weight` records. */
void mpl_loss_count(struct mpl_collector *c, struct mpl_sink *s, const struct mpl_line *line, uint64_t weight);

/* Where losses are told that are no sink's own: everywhere, since nobody knows where those records would have gone. */
uint32_t mpl_loss_sinks(const struct mpl_collector *c);

/* Lines for losses that no line tells of yet. */
void mpl_loss_report_ring(struct mpl_collector *c, struct mpl_ring_view *r);
void mpl_loss_report_member(struct mpl_collector *c, struct mpl_member_view *m);
/* No line is missing. */
bool mpl_loss_is_told(const struct mpl_ring_view *r);
bool mpl_loss_is_member_told(const struct mpl_member_view *m);

void mpl_loss_report_sink(struct mpl_collector *c, struct mpl_sink *s); /* and a stream whose reader has gone */

/* ---- members.c ---- */

/* Takes in new members and rings, and the dead and leaving. Reads head.news first. */
void mpl_members_scan(struct mpl_collector *c);

/* Removes members that are dead or leaving and drained. */
void mpl_members_remove_drained(struct mpl_collector *c);

/* A few at a time: has a process been replaced by exec, is the one without pidfd alive, and whose stderr is still ours?
 */
void mpl_members_check_lives(struct mpl_collector *c);

/* Is descriptor 2 of any living member the file (dev, ino)? */
bool mpl_members_have_stderr(struct mpl_collector *c, uint64_t dev, uint64_t ino);

/* Has a descriptor that is the file (dev, ino); opens a duplicate of it. -1: none. */
int mpl_members_find_fd(struct mpl_collector *c, uint64_t dev, uint64_t ino);

#endif
