/* SPDX-License-Identifier: Unlicense
 *
 * Worker processes log to their parent's file without any set-up of their own.
 */
#include <mplog.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void work(int worker_id)
{
    char name[32];
    snprintf(name, sizeof name, "worker_%d", worker_id);
    mplog_logger *logger = mplog_get_logger(name);
    mplog_info(logger, "Worker %d started", worker_id);
    usleep(1000);
    mplog_info(logger, "Worker %d finished", worker_id);
}

int main(void)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = "workers.log";
    if (mplog_setup_logging(&o) < 0) {
        fprintf(stderr, "%s\n", mplog_last_error());
        return 1;
    }
    for (int i = 0; i < 4; i++) {
        if (fork() == 0) {
            work(i);
            _exit(0); /* nothing is lost: the records are in shared memory already */
        }
    }
    while (wait(NULL) > 0)
        ;
    mplog_info(mplog_get_logger(NULL), "All workers are done");
    return 0;
}
