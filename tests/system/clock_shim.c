/* SPDX-License-Identifier: Unlicense
 *
 * To be preloaded: another time of day. The file that CLOCK_SHIM names says by how much the clock is wrong; a test sets
 * it at any time, for all processes at once (cases_clock.py knows the layout). Clocks that nobody can set are left
 * alone.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000

struct shim {
    _Atomic int64_t wrong_by_ns;
    _Atomic uint64_t reads; /* of the time of day while it was wrong */
};

static struct shim *shim;

__attribute__((constructor)) static void map_shim(void)
{
    const char *path = getenv("CLOCK_SHIM");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shim, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    shim = at == MAP_FAILED ? NULL : at;
}

static void shift(struct timespec *t)
{
    int64_t wrong_by_ns = shim ? shim->wrong_by_ns : 0;
    if (wrong_by_ns == 0)
        return;
    int64_t ns = t->tv_sec * (int64_t)NS_PER_S + t->tv_nsec + wrong_by_ns;
    t->tv_sec = ns / NS_PER_S;
    t->tv_nsec = ns % NS_PER_S;
    shim->reads++;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, id, t);
    if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        shift(t);
    return rc;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    int rc = clock_gettime(CLOCK_REALTIME, &now);
    *t = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return rc;
}

time_t time(time_t *at)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}
