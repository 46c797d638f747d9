/* SPDX-License-Identifier: Unlicense */
#include "config/options.h"

#include <errno.h>
#include <unistd.h>

#include "base/error.h"
#include "harness.h"

static struct mpl_options resolved, read_back;

static int resolve(const struct mplog_options *o) { return mpl_options_resolve(&resolved, o, false); }

#define CHECK_REFUSED(field_, value_, sentence)                                                                        \
    do {                                                                                                               \
        struct mplog_options o = MPLOG_OPTIONS_INIT;                                                                   \
        o.field_ = (value_);                                                                                           \
        CHECK_INT(resolve(&o), -EINVAL);                                                                               \
        CHECK_TEXT(mpl_error_text(), strlen(mpl_error_text()), sentence);                                              \
    } while (0)

static void options_that_are_null_are_the_defaults(void)
{
    CHECK_INT(resolve(NULL), 0);
    CHECK_INT(resolved.o.level, MPLOG_INFO);
    CHECK(resolved.o.log_to_stderr && !resolved.o.log_file);
    CHECK_INT(resolved.o.max_bytes, 10 * 1024 * 1024);
    CHECK_INT(resolved.o.backup_count, 5);
}

static void value_out_of_range_is_refused_with_a_sentence(void)
{
    CHECK_REFUSED(max_bytes, -1, "max_bytes: -1 is negative");
    CHECK_REFUSED(backup_count, -5, "backup_count: -5 is negative");
    CHECK_REFUSED(block_timeout_ms, -1, "block_timeout_ms: -1 is negative");
    CHECK_REFUSED(ring_max_bytes, 1000, "ring_max_bytes: 1000 is not between 65536 and 1073741824");
    CHECK_REFUSED(level, 1 << 20, "level: 1048576 is not between -524288 and 524287");
    CHECK_REFUSED(file_mode, "x", "file_mode: \"x\" is not one of \"a\", \"w\"");
    CHECK_REFUSED(overflow, "wait", "overflow: \"wait\" is not one of \"block\", \"drop\"");
    CHECK_REFUSED(escape, "all", "escape: \"all\" is not one of \"control\", \"strict\", \"none\"");
    CHECK_REFUSED(collector, "fork", "collector: \"fork\" is not one of \"helper\", \"thread\"");
    CHECK_REFUSED(fsync, "always", "fsync: \"always\" is not one of \"never\", \"interval\", \"error\"");
    CHECK_REFUSED(log_file, "", "log_file: is empty");
    CHECK_REFUSED(size, 7, "size: 7 is not the size of the options; begin with MPLOG_OPTIONS_INIT");
}

/* Compiled against an older header: the fields it does not know have their defaults. */
static void options_of_an_older_size_are_taken(void)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.size = offsetof(struct mplog_options, max_bytes);
    o.max_bytes = -1; /* not there */
    CHECK_INT(resolve(&o), 0);
    CHECK_INT(resolved.o.max_bytes, 10 * 1024 * 1024);
}

static void text_values_of_all_types_are_read(void)
{
    static const struct {
        const char *name, *value;
        long long number;
    } good[] =
        {
            {"max_bytes", "10M", 10 << 20}, {"max-bytes", "1k", 1024},    {"MAX_BYTES", "2GiB", 2LL << 30},
            {"max_bytes", "7", 7},          {"max_bytes", "5KB", 5120},   {"backup-count", "12", 12},
            {"log_to_stderr", "no", 0},     {"log-to-stderr", "TRUE", 1}, {"level", "debug", 10},
            {"level", "Warning", 30},       {"level", "17", 17},          {"block_timeout_ms", "0", 0},
        },
      bad[] = {
          {"max_bytes", "10X", 0},       {"max_bytes", "", 0},
          {"max_bytes", "1.5M", 0},      {"max_bytes", "99999999999G", 0},
          {"max_bytes", " 1", 0},        {"backup_count", "many", 0},
          {"log_to_stderr", "maybe", 0}, {"level", "LOUD", 0},
          {"backup_count", "3K", 0},     {"backup_count", "99999999999", 0},
      };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct mplog_options o = MPLOG_OPTIONS_INIT;
        CHECK_INT(mpl_options_set(&o, good[i].name, good[i].value), 0);
        long long got = strcasecmp(good[i].name, "backup-count") == 0       ? o.backup_count
                        : strncasecmp(good[i].name, "log", 3) == 0          ? o.log_to_stderr
                        : strcasecmp(good[i].name, "level") == 0            ? o.level
                        : strcasecmp(good[i].name, "block_timeout_ms") == 0 ? o.block_timeout_ms
                                                                            : o.max_bytes;
        CHECK_INT(got, good[i].number);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct mplog_options o = MPLOG_OPTIONS_INIT;
        CHECK_INT(mpl_options_set(&o, bad[i].name, bad[i].value), -EINVAL);
        CHECK(strstr(mpl_error_text(), bad[i].name) && strstr(mpl_error_text(), bad[i].value));
    }
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    CHECK_INT(mpl_options_set(&o, "colour", "red"), -ENOENT);
    CHECK(strstr(mpl_error_text(), "colour"));
}

static void environment_wins_over_the_program(void)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.level = MPLOG_ERROR;
    o.backup_count = 3;
    setenv("MPLOG_LEVEL", "DEBUG", 1);
    setenv("MPLOG_MAX_BYTES", "3K", 1);
    setenv("MPLOG_BACKUP_COUNT", "", 1); /* as good as not set */
    CHECK_INT(mpl_options_resolve(&resolved, &o, true), 0);
    CHECK_INT(resolved.o.level, MPLOG_DEBUG);
    CHECK_INT(resolved.o.max_bytes, 3072);
    CHECK_INT(resolved.o.backup_count, 3);
    setenv("MPLOG_LEVEL", "LOUD", 1);
    CHECK_INT(mpl_options_resolve(&resolved, &o, true), -EINVAL);
    CHECK_TEXT(mpl_error_text(), strlen(mpl_error_text()),
               "environment variable MPLOG_LEVEL: level: \"LOUD\" is not a level's name or number");
    unsetenv("MPLOG_LEVEL");
    unsetenv("MPLOG_MAX_BYTES");
    unsetenv("MPLOG_BACKUP_COUNT");
}

/* Whoever reads the sentence has not written the value: it is the variable that is to be mended. */
static void value_from_the_environment_is_refused_by_variable(void)
{
    static const struct {
        const char *variable, *value, *sentence;
    } bad[] = {
        {"MPLOG_OVERFLOW", "x", "overflow: \"x\" is not one of \"block\", \"drop\""},
        {"MPLOG_FSYNC", "x", "fsync: \"x\" is not one of \"never\", \"interval\", \"error\""},
        {"MPLOG_COLLECTOR", "x", "collector: \"x\" is not one of \"helper\", \"thread\""},
        {"MPLOG_MAX_BYTES", "-1", "max_bytes: -1 is negative"},
        {"MPLOG_MAX_BYTES", "abc", "max_bytes: \"abc\" is not a number of bytes such as 10485760 or 10M"},
        {"MPLOG_BACKUP_COUNT", "2000000000", "backup_count: 2000000000 is not between 0 and 100000"},
        {"MPLOG_RING_MAX_BYTES", "1", "ring_max_bytes: 1 is not between 65536 and 1073741824"},
        {"MPLOG_RING_BUDGET_BYTES", "1", "ring_budget_bytes: 1 is not between 65536 and 1099511627776"},
        {"MPLOG_BLOCK_TIMEOUT_MS", "-2", "block_timeout_ms: -2 is negative"},
        {"MPLOG_CRASH_HANDLER", "x", "\"x\" is not true or false"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char sentence[200];
        setenv(bad[i].variable, bad[i].value, 1);
        CHECK_INT(mpl_options_resolve(&resolved, NULL, true), -EINVAL);
        snprintf(sentence, sizeof sentence, "environment variable %s: %s", bad[i].variable, bad[i].sentence);
        CHECK_TEXT(mpl_error_text(), strlen(mpl_error_text()), sentence);
        unsetenv(bad[i].variable);
    }
}

static void failure_is_blamed_on_the_variable_that_it_is_about(void)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.helper = "/h";
    setenv("MPLOG_LOG_FILE", "/x", 1);
    CHECK_INT(mpl_options_resolve(&resolved, &o, true), 0);
    unsetenv("MPLOG_LOG_FILE");
    CHECK_INT(mpl_options_blame(&resolved, mpl_fail(ENOENT, "log_file /x: is not there")), -ENOENT);
    CHECK_TEXT(mpl_error_text(), strlen(mpl_error_text()),
               "environment variable MPLOG_LOG_FILE: log_file /x: is not there");
    CHECK_INT(mpl_options_blame(&resolved, mpl_fail(EINVAL, "helper: is none")), -EINVAL);
    CHECK_TEXT(mpl_error_text(), strlen(mpl_error_text()), "helper: is none");
    CHECK_INT(mpl_options_blame(&resolved, mpl_fail(EINVAL, "log_files: are many")), -EINVAL);
    CHECK_TEXT(mpl_error_text(), strlen(mpl_error_text()), "log_files: are many");
    CHECK_INT(mpl_options_blame(&resolved, 0), 0);
}

static void path_that_is_relative_becomes_absolute(void)
{
    static const char *const paths[] = {"sub/app.log", "./app.log", ".//./sub/../app.log", ".hidden", "..a/b"};
    static const char *const rests[] = {"sub/app.log", "app.log", "sub/../app.log", ".hidden", "..a/b"};
    char cwd[4096], expected[4200];
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    CHECK(getcwd(cwd, sizeof cwd) != NULL);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        o.log_file = paths[i];
        CHECK_INT(resolve(&o), 0);
        snprintf(expected, sizeof expected, "%s/%s", cwd, rests[i]);
        CHECK_TEXT(resolved.o.log_file, strlen(resolved.o.log_file), expected);
    }
}

/* It may be removed, and paths that lead through it would end. */
static void path_from_above_does_not_lead_through_the_working_directory(void)
{
    char cwd[4096], expected[4200];
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = ".././sub/../app.log";
    CHECK(getcwd(cwd, sizeof cwd) != NULL);
    CHECK_INT(resolve(&o), 0);
    snprintf(expected, sizeof expected, "%.*s/sub/../app.log", (int)(strrchr(cwd, '/') - cwd), cwd);
    CHECK_TEXT(resolved.o.log_file, strlen(resolved.o.log_file), expected);
    CHECK_INT(chdir("/"), 0);
    o.log_file = "../../app.log"; /* above the root is the root */
    CHECK_INT(resolve(&o), 0);
    CHECK_TEXT(resolved.o.log_file, strlen(resolved.o.log_file), "/app.log");
    CHECK_INT(chdir(cwd), 0);
}

/* What a set-up writes into MPLOG_SESSION and the session's files comes back the same, whatever characters it has. */
static void text_form_keeps_every_value(void)
{
    static char text[40000];
    uint64_t seed = 1;
    for (int round = 0; round < 500; round++) {
        char format[300], file[200];
        struct mplog_options o = MPLOG_OPTIONS_INIT;
        size_t n = test_random(&seed) % (sizeof format - 1);
        for (size_t i = 0; i < n; i++)
            format[i] = (char)(1 + test_random(&seed) % 255);
        format[n] = '\0';
        file[0] = '/';
        for (size_t i = 1; i < sizeof file - 1; i++)
            file[i] = (char)(1 + test_random(&seed) % 255);
        file[sizeof file - 1] = '\0';
        o.format_string = n ? format : NULL;
        o.log_file = file;
        o.level = (int)(test_random(&seed) % 100);
        o.max_bytes = (long long)(test_random(&seed) >> 1);
        o.log_to_stderr = round % 2;
        o.escape = round % 3 ? "strict" : NULL;
        CHECK_INT(resolve(&o), 0);
        struct mpl_text t = {text, 0, sizeof text};
        mpl_options_write(&resolved.o, &t);
        CHECK(mpl_text_fits(&t));
        CHECK_INT(mpl_options_read(&read_back, (struct mpl_str){text, t.len}), 0);
        CHECK(mpl_options_equal(&resolved, &read_back));
        read_back.o.backup_count++;
        CHECK(!mpl_options_equal(&resolved, &read_back));
    }
}

/* It comes from the environment, too. */
static void text_form_that_is_damaged_does_no_harm(void)
{
    static char text[40000];
    uint64_t seed = 2;
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = "/x/y.log";
    o.format_string = "%(message)s";
    CHECK_INT(resolve(&o), 0);
    struct mpl_text t = {text, 0, sizeof text};
    mpl_options_write_pair(&t, "dir", "/dev/shm/mplog-0/x");
    mpl_options_write(&resolved.o, &t);
    for (int round = 0; round < 20000; round++) {
        char damaged[2000], found[64];
        memcpy(damaged, text, t.len);
        for (unsigned i = 0; i < 1 + test_random(&seed) % 4; i++)
            damaged[test_random(&seed) % t.len] = (char)test_random(&seed);
        size_t len = test_random(&seed) % (t.len + 1);
        mpl_options_read(&read_back, (struct mpl_str){damaged, len});
        mpl_options_find((struct mpl_str){damaged, len}, "dir", found, sizeof found);
        mpl_options_find_number((struct mpl_str){damaged, len}, "max_bytes");
    }
    char dir[64];
    CHECK(mpl_options_find((struct mpl_str){text, t.len}, "dir", dir, sizeof dir));
    CHECK_TEXT(dir, strlen(dir), "/dev/shm/mplog-0/x");
    CHECK(!mpl_options_find((struct mpl_str){text, t.len}, "dir", dir, 5));
    CHECK_INT(mpl_options_find_number((struct mpl_str){text, t.len}, "backup_count"), 5);
}

TEST_MAIN(TEST_CASE(options_that_are_null_are_the_defaults), TEST_CASE(value_out_of_range_is_refused_with_a_sentence),
          TEST_CASE(options_of_an_older_size_are_taken), TEST_CASE(text_values_of_all_types_are_read),
          TEST_CASE(environment_wins_over_the_program), TEST_CASE(value_from_the_environment_is_refused_by_variable),
          TEST_CASE(failure_is_blamed_on_the_variable_that_it_is_about),
          TEST_CASE(path_that_is_relative_becomes_absolute),
          TEST_CASE(path_from_above_does_not_lead_through_the_working_directory),
          TEST_CASE(text_form_keeps_every_value), TEST_CASE(text_form_that_is_damaged_does_no_harm))
