/* SPDX-License-Identifier: Unlicense */
#include "api.h"

#include <unistd.h>

#include "harness.h"

static char path[] = "/tmp/mplog-api-XXXXXX";

static void every_macro_gives_the_text_it_says(void)
{
    static const char expected[] = "INFO constant\n"
                                   "INFO -1 1 -2 2 -3 3 6\n"
                                   "INFO -4 -5 c 5 -3\n"
                                   "INFO 1.500000 -0.25 0x1p+0 2.500000\n"
                                   "INFO array cut cu (null)      right|\n"
                                   "INFO wide \xc3\xa4 (nil) %\n"
                                   "INFO 7 1\n"
                                   "Level 25 level 25\n"
                                   "WARNING in an if without braces\n"
                                   "ERROR open x.conf: No such file or directory (errno 2)\n"
                                   "CRITICAL No such file or directory and 2\n"
                                   "INFO wrapped text 8    \xc3\xa4|\n"
                                   "INFO ready text\n"
                                   "INFO any attribute\nTraceback: x\n"
                                   "INFO 12345678901234567890123456789012\n";
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = path;
    o.log_to_stderr = false;
    o.collector = "thread";
    o.format_string = "%(levelname)s %(message)s";
    CHECK_INT(mplog_setup_logging(&o), 0);
    CHECK_INT(log_everything(mplog_get_logger("api")), 15);
    CHECK_INT(evaluated, 0);
    CHECK_INT(errno, 2);
    mplog_shutdown_logging();
    static char text[4000];
    FILE *f = fopen(path, "r");
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    CHECK_TEXT(text, n, expected);
}

/* After the test above has shut down. */
static void warnings_after_shutdown_go_to_stderr_rendered(void)
{
    static char text[4000], long_text[1001];
    memset(long_text, 'x', 1000);
    mplog_logger *logger = mplog_get_logger("api");
    FILE *f = tmpfile();
    int stderr_fd = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fileno(f), STDERR_FILENO);
    mplog_info(logger, "not shown");
    mplog_warning(logger, "%d %s %ls %.2ls|", 5, "text", L"\u20ac uro", L"\u00e9\u00e9");
    wrapper(logger, "%s", "INFO from a wrapper");
    errno = 2;
    mplog_error_errno(logger, "%s", long_text);
    CHECK_INT(errno, 2);
    dup2(stderr_fd, STDERR_FILENO);
    close(stderr_fd);
    rewind(f);
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    static char expected[4000];
    snprintf(expected, sizeof expected, "5 text \u20ac uro \u00e9|\n%s: No such file or directory (errno 2)\n",
             long_text);
    CHECK_TEXT(text, n, expected);
}

static void version_and_levels_are_what_the_header_says(void)
{
    CHECK_TEXT(mplog_version(), strlen(mplog_version()), MPLOG_VERSION);
    CHECK_INT(mplog_level_from_name("INFO"), 20);
    CHECK_INT(mplog_level_from_name("warn"), 30);
    CHECK_INT(mplog_level_from_name("15"), 15);
    CHECK_INT(mplog_level_from_name("LOUD"), -EINVAL);
    CHECK_INT(mplog_level_from_name(NULL), -EINVAL);
    CHECK(mplog_get_logger(NULL) == mplog_get_logger("root") && mplog_get_logger("") == mplog_get_logger(NULL));
    CHECK(mplog_get_logger("a.b") == mplog_get_logger("a.b"));
    CHECK(!mplog_is_logging_setup());
    CHECK_INT(mplog_flush(10), 0);
}

static void level_of_a_parent_is_inherited_unless_set(void)
{
    mplog_logger *parent = mplog_get_logger("p"), *child = mplog_get_logger("p.q.r");
    mplog_set_level(parent, MPLOG_ERROR);
    CHECK(!mplog_is_enabled_for(child, MPLOG_WARNING) && mplog_is_enabled_for(child, MPLOG_ERROR));
    mplog_set_level(mplog_get_logger("p.q"), MPLOG_DEBUG);
    CHECK(mplog_is_enabled_for(child, MPLOG_DEBUG) && !mplog_is_enabled_for(parent, MPLOG_DEBUG));
    mplog_set_level(mplog_get_logger("p.q"), MPLOG_NOTSET);
    CHECK(!mplog_is_enabled_for(child, MPLOG_WARNING));
    CHECK(mplog_is_enabled_for(mplog_get_logger("pq"), MPLOG_INFO));
}

int main(void)
{
    static const struct test_case cases[] = {
        TEST_CASE(version_and_levels_are_what_the_header_says),
        TEST_CASE(level_of_a_parent_is_inherited_unless_set),
        TEST_CASE(every_macro_gives_the_text_it_says),
        TEST_CASE(warnings_after_shutdown_go_to_stderr_rendered),
    };
    int fd = mkstemp(path);
    if (fd < 0)
        return 99;
    close(fd);
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    unlink(path);
    return result;
}
