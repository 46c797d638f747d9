/* SPDX-License-Identifier: Unlicense
 *
 * The two batches of a file, one of which is filled while a thread writes the other: docs/design.md M8, "A thread
 * writes"; collector/batch.c, collector/writer.c.
 *
 * The main thread fills lines of a byte into one batch, decides them, and hands what is decided over: either it turns
 * to the other batch, if that one is empty, or it waits. The thread writes; any write may fail before any of its bytes.
 * Both are killed together, before any step, DEATHS times. The next collector goes by what is in shared memory: of each
 * batch the copy of progress in force, `done`, and the intent. One batch and its copies by themselves, with a buffer
 * that grows: models/waiting.pml. Left out: as there.
 *
 * Shown: the file gets every line once and in order; nothing that waits is overwritten; nothing that was decided is
 * forgotten.
 *
 * Mutants (-D): NEWER_FIRST, REWIND_WHILE_OUT, OLD_DONE_IS_DAMAGE, TURN_KEEPS_BEGIN.
 */
#ifndef LINES
#define LINES 4
#endif
#ifndef ROOM
#define ROOM 2            /* of each buffer */
#endif
#ifndef DEATHS
#define DEATHS 2
#endif

#define NONE 2
#define IDLE 0
#define BUSY 1

/* shared memory */
byte batch_seq;
byte tag[4], begin[4], end[4];   /* struct mpl_batch_progress: two of each batch */
byte done[2], until[2];
byte buffer[4];                  /* ROOM of each batch */
/* what is fact */
byte decided;                    /* lines: the rings have given up their space */
byte written;                    /* lines in the file */

byte deaths, life;

/* of the process that lives: struct mpl_batch_view, struct mpl_sink */
byte seq, at[2], filled[2], waiting[2], is_done[2];
byte filling, out, state;        /* out: the batch that the thread has */

#define WAITS(b) (is_done[b] < waiting[b])
#define IN_FORCE(b, c) (tag[2 * (b) + (c)] > 0 && tag[2 * (b) + (c)] <= seq && \
                        (tag[2 * (b) + 1 - (c)] > seq || tag[2 * (b) + 1 - (c)] < tag[2 * (b) + (c)]))
#define END(b) (at[b] + filled[b])

/* ---- the thread ---- */

#define W(what) if :: atomic { mine == life -> what } :: mine != life -> goto end_idle fi

active proctype writer()
{
    byte mine;
end_idle:
    atomic { state == BUSY -> mine = life }
    W(until[out] = 0);
    W(until[out] = at[out] + waiting[out]);
    do
    :: atomic { mine == life && WAITS(out) ->
           assert(buffer[out * ROOM + is_done[out]] == written); /* the next line, and no other */
           written++;
           is_done[out] = is_done[out] + 1
       }
    :: break /* it fails, or all is written */
    :: mine != life -> goto end_idle
    od;
    W(done[out] = at[out] + is_done[out]);
    W(state = IDLE);
    goto end_idle
}

/* ---- the main thread ---- */

#define MAY_DIE :: deaths < DEATHS -> atomic { deaths++; life++; state = IDLE }; goto born
#define STEP(what) if :: atomic { what } MAY_DIE fi

inline take_decided(b)
{
    d_step {
        at[b] = done[b];
        filled[b] = 0;
        is_done[b] = 0;
        if
        :: IN_FORCE(b, 0) -> copy = 2 * b
        :: IN_FORCE(b, 1) -> copy = 2 * b + 1
        :: else -> copy = 255
        fi;
        if
        :: copy == 255
#ifdef OLD_DONE_IS_DAMAGE
        :: copy < 255 && done[b] < begin[copy]
        :: copy < 255 && done[b] >= begin[copy] ->
#else
        :: copy < 255 ->
#endif
           at[b] = begin[copy];
           filled[b] = end[copy] - begin[copy];
           is_done[b] = (done[b] > begin[copy] -> done[b] - begin[copy] : 0)
        fi;
        waiting[b] = filled[b];
        copy = 0
    }
    STEP(tag[2 * b] = (tag[2 * b] > seq -> 0 : tag[2 * b]));
    STEP(tag[2 * b + 1] = (tag[2 * b + 1] > seq -> 0 : tag[2 * b + 1]))
}

inline resume(b)
{
    STEP(
        if
        :: WAITS(b) && until[b] > at[b] + is_done[b] && until[b] <= END(b) && written > at[b] + is_done[b] ->
           is_done[b] = (written < END(b) -> written - at[b] : waiting[b])
        :: else
        fi;
    );
    STEP(done[b] = (WAITS(b) && at[b] + is_done[b] > done[b] -> at[b] + is_done[b] : done[b]))
}

inline rewind(b)
{
    d_step {
        if
        :: !WAITS(b) && filled[b] == waiting[b] ->
           at[b] = END(b); filled[b] = 0; waiting[b] = 0; is_done[b] = 0
        :: else
        fi
    }
}

active proctype collector()
{
    byte copy, next;
born: skip;
    d_step { seq = batch_seq; out = NONE; next = 0; copy = 0 }
    take_decided(0);
    take_decided(1);
    resume(0);
    resume(1);
    rewind(0);
    rewind(1);
    d_step { /* choose_filling */
        filling = (WAITS(0) != WAITS(1) -> (WAITS(1) -> 1 : 0) : (END(1) > END(0) -> 1 : 0));
        if
        :: filled[filling] == 0 -> at[filling] = (END(0) > END(1) -> END(0) : END(1))
        :: else
        fi
    }
pass:
    if
    :: out != NONE && state == IDLE -> rewind(out); d_step { out = NONE }
    :: out == NONE || state == BUSY
    MAY_DIE
    fi;
#ifdef REWIND_WHILE_OUT
    if
    :: out != NONE -> d_step { at[out] = END(out); filled[out] = 0; waiting[out] = 0; is_done[out] = 0 }
    :: else
    fi;
#endif
    if
    :: written == LINES && out == NONE && !WAITS(0) && !WAITS(1) -> goto end_rest
    :: else
    fi;
    assert(out != NONE || WAITS(0) || WAITS(1) || written == decided); /* nothing is forgotten */
    do /* fill: until there is no room, or no more */
    :: d_step { filled[filling] < ROOM && decided + filled[filling] - waiting[filling] < LINES ->
           buffer[filling * ROOM + filled[filling]] = decided + filled[filling] - waiting[filling];
           filled[filling] = filled[filling] + 1 }
    :: break
    MAY_DIE
    od;
    if
    :: filled[filling] > waiting[filling] ->
       d_step { copy = 2 * filling + (tag[2 * filling] > tag[2 * filling + 1] -> 1 : 0) }
       STEP(begin[copy] = at[filling]);
       STEP(end[copy] = END(filling));
       STEP(tag[copy] = seq + 1);
       STEP(batch_seq = seq + 1; seq = seq + 1; decided = decided + filled[filling] - waiting[filling]);
       d_step { waiting[filling] = filled[filling] }
    :: else
    fi;
    if
    :: out == NONE && (WAITS(0) || WAITS(1)) ->
#ifdef NEWER_FIRST
       d_step { next = (WAITS(filling) -> filling : 1 - filling) }
#else
       d_step { next = (WAITS(1 - filling) -> 1 - filling : filling) }
#endif
       if
       :: next == filling -> /* mpl_batch_turn, or the main thread does it itself */
          if
          :: filled[1 - filling] == 0 ->
#ifndef TURN_KEEPS_BEGIN
             STEP(at[1 - filling] = END(filling); filling = 1 - filling; out = next; state = BUSY)
#else
             STEP(filling = 1 - filling; out = next; state = BUSY)
#endif
          :: STEP(out = next; state = BUSY);
             if
             :: state == IDLE
             MAY_DIE
             fi
          fi
       :: else -> STEP(out = next; state = BUSY)
       fi
    :: else
    fi;
    goto pass;
end_rest:
    assert(written == LINES && decided == LINES)
}
