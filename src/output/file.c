/* SPDX-License-Identifier: Unlicense */
#include "output/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "output/rotate.h"

#define WRITE_BYTES_MAX (1u << 20) /* keeps what a kill can leave half written, and the time of one call, small */
#define REOPEN_TRIES_MAX 1000      /* each further one means that another process rotated while we waited for it */
#define SIZE_UNKNOWN UINT64_MAX
#define LOCK_WAIT_NS UINT64_C(1000000000)
#define ROTATION_RETRY_NS UINT64_C(1000000000) /* what keeps a file from being moved rarely passes sooner */
#define LOCK_PAUSE_LEAST_NS UINT64_C(20000) /* a batch of another session is over after one or two of these */
#define LOCK_PAUSE_MOST_NS UINT64_C(5000000)

/* O_NONBLOCK is for the open alone: a serial line would wait for its carrier, a write-only FIFO for its reader. */
#define OPEN_FLAGS (O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

#define PERMISSIONS 07777u /* of st_mode: all but the kind of file */

/* ---- open, close ---- */

static bool is_anothers_pipe(const char *path)
{
    struct stat st;
    return strncmp(path, "/proc/", 6) == 0 && stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* For reading too: the end of the file is looked at, and whoever holds a FIFO's read end as well can open it without a
 * reader and never gets SIGPIPE, which would kill a host that the collector is a thread of; lines wait in the pipe. But
 * not of a pipe that a process has for its stdout: it would never learn that its reader has gone. */
static int open_existing(const char *path)
{
    int fd = open(path, (is_anothers_pipe(path) ? O_WRONLY : O_RDWR) | OPEN_FLAGS);
    if (fd < 0 && errno == EACCES)
        fd = open(path, O_WRONLY | OPEN_FLAGS);
    return fd < 0 ? -errno : fd;
}

/* Where the path is a link, O_EXCL wants its target. Existing files are opened without O_CREAT, with which the kernel
 * refuses other users' files in a sticky directory (fs.protected_regular). */
static int open_or_create(const char *path, unsigned mode, bool *created)
{
    char target[PATH_MAX];
    int fd = -ESTALE;
    for (int i = 0; i < REOPEN_TRIES_MAX; i++) {
        *created = false;
        fd = open_existing(path);
        if (fd != -ENOENT)
            return fd;
        int rc = mpl_rotate_resolve(path, target);
        if (rc < 0)
            return rc;
        fd = open(target, O_RDWR | O_CREAT | O_EXCL | OPEN_FLAGS, mode & PERMISSIONS);
        *created = fd >= 0;
        if (fd >= 0 || errno != EEXIST)
            return fd < 0 ? -errno : fd;
    }
    return -ESTALE;
}

static int fail_open(const char *path, int error)
{
    struct stat st;
    switch (error) {
    case ENOENT: return mpl_fail_errno(error, "log_file %s: its directory cannot be found", path);
    case EACCES:
        if (stat(path, &st) < 0 && errno == ENOENT)
            return mpl_fail_errno(error, "log_file %s: cannot be created in its directory", path);
        return mpl_fail_errno(error, "log_file %s: cannot be opened for writing", path);
    case ENXIO:
        return mpl_fail_errno(error, "log_file %s: cannot be opened (a socket, or a FIFO without a reader)", path);
    default: return mpl_fail_errno(error, "log_file %s: cannot be opened", path);
    }
}

/* Gives a file we created what its predecessor had. Only root may give files away: others keep the group if they are
 * in it, and a group that could not be kept must not be let in by the bits that were meant for another one. Failures
 * do not matter more than the log: the file is then less accessible, never more. */
static void inherit_owner(const struct mpl_file *f, int fd)
{
    struct stat st;
    unsigned mode = f->mode & PERMISSIONS;
    if (fchown(fd, f->uid, f->gid) < 0 && fchown(fd, (uid_t)-1, f->gid) < 0)
        mode &= ~(unsigned)S_IRWXG;
    if (fstat(fd, &st) == 0 && (st.st_mode & PERMISSIONS) != mode)
        fchmod(fd, mode);
}

static void note_facts(struct mpl_file *f, const struct stat *st)
{
    f->dev = st->st_dev;
    f->ino = st->st_ino;
    f->mode = st->st_mode;
    f->uid = st->st_uid;
    f->gid = st->st_gid;
}

/* Takes over `fd`. */
static int adopt_fd(struct mpl_file *f, int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        int rc = mpl_fail_errno(errno, "log_file %s: cannot be looked at", f->path);
        close(fd);
        return rc;
    }
    f->fd = fd;
    f->clean_size = SIZE_UNKNOWN;
    note_facts(f, &st);
    return 0;
}

/* Opens what is at the path. `is_successor`: if nothing is, the new file gets mode and owner of the last one. */
static int open_log(struct mpl_file *f, bool is_successor)
{
    bool created;
    int fd = open_or_create(f->path, f->mode, &created);
    if (fd < 0)
        return fail_open(f->path, -fd);
    if (created && is_successor)
        inherit_owner(f, fd);
    f->is_name_unsynced = true; /* a set-up may have created it a moment ago */
    /* Of these flags F_SETFL can only clear O_NONBLOCK. It does not fail on a descriptor that was just opened. */
    fcntl(fd, F_SETFL, O_APPEND);
    int rc = adopt_fd(f, fd);
    if (rc == 0)
        f->is_regular = S_ISREG(f->mode);
    return rc;
}

/* ---- lock ---- */

static int set_lock(const struct mpl_file *f, int command, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    while (fcntl(f->fd, command, &lock) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

static int fail_lock(const struct mpl_file *f, int error)
{
    return mpl_fail_errno(error, "log_file %s: cannot be locked; does its file system lack locks?", f->path);
}

/* Nothing but a bad descriptor could make this fail. */
static void unlock(struct mpl_file *f)
{
    if (f->is_locked && f->fd >= 0)
        set_lock(f, F_OFD_SETLK, F_UNLCK);
    f->is_locked = false;
}

/* Sessions that share a file hold its lock for the fraction of a millisecond that a batch takes to write. */
static int take_lock(struct mpl_file *f)
{
    uint64_t begin_ns = mpl_clock_monotonic_ns(), pause_ns = LOCK_PAUSE_LEAST_NS;
    for (;;) {
        int rc = set_lock(f, F_OFD_SETLK, F_WRLCK);
        f->is_locked = rc == 0;
        if (rc == 0)
            f->is_lock_stuck = false;
        if (rc != -EAGAIN && rc != -EACCES)
            return rc;
        if (f->is_lock_stuck || mpl_clock_monotonic_ns() - begin_ns > LOCK_WAIT_NS)
            break;
        mpl_os_sleep_ns(pause_ns);
        pause_ns = pause_ns * 2 < LOCK_PAUSE_MOST_NS ? pause_ns * 2 : LOCK_PAUSE_MOST_NS;
    }
    f->is_lock_stuck = true;
    return 0;
}

/* At set-up, so that a file system without locks is refused there and not at the first line. */
static int probe_lock(struct mpl_file *f)
{
    int rc = set_lock(f, F_OFD_SETLK, F_WRLCK);
    f->is_locked = rc == 0;
    if (rc < 0 && rc != -EAGAIN && rc != -EACCES) /* these two: somebody else holds it, so it works */
        return fail_lock(f, -rc);
    unlock(f);
    return 0;
}

/* Also gives the file's size as it is under the lock. A path that can no longer be looked at (we gave up root, the
 * directory was closed to us) is no reason to leave a file that can still be written. */
static bool is_at_path(const struct mpl_file *f, struct stat *st)
{
    if (stat(f->path, st) == 0)
        return st->st_dev == f->dev && st->st_ino == f->ino;
    return errno != ENOENT && errno != ENOTDIR && fstat(f->fd, st) == 0;
}

static int leave_file(struct mpl_file *f)
{
    int rc = f->sync_when_left ? mpl_file_sync(f) : 0;
    close(f->fd); /* whatever it says, the descriptor and its lock are gone; what was written was answered before */
    f->fd = -1;
    f->is_locked = false;
    return rc;
}

/* Locks the file that is at the path, opening it if that is another than ours. What is no regular file has no lock. */
static int lock_log(struct mpl_file *f, uint64_t *size)
{
    struct stat st;
    *size = 0;
    for (int i = 0; i < REOPEN_TRIES_MAX; i++) {
        int rc = f->fd < 0 ? open_log(f, true) : 0;
        if (rc < 0 || !f->is_regular)
            return rc;
        rc = take_lock(f);
        if (rc < 0)
            return fail_lock(f, -rc);
        if (is_at_path(f, &st)) {
            note_facts(f, &st);
            *size = (uint64_t)st.st_size;
            return 0;
        }
        rc = leave_file(f);
        if (rc < 0)
            return rc;
    }
    return mpl_fail_errno(ESTALE, "log_file %s: was moved away %d times while it was opened", f->path,
                          REOPEN_TRIES_MAX);
}

/* ---- append ---- */

struct append {
    struct mpl_file *f;
    const struct mpl_lines *lines;
    uint64_t *done;
    const struct mpl_file_journal *journal;
    uint64_t size; /* of the open file, which is locked */
    bool is_empty; /* it holds no record, at most a BOM */
    bool may_rotate;
    /* the record that *done lies in: its number, where it ends, how many of its bytes stand before *done */
    uint32_t index;
    uint64_t end, part;
};

/* Lines may lie in memory that others can write at any time: each end is read once, and one that is out of range must
 * not lead out of the bytes. */
static uint64_t read_end(const struct mpl_lines *lines, uint32_t index)
{
    if (index >= lines->count)
        return lines->len;
    uint32_t end = *(const volatile uint32_t *)(lines->ends + index);
    return end < lines->len ? end : lines->len;
}

static void find_record(struct append *a)
{
    uint64_t start = a->index > 0 ? read_end(a->lines, a->index - 1) : 0;
    while ((a->end = read_end(a->lines, a->index)) <= *a->done) {
        start = a->end;
        a->index++;
    }
    a->part = start < *a->done ? *a->done - start : 0;
}

/* True also where the file cannot be read: what is expected is taken for granted. */
static bool holds_at(const struct mpl_file *f, uint64_t offset, const char *data, uint64_t len)
{
    bool has_ended;
    int64_t n = mpl_file_count_equal(f->fd, offset, data, len, &has_ended);
    return n < 0 || (uint64_t)n == len;
}

static int write_own(struct append *a, const char *bytes, size_t len)
{
    size_t written;
    int rc = mpl_write_all(a->f->fd, bytes, len, &written);
    a->size += written;
    return rc < 0 ? mpl_fail_errno(-rc, "log_file %s: cannot be written", a->f->path) : 0;
}

/* Ends what somebody else left unfinished. A size that is no multiple of the newline's (a cut UTF-16 character) is
 * filled up with zeros, or all that follows would be shifted. */
static int end_line(struct append *a)
{
    const struct mpl_file *f = a->f;
    char bytes[2 * sizeof f->newline] = {0};
    size_t unit = f->newline_len, fill = (size_t)(unit - a->size % unit) % unit;
    if (fill == 0 && holds_at(f, a->size - unit, f->newline, unit))
        return 0;
    memcpy(bytes + fill, f->newline, unit);
    return write_own(a, bytes, fill + unit);
}

/* Whether the record that is to be continued can be: its first part must be the end of this file. If somebody else
 * wrote behind it, or rotated, two halves would be no line: the record is begun again, the part stays where it is. */
static bool continues_record(struct append *a)
{
    find_record(a);
    if (a->part > 0 && a->part <= a->size &&
        holds_at(a->f, a->size - a->part, a->lines->data + *a->done - a->part, a->part))
        return true;
    *a->done -= a->part;
    return false;
}

/* Makes the open file ready for what comes next: a BOM, or the rest of one, at its start, a newline at its end, or
 * nothing if a record is continued. */
static int prepare_end(struct append *a)
{
    const struct mpl_file *f = a->f;
    a->is_empty = f->is_regular && a->size <= f->bom_len && holds_at(f, 0, f->bom, a->size);
    if (!f->is_regular || continues_record(a) || a->size == f->clean_size)
        return 0;
    return a->is_empty ? write_own(a, f->bom + a->size, f->bom_len - a->size) : end_line(a);
}

static int enter_log(struct append *a)
{
    int rc = lock_log(a->f, &a->size);
    return rc < 0 ? rc : prepare_end(a);
}

/* What may still be written before rotation; UINT64_MAX: there is none. A record fits if it is smaller. */
static uint64_t room_left(const struct append *a)
{
    const struct mpl_file *f = a->f;
    if (!f->is_regular || f->max_bytes == 0 || f->backup_count == 0 || !f->is_locked || !a->may_rotate)
        return UINT64_MAX;
    return f->max_bytes > a->size ? f->max_bytes - a->size : 0;
}

/* A record that does not fit even an empty file is written into one, as Python does. */
static bool must_rotate(struct append *a)
{
    find_record(a);
    return a->part == 0 && !a->is_empty && a->end - *a->done >= room_left(a);
}

/* The path is looked at again: its file may have been moved while we wrote, and another one is not ours to move. */
static int rotate_log(struct append *a)
{
    struct mpl_file *f = a->f;
    char target[PATH_MAX];
    struct stat st;
    int rc, old = f->fd;
    if (!is_at_path(f, &st))
        return enter_log(a);
    rc = mpl_rotate_resolve(f->path, target);
    if (rc > 0) { /* renaming the file would not make the path free */
        f->max_bytes = 0;
        return 0;
    }
    if (rc == 0 && f->sync_when_left)
        rc = mpl_file_sync(f);
    if (rc == 0)
        rc = mpl_rotate(target, f->backup_count);
    if (rc < 0)
        return rc;
    f->fd = -1;
    rc = open_log(f, true);
    /* The old lock is kept until we have the new one, unless somebody else has that: to wait for it while holding ours
     * could be for ever (a backup was moved back to the path). */
    f->is_locked = rc == 0 && f->is_regular && set_lock(f, F_OFD_SETLK, F_WRLCK) == 0;
    close(old);
    return rc < 0 ? rc : enter_log(a);
}

/* A file that is still there and ours, but cannot be moved, takes further lines. */
static int try_to_rotate(struct append *a)
{
    struct mpl_file *f = a->f;
    int rc = rotate_log(a);
    f->rotation_error = rc < 0 ? -rc : 0;
    if (rc == 0 || f->fd < 0 || !f->is_locked)
        return rc;
    f->rotation_retry_ns = mpl_clock_monotonic_ns() + ROTATION_RETRY_NS;
    a->may_rotate = false;
    return 0;
}

/* Where the next write ends: behind the last record that fits. Several writers to one pipe get in between each other's
 * bytes unless a write is at most PIPE_BUF long. */
static uint64_t portion_end(const struct append *a)
{
    uint64_t from = *a->done, end = a->end, room = room_left(a);
    uint64_t max = S_ISFIFO(a->f->mode) ? PIPE_BUF : WRITE_BYTES_MAX;
    for (uint32_t i = a->index + 1; i < a->lines->count; i++) {
        uint64_t next = read_end(a->lines, i);
        if (next < end || next - from > max || next - from >= room)
            break;
        end = next;
    }
    return end - from > WRITE_BYTES_MAX ? from + WRITE_BYTES_MAX : end;
}

/* A write has ended in the middle of a record, as on a full disk. Until it can be finished, whoever else reads or
 * appends had better find whole lines: what nobody has written behind is taken back. */
static void take_back_part(struct append *a, uint64_t from)
{
    struct stat st;
    if (*a->done < a->lines->len)
        find_record(a);
    if (*a->done == a->lines->len || a->part == 0 || *a->done - a->part < from || !a->f->is_locked)
        return;
    if (fstat(a->f->fd, &st) < 0 || (uint64_t)st.st_size != a->size ||
        ftruncate(a->f->fd, (off_t)(a->size - a->part)) < 0)
        return;
    a->size -= a->part;
    *a->done -= a->part;
}

static int write_portion(struct append *a)
{
    static const struct mpl_file_journal no_journal;
    const struct mpl_file_journal *j = a->journal ? a->journal : &no_journal;
    const struct mpl_file *f = a->f;
    uint64_t from = *a->done, until = portion_end(a), size_before = a->size;
    if (j->begin_fn && f->is_regular)
        j->begin_fn(j->arg, f->dev, f->ino, a->size, from, until);
    int rc = write_own(a, a->lines->data + from, (size_t)(until - from));
    *a->done += a->size - size_before;
    if (rc < 0)
        take_back_part(a, from);
    a->is_empty = a->is_empty && a->size == size_before;
    if (j->done_fn)
        j->done_fn(j->arg, *a->done);
    return rc;
}

int mpl_file_append(struct mpl_file *f, const struct mpl_lines *lines, uint64_t *done, const struct mpl_file_journal *j)
{
    struct append a = {.f = f, .lines = lines, .done = done, .journal = j};
    if (*done >= lines->len)
        return 0;
    a.may_rotate = f->rotation_error == 0 || mpl_clock_monotonic_ns() >= f->rotation_retry_ns;
    int rc = enter_log(&a);
    while (rc == 0 && *done < lines->len)
        rc = must_rotate(&a) ? try_to_rotate(&a) : write_portion(&a);
    f->clean_size = rc == 0 ? a.size : SIZE_UNKNOWN;
    unlock(f);
    return rc;
}

/* ---- the whole file ---- */

static int set_options(struct mpl_file *f, const struct mpl_file_options *o)
{
    struct mpl_str newline = o->newline.len > 0 ? o->newline : MPL_STR("\n");
    *f = (struct mpl_file){.fd = -1, .max_bytes = o->max_bytes, .backup_count = o->backup_count};
    if (o->bom.len > sizeof f->bom || newline.len > sizeof f->newline)
        return mpl_fail(EINVAL, "log_file %s: no encoding has so long a byte order mark or newline", o->path);
    f->sync_when_left = o->sync_when_left;
    f->bom_len = o->bom.len;
    f->newline_len = newline.len;
    if (o->bom.len > 0)
        memcpy(f->bom, o->bom.ptr, o->bom.len);
    memcpy(f->newline, newline.ptr, newline.len);
    f->path = strdup(o->path);
    return f->path ? 0 : mpl_fail_errno(ENOMEM, "log_file %s", o->path);
}

int mpl_file_open(struct mpl_file *f, const struct mpl_file_options *o, unsigned create_mode)
{
    int rc = set_options(f, o);
    f->mode = create_mode;
    if (rc == 0)
        rc = open_log(f, false);
    if (rc == 0 && f->is_regular)
        rc = probe_lock(f);
    if (rc < 0)
        mpl_file_close(f);
    return rc;
}

int mpl_file_adopt(struct mpl_file *f, const struct mpl_file_options *o, int fd)
{
    int rc = set_options(f, o);
    if (rc < 0)
        close(fd);
    else
        rc = adopt_fd(f, fd);
    if (rc < 0)
        mpl_file_close(f);
    return rc;
}

void mpl_file_close(struct mpl_file *f)
{
    if (f->fd >= 0)
        close(f->fd); /* what was written was answered before */
    f->fd = -1;
    free(f->path);
    f->path = NULL;
}

int mpl_file_truncate(struct mpl_file *f)
{
    uint64_t size;
    int rc = lock_log(f, &size);
    if (rc == 0 && f->is_regular) {
        f->clean_size = SIZE_UNKNOWN;
        if (ftruncate(f->fd, 0) < 0)
            rc = mpl_fail_errno(errno, "log_file %s: cannot be emptied", f->path);
    }
    unlock(f);
    return rc;
}

/* A file whose name is not on the disk is lost with all that is in it. */
static int sync_directory(struct mpl_file *f)
{
    char directory[PATH_MAX];
    int rc = mpl_rotate_resolve(f->path, directory);
    if (rc != 0)
        return rc < 0 ? rc : 0; /* through /proc: it has no name of ours */
    char *slash = strrchr(directory, '/');
    if (slash)
        slash[slash == directory] = '\0';
    int fd = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    /* Not every file system can, and who may not read the directory cannot. */
    f->is_name_unsynced = error != 0 && error != EINVAL && error != EACCES && error != EROFS;
    return f->is_name_unsynced ? mpl_fail_errno(error, "log_file %s: its directory cannot be synced", f->path) : 0;
}

int mpl_file_sync(struct mpl_file *f)
{
    int error = EINTR;
    while (f->fd >= 0 && error == EINTR)
        error = fdatasync(f->fd) < 0 ? errno : 0;
    if (f->fd >= 0 && error != 0 && error != EINVAL && error != EROFS) /* the last two: a pipe or a terminal */
        return mpl_fail_errno(error, "log_file %s: cannot be synced", f->path);
    return f->fd >= 0 && f->is_regular && f->is_name_unsynced ? sync_directory(f) : 0;
}
