/* SPDX-License-Identifier: Unlicense
 *
 * Log calls: from arguments to a record in a ring. The fast path is mplog_site_log in log.c; everything else is here
 * for the public functions in mplog.c.
 */
#ifndef MPL_PRODUCER_LOG_H
#define MPL_PRODUCER_LOG_H

#include <mplog.h>

#include "base/cformat.h"
#include "base/text.h"

/* What logs records of that site, which has been defined, if they have three words or less: struct mplog_site. */
typedef void mpl_log_few_fn(struct mplog_site *site, mplog_logger *logger, int level, uint64_t a, uint64_t b,
                            uint64_t c);
mpl_log_few_fn *mpl_log_few_for(const struct mplog_site *site);

/* Finished text without a call site. */
void mpl_log_text(mplog_logger *logger, int level, struct mpl_str text);

/* Any attributes. Fields whose ptr is NULL are left out. */
struct mpl_log_fields {
    int level;
    struct mpl_str message, logger, level_name, path, function, thread_name, process_name, task_name, exception, stack;
    int64_t line, created_ns, thread, process; /* 0: left out */
};

void mpl_log_fields(mplog_logger *logger, const struct mpl_log_fields *fields);

/* A format that is rendered now: producer/message.h. */
void mpl_log_rendered(mplog_logger *logger, const struct mpl_log_fields *fields, const struct mpl_cformat *f,
                      struct mpl_str format, struct mpl_arg *args, int error, bool show_error);
void mpl_log_format(mplog_logger *logger, const struct mpl_log_fields *fields, const char *format, va_list arguments);

#endif
