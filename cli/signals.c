/* SPDX-License-Identifier: Unlicense */
#include "signals.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

int mpl_signals_open(struct mpl_signals *s, const int *list, size_t count)
{
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        sigaddset(&set, list[i]);
    s->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->fd < 0)
        return -errno;
    sigaction(SIGCHLD, &by_default, &s->child_before);
    sigprocmask(SIG_BLOCK, &set, &s->mask_before);
    return 0;
}

void mpl_signals_restore(const struct mpl_signals *s)
{
    sigaction(SIGCHLD, &s->child_before, NULL);
    sigprocmask(SIG_SETMASK, &s->mask_before, NULL);
}

/* The kernel sends these on behalf of a terminal. Whatever else it sends, such as the SIGALRM of a timer that was set
 * before the exec, is meant for this process. */
static bool comes_from_terminal(const struct signalfd_siginfo *info)
{
    if (info->ssi_code <= 0)
        return false; /* SI_USER and its like: a process */
    switch (info->ssi_signo) {
    case SIGINT:
    case SIGQUIT:
    case SIGTSTP:
    case SIGWINCH: return true;
    case SIGHUP:
    case SIGCONT:
        return getsid(0) != getpid(); /* a terminal that is hung up tells the leader of its session, and nobody else */
    default: return false;
    }
}

bool mpl_signals_take(struct mpl_signals *s, int *number, bool *is_for_all)
{
    struct signalfd_siginfo info;
    if (read(s->fd, &info, sizeof info) != (ssize_t)sizeof info)
        return false;
    *number = (int)info.ssi_signo;
    *is_for_all = comes_from_terminal(&info);
    return true;
}

static void unblock(int number, sigset_t *before)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_UNBLOCK, &set, before);
}

void mpl_signals_stop(void)
{
    sigset_t before;
    /* Raised while it is blocked, it becomes one with what the terminal may have sent us: we stop once. */
    raise(SIGTSTP);
    unblock(SIGTSTP, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

int mpl_signals_die(int number)
{
    /* The core, if one was wanted, is that of the process that really failed. A limit of 0 would not keep a core
     * handler from being called. */
    prctl(PR_SET_DUMPABLE, 0);
    signal(number, SIG_DFL);
    raise(number);
    unblock(number, NULL);
    return 128 + number;
}
