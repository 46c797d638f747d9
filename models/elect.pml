/* SPDX-License-Identifier: Unlicense
 *
 * Who is the collector, and that every record is decided once whoever dies: docs/design.md S5 and M8.
 *
 * Two members need a collector as long as records are not in the file; what they start are helpers, which may be
 * killed before each step, any number of times. Two rings hold the records; a pass sees any part of what it has not
 * read. The decision takes the steps of decide() in collector/commit.c one by one, taking over those of collector.c,
 * view.c and batch.c. Left out: files that fail.
 *
 * Shown: at one time one collector has the lock; a batch is decided once and with the next number; no record is
 * decided twice or passed over, and lines come into the file in that order, once; producers get back no space of
 * records that are not decided; when nothing moves any more, all is in the file.
 *
 * With -DLOSING a collector may lose its lock without noticing, as a thread does whose host closes descriptors;
 * another then takes over beside it. Shown: no batch number is decided twice, and somebody serves. More cannot be had
 * (EXACT_WHEN_LOSING): who has lost the lock lays down its positions and lines beside, or over, those of its
 * successor before it finds out. For two collectors at work at the same time the records are fewer (RECORDS_0,
 * RECORDS_1).
 *
 * Mutants (-D): POSITION_AFTER_DECISION, KEEP_TAGS, ZERO_TAG_COUNTS, LATE_RING, CLAIM_FOR_EVER; with LOSING also
 * STORE_SEQ and EXACT_WHEN_LOSING. TAG_FIRST is none: which of position and tag is laid down first makes no
 * difference, since the decision follows both.
 */
#ifndef RECORDS_0
#define RECORDS_0 2       /* in ring 0; a position counts records */
#define RECORDS_1 1
#endif
#define RECORDS(r) ((r) == 0 -> RECORDS_0 : RECORDS_1)
#define NOBODY 2          /* as holder of the lock */

byte batch_seq;
byte tag[4], position[4]; /* struct mpl_ring_progress: ring r has 2 r and 2 r + 1 */
byte read_pos[2];
byte batch_tag, batch_from[2], batch_to[2]; /* struct mpl_batch; its lines by the positions that they come from */
bool is_announced, is_done;                 /* its intent and its `done` */
byte lines[2];            /* the file: lines of each ring */
byte decided[2], decided_seq; /* what is fact, for the assertions */

byte lock = NOBODY;
bool is_replaced[2];      /* `takeovers` has changed since this one took over */
bool is_closed[2];        /* its control_fd is no more */
bool is_claimed;          /* spawn_claim_ns, less than 100 ms ago */
byte helpers;             /* on their way to the lock */
bool is_busy[2];          /* which helper comes first makes no difference */
bool is_running;          /* head.state is RUNNING */
#ifdef NOBODY_DIES
bool may_die;
#else
bool may_die = true;      /* no more of that some day */
#endif
bool has_lost;            /* somebody has lost the lock */

#define IS_EXACT (!has_lost)
#ifdef EXACT_WHEN_LOSING
#undef IS_EXACT
#define IS_EXACT true
#endif
#define IS_WRITTEN (lines[0] == RECORDS(0) && lines[1] == RECORDS(1))

/* ---- members ---- */

proctype Member(byte me)
{
    if
    :: me == 0 -> /* the creator: MPL_START_AND_WAIT asks for no claim; wait_until_ready, and start_thread in vain */
       helpers++;
       do
       :: is_running -> break
       :: atomic { !is_running && helpers == 0 && lock == NOBODY -> helpers++ }
       od
    :: else
    fi;
end:
    do /* mpl_session_start_collector: has_collector, claim_start; then start, unless killed in between */
    :: atomic { !IS_WRITTEN && lock == NOBODY && !is_claimed && helpers < 2 -> is_claimed = true };
       if
       :: helpers++
       :: atomic { may_die && me != 0 -> goto end_killed }
       fi
    od;
end_killed:
    skip
}

active proctype Clock()
{
end:
    do
#ifdef CLAIM_FOR_EVER
    :: false
#else
    :: atomic { is_claimed -> is_claimed = false }
#endif
    od
}

/* ---- collectors ---- */

#define MAY_DIE :: atomic { may_die -> LEAVE; goto end_none }
#define LEAVE \
    lock = (lock == c -> NOBODY : lock); is_busy[c] = false; is_late = false; seq = 0; k = 0; \
    pos[0] = 0; pos[1] = 0; to[0] = 0; to[1] = 0

/* One step, before which the collector may be killed. */
#define STEP(what) \
    if \
    :: atomic { true -> what } \
    MAY_DIE \
    fi

#ifdef KEEP_TAGS
#define CLEAR_TAG(i) skip
#else
#define CLEAR_TAG(i) tag[i] = (tag[i] > seq -> 0 : tag[i])
#endif
#ifdef ZERO_TAG_COUNTS
#define IN_FORCE(i) (tag[i] <= seq)
#else
#define IN_FORCE(i) (tag[i] > 0 && tag[i] <= seq)
#endif

/* take_ring_progress in collector/view.c */
inline take_progress(r)
{
    pos[r] = read_pos[r];
    if
    :: IN_FORCE(2 * r) && (!IN_FORCE(2 * r + 1) || tag[2 * r] >= tag[2 * r + 1]) -> k = 2 * r
    :: else -> k = 2 * r + 1
    fi;
    if
    :: IN_FORCE(k) && position[k] > pos[r] -> pos[r] = position[k]
    :: else
    fi;
    k = 0;
    read_pos[r] = pos[r];
    to[r] = pos[r];
    assert(!IS_EXACT || pos[r] == decided[r])
}

#define OPEN_RING(r) \
    STEP(CLEAR_TAG(2 * r)); \
    STEP(CLEAR_TAG(2 * r + 1)); \
    STEP(take_progress(r))

/* What a pass sees of a ring. */
inline look(r)
{
    do
    :: to[r] < RECORDS(r) -> to[r]++
    :: break
    od
}

/* prepare_ring: the copy that is not in force */
#define OTHER(r) (tag[2 * r] > tag[2 * r + 1] -> 2 * r + 1 : 2 * r)
#ifdef TAG_FIRST
#define PREPARE_RING(r) \
    STEP(k = OTHER(r); tag[k] = seq + 1); \
    STEP(position[k] = to[r]; k = 0)
#else
#define PREPARE_RING(r) \
    STEP(k = OTHER(r); position[k] = (IS_LATE -> position[k] : to[r])); \
    STEP(tag[k] = seq + 1; k = 0)
#endif
#ifdef POSITION_AFTER_DECISION
#define IS_LATE true
#else
#define IS_LATE false
#endif
#ifdef STORE_SEQ
#define IS_EXPECTED true
#else
#define IS_EXPECTED (batch_seq == seq)
#endif

#define IS_IN_BATCH(r) (batch_to[r] > batch_from[r])
#define IS_THERE(r) (!IS_IN_BATCH(r) || lines[r] == batch_to[r])
inline write(r)
{
    assert(!IS_EXACT || !IS_IN_BATCH(r) || lines[r] == batch_from[r]);
    lines[r] = (IS_IN_BATCH(r) -> batch_to[r] : lines[r])
}

#define WRITE /* mpl_commit_write */ \
    if \
    :: !is_done -> \
       STEP(is_announced = true); \
       STEP( \
           write(0); \
           write(1) \
       ); \
       STEP(is_done = true) \
    :: is_done \
    MAY_DIE \
    fi

inline decide(r)
{
    assert(!IS_EXACT || to[r] == pos[r] || pos[r] == decided[r]);
    decided[r] = (to[r] > pos[r] -> to[r] : decided[r])
}

inline release(r)
{
    read_pos[r] = (to[r] > pos[r] -> to[r] : read_pos[r]);
    pos[r] = to[r];
    assert(!IS_EXACT || read_pos[r] <= decided[r])
}

proctype Collector(byte c)
{
    byte seq, pos[2], to[2], k;
    bool is_late; /* ring 1 could not be opened at the take-over: no descriptor or no memory was left */

end_none:
    if
    :: atomic { helpers > 0 && (c == 0 || is_busy[0]) -> helpers--; is_busy[c] = true }
    :: atomic { helpers > 0 && may_die -> helpers--; goto end_none }
    fi;
    if /* mpl_control_lock */
    :: atomic { lock == NOBODY -> lock = c; is_closed[c] = false }
    :: atomic { lock != NOBODY -> LEAVE; goto end_none }
    MAY_DIE
    fi;
    STEP(is_replaced[0] = true; is_replaced[1] = true; is_replaced[c] = false); /* mpl_collector_init: takeovers */
    STEP(seq = batch_seq);
    OPEN_RING(0); /* mpl_members_scan */
#ifdef LATE_RING
    if
    :: true -> OPEN_RING(1)
    :: is_late = true
    fi;
#elif RECORDS_1
    OPEN_RING(1);
#endif
    /* mpl_batch_open */
    STEP(is_done = is_done || batch_tag == 0 || batch_tag > seq; batch_tag = (batch_tag > seq -> 0 : batch_tag));
    STEP(is_done = is_done || (is_announced && IS_THERE(0) && IS_THERE(1))); /* mpl_batch_resume */
    STEP(is_running = true); /* serve */

pass:
    if /* is_ours */
    :: atomic { is_replaced[c] || is_closed[c] -> LEAVE; goto end_none }
    :: !is_replaced[c] && !is_closed[c]
    MAY_DIE
    fi;
    WRITE;
#ifdef LATE_RING
    if
    :: is_late -> OPEN_RING(1); is_late = false /* mpl_members_scan, at the next news */
    :: true
    fi;
#endif
    STEP(look(0); if :: !is_late -> look(1) :: is_late fi);
    if
    :: to[0] == pos[0] && to[1] == pos[1] && (to[0] < RECORDS(0) || to[1] < RECORDS(1) || is_late) -> goto pass
    :: to[0] == pos[0] && to[1] == pos[1] && to[0] == RECORDS(0) && to[1] == RECORDS(1) && !is_late -> goto end_rest
    :: to[0] > pos[0] || to[1] > pos[1]
    fi;

    if /* decide */
    :: to[0] > pos[0] -> PREPARE_RING(0)
    :: to[0] == pos[0]
    fi;
    if
    :: to[1] > pos[1] -> PREPARE_RING(1)
    :: to[1] == pos[1]
    fi;
    STEP(batch_tag = 0); /* mpl_batch_prepare */
    STEP(
        batch_from[0] = pos[0];
        batch_from[1] = pos[1];
        batch_to[0] = to[0];
        batch_to[1] = to[1];
        is_announced = false;
        is_done = false
    );
    STEP(batch_tag = seq + 1);
    if
    :: atomic {
           IS_EXPECTED ->
           batch_seq = seq + 1;
           assert(batch_seq == decided_seq + 1);
           decided_seq = batch_seq;
           decide(0);
           decide(1);
           seq = batch_seq
       }
    :: atomic { !IS_EXPECTED -> LEAVE; goto end_none } /* is_replaced */
    MAY_DIE
    fi;
#ifdef POSITION_AFTER_DECISION
    STEP(position[0] = (tag[0] == seq -> to[0] : position[0]); position[1] = (tag[1] == seq -> to[0] : position[1]));
    STEP(position[2] = (tag[2] == seq -> to[1] : position[2]); position[3] = (tag[3] == seq -> to[1] : position[3]));
#endif
    STEP(release(0)); /* release_rings */
    STEP(release(1));
    WRITE;
    goto pass;

end_rest:
    if
    :: atomic { is_replaced[c] || is_closed[c] -> LEAVE; goto end_none }
    MAY_DIE
    fi
}

#ifdef LOSING
/* The host of a collector thread closes descriptors: that of the lock, or another one of the same file. */
active proctype Host()
{
end:
    atomic {
        lock != NOBODY ->
        has_lost = true;
        if
        :: is_closed[lock] = true
        :: true
        fi;
        lock = NOBODY
    }
}
#endif

active proctype Monitor()
{
    timeout -> assert(IS_WRITTEN || (has_lost && lock != NOBODY))
}

init
{
    atomic {
        is_done = true;
        run Member(0);
        run Member(1);
        run Collector(0);
        run Collector(1)
    };
    may_die = false
}
