/* SPDX-License-Identifier: Unlicense */
#include "shm/alive.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "base/text.h"
#include "shm/dir.h"
#include "shm/segment.h"
#include "shm/slot.h"

void mpl_alive_boot_id(char boot_id[40])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, boot_id, 36);
    if (fd >= 0)
        close(fd);
    boot_id[n == 36 ? 36 : 0] = '\0';
}

bool mpl_alive_is_other_boot(const struct mpl_control_head *h)
{
    char boot_id[40];
    mpl_alive_boot_id(boot_id);
    return boot_id[0] && h->boot_id[0] && memcmp(h->boot_id, boot_id, 36) != 0;
}

/* Does the text of /proc/PID/maps name a file "<dir>/seg<serial>"? The buffer overlaps, so that a name across two reads
 * is found. */
static bool maps_has(int fd, struct mpl_str name)
{
    char buffer[8192];
    size_t kept = 0;
    for (;;) {
        ssize_t n = read(fd, buffer + kept, sizeof buffer - kept);
        if (n <= 0)
            return false;
        size_t have = kept + (size_t)n;
        if (memmem(buffer, have, name.ptr, name.len))
            return true;
        kept = have < name.len ? have : name.len;
        memmove(buffer, buffer + have - kept, kept);
    }
}

bool mpl_alive_has_mapped(const char *dir, uint64_t serial, pid_t pid)
{
    char path[48], name[MPL_ID_DIGITS + MPL_SEGMENT_NAME_MAX + 2];
    const char *id = strrchr(dir, '/');
    struct mpl_text p = {path, 0, sizeof path}, t = {name, 0, sizeof name};
    mpl_text_printf(&p, "/proc/%d/maps", (int)pid);
    mpl_text_printf(&t, "%s/seg%llu\n", id ? id + 1 : "", (unsigned long long)serial);
    int fd = open(mpl_text_cstr(&p), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return errno != ENOENT && errno != ESRCH;
    bool is_mapped = maps_has(fd, (struct mpl_str){name, t.len});
    close(fd);
    return is_mapped;
}

pid_t mpl_alive_lock_holder(int dir_fd, uint64_t serial)
{
    char name[MPL_SEGMENT_NAME_MAX];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    mpl_segment_name(name, serial);
    int fd = mpl_dir_open_file(dir_fd, name, O_RDWR);
    if (fd < 0)
        return MPL_ALIVE_UNKNOWN;
    pid_t holder = fcntl(fd, F_GETLK, &lock) < 0 ? MPL_ALIVE_UNKNOWN
                   : lock.l_type == F_UNLCK      ? 0
                   : lock.l_pid > 0              ? lock.l_pid
                                                 : MPL_ALIVE_UNSEEN;
    close(fd);
    return holder;
}

bool mpl_alive_is_member(const char *dir, int dir_fd, const struct mpl_slot *slot, uint64_t pid_ns, bool is_other_boot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    uint64_t serial = atomic_load_explicit(&slot->segment_serial, memory_order_relaxed);
    pid_t pid = mpl_slot_pid(word);
    bool has_pid = pid > 0 && (kill(pid, 0) == 0 || errno != ESRCH);
    /* Its facts are not filled in. If it is in another namespace, whoever becomes collector gives it its time. */
    if (mpl_slot_state(word) == MPL_SLOT_JOINING)
        return has_pid && !is_other_boot;
    if (mpl_slot_state(word) != MPL_SLOT_ACTIVE)
        return false;
    pid_t holder = mpl_alive_lock_holder(dir_fd, serial);
    if (holder > 0 || holder == MPL_ALIVE_UNSEEN)
        return holder < 0 || !mpl_os_is_exiting(holder);
    if (is_other_boot || slot->pid_ns != pid_ns)
        return false;
    if (holder == MPL_ALIVE_UNKNOWN)
        return has_pid && slot->start_time == mpl_os_start_time(pid);
    return has_pid && mpl_alive_has_mapped(dir, serial, pid);
}
