/* SPDX-License-Identifier: Unlicense
 *
 * The thread that writes a stream, and the end of the collector that started it.
 */
#include "session_by_hand.h"

#include <fcntl.h>
#include <sys/wait.h>

/* A reader that reads nothing, and then everything. Returns what the program was found to do: it ends with _exit, since
 * the thread that was stuck leaves memory behind. */
static void run_with_stuck_reader(void)
{
    static char text[65536];
    struct mplog_options o = hand_options();
    int ends[2], kept = dup(STDERR_FILENO);
    bool is_read = false;
    if (pipe(ends) < 0 || kept < 0 || fcntl(ends[1], F_SETPIPE_SZ, 4096) < 0)
        _exit(2);
    dup2(ends[1], STDERR_FILENO);
    o.log_to_stderr = true;
    hand_begin(&o);
    dup2(kept, STDERR_FILENO);
    memset(text, 'a', sizeof text);
    mplog_log_text(mplog_get_logger("hand"), MPLOG_INFO, text, sizeof text);
    mplog_log_text(mplog_get_logger("hand"), MPLOG_INFO, "last", 4);
    hand_pass();
    hand_kill_collector();
    close(ends[1]);
    /* Now the thread goes on, and tells whoever once waited for that. */
    for (ssize_t n; !is_read && (n = read(ends[0], text, sizeof text)) > 0;)
        is_read = memmem(text, (size_t)n, "last\n", 5) != NULL;
    while (read(ends[0], text, sizeof text) > 0)
        ;
    usleep(20000);
    hand_take_over();
    hand_end();
    _exit(is_read ? 0 : 3);
}

static void stream_writer_that_was_stuck_goes_on_after_the_collectors_end(void)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        run_with_stuck_reader();
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
}

int main(void)
{
    static const struct test_case cases[] = {TEST_CASE(stream_writer_that_was_stuck_goes_on_after_the_collectors_end)};
    hand_directory();
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    rmdir(hand_dir);
    return result;
}
