/* SPDX-License-Identifier: Unlicense
 *
 * What a path that means something else in every process means in this one.
 */
#include "config/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "files.h"
#include "harness.h"

static char found[PATH_MAX + 64];
static bool is_one;

/* The result; `found` is what was written. */
static int find(const char *path)
{
    struct mpl_text t = {found, 0, sizeof found};
    is_one = true;
    int error = mpl_descriptor_path("log_file", path, &t, &is_one);
    mpl_text_cstr(&t);
    return error;
}

static const char *path_of(const char *name)
{
    static char path[FILES_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", files_dir, name);
    return path;
}

static int create(const char *name)
{
    int fd = open(path_of(name), O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        files_die("cannot make", name);
    return fd;
}

static void link_to(const char *target, const char *name)
{
    if (symlink(target, path_of(name)) < 0)
        files_die("cannot link", name);
}

/* A path of descriptor `fd` below `folder`. */
static const char *number_in(const char *folder, int fd)
{
    static char path[64];
    snprintf(path, sizeof path, "%s/%d", folder, fd);
    return path;
}

#define CHECK_FINDS(path, expected)                                                                                    \
    do {                                                                                                               \
        CHECK_INT(find(path), 0);                                                                                      \
        CHECK(is_one);                                                                                                 \
        CHECK_TEXT(found, strlen(found), expected);                                                                    \
    } while (0)

#define CHECK_FINDS_NOTHING(path)                                                                                      \
    do {                                                                                                               \
        CHECK_INT(find(path), 0);                                                                                      \
        CHECK(!is_one);                                                                                                \
        CHECK_TEXT(found, strlen(found), "");                                                                          \
    } while (0)

#define CHECK_REFUSED(path, error, words)                                                                              \
    do {                                                                                                               \
        CHECK_INT(find(path), -(error));                                                                               \
        CHECK(strncmp(mpl_error_text(), "log_file: \"", 11) == 0);                                                     \
        CHECK(strstr(mpl_error_text(), path) && strstr(mpl_error_text(), words));                                      \
    } while (0)

/* ---- what is none ---- */

static void path_that_is_the_same_everywhere_is_left_as_it_is(void)
{
    static const char *const paths[] = {"/tmp/app.log",      "app.log",    "/dev/null",
                                        "/dev/fd/",          "/dev/fd/1x", "/dev/fd/-1",
                                        "/dev/fd/1/x",       "/dev/fd",    "/proc/self/fd/",
                                        "/proc/1/fd/1",      "/dev/tty1",  "",
                                        "/dev/shm/fd/1",     "dev/fd/1",   "/nowhere/dev/fd/1",
                                        "/dev/fd/ 1",        "/",          "/dev/fd/99999999999999999999",
                                        "/dev/fd/2147483648"};
    files_begin();
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        CHECK_FINDS_NOTHING(paths[i]);
    close(create("app.log"));
    link_to("app.log", "link");
    CHECK_FINDS_NOTHING(path_of("link"));
    link_to("nothing", "dangling");
    CHECK_FINDS_NOTHING(path_of("dangling"));
}

static void links_that_lead_in_a_circle_or_too_far_end(void)
{
    char name[16], target[16];
    files_begin();
    link_to("b", "a");
    link_to("a", "b");
    CHECK_FINDS_NOTHING(path_of("a"));
    link_to("/dev/fd/1", "0");
    for (int i = 1; i <= 40; i++) {
        snprintf(name, sizeof name, "%d", i);
        snprintf(target, sizeof target, "%d", i - 1);
        link_to(target, name);
    }
    CHECK_FINDS_NOTHING(path_of("40"));
}

static void path_that_is_too_long_is_none(void)
{
    static char path[2 * PATH_MAX];
    memset(path, 'x', sizeof path - 1);
    memcpy(path, "/dev/fd/", 8);
    CHECK_FINDS_NOTHING(path);
}

/* ---- files ---- */

static void open_file_has_its_own_name_by_each_of_its_numbers(void)
{
    static const char *const folders[] = {"/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"};
    files_begin();
    int fd = create("app.log");
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        CHECK_FINDS(number_in(folders[i], fd), path_of("app.log"));
    close(fd);
}

static void standard_stream_is_what_it_is_here(void)
{
    files_begin();
    int kept = dup(STDIN_FILENO), fd = create("app.log");
    dup2(fd, STDIN_FILENO);
    int error = find("/dev/stdin");
    dup2(kept, STDIN_FILENO);
    close(kept);
    close(fd);
    CHECK_INT(error, 0);
    CHECK(is_one);
    CHECK_TEXT(found, strlen(found), path_of("app.log"));
}

/* Relative targets count from the folder of the link. */
static void links_to_a_number_are_followed(void)
{
    files_begin();
    int fd = create("app.log");
    CHECK_INT(mkdir(path_of("below"), 0700), 0);
    link_to(number_in("/dev/fd", fd), "first");
    link_to("../first", "below/second");
    link_to("below/second", "third");
    CHECK_FINDS(path_of("third"), path_of("app.log"));
    close(fd);
}

static void file_that_was_renamed_has_its_new_name(void)
{
    char before[FILES_PATH_MAX];
    files_begin();
    int fd = create("app.log");
    strcpy(before, path_of("app.log"));
    CHECK_INT(rename(before, path_of("app.log.1")), 0);
    close(create("app.log")); /* another one */
    CHECK_FINDS(number_in("/dev/fd", fd), path_of("app.log.1"));
    close(fd);
}

/* The kernel says "app.log (deleted)" of it, which may be the name of another file. */
static void file_that_has_no_name_any_more_is_reached_through_this_process(void)
{
    char expected[64];
    files_begin();
    int fd = create("app.log");
    CHECK_INT(unlink(path_of("app.log")), 0);
    close(create("app.log (deleted)"));
    snprintf(expected, sizeof expected, "/proc/%d/fd/%d", (int)getpid(), fd);
    CHECK_FINDS(number_in("/dev/fd", fd), expected);
    close(fd);
}

/* ---- what is no file ---- */

static void pipe_is_reached_through_this_process(void)
{
    char expected[64];
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    snprintf(expected, sizeof expected, "/proc/%d/fd/%d", (int)getpid(), ends[1]);
    CHECK_FINDS(number_in("/proc/self/fd", ends[1]), expected);
    close(ends[0]);
    close(ends[1]);
}

static void socket_is_refused(void)
{
    int ends[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    CHECK_REFUSED(number_in("/dev/fd", ends[1]), ENXIO, "is a socket");
    close(ends[0]);
    close(ends[1]);
}

static void number_that_is_not_open_is_refused(void)
{
    CHECK_REFUSED("/dev/fd/987654", EBADF, "descriptor 987654, which cannot be looked at");
    CHECK_REFUSED("/dev/fd/2147483647", EBADF, "cannot be looked at");
}

/* ---- terminals ---- */

/* In a child that has left its terminal, and taken `terminal` (-1: none) instead. */
static bool is_well_in_a_session_with(int terminal, bool (*check_fn)(int terminal))
{
    int status = -1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        bool is_ready = terminal < 0 || ioctl(terminal, TIOCSCTTY, 0) == 0;
        _exit(is_ready && check_fn(terminal) ? 0 : 1);
    }
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static bool finds_name_of(int terminal)
{
    return find("/dev/tty") == 0 && is_one && strcmp(found, ttyname(terminal)) == 0 &&
           strncmp(found, "/dev/pts/", 9) == 0;
}

static bool is_refused(int terminal)
{
    return terminal < 0 && find("/dev/tty") == -ENXIO && strstr(mpl_error_text(), "has this process a terminal?");
}

static void terminal_has_its_own_name(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    CHECK(terminal >= 0);
    CHECK(is_well_in_a_session_with(terminal, finds_name_of));
    close(terminal);
    close(master);
}

static void terminal_of_a_process_that_has_none_is_refused(void) { CHECK(is_well_in_a_session_with(-1, is_refused)); }

TEST_MAIN(TEST_CASE(path_that_is_the_same_everywhere_is_left_as_it_is),
          TEST_CASE(links_that_lead_in_a_circle_or_too_far_end), TEST_CASE(path_that_is_too_long_is_none),
          TEST_CASE(open_file_has_its_own_name_by_each_of_its_numbers), TEST_CASE(standard_stream_is_what_it_is_here),
          TEST_CASE(links_to_a_number_are_followed), TEST_CASE(file_that_was_renamed_has_its_new_name),
          TEST_CASE(file_that_has_no_name_any_more_is_reached_through_this_process),
          TEST_CASE(pipe_is_reached_through_this_process), TEST_CASE(socket_is_refused),
          TEST_CASE(number_that_is_not_open_is_refused), TEST_CASE(terminal_has_its_own_name),
          TEST_CASE(terminal_of_a_process_that_has_none_is_refused))
