/* SPDX-License-Identifier: Unlicense
 *
 * Set up once, log anywhere. Prints to stderr and appends to app.log.
 *
 *     cc basic.c $(pkg-config --cflags --libs mplog) -o basic && ./basic
 */
#include <mplog.h>
#include <stdio.h>

int main(void)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.level = MPLOG_INFO;
    o.log_file = "app.log";
    if (mplog_setup_logging(&o) < 0) {
        fprintf(stderr, "%s\n", mplog_last_error());
        return 1;
    }

    mplog_logger *logger = mplog_get_logger("app");
    mplog_info(logger, "This is an info message");
    mplog_error(logger, "This is an error");
    mplog_debug(logger, "This is not shown: the level is INFO");
    mplog_info(logger, "%d of %d tasks done, %.1f %%", 3, 4, 75.0);
    return 0; /* waits until the lines are written */
}
