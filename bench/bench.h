/* SPDX-License-Identifier: Unlicense
 *
 * What all benchmarks share: clocks, name=value arguments, a folder of their own, and a barrier between processes.
 * C11 and C++17, since some of the loggers beside mplog are C++.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t bench_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void bench_sleep_ns(uint64_t ns)
{
    struct timespec t;
    t.tv_sec = (time_t)(ns / 1000000000u);
    t.tv_nsec = (long)(ns % 1000000000u);
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}

__attribute__((noreturn, format(printf, 1, 2))) static inline void bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

/* ---- arguments: name=value ---- */

struct bench_option {
    const char *name;
    long long *number;
    const char **text;
};

static inline void bench_take_argument(const struct bench_option *options, const char *argument)
{
    const char *equals = strchr(argument, '=');
    for (const struct bench_option *o = options; equals && o->name; o++) {
        size_t len = (size_t)(equals - argument);
        if (strlen(o->name) != len || strncmp(o->name, argument, len) != 0)
            continue;
        if (o->text)
            *o->text = equals + 1;
        else
            *o->number = strtoll(equals + 1, NULL, 0);
        return;
    }
    bench_fail("what is %s?", argument);
}

static inline void bench_take_arguments(const struct bench_option *options, char **argv)
{
    while (*++argv)
        bench_take_argument(options, *argv);
}

/* ---- a folder for the files, on the disk that a log would be on ---- */

static char bench_folder[PATH_MAX];

static inline void bench_folder_empty(void)
{
    DIR *dir = opendir(bench_folder);
    for (struct dirent *d; dir && (d = readdir(dir)) != NULL;) {
        if (d->d_name[0] != '.' || strlen(d->d_name) > 2)
            unlinkat(dirfd(dir), d->d_name, 0); /* what stays is seen when the folder itself cannot be removed */
    }
    if (dir)
        closedir(dir);
}

static pid_t bench_owner;

static inline void bench_folder_remove(void)
{
    if (getpid() != bench_owner) /* a child that failed */
        return;
    bench_folder_empty();
    if (rmdir(bench_folder) < 0)
        fprintf(stderr, "%s: %s\n", bench_folder, strerror(errno));
}

/* It is removed at exit. */
static inline void bench_folder_make(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(bench_folder, sizeof bench_folder, "%s/mplog-bench-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(bench_folder))
        bench_fail("%s: %s", bench_folder, strerror(errno));
    bench_owner = getpid();
    atexit(bench_folder_remove);
}

/* ---- counters that processes wait for, asleep: both CPUs belong to those who are measured ---- */

static inline void *bench_shared(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        bench_fail("mmap: %s", strerror(errno));
    return at;
}

static inline uint32_t bench_count(uint32_t *counter) { return __atomic_load_n(counter, __ATOMIC_SEQ_CST); }

/* Wakes the waiter when `goal` is reached: one waiter, one wake. */
static inline void bench_add(uint32_t *counter, uint32_t goal)
{
    if (__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST) == goal)
        syscall(SYS_futex, counter, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static inline void bench_open(uint32_t *gate)
{
    __atomic_store_n(gate, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, gate, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static inline void bench_await(uint32_t *counter, uint32_t goal)
{
    for (uint32_t n; (n = bench_count(counter)) < goal;)
        syscall(SYS_futex, counter, FUTEX_WAIT, n, NULL, NULL, 0);
}

#endif
