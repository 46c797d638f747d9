/* SPDX-License-Identifier: Unlicense */
#ifndef MPL_SESSION_REPORT_H
#define MPL_SESSION_REPORT_H

#include <mplog.h>

/* mplog_report_sessions. */
int mpl_report_all(const char *ring_dir, const char *log_file,
                   void (*tell_fn)(void *arg, const struct mplog_session_report *report), void *arg);

#endif
