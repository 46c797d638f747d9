/* SPDX-License-Identifier: Unlicense */
#include "shm/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/os.h"
#include "base/text.h"

#define RANDOM_SUFFIX_DIGITS 16u

static void append_random(struct mpl_text *t, unsigned digits)
{
    while (digits > 0) {
        uint64_t bits;
        unsigned n = digits < 16 ? digits : 16;
        mpl_os_random(&bits, sizeof bits);
        mpl_text_hex(t, bits, n);
        digits -= n;
    }
}

/* <path><separator><random>; false if it does not fit. */
static bool with_suffix(char out[MPL_DIR_MAX], const char *path, const char *separator)
{
    struct mpl_text t = {out, 0, MPL_DIR_MAX - 1};
    mpl_text_str(&t, mpl_str_from(path));
    mpl_text_str(&t, mpl_str_from(separator));
    append_random(&t, RANDOM_SUFFIX_DIGITS);
    bool fits = mpl_text_fits(&t);
    mpl_text_cstr(&t);
    return fits;
}

bool mpl_dir_candidate(unsigned i, const char *ring_dir, char path[MPL_DIR_MAX])
{
    const char *candidates[3];
    unsigned count = 0;
    if (ring_dir) {
        candidates[count++] = ring_dir;
    } else {
        candidates[count++] = "/dev/shm";
        const char *run = mpl_os_is_set_id() ? NULL : getenv("XDG_RUNTIME_DIR");
        if (run && run[0] == '/')
            candidates[count++] = run;
        candidates[count++] = "/tmp";
    }
    if (i >= count || strlen(candidates[i]) >= MPL_DIR_MAX)
        return false;
    strcpy(path, candidates[i]);
    return true;
}

/* 0, or why a directory cannot be trusted with what we log. */
static int check_private(int fd, const char *path)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return mpl_fail_errno(errno, "%s: cannot be examined", path);
    if (st.st_uid != geteuid())
        return mpl_fail(EPERM, "%s: belongs to another user (uid %ld)", path, (long)st.st_uid);
    if ((st.st_mode & 077) != 0)
        return mpl_fail(EPERM, "%s: is open to other users (mode %03o): chmod 700 closes it", path,
                        (unsigned)(st.st_mode & 0777));
    return 0;
}

/* mkdir whose mode the umask cannot narrow. */
static int make_private(const char *path) { return mkdir(path, 0700) < 0 || chmod(path, 0700) < 0 ? -errno : 0; }

static int open_private(const char *path)
{
    int fd = mpl_os_fd_above_stdio(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (fd < 0)
        return mpl_fail_errno(errno, "%s: cannot be opened", path);
    int error = check_private(fd, path);
    if (error) {
        close(fd);
        return error;
    }
    return fd;
}

int mpl_dir_parent(char path[MPL_DIR_MAX])
{
    struct mpl_text t = {path, strlen(path), MPL_DIR_MAX - 1};
    mpl_text_str(&t, MPL_STR("/mplog-"));
    mpl_text_u64(&t, geteuid());
    /* Room for what will be put below it: id, suffix, file name. */
    if (t.len + MPL_ID_DIGITS + RANDOM_SUFFIX_DIGITS + 40 > MPL_DIR_MAX)
        return mpl_fail(ENAMETOOLONG, "%s: is too long (%zu bytes)", path, strlen(path));
    mpl_text_cstr(&t);
    return 0;
}

static int make_parent(const char *path)
{
    int error = make_private(path);
    if (error && error != -EEXIST)
        return mpl_fail_errno(-error, "%s: cannot be created", path);
    int fd = open_private(path);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

void mpl_dir_new_id(char id[MPL_ID_DIGITS + 1])
{
    struct mpl_text t = {id, 0, MPL_ID_DIGITS + 1};
    append_random(&t, MPL_ID_DIGITS);
    mpl_text_cstr(&t);
}

static int make_and_open(const char *path)
{
    int error = make_private(path);
    if (error)
        return mpl_fail_errno(-error, "%s: cannot be created", path);
    int fd = open_private(path);
    if (fd < 0)
        rmdir(path);
    return fd;
}

static int make_in_parent(const char *parent, const char *path)
{
    int error = make_parent(parent);
    return error ? error : make_and_open(path);
}

/* A parent that has the folder in it from the first moment on: nobody can delete it as empty. In the place of none, or
 * of an empty one. -ENOENT: there is one that is not empty. */
static int make_with_parent(const char *parent, const char *path)
{
    char fresh[MPL_DIR_MAX], inner[MPL_DIR_MAX];
    struct mpl_text t = {inner, 0, MPL_DIR_MAX};
    if (!with_suffix(fresh, parent, ".new-"))
        return mpl_fail(ENAMETOOLONG, "%s: path is too long", parent);
    mpl_text_printf(&t, "%s%s", fresh, strrchr(path, '/'));
    if (!mpl_text_fits(&t))
        return mpl_fail(ENAMETOOLONG, "%s: path is too long", parent);
    int error = make_private(fresh);
    error = error ? error : make_private(inner);
    error = error ? error : rename(fresh, parent) < 0 ? -errno : 0;
    if (!error)
        return open_private(path);
    rmdir(inner);
    rmdir(fresh);
    return error == -ENOTEMPTY || error == -EEXIST ? -ENOENT : mpl_fail_errno(-error, "%s: cannot be created", parent);
}

/* The last session that ends deletes the parent, perhaps just when it is to be used. The first try is the usual way;
 * each further turn that is lost means that one session has begun, and another one has ended. */
#define PARENT_TRIES 100

int mpl_dir_build(const char *parent, const char *id, char path[MPL_DIR_MAX])
{
    char final[MPL_DIR_MAX];
    struct mpl_text t = {final, 0, MPL_DIR_MAX};
    mpl_text_printf(&t, "%s/%s", parent, id);
    if (!mpl_text_fits(&t) || !with_suffix(path, final, ".new-"))
        return mpl_fail(ENAMETOOLONG, "%s: path is too long", parent);
    int fd = -ENOENT;
    for (int i = 0; i < PARENT_TRIES && fd == -ENOENT; i++) {
        fd = i % 2 ? make_with_parent(parent, path) : make_in_parent(parent, path);
    }
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        /* Only a sweep that wants to know whether a builder lives asks for this lock; without it the builder is taken
         * for dead, which matters only to a sweep that runs in these milliseconds. */
    }
    return fd;
}

int mpl_dir_publish(const char *built, const char *path)
{
    if (rename(built, path) == 0)
        return 0;
    if (errno == ENOTEMPTY || errno == EEXIST)
        return mpl_fail(EEXIST, "%s: exists already", path);
    return mpl_fail_errno(errno, "%s: cannot be renamed to %s", built, path);
}

int mpl_dir_open(const char *path) { return open_private(path); }

int mpl_dir_open_file(int dir_fd, const char *name, int flags)
{
    struct stat st;
    flags |= O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK; /* the last: a FIFO would wait for its other end */
    int fd = mpl_os_fd_above_stdio(openat(dir_fd, name, flags, 0600));
    if (fd < 0)
        return mpl_fail_errno(errno, "session file %s: cannot be opened", name);
    if (fstat(fd, &st) < 0) {
        int error = errno;
        close(fd);
        return mpl_fail_errno(error, "session file %s: cannot be examined", name);
    }
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
        close(fd);
        return mpl_fail(EPERM, "session file %s: is not a regular file of this user", name);
    }
    /* A umask that takes rights from ourselves: root alone could open it again. */
    if ((flags & O_CREAT) && (st.st_mode & 0600) != 0600 && fchmod(fd, 0600) < 0) {
        int error = errno;
        close(fd);
        return mpl_fail_errno(error, "session file %s: cannot be given its mode", name);
    }
    return fd;
}

static bool control_is(const char *path, uint64_t dev, uint64_t ino)
{
    char control[MPL_DIR_MAX + 16];
    struct stat st;
    struct mpl_text t = {control, 0, sizeof control};
    mpl_text_printf(&t, "%s/control", path);
    return lstat(control, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static void delete_parent_if_empty(const char *path)
{
    char parent[MPL_DIR_MAX];
    struct mpl_text t = {parent, 0, MPL_DIR_MAX};
    mpl_text_str(&t, mpl_str_from(path));
    mpl_text_cstr(&t);
    char *slash = strrchr(parent, '/');
    if (slash && slash != parent) {
        *slash = '\0';
        rmdir(parent); /* fails, as it should, while another session is in it */
    }
}

bool mpl_dir_retire(const char *path, uint64_t dev, uint64_t ino)
{
    char gone[MPL_DIR_MAX];
    if (!control_is(path, dev, ino) || !with_suffix(gone, path, ".gone-") || rename(path, gone) < 0) {
        /* What a deletion by somebody else has left, now that its last segment has gone; another session is not empty.
         */
        if (rmdir(path) == 0)
            delete_parent_if_empty(path);
        return false;
    }
    mpl_dir_delete(gone);
    delete_parent_if_empty(path);
    return true;
}

/* Takes over `dir`. */
static void delete_files(DIR *dir)
{
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
}

void mpl_dir_delete(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return;
    delete_files(dir);
    rmdir(path); /* what cannot be deleted is left for the next sweep */
}

void mpl_dir_delete_remains(const char *path)
{
    struct stat st;
    int fd = open_private(path);
    if (fd < 0)
        return;
    bool is_incomplete = fstatat(fd, "control", &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
    DIR *dir = is_incomplete ? fdopendir(fd) : NULL;
    if (!dir) {
        close(fd);
        return;
    }
    delete_files(dir); /* by descriptor: a session that takes the name in between is not touched */
    rmdir(path);       /* nor here: it is not empty */
}

void mpl_dir_delete_leftover(const char *path)
{
    mpl_dir_delete(path);
    delete_parent_if_empty(path);
}

/* ---- looking around ---- */

/* Building a session takes a millisecond, deleting one too; between making a directory and locking it, and between two
 * deletions, its owner may be kept waiting. */
#define LEFTOVER_AGE_S 10

/* An id, and perhaps a suffix. */
static bool has_id(const char *name)
{
    size_t n = strspn(name, "0123456789abcdef");
    return n == MPL_ID_DIGITS && (name[n] == '\0' || name[n] == '.');
}

static bool is_old(const struct stat *st)
{
    time_t age = time(NULL) - st->st_mtime;
    return age > LEFTOVER_AGE_S || age < -LEFTOVER_AGE_S; /* in the future: the clock was set, long ago for a builder */
}

/* Does nobody hold the lock that a builder has on its directory? */
static bool is_unlocked(int dir_fd) { return flock(dir_fd, LOCK_EX | LOCK_NB) == 0; }

static bool is_leftover(int parent_fd, const char *name)
{
    struct stat st, control;
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_named_so = name[MPL_ID_DIGITS] == '.';
    bool is_complete = !is_named_so && fstatat(fd, "control", &control, AT_SYMLINK_NOFOLLOW) == 0;
    bool is_one = !is_complete && fstat(fd, &st) == 0 && is_old(&st) && is_unlocked(fd);
    close(fd);
    return is_one;
}

static void visit(DIR *dir, const char *parent, const char *name,
                  void (*visit_fn)(void *arg, const char *path, enum mpl_dir_kind kind), void *arg)
{
    char path[MPL_DIR_MAX];
    struct mpl_text t = {path, 0, MPL_DIR_MAX};
    mpl_text_printf(&t, "%s/%s", parent, name);
    if (!has_id(name) || t.len >= t.cap)
        return;
    if (is_leftover(dirfd(dir), name))
        visit_fn(arg, path, MPL_DIR_LEFTOVER);
    else if (name[MPL_ID_DIGITS] == '\0')
        visit_fn(arg, path, MPL_DIR_SESSION);
}

int mpl_dir_each(const char *parent, void (*visit_fn)(void *arg, const char *path, enum mpl_dir_kind kind), void *arg)
{
    int fd = open_private(parent);
    if (fd < 0)
        return fd;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return mpl_fail(ENOMEM, "%s: out of memory", parent);
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        visit(dir, parent, entry->d_name, visit_fn, arg);
    closedir(dir);
    return 0;
}
