/* SPDX-License-Identifier: Unlicense
 *
 * The command that `mplog run` runs.
 */
#ifndef MPL_CLI_CHILD_H
#define MPL_CLI_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "signals.h"

struct mpl_child {
    pid_t pid;
    bool has_ended;
    int wait_status; /* once it has */
};

/* Runs `command` with these descriptors as stdout and stderr. 0, or, after a message, the status to exit with. */
int mpl_child_start(struct mpl_child *c, char **command, int out_fd, int err_fd, const struct mpl_signals *signals);

/* Passes a signal on, unless the child has ended. */
void mpl_child_signal(const struct mpl_child *c, int number);

/* After SIGCHLD: fills in has_ended. If the child was stopped from the keyboard, stops this process too, as the shell
 * waits for that. */
void mpl_child_look(struct mpl_child *c);

/* Ends as the child did: its status to exit with, or death by the same signal. */
int mpl_child_end_alike(const struct mpl_child *c);

#endif
