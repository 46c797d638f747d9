/* SPDX-License-Identifier: Unlicense */
#include "shm/control.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/os.h"
#include "shm/dir.h"
#include "shm/map.h"

enum { COLLECTOR_BYTE = 0, OVERRIDES_BYTE = 1, SINKS_BYTE = 2 };

static int fill(int fd, const struct mpl_control_head *facts)
{
    int error = mpl_os_allocate(fd, 0, sizeof(struct mpl_control));
    if (error)
        return mpl_fail_errno(-error, "shared memory for the session (%zu bytes)", sizeof(struct mpl_control));
    struct mpl_control *c = mpl_control_map(fd, NULL);
    if (!c)
        return -ENOMEM;
    memcpy(&c->head, facts, sizeof *facts);
    c->head.magic = MPL_CONTROL_MAGIC;
    c->head.abi_version = MPL_ABI_VERSION;
    c->head.control_bytes = sizeof *c;
    mpl_unmap(c, sizeof *c);
    return 0;
}

int mpl_control_create(int dir_fd, const struct mpl_control_head *facts)
{
    int fd = mpl_dir_open_file(dir_fd, "control", O_RDWR | O_CREAT | O_EXCL);
    if (fd < 0)
        return fd;
    int error = fill(fd, facts);
    if (error) {
        close(fd);
        return error;
    }
    return fd;
}

int mpl_control_check(int fd)
{
    struct {
        uint32_t magic, abi_version;
        uint64_t control_bytes;
    } first;
    struct stat st;
    if (pread(fd, &first, sizeof first, 0) != (ssize_t)sizeof first || first.magic != MPL_CONTROL_MAGIC)
        return mpl_fail(EPROTO, "session file control: is not one of mplog's");
    if (first.abi_version != MPL_ABI_VERSION)
        return mpl_fail(EPROTO, "the session was made by another version of mplog (layout %u, this one has %u)",
                        first.abi_version, MPL_ABI_VERSION);
    if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < sizeof(struct mpl_control) ||
        first.control_bytes != sizeof(struct mpl_control))
        return mpl_fail(EPROTO, "session file control: is damaged");
    return 0;
}

int mpl_control_open(int dir_fd)
{
    int fd = mpl_dir_open_file(dir_fd, "control", O_RDWR);
    if (fd < 0)
        return fd;
    int error = mpl_control_check(fd);
    if (error)
        close(fd);
    return error ? error : fd;
}

int mpl_control_identify(int fd, uint64_t *dev, uint64_t *ino)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return mpl_fail_errno(errno, "session file control: cannot be looked at");
    *dev = st.st_dev;
    *ino = st.st_ino;
    return 0;
}

struct mpl_control *mpl_control_map(int fd, void *where)
{
    void *at = where ? mpl_map_at(where, fd, 0, sizeof(struct mpl_control))
                     : mpl_map(fd, 0, sizeof(struct mpl_control));
    if (!at)
        mpl_fail_errno(errno, "session file control: cannot be mapped");
    return at;
}

static int lock_byte(int fd, int command, short type, off_t byte)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    int result;
    do {
        result = fcntl(fd, command, &lock);
    } while (result < 0 && errno == EINTR);
    if (result < 0)
        return -errno;
    return 0;
}

bool mpl_control_lock(int fd) { return lock_byte(fd, F_SETLK, F_WRLCK, COLLECTOR_BYTE) >= 0; }

void mpl_control_unlock(int fd) { lock_byte(fd, F_SETLK, F_UNLCK, COLLECTOR_BYTE); }

pid_t mpl_control_holder(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = COLLECTOR_BYTE, .l_len = 1};
    /* If even asking fails, assume the best: a second collector would find the lock taken anyway. */
    if (fcntl(fd, F_GETLK, &lock) < 0)
        return -1;
    return lock.l_type == F_UNLCK ? 0 : lock.l_pid > 0 ? lock.l_pid : -1;
}

bool mpl_control_has_collector(int fd) { return mpl_control_holder(fd) != 0; }

static uint32_t count_of(const struct mpl_overrides *o)
{
    uint32_t count = *(const volatile uint32_t *)&o->count; /* others may change it: once */
    return count <= MPL_OVERRIDES_MAX ? count : MPL_OVERRIDES_MAX;
}

static bool is_named(const struct mpl_override *e, const char *name, size_t len)
{
    return e->name_len == len && len <= MPL_OVERRIDE_NAME_MAX && memcmp(e->name, name, len) == 0;
}

static int change(struct mpl_overrides *o, const char *name, int level)
{
    size_t len = strlen(name);
    uint32_t count = count_of(o), i = 0;
    while (i < count && !is_named(&o->entry[i], name, len))
        i++;
    if (level == 0) {
        if (i < count)
            o->entry[i] = o->entry[count - 1];
        o->count = i < count ? count - 1 : count;
        return 0;
    }
    if (i == MPL_OVERRIDES_MAX)
        return mpl_fail(ENOSPC, "session level of %s: %u loggers are overridden already", name, MPL_OVERRIDES_MAX);
    o->entry[i].level = level;
    o->entry[i].name_len = (uint32_t)len;
    memcpy(o->entry[i].name, name, len);
    o->count = i < count ? count : count + 1;
    return 0;
}

int mpl_control_set_override(struct mpl_control *c, int fd, const char *name, int level)
{
    if (strlen(name) > MPL_OVERRIDE_NAME_MAX)
        return mpl_fail(ENAMETOOLONG, "session level: the logger's name is longer than %u bytes",
                        MPL_OVERRIDE_NAME_MAX);
    int error = lock_byte(fd, F_SETLKW, F_WRLCK, OVERRIDES_BYTE);
    if (error < 0)
        return mpl_fail_errno(-error, "session level of %s: cannot lock the session's control file", name);
    uint32_t generation = atomic_load_explicit(&c->head.level_generation, memory_order_acquire);
    struct mpl_overrides *next = &c->overrides[(generation + 1) % 2];
    *next = c->overrides[generation % 2];
    error = change(next, name, level);
    if (!error) /* partner: mpl_control_get_override, after the caller's acquire load */
        atomic_store_explicit(&c->head.level_generation, generation + 1, memory_order_release);
    lock_byte(fd, F_SETLK, F_UNLCK, OVERRIDES_BYTE);
    return error;
}

int mpl_control_lock_sinks(int fd)
{
    int error = lock_byte(fd, F_SETLKW, F_WRLCK, SINKS_BYTE);
    return error < 0 ? mpl_fail_errno(-error, "session file control: cannot be locked") : 0;
}

void mpl_control_unlock_sinks(int fd) { lock_byte(fd, F_SETLK, F_UNLCK, SINKS_BYTE); }

bool mpl_control_get_override(const struct mpl_control *c, uint32_t generation, const char *name, int *level)
{
    const struct mpl_overrides *o = &c->overrides[generation % 2];
    uint32_t count = count_of(o);
    size_t len = strlen(name);
    for (uint32_t i = 0; i < count; i++) {
        if (is_named(&o->entry[i], name, len)) {
            *level = o->entry[i].level;
            return true;
        }
    }
    return false;
}

/* ---- deaths ---- */

/* One start in 100 ms at most (session/start.c): for some 5 s none has come up. */
#define STARTS_MAX 50u

/* A session that nobody has ever served, so long after it was created, and after so many starts: what is named there as
 * its helper may be none. An exit, which waits 5 s, is to see the thread that writes instead. */
#define FIRST_WAIT_NS UINT64_C(3000000000)
#define FIRST_STARTS 3u

static bool is_unserved(struct mpl_control_head *h) { return mpl_state_of(atomic_load(&h->state)) == MPL_SESSION_NEW; }

void mpl_control_note_death(struct mpl_control *c, uint64_t now_ns)
{
    struct mpl_control_head *h = &c->head;
    uint32_t takeovers = atomic_load(&h->takeovers);
    bool is_new = is_unserved(h);
    if (!is_new && atomic_load(&h->collector_pid) == 0)
        return;
    if (is_new || atomic_exchange(&h->deaths_seen, takeovers) == takeovers) {
        atomic_fetch_add(&h->starts, 1); /* it may just be slow */
        return;
    }
    atomic_store(&h->starts, 0);
    for (unsigned i = MPL_DEATHS_KEPT; --i > 0;)
        atomic_store(&h->death_ns[i], atomic_load(&h->death_ns[i - 1]));
    atomic_store(&h->death_ns[0], now_ns);
}

bool mpl_control_is_helper_doomed(struct mpl_control *c, uint64_t now_ns, unsigned deaths_max)
{
    if (deaths_max > MPL_DEATHS_KEPT)
        deaths_max = MPL_DEATHS_KEPT;
    uint64_t first_ns = deaths_max ? atomic_load(&c->head.death_ns[deaths_max - 1]) : 0;
    /* Times of another time namespace tell nothing. */
    bool are_many = first_ns != 0 && first_ns <= now_ns && now_ns - first_ns < MPL_DEATHS_WITHIN_NS;
    uint32_t starts = atomic_load(&c->head.starts);
    bool is_none = is_unserved(&c->head) && starts >= FIRST_STARTS &&
                   now_ns - c->head.monotonic_base_ns > FIRST_WAIT_NS;
    return are_many || is_none || starts >= STARTS_MAX;
}
