/* SPDX-License-Identifier: Unlicense
 *
 * The command line: options, and what follows from them.
 */
#ifndef MPL_CLI_ARGS_H
#define MPL_CLI_ARGS_H

#include <mplog.h>
#include <stdbool.h>

struct mpl_args {
    struct mplog_options options;
    const char *name; /* pipe */
    int record_level; /* pipe */
    bool wants_help;
    char **rest; /* what follows the options, NULL at the end */
};

/* argv[0] is the name of the subcommand. 0, or, after a message, the status to exit with. */
int mpl_args_parse(struct mpl_args *args, int argc, char **argv);

/* A copy of the path that does not depend on the working directory. NULL: an error, in errno. */
char *mpl_args_absolute(const char *path);

/* MPLOG_RING_DIR; NULL: not set. */
const char *mpl_args_ring_dir(void);

/* Sets up logging. 0, or, after a message, the status to exit with. */
int mpl_args_set_up(const struct mpl_args *args);

/* The help text on stdout. The status to exit with. */
int mpl_args_help(void);

#endif
