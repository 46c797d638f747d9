/* SPDX-License-Identifier: Unlicense
 *
 * With the argument "cases": reads cases from stdin, one a line, and answers each with a line; pattern_oracle.py asks.
 * A case is words with a blank between them; a text is 'x' and hexadecimal digits, and "-" is a null one:
 *
 *     format date_format mode created_ns relative_base_ns level line thread process
 *     logger path function process_name thread_name task_name level_name message exception stack
 *
 * The answer is the line as a text, or "E " and the sentence why the format was refused.
 */
#include "harness.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/level.h"
#include "harmless.h"
#include "output/pattern.h"

#define MIB ((size_t)1 << 20)

static const struct mpl_record plain_record = {
    .created_ns = INT64_C(1795341600123456789),
    .relative_base_ns = INT64_C(1795341599000000000),
    .level = 20,
    .line = 42,
    .thread = 140000000000000,
    .process = 4711,
    .logger = {"app.db", 6},
    .path = {"/srv/app/db.pool.c", 18},
    .function = {"connect", 7},
    .process_name = {"Main", 4},
    .thread_name = {"Worker-1", 8},
    .message = {"hello", 5},
};

static struct mpl_record with_message(const char *message)
{
    struct mpl_record r = plain_record;
    r.message = mpl_str_from(message);
    return r;
}

/* Renders into exactly `cap` bytes, behind which nothing may be written. */
static size_t render_into(struct mpl_pattern *p, const struct mpl_record *r, enum mpl_escape mode,
                          const char *date_format, char *buffer, size_t cap)
{
    struct mpl_asctime a;
    struct mpl_text t = {buffer, 0, cap};
    mpl_asctime_init(&a, date_format, NULL);
    buffer[cap] = '#';
    mpl_pattern_render(p, r, &a, mode, &t);
    mpl_asctime_fini(&a);
    if (buffer[cap] != '#')
        test_fail(__FILE__, __LINE__, "wrote behind the end");
    return t.len;
}

/* Sizes that are too small must give the same length and the same bytes as far as they go. */
static void check_small_sizes(struct mpl_pattern *p, const struct mpl_record *r, enum mpl_escape mode,
                              const char *date_format, struct mpl_str line)
{
    const size_t caps[] = {0, 1, line.len / 3, line.len / 2, line.len - 1, line.len};
    char *buffer = malloc(line.len + 1);
    for (size_t i = 0; i < sizeof caps / sizeof caps[0] && line.len > 0; i++) {
        size_t len = render_into(p, r, mode, date_format, buffer, caps[i]);
        if (len != line.len || memcmp(buffer, line.ptr, caps[i]) != 0)
            test_fail(__FILE__, __LINE__, "in %zu bytes: length %zu, not %zu, or other bytes", caps[i], len, line.len);
    }
    free(buffer);
}

/* A message that a C format makes must give the same line as a finished one. */
static void check_composed(struct mpl_pattern *p, const struct mpl_record *r, enum mpl_escape mode,
                           const char *date_format, struct mpl_str line)
{
    struct mpl_cformat format;
    struct mpl_arg arg = {.str = r->message};
    struct mpl_record composed = *r;
    if (mpl_cformat_parse(&format, MPL_STR("%s")) != 0) {
        test_fail(__FILE__, __LINE__, "the format \"%%s\" is refused");
        return;
    }
    composed.message = MPL_STR("not this");
    composed.c_format = &format;
    composed.format = MPL_STR("%s");
    composed.args = &arg;
    char *buffer = malloc(line.len + 1);
    size_t len = render_into(p, &composed, mode, date_format, buffer, line.len);
    if (len != line.len || memcmp(buffer, line.ptr, line.len) != 0)
        test_fail(__FILE__, __LINE__, "composed: length %zu, not %zu, or other bytes", len, line.len);
    free(buffer);
    check_small_sizes(p, &composed, mode, date_format, line);
}

static char line_buffer[256 * 1024 + 1];

/* The line for the record, checked in all the ways it can come about. Valid until the next call. */
static struct mpl_str render_with(struct mpl_pattern *p, const struct mpl_record *r, enum mpl_escape mode,
                                  const char *date_format)
{
    struct mpl_str line = {line_buffer, render_into(p, r, mode, date_format, line_buffer, sizeof line_buffer - 1)};
    check_small_sizes(p, r, mode, date_format, line);
    if (!r->c_format && !r->ready_line.ptr && r->message.ptr)
        check_composed(p, r, mode, date_format, line);
    return line;
}

static struct mpl_str render(const char *format, const struct mpl_record *r, enum mpl_escape mode)
{
    struct mpl_pattern *p;
    setenv("TZ", "UTC0", 1);
    if (mpl_pattern_compile(&p, format) != 0) {
        test_fail(__FILE__, __LINE__, "refused: %s", mpl_error_text());
        return MPL_STR("");
    }
    struct mpl_str line = render_with(p, r, mode, NULL);
    mpl_pattern_destroy(p);
    return line;
}

#define CHECK_LINE(format, record, mode, expected)                                                                     \
    do {                                                                                                               \
        struct mpl_str line_ = render(format, record, mode);                                                           \
        CHECK_TEXT(line_.ptr, line_.len, expected);                                                                    \
    } while (0)

static void default_format_shows_a_line(void)
{
    const char *expected = "2026-11-22 10:00:00,123 INFO     app.db [Main:4711 Worker-1] hello";
    CHECK_LINE(NULL, &plain_record, MPL_ESCAPE_CONTROL, expected);
    CHECK_LINE("", &plain_record, MPL_ESCAPE_CONTROL, expected);
    CHECK_LINE(MPL_DEFAULT_FORMAT, &plain_record, MPL_ESCAPE_STRICT, expected);
}

static void absent_texts_are_empty_and_task_is_none(void)
{
    struct mpl_record r = {.level = 25};
    CHECK_LINE("[%(name)s%(pathname)s%(filename)r%(module)s%(threadName)s]%(levelname)s %(taskName)s %(taskName).2r",
               &r, MPL_ESCAPE_CONTROL, "['']Level 25 None No");
}

static void message_gets_cut_note_and_error(void)
{
    struct mpl_record r = plain_record;
    r.cut_bytes = 12;
    CHECK_LINE("%(message)s.", &r, MPL_ESCAPE_CONTROL, "hello ... [12 bytes cut].");
    r.show_error = true;
    r.error = ENOENT;
    CHECK_LINE("%(message)s.", &r, MPL_ESCAPE_CONTROL,
               "hello ... [12 bytes cut]: No such file or directory (errno 2).");
    r.cut_bytes = 0;
    CHECK_LINE("%(message).9s.", &r, MPL_ESCAPE_CONTROL, "hello: No.");
    r.message = MPL_STR("h\x02llo");
    CHECK_LINE("%(message)s", &r, MPL_ESCAPE_CONTROL, "h\\x02llo: No such file or directory (errno 2)");
}

static void c_format_makes_the_message(void)
{
    struct mpl_cformat format;
    struct mpl_str text = MPL_STR("%s has %d of %5.1f %%");
    struct mpl_arg args[3] = {{.str = MPL_STR("disk")}, {.word = (uint64_t)-3}, {.word = 0x4045400000000000}};
    struct mpl_record r = plain_record;
    CHECK_INT(mpl_cformat_parse(&format, text), 0);
    r.c_format = &format;
    r.format = text;
    r.args = args;
    CHECK_LINE("%(levelname)s:%(message)s", &r, MPL_ESCAPE_CONTROL, "INFO:disk has -3 of  42.5 %");
    args[0].str = MPL_STR("d\x1b[2Jisk\x1b[1m");
    CHECK_LINE("%(message)s|", &r, MPL_ESCAPE_CONTROL, "d\\x1b[2Jisk\x1b[1m has -3 of  42.5 %|");
    CHECK_LINE("%(message)-9.6s|", &r, MPL_ESCAPE_CONTROL, "d\\x1b[2Ji|");
    r.message = MPL_STR("ignored");
    r.show_error = true;
    r.error = ENOENT;
    CHECK_LINE("%(message)s", &r, MPL_ESCAPE_STRICT,
               "d\\x1b[2Jisk\\x1b[1m has -3 of  42.5 %: No such file or directory (errno 2)");
}

static void ready_line_replaces_all_else(void)
{
    struct mpl_record r = plain_record;
    r.ready_line = MPL_STR("one\ntwo\x07");
    r.exception = MPL_STR("not shown");
    CHECK_LINE(NULL, &r, MPL_ESCAPE_CONTROL, "one\ntwo\\x07");
    CHECK_LINE(NULL, &r, MPL_ESCAPE_STRICT, "one\\x0atwo\\x07");
    r.ready_line = MPL_STR("");
    CHECK_LINE(NULL, &r, MPL_ESCAPE_CONTROL, "");
}

static void blocks_get_a_newline_only_if_it_is_missing(void)
{
    struct mpl_record r = plain_record;
    r.exception = MPL_STR("Error: x");
    r.stack = MPL_STR("Stack\n");
    CHECK_LINE("%(message)s", &r, MPL_ESCAPE_CONTROL, "hello\nError: x\nStack\n");
    CHECK_LINE("%(message)s\n", &r, MPL_ESCAPE_CONTROL, "hello\nError: x\nStack\n");
    r.exception = MPL_STR("Error: x\n");
    r.message = MPL_STR("hello\n");
    CHECK_LINE("%(message)s", &r, MPL_ESCAPE_NONE, "hello\nError: x\nStack\n");
    CHECK_LINE("%(message)s%(taskName).0s", &r, MPL_ESCAPE_NONE, "hello\nError: x\nStack\n");
    CHECK_LINE("%(message)-7s", &r, MPL_ESCAPE_NONE, "hello\n \nError: x\nStack\n");
    CHECK_LINE("%(message)7s", &r, MPL_ESCAPE_NONE, " hello\nError: x\nStack\n");
    CHECK_LINE("%(message).0s", &r, MPL_ESCAPE_NONE, "\nError: x\nStack\n");
    r.exception = MPL_STR("");
    CHECK_LINE("%(message)s%(process)d", &r, MPL_ESCAPE_NONE, "hello\n4711\nStack\n");
}

static void blocks_in_strict_mode_stay_on_the_line(void)
{
    struct mpl_record r = plain_record;
    r.exception = MPL_STR("Error\n  at x");
    r.stack = MPL_STR("Stack");
    CHECK_LINE("%(message)s", &r, MPL_ESCAPE_STRICT, "hello\\x0aError\\x0a  at x\\x0aStack");
    r.message = MPL_STR("hello\n");
    CHECK_LINE("%(message)s", &r, MPL_ESCAPE_STRICT, "hello\\x0aError\\x0a  at x\\x0aStack");
    r.message = MPL_STR("hello\\x0a");
    CHECK_LINE("%(message)s", &r, MPL_ESCAPE_STRICT, "hello\\x0a\\x0aError\\x0a  at x\\x0aStack");
    CHECK_LINE("%(name)s\n", &r, MPL_ESCAPE_STRICT, "app.db\nError\\x0a  at x\\x0aStack");
}

static void own_text_is_not_escaped_but_values_are(void)
{
    struct mpl_record r = with_message("a\x1b[31mb\x1b]c\r");
    r.logger = MPL_STR("x\ny");
    r.level_name = MPL_STR("\x1b[1mHI\x1b");
    CHECK_LINE("\x1b[7m%(name)s\x1b]\r\n%(message)s%(levelname)s", &r, MPL_ESCAPE_CONTROL,
               "\x1b[7mx\ny\x1b]\r\na\x1b[31mb\\x1b]c\\x0d\x1b[1mHI\\x1b");
    CHECK_LINE("\x1b[7m%(name)s\n%(message)s", &r, MPL_ESCAPE_STRICT, "\x1b[7mx\\x0ay\na\\x1b[31mb\\x1b]c\\x0d");
    r.level = 27;
    CHECK_LINE("%(levelno)c", &r, MPL_ESCAPE_CONTROL, "\\x1b");
    CHECK_LINE("%(levelno)5c", &r, MPL_ESCAPE_CONTROL, " \\x1b");
}

static void date_format_is_escaped_as_a_value(void)
{
    struct mpl_pattern *p;
    setenv("TZ", "UTC0", 1);
    CHECK_INT(mpl_pattern_compile(&p, "%(asctime)s|%(asctime)12s"), 0);
    struct mpl_str line = render_with(p, &plain_record, MPL_ESCAPE_CONTROL, "%H\x07\n");
    CHECK_TEXT(line.ptr, line.len, "10\\x07\n|     10\\x07\n");
    line = render_with(p, &plain_record, MPL_ESCAPE_STRICT, "%H\n");
    CHECK_TEXT(line.ptr, line.len, "10\\x0a|      10\\x0a");
    mpl_pattern_destroy(p);
}

static void colour_sequence_cut_by_precision_is_escaped(void)
{
    struct mpl_record r = with_message("ab\x1b[31mred");
    CHECK_LINE("%(message).7s|", &r, MPL_ESCAPE_CONTROL, "ab\x1b[31m|");
    CHECK_LINE("%(message).6s|", &r, MPL_ESCAPE_CONTROL, "ab\\x1b[31|");
}

static void width_counts_what_is_shown(void)
{
    struct mpl_record r = with_message("\xc3\xa4\x01\xff");
    CHECK_LINE("%(message)12s|", &r, MPL_ESCAPE_CONTROL, "   \xc3\xa4\\x01\\xff|");
    CHECK_LINE("%(message)-12s|", &r, MPL_ESCAPE_CONTROL, "\xc3\xa4\\x01\\xff   |");
    CHECK_LINE("%(message)-12s|", &r, MPL_ESCAPE_NONE, "\xc3\xa4\x01\\xff      |");
    CHECK_LINE("%(message)9.2s|", &r, MPL_ESCAPE_CONTROL, "    \xc3\xa4\\x01|");
}

static void invalid_bytes_are_shown_in_every_mode(void)
{
    struct mpl_record r = with_message("a\xc3|\xed\xa0\x80");
    CHECK_LINE("%(message)s", &r, MPL_ESCAPE_NONE, "a\\xc3|\\xed\\xa0\\x80");
    CHECK_LINE("%(message)r", &r, MPL_ESCAPE_NONE, "'a\\xc3|\\xed\\xa0\\x80'");
}

static void characters_that_are_none_become_replacements(void)
{
    struct mpl_record r = plain_record;
    r.level = -5;
    r.line = 0xd800;
    CHECK_LINE("%(levelno)c%(lineno)c%(thread)c%(process)3c", &r, MPL_ESCAPE_NONE,
               "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd  \xe1\x89\xa7");
}

static void widest_number_is_shown_in_full(void)
{
    struct mpl_record r = plain_record;
    r.created_ns = INT64_MIN;
    struct mpl_str line = render("%(created)1000.1000f", &r, MPL_ESCAPE_CONTROL);
    CHECK_INT(line.len, 1 + 10 + 1 + 1000);
    line = render("%(thread)#1000.1000o", &r, MPL_ESCAPE_CONTROL);
    CHECK_INT(line.len, 1002);
    r.relative_base_ns = INT64_MAX;
    CHECK_LINE("%(relativeCreated).0f", &r, MPL_ESCAPE_CONTROL, "-18446744073710");
}

/* What is kept from record to record must be that of the record: numbers and levels share places in small tables. */
static void records_in_turn_do_not_mix(void)
{
    struct mpl_pattern *p;
    setenv("TZ", "UTC0", 1);
    CHECK_INT(mpl_pattern_compile(&p, "%(levelname)s %(process)d %(lineno)d %(levelno)d %(asctime)s"), 0);
    for (int i = 0; i < 500; i++) {
        struct mpl_record r = {.level = 10 * (i % 7) + 80 * (i % 3) - 40 * (i % 11 == 0)};
        char expected[128], name[24];
        struct mpl_text t = {name, 0, sizeof name};
        r.process = (uint32_t)(i % 20) * 4;
        r.line = (uint32_t)(i % 5) * 8;
        r.created_ns = (i % 3) * INT64_C(1001000000);
        mpl_level_append(&t, r.level);
        snprintf(expected, sizeof expected, "%s %u %u %d 1970-01-01 00:00:0%d,00%d", mpl_text_cstr(&t), r.process,
                 r.line, r.level, i % 3, i % 3);
        struct mpl_str line = {line_buffer, render_into(p, &r, MPL_ESCAPE_CONTROL, NULL, line_buffer, 200)};
        CHECK_TEXT(line.ptr, line.len, expected);
    }
    mpl_pattern_destroy(p);
}

/* Where glibc loses the zeros. */
static void alternate_form_keeps_zeros(void)
{
    struct mpl_record r = {.created_ns = 999999997, .line = 12};
    CHECK_LINE("%(relativeCreated)#.3g %(relativeCreated)#g %(relativeCreated)#.3G %(lineno)#.0g %(lineno)#.1g", &r,
               MPL_ESCAPE_CONTROL, "1.00e+03 1000.00 1.00E+03 1.e+01 1.e+01");
    CHECK_LINE("%(created)#.3g %(created)#.0f %(created)#.0e %(lineno)#.4g", &r, MPL_ESCAPE_CONTROL,
               "1.00 1. 1.e+00 12.00");
}

/* Refused with -EINVAL and a sentence that names the option, and the place where there is one. */
static void invalid_formats_are_refused_with_a_sentence(void)
{
    static const struct {
        const char *format, *says;
    } cases[] = {
        {"%(message)s %(nmae)s", "character 13, \"%(nmae)s\": there is no such field"},
        {"\xc3\xa4\xc3\xb6%(exc_text)s", "character 3"},
        {"%(message)s 100%", "character 16, \"%\": a field in parentheses"},
        {"%(message)s %5%", "a field in parentheses"},
        {"%(message)%", "no such conversion"},
        {"%(message)s 100% sure", "character 16, \"% sure\": a field in parentheses"},
        {"\t\t%\n\x1b[2J\xe2\x80\xa8|", "character 3, \"%\\x0a\\x1b[2J\\u2028|\": a field"},
        {"%(message", "no closing parenthesis"},
        {"%(message)", "it ends"},
        {"%(message)-10", "it ends"},
        {"%(message)l", "it ends"},
        {"%(message)lls", "no such conversion"},
        {"%(message)d", "no such conversion"},
        {"%(created)x", "no such conversion"},
        {"%(created)c", "no such conversion"},
        {"%(lineno)y", "no such conversion"},
        {"%(lineno)*d", "cannot be taken"},
        {"%(lineno).*d", "cannot be taken"},
        {"%(lineno)1001d", "above 1000"},
        {"%(lineno).99999999999999999999d", "above 1000"},
        {"%(message)s %s", "a field in parentheses"},
        {"no field", "no field"},
        {"{message}", "no field"},
        {"100%%", "no field"},
        {"%%(message)s", "no field"},
        {"%(message)s \xff", "UTF-8"},
        {"%()s", "no such field"},
        {"%(Message)s", "no such field"},
        {"%(message )s", "no such field"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mpl_pattern *p = NULL;
        mpl_error_clear();
        int error = mpl_pattern_compile(&p, cases[i].format);
        if (error != -EINVAL || !strstr(mpl_error_text(), "format_string") || !strstr(mpl_error_text(), cases[i].says))
            test_fail(__FILE__, __LINE__, "\"%s\": %d, \"%s\"", cases[i].format, error, mpl_error_text());
        if (error == 0)
            mpl_pattern_destroy(p);
    }
}

/* In strict mode no field, whatever is in it, can begin a line or move a cursor. */
static void random_fields_in_strict_mode_make_one_clean_line(void)
{
    uint64_t seed = 5;
    static const char bits[] = "\n\r\x1b[31m\x7f\xc2\x85\xe2\x80\xa8\xa9\xff\x00'\"\\ abc\t";
    struct mpl_pattern *p;
    CHECK_INT(mpl_pattern_compile(&p, "%(name)s%(levelname)4.3s%(funcName)r%(pathname)a%(filename)-9s%(threadName).2s"
                                      "%(processName)s%(message)s%(module)s%(levelno)c%(taskName)s"),
              0);
    for (int i = 0; i < 3000 && !test_has_failed; i++) {
        char text[64];
        for (size_t k = 0; k < sizeof text; k++)
            text[k] = bits[test_random(&seed) % (sizeof bits - 1)];
        struct mpl_record r = {.level = (int)(test_random(&seed) % 300)};
        struct mpl_str *const texts[] = {&r.logger,       &r.level_name, &r.function,  &r.path,      &r.thread_name,
                                         &r.process_name, &r.message,    &r.task_name, &r.exception, &r.stack};
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
            size_t from = test_random(&seed) % sizeof text;
            *texts[k] = (struct mpl_str){text + from, test_random(&seed) % (sizeof text - from)};
        }
        CHECK(is_one_harmless_line(render_with(p, &r, MPL_ESCAPE_STRICT, NULL)));
    }
    mpl_pattern_destroy(p);
}

/* More than the private buffer has at first; escaped, and with and without room for it. */
static void long_message_that_needs_escaping_is_shown_in_full(void)
{
    char message[20000], expected[4 * sizeof message];
    struct mpl_text t = {expected, 0, sizeof expected};
    memset(message, 'x', sizeof message);
    for (size_t i = 0; i < sizeof message; i += 1000)
        message[i] = '\x01';
    struct mpl_record r = plain_record;
    r.message = (struct mpl_str){message, sizeof message};
    mpl_escape_append(&t, r.message, MPL_ESCAPE_CONTROL);
    for (int i = 0; i < 2; i++) {
        struct mpl_str line = render("%(message)s", &r, MPL_ESCAPE_CONTROL);
        CHECK_BYTES(line.ptr, line.len, expected, t.len);
    }
}

/* A message of `size` bytes, `dirty` or not, with an errno text behind it. */
static void check_endless_message(size_t size, bool is_dirty)
{
    char *message = malloc(size), *buffer = malloc(size + 1000);
    struct mpl_pattern *p;
    struct mpl_record r = plain_record;
    memset(message, 'x', size);
    if (is_dirty)
        message[0] = '\x01';
    r.message = (struct mpl_str){message, size};
    r.show_error = true;
    CHECK_INT(mpl_pattern_compile(&p, "%(message)s|"), 0);
    size_t len = render_into(p, &r, MPL_ESCAPE_CONTROL, NULL, buffer, size + 999);
    CHECK(len <= 32 * MIB + 10);
    CHECK(memmem(buffer + len - 60, 60, " bytes cut]|", 12));
    CHECK_INT(render_into(p, &r, MPL_ESCAPE_CONTROL, NULL, buffer, 100), len);
    r.message.len = 32 * MIB - 1000;
    len = render_into(p, &r, MPL_ESCAPE_CONTROL, NULL, buffer, size + 999);
    CHECK(!memmem(buffer + len - 60, 60, "bytes cut", 9));
    CHECK_INT(render_into(p, &r, MPL_ESCAPE_CONTROL, NULL, buffer, 100), len);
    r.message = MPL_STR("short");
    r.show_error = false;
    len = render_into(p, &r, MPL_ESCAPE_CONTROL, NULL, buffer, 100);
    CHECK_TEXT(buffer, len, "short|");
    mpl_pattern_destroy(p);
    free(message);
    free(buffer);
}

static void message_beyond_32_mib_is_cut_with_a_note(void)
{
    check_endless_message(33 * MIB, true);
    check_endless_message(33 * MIB, false);
}

static void width_of_two_gib_in_a_c_format_is_cut_with_a_note(void)
{
    struct mpl_cformat format;
    struct mpl_arg args[2] = {{.word = 2000000000}, {.word = 1}};
    struct mpl_record r = plain_record;
    struct mpl_pattern *p;
    char buffer[1000];
    CHECK_INT(mpl_cformat_parse(&format, MPL_STR("%*d")), 0);
    r.c_format = &format;
    r.format = MPL_STR("%*d");
    r.args = args;
    CHECK_INT(mpl_pattern_compile(&p, "%(message)s"), 0);
    CHECK(render_into(p, &r, MPL_ESCAPE_CONTROL, NULL, buffer, sizeof buffer - 1) <= 32 * MIB);
    mpl_pattern_destroy(p);
}

/* Which cannot do without memory itself. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER true
#elif defined(__has_feature)
#define HAS_SANITIZER (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define HAS_SANITIZER false
#endif

/* In a child whose memory has run out. Returns what is wrong. */
static const char *render_without_memory(void)
{
    static char message[4 * MIB], buffer[6 * MIB];
    struct mpl_pattern *p;
    struct mpl_record r = plain_record;
    memset(message, 'x', sizeof message);
    memcpy(message, "\x01", 1);
    r.message = (struct mpl_str){message, sizeof message};
    r.show_error = true;
    if (mpl_pattern_compile(&p, "<%(message)s>") != 0)
        return "compile";
    setrlimit(RLIMIT_AS, &(struct rlimit){0, 0});
    if (malloc(8 * MIB)) /* as under an emulator */
        return printf("# nothing was tested: limits have no effect here\n"), NULL;
    size_t len = render_into(p, &r, MPL_ESCAPE_CONTROL, NULL, buffer, sizeof buffer - 1);
    if (len < 1000 || len > sizeof message || memcmp(buffer, "<\\x01xxx", 8) != 0 || buffer[len - 1] != '>')
        return "line";
    if (!memmem(buffer, len, " bytes cut]>", 12))
        return "note";
    r.show_error = false;
    len = render_into(p, &r, MPL_ESCAPE_CONTROL, NULL, buffer, sizeof buffer - 1);
    return len == sizeof message + 3 + 2 ? NULL : "finished message";
}

static void message_without_memory_is_cut_with_a_note(void)
{
    int status;
    if (HAS_SANITIZER)
        return;
    pid_t child = fork();
    if (child == 0)
        _exit(render_without_memory() != NULL);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}

static int hex_value(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

/* Reads a text in place, over its own digits. */
static struct mpl_str read_text(char **at)
{
    char *word = strsep(at, " \n"), *from = word + 1, *to = word;
    if (*word == '-')
        return (struct mpl_str){NULL, 0};
    for (; *from; from += 2)
        *to++ = (char)(hex_value(from[0]) << 4 | hex_value(from[1]));
    *to = '\0';
    return (struct mpl_str){word, (size_t)(to - word)};
}

static int64_t read_int(char **at)
{
    char *word = strsep(at, " \n");
    return word[0] == '-' ? strtoll(word, NULL, 10) : (int64_t)strtoull(word, NULL, 10);
}

static void answer_case(char *at)
{
    struct mpl_record r = {0};
    struct mpl_pattern *p;
    struct mpl_str format = read_text(&at), date_format = read_text(&at);
    enum mpl_escape mode = (enum mpl_escape)read_int(&at);
    r.created_ns = read_int(&at);
    r.relative_base_ns = read_int(&at);
    r.level = (int32_t)read_int(&at);
    r.line = (uint32_t)read_int(&at);
    r.thread = (uint64_t)read_int(&at);
    r.process = (uint32_t)read_int(&at);
    struct mpl_str *const texts[] = {&r.logger,    &r.path,       &r.function, &r.process_name, &r.thread_name,
                                     &r.task_name, &r.level_name, &r.message,  &r.exception,    &r.stack};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = read_text(&at);
    int error = mpl_pattern_compile(&p, format.ptr);
    if (error) {
        printf("E %d %s\n", error, mpl_error_text());
        return;
    }
    struct mpl_str line = render_with(p, &r, mode, date_format.ptr);
    putchar('x');
    for (size_t i = 0; i < line.len; i++)
        printf("%02x", (unsigned char)line.ptr[i]);
    putchar('\n');
    mpl_pattern_destroy(p);
}

static int answer_cases(void)
{
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0)
        answer_case(line);
    free(line);
    return test_has_failed;
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        TEST_CASE(message_without_memory_is_cut_with_a_note), /* first: later, malloc has memory in reserve */
        TEST_CASE(default_format_shows_a_line),
        TEST_CASE(absent_texts_are_empty_and_task_is_none),
        TEST_CASE(message_gets_cut_note_and_error),
        TEST_CASE(c_format_makes_the_message),
        TEST_CASE(ready_line_replaces_all_else),
        TEST_CASE(blocks_get_a_newline_only_if_it_is_missing),
        TEST_CASE(blocks_in_strict_mode_stay_on_the_line),
        TEST_CASE(own_text_is_not_escaped_but_values_are),
        TEST_CASE(date_format_is_escaped_as_a_value),
        TEST_CASE(colour_sequence_cut_by_precision_is_escaped),
        TEST_CASE(width_counts_what_is_shown),
        TEST_CASE(invalid_bytes_are_shown_in_every_mode),
        TEST_CASE(characters_that_are_none_become_replacements),
        TEST_CASE(widest_number_is_shown_in_full),
        TEST_CASE(records_in_turn_do_not_mix),
        TEST_CASE(alternate_form_keeps_zeros),
        TEST_CASE(invalid_formats_are_refused_with_a_sentence),
        TEST_CASE(random_fields_in_strict_mode_make_one_clean_line),
        TEST_CASE(long_message_that_needs_escaping_is_shown_in_full),
        TEST_CASE(message_beyond_32_mib_is_cut_with_a_note),
        TEST_CASE(width_of_two_gib_in_a_c_format_is_cut_with_a_note),
    };
    if (argc > 1 && strcmp(argv[1], "cases") == 0)
        return answer_cases();
    return test_run(cases, sizeof cases / sizeof cases[0]);
}
