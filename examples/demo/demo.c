/* SPDX-License-Identifier: Unlicense
 *
 * What `make demo` shows: processes, threads, a forked child, an executed one and a shell script write one rotated
 * file. Every message is numbered and carries a checksum (tests/oracle/numbered.h), so that the files alone tell what
 * has become of them. What was accepted is appended to the file named first, "producer count" a line.
 *
 *     demo ACCEPTED LOG_FILE MPLOG        the part to be watched: some seconds
 *     demo ACCEPTED LOG_FILE --fast       as fast as it goes
 */
#include <fcntl.h>
#include <mplog.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../tests/oracle/numbered.h"

#define PROCESSES 4
#define THREADS 3
#define SLOW_RECORDS 30
#define FAST_RECORDS 80000
#define FILLER_BYTES 24u
#define HANDOFFS 40

static const char *accepted_path;

/* One write of one line: whole, whoever else appends. */
static void note_accepted(const char *producer, unsigned count)
{
    char line[96];
    int n = snprintf(line, sizeof line, "%s %u\n", producer, count), fd = open(accepted_path, O_WRONLY | O_APPEND);
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        perror(accepted_path);
    if (fd >= 0)
        close(fd);
}

/* Children of ours, to be waited for; a shell may have left us some of its own. */
static pid_t children[16];
static int child_count;

static bool fork_child(void)
{
    pid_t pid = fork();
    if (pid > 0)
        children[child_count++] = pid;
    return pid == 0;
}

static void pause_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

/* ---- threads of worker processes ---- */

struct job {
    int process, thread;
    bool is_fast;
};

static void *run_thread(void *arg)
{
    const struct job *job = arg;
    char producer[32], logger[32], name[32], filler[FILLER_BYTES + 1];
    unsigned records = job->is_fast ? FAST_RECORDS : SLOW_RECORDS;
    snprintf(producer, sizeof producer, "w%d.t%d%s", job->process, job->thread, job->is_fast ? ".fast" : "");
    snprintf(logger, sizeof logger, "worker_%d", job->process);
    snprintf(name, sizeof name, "thread-%d", job->thread);
    mplog_set_thread_name(name);
    mplog_logger *log = mplog_get_logger(logger);
    for (unsigned i = 0; i < records; i++) {
        NUMBERED_LOG(log, producer, i, FILLER_BYTES, filler);
        if (!job->is_fast)
            pause_ms(60 + (unsigned)(job->process * 17 + job->thread * 29) % 50);
    }
    note_accepted(producer, records);
    return NULL;
}

static void run_worker(int process, bool is_fast)
{
    pthread_t thread[THREADS];
    struct job job[THREADS];
    for (int i = 0; i < THREADS; i++) {
        job[i] = (struct job){process, i, is_fast};
        pthread_create(&thread[i], NULL, run_thread, &job[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

/* ---- children ---- */

static void run_child(const char *producer, const char *logger)
{
    char filler[FILLER_BYTES + 1];
    for (unsigned i = 0; i < 20; i++) {
        NUMBERED_LOG(mplog_get_logger(logger), producer, i, FILLER_BYTES, filler);
        pause_ms(100);
    }
    note_accepted(producer, 20);
}

/* Two processes hand a token to and fro through pipes; each logs and then passes on. */
static void run_handoff(const char *producer, int from, int to, int first)
{
    char token = 'x', filler[FILLER_BYTES + 1];
    unsigned sequence = 0;
    for (int i = first; i < HANDOFFS; i += 2) {
        if (i > 0 && read(from, &token, 1) != 1)
            break;
        NUMBERED_LOG_TOKEN(mplog_get_logger("handoff"), producer, sequence, FILLER_BYTES, filler, i + 1);
        sequence++;
        pause_ms(40);
        if (write(to, &token, 1) != 1)
            break;
    }
    note_accepted(producer, sequence);
}

static void fork_all(const char *self, const char *log_file, const char *mplog)
{
    int forth[2], back[2];
    for (int i = 1; i <= PROCESSES; i++) {
        if (fork_child()) {
            run_worker(i, false);
            _exit(0);
        }
    }
    if (fork_child()) {
        run_child("forked", "forked_child");
        _exit(0);
    }
    if (fork_child()) {
        execl(self, self, accepted_path, log_file, "--executed", (char *)NULL);
        _exit(127);
    }
    if (fork_child()) {
        execl("/bin/sh", "sh", "-c",
              "for i in 1 2 3 4 5 6 7 8 9 10; do echo \"line $i of a shell script\"; sleep 0.2; done"
              " | \"$0\" pipe --name shell_script",
              mplog, (char *)NULL);
        _exit(127);
    }
    if (pipe(forth) < 0 || pipe(back) < 0)
        return;
    for (int i = 0; i < 2; i++) {
        if (fork_child()) {
            run_handoff(i ? "pong" : "ping", i ? forth[0] : back[0], i ? back[1] : forth[1], i);
            _exit(0);
        }
    }
}

static int set_up(const char *log_file, bool is_fast)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = log_file;
    o.log_to_stderr = !is_fast;
    o.max_bytes = is_fast ? 10 << 20 : 20 << 10;
    o.backup_count = 1000;
    if (mplog_setup_logging(&o) == 0)
        return 0;
    fprintf(stderr, "demo: %s\n", mplog_last_error());
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: demo ACCEPTED LOG_FILE MPLOG|--fast\n");
        return 100;
    }
    accepted_path = argv[1];
    numbered_init();
    if (strcmp(argv[3], "--executed") == 0) { /* no set-up: a child is a member by itself */
        run_child("executed", "executed_child");
        return 0;
    }
    bool is_fast = strcmp(argv[3], "--fast") == 0;
    if (set_up(argv[2], is_fast))
        return 1;
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (is_fast) {
        for (int i = 1; i <= PROCESSES; i++) {
            if (fork_child()) {
                run_worker(i, true);
                _exit(0);
            }
        }
    } else {
        fork_all(argv[0], argv[2], argv[3]);
    }
    for (int i = 0; i < child_count; i++)
        waitpid(children[i], NULL, 0);
    if (mplog_flush(10000) < 0)
        fprintf(stderr, "demo: %s\n", mplog_last_error());
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (is_fast)
        printf("%.3f\n", (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9);
    return 0;
}
