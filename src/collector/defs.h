/* SPDX-License-Identifier: Unlicense
 *
 * Definitions (call sites and logger names) as the collector keeps them: one copy for all processes that define the
 * same, which forked children do. They stay until the collector ends.
 */
#ifndef MPL_COLLECTOR_DEFS_H
#define MPL_COLLECTOR_DEFS_H

#include "base/cformat.h"
#include "base/text.h"
#include "collector/quick.h"
#include "output/pyformat.h"
#include "shm/abi.h"

struct mpl_def_view {
    uint16_t kind, flags; /* as in struct mpl_def */
    uint32_t line;
    struct mpl_str text, file, function;
    struct mpl_cformat *format;     /* a site's; parsed at its first record. NULL until then, or if it is no format */
    struct mpl_pyformat *py_format; /* the same of a site with MPL_DEF_PYTHON */
    struct mpl_quick *quick;        /* of either; NULL: none, or not parsed yet */
    bool is_parsed;
    uint32_t hash;
    uint32_t next; /* in the bucket: index + 1 */
};

struct mpl_defs {
    struct mpl_def_view **view;
    uint32_t count, capacity;
    uint32_t *bucket;      /* index + 1 */
    uint32_t bucket_count; /* a power of two */
};

/* The index of a definition with this content, added if it is new; UINT32_MAX: out of memory. */
uint32_t mpl_defs_intern(struct mpl_defs *d, const struct mpl_def *def, struct mpl_str text, struct mpl_str file,
                         struct mpl_str function);

/* The site's format; NULL if it has none. Without memory to keep it for the next record it is parsed into `spare`. */
const struct mpl_cformat *mpl_defs_format(struct mpl_def_view *v, struct mpl_cformat *spare);

/* The same for a site with MPL_DEF_PYTHON. */
const struct mpl_pyformat *mpl_defs_pyformat(struct mpl_def_view *v, struct mpl_pyformat *spare);

void mpl_defs_fini(struct mpl_defs *d);

#endif
