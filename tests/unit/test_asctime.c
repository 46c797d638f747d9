/* SPDX-License-Identifier: Unlicense */
#include "harness.h"

#include <errno.h>
#include <locale.h>
#include <time.h>

#include "base/error.h"
#include "base/utf8.h"
#include "output/asctime.h"

#define NS INT64_C(1000000000)

/* With half an hour of daylight saving, with half hours of offset, with both, with neither. */
static const char *const zones[] = {"Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"};

#define ZONE_COUNT (sizeof zones / sizeof zones[0])

/* The same by rule, for machines without a data base of zones. */
#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"
#define NEW_YORK "EST5EDT,M3.2.0,M11.1.0"
#define LORD_HOWE "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"

static void set_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

/* Valid until the next call. */
static struct mpl_str show(struct mpl_asctime *a, int64_t created_ns)
{
    static char buffer[MPL_ASCTIME_MAX];
    struct mpl_text t = {buffer, 0, sizeof buffer};
    mpl_asctime_append(a, &t, created_ns);
    if (!mpl_str_equal((struct mpl_str){buffer, t.len}, mpl_asctime_text(a, created_ns)))
        test_fail(__FILE__, __LINE__, "append and text differ");
    return (struct mpl_str){buffer, t.len};
}

/* What the C library makes of it; NULL: the default form. */
static struct mpl_str show_by_libc(const char *format, int64_t created_ns)
{
    static char buffer[4096];
    int64_t rest = ((created_ns % NS) + NS) % NS;
    time_t second = (time_t)((created_ns - rest) / NS);
    struct tm tm;
    localtime_r(&second, &tm);
    size_t n = strftime(buffer, sizeof buffer, format ? format : "%Y-%m-%d %H:%M:%S", &tm);
    if (!format)
        n += (size_t)snprintf(buffer + n, sizeof buffer - n, ",%03d", (int)(rest / 1000000));
    return (struct mpl_str){buffer, n};
}

static void check_show(struct mpl_asctime *a, const char *format, int64_t created_ns)
{
    struct mpl_str actual = show(a, created_ns), expected = show_by_libc(format, created_ns);
    if (!mpl_str_equal(actual, expected))
        test_fail(__FILE__, __LINE__, "TZ=%s, %s, %" PRId64 ": \"%.*s\", not \"%.*s\"", getenv("TZ"),
                  format ? format : "default form", created_ns, (int)actual.len, actual.ptr, (int)expected.len,
                  expected.ptr);
}

static void one_shot_matches(const char *zone, const char *format, int64_t created_ns, const char *expected)
{
    struct mpl_asctime a;
    set_zone(zone);
    CHECK_INT(mpl_asctime_init(&a, format, NULL), 0);
    struct mpl_str s = show(&a, created_ns);
    CHECK_TEXT(s.ptr, s.len, expected);
    mpl_asctime_fini(&a);
}

static void default_form_shows_milliseconds(void)
{
    one_shot_matches("UTC", NULL, 1795341600 * NS + 123456789, "2026-11-22 10:00:00,123");
    one_shot_matches("UTC", "", 1795341600 * NS + 7000000, "2026-11-22 10:00:00,007");
    one_shot_matches(BERLIN, NULL, 1795341600 * NS + 999999000, "2026-11-22 11:00:00,999");
    one_shot_matches("UTC", NULL, 0, "1970-01-01 00:00:00,000");
}

static void negative_times_count_milliseconds_upwards(void)
{
    one_shot_matches("UTC", NULL, -1, "1969-12-31 23:59:59,999");
    one_shot_matches("UTC", NULL, -1000000, "1969-12-31 23:59:59,999");
    one_shot_matches("UTC", NULL, -999000000, "1969-12-31 23:59:59,001");
    one_shot_matches("UTC", NULL, -NS, "1969-12-31 23:59:59,000");
    one_shot_matches("UTC", NULL, INT64_MIN, "1677-09-21 00:12:43,145");
    one_shot_matches("UTC", NULL, INT64_MAX, "2262-04-11 23:47:16,854");
}

/* 2026-11-22 10:00:00.999999900 as a float is 10:00:01.0. */
static void end_of_second_is_rounded_as_the_float_is(void)
{
    int64_t second = 1795341600;
    struct mpl_asctime a;
    set_zone("UTC");
    CHECK_INT(mpl_asctime_init(&a, NULL, NULL), 0);
    for (int64_t below = 0; below < 1500; below++) {
        int64_t created_ns = (second + 1) * NS - 1 - below;
        unsigned milliseconds;
        double created = (double)created_ns / 1e9;
        bool is_next = (int64_t)created != second;
        CHECK_INT(mpl_asctime_second(created_ns, &milliseconds), (int64_t)created);
        CHECK_INT(milliseconds, is_next ? 0 : 999);
        show(&a, second * NS); /* a record of the second that is left, and then the one in question */
        struct mpl_str s = show(&a, created_ns);
        CHECK_TEXT(s.ptr, s.len, is_next ? "2026-11-22 10:00:01,000" : "2026-11-22 10:00:00,999");
    }
    mpl_asctime_fini(&a);
    one_shot_matches("UTC", NULL, second * NS + 999999900, "2026-11-22 10:00:01,000");
    one_shot_matches("UTC", NULL, second * NS + 999999000, "2026-11-22 10:00:00,999");
    one_shot_matches("UTC", NULL, -1000000000 * NS - 1, "1938-04-24 22:13:20,000");
}

static void change_to_summer_time_skips_an_hour(void)
{
    one_shot_matches(BERLIN, "%H:%M:%S %z %Z", 1774745999 * NS, "01:59:59 +0100 CET");
    one_shot_matches(BERLIN, "%H:%M:%S %z %Z", 1774746000 * NS, "03:00:00 +0200 CEST");
}

static void change_to_winter_time_repeats_an_hour(void)
{
    one_shot_matches(NEW_YORK, "%H:%M:%S %z %Z", 1793512799 * NS, "01:59:59 -0400 EDT");
    one_shot_matches(NEW_YORK, "%H:%M:%S %z %Z", 1793512800 * NS, "01:00:00 -0500 EST");
    one_shot_matches(LORD_HOWE, "%H:%M %z", 1775314800 * NS, "01:30 +1030");
}

/* One object for each zone, over both changes of some years, every few minutes and in both directions. */
static void records_around_changes_match_libc(void)
{
    for (size_t z = 0; z < ZONE_COUNT; z++) {
        struct mpl_asctime a;
        set_zone(zones[z]);
        CHECK_INT(mpl_asctime_init(&a, NULL, NULL), 0);
        bool was_dst = false;
        for (int64_t second = 1735689600; second < 1798761600; second += 3600) {
            time_t t = (time_t)second;
            struct tm tm;
            localtime_r(&t, &tm);
            if (was_dst != (tm.tm_isdst > 0))
                for (int64_t offset = -7260; offset <= 7260; offset += 60)
                    check_show(&a, NULL, (second + (offset % 120 ? offset : -offset)) * NS + offset * 100000);
            was_dst = tm.tm_isdst > 0;
        }
        mpl_asctime_fini(&a);
    }
}

static void random_dates_match_libc(void)
{
    static const char *const formats[] = {
        NULL,
        "%Y-%m-%dT%H:%M:%S%z",
        "%H:%M:%S",
        "%A, %d. %B %Y",
        "%a %b %e %I:%M %p",
        "%j %U %W %V %G %u %w",
        "%s",
        "%c|%x|%X",
        "%D %T %R",
        "%%%n%t%%",
        "%Z",
        "%y%C %h",
        "nothing",
        "\xc3\xa4 %S \xe2\x82\xac",
    };
    uint64_t seed = 7;
    for (size_t z = 0; z < ZONE_COUNT; z++) {
        set_zone(zones[z]);
        for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++) {
            struct mpl_asctime a;
            CHECK_INT(mpl_asctime_init(&a, formats[f], "C"), 0);
            int64_t created_ns = 0;
            for (int i = 0; i < 1000 && !test_has_failed; i++) {
                /* Now and then within a second of the one before, in both directions. */
                uint64_t random = test_random(&seed);
                if (random % 4 == 0)
                    created_ns = (int64_t)(random >> 2) - INT64_C(2000000000000000000);
                else
                    created_ns += (int64_t)(random % (uint64_t)(2 * NS)) - NS;
                created_ns -= created_ns % 1000; /* keeps clear of rounding, which has a test of its own */
                check_show(&a, formats[f], created_ns);
            }
            mpl_asctime_fini(&a);
        }
    }
}

/* Many languages have no word for am and pm, and what a library does with a conversion it lacks is its own affair. */
static void result_without_any_text_is_empty(void)
{
    static const char *const locale_names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "C"}, *const formats[] = {"%p", "%E"};
    set_zone("UTC");
    for (size_t i = 0; i < 6; i++) {
        struct mpl_asctime a;
        struct tm tm = {.tm_year = 70, .tm_mday = 1};
        char expected[64];
        CHECK_INT(mpl_asctime_init(&a, formats[i / 3], locale_names[i % 3]), 0);
        size_t n = strftime_l(expected, sizeof expected, formats[i / 3], &tm, (locale_t)a.time_locale);
        for (int64_t second = 0; second < 2; second++) {
            struct mpl_str s = show(&a, second * NS);
            CHECK_BYTES(s.ptr, s.len, expected, n);
        }
        mpl_asctime_fini(&a);
    }
}

/* Each "%c" is 24 bytes of ASCII, and the text that follows is two bytes a character: the cut must not divide one. */
static void result_beyond_the_limit_is_cut_between_characters(void)
{
    for (size_t shift = 0; shift < 2; shift++) {
        struct mpl_asctime a;
        char format[MPL_DATE_FORMAT_MAX] = "", expected[4096];
        strcat(format, shift ? "x" : "");
        for (int i = 0; i < 40; i++)
            strcat(format, "%c");
        for (int i = 0; i < 80; i++)
            strcat(format, "\xc3\xb6");
        set_zone("UTC");
        CHECK_INT(mpl_asctime_init(&a, format, NULL), 0);
        time_t zero = 0;
        struct tm tm;
        size_t n = strftime(expected, sizeof expected, format, gmtime_r(&zero, &tm));
        CHECK(n > MPL_ASCTIME_MAX);
        struct mpl_str s = show(&a, 0);
        CHECK_BYTES(s.ptr, s.len, expected, MPL_ASCTIME_MAX - shift);
        CHECK_INT(show(&a, NS).len, MPL_ASCTIME_MAX - shift);
        mpl_asctime_fini(&a);
    }
}

static void result_of_the_largest_length_is_complete(void)
{
    for (size_t excess = 0; excess < 2; excess++) {
        struct mpl_asctime a;
        char format[MPL_DATE_FORMAT_MAX] = "";
        for (int i = 0; i < 42; i++)
            strcat(format, "%c");
        strcat(format, excess ? "0123456789abcdefg" : "0123456789abcdef"); /* 42 * 24 + 16 = 1024 */
        set_zone("UTC");
        CHECK_INT(mpl_asctime_init(&a, format, NULL), 0);
        struct mpl_str s = show(&a, 0);
        CHECK_INT(s.len, MPL_ASCTIME_MAX);
        CHECK_INT(s.ptr[s.len - 1], 'f');
        mpl_asctime_fini(&a);
    }
}

/* Only glibc pads that far; others may refuse the width, which gives the empty text, too. */
static void result_beyond_all_bounds_is_empty_or_cut(void)
{
    struct mpl_asctime a;
    set_zone("UTC");
    CHECK_INT(mpl_asctime_init(&a, "%2000Y%200000Y", NULL), 0);
    CHECK(show(&a, 0).len <= MPL_ASCTIME_MAX);
    mpl_asctime_fini(&a);
}

static void date_format_at_the_limit_is_accepted(void)
{
    struct mpl_asctime a;
    char format[MPL_DATE_FORMAT_MAX + 1];
    memset(format, 'x', MPL_DATE_FORMAT_MAX);
    format[MPL_DATE_FORMAT_MAX - 1] = '\0';
    CHECK_INT(mpl_asctime_init(&a, format, NULL), 0);
    struct mpl_str s = show(&a, 0);
    CHECK_TEXT(s.ptr, s.len, format);
    mpl_asctime_fini(&a);
    format[MPL_DATE_FORMAT_MAX - 1] = 'x';
    format[MPL_DATE_FORMAT_MAX] = '\0';
    mpl_error_clear();
    CHECK_INT(mpl_asctime_init(&a, format, NULL), -EINVAL);
    CHECK(strstr(mpl_error_text(), "date_format"));
}

static void date_format_that_is_not_utf8_is_refused(void)
{
    struct mpl_asctime a;
    mpl_error_clear();
    CHECK_INT(mpl_asctime_init(&a, "%H \xe4", NULL), -EINVAL);
    CHECK(strstr(mpl_error_text(), "date_format"));
}

static void missing_locale_counts_as_c(void)
{
    struct mpl_asctime a;
    set_zone("UTC");
    CHECK_INT(mpl_asctime_init(&a, "%A %B", "tlh_QO.UTF-8"), 0);
    struct mpl_str s = show(&a, 0);
    CHECK_TEXT(s.ptr, s.len, "Thursday January");
    mpl_asctime_fini(&a);
}

static void append_to_full_text_counts(void)
{
    struct mpl_asctime a;
    char buffer[4];
    struct mpl_text t = {buffer, 0, sizeof buffer};
    set_zone("UTC");
    CHECK_INT(mpl_asctime_init(&a, NULL, NULL), 0);
    mpl_asctime_append(&a, &t, 0);
    CHECK_INT(t.len, 23);
    CHECK_BYTES(buffer, 4, "1970", 4);
    mpl_asctime_fini(&a);
}

TEST_MAIN(TEST_CASE(default_form_shows_milliseconds), TEST_CASE(negative_times_count_milliseconds_upwards),
          TEST_CASE(end_of_second_is_rounded_as_the_float_is), TEST_CASE(change_to_summer_time_skips_an_hour),
          TEST_CASE(change_to_winter_time_repeats_an_hour), TEST_CASE(records_around_changes_match_libc),
          TEST_CASE(random_dates_match_libc), TEST_CASE(result_without_any_text_is_empty),
          TEST_CASE(result_beyond_the_limit_is_cut_between_characters),
          TEST_CASE(result_of_the_largest_length_is_complete), TEST_CASE(result_beyond_all_bounds_is_empty_or_cut),
          TEST_CASE(date_format_at_the_limit_is_accepted), TEST_CASE(date_format_that_is_not_utf8_is_refused),
          TEST_CASE(missing_locale_counts_as_c), TEST_CASE(append_to_full_text_counts))
