/* SPDX-License-Identifier: Unlicense
 *
 * The life of a collector: it gets the lock or ends at once, serves, and ends with its session, when it is told to, or
 * when it has been replaced.
 */
#ifndef MPL_COLLECTOR_LIFE_H
#define MPL_COLLECTOR_LIFE_H

#include <stdatomic.h>
#include <stdint.h>

#include "collector/sink.h"

struct mpl_life {
    const char *dir;
    /* Become the collector's: closed as soon as its sinks have what they need, for somebody may wait for their ends. */
    struct mpl_candidates *candidates;
    uint32_t kind;               /* enum mpl_collector_kind */
    _Atomic uint32_t *must_stop; /* NULL: never. Set, it writes what there is and leaves the session to others */
};

/* 0: served, or somebody else does; -errno with a sentence: it could not begin. */
int mpl_life_run(const struct mpl_life *life);

#endif
