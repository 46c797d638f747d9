/* SPDX-License-Identifier: Unlicense
 *
 * What is no regular file with a name of its own: pipes, devices, descriptors that were handed over.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "logfiles.h"

static struct batch batch;

static void fifo_without_reader_opens_and_keeps_lines_for_it(void)
{
    struct mpl_file f;
    char got[64];
    files_begin();
    CHECK_INT(mkfifo(log_path(0), 0600), 0);
    CHECK_INT(log_open(&f, 1, 1), 0);
    CHECK(!f.is_regular);
    CHECK_INT(log_append(&f, "one\n"), 0);
    int reader = open(log_path(0), O_RDONLY | O_NONBLOCK);
    CHECK_INT(log_append(&f, "two\n"), 0);
    CHECK_INT(read(reader, got, sizeof got), 8);
    CHECK_BYTES(got, 8, "one\ntwo\n", 8);
    close(reader);
    CHECK_INT(log_append(&f, "three\n"), 0); /* neither EPIPE nor SIGPIPE */
    CHECK_INT(mpl_file_sync(&f), 0);
    CHECK_INT(mpl_file_truncate(&f), 0);
    mpl_file_close(&f);
    CHECK(!files_exist(log_path(1)));
}

static void device_null_swallows_lines(void)
{
    struct mpl_file f;
    struct mpl_file_options o = {.path = "/dev/null", .max_bytes = 1, .backup_count = 1, .bom = MPL_STR("BOM")};
    CHECK_INT(mpl_file_open(&f, &o, 0644), 0);
    CHECK(!f.is_regular);
    CHECK_INT(log_append(&f, "a\n"), 0);
    CHECK_INT(log_append(&f, "b\n"), 0);
    CHECK_INT(mpl_file_sync(&f), 0);
    mpl_file_close(&f);
    CHECK(!files_exist("/dev/null.1"));
}

static void device_full_reports_no_space(void)
{
    struct mpl_file f;
    struct mpl_file_options o = {.path = "/dev/full"};
    uint64_t done = 0;
    batch_set(&batch, "a\n");
    CHECK_INT(mpl_file_open(&f, &o, 0644), 0);
    CHECK_INT(mpl_file_append(&f, &batch.lines, &done, NULL), -ENOSPC);
    CHECK_INT(done, 0);
    CHECK(log_error_names("/dev/full", "No space left on device"));
    mpl_file_close(&f);
}

static void read_slowly(int fd, int result)
{
    char bytes[1000];
    uint64_t sum = 0;
    ssize_t n;
    usleep(20000);
    while ((n = read(fd, bytes, sizeof bytes)) > 0)
        for (ssize_t i = 0; i < n; i++)
            sum = sum * 31 + (unsigned char)bytes[i];
    _exit(write(result, &sum, sizeof sum) == (ssize_t)sizeof sum ? 0 : 1);
}

static void adopted_full_pipe_waits_for_reader(void)
{
    int data[2], result[2], status;
    struct mpl_file f;
    struct mpl_file_options o = {.path = "/dev/stdout"};
    uint64_t got = 0, expected = 0, done = 0;
    CHECK(pipe(data) == 0 && pipe(result) == 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        close(data[1]);
        read_slowly(data[0], result[1]);
    }
    close(data[0]);
    fcntl(data[1], F_SETFL, O_NONBLOCK);
    fcntl(data[1], F_SETPIPE_SZ, 4096);
    CHECK_INT(mpl_file_adopt(&f, &o, data[1]), 0);
    batch_clear(&batch);
    batch_add_lines(&batch, 0, 0, 900);
    CHECK_INT(mpl_file_append(&f, &batch.lines, &done, NULL), 0);
    CHECK_INT(done, batch.lines.len);
    mpl_file_close(&f);
    for (uint64_t i = 0; i < batch.lines.len; i++)
        expected = expected * 31 + (unsigned char)batch.data[i];
    CHECK_INT(read(result[0], &got, sizeof got), sizeof got);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(got == expected);
    close(result[0]);
    close(result[1]);
}

static void adopted_regular_file_never_rotates(void)
{
    struct mpl_file f;
    files_begin();
    struct mpl_file_options o = {.path = log_path(0), .max_bytes = 1, .backup_count = 1, .bom = MPL_STR("B")};
    CHECK_INT(mpl_file_adopt(&f, &o, open(log_path(0), O_WRONLY | O_CREAT, 0600)), 0);
    CHECK_INT(log_append(&f, "a\n"), 0);
    CHECK_INT(log_append_and_close(&f, "b\n"), 0);
    CHECK(files_hold(log_path(0), "a\nb\n"));
    CHECK_INT(mpl_file_adopt(&f, &o, -1), -EBADF);
    CHECK_INT(f.fd, -1);
}

static void link_of_proc_never_rotates(void)
{
    struct mpl_file f;
    char path[64];
    files_begin();
    int fd = open(log_path(0), O_RDWR | O_CREAT, 0600);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct mpl_file_options o = {.path = path, .max_bytes = 3, .backup_count = 1};
    CHECK_INT(mpl_file_open(&f, &o, 0644), 0);
    CHECK_INT(log_append(&f, "a\n"), 0);
    CHECK_INT(log_append(&f, "b\n"), 0);
    CHECK_INT(log_append_and_close(&f, "c\n"), 0);
    close(fd);
    CHECK(files_hold(log_path(0), "a\nb\nc\n"));
    CHECK(!files_exist(log_path(1)));
}

TEST_MAIN(TEST_CASE(fifo_without_reader_opens_and_keeps_lines_for_it), TEST_CASE(device_null_swallows_lines),
          TEST_CASE(device_full_reports_no_space), TEST_CASE(adopted_full_pipe_waits_for_reader),
          TEST_CASE(adopted_regular_file_never_rotates), TEST_CASE(link_of_proc_never_rotates))
