/* SPDX-License-Identifier: Unlicense
 *
 * Threads log without locks: each has a ring of its own.
 */
#include <mplog.h>
#include <pthread.h>
#include <stdio.h>

static void *run(void *arg)
{
    const char *name = arg;
    mplog_logger *logger = mplog_get_logger("threads");
    mplog_set_thread_name(name);
    for (int i = 0; i < 3; i++)
        mplog_info(logger, "step %d", i);
    return NULL;
}

int main(void)
{
    static char names[3][8] = {"reader", "parser", "writer"};
    pthread_t thread[3];
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = "threads.log";
    if (mplog_setup_logging(&o) < 0) {
        fprintf(stderr, "%s\n", mplog_last_error());
        return 1;
    }
    for (int i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, run, names[i]);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
