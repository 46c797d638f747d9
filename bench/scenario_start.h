/* SPDX-License-Identifier: Unlicense
 *
 *     start
 *
 * What a program pays once: until logging is set up, for the first call, until that line is in the file. The time of
 * the whole program, exit included, is taken by whoever runs this.
 */
#ifndef BENCH_SCENARIO_START_H
#define BENCH_SCENARIO_START_H

#include "bench.h"

static void run_start(char **argv)
{
    static const struct bench_option options[] = {{NULL, NULL, NULL}};
    char path[PATH_MAX + 16];
    bench_take_arguments(options, argv);
    snprintf(path, sizeof path, "%s/app.log", bench_folder);
    uint64_t begin = bench_ns();
    logger_open(path, 10485760, 5);
    logger_begin_process();
    uint64_t set_up = bench_ns();
    LOG_VALUES(1);
    uint64_t called = bench_ns();
    logger_end_process();
    logger_flush();
    uint64_t written = bench_ns();
    printf("logger=%s\nset_up_ns=%llu\nfirst_call_ns=%llu\nflush_ns=%llu\nuntil_line_ns=%llu\n", LOGGER_NAME,
           (unsigned long long)(set_up - begin), (unsigned long long)(called - set_up),
           (unsigned long long)(written - called), (unsigned long long)(written - begin));
}

#endif
