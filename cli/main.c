/* SPDX-License-Identifier: Unlicense */
#include <errno.h>
#include <fcntl.h>
#include <mplog.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "commands.h"
#include "report.h"

/* A descriptor opened later must not become 0, 1 or 2 of this program, or of one it starts, by chance. */
static int fill_standard_descriptors(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0)
        return mpl_report_fatal("open", "/dev/null", strerror(errno));
    close(fd);
    return 0;
}

static int run_subcommand(int (*main_fn)(const struct mpl_args *), int argc, char **argv)
{
    static struct mpl_args args;
    int status = fill_standard_descriptors();
    status = status ? status : mpl_args_parse(&args, argc, argv);
    if (status)
        return status;
    return args.wants_help ? mpl_args_help() : main_fn(&args);
}

static int run_other(int (*main_fn)(int argc, char **argv), int argc, char **argv)
{
    int status = fill_standard_descriptors();
    return status ? status : main_fn(argc, argv);
}

static int show_version(void)
{
    printf("mplog %s\n", mplog_version());
    return mpl_report_stdout("the version");
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return mpl_report_usage("what to do? run, pipe, stat, recover");
    const char *what = argv[1];
    if (strcmp(what, "run") == 0)
        return run_subcommand(mpl_run_main, argc - 1, argv + 1);
    if (strcmp(what, "pipe") == 0)
        return run_subcommand(mpl_pipe_main, argc - 1, argv + 1);
    if (strcmp(what, "stat") == 0)
        return run_other(mpl_stat_main, argc - 1, argv + 1);
    if (strcmp(what, "recover") == 0)
        return run_other(mpl_recover_main, argc - 1, argv + 1);
    if (strcmp(what, "collect") == 0)
        return mplog_collect_main(argc - 1, argv + 1);
    if (strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0)
        return mpl_args_help();
    if (strcmp(what, "--version") == 0)
        return show_version();
    return mpl_report_usage("there is no %s %s", what[0] == '-' ? "option" : "command", what);
}
