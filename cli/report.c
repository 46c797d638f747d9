/* SPDX-License-Identifier: Unlicense */
#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int mpl_report_usage(const char *format, ...)
{
    va_list ap;
    fputs("mplog: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputs("\nTry \"mplog --help\" or \"man mplog\".\n", stderr);
    return MPL_EXIT_USAGE;
}

int mpl_report_fatal(const char *verb, const char *object, const char *reason)
{
    fprintf(stderr, "mplog: fatal: unable to %s %s: %s\n", verb, object, reason);
    return MPL_EXIT_SYSTEM;
}

int mpl_report_stdout(const char *object)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return mpl_report_fatal("write", object, strerror(errno));
    return 0;
}
