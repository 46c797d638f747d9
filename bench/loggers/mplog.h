/* SPDX-License-Identifier: Unlicense
 *
 * mplog, in the form in which the benchmarks call a logger. Further options come from the environment (MPLOG_*).
 */
#ifndef BENCH_LOGGERS_MPLOG_H
#define BENCH_LOGGERS_MPLOG_H

#include <mplog.h>

#define LOGGER_NAME "mplog"

static mplog_logger *logger;

static inline void logger_open(const char *path, long long max_bytes, int backups)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = path;
    o.log_to_stderr = false;
    o.max_bytes = max_bytes;
    o.backup_count = backups;
    if (mplog_setup_logging(&o) < 0)
        bench_fail("%s", mplog_last_error());
    logger = mplog_get_logger("bench");
}

static inline void logger_begin_process(void) {}
static inline void logger_end_process(void) {}

#define LOGGER_SETTLE() logger_flush()

/* After all processes have said that they are done: returns when everything is in the file. */
static inline void logger_flush(void)
{
    if (mplog_flush(60000) < 0)
        bench_fail("mplog_flush: %s", mplog_last_error());
}

static inline void logger_close(void) { mplog_shutdown_logging(); }

#define LOG_DISABLED(i) mplog_debug(logger, "request %d from %s took %f ms", i, "worker_1", (i)*0.25)
#define LOG_CONSTANT() mplog_info(logger, "nothing to say")
#define LOG_VALUES(i) mplog_info(logger, "request %d from %s took %f ms", i, "worker_1", (i)*0.25)
#define LOG_STRING(text) mplog_info(logger, "%s", text)
#define LOG_STAMP(ns) mplog_info(logger, "at %llu", (unsigned long long)(ns))

#endif
