/* SPDX-License-Identifier: Unlicense
 *
 * From a decided batch to the file: docs/design.md M8 and S4; collector/batch.c, output/file.c, written.c, rotate.c.
 *
 * Each session has a batch buffer with its `done` and its intent, and collectors that follow each other; they append
 * to one path, each write in pieces of a byte, rotate it, and may be killed before every step. A record is two bytes,
 * of which the second ends its line. Left out: the decision (models/elect.pml), which is one step here; files
 * that fail, are deleted or moved by others; a lock that is held for longer than it is waited for.
 *
 * Shown, when nothing moves any more: with one session every record stands in the files exactly once, in order, and
 * nothing else does. With two (-DSESSIONS=2) the same holds for whole lines; besides them there is at most one piece
 * of a line for each death, ended by a newline, whose record follows in whole: that is the line that may be there
 * twice. The files of all backups are there.
 *
 * Mutants (-D): DONE_BEFORE_WRITE, NO_INTENT, YOUNGEST_FIRST; with two sessions also NO_LOCK, PATH_ONLY,
 * SIZE_BEFORE_LOCK, BLIND_CONTINUE, NO_END_LINE. With -DALIKE all lines of a session read alike, so that comparing
 * could mistake one for another: it does not.
 */
#ifndef SESSIONS
#define SESSIONS 1
#endif
#ifndef BATCHES
#define BATCHES 3         /* of each session; of two records */
#endif
#ifndef DEATHS
#define DEATHS 2          /* of collectors, in all */
#endif
#define BATCH_BYTES 4
#ifndef FULL
#define FULL 5            /* max_bytes: room for two records in a file; a piece of one may make it less */
#endif
#define FILES 7           /* that there can ever be */
#define FILE_BYTES 8
#define NAMES 6           /* the path and its backups; more than are made here */
#define NONE 9            /* as a file or a session */

/* Bytes in files: byte `i` of what session s ever writes is s * 32 + i + 1. NEWLINE ends a piece that was left. */
#define NEWLINE 100
#ifdef ALIKE
#define BYTE(s, i) ((s) * 32 + (i) % 2 + 1)
#else
#define BYTE(s, i) ((s) * 32 + (i) + 1)
#endif
#define ENDS_LINE(b) ((b) == NEWLINE || (b) % 2 == 0)

byte content[FILES * FILE_BYTES], size[FILES], files;
byte name[NAMES] = NONE;
byte lock[FILES] = NONE;  /* OFD lock: the session whose collector holds it; gone with it */
byte deaths;              /* so far */

/* struct mpl_batch of each session; positions only grow */
byte decided[SESSIONS], done[SESSIONS];
byte intent_file[SESSIONS], intent_offset[SESSIONS], intent_from[SESSIONS], intent_until[SESSIONS];

#define MAY_DIE :: atomic { deaths < DEATHS -> deaths++; LEAVE; goto end_killed }
#define DO(what) \
    if \
    :: atomic { true -> what } \
    MAY_DIE \
    fi
#define UNLOCK(file) lock[file] = (lock[file] == me -> NONE : lock[file])
#define LEAVE \
    UNLOCK(0); UNLOCK(1); UNLOCK(2); UNLOCK(3); UNLOCK(4); UNLOCK(5); UNLOCK(6); \
    fd = NONE; old = NONE; at = 0; here = 0; end = 0; hole = 0; k = 0

#define LAST_BYTE content[fd * FILE_BYTES + at - 1]
#define MINE(i) BYTE(me, i)

#ifdef SIZE_BEFORE_LOCK
#define SIZE_UNDER_LOCK skip
#else
#define SIZE_UNDER_LOCK at = size[fd]
#endif

#ifdef NO_END_LINE
#define IS_END_TAKEN_FOR_GRANTED true
#else
#define IS_END_TAKEN_FOR_GRANTED false
#endif

#ifdef YOUNGEST_FIRST
#define IS_HOLE(i) true
#else
#define IS_HOLE(i) (name[i] == NONE)
#endif

inline append(b)
{
    content[fd * FILE_BYTES + size[fd]] = b;
    size[fd] = size[fd] + 1;
    at = size[fd]
}

/* mpl_file_count_equal: how many of the bytes from intent_from on stand at intent_offset of the file k. */
inline count_equal()
{
    end = 0;
    do
    :: end < intent_until[me] - intent_from[me] && intent_offset[me] + end < size[k] &&
       content[k * FILE_BYTES + intent_offset[me] + end] == MINE(intent_from[me] + end) -> end++
    :: else -> break
    od;
    if /* foreign text follows: whole lines count */
    :: end < intent_until[me] - intent_from[me] && intent_offset[me] + end < size[k] ->
       end = (end > 0 -> end - (intent_from[me] + end) % 2 : 0)
    :: else
    fi;
    done[me] = (intent_from[me] + end > done[me] -> intent_from[me] + end : done[me]);
    end = 0
}

proctype Collector(byte me)
{
    byte fd = NONE, old = NONE, at, here, end, hole, k; /* here: its own `done`, which may go back in a record */

end_killed: /* or not started; a successor begins here, mpl_batch_resume */
    if
    :: atomic { intent_until[me] > done[me] ->
                k = 0 }
       do /* open_by_identity: one name after the other, while others may rotate */
#ifdef PATH_ONLY
       :: atomic { k < 1 && name[k] == intent_file[me] -> k = name[k]; count_equal(); break }
       :: atomic { k < 1 && name[k] != intent_file[me] -> k++ }
       :: k == 1 -> break
#else
       :: atomic { k < NAMES && name[k] == intent_file[me] -> k = name[k]; count_equal(); break }
       :: atomic { k < NAMES && name[k] != intent_file[me] -> k++ }
       :: k == NAMES -> break
#endif
       MAY_DIE
       od
    :: atomic { intent_until[me] <= done[me] }
    fi;
    here = done[me];
    k = 0;

next_batch:
    if
    :: atomic { here == BATCHES * BATCH_BYTES -> goto end_all }
    :: atomic { here == decided[me] && here < BATCHES * BATCH_BYTES -> decided[me] = here + BATCH_BYTES }
    :: atomic { here < decided[me] }
    MAY_DIE
    fi;

enter: /* lock_log */
    if
    :: atomic { fd == NONE && name[0] == NONE -> name[0] = files; fd = files; files++ } /* O_CREAT | O_EXCL */
    :: atomic { fd == NONE && name[0] != NONE -> fd = name[0] }
    :: atomic { fd != NONE }
    MAY_DIE
    fi;
    at = size[fd];
    if
#ifdef NO_LOCK
    :: atomic { true -> SIZE_UNDER_LOCK }
#else
    :: atomic { lock[fd] == NONE || lock[fd] == me -> lock[fd] = me; SIZE_UNDER_LOCK }
#endif
    MAY_DIE
    fi;
    if /* is_at_path */
    :: atomic { name[0] == fd }
    :: atomic { name[0] != fd -> UNLOCK(fd); fd = NONE; goto enter }
    MAY_DIE
    fi;
    if /* continues_record, end_line */
#ifdef BLIND_CONTINUE
    :: atomic { here % 2 == 1 }
#else
    :: atomic { here % 2 == 1 && at > 0 && LAST_BYTE == MINE(here - 1) }
#endif
    :: atomic { !(here % 2 == 1 && at > 0 && LAST_BYTE == MINE(here - 1)) ->
                here = here - here % 2;
                if
                :: at > 0 && !IS_END_TAKEN_FOR_GRANTED && !ENDS_LINE(LAST_BYTE) -> append(NEWLINE)
                :: else
                fi }
    MAY_DIE
    fi;

write:
    if
    :: atomic { here == decided[me] -> UNLOCK(fd); goto next_batch }
    :: atomic { here < decided[me] && here % 2 == 0 && at > 0 && at + 2 >= FULL -> goto rotate }
    :: atomic { here < decided[me] && !(here % 2 == 0 && at > 0 && at + 2 >= FULL) ->
                end = here - here % 2 + 2; /* portion_end */
                if
                :: end + 2 <= decided[me] && at + (end + 2 - here) < FULL -> end = end + 2
                :: else
                fi }
    MAY_DIE
    fi;
#ifndef NO_INTENT
    DO(intent_until[me] = 0);
    DO(intent_file[me] = fd);
    DO(intent_offset[me] = at);
    DO(intent_from[me] = here);
    DO(intent_until[me] = end);
#endif
#ifdef DONE_BEFORE_WRITE
    DO(k = here; done[me] = end);
#else
    k = here;
#endif
    do
    :: atomic { k < end -> append(MINE(k)); k++ }
    :: atomic { k == end -> break }
    MAY_DIE
    od;
    DO(done[me] = end; here = end; end = 0; k = 0);
    goto write;

rotate: /* rotate_log */
    if
    :: atomic { name[0] == fd -> hole = 1 }
    :: atomic { name[0] != fd -> goto enter }
    MAY_DIE
    fi;
    do /* find_hole */
    :: atomic { name[hole] != NONE -> hole++; assert(hole < NAMES) }
    :: atomic { name[hole] == NONE -> break }
    MAY_DIE
    od;
#ifdef YOUNGEST_FIRST
    DO(hole = 1);
#endif
    do /* shift_files: rename, into a hole alone */
    :: atomic { hole > 0 && (IS_HOLE(hole) || name[hole - 1] == NONE) ->
                name[hole] = (name[hole - 1] == NONE -> name[hole] : name[hole - 1]);
                name[hole - 1] = NONE;
                hole-- }
    :: atomic { hole > 0 && !IS_HOLE(hole) && name[hole - 1] != NONE -> hole = 0; goto rotate } /* EEXIST */
    :: atomic { hole == 0 -> break }
    MAY_DIE
    od;
    old = fd;
    if /* open_log, and its lock if nobody else has it; then the old file is closed */
    :: atomic { name[0] == NONE -> name[0] = files; fd = files; files++ }
    :: atomic { name[0] != NONE -> fd = name[0] }
    MAY_DIE
    fi;
    DO(lock[fd] = (lock[fd] == NONE -> me : lock[fd]));
    DO(UNLOCK(old); old = NONE);
    goto enter;

end_all:
    skip
}

/* ---- what is in the files, when nothing moves any more ---- */

byte next[SESSIONS], piece, b, pieces, i, f;
#define OF(b) ((b) / 33)  /* whose */

active proctype Monitor()
{
    timeout ->
    d_step {
        f = NAMES;
        do
        :: f > 0 ->
           f--;
           i = 0;
           do
           :: name[f] != NONE && i < size[name[f]] ->
              b = content[name[f] * FILE_BYTES + i];
              i++;
              if
              :: piece == 0 && b != NEWLINE -> assert(b % 2 == 1); piece = b
              :: piece != 0 && b == NEWLINE -> pieces++; piece = 0
              :: else -> /* the second byte of a line, whose record is the next one of its session */
                 assert(piece != 0 && b == piece + 1);
                 assert(b == BYTE(OF(b), next[OF(b)] + 1));
                 next[OF(b)] = next[OF(b)] + 2;
                 piece = 0
              fi
           :: else -> break
           od;
           assert(piece == 0)
        :: else -> break
        od;
        assert(next[0] == BATCHES * BATCH_BYTES && next[SESSIONS - 1] == BATCHES * BATCH_BYTES);
        assert(pieces <= (SESSIONS == 1 -> 0 : deaths))
    }
}

init
{
    atomic {
        run Collector(0);
#if SESSIONS == 2
        run Collector(1)
#endif
    }
}
