/* SPDX-License-Identifier: Unlicense */
#include "base/cgroup.h"

#include <fcntl.h>
#include <unistd.h>

/* On the stack of a log call that starts the default session. Longer paths count as groups without limit. */
#define PATH_BYTES 512u
#define MOUNT_BYTES 256u
#define GROUPS_BYTES 2048u /* a dozen lines of version 1 */

static size_t read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size);
    if (fd >= 0)
        close(fd);
    return n > 0 ? (size_t)n : 0;
}

/* "max", no such file and nonsense: no limit. */
static uint64_t read_limit(const char *path)
{
    char digits[32];
    uint64_t limit;
    size_t n = read_text(path, digits, sizeof digits);
    if (n > 0 && digits[n - 1] == '\n')
        n--;
    return mpl_str_to_u64((struct mpl_str){digits, n}, UINT64_MAX, &limit) ? limit : UINT64_MAX;
}

/* From the group up to where the hierarchy is mounted. In a container the mount may begin at its own group, whose path
 * is then not to be found below it: the walk ends at the right file all the same. */
static uint64_t least_limit(const char *mount, struct mpl_str group, const char *name)
{
    char path[PATH_BYTES];
    struct mpl_text t = {path, 0, sizeof path};
    mpl_text_str(&t, mpl_str_from(mount));
    size_t mount_len = t.len, whole_len = t.len + group.len;
    mpl_text_str(&t, group);
    uint64_t least = UINT64_MAX;
    for (size_t n = whole_len; n >= mount_len && whole_len + strlen(name) < sizeof path; n--) {
        if (n < whole_len && path[n] != '/')
            continue;
        t.len = n; /* what follows is not looked at any more */
        mpl_text_str(&t, mpl_str_from(name));
        uint64_t limit = read_limit(mpl_text_cstr(&t));
        least = limit < least ? limit : least;
    }
    return least;
}

/* One of names that commas separate. */
static bool has_word(struct mpl_str list, struct mpl_str word)
{
    while (list.len > 0) {
        const char *comma = memchr(list.ptr, ',', list.len);
        size_t n = comma ? (size_t)(comma - list.ptr) : list.len;
        if (mpl_str_equal((struct mpl_str){list.ptr, n}, word))
            return true;
        n += comma != NULL;
        list = (struct mpl_str){list.ptr + n, list.len - n};
    }
    return false;
}

/* "4:memory:/group": version 1, in a hierarchy of its own; "0::/group": version 2. */
static uint64_t limit_of_line(struct mpl_str line, const char *mounts)
{
    char mount[MOUNT_BYTES];
    const char *end = line.ptr + line.len, *first = memchr(line.ptr, ':', line.len);
    const char *second = first ? memchr(first + 1, ':', (size_t)(end - first - 1)) : NULL;
    if (!second)
        return UINT64_MAX;
    struct mpl_str controllers = {first + 1, (size_t)(second - first - 1)};
    struct mpl_str group = {second + 1, (size_t)(end - second - 1)};
    if (controllers.len == 0)
        return least_limit(mounts, group, "/memory.max");
    if (!has_word(controllers, MPL_STR("memory")))
        return UINT64_MAX;
    struct mpl_text t = {mount, 0, sizeof mount};
    mpl_text_printf(&t, "%s/memory", mounts);
    return t.len < t.cap ? least_limit(mpl_text_cstr(&t), group, "/memory.limit_in_bytes") : UINT64_MAX;
}

uint64_t mpl_cgroup_memory_limit_of(struct mpl_str groups, const char *mounts)
{
    uint64_t least = UINT64_MAX;
    while (groups.len > 0) {
        const char *newline = memchr(groups.ptr, '\n', groups.len);
        size_t n = newline ? (size_t)(newline - groups.ptr) : groups.len;
        uint64_t limit = limit_of_line((struct mpl_str){groups.ptr, n}, mounts);
        least = limit < least ? limit : least;
        n += newline != NULL;
        groups = (struct mpl_str){groups.ptr + n, groups.len - n};
    }
    return least;
}

uint64_t mpl_cgroup_memory_limit(void)
{
    char groups[GROUPS_BYTES];
    size_t n = read_text("/proc/self/cgroup", groups, sizeof groups);
    return mpl_cgroup_memory_limit_of((struct mpl_str){groups, n}, "/sys/fs/cgroup");
}
