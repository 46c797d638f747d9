/* SPDX-License-Identifier: Unlicense
 *
 * mplog pipe: the lines of stdin become records.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "commands.h"
#include "lines.h"
#include "report.h"
#include "signals.h"

struct pipe {
    struct mpl_lines lines;
    struct mpl_signals signals;
    mplog_logger *logger;
    int level;
    bool is_interactive; /* the lines are typed: the keyboard's signals are for us */
};

static void log_lines(struct pipe *p, bool is_at_end)
{
    const char *text;
    size_t len;
    while (mpl_lines_next(&p->lines, is_at_end, &text, &len))
        mplog_log_text(p->logger, p->level, text, len);
}

/* The number of a signal that ends us, else 0. Those that the terminal sends to all are not for us: whoever writes has
 * them too, has last words perhaps, and then ends the stream. */
static int take_signals(struct pipe *p)
{
    int number;
    bool is_for_all;
    while (mpl_signals_take(&p->signals, &number, &is_for_all)) {
        if (!is_for_all || p->is_interactive)
            return number;
    }
    return 0;
}

/* Until end of file, which is 0, a signal, whose number is returned, or a read that fails: -errno. */
static int read_all(struct pipe *p)
{
    for (;;) {
        struct pollfd wait_for[] = {{p->signals.fd, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        if (poll(wait_for, 2, -1) < 0 && errno != EINTR)
            return -errno;
        int number = wait_for[0].revents ? take_signals(p) : 0;
        if (number)
            return number;
        if (!wait_for[1].revents)
            continue;
        ssize_t n = mpl_lines_read(&p->lines, STDIN_FILENO);
        if (n == 0 || (n < 0 && n != -EINTR && n != -EAGAIN))
            return (int)n;
        log_lines(p, false);
    }
}

/* What had been written when the signal came is logged too. */
static void read_rest(struct pipe *p)
{
    int left;
    if (p->is_interactive || ioctl(STDIN_FILENO, FIONREAD, &left) < 0)
        return;
    while (left > 0) {
        ssize_t n = mpl_lines_read(&p->lines, STDIN_FILENO);
        if (n <= 0)
            return; /* somebody else reads there too */
        log_lines(p, false);
        left -= (int)n;
    }
}

int mpl_pipe_main(const struct mpl_args *args)
{
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    static struct pipe p;
    if (args->rest[0])
        return mpl_report_usage("pipe takes no arguments: %s", args->rest[0]);
    int status = mpl_args_set_up(args);
    if (status)
        return status;
    if (!mpl_lines_init(&p.lines))
        return mpl_report_fatal("read", "standard input", strerror(ENOMEM));
    int error = mpl_signals_open(&p.signals, ending, sizeof ending / sizeof ending[0]);
    if (error)
        return mpl_report_fatal("wait", "for signals", strerror(-error));
    p.logger = mplog_get_logger(args->name);
    p.level = args->record_level;
    p.is_interactive = isatty(STDIN_FILENO);
    int end = read_all(&p);
    if (end > 0)
        read_rest(&p);
    log_lines(&p, true);
    bool is_written = mplog_flush(-1) == 0;
    mplog_shutdown_logging(); /* says what is missing, without another wait */
    if (end > 0)
        return mpl_signals_die(end);
    if (end < 0)
        return mpl_report_fatal("read", "standard input", strerror(-end));
    return is_written ? 0 : MPL_EXIT_SYSTEM;
}
