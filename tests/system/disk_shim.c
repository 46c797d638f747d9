/* SPDX-License-Identifier: Unlicense
 *
 * To be preloaded: makes the helper's writes to a log file fail, end half-way, or not come back, lets the file be on a
 * network's file system, and notes what was synced. The file that DISK_SHIM names says what is to happen; tests change
 * it at any time (disk_support.py knows the layout). Other programs, and other files, are left alone.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { FAIL = 1, HALF = 2, HANG = 3 };

struct shim {
    _Atomic int64_t left;   /* so many writes are to fail; negative: all */
    _Atomic uint64_t hits;  /* writes that did */
    _Atomic uint64_t syncs; /* of the file, that worked */
    _Atomic uint64_t synced_bytes;
    _Atomic uint64_t directory_syncs;
    _Atomic uint32_t action, error, sync_error;
    char name[64]; /* of the file, without its folder */
    _Atomic uint32_t is_remote;
};

static struct shim *shim;

__attribute__((constructor)) static void map_shim(void)
{
    char self[4096];
    const char *path = getenv("DISK_SHIM");
    ssize_t n = readlink("/proc/self/exe", self, sizeof self);
    bool is_helper = n >= 6 && memcmp(self + n - 6, "/mplog", 6) == 0;
    int fd = path && is_helper ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shim, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    shim = at == MAP_FAILED ? NULL : at;
}

static bool is_meant(int fd)
{
    char link[64], path[4096];
    if (!shim)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    const char *slash = strrchr(path, '/');
    return slash && strcmp(slash + 1, shim->name) == 0;
}

static bool is_due(void)
{
    if (shim->action == 0 || shim->left == 0)
        return false;
    if (shim->left > 0)
        shim->left--;
    shim->hits++;
    return true;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    static ssize_t (*real)(int, const void *, size_t);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "write");
    if (!is_meant(fd) || !is_due())
        return real(fd, bytes, len);
    while (shim->action == HANG)
        usleep(1000);
    if (shim->action == 0)
        return real(fd, bytes, len);
    if (shim->action == HALF)
        return real(fd, bytes, (len + 1) / 2);
    errno = (int)shim->error;
    return -1;
}

int fstatfs(int fd, struct statfs *st)
{
    static int (*real)(int, struct statfs *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fstatfs");
    int rc = real(fd, st);
    if (rc == 0 && is_meant(fd) && shim->is_remote)
        st->f_type = 0x6969; /* NFS */
    return rc;
}

int fdatasync(int fd)
{
    static int (*real)(int);
    struct stat st;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    if (!is_meant(fd))
        return real(fd);
    if (shim->sync_error != 0) {
        errno = (int)shim->sync_error;
        return -1;
    }
    int rc = fstat(fd, &st) == 0 ? real(fd) : -1;
    if (rc == 0) {
        shim->synced_bytes = (uint64_t)st.st_size;
        shim->syncs++;
    }
    return rc;
}

int fsync(int fd)
{
    static int (*real)(int);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fsync");
    if (shim)
        shim->directory_syncs++;
    return real(fd);
}
