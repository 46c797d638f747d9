/* SPDX-License-Identifier: Unlicense */
#include "producer/direct.h"

#include <stdint.h>
#include <sys/uio.h>
#include <unistd.h>

#include "producer/message.h"

/* In one call, so that the lines of several threads stay whole; a stream that takes only a part of it gets the rest. */
static void write_out(struct iovec *parts, int count)
{
    while (count > 0) {
        ssize_t written = writev(STDERR_FILENO, parts, count);
        if (written <= 0)
            return; /* nowhere else to go */
        for (; count > 0 && (size_t)written >= parts->iov_len; parts++, count--)
            written -= (ssize_t)parts->iov_len;
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + written;
            parts->iov_len -= (size_t)written;
        }
    }
}

void mpl_direct_text(int level, struct mpl_str message)
{
    if (level < MPLOG_WARNING)
        return;
    struct iovec line[] = {{(void *)(uintptr_t)message.ptr, message.len}, {(char[]){'\n'}, 1}};
    write_out(line, 2);
}

void mpl_direct_format(int level, const struct mpl_cformat *f, struct mpl_str format, struct mpl_arg *args, int error,
                       bool show_error)
{
    struct mpl_message m;
    if (level < MPLOG_WARNING)
        return;
    mpl_message_render(&m, f, format, args, error, show_error);
    write_out(&(struct iovec){(void *)(uintptr_t)m.text.ptr, m.text.len + 1}, 1);
    mpl_message_free(&m);
}
