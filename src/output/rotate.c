/* SPDX-License-Identifier: Unlicense */
#include "output/rotate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1 /* the kernel's number; musl does not declare it */
#endif

#define LINKS_MAX 40        /* what the kernel follows in one path */
#define CHAIN_TRIES_MAX 100 /* each further one means that somebody else has put a file into our hole */

/* True: the link is one of /proc, whose text is only a description of where it leads. */
static bool is_in_proc(const char *link)
{
    struct stat own, proc;
    return lstat(link, &own) == 0 && stat("/proc/self", &proc) == 0 && own.st_dev == proc.st_dev;
}

/* Replaces `target` by what a link of that name holds; a relative text counts from the link's directory. */
static int follow(char target[PATH_MAX], const char *text)
{
    const char *slash = strrchr(target, '/');
    size_t keep = text[0] == '/' || slash == NULL ? 0 : (size_t)(slash - target) + 1, len = strlen(text);
    if (keep + len >= PATH_MAX)
        return mpl_fail_errno(ENAMETOOLONG, "log_file %s: cannot be followed", target);
    memcpy(target + keep, text, len + 1);
    return 0;
}

int mpl_rotate_resolve(const char *path, char target[PATH_MAX])
{
    char text[PATH_MAX];
    bool is_fixed = false;
    if (mpl_rotate_name(path, 0, target) < 0)
        return -ENAMETOOLONG;
    for (int i = 0; i <= LINKS_MAX; i++) {
        ssize_t n = readlink(target, text, sizeof text - 1);
        if (n < 0) /* not a link, or nothing there; other errors come back when the name is used */
            return is_fixed;
        text[n] = '\0';
        is_fixed = is_fixed || is_in_proc(target);
        if (follow(target, text) < 0)
            return -ENAMETOOLONG;
    }
    return mpl_fail_errno(ELOOP, "log_file %s: cannot be followed", path);
}

int mpl_rotate_name(const char *path, uint32_t index, char name[PATH_MAX])
{
    int n = index == 0 ? snprintf(name, PATH_MAX, "%s", path) : snprintf(name, PATH_MAX, "%s.%u", path, index);
    if (n < 0 || n >= PATH_MAX)
        return mpl_fail_errno(ENAMETOOLONG, "log_file %s: its name", path);
    return 0;
}

/* The lowest index without a file; backup_count + 1 if there is none. -errno with a sentence. */
static int64_t find_hole(const char *path, uint32_t backup_count)
{
    char name[PATH_MAX];
    struct stat st;
    for (uint32_t i = 0; i < backup_count; i++) {
        int rc = mpl_rotate_name(path, i + 1, name);
        if (rc < 0)
            return rc;
        if (lstat(name, &st) < 0) {
            if (errno == ENOENT)
                return (int64_t)i + 1;
            return mpl_fail_errno(errno, "log_file %s: cannot be looked at", name);
        }
    }
    return (int64_t)backup_count + 1;
}

/* Renames into a hole. -EEXIST without a sentence: it was none. */
static int move_file(const char *from, const char *to)
{
    long rc = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
    /* NFS and some FUSE file systems know no flags; there the look that found the hole has to do. */
    if (rc < 0 && (errno == EINVAL || errno == ENOSYS))
        rc = rename(from, to);
    /* A file that was deleted in the meantime leaves the hole that its move would have left. */
    if (rc == 0 || errno == ENOENT)
        return 0;
    if (errno == EEXIST)
        return -EEXIST;
    return mpl_fail_errno(errno, "log_file %s: cannot be renamed to %s", from, to);
}

/* Moves PATH.<hole - 1> into the hole, then each younger one into the hole that the last move left, up to PATH. */
static int shift_files(const char *path, uint32_t hole)
{
    char from[PATH_MAX], to[PATH_MAX];
    int rc = mpl_rotate_name(path, hole, to);
    for (uint32_t i = hole; rc == 0 && i > 0; i--) {
        rc = mpl_rotate_name(path, i - 1, from);
        if (rc == 0)
            rc = move_file(from, to);
        memcpy(to, from, sizeof to);
    }
    return rc;
}

static int remove_oldest(const char *path, uint32_t backup_count)
{
    char name[PATH_MAX];
    int rc = mpl_rotate_name(path, backup_count, name);
    if (rc == 0 && unlink(name) < 0 && errno != ENOENT)
        rc = mpl_fail_errno(errno, "log_file %s: cannot be removed", name);
    return rc;
}

int mpl_rotate(const char *path, uint32_t backup_count)
{
    struct stat st;
    if (backup_count == 0)
        return mpl_fail(EINVAL, "log_file %s: cannot be rotated without backups", path);
    /* Run again after its last step, a chain would otherwise drop the oldest file for nothing. */
    if (lstat(path, &st) < 0 && errno == ENOENT)
        return 0;
    for (int i = 0; i < CHAIN_TRIES_MAX; i++) {
        int64_t hole = find_hole(path, backup_count);
        int rc = hole < 0 ? (int)hole : 0;
        if (hole > (int64_t)backup_count) {
            rc = remove_oldest(path, backup_count);
            hole = backup_count;
        }
        if (rc == 0)
            rc = shift_files(path, (uint32_t)hole);
        if (rc != -EEXIST)
            return rc;
    }
    return mpl_fail_errno(EEXIST, "log_file %s: cannot be rotated, others put files into its place", path);
}
