/* SPDX-License-Identifier: Unlicense */
#include "harness.h"

#include "base/utf8.h"
#include "output/escape.h"

/* `control` NULL: as none; `strict` NULL: as control. */
struct vector {
    const char *what, *input;
    size_t len;
    const char *none, *control, *strict;
};

#define V(what, input, none, control, strict)                                                                          \
    {                                                                                                                  \
        what, input, sizeof(input) - 1, none, control, strict                                                          \
    }

static const struct vector vectors[] = {
    V("empty", "", "", NULL, NULL),
    V("plain", "plain text ~ 0123456789", "plain text ~ 0123456789", NULL, NULL),
    V("tab", "a\tb", "a\tb", NULL, NULL),
    V("newline", "a\nb\n", "a\nb\n", NULL, "a\\x0ab\\x0a"),
    V("carriage return", "a\rb", "a\rb", "a\\x0db", NULL),
    V("bell and backspace", "\a\b", "\a\b", "\\x07\\x08", NULL),
    V("DEL", "a\x7f", "a\x7f", "a\\x7f", NULL),
    V("two-byte letters", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f", NULL, NULL),
    V("all lengths", "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", NULL, NULL),
    V("last of all", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", NULL, NULL),
    V("C1 next line", "\xc2\x85", "\xc2\x85", "\\x85", NULL),
    V("C1 first", "\xc2\x80", "\xc2\x80", "\\x80", NULL),
    V("C1 last", "\xc2\x9f", "\xc2\x9f", "\\x9f", NULL),
    V("after C1", "\xc2\xa0", "\xc2\xa0", NULL, NULL),
    V("right-to-left override", "a\xe2\x80\xae" "b", "a\xe2\x80\xae" "b", NULL, "a\\u202eb"),
    V("isolate", "\xe2\x81\xa7", "\xe2\x81\xa7", NULL, "\\u2067"),
    V("line separator", "\xe2\x80\xa8", "\xe2\x80\xa8", NULL, "\\u2028"),
    V("paragraph separator", "a\xe2\x80\xa9z", "a\xe2\x80\xa9z", NULL, "a\\u2029z"),
    V("beside separators", "\xe2\x80\xa7\xe2\x80\xaf", "\xe2\x80\xa7\xe2\x80\xaf", NULL, NULL),
    V("colour", "\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m", NULL, "\\x1b[31mred\\x1b[0m"),
    V("colour, many parameters", "\x1b[1;38;5;208mx", "\x1b[1;38;5;208mx", NULL, "\\x1b[1;38;5;208mx"),
    V("colour, none", "\x1b[m", "\x1b[m", NULL, "\\x1b[m"),
    V("colour cut after ESC", "x\x1b", "x\x1b", "x\\x1b", NULL),
    V("colour cut after bracket", "x\x1b[", "x\x1b[", "x\\x1b[", NULL),
    V("colour cut after digits", "x\x1b[31", "x\x1b[31", "x\\x1b[31", NULL),
    V("colour cut after semicolon", "x\x1b[31;", "x\x1b[31;", "x\\x1b[31;", NULL),
    V("erase screen", "\x1b[2J", "\x1b[2J", "\\x1b[2J", NULL),
    V("cursor home", "\x1b[H", "\x1b[H", "\\x1b[H", NULL),
    V("private mode", "\x1b[?25l", "\x1b[?25l", "\\x1b[?25l", NULL),
    V("colon in parameters", "\x1b[38:5m", "\x1b[38:5m", "\\x1b[38:5m", NULL),
    V("window title", "\x1b]0;t\a", "\x1b]0;t\a", "\\x1b]0;t\\x07", NULL),
    V("colour in a colour", "\x1b[3\x1b[1m", "\x1b[3\x1b[1m", "\\x1b[3\x1b[1m", "\\x1b[3\\x1b[1m"),
    V("ESC ESC", "\x1b\x1b[1m", "\x1b\x1b[1m", "\\x1b\x1b[1m", "\\x1b\\x1b[1m"),
    V("byte FF", "a\xff", "a\\xff", NULL, NULL),
    V("lone continuation", "\x80z", "\\x80z", NULL, NULL),
    V("overlong slash", "\xc0\xaf", "\\xc0\\xaf", NULL, NULL),
    V("overlong three bytes", "\xe0\x80\xaf", "\\xe0\\x80\\xaf", NULL, NULL),
    V("overlong four bytes", "\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf", NULL, NULL),
    V("surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80", NULL, NULL),
    V("above U+10FFFF", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", NULL, NULL),
    V("truncated by the end", "ab\xe2\x82", "ab\\xe2\\x82", NULL, NULL),
    V("truncated by a letter", "\xe2\x82z", "\\xe2\\x82z", NULL, NULL),
    V("truncated by a character", "\xe2\xc3\xa4", "\\xe2\xc3\xa4", NULL, NULL),
    V("truncated by a newline", "\xc3\n", "\\xc3\n", NULL, "\\xc3\\x0a"),
    V("NUL", "a\0b", NULL, "a\\x00b", "a\\x00b"), /* none: tested below */
};

#define VECTOR_COUNT (sizeof vectors / sizeof vectors[0])

/* Escapes into `buffer`, after checking the promises that hold for every text. */
static struct mpl_str escape(struct mpl_str s, enum mpl_escape mode, char *buffer, size_t size)
{
    struct mpl_text t = {buffer, 0, size}, counted = {NULL, 0, 0};
    mpl_escape_append(&t, s, mode);
    struct mpl_str shown = {buffer, t.len};
    mpl_escape_append(&counted, s, mode);
    bool is_same = mpl_str_equal(shown, s), is_clean = mpl_escape_is_clean(s, mode);
    if (t.len > size || t.len > 4 * s.len || counted.len != t.len)
        test_fail(__FILE__, __LINE__, "length %zu, counted as %zu, of %zu bytes", t.len, counted.len, s.len);
    if (is_same != is_clean)
        test_fail(__FILE__, __LINE__, "is_clean is %d in mode %d for \"%.*s\"", is_clean, mode, (int)s.len, s.ptr);
    if (mpl_escape_count(s, mode) != mpl_utf8_count(shown))
        test_fail(__FILE__, __LINE__, "count is %zu, not %zu", mpl_escape_count(s, mode), mpl_utf8_count(shown));
    if (!mpl_escape_is_clean(shown, mode))
        test_fail(__FILE__, __LINE__, "the result is not clean: \"%.*s\"", (int)t.len, buffer);
    return shown;
}

static void check_vectors(enum mpl_escape mode)
{
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        const struct vector *v = &vectors[i];
        const char *expected = v->none;
        if (mode >= MPL_ESCAPE_CONTROL && v->control)
            expected = v->control;
        if (mode == MPL_ESCAPE_STRICT && v->strict)
            expected = v->strict;
        char buffer[256];
        struct mpl_str shown = escape((struct mpl_str){v->input, v->len}, mode, buffer, sizeof buffer);
        if (expected && (shown.len != strlen(expected) || memcmp(shown.ptr, expected, shown.len) != 0))
            test_fail(__FILE__, __LINE__, "%s: \"%.*s\", not \"%s\"", v->what, (int)shown.len, shown.ptr, expected);
    }
}

static void vectors_in_mode_none_match(void) { check_vectors(MPL_ESCAPE_NONE); }
static void vectors_in_mode_control_match(void) { check_vectors(MPL_ESCAPE_CONTROL); }
static void vectors_in_mode_strict_match(void) { check_vectors(MPL_ESCAPE_STRICT); }

static void nul_in_mode_none_is_kept(void)
{
    char buffer[16];
    struct mpl_str shown = escape(MPL_STR("a\0b"), MPL_ESCAPE_NONE, buffer, sizeof buffer);
    CHECK_BYTES(shown.ptr, shown.len, "a\0b", 3);
}

/* Whatever the alignment to words, and whatever is around it. */
static void each_byte_at_each_place_is_judged_alone(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < 27; at++) {
            char text[27], buffer[128];
            memset(text, (at & 1) ? '~' : ' ', sizeof text);
            text[at] = (char)byte;
            bool is_control = byte < 0x20 && byte != '\n' && byte != '\t';
            bool is_clean = !is_control && byte < 0x7f;
            struct mpl_str s = {text, sizeof text};
            CHECK_INT(mpl_escape_is_clean(s, MPL_ESCAPE_NONE), byte < 0x80);
            CHECK_INT(mpl_escape_is_clean(s, MPL_ESCAPE_CONTROL), is_clean);
            CHECK_INT(mpl_escape_is_clean(s, MPL_ESCAPE_STRICT), is_clean && byte != '\n');
            struct mpl_str shown = escape(s, MPL_ESCAPE_CONTROL, buffer, sizeof buffer);
            CHECK_INT(shown.len, is_clean ? 27 : 30);
        }
    }
}

/* A judge of its own, byte by byte: valid UTF-8 without controls, where `allows_lines` permits newlines and colours. */
static size_t allowed_len(const unsigned char *p, size_t n, bool allows_lines)
{
    if (p[0] == '\t' || (p[0] >= 0x20 && p[0] < 0x7f) || (p[0] == '\n' && allows_lines))
        return 1;
    if (p[0] == 0x1b && allows_lines) {
        size_t at = 1;
        if (at < n && p[at] == '[')
            for (at++; at < n && strchr("0123456789;", p[at]) && p[at]; at++) {
            }
        return at >= 2 && at < n && p[at] == 'm' ? at + 1 : 0;
    }
    if (p[0] < 0x80)
        return 0;
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    uint32_t code = p[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if (i >= n || p[i] >> 6 != 2)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    static const uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000};
    if (p[0] < 0xc2 || code < least[len] || code > 0x10ffff || code >> 11 == 0x1b)
        return 0;
    bool is_special = (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return !allows_lines && is_special ? 0 : len;
}

static size_t random_text(uint64_t *seed, char *text, size_t max)
{
    static const char *const pieces[] = {
        "\x1b",
        "\x1b[",
        "[",
        "m",
        ";",
        "31",
        "\x1b[1m",
        "\x1b[0;1;2m",
        "\x1b[2J",
        "\n",
        "\t",
        "\r",
        "\x7f",
        "\xc2\x85",
        "\xc2",
        "\x85",
        "\xe2\x80\xa8",
        "\xe2\x80",
        "\xe2\x80\xa9",
        "\xed\xa0\x80",
        "\xf0\x9f\x98\x80",
        "\xf0\x9f",
        "\xff",
        "\xc3\xa4",
        "abcdefgh",
        "plain text that is longer than two words",
        "\\x0a",
    };
    size_t len = 0, count = test_random(seed) % 12;
    while (count-- > 0) {
        uint64_t choice = test_random(seed);
        const char *piece = pieces[choice % (sizeof pieces / sizeof pieces[0])];
        char byte[2] = {(char)(choice >> 32), '\0'};
        if (choice >> 62 == 0)
            piece = byte; /* NUL: nothing */
        size_t n = strlen(piece);
        if (len + n > max)
            break;
        memcpy(text + len, piece, n);
        len += n;
    }
    return len;
}

static void check_output(enum mpl_escape mode)
{
    uint64_t seed = 1 + (uint64_t)mode;
    for (int i = 0; i < 60000 && !test_has_failed; i++) {
        char text[256], buffer[1024];
        size_t len = random_text(&seed, text, sizeof text);
        struct mpl_str shown = escape((struct mpl_str){text, len}, mode, buffer, sizeof buffer);
        for (size_t at = 0; at < shown.len;) {
            size_t n = allowed_len((const unsigned char *)shown.ptr + at, shown.len - at, mode == MPL_ESCAPE_CONTROL);
            if (n == 0) {
                test_fail(__FILE__, __LINE__, "byte %02x is in the output", (unsigned char)shown.ptr[at]);
                return;
            }
            at += n;
        }
    }
}

static void random_text_in_mode_strict_gives_one_harmless_line(void) { check_output(MPL_ESCAPE_STRICT); }
static void random_text_in_mode_control_keeps_only_lines_and_colours(void) { check_output(MPL_ESCAPE_CONTROL); }

static void random_text_in_mode_none_becomes_utf8_and_keeps_the_rest(void)
{
    uint64_t seed = 99;
    for (int i = 0; i < 60000 && !test_has_failed; i++) {
        char text[256], buffer[1024];
        size_t len = random_text(&seed, text, sizeof text), at = 0;
        struct mpl_str shown = escape((struct mpl_str){text, len}, MPL_ESCAPE_NONE, buffer, sizeof buffer);
        for (size_t from = 0; from < len;) {
            uint32_t code;
            char expected[5];
            size_t n = mpl_utf8_decode(text + from, len - from, &code), shown_len = n ? n : 4;
            snprintf(expected, sizeof expected, "\\x%02x", (unsigned char)text[from]);
            CHECK(at + shown_len <= shown.len);
            CHECK_BYTES(shown.ptr + at, shown_len, n ? text + from : expected, shown_len);
            from += n ? n : 1;
            at += shown_len;
        }
        CHECK_INT(at, shown.len);
    }
}

static void append_to_full_text_counts_and_stores_what_fits(void)
{
    char buffer[6] = "......";
    struct mpl_text t = {buffer, 0, 5};
    mpl_escape_append(&t,
                      MPL_STR("abc\x01\x02"
                              "def"),
                      MPL_ESCAPE_CONTROL);
    CHECK_INT(t.len, 3 + 4 + 4 + 3);
    CHECK_BYTES(buffer, 6, "abc\\x.", 6);
}

TEST_MAIN(TEST_CASE(vectors_in_mode_none_match), TEST_CASE(vectors_in_mode_control_match),
          TEST_CASE(vectors_in_mode_strict_match), TEST_CASE(nul_in_mode_none_is_kept),
          TEST_CASE(each_byte_at_each_place_is_judged_alone),
          TEST_CASE(random_text_in_mode_strict_gives_one_harmless_line),
          TEST_CASE(random_text_in_mode_control_keeps_only_lines_and_colours),
          TEST_CASE(random_text_in_mode_none_becomes_utf8_and_keeps_the_rest),
          TEST_CASE(append_to_full_text_counts_and_stores_what_fits))
