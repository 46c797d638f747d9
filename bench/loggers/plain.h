/* SPDX-License-Identifier: Unlicense
 *
 * What a program without a logger writes by hand: time, level, name, process, and a message, made at the call.
 * PLAIN_WRITE: snprintf and one write to a file opened with O_APPEND. Else: fprintf into stdio's buffer.
 */
#ifndef BENCH_LOGGERS_PLAIN_H
#define BENCH_LOGGERS_PLAIN_H

#include <fcntl.h>

static char logger_path[PATH_MAX];
static int logger_level = 20, logger_pid;

/* "2026-11-22 10:00:00,123": the second's text is kept, as any serious program does. */
static inline const char *logger_time(void)
{
    static __thread char text[64];
    static __thread time_t second;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (t.tv_sec != second) {
        struct tm tm;
        localtime_r(&t.tv_sec, &tm);
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S,000", &tm);
        second = t.tv_sec;
    }
    int ms = (int)(t.tv_nsec / 1000000);
    text[20] = (char)('0' + ms / 100);
    text[21] = (char)('0' + ms / 10 % 10);
    text[22] = (char)('0' + ms % 10);
    return text;
}

static inline void logger_open(const char *path, long long max_bytes, int backups)
{
    (void)max_bytes, (void)backups;
    snprintf(logger_path, sizeof logger_path, "%s", path);
}

#define PLAIN_HEAD "%s INFO     bench [bench:%d main] "

#ifdef PLAIN_WRITE
#define LOGGER_NAME "write(O_APPEND)"
static int logger_fd = -1;

static inline void logger_begin_process(void)
{
    logger_pid = (int)getpid();
    logger_fd = open(logger_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}
static inline void logger_end_process(void) { close(logger_fd); }

#define PLAIN_LOG(format, ...)                                                                                         \
    do {                                                                                                               \
        char logger_line[1024];                                                                                        \
        int logger_len = snprintf(logger_line, sizeof logger_line, PLAIN_HEAD format "\n", logger_time(), logger_pid,  \
                                  ##__VA_ARGS__);                                                                      \
        if (write(logger_fd, logger_line, (size_t)logger_len) < 0)                                                     \
            bench_fail("write: %s", strerror(errno));                                                                  \
    } while (0)
#else
#define LOGGER_NAME "fprintf"
static FILE *logger_file;

static inline void logger_begin_process(void)
{
    logger_pid = (int)getpid();
    logger_file = fopen(logger_path, "a");
}
static inline void logger_end_process(void) { fflush(logger_file); }

#define PLAIN_LOG(format, ...) fprintf(logger_file, PLAIN_HEAD format "\n", logger_time(), logger_pid, ##__VA_ARGS__)
#endif

static inline void logger_flush(void) {}
static inline void logger_close(void) {}

#define LOG_DISABLED(i)                                                                                                \
    do {                                                                                                               \
        if (__atomic_load_n(&logger_level, __ATOMIC_RELAXED) <= 10)                                                    \
            LOG_VALUES(i);                                                                                             \
    } while (0)
#define LOG_CONSTANT() PLAIN_LOG("nothing to say")
#define LOG_VALUES(i) PLAIN_LOG("request %d from %s took %f ms", i, "worker_1", (i)*0.25)
#define LOG_STRING(text) PLAIN_LOG("%s", text)
#define LOG_STAMP(ns) PLAIN_LOG("at %llu", (unsigned long long)(ns))

#endif
