/* SPDX-License-Identifier: Unlicense
 *
 * mplog run: the output of a command becomes records; its end becomes ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "commands.h"
#include "lines.h"
#include "report.h"
#include "signals.h"

/* The child has ended, but others hold its pipes. Silence for this long means that they are in no hurry; and those that
 * never stop get as long as the second. */
#define QUIET_MS 100
#define PATIENCE_MS 1000

enum { OUT, ERR, STREAMS };

struct stream {
    struct mpl_lines lines;
    mplog_logger *logger;
    struct mplog_record record; /* all of it but the message */
    int fd;                     /* -1: has ended */
    int owed_bytes; /* still to be read of what was there when the child ended, which includes all it wrote */
};

struct run {
    struct mpl_signals signals;
    struct mpl_child child;
    struct stream stream[STREAMS];
    long long ended_ms;
    bool has_no_keeper;
};

/* ---- streams ---- */

static void log_lines(struct stream *s, bool is_at_end)
{
    while (mpl_lines_next(&s->lines, is_at_end, &s->record.message, &s->record.message_len))
        mplog_log_record(s->logger, &s->record);
}

static void read_stream(struct stream *s)
{
    ssize_t n = mpl_lines_read(&s->lines, s->fd);
    if (n == -EINTR)
        return;
    log_lines(s, n <= 0);
    s->owed_bytes -= n > 0 ? (int)n : 0;
    if (n <= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

static bool have_streams_ended(const struct run *r) { return r->stream[OUT].fd < 0 && r->stream[ERR].fd < 0; }

static bool is_anything_owed(const struct run *r)
{
    return (r->stream[OUT].fd >= 0 && r->stream[OUT].owed_bytes > 0) ||
           (r->stream[ERR].fd >= 0 && r->stream[ERR].owed_bytes > 0);
}

/* ---- signals ---- */

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void look_at_child(struct run *r)
{
    if (r->child.has_ended)
        return;
    mpl_child_look(&r->child);
    if (!r->child.has_ended)
        return;
    r->ended_ms = now_ms();
    for (int i = 0; i < STREAMS; i++) {
        if (r->stream[i].fd >= 0 && ioctl(r->stream[i].fd, FIONREAD, &r->stream[i].owed_bytes) < 0)
            r->stream[i].owed_bytes = 0;
    }
}

static void take_signals(struct run *r)
{
    int number;
    bool is_for_all, has_child_changed = false;
    while (mpl_signals_take(&r->signals, &number, &is_for_all)) {
        if (number == SIGCHLD)
            has_child_changed = true;
        else if (!is_for_all)
            mpl_child_signal(&r->child, number);
    }
    /* Last, for it may stop us: what was sent to the child before has been passed on. */
    if (has_child_changed)
        look_at_child(r);
}

/* ---- the keeper ---- */

/* A pipe may have a reader who waits for its end, as $(command 2>&1) does. A file or a terminal has none. */
static bool must_release_stderr(void)
{
    struct stat st;
    return fstat(STDERR_FILENO, &st) < 0 || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode);
}

static void leave_surroundings(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    setsid(); /* cannot fail in a process that has just been forked */
    for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++) {
        if (fd != STDERR_FILENO || must_release_stderr())
            dup2(null, fd);
    }
}

/* Reads on until nobody holds the pipes any more. The signals stay blocked: those that end a service go to its other
 * processes too, and what they say then is worth having. */
static _Noreturn void keep(struct run *r, const struct mpl_args *args, int joined_fd)
{
    leave_surroundings();
    close(r->signals.fd);
    /* Joins the session. Should that fail, the first record tries again. */
    mplog_setup_logging(&args->options);
    close(joined_fd);
    while (!have_streams_ended(r)) {
        struct pollfd wait_for[] = {{r->stream[OUT].fd, POLLIN, 0}, {r->stream[ERR].fd, POLLIN, 0}};
        if (poll(wait_for, STREAMS, -1) < 0)
            continue;
        for (int i = 0; i < STREAMS; i++) {
            if (wait_for[i].revents)
                read_stream(&r->stream[i]);
        }
    }
    exit(0);
}

/* True: a process of its own goes on reading, and is a member: a session that we were the last to leave would end, and
 * give up stderr. */
static bool leave_to_keeper(struct run *r, const struct mpl_args *args)
{
    int joined[2];
    char none;
    if (pipe2(joined, O_CLOEXEC) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0)
        keep(r, args, joined[1]);
    close(joined[1]);
    ssize_t n = read(joined[0], &none, 1); /* its end of the pipe is closed when it has joined, or is dead */
    close(joined[0]);
    return pid > 0 && n == 0;
}

/* ---- serving ---- */

/* How long to wait for something to read; -1: until there is something. */
static int patience_ms(const struct run *r) { return r->child.has_ended && !r->has_no_keeper ? QUIET_MS : -1; }

static bool is_patience_over(const struct run *r, bool is_quiet)
{
    if (!r->child.has_ended || r->has_no_keeper)
        return false;
    return is_quiet || (now_ms() - r->ended_ms >= PATIENCE_MS && !is_anything_owed(r));
}

static void serve(struct run *r, const struct mpl_args *args)
{
    while (!r->child.has_ended || !have_streams_ended(r)) {
        struct pollfd wait_for[] = {
            {r->stream[OUT].fd, POLLIN, 0}, {r->stream[ERR].fd, POLLIN, 0}, {r->signals.fd, POLLIN, 0}};
        int n = poll(wait_for, STREAMS + 1, patience_ms(r));
        for (int i = 0; n > 0 && i < STREAMS; i++) {
            if (wait_for[i].revents)
                read_stream(&r->stream[i]);
        }
        if (n > 0 && wait_for[STREAMS].revents)
            take_signals(r);
        if (is_patience_over(r, n == 0)) {
            if (leave_to_keeper(r, args))
                return;
            r->has_no_keeper = true; /* then we stay ourselves: late is better than lost */
        }
    }
}

/* ---- beginning ---- */

static int open_stream(struct stream *s, int *write_fd)
{
    int fds[2];
    if (!mpl_lines_init(&s->lines))
        return -ENOMEM;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    s->fd = fds[0];
    *write_fd = fds[1];
    return 0;
}

/* Records look as if the child had made them itself. */
static void describe_streams(struct run *r, const char *command)
{
    static const struct {
        const char *name;
        int level;
    } facts[STREAMS] = {[OUT] = {"stdout", MPLOG_INFO}, [ERR] = {"stderr", MPLOG_WARNING}};
    const char *slash = strrchr(command, '/'), *program = slash ? slash + 1 : command;
    for (int i = 0; i < STREAMS; i++) {
        char name[1024]; /* longer ones are cut, which the library would do too */
        snprintf(name, sizeof name, "%s.%s", program, facts[i].name);
        r->stream[i].logger = mplog_get_logger(name);
        r->stream[i].record = (struct mplog_record)MPLOG_RECORD_INIT;
        r->stream[i].record.level = facts[i].level;
        r->stream[i].record.process = (unsigned)r->child.pid;
        r->stream[i].record.process_name = program;
        r->stream[i].record.thread =
            (unsigned long long)r->child.pid; /* the first thread has the number of the process */
        r->stream[i].record.thread_name = facts[i].name;
    }
}

static int start(struct run *r, char **command)
{
    static const int watched[] = {SIGINT,  SIGTERM,  SIGHUP,  SIGQUIT, SIGUSR1, SIGUSR2,
                                  SIGALRM, SIGWINCH, SIGTSTP, SIGCONT, SIGCHLD};
    int write_fds[STREAMS] = {-1, -1};
    int error = open_stream(&r->stream[OUT], &write_fds[OUT]);
    error = error ? error : open_stream(&r->stream[ERR], &write_fds[ERR]);
    error = error ? error : mpl_signals_open(&r->signals, watched, sizeof watched / sizeof watched[0]);
    if (error)
        return mpl_report_fatal("run", command[0], strerror(-error));
    int status = mpl_child_start(&r->child, command, write_fds[OUT], write_fds[ERR], &r->signals);
    close(write_fds[OUT]);
    close(write_fds[ERR]);
    return status;
}

int mpl_run_main(const struct mpl_args *args)
{
    static struct run r;
    if (!args->rest[0])
        return mpl_report_usage("run needs a command");
    int status = mpl_args_set_up(args);
    if (status)
        return status;
    status = start(&r, args->rest);
    if (!status) {
        describe_streams(&r, args->rest[0]);
        serve(&r, args);
    }
    /* What was logged is written before whoever waits for us looks at the file; a signal would skip what is done at
     * exit. */
    mplog_shutdown_logging();
    return status ? status : mpl_child_end_alike(&r.child);
}
