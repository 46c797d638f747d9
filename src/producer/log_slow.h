/* SPDX-License-Identifier: Unlicense */
#ifndef MPL_PRODUCER_LOG_SLOW_H
#define MPL_PRODUCER_LOG_SLOW_H

#include <mplog.h>

/* Everything mplog_site_log does not do itself: the first record of a thread, site or logger, arguments that need care,
 * a full ring, a nested call, no session. Preserves errno. */
void mpl_log_slow(struct mplog_site *site, mplog_logger *logger, int level, const uint64_t *words);

#endif
