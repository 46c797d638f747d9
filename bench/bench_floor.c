/* SPDX-License-Identifier: Unlicense
 *
 *     bench_floor [records=1000000] [line_bytes=100] [max_bytes=10485760] [backups=50]
 *
 * The least that any logger has to do: lines that lie ready are copied into a buffer and written, with the same
 * rotations (close, renames, open). One process, no time, no merge, no numbers made into text.
 */
#include "bench.h"

#include <fcntl.h>

/* What floor.md's figures show: 1 MiB a write is the cheapest. */
#define BUFFER_BYTES (1u << 20)
/* As many different lines as a second-level cache holds; a formatter's own output is as warm. */
#define LINES 4096

static long long records = 1000000, line_bytes = 100, max_bytes = 10485760, backups = 50;
static const struct bench_option options[] = {
    {"records", &records, NULL},
    {"line_bytes", &line_bytes, NULL},
    {"max_bytes", &max_bytes, NULL},
    {"backups", &backups, NULL},
    {NULL, NULL, NULL},
};

static char *text;
static uint32_t line_at[LINES + 1];
static char buffer[BUFFER_BYTES];
static size_t filled;
static long long in_file, total, rotations;
static int fd = -1;

/* Lengths vary as those of numbers do: the sum of LINES lines is LINES * line_bytes. */
static void prepare(void)
{
    text = (char *)malloc((size_t)(line_bytes + 8) * LINES);
    if (!text)
        bench_fail("out of memory");
    for (uint32_t i = 0; i < LINES; i++) {
        uint32_t len = (uint32_t)line_bytes + (i % 8 < 4 ? i % 4 : 0) - (i % 8 >= 4 ? i % 4 : 0);
        memset(text + line_at[i], 'a' + (int)(i % 26), len);
        text[line_at[i] + len - 1] = '\n';
        line_at[i + 1] = line_at[i] + len;
    }
}

static void name_file(char *path, size_t size, long long number)
{
    if (number == 0)
        snprintf(path, size, "%s/app.log", bench_folder);
    else
        snprintf(path, size, "%s/app.log.%lld", bench_folder, number);
}

static void open_file(void)
{
    char path[PATH_MAX + 32];
    name_file(path, sizeof path, 0);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        bench_fail("%s: %s", path, strerror(errno));
    in_file = 0;
}

static void write_out(void)
{
    for (size_t at = 0; at < filled;) {
        ssize_t n = write(fd, buffer + at, filled - at);
        if (n < 0)
            bench_fail("write: %s", strerror(errno));
        at += (size_t)n;
    }
    total += (long long)filled;
    filled = 0;
}

static void rotate(void)
{
    char from[PATH_MAX + 32], to[PATH_MAX + 32];
    write_out();
    close(fd);
    for (long long i = rotations < backups ? rotations : backups - 1; i >= 0; i--) {
        name_file(from, sizeof from, i);
        name_file(to, sizeof to, i + 1);
        unlink(to); /* ext4 flushes a file that is renamed onto another */
        if (rename(from, to) < 0)
            bench_fail("rename: %s", strerror(errno));
    }
    rotations++;
    open_file();
}

static void copy_lines(void)
{
    for (long long i = 0; i < records; i++) {
        const char *line = text + line_at[i % LINES];
        size_t len = line_at[i % LINES + 1] - line_at[i % LINES];
        if (max_bytes > 0 && in_file + (long long)len >= max_bytes)
            rotate();
        if (len > BUFFER_BYTES - filled)
            write_out();
        memcpy(buffer + filled, line, len);
        filled += len;
        in_file += (long long)len;
    }
    write_out();
}

int main(int argc, char **argv)
{
    (void)argc;
    bench_take_arguments(options, argv);
    bench_folder_make();
    prepare();
    memset(buffer, 0, sizeof buffer);
    open_file();
    uint64_t begin = bench_ns();
    copy_lines();
    uint64_t elapsed = bench_ns() - begin;
    printf("logger=floor\nrecords=%lld\nelapsed_ns=%llu\nbytes=%lld\nrotations=%lld\n", records,
           (unsigned long long)elapsed, total, rotations);
    close(fd);
    free(text);
    return 0;
}
