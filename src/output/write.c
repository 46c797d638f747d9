/* SPDX-License-Identifier: Unlicense */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "output/file.h"

/* Waits until a descriptor that its owner made non-blocking takes bytes again. */
static void await_room(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    poll(&p, 1, -1); /* an error or a signal ends the wait too, and the next write tells which */
}

int mpl_write_all(int fd, const char *data, size_t len, size_t *written)
{
    *written = 0;
    while (*written < len) {
        ssize_t n = write(fd, data + *written, len - *written);
        if (n > 0)
            *written += (size_t)n;
        else if (n == 0)
            return -EIO; /* no file does this; going on could be for ever */
        else if (errno == EAGAIN)
            await_room(fd);
        else if (errno != EINTR)
            return -errno;
    }
    return 0;
}
