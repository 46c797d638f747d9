/* SPDX-License-Identifier: Unlicense
 *
 * What this process is to mplog: not set up, member of a session, forked from a member, or detached; the one lock of
 * all slow paths; and how a fork is noticed.
 *
 * Fork. A page with MADV_WIPEONFORK holds `alive` and the lock: in a child both read 0, whatever the parent's threads
 * were doing, also after a bare clone() that runs no fork hooks. The first call in the child finds alive == 0 and turns
 * what was inherited into "inherited": nothing is shared with the parent but read-only memory and the session it names.
 */
#ifndef MPL_PRODUCER_PROCESS_H
#define MPL_PRODUCER_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"
#include "shm/abi.h"
#include "shm/segment.h"

enum mpl_membership {
    MPL_PROCESS_NEW = 0, /* nothing yet: the first record joins an inherited session or starts the default one */
    MPL_PROCESS_MEMBER = 1,
    MPL_PROCESS_INHERITED = 2, /* forked from a member; joins with its first record */
    MPL_PROCESS_DETACHED = 3,  /* after shutdown: last resort */
    MPL_PROCESS_FAILED = 4,    /* no session could be had: last resort */
};

/* What the producer needs of those who know about sessions, defined by session/setup.c. Called under the process's
 * lock. */
struct mpl_process_host {
    int (*join_fn)(void);    /* NEW or INHERITED -> MEMBER; 0 or -errno with a sentence */
    int (*level_fn)(void);   /* NEW: the level of the session that join_fn would join or start */
    void (*forked_fn)(void); /* this process is a fresh child: forget what belongs to the parent */
    /* Called without the lock: starts a collector if there is none. In a signal handler: no thread, which takes locks.
     */
    void (*need_collector_fn)(bool is_in_handler);
};

extern const struct mpl_process_host mpl_process_host;

/* What the control file says for good, copied and brought into bounds when the session is joined: who writes over it
 * later must not steer log calls. */
struct mpl_facts {
    uint32_t overflow; /* enum mpl_overflow */
    uint64_t block_timeout_ns;
    uint64_t ring_initial_bytes, ring_max_bytes; /* powers of two */
    uint64_t ring_budget_bytes;
};

struct mpl_guard {
    uint32_t alive; /* 1 in the process that filled the page */
    struct mpl_lock lock;
    struct mpl_lock shared_ring_lock;
};

struct mpl_process {
    /* read by every log call */
    _Atomic uint32_t epoch; /* changes with the session and with the process's name. Writer: under the lock; readers:
                               log.c, relaxed, after `busy` was set (membarrier in mpl_producer_detach_all) */
    uint32_t clock_kind;
    struct mpl_facts facts;

    _Atomic(struct mpl_guard *) guard;
    _Atomic uint32_t membership; /* enum mpl_membership. Changed under the lock */

    /* Always mapped from the first slow path on: the session's control file, or zeros. */
    struct mpl_control *control;
    /* One of the two, whole at every moment: another thread may fork while a session is joined, and the child copies
     * the definitions from there. */
    struct mpl_segment_writer *segment, segments[2];
    uint32_t last_def_id;
    uint32_t sessions;     /* sessions this process has been a member of */
    uint64_t ticks_per_ms; /* of the session's stamps, roughly */
    uint64_t claims;       /* rings claimed so far */
    uint64_t ring_bytes;   /* data pages allocated for rings */

    char name[MPL_NAME_MAX];
    uint32_t name_len;
    int64_t relative_base_ns;                             /* 0: the time at which the segment is made */
    _Atomic uint64_t lost_unattached[MPL_SEGMENT_LOSSES]; /* lost where there was no segment to count in */
};

extern struct mpl_process mpl_process;

/* May be out of date as soon as it is known, unless the lock is held. */
static inline enum mpl_membership mpl_process_membership(void)
{
    return (enum mpl_membership)atomic_load_explicit(&mpl_process.membership, memory_order_relaxed);
}
static inline void mpl_process_set_membership(enum mpl_membership membership)
{
    atomic_store_explicit(&mpl_process.membership, membership, memory_order_relaxed);
}

/* Takes the process's lock after noticing a fork. False, without the lock: this thread holds it already (a signal
 * handler that interrupted us) or memory is out; the caller counts a loss or gives up. */
bool mpl_process_lock(void);
void mpl_process_unlock(void);

/* The same without waiting. Async-signal-safe. */
bool mpl_process_try_lock(void);

/* Has this thread the lock; is it in mpl_process_lock, or has it the lock? Async-signal-safe. */
bool mpl_process_is_locked_here(void);
bool mpl_process_is_in_section_here(void);

/* Forked, and nobody has noticed yet. */
bool mpl_process_is_new_child(void);

/* Maps a session's control file, or zeros, into the one place where this process looks for it: other threads may be
 * reading there at any time. `spare`: the same file, mapped elsewhere; unmapped, or, where that place cannot be had,
 * looked at instead and left mapped for good. Under the lock. */
void mpl_process_map_control(int fd, struct mpl_control *spare);
void mpl_process_unmap_control(void);

/* Takes over the facts of the session whose control file is mapped. Under the lock. */
void mpl_process_take_facts(void);

/* The default name: the program's. Under the lock. */
void mpl_process_default_name(void);
void mpl_process_set_name(const char *name);

#endif
