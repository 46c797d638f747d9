/* SPDX-License-Identifier: Unlicense
 *
 * Set-up, log calls and shutdown of a program with a collector thread, in which the k-th look at a descriptor or a
 * path, or the k-th mapping, fails, for each k: either the set-up is refused with a sentence, or all that is logged is
 * written, and soon.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "collector/thread.h"
#include "harness.h"
#include "mplog.h"

static char path[] = "/tmp/mplog-setup-XXXXXX";

/* How many there have been, and which fails; 0: none. */
struct counter {
    _Atomic long count, failing;
};
static struct counter looks, mappings;

static bool is_next_to_fail(struct counter *c)
{
    if (atomic_fetch_add(&c->count, 1) + 1 != atomic_load(&c->failing))
        return false;
    errno = ENOMEM;
    return true;
}

static bool is_to_fail(void) { return is_next_to_fail(&looks); }

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

int __real_fstatat(int dir, const char *name, struct stat *st, int flags);
int __wrap_fstatat(int dir, const char *name, struct stat *st, int flags);
int __wrap_fstatat(int dir, const char *name, struct stat *st, int flags)
{
    return is_to_fail() ? -1 : __real_fstatat(dir, name, st, flags);
}

int __real_fstatat64(int dir, const char *name, struct stat64 *st, int flags);
int __wrap_fstatat64(int dir, const char *name, struct stat64 *st, int flags);
int __wrap_fstatat64(int dir, const char *name, struct stat64 *st, int flags)
{
    return is_to_fail() ? -1 : __real_fstatat64(dir, name, st, flags);
}

/* Of session files. */
void *__real_mmap(void *at, size_t bytes, int rights, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int rights, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int rights, int flags, int fd, off_t offset)
{
    return flags & MAP_SHARED && is_next_to_fail(&mappings) ? MAP_FAILED
                                                            : __real_mmap(at, bytes, rights, flags, fd, offset);
}

void *__real_mmap64(void *at, size_t bytes, int rights, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t bytes, int rights, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t bytes, int rights, int flags, int fd, off_t offset)
{
    return flags & MAP_SHARED && is_next_to_fail(&mappings) ? MAP_FAILED
                                                            : __real_mmap64(at, bytes, rights, flags, fd, offset);
}

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

static double seconds_since(const struct timespec *begin)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) * 1e-9;
}

#define SOON_S 4 /* a flush or a shutdown that waits in vain takes five */

static void check_written(void)
{
    static const char expected[] = "line 0\nline 1\nline 2\n";
    char text[4000];
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    fclose(f);
    CHECK_TEXT(text, n, expected);
}

/* Each of them once. */
static void let_each_fail(struct counter *c)
{
    struct timespec begin;
    long k = 0;
    int refused = 0;
    do {
        clock_gettime(CLOCK_MONOTONIC, &begin);
        atomic_store(&c->count, 0);
        atomic_store(&c->failing, ++k);
        int error = log_a_session();
        atomic_store(&c->failing, 0);
        CHECK(seconds_since(&begin) < SOON_S);
        if (error) {
            refused++;
            CHECK(mplog_last_error()[0] != '\0');
        } else {
            check_written();
        }
    } while (atomic_load(&c->count) >= k);
    CHECK(k > 5 && refused > 0);
}

static void look_that_fails_refuses_the_setup_or_costs_no_line(void) { let_each_fail(&looks); }

static void mapping_that_fails_refuses_the_setup_or_costs_no_line(void) { let_each_fail(&mappings); }

/* A second one would be started beside it: nobody could tell that there is one, since the lock is the process's. */
static void thread_that_cannot_tell_which_session_it_serves_is_not_started(void)
{
    char dir[] = "/tmp/mplog-setup-XXXXXX", control[sizeof dir + 8];
    CHECK(mkdtemp(dir) != NULL);
    snprintf(control, sizeof control, "%s/control", dir);
    close(open(control, O_CREAT | O_RDWR, 0600));
    for (long k = 1; k <= 2; k++) { /* the folder, and the file in it */
        atomic_store(&looks.count, 0);
        atomic_store(&looks.failing, k);
        CHECK_INT(mpl_collector_thread_start(dir, NULL, 0), -ENOMEM);
        CHECK_INT(atomic_load(&looks.count), k);
    }
    atomic_store(&looks.failing, 0);
    unlink(control);
    rmdir(dir);
}

int main(void)
{
    static const struct test_case cases[] = {TEST_CASE(thread_that_cannot_tell_which_session_it_serves_is_not_started),
                                             TEST_CASE(look_that_fails_refuses_the_setup_or_costs_no_line),
                                             TEST_CASE(mapping_that_fails_refuses_the_setup_or_costs_no_line)};
    int fd = mkstemp(path);
    if (fd < 0)
        return 99;
    close(fd);
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    unlink(path);
    return result;
}
