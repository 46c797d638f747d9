/* SPDX-License-Identifier: Unlicense */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "output/file.h"
#include "output/rotate.h"

#define BACKUPS_LOOKED_AT_MAX 1000u /* nobody rotates more often between a death and the look for what it left */

int64_t mpl_file_count_equal(int fd, uint64_t offset, const char *data, uint64_t len, bool *has_ended)
{
    char block[4096];
    uint64_t n = 0;
    *has_ended = false;
    while (n < len) {
        size_t want = len - n < sizeof block ? (size_t)(len - n) : sizeof block;
        ssize_t got = pread(fd, block, want, (off_t)(offset + n));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            *has_ended = got == 0;
            return got == 0 ? (int64_t)n : -1;
        }
        for (ssize_t i = 0; i < got; i++, n++)
            if (block[i] != data[n])
                return (int64_t)n;
    }
    return (int64_t)n;
}

/* The file (dev, ino) at PATH or among the backups, for reading; -1. Rotation moves files to higher names only, so a
 * file that is moved during the search is still ahead. */
static int open_by_identity(const struct mpl_file *f, uint64_t dev, uint64_t ino)
{
    char target[PATH_MAX], name[PATH_MAX];
    struct stat st;
    uint32_t last = f->backup_count < BACKUPS_LOOKED_AT_MAX ? f->backup_count : BACKUPS_LOOKED_AT_MAX;
    if (mpl_rotate_resolve(f->path, target) < 0)
        return -1;
    for (uint32_t i = 0; i <= last && mpl_rotate_name(target, i, name) == 0; i++) {
        if (stat(name, &st) < 0 || st.st_dev != dev || st.st_ino != ino || !S_ISREG(st.st_mode))
            continue;
        int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == dev && st.st_ino == ino)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

/* The bytes of data[0, len) up to the end of its last newline. */
static uint64_t count_whole_lines(const struct mpl_file *f, const char *data, uint64_t len)
{
    size_t unit = f->newline_len;
    uint64_t n = len - len % unit;
    while (n > 0 && memcmp(data + n - unit, f->newline, unit) != 0)
        n -= unit;
    return n;
}

uint64_t mpl_file_already_written(struct mpl_file *f, uint64_t dev, uint64_t ino, uint64_t offset, const char *data,
                                  uint64_t len)
{
    int fd = open_by_identity(f, dev, ino);
    if (fd < 0)
        return 0;
    bool has_ended;
    int64_t n = mpl_file_count_equal(fd, offset, data, len, &has_ended);
    close(fd);
    if (n < 0)
        return 0;
    return has_ended || (uint64_t)n == len ? (uint64_t)n : count_whole_lines(f, data, (uint64_t)n);
}
