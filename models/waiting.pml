/* SPDX-License-Identifier: Unlicense
 *
 * What waits for a file that fails: docs/design.md M8, "Sinks never hold each other up"; collector/batch.c.
 *
 * A collector fills lines of a byte into the batch buffer, behind those that wait there, decides them, and writes what
 * is decided; any write may fail before any of its bytes, and the collector may be killed before each step, DEATHS
 * times. The next one goes by what is in shared memory: two copies of what lies in the buffer, of which the one with
 * the highest tag that is decided is in force, `done`, and the intent. Left out: the lock and the rings
 * (models/elect.pml), rotation and other sessions (models/file.pml).
 *
 * Shown: the file gets every line once and in order, also while others are decided behind those that wait; nothing that
 * lies in the buffer and waits is overwritten; when nothing moves any more, all lines are in the file.
 *
 * Mutants (-D): ONE_COPY, KEEP_TAGS, UNDECIDED_COUNTS, DONE_GOES_BACK, NO_INTENT, DONE_BEFORE_WRITE, EARLY_REWIND.
 */
#ifndef LINES
#define LINES 4
#endif
#ifndef ROOM
#define ROOM 3            /* of the buffer */
#endif
#ifndef DEATHS
#define DEATHS 3
#endif

/* shared memory */
byte batch_seq;
byte tag[2], begin[2], end[2];   /* struct mpl_batch_progress */
byte done;
byte until;                      /* the intent; it begins at `done` */
byte buffer[ROOM];
/* what is fact */
byte decided;                    /* lines: the rings have given up their space */
byte written;                    /* lines in the file */

byte deaths;

/* of the collector that lives */
byte seq, at, filled, waiting, is_done, copy;

#define MAY_DIE :: deaths < DEATHS -> deaths++; goto born
#define STEP(what) if :: atomic { what } MAY_DIE fi
#define WAITS (is_done < waiting)
#define OTHER(c) (1 - (c))
#define IN_FORCE(c) (tag[c] > 0 && tag[c] <= SEQ && (tag[OTHER(c)] > SEQ || tag[OTHER(c)] < tag[c]))
#ifdef UNDECIDED_COUNTS
#define SEQ 255
#else
#define SEQ seq
#endif

active proctype collector()
{
born: skip;
    /* take_decided */
    d_step {
        seq = batch_seq;
        at = done;
        filled = 0;
        is_done = 0;
        if
        :: IN_FORCE(0) -> at = begin[0]; filled = end[0] - begin[0]; is_done = done - begin[0]
        :: IN_FORCE(1) -> at = begin[1]; filled = end[1] - begin[1]; is_done = done - begin[1]
        :: else
        fi;
        waiting = filled
    }
#ifndef KEEP_TAGS
    STEP(tag[0] = (tag[0] > seq -> 0 : tag[0]));
    STEP(tag[1] = (tag[1] > seq -> 0 : tag[1]));
#endif
#ifndef NO_INTENT
    STEP( /* mpl_batch_resume: what was announced and is in the file */
        if
        :: until > done && until <= at + filled && written > done -> is_done = written - at
        :: else
        fi
    );
#endif
    STEP(done = (at + is_done > done -> at + is_done : done));
pass:
    if /* rewind_if_done */
    :: d_step { !WAITS && filled == waiting -> at = at + filled; filled = 0; waiting = 0; is_done = 0 }
#ifdef EARLY_REWIND
    :: d_step { WAITS && filled == waiting -> at = at + filled; filled = 0; waiting = 0; is_done = 0 }
#endif
    :: WAITS
    fi;
#ifdef DONE_GOES_BACK
    STEP(done = (filled == 0 -> 0 : done));
#endif
    if
    :: written == LINES && done == LINES -> goto end_rest
    :: else
    fi;
    do /* fill: until there is no room, or no more */
    :: d_step { filled < ROOM && decided + filled - waiting < LINES ->
           buffer[filled] = decided + filled - waiting; filled++ }
    :: break
    MAY_DIE
    od;
    if
    :: filled > waiting ->
       d_step { /* mpl_batch_prepare */
#ifdef ONE_COPY
           copy = 0;
#else
           copy = (tag[0] > tag[1] -> 1 : 0);
#endif
       }
       STEP(begin[copy] = at);
       STEP(end[copy] = at + filled);
       STEP(tag[copy] = seq + 1);
       STEP(batch_seq = seq + 1; seq = seq + 1; decided = decided + filled - waiting); /* the decision */
       d_step { waiting = filled }
    :: else
    fi;
    if
    :: WAITS -> /* mpl_batch_write */
       STEP(until = 0);
       STEP(until = at + waiting);
#ifdef DONE_BEFORE_WRITE
       STEP(done = at + waiting);
#endif
       do
       :: WAITS ->
          if
          :: atomic {
                 assert(buffer[is_done] == written); /* the next line, and no other */
                 written++;
                 is_done++
             }
          :: break /* it fails */
          MAY_DIE
          fi
       :: else -> break
       od;
       STEP(done = at + is_done)
    :: else
    fi;
    goto pass;
end_rest:
    assert(written == LINES && decided == LINES)
}
