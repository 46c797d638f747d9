/* SPDX-License-Identifier: Unlicense
 *
 * log4cplus with the lock file that its rotation from several processes needs.
 */
#ifndef BENCH_LOGGERS_LOG4CPLUS_H
#define BENCH_LOGGERS_LOG4CPLUS_H

#include <log4cplus/configurator.h>
#include <log4cplus/initializer.h>
#include <log4cplus/logger.h>
#include <log4cplus/loggingmacros.h>

#include <string>

#define LOGGER_NAME "log4cplus"

static log4cplus::Logger logger;
static std::string logger_path;
static long long logger_max_bytes;
static int logger_backups;

static inline void logger_open(const char *path, long long max_bytes, int backups)
{
    logger_path = path;
    logger_max_bytes = max_bytes;
    logger_backups = backups;
}

static inline void logger_begin_process(void)
{
    static log4cplus::Initializer *initializer = new log4cplus::Initializer();
    (void)initializer;
    log4cplus::helpers::Properties p;
    p.setProperty("log4cplus.rootLogger", "INFO, F");
    p.setProperty("log4cplus.appender.F",
                  logger_max_bytes ? "log4cplus::RollingFileAppender" : "log4cplus::FileAppender");
    p.setProperty("log4cplus.appender.F.File", logger_path);
    p.setProperty("log4cplus.appender.F.Append", "true");
    p.setProperty("log4cplus.appender.F.MaxFileSize", std::to_string(logger_max_bytes));
    p.setProperty("log4cplus.appender.F.MaxBackupIndex", std::to_string(logger_backups));
    p.setProperty("log4cplus.appender.F.UseLockFile", "true");
    p.setProperty("log4cplus.appender.F.LockFile", logger_path + ".lock");
    p.setProperty("log4cplus.appender.F.layout", "log4cplus::PatternLayout");
    p.setProperty("log4cplus.appender.F.layout.ConversionPattern",
                  "%D{%Y-%m-%d %H:%M:%S,%q} %-8p %c [bench:%i %t] %m%n");
    log4cplus::PropertyConfigurator(p).configure();
    logger = log4cplus::Logger::getInstance("bench");
}
static inline void logger_end_process(void) { log4cplus::Logger::shutdown(); }
static inline void logger_flush(void) {}
static inline void logger_close(void) {}

#define LOG_DISABLED(i) LOG4CPLUS_DEBUG_FMT(logger, "request %d from %s took %f ms", i, "worker_1", (i)*0.25)
#define LOG_CONSTANT() LOG4CPLUS_INFO(logger, "nothing to say")
#define LOG_VALUES(i) LOG4CPLUS_INFO_FMT(logger, "request %d from %s took %f ms", i, "worker_1", (i)*0.25)
#define LOG_STRING(text) LOG4CPLUS_INFO(logger, text)
#define LOG_STAMP(ns) LOG4CPLUS_INFO(logger, "at " << (ns))

#endif
