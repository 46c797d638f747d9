/* SPDX-License-Identifier: Unlicense
 *
 * mplog_error_errno adds what errno says, as logger.exception does for an exception in Python.
 */
#include <fcntl.h>
#include <mplog.h>
#include <stdio.h>

int main(void)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    const char *path = "/does/not/exist";
    o.log_file = "errors.log";
    if (mplog_setup_logging(&o) < 0) {
        fprintf(stderr, "%s\n", mplog_last_error());
        return 1;
    }
    if (open(path, O_RDONLY) < 0)
        mplog_error_errno(mplog_get_logger("files"), "open %s", path);
    return 0;
}
