/* SPDX-License-Identifier: Unlicense
 *
 * Every macro and type of mplog.h, used as a user would: compiled as C11 and C++17 with all warnings as errors, then
 * run. Returns how many records it made.
 */
#include <mplog.h>

#include <string.h>
#include <wchar.h>

struct bits {
    unsigned narrow : 3;
    int is_signed : 5;
};

enum colour { RED = 1, BLUE = 7 };

static void wrapper(mplog_logger *logger, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void wrapper(mplog_logger *logger, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    mplog_vlog(logger, MPLOG_INFO, "wrapped.c", 99, "caller", format, ap);
    va_end(ap);
}

static int evaluated;

static int evaluate(void) { return ++evaluated; }

static int log_everything(mplog_logger *logger)
{
    char text[] = "array";
    struct bits bits = {5, -3};
    const char *volatile null_text = NULL;
    mplog_info(logger, "constant");
    mplog_info(logger, "%d %u %ld %lu %lld %llu %zu", -1, 1u, -2L, 2ul, -3LL, 3ull, sizeof text);
    mplog_info(logger, "%hhd %hd %c %d %d", (signed char)-4, (short)-5, 'c', bits.narrow, bits.is_signed);
    mplog_info(logger, "%f %g %a %Lf", 1.5, -0.25, 1.0, 2.5L);
    mplog_info(logger, "%s %.3s %.*s %s %10s|", text, "cut here", 2, "cut", null_text, "right");
    mplog_info(logger, "%ls %p %%", L"wide \u00e4", (void *)0);
    mplog_info(logger, "%d %d", (int)BLUE, true);
    mplog_log(logger, 25, "level %d", 25);
    mplog_debug(logger, "%d", evaluate()); /* not enabled: not evaluated */
    if (mplog_is_enabled_for(logger, MPLOG_WARNING))
        mplog_warning(logger, "in an if without braces");
    else
        mplog_error(logger, "not this one");
    errno = 2;
    mplog_error_errno(logger, "open %s", "x.conf");
    mplog_critical(logger, "%m and %d", errno);
    wrapper(logger, "wrapped %s %d %5ls|", "text", 8, L"\u00e4");
    mplog_log_text(logger, MPLOG_INFO, "ready text", 10);
    struct mplog_record record = MPLOG_RECORD_INIT;
    record.message = "any attribute";
    record.message_len = 13;
    record.exception_text = "Traceback: x";
    mplog_log_record(logger, &record);
    mplog_info(logger, "%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d", 1, 2, 3, 4, 5, 6, 7, 8, 9, 0,
               1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2);
    return 15;
}
