/* SPDX-License-Identifier: Unlicense
 *
 * The trace points of lttng.h. Included several times, as LTTng's macros want it.
 */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER mplog_bench

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "loggers/lttng_events.h"

#if !defined(BENCH_LOGGERS_LTTNG_EVENTS_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define BENCH_LOGGERS_LTTNG_EVENTS_H

#include <lttng/tracepoint.h>

LTTNG_UST_TRACEPOINT_EVENT(mplog_bench, constant, LTTNG_UST_TP_ARGS(), LTTNG_UST_TP_FIELDS())
LTTNG_UST_TRACEPOINT_EVENT(mplog_bench, unused, LTTNG_UST_TP_ARGS(int, request),
                           LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(int, request, request)))
LTTNG_UST_TRACEPOINT_EVENT(mplog_bench, text, LTTNG_UST_TP_ARGS(const char *, text),
                           LTTNG_UST_TP_FIELDS(lttng_ust_field_string(text, text)))
LTTNG_UST_TRACEPOINT_EVENT(mplog_bench, values, LTTNG_UST_TP_ARGS(int, request, const char *, worker, double, ms),
                           LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(int, request, request)
                                                   lttng_ust_field_string(worker, worker)
                                                       lttng_ust_field_float(double, ms, ms)))

#endif

#include <lttng/tracepoint-event.h>
