/* SPDX-License-Identifier: Unlicense
 *
 * Set-up, log calls and shutdown of a program with a collector thread, in which the k-th look at a descriptor or a path
 * fails, for each k: either the set-up is refused with a sentence, or all that is logged is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "mplog.h"

static char path[] = "/tmp/mplog-setup-XXXXXX";
static _Atomic long looks, failing;

static bool is_to_fail(void)
{
    if (atomic_fetch_add(&looks, 1) + 1 != atomic_load(&failing))
        return false;
    errno = ENOMEM;
    return true;
}

int __real_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st) { return is_to_fail() ? -1 : __real_fstat(fd, st); }

struct stat64; /* glibc's, where files have 64 bits */
int __real_fstat64(int fd, struct stat64 *st);
int __wrap_fstat64(int fd, struct stat64 *st);
int __wrap_fstat64(int fd, struct stat64 *st) { return is_to_fail() ? -1 : __real_fstat64(fd, st); }

int __real_stat(const char *name, struct stat *st);
int __wrap_stat(const char *name, struct stat *st);
int __wrap_stat(const char *name, struct stat *st) { return is_to_fail() ? -1 : __real_stat(name, st); }

int __real_stat64(const char *name, struct stat64 *st);
int __wrap_stat64(const char *name, struct stat64 *st);
int __wrap_stat64(const char *name, struct stat64 *st) { return is_to_fail() ? -1 : __real_stat64(name, st); }

/* Without a set-up, lines go to stderr, where the results of tests are not looked for. */
static int hide_stderr(void)
{
    int kept = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    close(null);
    return kept;
}

static int log_a_session(void)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = path;
    o.file_mode = "w";
    o.log_to_stderr = false;
    o.collector = "thread";
    o.format_string = "%(message)s";
    int kept = hide_stderr(), error = mplog_setup_logging(&o);
    for (int i = 0; i < 3; i++)
        mplog_info(mplog_get_logger("test"), "line %d", i);
    mplog_shutdown_logging();
    dup2(kept, STDERR_FILENO);
    close(kept);
    return error;
}

static void look_that_fails_refuses_the_setup_or_costs_no_line(void)
{
    static const char expected[] = "line 0\nline 1\nline 2\n";
    char text[4000];
    long k = 0;
    int refused = 0;
    do {
        atomic_store(&looks, 0);
        atomic_store(&failing, ++k);
        int error = log_a_session();
        atomic_store(&failing, 0);
        if (error) {
            refused++;
            CHECK(mplog_last_error()[0] != '\0');
            continue;
        }
        FILE *f = fopen(path, "r");
        size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
        fclose(f);
        CHECK_TEXT(text, n, expected);
    } while (atomic_load(&looks) >= k);
    CHECK(k > 10 && refused > 0);
}

int main(void)
{
    static const struct test_case cases[] = {TEST_CASE(look_that_fails_refuses_the_setup_or_costs_no_line)};
    int fd = mkstemp(path);
    if (fd < 0)
        return 99;
    close(fd);
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    unlink(path);
    return result;
}
