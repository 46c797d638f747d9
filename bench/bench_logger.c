/* SPDX-License-Identifier: Unlicense
 *
 *     bench_<logger> SCENARIO [name=value ...]
 *
 * Compiled once for each logger, with -DBENCH_LOGGER='"loggers/....h"', as C or as C++: the same code asks all of them
 * the same questions.
 */
#include "bench.h"

#include BENCH_LOGGER

/* Waits, before something is measured, until what was logged is written. */
#ifndef LOGGER_SETTLE
#define LOGGER_SETTLE() ((void)0)
#endif
#ifndef LOGGER_EXTRA_LINES
#define LOGGER_EXTRA_LINES 0
#endif

#include "scenario_call.h"
#include "scenario_delay.h"
#include "scenario_files.h"
#include "scenario_saturate.h"
#include "scenario_start.h"

static const struct scenario {
    const char *name;
    void (*run)(char **argv);
} scenarios[] = {
    {"call", run_call},   {"saturate", run_saturate}, {"files", run_files},
    {"delay", run_delay}, {"start", run_start},       {NULL, NULL},
};

int main(int argc, char **argv)
{
    const struct scenario *s = scenarios;
    while (argc > 1 && s->name && strcmp(s->name, argv[1]) != 0)
        s++;
    if (argc < 2 || !s->name)
        bench_fail("usage: %s call|saturate|files|delay|start [name=value ...]", argv[0]);
    bench_folder_make();
    s->run(argv + 1);
    return 0;
}
