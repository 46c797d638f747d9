/* SPDX-License-Identifier: Unlicense
 *
 * A session by hand with two files that take the same records, the first of which can be made to fail; records are
 * numbers.
 */
#ifndef UNIT_HAND_FILES_H
#define UNIT_HAND_FILES_H

#include <limits.h>

#include "hand_log.h"

static char other_log[sizeof hand_dir + 16];

static inline struct mpl_sink *first(void) { return hand_collector.sink[0]; }

/* The second takes all records, as stderr does beside a file. */
static inline void share_second(void)
{
    hand_collector.sink[1]->is_alone = false;
    hand_collector.sinks_shared |= 2;
}

static inline void begin_with_two_files(long long ring_max_bytes)
{
    static struct mpl_options options;
    struct mplog_options o = hand_options();
    uint32_t index;
    o.block_timeout_ms = 3600 * 1000; /* nothing here is due to time */
    o.ring_max_bytes = ring_max_bytes;
    hand_begin(&o);
    snprintf(other_log, sizeof other_log, "%s/other.log", hand_dir);
    o.log_file = other_log;
    if (mpl_options_resolve(&options, &o, false) < 0 || mpl_sinks_add(&hand_session, &options, &index) < 0)
        hand_die("second file");
    hand_pass();
    share_second();
}

static inline void end(void)
{
    hand_end();
    unlink(other_log);
}

static inline void lead_to(struct mpl_sink *s, const char *path)
{
    free((char *)(uintptr_t)s->file_options.path);
    s->file_options.path = strdup(path);
    s->retry_ns = 0;
}

/* From now on it cannot be written: its folder is not there. */
static inline void break_sink(struct mpl_sink *s)
{
    lead_to(s, "/nowhere/app.log");
    mpl_file_close(&s->file);
}

static inline void break_first(void) { break_sink(first()); }

static inline void repair_first(void) { lead_to(first(), hand_log); }

static inline char *read_file(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        hand_die(path);
    char *text = malloc((size_t)st.st_size + 1);
    *len = (size_t)read(fd, text, (size_t)st.st_size);
    text[*len] = '\0';
    close(fd);
    return text;
}

/* Numbers 0 .. count - 1, one a line; lines of our own, which name a file or losses, left out. */
static inline bool holds_numbers(const char *path, int count)
{
    size_t len;
    char *text = read_file(path, &len), *at = text;
    int next = 0;
    while (at < text + len && next >= 0) {
        char *line_end = strchr(at, '\n');
        line_end = line_end ? line_end : text + len; /* an unfinished line is not counted */
        if (!memmem(at, (size_t)(line_end - at), ": writing ", 10))
            next = *line_end == '\n' && strtol(at, NULL, 10) == next ? next + 1 : INT_MIN;
        at = line_end + 1;
    }
    free(text);
    if (next != count)
        printf("# %s: %d of %d\n", path, next, count);
    return next == count;
}

static inline void log_numbers(int *number, int count)
{
    for (int i = 0; i < count; i++)
        mplog_info(logger(), "%d", (*number)++);
}

#endif
