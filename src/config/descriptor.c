/* SPDX-License-Identifier: Unlicense */
#include "config/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"

#if defined(__GLIBC__)
typedef unsigned long ioctl_request;
#else
typedef int ioctl_request; /* as POSIX had it */
#endif

#define LINKS_MAX 16

/* Unix 98 terminals: /dev/pts/<minor>, in blocks of 256. */
#define PTS_MAJOR_FIRST 136u
#define PTS_MAJOR_LAST 143u

/* The descriptor that the path names in this process; -1: none. */
static int number_of(const char *path)
{
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        size_t len = strlen(folders[i]);
        const char *digits = path + len;
        if (strncmp(path, folders[i], len) != 0 || !digits[0] || digits[strspn(digits, "0123456789")])
            continue;
        unsigned long n = strtoul(digits, NULL, 10);
        return n <= INT_MAX ? (int)n : -1;
    }
    return -1;
}

/* The target of the link `path` instead of it, a relative one from its folder. False: no link, or too long. */
static bool follow(char path[PATH_MAX])
{
    char target[PATH_MAX];
    ssize_t n = readlink(path, target, sizeof target - 1);
    char *slash = strrchr(path, '/');
    if (n <= 0 || !slash)
        return false;
    target[n] = '\0';
    char *end = target[0] == '/' ? path : slash + 1;
    if ((size_t)n >= PATH_MAX - (size_t)(end - path))
        return false;
    memcpy(end, target, (size_t)n + 1);
    return true;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int write_open_file(const char *option, const char *path, int fd, struct mpl_text *out)
{
    char link[64], name[PATH_MAX];
    struct stat open_file, named;
    struct mpl_text t = {link, 0, sizeof link};
    mpl_text_printf(&t, "/proc/%d/fd/%d", (int)getpid(), fd);
    if (fstat(fd, &open_file) < 0)
        return mpl_fail_errno(errno, "%s: \"%s\" is descriptor %d, which cannot be looked at", option, path, fd);
    if (S_ISSOCK(open_file.st_mode))
        return mpl_fail(ENXIO,
                        "%s: \"%s\" is a socket, which no other process can open; let stderr lead there and use "
                        "log_to_stderr, or put a pipe between (\"| cat\")",
                        option, path);
    ssize_t n = readlink(mpl_text_cstr(&t), name, sizeof name - 1);
    name[n > 0 ? n : 0] = '\0';
    bool has_name = name[0] == '/' && stat(name, &named) == 0 && is_same(&open_file, &named);
    mpl_text_str(out, mpl_str_from(has_name ? name : link));
    return 0;
}

/* The terminal's own name: /dev/tty is a file of its own, and so are those that it stands for. */
static int write_terminal(const char *option, const char *path, struct mpl_text *out)
{
    char link[64], target[PATH_MAX];
    unsigned number = 0;
    int fd = open("/dev/tty", O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    int error = fd < 0 || ioctl(fd, (ioctl_request)TIOCGDEV, &number) < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (error)
        return mpl_fail_errno(error, "%s: \"%s\" cannot be opened; has this process a terminal?", option, path);
    unsigned major_number = major(number), minor_number = minor(number);
    if (major_number >= PTS_MAJOR_FIRST && major_number <= PTS_MAJOR_LAST) {
        mpl_text_printf(out, "/dev/pts/%u", (major_number - PTS_MAJOR_FIRST) * 256 + minor_number);
        return 0;
    }
    struct mpl_text t = {link, 0, sizeof link};
    mpl_text_printf(&t, "/sys/dev/char/%u:%u", major_number, minor_number);
    ssize_t n = readlink(mpl_text_cstr(&t), target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    const char *slash = strrchr(target, '/');
    if (!slash)
        return mpl_fail(ENOENT, "%s: \"%s\": the name of the terminal is not known; name it itself", option, path);
    mpl_text_printf(out, "/dev/%s", slash + 1);
    return 0;
}

int mpl_descriptor_path(const char *option, const char *path, struct mpl_text *out, bool *is_one)
{
    char at[PATH_MAX];
    int fd = -1;
    bool is_terminal = false;
    *is_one = false;
    if (strlen(path) >= sizeof at)
        return 0;
    memcpy(at, path, strlen(path) + 1);
    for (int i = 0; i < LINKS_MAX; i++) {
        fd = number_of(at);
        is_terminal = strcmp(at, "/dev/tty") == 0;
        if (fd >= 0 || is_terminal || !follow(at))
            break;
    }
    *is_one = fd >= 0 || is_terminal;
    if (!*is_one)
        return 0;
    return is_terminal ? write_terminal(option, path, out) : write_open_file(option, path, fd, out);
}
