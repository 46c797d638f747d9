/* SPDX-License-Identifier: Unlicense
 *
 * A record as output sees it: every LogRecord attribute, resolved. Views into memory of whoever drives output; valid
 * for one rendering.
 */
#ifndef MPL_OUTPUT_RECORD_H
#define MPL_OUTPUT_RECORD_H

#include "base/cformat.h"
#include "base/text.h"
#include "output/pyformat.h"

struct mpl_record {
    int64_t created_ns;       /* wall clock, ns since the epoch */
    int64_t relative_base_ns; /* what relativeCreated counts from */
    int32_t level;
    uint32_t line;
    uint64_t thread;
    uint32_t process;
    int32_t error;             /* errno at the call; for %m and for `show_error` */
    struct mpl_str level_name; /* ptr NULL: the standard name of `level` */
    struct mpl_str logger;     /* %(name)s */
    struct mpl_str path, function;
    struct mpl_str process_name, thread_name, task_name;

    /* the message: either finished ... */
    struct mpl_str message;
    /* ... or, if c_format is not NULL, to be rendered */
    const struct mpl_cformat *c_format;
    struct mpl_str format;
    const struct mpl_arg *args;
    const struct mpl_pyformat *py_format; /* ... or, if this is not NULL, in Python's way */
    const struct mpl_pyarg *py_args;
    bool show_error;    /* append ": <strerror(error)> (errno N)" */
    uint64_t cut_bytes; /* > 0: append " ... [N bytes cut]" */

    /* Records for which both are equal, and the first is not 0, agree in all attributes but the times, the message and
     * what follows it: what was rendered for one may be shown for the next. */
    uint64_t source, ids;

    struct mpl_str exception, stack; /* follow the line, each on lines of its own, as logging.Formatter.format does */
    struct mpl_str ready_line;       /* ptr not NULL: the whole line, formatted by the caller; all else is ignored */
};

#endif
