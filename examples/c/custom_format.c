/* SPDX-License-Identifier: Unlicense
 *
 * Python's format strings, with every attribute of a record, and strftime's date formats.
 */
#include <mplog.h>
#include <stdio.h>

int main(void)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.level = MPLOG_DEBUG;
    o.log_file = "custom.log";
    o.format_string = "%(asctime)s [%(levelname)s] %(name)s: %(message)s (%(filename)s:%(lineno)d)";
    o.date_format = "%H:%M:%S";
    if (mplog_setup_logging(&o) < 0) {
        fprintf(stderr, "%s\n", mplog_last_error());
        return 1;
    }
    mplog_debug(mplog_get_logger("custom"), "This uses custom formatting");

    /* Mistakes are told at set-up, not at the first line. */
    o.format_string = "%(levelnmae)s";
    if (mplog_setup_logging(&o) < 0)
        printf("refused: %s\n", mplog_last_error());
    return 0;
}
