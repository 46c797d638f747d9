/* SPDX-License-Identifier: Unlicense
 *
 *     bench_pass [rings=10000] [records=0] [repeats=200]
 *
 * One pass of the collector, run by hand in this process. Each of `rings` threads logs one record and sleeps.
 * records=0: time of a pass while all rings are idle. Else the threads log until `records` stand in all rings together,
 * in time order across the rings (each ring's turn is `run` records long), and the time of the pass that merges,
 * formats and writes them is shown.
 */
#include "session_by_hand.h"

#include "bench.h"

#include <pthread.h>

#define STACK_BYTES (128u * 1024)

static long long rings = 10000, records, repeats = 200, run = 1;
static uint32_t ready, turn, done, leave;
static mplog_logger *logger;

struct talker {
    pthread_t thread;
    uint32_t go;
};
static struct talker *talkers;

static void *talk(void *arg)
{
    struct talker *t = arg;
    mplog_info(logger, "request %d from %s took %f ms", 0, "worker_1", 0.25);
    bench_add(&ready, (uint32_t)rings);
    for (uint32_t turns = 1;; turns++) {
        bench_await(&t->go, turns);
        if (bench_count(&leave))
            return NULL;
        for (int i = 0; i < (int)run; i++)
            mplog_info(logger, "request %d from %s took %f ms", i, "worker_1", i * 0.25);
        bench_add(&done, 0);
        syscall(SYS_futex, &done, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}

static void wake(struct talker *t)
{
    __atomic_add_fetch(&t->go, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &t->go, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void start_talkers(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    talkers = calloc((size_t)rings, sizeof *talkers);
    for (long long i = 0; i < rings; i++) {
        if (!talkers || pthread_create(&talkers[i].thread, &attributes, talk, &talkers[i]) != 0)
            bench_fail("thread %lld cannot be started", i);
    }
    bench_await(&ready, (uint32_t)rings);
}

/* The rings take turns, so that their records are to be merged; returns how many there are. */
static long long fill(void)
{
    long long filled = 0;
    while (filled + run <= records) {
        for (long long i = 0; i < rings && filled + run <= records; i++, filled += run) {
            uint32_t before = bench_count(&done);
            wake(&talkers[i]);
            bench_await(&done, before + 1);
        }
    }
    return filled;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void measure(void)
{
    uint64_t *ns = calloc((size_t)repeats, sizeof *ns);
    long long filled = 0;
    for (long long i = 0; ns && i < repeats; i++) {
        filled = records ? fill() : 0;
        uint64_t begin = bench_ns();
        hand_pass();
        ns[i] = bench_ns() - begin;
    }
    qsort(ns, (size_t)repeats, sizeof *ns, compare);
    printf("logger=mplog\nrings=%lld\nhot=%u\nrecords=%lld\n", rings, hand_collector.hot_count, filled);
    printf("pass_p50_ns=%llu\npass_p99_ns=%llu\n", (unsigned long long)ns[repeats / 2],
           (unsigned long long)ns[repeats * 99 / 100]);
    free(ns);
}

int main(int argc, char **argv)
{
    (void)argc, (void)turn;
    static const struct bench_option options[] = {{"rings", &rings, NULL},
                                                  {"records", &records, NULL},
                                                  {"repeats", &repeats, NULL},
                                                  {"run", &run, NULL},
                                                  {NULL, NULL, NULL}};
    bench_take_arguments(options, argv);
    hand_directory();
    struct mplog_options o = hand_options();
    o.ring_dir = NULL; /* where real ones are */
    o.format_string = NULL;
    o.ring_budget_bytes = rings * 96 * 1024;
    hand_begin(&o);
    logger = mplog_get_logger("bench");
    start_talkers();
    hand_pass();
    bench_sleep_ns(50000000);
    hand_pass(); /* cold */
    measure();
    __atomic_store_n(&leave, 1, __ATOMIC_SEQ_CST);
    for (long long i = 0; i < rings; i++) {
        wake(&talkers[i]);
        pthread_join(talkers[i].thread, NULL);
    }
    hand_end();
    rmdir(hand_dir);
    free(talkers);
    return 0;
}
