/* SPDX-License-Identifier: Unlicense
 *
 * A directory of the test program's own below $TMPDIR or /tmp. files_begin makes it or empties it; it is removed at
 * exit of the process that made it. Failures here end the program: no test could go on.
 */
#ifndef TESTS_FILES_H
#define TESTS_FILES_H

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_PATH_MAX 1024
#define FILES_NOBODY 65534 /* a user without rights, for tests that run as root */

static char files_dir[FILES_PATH_MAX / 2];
static pid_t files_owner;

static inline void files_die(const char *what, const char *name)
{
    printf("Bail out! %s %s\n", what, name);
    if (getpid() == files_owner)
        exit(1); /* removes the directory */
    _exit(1);
}

static inline int files_remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type;
    return ftw->level > 0 ? remove(path) : 0;
}

static inline void files_clear(void)
{
    chmod(files_dir, 0777); /* a test may have closed it; and FILES_NOBODY comes here */
    nftw(files_dir, files_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void files_remove_dir(void)
{
    if (getpid() != files_owner)
        return;
    files_clear();
    rmdir(files_dir);
}

static inline void files_begin(void)
{
    const char *parent = getenv("TMPDIR");
    if (files_owner == getpid()) {
        files_clear();
        return;
    }
    snprintf(files_dir, sizeof files_dir, "%s/mplog-test-XXXXXX", parent && parent[0] == '/' ? parent : "/tmp");
    if (!mkdtemp(files_dir))
        files_die("cannot make", files_dir);
    files_owner = getpid();
    files_clear();
    atexit(files_remove_dir);
}

/* PATH or PATH.<index> in the directory; valid until eight calls later. */
static inline const char *files_path(const char *name, unsigned index)
{
    static char paths[8][FILES_PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8];
    if (!files_dir[0])
        files_die("files_begin comes before", name);
    if (index == 0)
        snprintf(path, FILES_PATH_MAX, "%s/%s", files_dir, name);
    else
        snprintf(path, FILES_PATH_MAX, "%s/%s.%u", files_dir, name, index);
    return path;
}

static inline void files_put(const char *path, const char *mode, const char *bytes, size_t len)
{
    FILE *f = fopen(path, mode);
    if (!f || fwrite(bytes, 1, len, f) != len || fclose(f) != 0)
        files_die("cannot write", path);
}

static inline void files_write(const char *path, const char *text) { files_put(path, "w", text, strlen(text)); }
static inline void files_append(const char *path, const char *text) { files_put(path, "a", text, strlen(text)); }

static inline bool files_exist(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* The whole file, NUL-terminated, to be freed; NULL: there is none. */
static inline char *files_read(const char *path, size_t *len)
{
    FILE *f = fopen(path, "r");
    char *bytes = NULL;
    size_t room = 0;
    *len = 0;
    if (!f)
        return NULL;
    do {
        room = room ? 2 * room : 4096;
        bytes = realloc(bytes, room + 1);
        if (!bytes)
            files_die("no memory for", path);
        *len += fread(bytes + *len, 1, room - *len, f);
    } while (*len == room);
    fclose(f);
    bytes[*len] = '\0';
    return bytes;
}

static inline bool files_hold(const char *path, const char *text)
{
    size_t len;
    char *bytes = files_read(path, &len);
    bool is_same = bytes && len == strlen(text) && memcmp(bytes, text, len) == 0;
    if (!is_same)
        printf("# %s holds \"%.200s\", not \"%.200s\"\n", path, bytes ? bytes : "(no file)", text);
    free(bytes);
    return is_same;
}

#endif
