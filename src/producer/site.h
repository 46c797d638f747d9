/* SPDX-License-Identifier: Unlicense
 *
 * Publishing call sites and loggers in the segment's definitions. Under the process's lock, in a member process.
 */
#ifndef MPL_PRODUCER_SITE_H
#define MPL_PRODUCER_SITE_H

#include <mplog.h>

#include "base/cformat.h"
#include "producer/logger.h"
#include "shm/abi.h"

/* Gives the site an id and fills in its half of the library's; `f` is what mpl_site_parse made of it. False: no room
 * for more definitions. */
bool mpl_site_define(struct mplog_site *site, const struct mpl_cformat *f);

/* Appends a definition with the next id, which def->id becomes. */
bool mpl_site_define_texts(struct mpl_def *def, struct mpl_str text, struct mpl_str file, struct mpl_str function);

bool mpl_logger_define(struct mpl_logger *l);

/* Parses the site's format; false, and a format of no conversions that shows the text as it is: %n, or not a format. */
bool mpl_site_parse(const struct mplog_site *site, struct mpl_cformat *f);

/* The record carries errno. */
bool mpl_site_has_error(const struct mplog_site *site, const struct mpl_cformat *f);

#endif
