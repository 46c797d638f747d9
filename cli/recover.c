/* SPDX-License-Identifier: Unlicense
 *
 * mplog recover: writes what sessions left whose processes were all killed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "report.h"
#include "show.h"

struct recovery {
    bool is_dry_run;
    unsigned told;
};

static void tell_done(const struct mplog_recovery *what, const char *verb)
{
    printf("%s: %llu %s %s ", what->dir, what->records, what->records == 1 ? "record" : "records", verb);
    mpl_show(what->log_file[0] ? what->log_file : "no file", 0);
    putchar('\n');
}

static void tell(void *arg, const struct mplog_recovery *what)
{
    struct recovery *r = arg;
    r->told++;
    switch (what->outcome) {
    case MPLOG_RECOVERY_DONE: tell_done(what, "written to"); break;
    case MPLOG_RECOVERY_WAITS: tell_done(what, what->records == 1 ? "waits for" : "wait for"); break;
    case MPLOG_RECOVERY_SWEPT:
        printf("%s: %s\n", what->dir, r->is_dry_run ? "incomplete, can be removed" : "incomplete, removed");
        break;
    case MPLOG_RECOVERY_FAILED: fflush(stdout); mpl_report_fatal("recover", what->dir, what->reason);
    }
    fflush(stdout); /* each as it happens: a file that cannot be written takes 5 s */
}

/* Who has seen the user's directory itself may name that too. Returns `dir`, shortened where it lies. */
static char *base_of(char *dir)
{
    char own[40];
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        dir[--len] = '\0';
    snprintf(own, sizeof own, "/mplog-%lu", (unsigned long)geteuid());
    if (len > strlen(own) && strcmp(dir + len - strlen(own), own) == 0)
        dir[len - strlen(own)] = '\0';
    return dir;
}

int mpl_recover_main(int argc, char **argv)
{
    struct recovery r = {.is_dry_run = false};
    char *dir = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return mpl_args_help();
        if (strcmp(argv[i], "--dry-run") == 0)
            r.is_dry_run = true;
        else if (argv[i][0] == '-')
            return mpl_report_usage("recover: there is no option %s", argv[i]);
        else if (dir)
            return mpl_report_usage("recover: one directory, or none: %s is too many", argv[i]);
        else
            dir = argv[i];
    }
    int failures = mplog_recover(dir ? base_of(dir) : mpl_args_ring_dir(), r.is_dry_run, tell, &r);
    if (failures < 0)
        return mpl_report_fatal("look for", "sessions", mplog_last_error());
    if (r.told == 0)
        puts("There is nothing to recover.");
    int status = mpl_report_stdout("the result");
    return failures > 0 ? MPL_EXIT_SYSTEM : status;
}
