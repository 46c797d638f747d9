/* SPDX-License-Identifier: Unlicense */
#include "base/stderr.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
    dev_t dev;
    ino_t ino; /* 0: it was closed */
} noted;

__attribute__((constructor)) void mpl_stderr_note(void)
{
    struct stat st;
    bool is_open = fstat(STDERR_FILENO, &st) == 0;
    noted.dev = is_open ? st.st_dev : 0;
    noted.ino = is_open ? st.st_ino : 0;
}

/* A forked child may have been given another one; a file or a socket that came there later may be anything. */
uint32_t mpl_stderr_id(void)
{
    struct stat st;
    if (fstat(STDERR_FILENO, &st) < 0)
        return 0;
    bool is_same = noted.ino != 0 && st.st_dev == noted.dev && st.st_ino == noted.ino;
    if (!is_same && !S_ISFIFO(st.st_mode) && !(S_ISCHR(st.st_mode) && isatty(STDERR_FILENO)))
        return 0;
    return (uint32_t)(((uint64_t)st.st_ino + (uint64_t)st.st_dev * 31 + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 32) | 1;
}

/* A pipe that is writable takes PIPE_BUF bytes at once. */
static bool takes_a_line(void)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&p, 1, 0) == 1 && p.revents == POLLOUT;
}

/* The reader may go between the look and the write: a program must not end by SIGPIPE for our sake. */
static void write_without_signal(struct mpl_str line)
{
    sigset_t sigpipe, pending, before;
    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &sigpipe, &before);
    bool is_ours = write(STDERR_FILENO, line.ptr, line.len) < 0 && errno == EPIPE && !sigismember(&pending, SIGPIPE);
    if (is_ours)
        sigtimedwait(&sigpipe, NULL, &(struct timespec){0, 0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void mpl_stderr_say(struct mpl_str line)
{
    int saved_errno = errno;
    if (mpl_stderr_id() != 0 && takes_a_line())
        write_without_signal(line);
    errno = saved_errno;
}
