/* SPDX-License-Identifier: Unlicense
 *
 * LTTng-UST: binary traces through shared memory. tools/bench runs the session daemon and starts the trace.
 */
#ifndef BENCH_LOGGERS_LTTNG_H
#define BENCH_LOGGERS_LTTNG_H

#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "loggers/lttng_events.h"

#define LOGGER_NAME "LTTng-UST"

static inline void logger_open(const char *path, long long max_bytes, int backups)
{
    (void)path, (void)max_bytes, (void)backups;
}
static inline void logger_begin_process(void) {}
static inline void logger_end_process(void) {}
static inline void logger_flush(void) {}
static inline void logger_close(void) {}

#define LOG_DISABLED(i) lttng_ust_tracepoint(mplog_bench, unused, i)
#define LOG_CONSTANT() lttng_ust_tracepoint(mplog_bench, constant)
#define LOG_VALUES(i) lttng_ust_tracepoint(mplog_bench, values, i, "worker_1", (i)*0.25)
#define LOG_STRING(string) lttng_ust_tracepoint(mplog_bench, text, string)
#define LOG_STAMP(ns) lttng_ust_tracepoint(mplog_bench, unused, (int)(ns))

#endif
