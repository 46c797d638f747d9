/* SPDX-License-Identifier: Unlicense
 *
 * One thread of a process joins a session, or changes to another; another thread forks just then. The child has what
 * stood in memory at that moment, and must come to the same lines as ever: with the logger and the call site that its
 * parents have defined.
 *
 * Each moment before and after a system call that changes what is mapped or open is tried. To be linked with
 * -Wl,--wrap=mmap,--wrap=mmap64,--wrap=munmap,--wrap=close.
 */
#include <mplog.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define MOMENTS_MAX 2000 /* of a join there are some hundred */
#define NOT_REACHED 3    /* exit status */

/* ---- moments ---- */

static _Thread_local bool is_watched; /* in the thread that joins */
static long moments, at;
static sem_t wanted, forked; /* of the process that is forked */

static void pass_moment(void)
{
    if (!is_watched || ++moments != at)
        return;
    is_watched = false;
    sem_post(&wanted);
    while (sem_wait(&forked) < 0)
        ;
}

int __real_munmap(void *address, size_t bytes);
int __wrap_munmap(void *address, size_t bytes);
int __wrap_munmap(void *address, size_t bytes)
{
    pass_moment();
    int result = __real_munmap(address, bytes);
    pass_moment();
    return result;
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    pass_moment();
    int result = __real_close(fd);
    pass_moment();
    return result;
}

#define WRAP_MMAP(name)                                                                                                \
    void *__real_##name(void *address, size_t bytes, int access, int flags, int fd, off_t offset);                     \
    void *__wrap_##name(void *address, size_t bytes, int access, int flags, int fd, off_t offset);                     \
    void *__wrap_##name(void *address, size_t bytes, int access, int flags, int fd, off_t offset)                      \
    {                                                                                                                  \
        pass_moment();                                                                                                 \
        void *result = __real_##name(address, bytes, access, flags, fd, offset);                                       \
        pass_moment();                                                                                                 \
        return result;                                                                                                 \
    }

WRAP_MMAP(mmap)
#ifdef __GLIBC__
WRAP_MMAP(mmap64) /* what mmap is called where _FILE_OFFSET_BITS is 64 */
#endif

/* ---- processes ---- */

static char folder[] = "/tmp/mplog-fork-XXXXXX";
static char first_log[64], second_log[64];

static struct mplog_options options_for(const char *log_file)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = log_file;
    o.log_to_stderr = false;
    o.max_bytes = 0;
    o.collector = "thread";
    o.ring_dir = folder;
    o.format_string = "%(name)s: %(message)s";
    return o;
}

/* One call site for all, which the first process defines. */
static void say(const char *who) { mplog_info(mplog_get_logger("moments"), "%s says it", who); }

static void say_as_thread(void) { say("thread"); }

static void change_session(void)
{
    struct mplog_options o = options_for(second_log);
    if (mplog_setup_logging(&o) < 0)
        _exit(9);
    say("thread");
}

static void *run_watched(void *do_fn)
{
    is_watched = true;
    ((void (*)(void))(uintptr_t)do_fn)();
    if (is_watched) {
        is_watched = false; /* what the C library does at the end of a thread is no moment of ours */
        sem_post(&wanted);  /* there is none with that number */
    }
    return NULL;
}

static int status_of(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) != pid)
        return 100;
    return WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* In a process of its own: a thread does that, and at moment `at` of it this one forks a child that logs. */
static int fork_at_moment(void (*do_fn)(void))
{
    pthread_t thread;
    int status = NOT_REACHED;
    if (sem_init(&wanted, 0, 0) < 0 || sem_init(&forked, 0, 0) < 0 ||
        pthread_create(&thread, NULL, run_watched, (void *)(uintptr_t)do_fn) != 0)
        return 8;
    while (sem_wait(&wanted) < 0)
        ;
    if (moments >= at) {
        pid_t child = fork();
        if (child == 0) {
            say("child");
            say("child");
            mplog_flush(-1);
            _exit(0);
        }
        sem_post(&forked);
        status = status_of(child);
    }
    pthread_join(thread, NULL);
    mplog_shutdown_logging();
    return status;
}

/* ---- what is in the files ---- */

struct found {
    long child, thread, other;
};

static void count_lines(const char *path, struct found *f)
{
    char line[256];
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        f->child += strcmp(line, "moments: child says it\n") == 0;
        f->thread += strcmp(line, "moments: thread says it\n") == 0;
        bool is_known = strcmp(line, "moments: parent says it\n") == 0 || strncmp(line, "moments: child", 14) == 0 ||
                        strncmp(line, "moments: thread", 15) == 0;
        f->other += !is_known;
        if (!is_known && f->other < 5)
            printf("# %s", line);
    }
    if (file)
        fclose(file);
}

static void try_moments(void (*do_fn)(void))
{
    struct mplog_options o = options_for(first_log);
    struct found f = {0, 0, 0};
    long tried = 0;
    int status = 0;
    o.file_mode = "w";
    unlink(second_log);
    CHECK_INT(mplog_setup_logging(&o), 0);
    say("parent");
    for (at = 1; at < MOMENTS_MAX; at++, tried++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(fork_at_moment(do_fn));
        status = status_of(pid);
        if (status != 0)
            break;
    }
    CHECK_INT(status, NOT_REACHED);
    mplog_shutdown_logging();
    count_lines(first_log, &f);
    count_lines(second_log, &f);
    CHECK_INT(f.other, 0);
    CHECK_INT(f.child, 2 * tried);
    CHECK_INT(f.thread, tried + 1);
    CHECK(tried > 20);
}

static void child_forked_at_any_moment_of_a_join_knows_all_definitions(void) { try_moments(say_as_thread); }

static void child_forked_at_any_moment_of_a_change_of_session_logs(void) { try_moments(change_session); }

int main(void)
{
    static const struct test_case cases[] = {
        TEST_CASE(child_forked_at_any_moment_of_a_join_knows_all_definitions),
        TEST_CASE(child_forked_at_any_moment_of_a_change_of_session_logs),
    };
    if (!mkdtemp(folder))
        return 99;
    snprintf(first_log, sizeof first_log, "%s/first.log", folder);
    snprintf(second_log, sizeof second_log, "%s/second.log", folder);
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    unlink(first_log);
    unlink(second_log);
    rmdir(folder);
    return result;
}
