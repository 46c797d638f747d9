/* SPDX-License-Identifier: Unlicense
 *
 * Joining against leaving: docs/design.md S2, S3 and "The life of a session".
 *
 * Sessions that bear one directory name one after the other are its incarnations. The first one's creator is dead;
 * two processes that were forked before come to log, stay or leave. Each step that others can see is one statement,
 * and before each a joiner or a collector may be killed. A collector may be told to stop while there are members, as
 * a thread is whose process leaves. Waiting is a blocking guard instead of a loop of looks, so that a livelock can
 * only be one of the algorithm. Every process has the slot of its own number: which free one it takes makes no
 * difference here. Left out: the limits of time and number (5 s in CLOSING, 50 turns), which end in an error that is
 * reported. A collector may lose its lock at any step and not notice, when the host of a thread closes the descriptor.
 *
 * Shown, by assertions: nobody is a member of a session that is REMOVED; a directory is moved away only by its own
 * incarnation, when that is REMOVED; a name is given only when all former bearers are REMOVED; and when nothing moves
 * any more, every surviving joiner is a member of the session at the name, which is RUNNING and has a collector, and
 * if there is none, and nobody was killed or taken for dead, no directory is left behind. By the LTL formula: nothing
 * moves any more at some time, if everybody gets his turn.
 *
 * Mutants (-D): NO_RESCAN, READ_BEFORE_CLAIM, OLD_BOUND, NO_IDENTITY, KEEP_CLOSING, PARENT_MUST_STAY; with LOSSES also
 * BLIND_STATE, BLIND_RETIRE; with ORDERLY also LOOK_BEFORE_UNLOCK, LEAVING_COUNTS; with the LTL formula also
 * NO_CLEARING.
 */
#define JOINERS 2
#define COLLECTORS 2      /* helpers that run at the same time: the old incarnation's may still be deleting */
#define INCARNATIONS 3    /* the first, and one by each joiner: who has published is a member, and comes no more */
#ifdef ORDERLY
#define NO_JOINER_DIES
#define DEATHS 0
#define MISTAKES 0
#endif
#ifndef DEATHS
#define DEATHS 2          /* of collectors; joiners may all die */
#endif
#ifndef MISTAKES
#define MISTAKES 1        /* joiners that are taken for dead while they live */
#endif
#ifndef STOPS
#define STOPS 1           /* collectors that are told to stop */
#endif
#ifndef LOSSES
#define LOSSES 0          /* collectors that lose their lock */
#endif
#define NOBODY 3          /* as an incarnation */

/* enum mpl_session_state */
#define NEW 0
#define RUNNING 1
#define CLOSING 2
#define REMOVED 3

/* enum mpl_slot_state; ABANDONED is a JOINING one, and DEAD an ACTIVE one, whose process has died, as the collector
 * finds out. */
#define FREE 0
#define JOINING 1
#define ABANDONED 2
#define ACTIVE 3
#define DEAD 4
#define LEAVING 5

/* where a joiner is */
#define ON_THE_WAY 0
#define MEMBER 1
#define GONE 2            /* dead, or left, or told that it was given up */
#define REFUSED 3         /* it could not join */

byte state[INCARNATIONS], lock[INCARNATIONS]; /* lock: 0 free, else the holder's number */
byte owner[INCARNATIONS]; /* the collector whose takeover stands in the state's word */
byte slot[INCARNATIONS * 3]; /* of the creator and the joiners 1 and 2 */
byte bound[INCARNATIONS]; /* slots_used */
byte name = 0;            /* which incarnation's directory bears the name, or NOBODY */
byte published = 1;       /* incarnations so far */
bool parent_exists = true;
byte parent_entries = 1;  /* directories in it: the name, those being built, those being deleted */
bool is_starting;         /* a helper is on its way: spawn_claim_ns; claims that are lost: models/elect.pml */
byte deaths, mistakes, stops, losses; /* that may still happen */
bool is_waiting[JOINERS + 1], is_owed[JOINERS + 1];
byte place[JOINERS + 1], at[JOINERS + 1];
bool is_busy[COLLECTORS]; /* which helper comes first makes no difference */

#define SLOT(i, s) slot[(i) * 3 + (s)]
#define IS_MEMBER(i, s) (SLOT(i, s) >= ACTIVE)
#define HAS_MEMBERS(i) (IS_MEMBER(i, 0) || IS_MEMBER(i, 1) || IS_MEMBER(i, 2))
#define IS_ENDING(i, s) (SLOT(i, s) == LEAVING || SLOT(i, s) == DEAD || SLOT(i, s) == ABANDONED)
#define HAS_ENDING(i) (IS_ENDING(i, 0) || IS_ENDING(i, 1) || IS_ENDING(i, 2))

/* mpl_session_start_collector: the lock is free, and nobody else has just claimed to start one. */
#define NEEDS_COLLECTOR(i) (lock[i] == 0 && !is_starting)

#ifdef NO_JOINER_DIES
#define JOINER_MAY_DIE
#else
#define JOINER_MAY_DIE :: atomic { skip -> goto killed }
#endif
#define MAY_DIE :: atomic { deaths > 0 -> deaths--; goto killed }

#ifdef NO_IDENTITY
#define CONTROL_IS(i) true
#else
#define CONTROL_IS(i) (name == i)
#endif

/* One step, before which its doer may be killed. */
#define STEP(what, or_death) \
    if \
    :: atomic { true -> what } \
    or_death \
    fi

/* The end of a directory in the parent: mpl_dir_delete, then rmdir of the parent, which fails unless it is empty. */
#define DELETE(or_death) \
    STEP(parent_entries--; parent_exists = parent_entries > 0, or_death)

/* mpl_dir_retire: control_is; rename to <id>.gone-<random>; mpl_dir_delete and delete_parent_if_empty. The caller holds
 * the lock of incarnation i. */
#define RETIRE(i, or_death, not_there) \
    if \
    :: atomic { CONTROL_IS(i) -> skip } \
    :: atomic { !CONTROL_IS(i) -> goto not_there } \
    fi; \
    if \
    :: atomic { name != NOBODY -> assert(name == i && state[i] == REMOVED); name = NOBODY } \
    :: atomic { name == NOBODY -> goto not_there } \
    or_death \
    fi; \
    DELETE(or_death)

/* Before the slot is claimed, which is one step with it here: to those who look, a slot beyond the bound is a free one.
 * Of no use in a session that is REMOVED. */
#define RAISE_BOUND bound[i] = (bound[i] > me || state[i] == REMOVED -> bound[i] : me + 1)

proctype Joiner(byte me)
{
    byte i, k, seen = CLOSING; /* back to these values when they are not needed any more: fewer states */

turn:
    if /* mpl_session_join: mpl_dir_open, mpl_control_open */
    :: atomic { name == NOBODY -> goto create }
    :: atomic { name != NOBODY -> i = name; at[me] = i }
    fi;
#ifdef READ_BEFORE_CLAIM
    atomic { state[i] != CLOSING -> seen = state[i] };
#endif
    atomic { RAISE_BOUND; SLOT(i, me) = JOINING; is_waiting[me] = true }; /* mpl_slot_claim */
    do /* settled_state */
#ifdef READ_BEFORE_CLAIM
    :: atomic { skip -> is_waiting[me] = false; is_owed[me] = false; break }
#else
    :: atomic { state[i] != CLOSING -> seen = state[i]; is_waiting[me] = false; is_owed[me] = false; break }
#endif
    :: atomic { state[i] == CLOSING && NEEDS_COLLECTOR(i) -> is_starting = true }
    JOINER_MAY_DIE
    od;
    if
    :: atomic { /* fill_and_activate */
           seen != REMOVED && SLOT(i, me) == JOINING ->
           SLOT(i, me) = ACTIVE;
           seen = CLOSING;
           assert(state[i] != REMOVED);
           goto joined
       }
    :: atomic { seen != REMOVED && SLOT(i, me) != JOINING -> goto given_up }
    :: atomic { /* the same, when the directory for its segment has been deleted: ENOENT */
           seen != REMOVED && SLOT(i, me) != JOINING && state[i] == REMOVED ->
           i = 0;
           at[me] = 0;
           seen = CLOSING;
           goto create
       }
    :: atomic { seen == REMOVED -> SLOT(i, me) = FREE; seen = CLOSING }
    JOINER_MAY_DIE
    fi;

    if /* clear_the_name */
#ifdef NO_CLEARING
    :: atomic { lock[i] == 0 -> i = 0; at[me] = 0; goto create }
#else
    :: atomic { lock[i] == 0 -> lock[i] = me }
#endif
    :: atomic { lock[i] != 0 -> i = 0; at[me] = 0; goto create }
    fi;
    RETIRE(i, JOINER_MAY_DIE, unlock);
unlock:
    atomic { assert(lock[i] == me); lock[i] = 0; i = 0; at[me] = 0 };

create: /* create_again, mpl_dir_build */
    parent_exists = true;                                       /* make_parent */
    if
    :: atomic { parent_exists -> parent_entries++ }             /* make_and_open */
#ifdef PARENT_MUST_STAY
    :: atomic { !parent_exists -> place[me] = REFUSED; goto end_over }
#else
    :: atomic { !parent_exists -> goto create }                 /* the end of another session has taken it away */
#endif
    fi;
    if /* mpl_dir_publish */
    :: atomic {
           name == NOBODY ->
           for (k : 0 .. published - 1) {
               assert(state[k] == REMOVED && !HAS_MEMBERS(k))
           }
           k = 0;
           i = published;
           published++;
           bound[i] = me + 1;
           SLOT(i, me) = ACTIVE;                                /* mpl_member_enter, before anybody could see it */
           name = i;
           at[me] = i
       }
    :: atomic { name != NOBODY -> parent_entries--; parent_exists = parent_entries > 0; goto turn } /* EEXIST */
    JOINER_MAY_DIE
    fi;

joined:
    if /* the end of mpl_session_join, and of create_again */
    :: atomic { place[me] = MEMBER; is_starting = is_starting || lock[i] == 0 }
    JOINER_MAY_DIE
    fi;
    if
    :: atomic { SLOT(i, me) = LEAVING; goto leave }             /* leave_slot */
    :: skip                                                     /* it stays */
    JOINER_MAY_DIE
    fi;
end_member:
    do
    :: atomic { NEEDS_COLLECTOR(i) -> is_starting = true }      /* need_collector: log calls, flush, exit */
    od;

leave:
    if /* leave_current: MPL_START_NOW */
    :: atomic { is_starting = is_starting || (lock[i] == 0 && state[i] != REMOVED); goto given_up }
    JOINER_MAY_DIE
    fi;

killed:
    atomic {
        for (k : 0 .. INCARNATIONS - 1) {
            lock[k] = (lock[k] == me -> 0 : lock[k]);
            SLOT(k, me) = (SLOT(k, me) == JOINING -> ABANDONED : (SLOT(k, me) == ACTIVE -> DEAD : SLOT(k, me)))
        }
        is_waiting[me] = false;
        is_owed[me] = false
    };
given_up:
    atomic { place[me] = GONE; i = 0; k = 0; seen = CLOSING; at[me] = 0 };
end_over:
    skip
}

/* mpl_members_scan, mpl_members_remove_drained */
inline free_ending()
{
    for (s : 0 .. 2) {
        SLOT(i, s) = (IS_ENDING(i, s) -> FREE : SLOT(i, s))
    }
    s = 0
}

#define ME (JOINERS + 1 + k)
#define UNLOCK(i) lock[i] = (lock[i] == ME -> 0 : lock[i])

#if LOSSES > 0
#define MAY_LOSE :: atomic { losses > 0 && lock[i] == ME -> losses--; lock[i] = 0 }
#else
#define MAY_LOSE
#endif

/* change_state: from the word that is ours. Whoever finds another has been replaced. */
#ifdef BLIND_STATE
#define IS_STILL(i, s) true
#define IS_REPLACED(i, s) false
#else
#define IS_STILL(i, s) (state[i] == s && owner[i] == ME)
#define IS_REPLACED(i, s) !IS_STILL(i, s)
#endif

/* What happens to the lock before a step of leaving. */
#if LOSSES > 0
#define PERHAPS_LOSE \
    if \
    MAY_LOSE \
    :: true \
    fi
#else
#define PERHAPS_LOSE skip
#endif

#define MISTAKE(s) mistakes--; SLOT(i, s) = FREE

/* are_slots_free asks for slots in use; has_members, when a collector that was told to stop has given up its lock, for
 * those of members that will look for a collector: who is LEAVING may have looked already. */
#define IS_IN_USE(i, s) (SLOT(i, s) != FREE)
#ifdef LEAVING_COUNTS
#define IS_STAYING(i, s) IS_IN_USE(i, s)
#else
#define IS_STAYING(i, s) (SLOT(i, s) != FREE && SLOT(i, s) != LEAVING)
#endif
#ifdef OLD_BOUND
#define KEEP_BOUND end = bound[i]
#define SEE_BOUND skip
#else
#define KEEP_BOUND skip
#define SEE_BOUND end = bound[i]
#endif
#define LOOK_AT_SLOTS(condition, found) \
    SEE_BOUND; /* mpl_slot_bound */ \
    do \
    :: atomic { s < end && !condition(i, s) -> s++ } \
    :: atomic { s < end && condition(i, s) -> s = 0; end = 0; goto found } \
    :: atomic { s >= end -> s = 0; end = 0; break } \
    MAY_DIE \
    od

proctype Collector(byte k)
{
    byte i, s, end; /* end: slots looked at when it leaves */
    bool must_stop;

end_idle:
    if /* mpl_life_run: mpl_dir_open, mpl_control_open */
    :: atomic { is_starting && (k == 0 || is_busy[0]) -> is_starting = false; i = name; is_busy[k] = true }
    fi;
again:
    if /* mpl_control_lock */
    :: atomic { i != NOBODY && lock[i] == 0 -> lock[i] = ME }
    :: atomic { i == NOBODY || lock[i] != 0 -> goto killed } /* nothing there, or another was faster */
    MAY_DIE
    fi;
    if /* mpl_collector_init, serve */
    :: atomic { state[i] == REMOVED -> goto remove } /* ESHUTDOWN */
#ifdef KEEP_CLOSING
    :: atomic { state[i] != REMOVED -> owner[i] = ME; state[i] = (state[i] == CLOSING -> CLOSING : RUNNING) }
#else
    :: atomic { state[i] != REMOVED -> owner[i] = ME; state[i] = RUNNING }
#endif
    MAY_DIE
    fi;

end_serving:
    do /* run */
    :: atomic { HAS_ENDING(i) -> free_ending() }
    :: atomic { mistakes > 0 && SLOT(i, 1) == JOINING -> MISTAKE(1) } /* look_at_joiner: 10 s are over */
    :: atomic { mistakes > 0 && SLOT(i, 2) == JOINING -> MISTAKE(2) }
    :: atomic { stops > 0 && !must_stop -> stops--; must_stop = true } /* mpl_collector_thread_stop */
    :: atomic { !HAS_MEMBERS(i) -> KEEP_BOUND; break } /* try_to_leave; this is old news from here on */
    :: atomic { must_stop && HAS_MEMBERS(i) && !HAS_ENDING(i) -> goto stop } /* and this */
#if LOSSES > 0
    :: atomic { owner[i] != ME || lock[i] != ME -> goto killed } /* is_ours */
#endif
    MAY_LOSE
    MAY_DIE
    od;
    if /* leave */
    :: atomic { IS_STILL(i, RUNNING) -> state[i] = CLOSING }
    :: atomic { IS_REPLACED(i, RUNNING) -> goto killed }
    MAY_DIE
    fi;
    PERHAPS_LOSE;
#ifndef NO_RESCAN
    LOOK_AT_SLOTS(IS_IN_USE, stay);
#endif
    PERHAPS_LOSE;
    if
    :: atomic { IS_STILL(i, CLOSING) -> state[i] = REMOVED; bound[i] = 0; assert(!HAS_MEMBERS(i)) }
    :: atomic { IS_REPLACED(i, CLOSING) -> goto killed }
    MAY_DIE
    fi;
    PERHAPS_LOSE;
#ifndef BLIND_RETIRE
    if /* the lock is asked for once more */
    :: atomic { lock[i] == ME || lock[i] == 0 -> lock[i] = ME }
    :: atomic { lock[i] != ME && lock[i] != 0 -> goto killed }
    MAY_DIE
    fi;
#endif
remove:
    RETIRE(i, MAY_DIE, killed);
    goto killed; /* the end of the process gives the lock back, as a death does */

stay:
    if
    :: atomic { IS_REPLACED(i, CLOSING) -> goto killed }
    :: atomic {
           IS_STILL(i, CLOSING) ->
           state[i] = RUNNING;
           is_owed[1] = is_waiting[1] && at[1] == i;
           is_owed[2] = is_waiting[2] && at[2] == i
       }
    MAY_DIE
    fi;
    if
    :: must_stop -> goto stop
    :: else
    fi;
    if /* rest: NAP_NS is longer than a waiting joiner takes from look to look, and the dead are found some day */
    :: atomic { !is_owed[1] && !is_owed[2] -> free_ending(); goto end_serving }
    MAY_DIE
    fi;

stop: /* is_abandoned */
#ifdef LOOK_BEFORE_UNLOCK
    LOOK_AT_SLOTS(IS_STAYING, unlock);
    STEP(UNLOCK(i), MAY_DIE);
    goto again;
unlock:
    STEP(UNLOCK(i), MAY_DIE);
#else
    STEP(UNLOCK(i), MAY_DIE);
    LOOK_AT_SLOTS(IS_STAYING, killed);
    goto again;
#endif

killed:
    atomic {
        if
        :: i != NOBODY && lock[i] == ME -> lock[i] = 0
        :: else -> skip
        fi;
        i = 0;
        s = 0;
        end = 0;
        must_stop = false;
        is_busy[k] = false;
        goto end_idle
    }
}

#define IS_SETTLED(j) (place[j] == GONE || (place[j] == MEMBER && at[j] == name && state[at[j]] == RUNNING && \
                                            lock[at[j]] > JOINERS))

#ifdef ORDERLY
#define IS_CLEAN (place[1] == MEMBER || place[2] == MEMBER || (name == NOBODY && !parent_exists))
#else
#define IS_CLEAN true
#endif

proctype Monitor()
{
    timeout -> assert(IS_SETTLED(1) && IS_SETTLED(2) && IS_CLEAN)
}

init
{
    atomic {
        SLOT(0, 0) = DEAD;
        bound[0] = 1;
        select(deaths : 0 .. DEATHS);
        if :: mistakes = 0 :: mistakes = MISTAKES fi;
        if :: stops = 0 :: stops = STOPS fi;
        losses = LOSSES;
        if :: is_starting = true :: skip fi; /* the creator was killed before or after it started a collector */
        run Joiner(1);
        run Joiner(2);
        run Collector(0);
        run Collector(1);
        run Monitor()
    }
}

ltl settles { <>[] (IS_SETTLED(1) && IS_SETTLED(2)) }
