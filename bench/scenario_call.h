/* SPDX-License-Identifier: Unlicense
 *
 *     call [threads=1] [bursts=1000] [sleep=0]
 *
 * What a call costs its caller: bursts of 20 calls with pauses, so that nobody's buffer fills up. Each kind of call is
 * timed in two ways in turn: 20 calls as one (burst), and each call alone (single), beside an empty pair of timers and
 * a bare read of the CPU's counter. The kinds take turns burst by burst. sleep=1: the caller sleeps in the pauses, so
 * that its code and data have left the caches; else it spins.
 */
#ifndef BENCH_SCENARIO_CALL_H
#define BENCH_SCENARIO_CALL_H

#include "bench.h"

#include <pthread.h>

#define CALL_BURST 20
#define CALL_PAUSE_NS 200000
#define CALL_THREADS_MAX 64

static long long call_threads = 1, call_bursts = 1000, call_sleep;

/* The CPU's counter with all earlier instructions done, and no later one begun. */
static inline uint64_t call_ticks(void)
{
#if defined(__x86_64__)
    uint32_t low, high;
    __asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
#else
    return bench_ns();
#endif
}

static inline uint64_t call_counter(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return bench_ns();
#endif
}

static double call_ns_per_tick(void)
{
    uint64_t ns = bench_ns(), ticks = call_ticks();
    while (bench_ns() - ns < 50000000)
        ;
    return (double)(bench_ns() - ns) / (double)(call_ticks() - ticks);
}

static const char call_text[201] =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-.,;:_#+*~!?/()[]{}0123456789"
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-.,;:_#+*~!?/()[]{}0123456789"
    "0123456789abcdef";
static volatile uint64_t call_sink;

/* What any code that works on memory pays for the pauses: a word in each of eight pages, found in the one before. */
#define CALL_PAGES 8
static void **call_chain;

static void call_make_chain(void)
{
    char *pages = (char *)aligned_alloc(4096, CALL_PAGES * 4096);
    if (!pages)
        bench_fail("out of memory");
    void **at = call_chain = (void **)(void *)pages;
    for (int i = 1; i <= CALL_PAGES; i++, at = (void **)*at)
        *at = i < CALL_PAGES ? pages + i * (4096 + 192) : (char *)call_chain;
}

static inline uint64_t call_follow_chain(void)
{
    void **at = call_chain;
    for (int i = 0; i < CALL_PAGES; i++)
        at = (void **)*(void *volatile *)at;
    return (uint64_t)(uintptr_t)at;
}

/* What a stamp costs where the kernel does not keep time with the counter. */
static inline uint64_t call_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_nsec;
}

/* Two functions per kind: 20 calls timed as one, and each timed alone. */
#define CALL_KIND(name, call)                                                                                          \
    static __attribute__((noinline)) void call_burst_##name(uint64_t *ticks)                                           \
    {                                                                                                                  \
        uint64_t begin = call_ticks();                                                                                 \
        for (int i = 0; i < CALL_BURST; i++) {                                                                         \
            call;                                                                                                      \
        }                                                                                                              \
        *ticks = call_ticks() - begin;                                                                                 \
    }                                                                                                                  \
    static __attribute__((noinline)) void call_single_##name(uint64_t *ticks)                                          \
    {                                                                                                                  \
        for (int i = 0; i < CALL_BURST; i++) {                                                                         \
            uint64_t begin = call_ticks();                                                                             \
            call;                                                                                                      \
            ticks[i] = call_ticks() - begin;                                                                           \
        }                                                                                                              \
    }

CALL_KIND(empty, (void)i)
CALL_KIND(counter, call_sink = call_counter())
CALL_KIND(clock, call_sink = call_clock())
CALL_KIND(memory, call_sink = call_follow_chain())
CALL_KIND(disabled, LOG_DISABLED(i))
CALL_KIND(constant, LOG_CONSTANT())
CALL_KIND(values, LOG_VALUES(i))
CALL_KIND(string, LOG_STRING(call_text))

static const struct call_kind {
    const char *name;
    void (*burst)(uint64_t *ticks);
    void (*single)(uint64_t *ticks);
} call_kinds[] = {
    {"empty", call_burst_empty, call_single_empty},          {"counter", call_burst_counter, call_single_counter},
    {"clock", call_burst_clock, call_single_clock},          {"memory", call_burst_memory, call_single_memory},
    {"disabled", call_burst_disabled, call_single_disabled}, {"constant", call_burst_constant, call_single_constant},
    {"values", call_burst_values, call_single_values},       {"string", call_burst_string, call_single_string},
};
#define CALL_KINDS (sizeof call_kinds / sizeof call_kinds[0])

/* What one thread measured. */
struct call_times {
    uint64_t *burst[CALL_KINDS], *single[CALL_KINDS];
};
static struct call_times call_times[CALL_THREADS_MAX];

static uint64_t *call_allocate(size_t count)
{
    uint64_t *at = (uint64_t *)malloc(count * sizeof *at);
    if (!at)
        bench_fail("out of memory");
    memset(at, 0, count * sizeof *at);
    return at;
}

static void call_pause(void)
{
    if (call_sleep)
        bench_sleep_ns(CALL_PAUSE_NS);
    else
        for (uint64_t begin = bench_ns(); bench_ns() - begin < CALL_PAUSE_NS;)
            ;
}

static void *call_run_thread(void *arg)
{
    struct call_times *t = (struct call_times *)arg;
    for (long long b = -10; b < call_bursts; b++) { /* the first ones attach the thread and publish call sites */
        size_t at = b < 0 ? 0 : (size_t)b;
        for (size_t k = 0; k < CALL_KINDS; k++) {
            call_pause();
            call_kinds[k].burst(&t->burst[k][at]);
            call_pause();
            call_kinds[k].single(&t->single[k][at * CALL_BURST]);
        }
    }
    return NULL;
}

static int call_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* "<kind>_<how>_p50=..." of what all threads measured. */
static void call_report(const char *kind, const char *how, size_t count, size_t k, bool is_burst, double scale)
{
    static const struct {
        const char *name;
        size_t per_mille;
    } quantiles[] = {{"p50", 500}, {"p99", 990}, {"p999", 999}};
    size_t total = count * (size_t)call_threads;
    uint64_t *all = call_allocate(total);
    for (size_t t = 0; t < (size_t)call_threads; t++)
        memcpy(all + t * count, is_burst ? call_times[t].burst[k] : call_times[t].single[k], count * sizeof *all);
    qsort(all, total, sizeof *all, call_compare);
    for (size_t q = 0; q < 3; q++)
        printf("%s_%s_%s=%.2f\n", kind, how, quantiles[q].name,
               (double)all[total * quantiles[q].per_mille / 1000] * scale);
    free(all);
}

static void call_run_threads(void)
{
    pthread_t thread[CALL_THREADS_MAX];
    for (int i = 1; i < (int)call_threads; i++) {
        if (pthread_create(&thread[i], NULL, call_run_thread, &call_times[i]) != 0)
            bench_fail("thread %d cannot be started", i);
    }
    call_run_thread(&call_times[0]);
    for (int i = 1; i < (int)call_threads; i++)
        pthread_join(thread[i], NULL);
}

static void call_prepare(void)
{
    if (call_threads < 1 || call_threads > CALL_THREADS_MAX || call_bursts < 1)
        bench_fail("threads: 1..%d; bursts: at least 1", CALL_THREADS_MAX);
    call_make_chain();
    for (size_t t = 0; t < (size_t)call_threads; t++) {
        for (size_t k = 0; k < CALL_KINDS; k++) {
            call_times[t].burst[k] = call_allocate((size_t)call_bursts);
            call_times[t].single[k] = call_allocate((size_t)call_bursts * CALL_BURST);
        }
    }
}

static void run_call(char **argv)
{
    static const struct bench_option options[] = {
        {"threads", &call_threads, NULL},
        {"bursts", &call_bursts, NULL},
        {"sleep", &call_sleep, NULL},
        {NULL, NULL, NULL},
    };
    char path[PATH_MAX + 16];
    bench_take_arguments(options, argv);
    call_prepare();
    snprintf(path, sizeof path, "%s/app.log", bench_folder);
    logger_open(path, 0, 0);
    logger_begin_process();
    double scale = call_ns_per_tick();
    call_run_threads();
    logger_end_process();
    logger_flush();
    logger_close();
    printf("logger=%s\nthreads=%lld\n", LOGGER_NAME, call_threads);
    for (size_t k = 0; k < CALL_KINDS; k++) {
        call_report(call_kinds[k].name, "burst", (size_t)call_bursts, k, true, scale / CALL_BURST);
        call_report(call_kinds[k].name, "single", (size_t)call_bursts * CALL_BURST, k, false, scale);
    }
}

#endif
