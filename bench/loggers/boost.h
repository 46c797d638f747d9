/* SPDX-License-Identifier: Unlicense
 *
 * Boost.Log, synchronous, with its file backend. Its rotation renames into names of its own, so each process that
 * shares the file appends without rotating.
 */
#ifndef BENCH_LOGGERS_BOOST_H
#define BENCH_LOGGERS_BOOST_H

#include <boost/core/null_deleter.hpp>
#include <boost/log/core.hpp>
#include <boost/log/expressions.hpp>
#include <boost/log/sinks/sync_frontend.hpp>
#include <boost/log/sinks/text_ostream_backend.hpp>
#include <boost/log/sources/severity_logger.hpp>
#include <boost/log/support/date_time.hpp>
#include <boost/log/trivial.hpp>
#include <boost/log/utility/setup/common_attributes.hpp>

#include <fstream>
#include <iomanip>
#include <string>

#define LOGGER_NAME "Boost.Log"

typedef boost::log::sinks::synchronous_sink<boost::log::sinks::text_ostream_backend> logger_sink;

static std::string logger_path;
static boost::shared_ptr<logger_sink> logger_output;
static boost::log::sources::severity_logger_mt<boost::log::trivial::severity_level> logger;

static inline void logger_open(const char *path, long long max_bytes, int backups)
{
    (void)max_bytes, (void)backups;
    logger_path = path;
}

static inline void logger_begin_process(void)
{
    namespace expr = boost::log::expressions;
    logger_output = boost::make_shared<logger_sink>();
    logger_output->locked_backend()->add_stream(boost::make_shared<std::ofstream>(logger_path, std::ios::app));
    logger_output->set_formatter(
        expr::stream << expr::format_date_time<boost::posix_time::ptime>("TimeStamp", "%Y-%m-%d %H:%M:%S,%f") << " "
                     << boost::log::trivial::severity << " bench [bench "
                     << expr::attr<boost::log::attributes::current_thread_id::value_type>("ThreadID") << "] "
                     << expr::smessage);
    boost::log::core::get()->add_sink(logger_output);
    boost::log::core::get()->set_filter(boost::log::trivial::severity >= boost::log::trivial::info);
    boost::log::add_common_attributes();
}
static inline void logger_end_process(void) { logger_output->flush(); }
static inline void logger_flush(void) {}
static inline void logger_close(void) {}

#define LOG_AT(level, what) BOOST_LOG_SEV(logger, boost::log::trivial::level) << what
#define LOG_DISABLED(i)                                                                                                \
    LOG_AT(debug, "request " << (i) << " from "                                                                        \
                             << "worker_1"                                                                             \
                             << " took " << (i)*0.25 << " ms")
#define LOG_CONSTANT() LOG_AT(info, "nothing to say")
#define LOG_VALUES(i)                                                                                                  \
    LOG_AT(info, "request " << (i) << " from "                                                                         \
                            << "worker_1"                                                                              \
                            << " took " << (i)*0.25 << " ms")
#define LOG_STRING(text) LOG_AT(info, text)
#define LOG_STAMP(ns)                                                                                                  \
    do {                                                                                                               \
        LOG_AT(info, "at " << (ns));                                                                                   \
        logger_output->flush();                                                                                        \
    } while (0)

#endif
