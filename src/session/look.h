/* SPDX-License-Identifier: Unlicense
 *
 * A session from outside: is it over, and what is in it? Files are read, not mapped, so that one that is truncated
 * meanwhile harms nobody; what they say may be damaged or just changing, and is checked before it is used. Nothing is
 * changed. For a session of the calling process there is mpl_look_from_within. Allocates.
 */
#ifndef MPL_SESSION_LOOK_H
#define MPL_SESSION_LOOK_H

#include <sys/types.h>

#include "base/text.h"
#include "shm/abi.h"
#include "shm/dir.h"

/* Of the calling process, if it looks at a session of its own: what is open already, since to open and close it once
 * more would give up its locks. */
struct mpl_look_own {
    int control_fd, segment_fd; /* -1: the host has closed it, and the lock with it */
    uint32_t slot;
};

struct mpl_look {
    char dir[MPL_DIR_MAX];
    int dir_fd, control_fd;
    pid_t collector; /* as mpl_control_holder */
    bool has_collector;

    /* by mpl_look_read, which finds out, too, whether the collector is on its way out */
    struct mpl_control *control; /* a copy */
    uint32_t slot_bound, sink_count;
    uint64_t batch_seq;
    bool is_other_boot;
    bool has_members;               /* that live */
    bool is_stale;                  /* neither a collector nor a member that lives */
    bool *is_alive;                 /* by slot */
    const struct mpl_look_own *own; /* NULL: a session of others */

    char log_file[4096]; /* "": none */
};

/* Opens the session, reads which file it logs to, and asks whether it has a collector, which also those of other
 * versions tell. 0 or -errno with a sentence; -ENOENT: it has gone. mpl_look_close in any case. */
int mpl_look_open(struct mpl_look *l, const char *dir);

/* Reads the control file and looks for members that live. 0 or -errno with a sentence. */
int mpl_look_read(struct mpl_look *l);

/* Instead of both for a session that the calling process is a member of: what waits there, but not who lives. `own` is
 * used until mpl_look_close, which is to be called in any case. */
int mpl_look_from_within(struct mpl_look *l, const char *dir, const struct mpl_look_own *own);

void mpl_look_close(struct mpl_look *l);

/* Does one of its sinks write to that file? NULL: to any file? After mpl_look_read. */
bool mpl_look_writes_to(const struct mpl_look *l, const char *path);

/* Records that are published and in no batch, and what their producers have lost since it was told last. */
struct mpl_look_member {
    uint32_t pid, state; /* enum mpl_slot_state */
    bool is_alive;
    uint32_t rings, threads; /* threads: rings that somebody writes to */
    char name[MPL_NAME_MAX + 1];
    uint64_t records, bytes, oldest_stamp; /* oldest_stamp 0: none waits */
    uint64_t lost[MPL_LOSSES];
};

/* The member in slot `i`. False: there is none. */
bool mpl_look_member(const struct mpl_look *l, uint32_t i, struct mpl_look_member *m);

struct mpl_look_sink {
    const char *kind; /* "file", "pipe", "stderr", or "?" */
    char path[4096];
    struct mpl_sink_account account;
    uint64_t waiting_records, waiting_bytes, oldest_stamp; /* laid down, and not written */
};

void mpl_look_sink(const struct mpl_look *l, uint32_t i, struct mpl_look_sink *s);

/* As it was decided last. */
const struct mpl_account *mpl_look_account(const struct mpl_look *l);

/* Records that no batch has yet. */
uint64_t mpl_look_count_in_rings(const struct mpl_look *l);

/* Records that no file has yet: in rings and decided batches. */
uint64_t mpl_look_count_waiting(const struct mpl_look *l);

#endif
