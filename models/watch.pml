/* SPDX-License-Identifier: Unlicense
 *
 * The watch promise: docs/design.md M6.
 *
 * Two producers, each with a ring of its own, and the collectors of a session one after the other; any number of log
 * calls and deaths. A producer's store of write_pos goes into its store buffer and becomes visible at any time later,
 * at the latest when the producer does a sequentially consistent read-modify-write or the collector a membarrier. All
 * other words are changed by such operations, or by the collector, whose stores do no harm by being late. Time is
 * left out: a promise may be seen to have expired at any time, and always when nobody renews it; between two calls a
 * millisecond may have passed or not. So is the heartbeat of a sleeping collector: it does not look at cold rings.
 * Numbers that are only compared became bits. A collector that is told to stop does what one does that dies after it
 * has stored `sleeping`. Left out too: which bit of `attention` is whose, and a membarrier that fails, after which no
 * ring stays cold.
 *
 * Shown: when nothing moves any more, all that was published has been consumed. Where collectors die, one producer
 * calls twice more after the last death, the second time later than a promise, a millisecond and a claim to start a
 * collector last. With -DREPLACED a collector thread that has lost its lock finishes its pass beside its successor;
 * then each producer makes those two calls. One call is not enough (ONE_LAST_CALL): a ring that was made cold by a
 * collector that was killed before it slept is told of first, and only then the collector's life is looked at.
 * -DPRODUCERS=1 or 2; NOBODY_DIES leaves out the deaths.
 *
 * Mutants (-D): NO_MEMBARRIER, LOOK_BEFORE_COLD, SLEEP_WITHOUT_LOOK, WAIT_WITHOUT_VALUE, TELL_ONCE, ONE_LAST_CALL;
 * with REPLACED also EXPIRED_IS_NOT_TOLD.
 */
#ifdef ONE_LAST_CALL
#define LAST_CALLS 1
#else
#define LAST_CALLS 2
#endif

bool is_buffered[2];     /* the ring's write_pos, as its producer sees it, is still in the store buffer */
bool is_unread[2];       /* write_pos, as all others see it, is beyond read_pos */
bool is_cold[2] = true;  /* `watch` is the last cold count, else a promise; a new ring is cold for the 0th time */
bool is_notified[2];     /* `notified` of the producer is that cold count + 1 */
bool is_current[2];      /* what the producer read in `watch` is that cold count */
bool attention[2];
bool is_hot[2];          /* private to the collector; a last call knows by it whether the promise is renewed */
bool is_stale[2];        /* for the same purpose: the promise is not of the collector that has the lock */
bool sleeping;
bool is_word_changed;    /* wake_word is not what the collector read: a counter that does not come round in time */
bool is_asleep;          /* in the kernel's queue at wake_word */
bool is_locked;          /* the collector's lock */
bool is_starting;        /* a helper is on its way; models/elect.pml shows that one comes up */
bool may_die;            /* collectors; no more of that some day */
bool is_over = true;     /* the replaced collector has noticed */
byte calls_left[2];      /* of the producer, after all that */

#define FLUSH(p) is_unread[p] = is_unread[p] || is_buffered[p]; is_buffered[p] = false

active proctype Memory()
{
end:
    do
    :: atomic { is_buffered[0] -> FLUSH(0) }
    :: atomic { is_buffered[1] -> FLUSH(1) }
    od
}

/* ---- producer ---- */

#ifdef TELL_ONCE
#define IS_SUPPRESSED ((!was_cold && is_early) || is_told)
#else
#define IS_SUPPRESSED ((!was_cold || is_told) && is_early)
#endif
#ifdef EXPIRED_IS_NOT_TOLD
#define TELLS was_cold
#else
#define TELLS true
#endif

proctype Producer(byte p)
{
    bool is_ending, is_last, was_cold, is_told, is_early, is_awake;

call:
    if
    :: !is_ending
    :: atomic {
           calls_left[p] > 0 && !may_die && is_over ->
           is_ending = true;
           calls_left[p]--;
           is_last = calls_left[p] == 0
       }
    :: calls_left[p] == 0 -> goto end_over
    fi;
    is_buffered[p] = true;                                        /* mpl_producer_commit: the store */
    atomic {
        if                                                        /* ... and the load of `watch` */
        :: !is_cold[p] && !(is_last && (!is_hot[p] || is_stale[p])) -> goto done
        :: true -> is_current[p] = true                           /* stamp >= watch */
        fi;
        was_cold = is_cold[p];
        is_told = is_cold[p] && is_notified[p];
        if
        :: !is_last -> is_early = true                            /* stamp < check_stamp */
        :: true
        fi;
        if
        :: IS_SUPPRESSED -> goto done
        :: else
        fi
    }; /* mpl_producer_notify */
    is_awake = true;
    if
    :: atomic { TELLS -> FLUSH(p); attention[p] = true };         /* mpl_wake_for_ring: atomic_fetch_or */
       if /* mpl_wake_collector */
       :: !sleeping
       :: sleeping ->
          atomic { FLUSH(p); is_word_changed = true };            /* atomic_fetch_add */
          atomic { is_awake = is_asleep; is_asleep = false }      /* mpl_os_futex_wake */
       fi
    :: !TELLS
    fi;
    atomic { /* need_collector_fn */
        is_starting = is_starting || (!is_locked && (!was_cold || is_told || !is_awake));
        is_notified[p] = was_cold && is_current[p]
    };
done:
    atomic { was_cold = false; is_told = false; is_early = false; is_awake = false; is_current[p] = false; goto call };
end_over:
    skip
}

/* ---- collector ---- */

#define MAY_DIE :: atomic { may_die -> RESET; goto end_none }
#define RESET \
    is_locked = false; is_asleep = false; is_hot[0] = false; is_hot[1] = false; \
    is_idle[0] = false; is_idle[1] = false; is_told[0] = false; is_told[1] = false

/* One step of a pass on both rings. Nothing depends on the order within it: the rings have nothing in common. */
#define ON_BOTH(step) \
    if \
    :: atomic { step(0); step(1) } \
    MAY_DIE \
    fi

#define PROMISE(p) is_cold[p] = false; is_stale[p] = false

#define HEAT(p) \
    if \
    :: is_told[p] -> is_hot[p] = true; is_told[p] = false; PROMISE(p) \
    :: else \
    fi

/* gather; and what was seen is decided at once: models/elect.pml. For a ring without records cold_after_ticks are over
 * or not. */
#define LOOK_AT(p) \
    if \
    :: is_hot[p] -> \
       PROMISE(p); \
       if \
       :: !is_unread[p] -> is_idle[p] = true \
       :: true \
       fi; \
       is_unread[p] = false \
    :: else \
    fi

#ifdef LOOK_BEFORE_COLD
#define NOTE_NEWS(p) has_news[p] = is_unread[p]
#define HAS_NEWS(p) has_news[p]
#else
#define NOTE_NEWS(p) skip
#define HAS_NEWS(p) is_unread[p]
#endif
#ifdef NO_MEMBARRIER
#define MEMBARRIER skip
#else
#define MEMBARRIER FLUSH(0); FLUSH(1)
#endif

#define MAKE_COLD(p) \
    if \
    :: is_idle[p] -> is_cold[p] = true; is_notified[p] = false; is_current[p] = false \
    :: else \
    fi

#define LOOK_AGAIN(p) \
    if \
    :: is_idle[p] && HAS_NEWS(p) -> PROMISE(p) \
    :: is_idle[p] && !HAS_NEWS(p) -> is_hot[p] = false \
    :: else \
    fi; \
    is_idle[p] = false

#ifdef SLEEP_WITHOUT_LOOK
#define HAS_ATTENTION false
#else
#define HAS_ATTENTION (attention[0] || attention[1])
#endif
#ifdef WAIT_WITHOUT_VALUE
#define IS_VALUE_CHANGED false
#else
#define IS_VALUE_CHANGED is_word_changed
#endif

active proctype Collector()
{
    bool is_told[2], is_idle[2];
#ifdef LOOK_BEFORE_COLD
    bool has_news[2];
#endif

end_none: /* mpl_control_lock; mpl_members_scan in mpl_collector_init heats all rings */
    if
    :: atomic {
           is_starting ->
           is_starting = false;
           is_locked = true;
           is_word_changed = false;
           is_told[0] = true;
           is_told[1] = PRODUCERS == 2
       }
    :: atomic { is_starting && may_die -> is_starting = false; goto end_none }
    fi;

pass: /* mpl_collector_pass */
    ON_BOTH(HEAT);
    ON_BOTH(LOOK_AT);
    if
    :: is_idle[0] || is_idle[1] -> /* cool */
       atomic { NOTE_NEWS(0); NOTE_NEWS(1) };
       ON_BOTH(MAKE_COLD);
       atomic { MEMBARRIER };
       ON_BOTH(LOOK_AGAIN)
    :: else
    fi;

    if /* rest: mpl_wake_sleep */
    :: sleeping = true
    MAY_DIE
    fi;
    if /* the news and flushes that it looks at as well are told in the same way */
    :: HAS_ATTENTION -> goto awake
    :: !HAS_ATTENTION
    MAY_DIE
    fi;
    if /* mpl_os_futex_wait */
    :: IS_VALUE_CHANGED -> goto awake
    :: atomic { !IS_VALUE_CHANGED -> is_asleep = true }
    MAY_DIE
    fi;
end_asleep:
    if
    :: !is_asleep
    :: atomic { is_hot[0] || is_hot[1] -> is_asleep = false } /* a nap is over */
    MAY_DIE
    fi;
awake:
    if
    :: sleeping = false
    MAY_DIE
    fi;
    is_word_changed = false; /* run: wake_word is read before the pass */
    if /* take_attention: one exchange */
    :: atomic {
           is_told[0] = attention[0];
           is_told[1] = attention[1];
           attention[0] = false;
           attention[1] = false;
           goto pass
       }
    MAY_DIE
    fi
}

/* What is left of the pass of a collector that was replaced: it takes attention; it promises, or makes cold, with a
 * count that the producer may have been told of. */
proctype Replaced()
{
    byte p;
    if
    :: atomic { attention[0] = false; attention[1] = false }
    :: true
    fi;
    do
    :: atomic { p < 2 -> is_cold[p] = false; is_stale[p] = true; p++ }
    :: atomic { p < 2 -> is_cold[p] = true; is_notified[p] = false; is_current[p] = false; p++ }
    :: atomic { p < 2 -> is_cold[p] = true; p++ }
    :: atomic { p < 2 -> p++ }
    :: p == 2 -> break
    od;
    is_over = true
}

active proctype Monitor()
{
    timeout -> assert(!is_buffered[0] && !is_buffered[1] && !is_unread[0] && !is_unread[1])
}

init
{
    atomic {
        is_starting = true; /* by the set-up */
        if
#ifndef NOBODY_DIES
        :: may_die = true; calls_left[0] = LAST_CALLS /* which of them makes no difference */
#endif
        :: true
        fi;
#ifdef REPLACED
        is_over = false;
        calls_left[0] = LAST_CALLS;
        calls_left[1] = LAST_CALLS;
        run Replaced();
#endif
        run Producer(0);
#if PRODUCERS == 2
        run Producer(1)
#endif
    };
end:
    atomic { may_die -> may_die = false }
}
