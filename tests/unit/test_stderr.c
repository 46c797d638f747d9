/* SPDX-License-Identifier: Unlicense
 *
 * Words that nobody has asked for go to the host's stderr and to nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <mplog.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/stderr.h"
#include "harness.h"

static char folder[] = "/tmp/mplog-stderr-XXXXXX";
static char path[64], other_path[64];

static int kept; /* the real one */

static void open_as_stderr(const char *name)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(fd, STDERR_FILENO);
    close(fd);
}

static void put_back(void) { dup2(kept, STDERR_FILENO); }

static long size_of(const char *name)
{
    struct stat st;
    return stat(name, &st) == 0 ? (long)st.st_size : -1;
}

static void say(void) { mpl_stderr_say(MPL_STR("words\n")); }

static void file_that_was_stderr_at_the_beginning_is_written(void)
{
    open_as_stderr(path);
    mpl_stderr_note();
    say();
    put_back();
    CHECK_INT(size_of(path), 6);
}

static void file_that_came_to_that_number_later_is_not(void)
{
    mpl_stderr_note();
    open_as_stderr(other_path);
    say();
    close(STDERR_FILENO);
    say();
    mpl_stderr_note(); /* closed: whatever comes there is nobody's stderr */
    open_as_stderr(other_path);
    say();
    put_back();
    CHECK_INT(size_of(other_path), 0);
}

static void pipe_is_written_and_a_socket_is_not(void)
{
    int ends[2], sockets[2];
    char text[16];
    mpl_stderr_note();
    CHECK(pipe2(ends, O_NONBLOCK) == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets) == 0);
    dup2(ends[1], STDERR_FILENO);
    say();
    dup2(sockets[1], STDERR_FILENO);
    say();
    put_back();
    CHECK_INT(read(ends[0], text, sizeof text), 6);
    CHECK_INT(read(sockets[0], text, sizeof text), -1);
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(sockets[i]);
    }
}

static void pipe_without_room_or_reader_stops_nobody(void)
{
    static const char page[4096];
    int ends[2];
    CHECK(pipe2(ends, O_NONBLOCK) == 0);
    while (write(ends[1], page, sizeof page) > 0)
        ;
    fcntl(ends[1], F_SETFL, 0); /* it would wait */
    dup2(ends[1], STDERR_FILENO);
    alarm(5);
    say();
    close(ends[0]);
    say(); /* SIGPIPE would end us */
    alarm(0);
    put_back();
    close(ends[1]);
}

/* ---- a whole program ---- */

static int end_with_a_log_that_fails(bool has_other_file)
{
    char log[64], moved[64];
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    snprintf(log, sizeof log, "%s/log", folder);
    snprintf(moved, sizeof moved, "%s/moved", folder);
    mkdir(log, 0700);
    snprintf(log, sizeof log, "%s/log/a.log", folder);
    o.log_file = log;
    o.log_to_stderr = false;
    o.collector = "thread";
    o.ring_dir = folder;
    o.block_timeout_ms = 100;
    open_as_stderr(path);
    if (mplog_setup_logging(&o) < 0)
        return 1;
    log[strlen(log) - 6] = '\0';
    if (rename(log, moved) < 0)
        return 2;
    mplog_info(mplog_get_logger("a"), "waits");
    if (has_other_file)
        open_as_stderr(other_path); /* a database, say */
    return 0;
}

static void check_end(bool has_other_file, bool is_told)
{
    int status;
    char text[512] = "";
    unlink(other_path);
    pid_t pid = fork();
    if (pid == 0)
        exit(end_with_a_log_that_fails(has_other_file));
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    CHECK_INT(strstr(text, "cannot be written: No such file or directory; 1 record waits; ") != NULL, is_told);
    CHECK_INT(n > 0, is_told);
    CHECK_INT(size_of(other_path), has_other_file ? 0 : -1);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s/moved %s/mplog-*", folder, folder);
    CHECK_INT(system(command), 0);
}

static void program_that_could_not_write_all_says_so_at_its_end(void) { check_end(false, true); }

static void program_whose_stderr_is_another_file_by_then_writes_nothing_there(void) { check_end(true, false); }

int main(void)
{
    static const struct test_case cases[] = {
        TEST_CASE(file_that_was_stderr_at_the_beginning_is_written),
        TEST_CASE(file_that_came_to_that_number_later_is_not),
        TEST_CASE(pipe_is_written_and_a_socket_is_not),
        TEST_CASE(pipe_without_room_or_reader_stops_nobody),
        TEST_CASE(program_that_could_not_write_all_says_so_at_its_end),
        TEST_CASE(program_whose_stderr_is_another_file_by_then_writes_nothing_there),
    };
    if (!mkdtemp(folder))
        return 99;
    snprintf(path, sizeof path, "%s/stderr", folder);
    snprintf(other_path, sizeof other_path, "%s/other", folder);
    kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    unlink(path);
    unlink(other_path);
    rmdir(folder);
    return result;
}
