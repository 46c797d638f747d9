/* SPDX-License-Identifier: Unlicense
 *
 * No logger: what the benchmarks themselves cost.
 */
#ifndef BENCH_LOGGERS_NONE_H
#define BENCH_LOGGERS_NONE_H

#define LOGGER_NAME "none"

static volatile int logger_last;

static inline void logger_open(const char *path, long long max_bytes, int backups)
{
    (void)path, (void)max_bytes, (void)backups;
}
static inline void logger_begin_process(void) {}
static inline void logger_end_process(void) {}
static inline void logger_flush(void) {}
static inline void logger_close(void) {}

#define LOG_DISABLED(i) (logger_last = (i))
#define LOG_CONSTANT() (logger_last = 0)
#define LOG_VALUES(i) (logger_last = (i))
#define LOG_STRING(text) (logger_last = (text)[0])
#define LOG_STAMP(ns) (logger_last = (int)(ns))

#endif
