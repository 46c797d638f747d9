/* SPDX-License-Identifier: Unlicense */
#include "api.h"

#include <pthread.h>
#include <sys/mman.h>
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

/* A site for each place a string can have among three words, and for none; each call is in `expected`, too. */
static int log_few_words(mplog_logger *logger, const char *s, int n, char *expected)
{
    int len = 0;
    mplog_info(logger, "constant");
    mplog_info(logger, "%d", n);
    mplog_info(logger, "%d %u", n, n);
    mplog_info(logger, "%d %u %.1f", n, n, n / 2.0);
    mplog_info(logger, "%s", s);
    mplog_info(logger, "%s %d %x", s, n, n);
    mplog_info(logger, "%d %s %c", n, s, 'c');
    mplog_info(logger, "%d %d %s", n, n, s);
    mplog_info(logger, "%s%d%s", s, n, s);
    mplog_info(logger, "%d %d %d %s", n, n, n, s);
    len += sprintf(expected + len, "constant\n%d\n%d %u\n%d %u %.1f\n", n, n, n, n, n, n / 2.0);
    len += sprintf(expected + len, "%s\n%s %d %x\n%d %s %c\n", s, s, n, n, n, s, 'c');
    len += sprintf(expected + len, "%d %d %s\n%s%d%s\n%d %d %d %s\n", n, n, s, s, n, s, n, n, n, s);
    return len;
}

/* Strings end where their memory does, at every distance from a block of 16 bytes, and before a page without access.
 * The ring has its least size, so that its end comes everywhere in a record. */
static void strings_of_all_lengths_and_places_are_copied_whole(void)
{
    static char text[1 << 20], expected[1 << 20];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), expected_len = 0;
    char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(two != MAP_FAILED && mprotect(two + page, page, PROT_NONE) == 0);
    memset(two, 'x', page);
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = path;
    o.file_mode = "w";
    o.log_to_stderr = false;
    o.collector = "thread";
    o.format_string = "%(message)s";
    o.ring_max_bytes = 65536;
    CHECK_INT(mplog_setup_logging(&o), 0);
    for (size_t n = 0; n < 70; n++) {
        for (size_t before_end = 0; before_end < 20; before_end += n < 35 ? 1 : 7) {
            char *end = two + page - 1 - before_end;
            *end = '\0';
            expected_len += (size_t)log_few_words(mplog_get_logger("few"), end - n, (int)n - 30,
                                                  expected + expected_len);
            *end = 'x';
        }
    }
    mplog_shutdown_logging();
    FILE *f = fopen(path, "r");
    size_t len = fread(text, 1, sizeof text, f);
    fclose(f);
    munmap(two, 2 * page);
    CHECK_TEXT(text, len, expected);
}

/* Asks until the answer is `expected`, for 10 s at most; what it was last. */
static int flush_until(int expected)
{
    int answer = 1;
    for (int i = 0; i < 100 && answer != expected; i++) {
        answer = mplog_flush(100);
        usleep(100000);
    }
    return answer;
}

static void flush_says_whether_all_is_in_the_file(void)
{
    char folder[] = "/tmp/mplog-api-XXXXXX", file[64], moved[64], text[64] = "";
    CHECK(mkdtemp(folder) != NULL);
    snprintf(file, sizeof file, "%s/a.log", folder);
    snprintf(moved, sizeof moved, "%s.moved", folder);
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = file;
    o.log_to_stderr = false;
    o.collector = "thread";
    o.format_string = "%(message)s";
    o.block_timeout_ms = 300;
    CHECK_INT(mplog_setup_logging(&o), 0);
    CHECK_INT(rename(folder, moved), 0);
    mplog_info(mplog_get_logger("api"), "waits");
    CHECK_INT(mplog_flush(100), -ETIMEDOUT);
    CHECK_INT(flush_until(-EIO), -EIO); /* nobody waits for it any more */
    CHECK(strstr(mplog_last_error(), "cannot be written") != NULL);
    CHECK_INT(rename(moved, folder), 0);
    CHECK_INT(flush_until(0), 0);
    FILE *f = fopen(file, "r");
    CHECK(f && fgets(text, sizeof text, f));
    fclose(f);
    CHECK_TEXT(text, strlen(text), "waits\n");
    mplog_shutdown_logging();
    unlink(file);
    CHECK_INT(rmdir(folder), 0);
}

/* After the tests above have shut down. */
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

static _Atomic int has_ended;

static void *change_names(void *name)
{
    while (!has_ended)
        mplog_set_process_name(name);
    return NULL;
}

static char long_message[40001];

static void *say_two_things(void *arg)
{
    mplog_info(mplog_get_logger("names"), "%s", "short");
    mplog_info(mplog_get_logger("names"), "%s", long_message); /* in a larger ring */
    return arg;
}

/* Another name makes every thread look again what it is; a call that is just beginning must not give up for that. */
static void names_that_change_all_the_time_cost_no_record(void)
{
    enum { THREADS = 200 };
    pthread_t namer[2], thread;
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    memset(long_message, 'x', sizeof long_message - 1);
    o.log_file = path;
    o.file_mode = "w";
    o.log_to_stderr = false;
    o.collector = "thread";
    o.format_string = "%(message)s";
    CHECK_INT(mplog_setup_logging(&o), 0);
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&namer[i], NULL, change_names, i ? "one" : "other"), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread, NULL, say_two_things, NULL) == 0 && pthread_join(thread, NULL) == 0);
    has_ended = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(namer[i], NULL);
    mplog_shutdown_logging();
    int count_short = 0, count_long = 0;
    static char line[sizeof long_message + 100];
    FILE *f = fopen(path, "r");
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        count_short += strcmp(line, "short") == 0;
        count_long += strcmp(line, long_message) == 0;
    }
    fclose(f);
    CHECK_INT(count_short, THREADS);
    CHECK_INT(count_long, THREADS);
}

static void reason_is_said_however_long_the_path_is(void)
{
    static char long_path[3000] = "/tmp/";
    for (size_t i = 5; i < sizeof long_path - 1; i++)
        long_path[i] = i % 200 ? 'x' : '/';
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = long_path;
    CHECK(mplog_setup_logging(&o) < 0);
    const char *text = mplog_last_error(), *reason = ": No such file or directory";
    CHECK(strncmp(text, "log_file /tmp/xxx", 17) == 0 && strlen(text) > strlen(reason));
    CHECK_TEXT(text + strlen(text) - strlen(reason), strlen(reason), reason);
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
        TEST_CASE(reason_is_said_however_long_the_path_is),
        TEST_CASE(every_macro_gives_the_text_it_says),
        TEST_CASE(strings_of_all_lengths_and_places_are_copied_whole),
        TEST_CASE(flush_says_whether_all_is_in_the_file),
        TEST_CASE(names_that_change_all_the_time_cost_no_record),
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
