/* SPDX-License-Identifier: Unlicense
 *
 * What the command says, and with which status it ends, when it cannot do what it was asked.
 */
#ifndef MPL_CLI_REPORT_H
#define MPL_CLI_REPORT_H

enum {
    MPL_EXIT_NO = 1,
    MPL_EXIT_USAGE = 100,
    MPL_EXIT_SYSTEM = 111,
    MPL_EXIT_NOT_EXECUTABLE = 126, /* this and the next as in shells and env(1) */
    MPL_EXIT_NOT_FOUND = 127,
};

/* "mplog: <sentence>" and where to find help. Returns MPL_EXIT_USAGE. */
int mpl_report_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "mplog: fatal: unable to <verb> <object>: <reason>". Returns MPL_EXIT_SYSTEM. */
int mpl_report_fatal(const char *verb, const char *object, const char *reason);

/* After everything was printed: 0, or, if stdout has not taken all of it, what mpl_report_fatal returns. */
int mpl_report_stdout(const char *object);

#endif
