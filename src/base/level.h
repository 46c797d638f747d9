/* SPDX-License-Identifier: Unlicense
 *
 * Python's level names and numbers (Lib/logging/__init__.py).
 */
#ifndef MPL_BASE_LEVEL_H
#define MPL_BASE_LEVEL_H

#include <stdbool.h>

#include "base/text.h"

enum {
    MPL_LEVEL_NOTSET = 0,
    MPL_LEVEL_DEBUG = 10,
    MPL_LEVEL_INFO = 20,
    MPL_LEVEL_WARNING = 30,
    MPL_LEVEL_ERROR = 40,
    MPL_LEVEL_CRITICAL = 50,
};

/* What fits the 20 bits a record has for it. */
#define MPL_LEVEL_MIN (-(1 << 19))
#define MPL_LEVEL_MAX ((1 << 19) - 1)

/* A name in any case ("WARN" and "FATAL" too), or a decimal number. False: neither, or out of range. */
bool mpl_level_parse(struct mpl_str text, int *level);

/* Appends "INFO", or "Level 25" for a number without a name, as logging.getLevelName does. */
void mpl_level_append(struct mpl_text *out, int level);

#endif
