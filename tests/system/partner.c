/* SPDX-License-Identifier: Unlicense
 *
 * Passes a token to and fro with a partner in another language, through pipes; each logs it and then hands on:
 *
 *     partner TOKENS                             member by inheritance; takes from descriptor 0, gives to 1
 *     partner TOKENS LOG_FILE COMMAND [ARG...]   sets up, starts COMMAND with pipes as its 0 and 1, and begins
 */
#include <mplog.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "numbered.h"

static void pass_token(int in, int out, uint32_t tokens)
{
    static char buffer[NUMBERED_HEAD_MAX + 17];
    mplog_logger *logger = mplog_get_logger("c");
    uint32_t token, sequence = 0;
    while (read(in, &token, sizeof token) == (ssize_t)sizeof token && token < tokens) {
        NUMBERED_LOG_TOKEN(logger, "c", sequence, 16u, buffer, token);
        sequence++;
        token++;
        if (write(out, &token, sizeof token) != (ssize_t)sizeof token)
            return;
    }
}

static int start_partner(char **command, const char *log_file, uint32_t tokens)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    uint32_t first = 0;
    int there[2], back[2], status = 1;
    o.log_file = log_file;
    o.log_to_stderr = false;
    o.max_bytes = 0;
    if (mplog_setup_logging(&o) < 0) {
        fprintf(stderr, "partner: %s\n", mplog_last_error());
        return 111;
    }
    if (pipe(there) < 0 || pipe(back) < 0 || write(back[1], &first, sizeof first) < 0)
        return 111;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(there[0], 0);
        dup2(back[1], 1);
        close(there[1]); /* or else it would never see the end of its input */
        close(back[0]);
        execvp(command[0], command);
        _exit(127);
    }
    close(there[0]);
    close(back[1]);
    pass_token(back[0], there[1], tokens);
    close(there[1]);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* who gets the last token has gone */
    numbered_init();
    if (argc < 2)
        return 100;
    uint32_t tokens = (uint32_t)strtoul(argv[1], NULL, 10);
    if (argc > 3)
        return start_partner(argv + 3, argv[2], tokens);
    pass_token(0, 1, tokens);
    return 0;
}
