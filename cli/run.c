/* SPDX-License-Identifier: Unlicense
 *
 * mplog run: the output of a command becomes records; its end becomes ours.
 */
#include <dirent.h>
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

/* The child has ended, but others hold its pipes. Most of them, such as the rest of a pipeline, are about to end too;
 * those that live on after this time get a process of their own that listens to them. */
#define GRACE_MS 100

enum { OUT, ERR, STREAMS };

struct stream {
    struct mpl_lines lines;
    mplog_logger *logger;
    struct mplog_record record; /* all of it but the message */
    int fd;                     /* -1: has ended */
    int owed_bytes;             /* what was there when the child ended, with all it wrote, and is still to be read */
};

struct run {
    struct mpl_signals signals;
    struct mpl_child child;
    struct stream stream[STREAMS];
    long long ended_ms; /* of the child, if it has ended */
    bool is_patient;    /* waits for the streams to end, however long that takes */
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
    s->owed_bytes = n > 0 && n < s->owed_bytes ? s->owed_bytes - (int)n : 0;
    if (n <= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

static bool have_streams_ended(const struct run *r) { return r->stream[OUT].fd < 0 && r->stream[ERR].fd < 0; }

static bool is_anything_owed(const struct run *r)
{
    return r->stream[OUT].owed_bytes > 0 || r->stream[ERR].owed_bytes > 0;
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
        struct stream *s = &r->stream[i];
        if (s->fd >= 0 && ioctl(s->fd, FIONREAD, &s->owed_bytes) < 0)
            s->owed_bytes = 0;
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

/* ---- serving ---- */

/* How long to wait for the streams to end; -1: for ever. */
static int time_left_ms(const struct run *r)
{
    if (!r->child.has_ended || r->is_patient)
        return -1;
    long long left_ms = r->ended_ms + GRACE_MS - now_ms();
    return left_ms > 0 ? (int)left_ms : 0;
}

static bool is_over(const struct run *r)
{
    return r->child.has_ended && (have_streams_ended(r) || (time_left_ms(r) == 0 && !is_anything_owed(r)));
}

static void serve(struct run *r)
{
    while (!is_over(r)) {
        struct pollfd wait_for[] = {
            {r->stream[OUT].fd, POLLIN, 0}, {r->stream[ERR].fd, POLLIN, 0}, {r->signals.fd, POLLIN, 0}};
        poll(wait_for, STREAMS + 1, time_left_ms(r)); /* if it fails, nothing is ready */
        for (int i = 0; i < STREAMS; i++) {
            if (wait_for[i].revents)
                read_stream(&r->stream[i]);
        }
        if (wait_for[STREAMS].revents)
            take_signals(r);
    }
}

/* ---- the keeper ---- */

/* A pipe may have a reader who waits for its end, as $(command 2>&1) does. A file or a terminal has none. */
static bool must_release_stderr(void)
{
    struct stat st;
    return fstat(STDERR_FILENO, &st) < 0 || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode);
}

/* What else is open belongs to others, who may wait for its end: a shell that has passed it on, or the thread that is
 * the collector in the process we come from. */
static void close_all_but(const struct run *r, int kept_fd)
{
    DIR *open_fds = opendir("/proc/self/fd");
    for (struct dirent *e; open_fds && (e = readdir(open_fds)) != NULL;) {
        int fd = atoi(e->d_name);
        if (fd > STDERR_FILENO && fd != r->stream[OUT].fd && fd != r->stream[ERR].fd && fd != kept_fd &&
            fd != dirfd(open_fds))
            close(fd);
    }
    if (open_fds)
        closedir(open_fds);
}

static void leave_surroundings(const struct run *r, int kept_fd)
{
    close_all_but(r, kept_fd);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    setsid(); /* cannot fail in a process that has just been forked */
    for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++) {
        if (fd != STDERR_FILENO || must_release_stderr())
            dup2(null, fd);
    }
}

/* Signals stay blocked, and nobody reads them: those that end a service go to its other processes too, and what they
 * say then is worth having. */
static _Noreturn void keep(struct run *r, const struct mpl_args *args, int joined_fd)
{
    leave_surroundings(r, joined_fd);
    r->signals.fd = -1;
    if (mplog_setup_logging(&args->options) < 0 || write(joined_fd, "", 1) != 1)
        _exit(MPL_EXIT_SYSTEM);
    close(joined_fd);
    r->is_patient = true;
    serve(r);
    mplog_shutdown_logging();
    _exit(0); /* what is registered for exit belongs to the process we come from */
}

/* Starts a process of its own that reads on until nobody holds the pipes any more. Waits until it is a member: a
 * session that we were the last to leave would end, and give up stderr. */
static bool start_keeper(struct run *r, const struct mpl_args *args)
{
    int joined[2];
    char byte;
    if (pipe2(joined, O_CLOEXEC) < 0)
        return false;
    if (fork() == 0)
        keep(r, args, joined[1]);
    close(joined[1]);
    ssize_t n = read(joined[0], &byte, 1); /* 0: it is dead, or there is none */
    close(joined[0]);
    return n == 1;
}

static void serve_to_the_end(struct run *r, const struct mpl_args *args)
{
    serve(r);
    if (have_streams_ended(r) || start_keeper(r, args))
        return;
    r->is_patient = true; /* late is better than lost */
    serve(r);
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
        struct stream *st = &r->stream[i];
        char name[1024]; /* longer ones are cut, which the library would do too */
        snprintf(name, sizeof name, "%s.%s", program, facts[i].name);
        st->logger = mplog_get_logger(name);
        st->record = (struct mplog_record)MPLOG_RECORD_INIT;
        st->record.level = facts[i].level;
        st->record.process = (unsigned)r->child.pid;
        st->record.process_name = program;
        st->record.thread = st->record.process; /* of a process's threads, the first has its number */
        st->record.thread_name = facts[i].name;
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
        serve_to_the_end(&r, args);
    }
    /* What was logged is written before whoever waits for us looks at the file; a signal would skip what is done at
     * exit. */
    mplog_shutdown_logging();
    return status ? status : mpl_child_end_alike(&r.child);
}
