/* SPDX-License-Identifier: Unlicense
 *
 * Producers and collector as threads of one process on one mapping, for ThreadSanitizer; also run without it. Each test
 * counts what stands in the file.
 */
#include <mplog.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit/harness.h"
#include "producer/process.h"

#define THREADS 6
#define RECORDS 4000
#define RING_BYTES (65536u + 4096u) /* of a thread, with its head */

static char directory[] = "/tmp/mplog-threads-XXXXXX";
static char log_path[64];

/* Small where somebody waits for records of threads that never pause: what lies in the rings then is written soon. */
static long long ring_max_bytes = 4 << 20;

static int set_up(long long max_bytes)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = log_path;
    o.log_to_stderr = false;
    o.collector = "thread";
    o.format_string = "%(threadName)s %(message)s";
    o.max_bytes = max_bytes;
    o.backup_count = 1000;
    o.ring_max_bytes = ring_max_bytes;
    int error = mplog_setup_logging(&o);
    if (error)
        printf("# %s\n", mplog_last_error());
    return error;
}

/* Reads the log and its backups, oldest first, and deletes them. Each line is "<thread> <number> ..."; numbers of a
 * thread must follow each other. Returns the count of lines; -1: out of order. */
static long count_lines(void)
{
    long lines = 0, next[64] = {0};
    bool is_ordered = true;
    for (int backup = 1000; backup >= 0; backup--) {
        char path[96], line[512];
        snprintf(path, sizeof path, backup ? "%s.%d" : "%s", log_path, backup);
        FILE *f = fopen(path, "r");
        if (!f)
            continue;
        while (fgets(line, sizeof line, f)) {
            unsigned thread;
            long number;
            lines++;
            if (sscanf(line, "t%u %ld", &thread, &number) == 2 && thread < 64) {
                is_ordered = is_ordered && number == next[thread];
                next[thread] = number + 1;
            }
        }
        fclose(f);
        unlink(path);
    }
    return is_ordered ? lines : -1;
}

struct job {
    unsigned index, records, long_every;
};

static void *log_records(void *arg)
{
    const struct job *job = arg;
    char name[16], filler[3000];
    mplog_logger *log = mplog_get_logger("threads");
    snprintf(name, sizeof name, "t%u", job->index);
    memset(filler, 'x', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    mplog_set_thread_name(name);
    for (unsigned i = 0; i < job->records; i++) {
        bool is_long = job->long_every && i % job->long_every == 0;
        mplog_info(log, "%u %s %f", i, is_long ? filler + 2700 : "short", i * 0.5);
    }
    return NULL;
}

static void run_jobs(unsigned threads, unsigned records, unsigned long_every)
{
    pthread_t thread[64];
    struct job job[64];
    for (unsigned i = 0; i < threads; i++) {
        job[i] = (struct job){i, records, long_every};
        pthread_create(&thread[i], NULL, log_records, &job[i]);
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
}

static void threads_at_once_all_records_arrive_in_order(void)
{
    CHECK_INT(set_up(100000), 0);
    run_jobs(THREADS, RECORDS, 7);
    CHECK_INT(mplog_flush(20000), 0);
    mplog_shutdown_logging();
    CHECK_INT(count_lines(), THREADS * RECORDS);
}

static void threads_one_after_another_reuse_rings(void)
{
    CHECK_INT(set_up(0), 0);
    for (int i = 0; i < 200; i++) {
        run_jobs(1, 5, 0);
        if (i % 10 == 9)
            mplog_flush(5000); /* now the rings before are free */
    }
    uint64_t bytes = mpl_process.segment->file_bytes;
    mplog_shutdown_logging();
    CHECK(bytes < 50 * RING_BYTES);
    long lines = 0;
    FILE *f = fopen(log_path, "r");
    for (int c; (c = fgetc(f)) != EOF;)
        lines += c == '\n';
    fclose(f);
    unlink(log_path);
    CHECK_INT(lines, 200 * 5);
}

static _Atomic bool must_end;
static _Atomic unsigned long accepted;

static void *log_until_told(void *arg)
{
    mplog_logger *log = mplog_get_logger("churn");
    (void)arg;
    for (unsigned i = 0; !atomic_load(&must_end); i++) {
        mplog_info(log, "record %u of %s", i, "churn");
        atomic_fetch_add(&accepted, 1);
        if (i % 64 == 0)
            usleep(100);
    }
    return NULL;
}

/* Other threads log while the process shuts down, sets up again, and takes other names. What is logged between a
 * shutdown and the next set-up goes nowhere (it is below WARNING), so lines are not counted here, only races. */
static void sessions_change_under_logging_threads(void)
{
    pthread_t thread[3];
    ring_max_bytes = 65536;
    CHECK_INT(set_up(0), 0);
    for (int i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, log_until_told, NULL);
    int failures = 0;
    for (int i = 0; i < 15; i++) {
        mplog_set_process_name(i % 2 ? "odd" : "even");
        int flushed = mplog_flush(10000);
        if (i % 3 == 0)
            mplog_shutdown_logging();
        int is_set_up = set_up(i % 2 ? 50000 : 60000); /* other options: another session */
        if (flushed || is_set_up)
            printf("# round %d: flush %d, set-up %d: %s\n", i, flushed, is_set_up, mplog_last_error());
        failures += flushed || is_set_up;
        usleep(2000);
    }
    atomic_store(&must_end, true);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    mplog_shutdown_logging();
    long lines = count_lines();
    CHECK_INT(failures, 0);
    CHECK(atomic_load(&accepted) > 0 && lines != 0);
}

static void levels_change_under_logging_threads(void)
{
    pthread_t thread[3];
    CHECK_INT(set_up(0), 0);
    atomic_store(&must_end, false);
    for (int i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, log_until_told, NULL);
    for (int i = 0; i < 30; i++) {
        mplog_set_level(mplog_get_logger("churn"), i % 2 ? MPLOG_DEBUG : MPLOG_ERROR);
        CHECK_INT(mplog_set_session_level("churn", i % 3 ? MPLOG_INFO : MPLOG_NOTSET), 0);
        usleep(500);
    }
    atomic_store(&must_end, true);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    mplog_shutdown_logging();
    count_lines();
}

static void ring_full_of_records_waits_for_the_collector(void)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = log_path;
    o.log_to_stderr = false;
    o.collector = "thread";
    o.format_string = "%(threadName)s %(message)s";
    o.max_bytes = 0;
    o.ring_max_bytes = 65536;
    o.ring_budget_bytes = 200000; /* two rings and a shared one */
    CHECK_INT(mplog_setup_logging(&o), 0);
    run_jobs(THREADS, RECORDS, 3);
    mplog_shutdown_logging();
    CHECK_INT(count_lines(), THREADS * RECORDS);
}

int main(void)
{
    static const struct test_case cases[] = {
        TEST_CASE(threads_at_once_all_records_arrive_in_order),  TEST_CASE(threads_one_after_another_reuse_rings),
        TEST_CASE(sessions_change_under_logging_threads),        TEST_CASE(levels_change_under_logging_threads),
        TEST_CASE(ring_full_of_records_waits_for_the_collector),
    };
    if (!mkdtemp(directory))
        return 99;
    snprintf(log_path, sizeof log_path, "%s/app.log", directory);
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    rmdir(directory);
    return result;
}
