/* SPDX-License-Identifier: Unlicense */
#include "producer/direct.h"

#include <unistd.h>

#include "producer/message.h"

static void write_out(const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t written = write(STDERR_FILENO, bytes, n);
        if (written <= 0)
            return; /* nowhere else to go */
        bytes += written;
        n -= (size_t)written;
    }
}

void mpl_direct_text(int level, struct mpl_str message)
{
    if (level < MPLOG_WARNING)
        return;
    write_out(message.ptr, message.len);
    write_out("\n", 1);
}

void mpl_direct_format(int level, const struct mpl_cformat *f, struct mpl_str format, const struct mpl_arg *args,
                       int error, bool show_error)
{
    struct mpl_message m;
    if (level < MPLOG_WARNING)
        return;
    mpl_message_render(&m, f, format, args, error, show_error);
    write_out(m.text.ptr, m.text.len + 1);
    mpl_message_free(&m);
}
