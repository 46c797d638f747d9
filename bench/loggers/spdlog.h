/* SPDX-License-Identifier: Unlicense
 *
 * spdlog. SPDLOG_ASYNC: its asynchronous logger, which is one for the process that opened it.
 */
#ifndef BENCH_LOGGERS_SPDLOG_H
#define BENCH_LOGGERS_SPDLOG_H

#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/spdlog.h>

static std::shared_ptr<spdlog::logger> logger;
static std::string logger_path;
static size_t logger_max_bytes, logger_backups;

#ifdef SPDLOG_ASYNC
#define LOGGER_NAME "spdlog async"
typedef spdlog::async_factory logger_factory;
#else
#define LOGGER_NAME "spdlog"
typedef spdlog::synchronous_factory logger_factory;
#endif

static inline void logger_open(const char *path, long long max_bytes, int backups)
{
    logger_path = path;
    logger_max_bytes = (size_t)max_bytes;
    logger_backups = (size_t)backups;
}

static inline void logger_begin_process(void)
{
#ifdef SPDLOG_ASYNC
    spdlog::init_thread_pool(131072, 1);
#endif
    if (logger_max_bytes)
        logger = spdlog::rotating_logger_mt<logger_factory>("bench", logger_path, logger_max_bytes, logger_backups);
    else
        logger = spdlog::basic_logger_mt<logger_factory>("bench", logger_path);
    logger->set_pattern("%Y-%m-%d %H:%M:%S,%e %-8l %n [bench:%P %t] %v");
}

static inline void logger_end_process(void)
{
    logger->flush();
    logger.reset();
    spdlog::shutdown(); /* the only way to wait for the asynchronous one */
}
static inline void logger_flush(void) {}
static inline void logger_close(void) {}

#define LOG_DISABLED(i) logger->debug("request {} from {} took {:f} ms", i, "worker_1", (i)*0.25)
#define LOG_CONSTANT() logger->info("nothing to say")
#define LOG_VALUES(i) logger->info("request {} from {} took {:f} ms", i, "worker_1", (i)*0.25)
#define LOG_STRING(text) logger->info("{}", text)
#define LOG_STAMP(ns) (logger->info("at {}", ns), logger->flush())

#endif
