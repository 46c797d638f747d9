/* SPDX-License-Identifier: Unlicense
 *
 * Cost of a call: bursts of 20 calls timed as one, with pauses in between so that nobody's buffer fills up. C11 and
 * C++17.
 */
#ifndef BENCH_BURST_H
#define BENCH_BURST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BURST_CALLS 20
#define BURSTS 5000
#define PAUSE_NS 200000

static inline uint64_t bench_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The CPU's counter with all earlier instructions done. */
static inline uint64_t bench_ticks(void)
{
#if defined(__x86_64__)
    uint32_t low, high;
    __asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
#else
    return bench_ns();
#endif
}

static inline double bench_ns_per_tick(void)
{
    uint64_t ns = bench_ns(), ticks = bench_ticks();
    while (bench_ns() - ns < 50000000)
        ;
    return (double)(bench_ns() - ns) / (double)(bench_ticks() - ticks);
}

static int bench_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static inline void bench_pause(void)
{
    for (uint64_t begin = bench_ns(); bench_ns() - begin < PAUSE_NS;)
        ;
}

/* Prints "<name> ns_per_call p50 p99 p99.9" of the bursts in `ticks`. */
static inline void bench_report(const char *name, uint64_t *ticks, double ns_per_tick)
{
    qsort(ticks, BURSTS, sizeof *ticks, bench_compare);
    double scale = ns_per_tick / BURST_CALLS;
    printf("%-28s %8.1f %8.1f %8.1f\n", name, (double)ticks[BURSTS / 2] * scale,
           (double)ticks[BURSTS * 99 / 100] * scale, (double)ticks[BURSTS * 999 / 1000] * scale);
    fflush(stdout);
}

/* Times `call`, which may use the index i. */
#define BENCH_BURSTS(name, ns_per_tick, call)                                                                          \
    do {                                                                                                               \
        static uint64_t bench_times[BURSTS];                                                                           \
        for (int b = 0; b < BURSTS; b++) {                                                                             \
            bench_pause();                                                                                             \
            uint64_t begin = bench_ticks();                                                                            \
            for (int i = 0; i < BURST_CALLS; i++) {                                                                    \
                call;                                                                                                  \
            }                                                                                                          \
            bench_times[b] = bench_ticks() - begin;                                                                    \
        }                                                                                                              \
        bench_report(name, bench_times, ns_per_tick);                                                                  \
    } while (0)

#endif
