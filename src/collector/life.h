/* SPDX-License-Identifier: Unlicense
 *
 * The life of a collector: it gets the lock or ends at once, serves, and ends with its session, when it is told to, or
 * when it has been replaced.
 */
#ifndef MPL_COLLECTOR_LIFE_H
#define MPL_COLLECTOR_LIFE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "collector/sink.h"

/* What became of a session. */
struct mpl_life_end {
    bool has_led;     /* false: somebody else is its collector, or it was gone */
    bool is_removed;  /* everything is written, and its directory is gone; false: it waits for another collector */
    uint64_t written; /* records that came into the files */
};

struct mpl_life {
    const char *dir;
    /* Become the collector's: closed as soon as its sinks have what they need, for somebody may wait for their ends. */
    struct mpl_candidates *candidates;
    uint32_t kind;               /* enum mpl_collector_kind */
    bool is_recovery;            /* its processes have died and left records behind: the log is to say so */
    struct mpl_life_end *end;    /* NULL: nobody wants to know */
    _Atomic uint32_t *must_stop; /* NULL: never. Set, it writes what there is and leaves the session to others */
};

/* 0: served, or somebody else does; -errno with a sentence: it could not begin. */
int mpl_life_run(const struct mpl_life *life);

#endif
