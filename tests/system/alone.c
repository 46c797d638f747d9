/* SPDX-License-Identifier: Unlicense
 *
 * A program that looks at itself: what belongs to it is as it was before mplog came.
 *
 *     alone state OPTION...     at set-up, while it logs, when another collector has been started (it says "ready" and
 *                               waits for a line on stdin), after shutdown; "changed" lines tell what is not the same
 *     alone errno OPTION...     log calls of all kinds leave errno alone
 *     alone cancel OPTION...    log calls of a thread that has been cancelled already come back
 */
#include <errno.h>
#include <locale.h>
#include <mplog.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "resources.h"

extern char **environ;

#define STATE_BYTES 65536u
#define OWN_ERRNO 12345
#define LARGE_BYTES 300000u

static struct mplog_options o = MPLOG_OPTIONS_INIT;
static _Atomic int children_ended;
static char large[LARGE_BYTES + 1];

static void take_options(char **pairs)
{
    for (; *pairs; pairs++) {
        char *equals = strchr(*pairs, '=');
        *equals = '\0';
        if (mplog_options_set(&o, *pairs, equals + 1) < 0) {
            fprintf(stderr, "alone: %s\n", mplog_last_error());
            exit(100);
        }
    }
}

static void set_up(void)
{
    if (mplog_setup_logging(&o) < 0) {
        fprintf(stderr, "alone: %s\n", mplog_last_error());
        exit(111);
    }
}

/* ---- what belongs to the program: one line for each thing ---- */

struct state {
    char text[STATE_BYTES];
    size_t len;
};

static void note(struct state *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct state *s, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    s->len += (size_t)vsnprintf(s->text + s->len, STATE_BYTES - s->len, format, ap);
    va_end(ap);
    if (s->len >= STATE_BYTES)
        abort();
}

static void note_signals(struct state *s)
{
    struct sigaction a;
    sigset_t mask, pending;
    stack_t stack;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    sigpending(&pending);
    for (int i = 1; i < SIGRTMAX; i++) {
        if (sigaction(i, NULL, &a) == 0)
            note(s, "signal %d: %p %x %d %d\n", i, (void *)(uintptr_t)a.sa_handler, (unsigned)a.sa_flags,
                 sigismember(&mask, i), sigismember(&pending, i));
    }
    sigaltstack(NULL, &stack);
    note(s, "alternate stack: %p %d\n", stack.ss_sp, stack.ss_flags);
}

/* "Umask" and the like. */
static void note_status(struct state *s, const char *name)
{
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, name, strlen(name)) == 0)
            note(s, "%s", line);
    }
    if (f)
        fclose(f);
}

static void note_limits(struct state *s)
{
    uint64_t limit[2]; /* the C libraries disagree about the types of getrlimit */
    for (int i = 0; i < 16; i++) {
        if (syscall(SYS_prlimit64, 0, i, NULL, limit) == 0)
            note(s, "limit %d: %llu %llu\n", i, (unsigned long long)limit[0], (unsigned long long)limit[1]);
    }
}

static void look(struct state *s)
{
    char cwd[4096], name[17] = "";
    struct itimerval timer;
    cpu_set_t cpus;
    s->len = 0;
    note_signals(s);
    note_limits(s);
    for (char **e = environ; *e; e++) {
        if (strncmp(*e, "MPLOG_SESSION=", 14) != 0)
            note(s, "%s\n", *e);
    }
    prctl(PR_GET_NAME, name);
    getitimer(ITIMER_REAL, &timer);
    sched_getaffinity(0, sizeof cpus, &cpus);
    note(s, "directory: %s\n", getcwd(cwd, sizeof cwd));
    note(s, "locale: %s\n", setlocale(LC_ALL, NULL));
    note(s, "name: %s\n", name);
    note(s, "timer: %ld\n", (long)timer.it_value.tv_sec);
    note(s, "scheduling: %d %d %d\n", sched_getscheduler(0), getpriority(PRIO_PROCESS, 0), CPU_COUNT(&cpus));
    note(s, "session: %d group: %d\n", (int)getsid(0), (int)getpgrp());
    note(s, "dumpable: %d no new rights: %d\n", prctl(PR_GET_DUMPABLE), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    note_status(s, "Umask");
    note(s, "threads: %d\n", count_entries("/proc/self/task"));
    int rc = (int)waitpid(-1, NULL, WNOHANG | (int)__WALL);
    note(s, "children: %d %d\n", rc, rc < 0 ? errno : 0);
    note(s, "children that have ended: %d\n", atomic_load(&children_ended));
}

/* Lines that are not the same. */
static void compare(const char *when, const struct state *before, const struct state *now)
{
    const char *a = before->text, *b = now->text;
    while (*a && *b) {
        size_t na = strcspn(a, "\n"), nb = strcspn(b, "\n");
        if (na != nb || memcmp(a, b, na) != 0)
            printf("changed %s: %.*s; now %.*s\n", when, (int)na, a, (int)nb, b);
        a += na + (a[na] == '\n');
        b += nb + (b[nb] == '\n');
    }
    if (*a || *b)
        printf("changed %s: %s%s\n", when, a, b);
    printf("looked=%s\n", when);
    fflush(stdout);
}

static void child_ended(int number)
{
    (void)number;
    atomic_fetch_add(&children_ended, 1);
}

static void *log_much(void *unused)
{
    mplog_logger *log = mplog_get_logger("alone");
    for (int i = 0; i < 2000; i++)
        mplog_info(log, "%d %s %f", i, "text", 0.5);
    mplog_info(log, "%s", large);
    return unused;
}

static void log_from_threads(void)
{
    pthread_t thread[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, log_much, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    log_much(NULL);
}

static int run_state(void)
{
    static struct state before, now;
    struct sigaction a = {.sa_handler = child_ended, .sa_flags = SA_RESTART};
    sigaction(SIGCHLD, &a, NULL);
    setlocale(LC_ALL, "C.UTF-8");
    int fds = count_entries("/proc/self/fd");
    look(&before);
    set_up();
    look(&now);
    compare("set-up", &before, &now);
    log_from_threads();
    look(&now);
    compare("calls", &before, &now);
    printf("ready=1\n");
    fflush(stdout);
    getchar();
    log_from_threads();
    mplog_flush(5000);
    look(&now);
    compare("another", &before, &now);
    mplog_shutdown_logging();
    look(&now);
    compare("shutdown", &before, &now);
    printf("fds=%d session=%s\n", count_entries("/proc/self/fd") - fds, getenv("MPLOG_SESSION") ? "left" : "none");
    return 0;
}

/* ---- errno ---- */

static _Atomic int wrong;

static void check_errno(const char *what)
{
    if (errno != OWN_ERRNO) {
        if (!atomic_exchange(&wrong, 1))
            printf("changed errno: %s: %d\n", what, errno);
    }
    errno = OWN_ERRNO;
}

static void *log_with_errno(void *where)
{
    const char *name = where;
    mplog_logger *log = mplog_get_logger("alone");
    errno = OWN_ERRNO;
    mplog_info(log, "first call %s", name);
    check_errno(name);
    for (int i = 0; i < 30000; i++) { /* the ring grows, and is full where that is not allowed */
        mplog_info(log, "%d %s %f %m", i, "text", 0.5);
        check_errno(name);
    }
    mplog_info(log, "%s", large);
    check_errno(name);
    mplog_log_text(log, MPLOG_WARNING, large, 1000);
    check_errno(name);
    mplog_debug(log, "not enabled %d", 1);
    check_errno(name);
    mplog_is_enabled_for(log, MPLOG_INFO);
    check_errno(name);
    return where;
}

static void run_thread(const char *name)
{
    pthread_t thread;
    pthread_create(&thread, NULL, log_with_errno, (void *)(uintptr_t)name);
    pthread_join(thread, NULL);
}

/* What calls of the system fail with then must not be seen. */
static void forbid_growth(bool is_forbidden)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = is_forbidden ? 8192 : limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

/* 1: not all was well. */
static int run_child(const char *name, bool is_forbidden)
{
    int status = 1;
    pid_t pid = fork();
    if (pid == 0) {
        close(STDERR_FILENO);
        forbid_growth(is_forbidden);
        log_with_errno((void *)(uintptr_t)name);
        forbid_growth(false);
        fflush(stdout);
        _exit(wrong);
    }
    waitpid(pid, &status, 0);
    return status != 0;
}

static int run_errno(void)
{
    set_up();
    run_thread("thread");
    forbid_growth(true);
    run_thread("thread without memory");
    forbid_growth(false);
    int failed = run_child("child", false) | run_child("child without memory", true);
    mplog_shutdown_logging();
    close(STDERR_FILENO);
    errno = OWN_ERRNO;
    mplog_error(mplog_get_logger("alone"), "after shutdown %d", 1);
    check_errno("after shutdown");
    mplog_log_text(mplog_get_logger("alone"), MPLOG_ERROR, large, 1000);
    check_errno("text after shutdown");
    printf("end=%d\n", wrong || failed);
    return 0;
}

/* ---- cancellation ---- */

static _Atomic int is_cancelled, has_come_back;

static void *log_cancelled(void *unused)
{
    while (!atomic_load(&is_cancelled))
        ;
    log_with_errno((char[]){"cancelled thread"});
    atomic_store(&has_come_back, 1);
    for (;;)
        pthread_testcancel();
    return unused;
}

static int run_cancel(void)
{
    pthread_t thread;
    void *result = NULL;
    set_up();
    pthread_create(&thread, NULL, log_cancelled, NULL);
    pthread_cancel(thread);
    atomic_store(&is_cancelled, 1);
    pthread_join(thread, &result);
    printf("cancelled=%d back=%d\n", result == PTHREAD_CANCELED, atomic_load(&has_come_back));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 100;
    memset(large, 'x', LARGE_BYTES);
    take_options(argv + 2);
    return strcmp(argv[1], "state") == 0 ? run_state() : strcmp(argv[1], "errno") == 0 ? run_errno() : run_cancel();
}
