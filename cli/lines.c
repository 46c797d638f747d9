/* SPDX-License-Identifier: Unlicense */
#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_LEAST_BYTES ((size_t)65536) /* what a pipe holds, unless its size was changed */
#define INITIAL_BYTES (4 * READ_LEAST_BYTES)

/* A line of the greatest length may be followed by "\r\n" before it is known to be no longer. */
#define LINE_END_BYTES 2u
#define CAP_MAX (MPL_LINES_LINE_MAX + LINE_END_BYTES + READ_LEAST_BYTES)

bool mpl_lines_init(struct mpl_lines *l)
{
    *l = (struct mpl_lines){.data = malloc(INITIAL_BYTES), .cap = INITIAL_BYTES, .line_max = MPL_LINES_LINE_MAX};
    return l->data != NULL;
}

static bool resize(struct mpl_lines *l, size_t bytes)
{
    char *data = realloc(l->data, bytes);
    if (!data)
        return false;
    l->data = data;
    l->cap = bytes;
    return true;
}

/* Room for a read behind what is there; false: out of memory. */
static bool make_room(struct mpl_lines *l)
{
    size_t rest = l->end - l->begin;
    if (l->begin > 0)
        memmove(l->data, l->data + l->begin, rest);
    l->begin = 0;
    l->end = l->searched = rest;
    if (l->cap - rest < READ_LEAST_BYTES)
        return resize(l, 2 * l->cap < CAP_MAX ? 2 * l->cap : CAP_MAX);
    if (l->cap > INITIAL_BYTES && rest <= INITIAL_BYTES - READ_LEAST_BYTES)
        resize(l, INITIAL_BYTES); /* one long line is no reason to keep its memory; a failure to shrink is harmless */
    return true;
}

ssize_t mpl_lines_read(struct mpl_lines *l, int fd)
{
    ssize_t n = read(fd, l->data + l->end, l->cap - l->end);
    if (n < 0)
        return -errno;
    l->end += (size_t)n;
    return n;
}

static bool hand_out(struct mpl_lines *l, size_t n, size_t end_bytes, const char **text, size_t *len)
{
    *text = l->data + l->begin;
    *len = n;
    l->begin += n + end_bytes;
    l->searched = l->begin;
    return true;
}

static bool is_inside_character(char c) { return ((unsigned char)c & 0xc0) == 0x80; }

/* The first part of a line that is too long. */
static bool hand_out_piece(struct mpl_lines *l, const char **text, size_t *len)
{
    const char *begin = l->data + l->begin;
    size_t n = l->line_max;
    while (n > l->line_max - 3 && is_inside_character(begin[n]))
        n--; /* a character has at most three bytes after its first */
    return hand_out(l, is_inside_character(begin[n]) ? l->line_max : n, 0, text, len);
}

static bool hand_out_line(struct mpl_lines *l, const char *newline, const char **text, size_t *len)
{
    size_t n = (size_t)(newline - (l->data + l->begin)), return_bytes = n > 0 && newline[-1] == '\r';
    if (n - return_bytes > l->line_max)
        return hand_out_piece(l, text, len);
    return hand_out(l, n - return_bytes, return_bytes + 1, text, len);
}

bool mpl_lines_next(struct mpl_lines *l, bool is_at_end, const char **text, size_t *len)
{
    const char *newline = memchr(l->data + l->searched, '\n', l->end - l->searched);
    if (newline)
        return hand_out_line(l, newline, text, len);
    size_t rest = l->end - l->begin;
    if (rest > l->line_max && (is_at_end || rest >= l->line_max + LINE_END_BYTES))
        return hand_out_piece(l, text, len);
    if (is_at_end)
        return rest > 0 && hand_out(l, rest, 0, text, len);
    if (make_room(l))
        return false;
    /* Lines in pieces are better than none. What is there is longer than this. */
    l->line_max = l->cap - READ_LEAST_BYTES - LINE_END_BYTES;
    return hand_out_piece(l, text, len);
}
