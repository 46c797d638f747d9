/* SPDX-License-Identifier: Unlicense
 *
 * Publishing and draining: docs/design.md M1, M4 and S5.
 *
 * Two threads of one process log into rings of CELLS cells that they claim, close, leave for a larger one when they are
 * full, or use again when the collector has freed them; collectors follow each other. All steps that another can see
 * are statements of their own; the process may be killed before each of a thread's, a collector before each of its
 * own. A record is two stores, so that half of one would show. Left out: the size of rings, which only decides
 * when to grow; waiting by time; and how a decision is made, which is one step here (models/elect.pml).
 *
 * Shown: no half-written record is merged; the records of a thread are merged once each and in order, through all
 * rings; a ring has one owner; the space of a record is not used again before it is decided; and when nothing moves
 * any more, what was published is merged, whoever died, and a dead process's segment is gone.
 *
 * Mutants (-D): PUBLISH_FIRST, POSITION_BEFORE_STATE, STAMPS_AFTER_LOOK, RELEASE_BEFORE_DECISION, FREE_UNDRAINED,
 * LOOK_BEFORE_DEATH, SPACE_UNSEEN.
 */
#define RINGS 2
#ifndef CELLS
#define CELLS 2
#endif
#define THREADS 2
#ifndef RECORDS_1
#define RECORDS_0 3       /* of each thread; more than the cells of a ring, so that one of them grows */
#define RECORDS_1 1
#endif
#define RECORDS(thread) ((thread) == 0 -> RECORDS_0 : RECORDS_1)
#define NONE 3            /* as a ring */

/* enum mpl_ring_state */
#define FREE 0
#define OPEN 1
#define CLOSED 2

/* What was stored: thread, number and stamp; `half` is all that a reader of an unfinished record would get right. */
byte cell_whose[RINGS * CELLS], cell_number[RINGS * CELLS], cell_stamp[RINGS * CELLS], cell_half[RINGS * CELLS];
byte state[RINGS], write_pos[RINGS], read_pos[RINGS];
byte decided[RINGS];      /* struct mpl_ring_progress in force */
byte owner[RINGS] = NONE; /* for the assertion */
byte published[THREADS], merged[THREADS]; /* records of each thread, for the assertions */
byte clock = 1;           /* counts stamps; a collector reads it and does not move it */
bool is_dead;             /* the process */
bool may_die;             /* collectors and the process; no more of that some day */
bool is_removed;          /* the segment */

#define AT(r, position) ((r) * CELLS + (position) % CELLS)

/* ---- threads ---- */

/* One step, before which the process may have been killed. */
#define STEP(what) \
    if \
    :: atomic { !is_dead -> what } \
    :: atomic { is_dead -> goto end_killed } \
    fi

#ifdef SPACE_UNSEEN
#define HAS_ROOM(r) true
#else
#define HAS_ROOM(r) (write_pos[r] - read_pos[r] < CELLS)
#endif

#ifdef PUBLISH_FIRST
#define IS_OUT 1
#else
#define IS_OUT 0
#endif
#define SPACE AT(mine, write_pos[mine] - IS_OUT)
#define CLAIM(r) mine = r; state[r] = OPEN; assert(owner[r] == NONE); owner[r] = me
#define CLOSE state[mine] = CLOSED; owner[mine] = NONE; mine = NONE
#define PUBLISH STEP(write_pos[mine] = write_pos[mine] + 1; published[me] = published[me] + 1)

proctype Thread(byte me)
{
    byte mine = NONE, next = 1, stamp;

end_waiting: /* for room, or for a ring that is free */
    do
    :: atomic { is_dead -> goto end_killed }
    :: atomic { next > RECORDS(me) -> break }
    :: atomic { next <= RECORDS(me) && mine == NONE && state[0] == FREE && !is_dead -> CLAIM(0) }
    :: atomic { next <= RECORDS(me) && mine == NONE && state[0] != FREE && state[1] == FREE && !is_dead -> CLAIM(1) }
    :: atomic { next <= RECORDS(me) && mine != NONE && !HAS_ROOM(mine) && !is_dead -> CLOSE } /* grow: claim another */
    :: atomic { next <= RECORDS(me) && mine != NONE && HAS_ROOM(mine) && !is_dead -> stamp = clock; clock++ };
#ifdef PUBLISH_FIRST
       PUBLISH;
#endif
       STEP(
           assert(write_pos[mine] < decided[mine] + CELLS + IS_OUT);
           cell_whose[SPACE] = me;
           cell_number[SPACE] = next;
           cell_stamp[SPACE] = stamp
       );
       STEP(cell_half[SPACE] = next);
#ifndef PUBLISH_FIRST
       PUBLISH;
#endif
       next++;
       stamp = 0
    od;
    if /* end_thread */
    :: mine != NONE -> STEP(CLOSE)
    :: mine == NONE
    fi;
end_killed:
    mine = NONE;
    next = 0;
    stamp = 0
}

/* ---- collectors ---- */

#define MAY_DIE :: atomic { may_die -> goto end_none }
#define DO(what) \
    if \
    :: atomic { true -> what } \
    MAY_DIE \
    fi

/* A free ring is cold: nobody looks at it but who has just taken over. */
#define IS_SEEN(r) (is_new || state[r] != FREE)
#define STATE(r) DO(is_closing[r] = is_closing[r] || state[r] == CLOSED)
#define POSITION(r) DO(head[r] = (IS_SEEN(r) -> write_pos[r] : head[r]))
#ifdef POSITION_BEFORE_STATE
#define LOOK(r) POSITION(r); STATE(r)
#else
#define LOOK(r) STATE(r); POSITION(r)
#endif

#define HAS_NEXT(r) (pos[r] < head[r] && (cell_stamp[AT(r, pos[r])] < t0))
#define IS_FIRST(r, other) (HAS_NEXT(r) && \
                            (!HAS_NEXT(other) || cell_stamp[AT(r, pos[r])] <= cell_stamp[AT(other, pos[other])]))

/* Of the records that lie there now. Reading one is not torn by the producer: its space is not free. */
inline merge(r)
{
    k = AT(r, pos[r]);
    assert(cell_half[k] == cell_number[k]);
    assert(cell_number[k] == taken[cell_whose[k]] + 1);
    taken[cell_whose[k]] = cell_number[k];
    pos[r] = pos[r] + 1;
    k = 0
}

inline decide()
{
    decided[0] = pos[0];
    decided[1] = pos[1];
    merged[0] = taken[0];
    merged[1] = taken[1]
}

#define RELEASE(r) DO(read_pos[r] = pos[r])

#ifdef FREE_UNDRAINED
#define IS_DRAINED(r) true
#else
#define IS_DRAINED(r) (pos[r] == head[r])
#endif
#define FREE_CLOSED(r) \
    if \
    :: atomic { is_closing[r] && IS_DRAINED(r) && !has_died -> state[r] = FREE; is_closing[r] = false } \
    :: atomic { !(is_closing[r] && IS_DRAINED(r) && !has_died) } \
    MAY_DIE \
    fi

#define SEE_DEATH DO(has_died = is_dead)

active proctype Collector()
{
    byte pos[RINGS], head[RINGS], taken[THREADS], t0, k;
    bool is_closing[RINGS], has_died, is_new;

end_none: /* a successor: with what is in force, and nothing else */
    atomic {
        pos[0] = decided[0]; pos[1] = decided[1];
        head[0] = 0; head[1] = 0;
        taken[0] = merged[0]; taken[1] = merged[1];
        is_closing[0] = false; is_closing[1] = false; has_died = false; is_new = true; t0 = 0; k = 0
    };
    DO(read_pos[0] = pos[0]);
    DO(read_pos[1] = pos[1]);
    do
    :: is_removed -> break
    :: !is_removed ->
end_idle: /* a pass that would find nothing new is not made */
       if
       :: atomic { is_new || is_dead || (IS_SEEN(0) && (pos[0] != write_pos[0] || state[0] == CLOSED)) ||
                   (IS_SEEN(1) && (pos[1] != write_pos[1] || state[1] == CLOSED)) }
       MAY_DIE
       fi;
#ifndef STAMPS_AFTER_LOOK
       DO(t0 = clock);
#endif
#ifndef LOOK_BEFORE_DEATH
       SEE_DEATH;
#endif
       LOOK(0);
       LOOK(1);
       is_new = false;
#ifdef STAMPS_AFTER_LOOK
       DO(t0 = clock);
#endif
#ifdef LOOK_BEFORE_DEATH
       SEE_DEATH;
#endif
       do
       :: atomic { IS_FIRST(0, 1) -> merge(0) }
       :: atomic { !IS_FIRST(0, 1) && IS_FIRST(1, 0) -> merge(1) }
       :: atomic { !HAS_NEXT(0) && !HAS_NEXT(1) -> break }
       MAY_DIE
       od;
#ifdef RELEASE_BEFORE_DECISION
       RELEASE(0);
       RELEASE(1);
       DO(decide());
#else
       DO(decide());
       RELEASE(0);
       RELEASE(1);
#endif
       FREE_CLOSED(0);
       FREE_CLOSED(1);
       if /* mpl_members_remove_drained */
       :: atomic { has_died && pos[0] == head[0] && pos[1] == head[1] -> is_removed = true }
       :: atomic { !(has_died && pos[0] == head[0] && pos[1] == head[1]) }
       MAY_DIE
       fi
    od
}

active proctype Killer()
{
end:
    atomic { may_die -> is_dead = true }
}

active proctype Monitor()
{
    timeout ->
    assert(merged[0] == published[0] && merged[1] == published[1]);
    assert(is_dead == is_removed);
    assert(is_dead || (published[0] == RECORDS_0 && published[1] == RECORDS_1))
}

init
{
    atomic {
        may_die = true;
        run Thread(0);
        run Thread(1)
    };
    may_die = false
}
