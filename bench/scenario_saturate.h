/* SPDX-License-Identifier: Unlicense
 *
 *     saturate [calls=20000] [repeats=50] [threads=1]
 *
 * Calls without a pause. `room`: runs of `calls` calls with everything written in between, so that the logger works
 * beside the caller but its buffer never fills up. `full`: all of them at once; a logger that loses nothing cannot be
 * faster than its slowest part.
 */
#ifndef BENCH_SCENARIO_SATURATE_H
#define BENCH_SCENARIO_SATURATE_H

#include "scenario_call.h"

#include <pthread.h>

#define SATURATE_LOOP 1000000

static long long saturate_calls = 20000, saturate_repeats = 50, saturate_threads = 1;

static __attribute__((noinline)) void saturate_log(long long calls)
{
    for (int i = 0; i < (int)calls; i++)
        LOG_VALUES(i);
}

static void *saturate_thread(void *ns)
{
    uint64_t begin = bench_ns();
    saturate_log(saturate_calls * saturate_repeats / saturate_threads);
    *(uint64_t *)ns = bench_ns() - begin;
    return NULL;
}

static int saturate_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Median of the runs' means. */
static double saturate_with_room(void)
{
    static double ns[10000];
    for (long long r = 0; r < saturate_repeats; r++) {
        LOGGER_SETTLE();
        bench_sleep_ns(1000000);
        uint64_t begin = bench_ns();
        saturate_log(saturate_calls);
        ns[r] = (double)(bench_ns() - begin) / (double)saturate_calls;
    }
    qsort(ns, (size_t)saturate_repeats, sizeof *ns, saturate_compare);
    return ns[saturate_repeats / 2];
}

static double saturate_disabled(void)
{
    uint64_t begin = bench_ns();
    for (int i = 0; i < SATURATE_LOOP; i++) {
        LOG_DISABLED(i);
        __asm__ volatile("" ::: "memory");
    }
    return (double)(bench_ns() - begin) / SATURATE_LOOP;
}

static double saturate_counter(void)
{
    uint64_t begin = bench_ns();
    for (int i = 0; i < SATURATE_LOOP; i++)
        call_sink = call_counter();
    return (double)(bench_ns() - begin) / SATURATE_LOOP;
}

/* Mean of all threads' calls. */
static double saturate_full(void)
{
    pthread_t thread[64];
    uint64_t ns[64], sum = 0;
    for (long long t = 0; t < saturate_threads; t++) {
        if (pthread_create(&thread[t], NULL, saturate_thread, &ns[t]) != 0)
            bench_fail("a thread cannot be started");
    }
    for (long long t = 0; t < saturate_threads; t++) {
        pthread_join(thread[t], NULL);
        sum += ns[t];
    }
    return (double)sum / (double)(saturate_calls * saturate_repeats);
}

static void run_saturate(char **argv)
{
    static const struct bench_option options[] = {
        {"calls", &saturate_calls, NULL},
        {"repeats", &saturate_repeats, NULL},
        {"threads", &saturate_threads, NULL},
        {NULL, NULL, NULL},
    };
    char path[PATH_MAX + 16];
    bench_take_arguments(options, argv);
    if (saturate_repeats < 1 || saturate_repeats > 10000 || saturate_threads < 1 || saturate_threads > 64)
        bench_fail("repeats: 1..10000; threads: 1..64");
    snprintf(path, sizeof path, "%s/app.log", bench_folder);
    logger_open(path, 0, 0);
    logger_begin_process();
    saturate_log(saturate_calls); /* rings and buffers have grown, and their pages are there */
    double room = saturate_with_room();
    double full = saturate_full(), disabled = saturate_disabled(), counter = saturate_counter();
    logger_end_process();
    logger_flush();
    logger_close();
    printf("logger=%s\nthreads=%lld\n", LOGGER_NAME, saturate_threads);
    printf("room_ns=%.2f\nfull_ns=%.2f\ndisabled_ns=%.2f\ncounter_ns=%.2f\n", room, full, disabled, counter);
}

#endif
