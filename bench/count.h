/* SPDX-License-Identifier: Unlicense
 *
 * Counts what stands in the files of a benchmark's folder. A good line holds one whole message of LOG_VALUES.
 */
#ifndef BENCH_COUNT_H
#define BENCH_COUNT_H

#include "bench.h"

#include <fcntl.h>
#include <sys/stat.h>

struct line_count {
    long long good, bad, bytes, files;
};

static inline bool count_is_good(const char *line, size_t len)
{
    static const char begin[] = "request ", end[] = " ms";
    const char *message = (const char *)memmem(line, len, begin, sizeof begin - 1);
    if (!message || len < sizeof end || memcmp(line + len - (sizeof end - 1), end, sizeof end - 1) != 0)
        return false;
    size_t rest = len - (size_t)(message + 1 - line);
    return memmem(message + 1, rest, begin, sizeof begin - 1) == NULL && memchr(line, 0, len) == NULL;
}

static inline void count_bytes(const char *at, size_t len, struct line_count *n)
{
    for (const char *limit = at + len; at < limit;) {
        const char *end = (const char *)memchr(at, '\n', (size_t)(limit - at));
        if (end && count_is_good(at, (size_t)(end - at)))
            n->good++;
        else
            n->bad++;
        at = end ? end + 1 : limit;
    }
}

static inline void count_file(int fd, struct line_count *n)
{
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    n->files++;
    n->bytes += st.st_size;
    void *map = st.st_size > 0 ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (map == MAP_FAILED)
        return;
    count_bytes((const char *)map, (size_t)st.st_size, n);
    munmap(map, (size_t)st.st_size);
}

static inline struct line_count count_lines(void)
{
    struct line_count n = {0, 0, 0, 0};
    DIR *dir = opendir(bench_folder);
    for (struct dirent *d; dir && (d = readdir(dir)) != NULL;) {
        int fd = openat(dirfd(dir), d->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW); /* glog leaves a link */
        count_file(fd, &n);
        if (fd >= 0)
            close(fd);
    }
    if (dir)
        closedir(dir);
    return n;
}

#endif
