/* SPDX-License-Identifier: Unlicense */
#ifndef MPL_CLI_COMMANDS_H
#define MPL_CLI_COMMANDS_H

#include "args.h"

/* The subcommands. Each returns the status to exit with. */
int mpl_run_main(const struct mpl_args *args);
int mpl_pipe_main(const struct mpl_args *args);
int mpl_stat_main(int argc, char **argv);
int mpl_recover_main(int argc, char **argv);

#endif
