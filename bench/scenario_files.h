/* SPDX-License-Identifier: Unlicense
 *
 *     files [processes=4] [threads=1] [records=250000] [max_bytes=10485760] [backups=50]
 *
 * Processes x threads log `records` records each (integer, string, double) into one file. The time runs from the moment
 * when all of them have logged one record and wait, until everything is in the file. Then the lines are counted.
 */
#ifndef BENCH_SCENARIO_FILES_H
#define BENCH_SCENARIO_FILES_H

#include "count.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Ten thousand threads at glibc's default would need 80 GB of address space. */
#define STACK_BYTES (128u * 1024)

static long long files_processes = 4, files_threads = 1, files_records = 250000, files_max_bytes = 10485760,
                 files_backups = 50;

static struct files_barrier {
    uint32_t ready, go, done, leave;
} * files_barrier;

static uint32_t files_talkers(void) { return (uint32_t)(files_processes * files_threads); }

static void *files_talk(void *unused)
{
    LOG_VALUES(0);
    bench_add(&files_barrier->ready, files_talkers());
    bench_await(&files_barrier->go, 1);
    for (int i = 0; i < (int)files_records; i++)
        LOG_VALUES(i);
    return unused;
}

static void files_run_threads(void)
{
    pthread_t *thread = (pthread_t *)calloc((size_t)files_threads, sizeof *thread);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    for (int i = 0; thread && i < (int)files_threads; i++) {
        if (pthread_create(&thread[i], &attributes, files_talk, NULL) != 0)
            bench_fail("thread %d cannot be started", i);
    }
    for (int i = 0; thread && i < (int)files_threads; i++)
        pthread_join(thread[i], NULL);
    free(thread);
}

static void files_run_process(void)
{
    logger_begin_process();
    if (files_threads == 1)
        files_talk(NULL);
    else
        files_run_threads();
    logger_end_process();
    bench_add(&files_barrier->done, (uint32_t)files_processes);
    bench_await(&files_barrier->leave, 1); /* an exit is not part of what is measured */
    _exit(0);
}

static void files_start_processes(void)
{
    for (int i = 0; i < (int)files_processes; i++) {
        pid_t pid = fork();
        if (pid < 0)
            bench_fail("fork: %s", strerror(errno));
        if (pid == 0)
            files_run_process();
    }
    bench_await(&files_barrier->ready, files_talkers());
}

static void files_measure(uint64_t *logged_ns, uint64_t *elapsed_ns)
{
    uint64_t begin = bench_ns();
    bench_open(&files_barrier->go);
    bench_await(&files_barrier->done, (uint32_t)files_processes);
    *logged_ns = bench_ns() - begin;
    logger_flush();
    *elapsed_ns = bench_ns() - begin;
    bench_open(&files_barrier->leave);
    for (int i = 0; i < (int)files_processes; i++) /* a logger may have children too */
        wait(NULL);
}

static void files_report(uint64_t logged_ns, uint64_t elapsed_ns)
{
    struct line_count n = count_lines();
    long long expected = (long long)files_talkers() * (files_records + 1);
    printf("logger=%s\nprocesses=%lld\nthreads=%lld\nrecords=%lld\n", LOGGER_NAME, files_processes, files_threads,
           expected);
    printf("elapsed_ns=%llu\nlogged_ns=%llu\n", (unsigned long long)elapsed_ns, (unsigned long long)logged_ns);
    printf("lines=%lld\nbytes=%lld\nfiles=%lld\nlost=%lld\nbad=%lld\n", n.good, n.bytes, n.files,
           expected + LOGGER_EXTRA_LINES - n.good, n.bad);
}

static void run_files(char **argv)
{
    static const struct bench_option options[] = {
        {"processes", &files_processes, NULL}, {"threads", &files_threads, NULL}, {"records", &files_records, NULL},
        {"max_bytes", &files_max_bytes, NULL}, {"backups", &files_backups, NULL}, {NULL, NULL, NULL},
    };
    char path[PATH_MAX + 16];
    uint64_t logged_ns, elapsed_ns;
    bench_take_arguments(options, argv);
    files_barrier = (struct files_barrier *)bench_shared(sizeof *files_barrier);
    snprintf(path, sizeof path, "%s/app.log", bench_folder);
    logger_open(path, files_max_bytes, (int)files_backups);
    files_start_processes();
    LOGGER_SETTLE();
    files_measure(&logged_ns, &elapsed_ns);
    logger_close();
    files_report(logged_ns, elapsed_ns);
}

#endif
