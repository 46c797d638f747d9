/* SPDX-License-Identifier: Unlicense
 *
 * Signals as events: they are blocked and come through a descriptor, together with who has sent them.
 */
#ifndef MPL_CLI_SIGNALS_H
#define MPL_CLI_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct mpl_signals {
    int fd; /* readable when one has arrived */
    sigset_t mask_before;
    struct sigaction child_before; /* of SIGCHLD */
};

/* 0 or -errno. SIGCHLD gets its default disposition: where it was ignored, nobody could be waited for. */
int mpl_signals_open(struct mpl_signals *s, const int *list, size_t count);

/* In a forked child that is about to exec: as it was before. Async-signal-safe. */
void mpl_signals_restore(const struct mpl_signals *s);

/* The next one that has arrived. `is_for_all`: the terminal has sent it to the whole foreground process group, so that
 * every process in it has its own already. */
bool mpl_signals_take(struct mpl_signals *s, int *number, bool *is_for_all);

/* Stops this process as SIGTSTP does; returns when it is continued. */
void mpl_signals_stop(void);

/* Dies of that signal, without leaving a core. Returns 128 + number, for exit, where it does not kill: process 1 of a
 * container is immune. */
int mpl_signals_die(int number);

#endif
