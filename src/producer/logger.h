/* SPDX-License-Identifier: Unlicense
 *
 * Loggers: one per name for the life of the process, in a tree by dots. Memory of their own, never freed, so that
 * pointers stay good and a forked child of a multithreaded parent may make new ones. All calls under the process's
 * lock.
 */
#ifndef MPL_PRODUCER_LOGGER_H
#define MPL_PRODUCER_LOGGER_H

#include <mplog.h>
#include <stdatomic.h>

#include "base/text.h"

struct mpl_logger {
    mplog_logger public;      /* first: pointers to it are pointers to the whole */
    _Atomic uint64_t id_bits; /* as in a record's ids; 0: not defined in the segment yet. Release after the definition
                                 (site.c), acquire by log.c */
    int own_level;            /* MPLOG_NOTSET: the parent's */
    struct mpl_logger *next;  /* in the table */
    const char *name;
    uint32_t name_len;
};

static inline struct mpl_logger *mpl_logger_of(mplog_logger *l) { return (struct mpl_logger *)(void *)l; }

/* NULL, "" and "root": the root logger. Never NULL. */
struct mpl_logger *mpl_logger_get(const char *name);

struct mpl_str mpl_logger_name(const struct mpl_logger *l);

/* Sets the own level of one logger and the effective levels of all below it. */
void mpl_logger_set_level(struct mpl_logger *l, int level);

/* Finds out the root's level if nobody has set it: that of the session a first record would join. */
void mpl_logger_settle(void);

/* Brings the effective level of `l` up to date with the session's overrides, once the root's is known. */
void mpl_logger_refresh(struct mpl_logger *l);

/* All of them: after a session was joined or left. */
void mpl_logger_refresh_all(void);

#endif
