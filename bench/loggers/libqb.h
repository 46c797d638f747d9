/* SPDX-License-Identifier: Unlicense
 *
 * libqb's log, to a file. It does not rotate. The time is in ms where it can: %T.
 */
#ifndef BENCH_LOGGERS_LIBQB_H
#define BENCH_LOGGERS_LIBQB_H

#include <qb/qblog.h>
#include <syslog.h>

#define LOGGER_NAME "libqb"

static char logger_path[PATH_MAX];

static inline void logger_open(const char *path, long long max_bytes, int backups)
{
    (void)max_bytes, (void)backups;
    snprintf(logger_path, sizeof logger_path, "%s", path);
}

static inline void logger_begin_process(void)
{
    qb_log_init("bench", LOG_USER, LOG_INFO);
    qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_ENABLED, QB_FALSE);
    int target = qb_log_file_open(logger_path);
    if (target < 0)
        bench_fail("qb_log_file_open: %s", strerror(-target));
    qb_log_filter_ctl(target, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, "*", LOG_INFO);
    qb_log_format_set(target, "%T %p bench [bench:%P main] %b");
    qb_log_ctl(target, QB_LOG_CONF_ENABLED, QB_TRUE);
}
static inline void logger_end_process(void) { qb_log_fini(); }
static inline void logger_flush(void) {}
static inline void logger_close(void) {}

#define LOG_DISABLED(i) qb_log(LOG_DEBUG, "request %d from %s took %f ms", i, "worker_1", (i)*0.25)
#define LOG_CONSTANT() qb_log(LOG_INFO, "nothing to say")
#define LOG_VALUES(i) qb_log(LOG_INFO, "request %d from %s took %f ms", i, "worker_1", (i)*0.25)
#define LOG_STRING(text) qb_log(LOG_INFO, "%s", text)
#define LOG_STAMP(ns) qb_log(LOG_INFO, "at %llu", (unsigned long long)(ns))

#endif
