/* SPDX-License-Identifier: Unlicense
 *
 * The least that a logger with a helper process does: the caller leaves a number in shared memory and wakes the helper,
 * which writes a line. What it needs for that is the floor of the delay.
 */
#ifndef BENCH_LOGGERS_WAKE_H
#define BENCH_LOGGERS_WAKE_H

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define LOGGER_NAME "wake"
#define LOGGER_RING 65536

static struct logger_shared {
    uint32_t count, is_asleep, is_ended;
    uint64_t number[LOGGER_RING];
} * logger_shared;
static pid_t logger_helper;

static void logger_help(int fd)
{
    char line[64];
    for (uint32_t done = 0;;) {
        uint32_t count = bench_count(&logger_shared->count);
        for (; done != count; done++) {
            int n = snprintf(line, sizeof line, "at %llu\n",
                             (unsigned long long)logger_shared->number[done % LOGGER_RING]);
            if (write(fd, line, (size_t)n) < 0)
                _exit(1);
        }
        if (bench_count(&logger_shared->is_ended))
            _exit(0);
        syscall(SYS_futex, &logger_shared->count, FUTEX_WAIT, done, NULL, NULL, 0);
    }
}

static inline void logger_log(uint64_t number)
{
    logger_shared->number[bench_count(&logger_shared->count) % LOGGER_RING] = number;
    __atomic_add_fetch(&logger_shared->count, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &logger_shared->count, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static inline void logger_open(const char *path, long long max_bytes, int backups)
{
    (void)max_bytes, (void)backups;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    logger_shared = (struct logger_shared *)bench_shared(sizeof *logger_shared);
    logger_helper = fork();
    if (logger_helper == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        logger_help(fd);
    }
    close(fd);
}
static inline void logger_begin_process(void) {}
static inline void logger_end_process(void) {}

static inline void logger_flush(void)
{
    __atomic_store_n(&logger_shared->is_ended, 1, __ATOMIC_SEQ_CST);
    logger_log(0);
    waitpid(logger_helper, NULL, 0);
}
static inline void logger_close(void) {}

#define LOG_DISABLED(i) ((void)(i))
#define LOG_CONSTANT() logger_log(0)
#define LOG_VALUES(i) logger_log((uint64_t)(i))
#define LOG_STRING(text) logger_log((uint64_t)(text)[0])
#define LOG_STAMP(ns) logger_log(ns)

#endif
