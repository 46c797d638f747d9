/* SPDX-License-Identifier: Unlicense
 *
 *     bench_files [processes=4] [threads=1] [records=250000] [max_bytes=10485760] [backups=50]
 *
 * Processes x threads log `records` records each (integer, string, double) into one file. The time runs from the moment
 * when all of them have logged one record and wait, until everything is in the file. Then the lines are counted.
 */
#include "bench.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef BENCH_LOGGER
#define BENCH_LOGGER "loggers/mplog.h"
#endif
#include BENCH_LOGGER

#include "count.h"

/* Ten thousand threads at glibc's default would need 80 GB of address space. */
#define STACK_BYTES (128u * 1024)

static long long processes = 4, threads = 1, records = 250000, max_bytes = 10485760, backups = 50;
static const struct bench_option options[] = {
    {"processes", &processes, NULL}, {"threads", &threads, NULL}, {"records", &records, NULL},
    {"max_bytes", &max_bytes, NULL}, {"backups", &backups, NULL}, {NULL, NULL, NULL},
};

static struct barrier {
    uint32_t ready, go, done, leave;
} * barrier;

static uint32_t talkers(void) { return (uint32_t)(processes * threads); }

static void *talk(void *unused)
{
    LOG_VALUES(0);
    bench_add(&barrier->ready, talkers());
    bench_await(&barrier->go, 1);
    for (int i = 0; i < (int)records; i++)
        LOG_VALUES(i);
    return unused;
}

static void run_threads(void)
{
    pthread_t *thread = (pthread_t *)calloc((size_t)threads, sizeof *thread);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    for (int i = 0; thread && i < (int)threads; i++) {
        if (pthread_create(&thread[i], &attributes, talk, NULL) != 0)
            bench_fail("thread %d cannot be started", i);
    }
    for (int i = 0; thread && i < (int)threads; i++)
        pthread_join(thread[i], NULL);
    free(thread);
}

static void run_process(void)
{
    logger_begin_process();
    if (threads == 1)
        talk(NULL);
    else
        run_threads();
    logger_end_process();
    bench_add(&barrier->done, (uint32_t)processes);
    bench_await(&barrier->leave, 1); /* an exit is not part of what is measured */
    _exit(0);
}

static void start_processes(void)
{
    for (int i = 0; i < (int)processes; i++) {
        pid_t pid = fork();
        if (pid < 0)
            bench_fail("fork: %s", strerror(errno));
        if (pid == 0)
            run_process();
    }
    bench_await(&barrier->ready, talkers());
}

int main(int argc, char **argv)
{
    (void)argc;
    char path[PATH_MAX + 16];
    bench_take_arguments(options, argv);
    barrier = (struct barrier *)bench_shared(sizeof *barrier);
    bench_folder_make();
    snprintf(path, sizeof path, "%s/app.log", bench_folder);
    logger_open(path, max_bytes, (int)backups);
    start_processes();
    logger_flush();
    uint64_t begin = bench_ns();
    bench_open(&barrier->go);
    bench_await(&barrier->done, (uint32_t)processes);
    uint64_t logged = bench_ns() - begin;
    logger_flush();
    uint64_t elapsed = bench_ns() - begin;
    bench_open(&barrier->leave);
    while (wait(NULL) > 0)
        ;
    logger_close();
    struct rusage children;
    getrusage(RUSAGE_CHILDREN, &children);
    struct line_count n = count_lines();
    long long expected = (long long)talkers() * (records + 1);
    printf("logger=%s\nprocesses=%lld\nthreads=%lld\nrecords=%lld\n", LOGGER_NAME, processes, threads, expected);
    printf("elapsed_ns=%llu\nlogged_ns=%llu\n", (unsigned long long)elapsed, (unsigned long long)logged);
    printf("lines=%lld\nbytes=%lld\nfiles=%lld\nlost=%lld\nbad=%lld\n", n.good, n.bytes, n.files, expected - n.good,
           n.bad);
    bench_folder_remove();
    return 0;
}
