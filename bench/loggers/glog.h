/* SPDX-License-Identifier: Unlicense
 *
 * Google's glog. A process locks its file: several processes cannot share one.
 */
#ifndef BENCH_LOGGERS_GLOG_H
#define BENCH_LOGGERS_GLOG_H

#include <glog/logging.h>

#include <string>

#define LOGGER_NAME "glog"

static std::string logger_path;
static long long logger_max_bytes;

static inline void logger_open(const char *path, long long max_bytes, int backups)
{
    (void)backups; /* it keeps all */
    logger_path = path;
    logger_max_bytes = max_bytes;
}

static inline void logger_begin_process(void)
{
    FLAGS_timestamp_in_logfile_name = false;
    FLAGS_max_log_size = logger_max_bytes ? (google::uint32)(logger_max_bytes >> 20) : 100000;
    FLAGS_logtostderr = false;
    FLAGS_stderrthreshold = 3;
    google::SetLogDestination(google::INFO, logger_path.c_str());
    google::SetLogDestination(google::WARNING, "");
    google::SetLogDestination(google::ERROR, "");
    google::SetLogDestination(google::FATAL, "");
    google::InitGoogleLogging("bench");
}
static inline void logger_end_process(void) { google::FlushLogFiles(google::INFO); }
static inline void logger_flush(void) {}
static inline void logger_close(void) {}

#define LOG_DISABLED(i)                                                                                                \
    VLOG(1) << "request " << (i) << " from "                                                                           \
            << "worker_1"                                                                                              \
            << " took " << (i)*0.25 << " ms"
#define LOG_CONSTANT() LOG(INFO) << "nothing to say"
#define LOG_VALUES(i)                                                                                                  \
    LOG(INFO) << "request " << (i) << " from "                                                                         \
              << "worker_1"                                                                                            \
              << " took " << (i)*0.25 << " ms"
#define LOG_STRING(text) LOG(INFO) << (text)
#define LOG_STAMP(ns)                                                                                                  \
    do {                                                                                                               \
        LOG(INFO) << "at " << (ns);                                                                                    \
        google::FlushLogFiles(google::INFO);                                                                           \
    } while (0)

#endif
