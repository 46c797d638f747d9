/* SPDX-License-Identifier: Unlicense
 *
 * A byte stream, cut into lines. The newline, and a carriage return right before it, are no part of a line; whatever
 * follows the last newline is a line too.
 */
#ifndef MPL_CLI_LINES_H
#define MPL_CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What a record carries uncut. A longer line comes in several pieces, cut between characters where it is UTF-8. */
#define MPL_LINES_LINE_MAX ((size_t)16 << 20)

struct mpl_lines {
    char *data;
    size_t cap, begin, end; /* begin..end: read, and not yet handed out */
    size_t searched;        /* no newline before it */
    size_t line_max;        /* MPL_LINES_LINE_MAX, or less when memory was short */
};

/* False: out of memory. Never freed: it lives as long as the command. */
bool mpl_lines_init(struct mpl_lines *l);

/* One read(2), of as much as there is room for. Only when mpl_lines_next has said that there is no line left. Bytes
 * read, 0 at the end, or -errno. */
ssize_t mpl_lines_read(struct mpl_lines *l, int fd);

/* The next line among what has been read, valid until the next call. At the end of the stream, the rest counts as one.
 */
bool mpl_lines_next(struct mpl_lines *l, bool is_at_end, const char **text, size_t *len);

#endif
