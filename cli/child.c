/* SPDX-License-Identifier: Unlicense */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"

/* In the child. What it writes to `error_fd` is why it cannot run the command; exec closes that descriptor. */
static _Noreturn void become(char **command, int out_fd, int err_fd, int error_fd, const struct mpl_signals *signals)
{
    if (dup2(out_fd, STDOUT_FILENO) >= 0 && dup2(err_fd, STDERR_FILENO) >= 0) {
        mpl_signals_restore(signals);
        execvp(command[0], command);
    }
    int error = errno;
    /* A pipe takes so little at once; should the parent have died meanwhile, nobody asks. */
    ssize_t n = write(error_fd, &error, sizeof error);
    _exit(n < 0 ? MPL_EXIT_SYSTEM : MPL_EXIT_NOT_FOUND);
}

/* 0, or why the command could not be executed. Waits until it is known. */
static int exec_error(int fd)
{
    int error = 0;
    ssize_t n;
    do {
        n = read(fd, &error, sizeof error);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof error ? error : 0;
}

static int report_exec(const char *name, int error)
{
    mpl_report_fatal("run", name, strerror(error));
    return error == ENOENT ? MPL_EXIT_NOT_FOUND : MPL_EXIT_NOT_EXECUTABLE;
}

int mpl_child_start(struct mpl_child *c, char **command, int out_fd, int err_fd, const struct mpl_signals *signals)
{
    int error_fds[2];
    if (pipe2(error_fds, O_CLOEXEC) < 0)
        return mpl_report_fatal("run", command[0], strerror(errno));
    *c = (struct mpl_child){.pid = fork()};
    if (c->pid == 0)
        become(command, out_fd, err_fd, error_fds[1], signals);
    int error = c->pid < 0 ? errno : 0;
    close(error_fds[1]);
    int not_executed = error ? 0 : exec_error(error_fds[0]);
    close(error_fds[0]);
    if (error)
        return mpl_report_fatal("run", command[0], strerror(error));
    if (!not_executed)
        return 0;
    waitpid(c->pid, NULL, 0); /* it ends at once, and its status tells nothing new */
    return report_exec(command[0], not_executed);
}

void mpl_child_signal(const struct mpl_child *c, int number)
{
    if (!c->has_ended)
        kill(c->pid, number); /* it may be dead, but it has not been waited for: the pid is still its own */
}

void mpl_child_look(struct mpl_child *c)
{
    int status;
    if (c->has_ended || waitpid(c->pid, &status, WNOHANG | WUNTRACED) != c->pid)
        return;
    /* Other signals that stop either reach the whole group and us, or are not from the keyboard, and whoever continues
     * the child does not continue us. */
    if (WIFSTOPPED(status)) {
        if (WSTOPSIG(status) == SIGTSTP)
            mpl_signals_stop();
        return;
    }
    c->has_ended = true;
    c->wait_status = status;
}

int mpl_child_end_alike(const struct mpl_child *c)
{
    return WIFSIGNALED(c->wait_status) ? mpl_signals_die(WTERMSIG(c->wait_status)) : WEXITSTATUS(c->wait_status);
}
