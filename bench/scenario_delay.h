/* SPDX-License-Identifier: Unlicense
 *
 *     delay [count=20000] [interval_ns=100000] [silence_ns=0]
 *
 * From the call until the line can be read from the file. One thread logs the time at each interval and reads the file
 * in between, without sleeping; a logger that works elsewhere has the other CPU. silence_ns: so long is waited after
 * each line that was seen, asleep, before the next is logged.
 */
#ifndef BENCH_SCENARIO_DELAY_H
#define BENCH_SCENARIO_DELAY_H

#include "bench.h"

#include <fcntl.h>

static long long delay_count = 20000, delay_interval_ns = 100000, delay_silence_ns;

struct delay_reader {
    int fd;
    char text[1u << 16];
    size_t len;
    uint64_t *ns;
    long long seen;
};

static void delay_take_line(struct delay_reader *r, const char *line, size_t len, uint64_t now)
{
    const char *at = (const char *)memmem(line, len, "at ", 3);
    uint64_t logged = at ? strtoull(at + 3, NULL, 10) : 0;
    if (logged && logged <= now && r->seen < delay_count)
        r->ns[r->seen++] = now - logged;
}

/* Notes the lines that have come. Each is seen when read() has returned it. */
static void delay_read(struct delay_reader *r)
{
    ssize_t n = read(r->fd, r->text + r->len, sizeof r->text - 1 - r->len);
    if (n <= 0)
        return;
    uint64_t now = bench_ns();
    r->len += (size_t)n;
    r->text[r->len] = '\0';
    char *line = r->text;
    for (char *end; (end = (char *)memchr(line, '\n', r->len - (size_t)(line - r->text))) != NULL; line = end + 1)
        delay_take_line(r, line, (size_t)(end - line), now);
    r->len -= (size_t)(line - r->text);
    memmove(r->text, line, r->len);
}

static void delay_await(struct delay_reader *r, long long count)
{
    for (uint64_t begin = bench_ns(); r->seen < count;) {
        delay_read(r);
        if (bench_ns() - begin > 10000000000u)
            bench_fail("%lld of %lld lines have not come within 10 s", delay_count - r->seen, delay_count);
    }
}

static void delay_run(struct delay_reader *r)
{
    uint64_t due = bench_ns();
    for (long long i = 0; i < delay_count; i++) {
        if (delay_silence_ns) {
            bench_sleep_ns((uint64_t)delay_silence_ns);
        } else {
            due += (uint64_t)delay_interval_ns;
            while (bench_ns() < due)
                delay_read(r);
        }
        uint64_t now = bench_ns();
        LOG_STAMP(now);
        if (delay_silence_ns)
            delay_await(r, i + 1);
    }
    delay_await(r, delay_count);
}

static int delay_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void run_delay(char **argv)
{
    static const struct bench_option options[] = {
        {"count", &delay_count, NULL},
        {"interval_ns", &delay_interval_ns, NULL},
        {"silence_ns", &delay_silence_ns, NULL},
        {NULL, NULL, NULL},
    };
    static struct delay_reader r;
    char path[PATH_MAX + 16];
    bench_take_arguments(options, argv);
    snprintf(path, sizeof path, "%s/app.log", bench_folder);
    logger_open(path, 0, 0);
    logger_begin_process();
    LOG_VALUES(0); /* attached, and the file is there */
    LOGGER_SETTLE();
    bench_sleep_ns(50000000);
    r.fd = open(path, O_RDONLY | O_CLOEXEC);
    r.ns = (uint64_t *)calloc((size_t)delay_count + 1, sizeof *r.ns);
    if (r.fd < 0 || !r.ns)
        bench_fail("%s: %s", path, strerror(errno));
    delay_run(&r);
    logger_end_process();
    logger_flush();
    logger_close();
    qsort(r.ns, (size_t)delay_count, sizeof *r.ns, delay_compare);
    printf("logger=%s\np50_ns=%llu\np99_ns=%llu\np999_ns=%llu\nmost_ns=%llu\n", LOGGER_NAME,
           (unsigned long long)r.ns[delay_count / 2], (unsigned long long)r.ns[delay_count * 99 / 100],
           (unsigned long long)r.ns[delay_count * 999 / 1000], (unsigned long long)r.ns[delay_count - 1]);
    close(r.fd);
    free(r.ns);
}

#endif
