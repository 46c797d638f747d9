/* SPDX-License-Identifier: Unlicense
 *
 * With the argument "cases": reads lines "NAME|TEXT" from stdin, TEXT being 'x' and the hexadecimal digits of its
 * UTF-8, and answers each with the encoded bytes in the same form, or "E " and a sentence; encoding_oracle.py asks.
 */
#include "harness.h"

#include <errno.h>

#include "base/error.h"
#include "output/encoding.h"

/* In exactly `cap` bytes. */
static size_t encode_into(struct mpl_encoding *e, struct mpl_str s, char *buffer, size_t cap)
{
    struct mpl_text t = {buffer, 0, cap};
    buffer[cap] = '#';
    mpl_encoding_append(e, &t, s);
    if (buffer[cap] != '#')
        test_fail(__FILE__, __LINE__, "wrote behind the end");
    return t.len;
}

static char encoded_buffer[64 * 1024 + 1];

/* Twice, for the second may not depend on the first, and where there is no room. Valid until the next call. */
static struct mpl_str encode(struct mpl_encoding *e, struct mpl_str s)
{
    static char again[sizeof encoded_buffer];
    size_t len = encode_into(e, s, encoded_buffer, sizeof encoded_buffer - 1);
    const size_t caps[] = {0, 1, len / 2, len ? len - 1 : 0, len};
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
        size_t stored = caps[i] < len ? caps[i] : len;
        if (encode_into(e, s, again, stored) != len || memcmp(again, encoded_buffer, stored) != 0)
            test_fail(__FILE__, __LINE__, "in %zu of %zu bytes: another length, or other bytes", caps[i], len);
    }
    return (struct mpl_str){encoded_buffer, len};
}

static struct mpl_encoding *open_encoding(const char *name)
{
    struct mpl_encoding *e = NULL;
    mpl_error_clear();
    int error = mpl_encoding_open(&e, name);
    if (error && (error != -EINVAL || !strstr(mpl_error_text(), "file_encoding")))
        test_fail(__FILE__, __LINE__, "%s: %d, \"%s\"", name, error, mpl_error_text());
    return error ? NULL : e;
}

static void check_encoded(const char *name, struct mpl_str s, const char *expected, size_t expected_len)
{
    struct mpl_encoding *e = open_encoding(name);
    if (!e) {
        test_fail(__FILE__, __LINE__, "%s is refused: %s", name, mpl_error_text());
        return;
    }
    struct mpl_str actual = encode(e, s);
    if (!mpl_str_equal(actual, (struct mpl_str){expected, expected_len})) {
        test_fail(__FILE__, __LINE__, "%s: %zu bytes, not %zu, or others", name, actual.len, expected_len);
        for (size_t i = 0; i < actual.len; i++)
            printf("%s%02x%s", i ? " " : "# ", (unsigned char)actual.ptr[i], i + 1 == actual.len ? "\n" : "");
    }
    mpl_encoding_close(e);
}

#define CHECK_ENCODED(name, text, expected) check_encoded(name, MPL_STR(text), expected, sizeof(expected) - 1)

/* "aöŸ€😀\n" */
#define MIXED "a\xc3\xb6\xc5\xb8\xe2\x82\xac\xf0\x9f\x98\x80\n"

static void built_in_encodings_match(void)
{
    CHECK_ENCODED("utf-8", MIXED, MIXED);
    CHECK_ENCODED(NULL, MIXED, MIXED);
    CHECK_ENCODED("utf-8-sig", MIXED, MIXED);
    CHECK_ENCODED("utf-16-le", MIXED, "a\0\xf6\0\x78\x01\xac\x20\x3d\xd8\0\xde\n\0");
    CHECK_ENCODED("utf-16-be", MIXED, "\0a\0\xf6\x01\x78\x20\xac\xd8\x3d\xde\0\0\n");
    CHECK_ENCODED("utf-32-le", MIXED, "a\0\0\0\xf6\0\0\0\x78\x01\0\0\xac\x20\0\0\0\xf6\x01\0\n\0\0\0");
    CHECK_ENCODED("utf-32-be", MIXED, "\0\0\0a\0\0\0\xf6\0\0\x01\x78\0\0\x20\xac\0\x01\xf6\0\0\0\0\n");
    CHECK_ENCODED("latin-1", MIXED, "a\xf6\\u0178\\u20ac\\U0001f600\n");
    CHECK_ENCODED("ascii", MIXED, "a\\xf6\\u0178\\u20ac\\U0001f600\n");
    CHECK_ENCODED("utf-16-le", "\xf4\x8f\xbf\xbf\xef\xbf\xbf", "\xff\xdb\xff\xdf\xff\xff");
    CHECK_ENCODED("ascii", "\x7f\xc2\x80", "\x7f\\x80");
    CHECK_ENCODED("latin-1", "\xc3\xbf\xc4\x80", "\xff\\u0100");
    CHECK_ENCODED("ascii", "", "");
}

static void marks_are_those_of_python(void)
{
    static const struct {
        const char *name, *bom;
        size_t len;
        bool is_utf8;
    } cases[] = {
        {"utf-8", "", 0, true},
        {"utf-8-sig", "\xef\xbb\xbf", 3, true},
        {"utf-16-le", "", 0, false},
        {"utf-16-be", "", 0, false},
        {"utf-32-le", "", 0, false},
        {"utf-32-be", "", 0, false},
        {"latin-1", "", 0, false},
        {"ascii", "", 0, false},
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        {"utf-16", "\xff\xfe", 2, false},
        {"utf-32", "\xff\xfe\0\0", 4, false},
#else
        {"utf-16", "\xfe\xff", 2, false},
        {"utf-32", "\0\0\xfe\xff", 4, false},
#endif
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mpl_encoding *e = open_encoding(cases[i].name);
        CHECK(e);
        struct mpl_str bom = mpl_encoding_bom(e);
        CHECK_BYTES(bom.ptr, bom.len, cases[i].bom, cases[i].len);
        CHECK_INT(mpl_encoding_is_utf8(e), cases[i].is_utf8);
        mpl_encoding_close(e);
    }
}

/* Told apart by what they make of one character. */
static void names_are_compared_as_python_does(void)
{
    static const char *const latin_1[] = {"latin-1",    "LATIN1", "latin_1", "Latin 1", "iso-8859-1", "ISO8859-1",
                                          "iso_8859_1", "l1",     "cp819",   "8859",    "iso-ir-100", "latin"};
    static const char *const ascii[] = {"ascii", "ASCII",          "us-ascii", "US_ASCII",
                                        "646",   "ansi_x3.4_1968", "cp367",    "us"};
    static const char *const utf_8[] = {"utf-8", "UTF8", "utf 8", "Utf_8", "u8", "cp65001", "utf-8-sig", "UTF_8_SIG"};
    static const char *const utf_16[] = {"utf-16le", "UTF_16_LE", "utf-16-LE"};
    for (size_t i = 0; i < sizeof latin_1 / sizeof latin_1[0]; i++)
        CHECK_ENCODED(latin_1[i], "\xc3\xb6", "\xf6");
    for (size_t i = 0; i < sizeof ascii / sizeof ascii[0]; i++)
        CHECK_ENCODED(ascii[i], "\xc3\xb6", "\\xf6");
    for (size_t i = 0; i < sizeof utf_8 / sizeof utf_8[0]; i++)
        CHECK_ENCODED(utf_8[i], "\xc3\xb6", "\xc3\xb6");
    for (size_t i = 0; i < sizeof utf_16 / sizeof utf_16[0]; i++)
        CHECK_ENCODED(utf_16[i], "\xc3\xb6", "\xf6\0");
}

/* Tables that each C library has. */
static void names_iconv_spells_otherwise_are_found(void)
{
    static const char *const cp1252[] = {"cp1252", "CP1252", "1252", "windows-1252", "windows_1252"};
    static const char *const koi8_r[] = {"koi8-r", "koi8_r", "KOI8-R"};
    static const char *const latin_9[] = {"iso-8859-15", "iso8859-15", "iso8859_15", "ISO_8859_15"};
    for (size_t i = 0; i < sizeof cp1252 / sizeof cp1252[0]; i++)
        CHECK_ENCODED(cp1252[i], "\xe2\x82\xac\xc4\x80", "\x80\\u0100");
    for (size_t i = 0; i < sizeof koi8_r / sizeof koi8_r[0]; i++)
        CHECK_ENCODED(koi8_r[i], "\xd0\xb4\xe2\x82\xac", "\xc4\\u20ac");
    for (size_t i = 0; i < sizeof latin_9 / sizeof latin_9[0]; i++)
        CHECK_ENCODED(latin_9[i], "\xe2\x82\xac\xc2\xa4", "\xa4\\xa4");
}

static void unknown_names_are_refused_with_a_sentence(void)
{
    static const char *const names[] = {"",
                                        "-",
                                        "nonesuch",
                                        "utf-9",
                                        "rot13",
                                        "latin-1//IGNORE",
                                        "cp1252//TRANSLIT",
                                        "../x",
                                        "cp1252,cp437",
                                        "cp1252\n",
                                        "\xc3\xb6",
                                        "a-name-that-is-longer-than-any-encoding-that-was-ever-made-by-a-committee"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct mpl_encoding *e = open_encoding(names[i]);
        if (e)
            test_fail(__FILE__, __LINE__, "\"%s\" is accepted", names[i]);
        mpl_encoding_close(e);
    }
}

/* What iconv knows by that name begins every text with a mark, or lacks a backslash. A library may not know them at
 * all. */
static void encodings_that_cannot_be_appended_to_are_refused(void)
{
    static const char *const names[] = {"unicode",     "ucs-2-internal//", "utf-7-imap",
                                        "iso-2022-kr", "shift_jisx0213",   "iso646-de"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct mpl_encoding *e = open_encoding(names[i]);
        if (!e)
            continue;
        char first[64];
        size_t n = encode_into(e, MPL_STR("\\ab\n"), first, sizeof first - 1);
        struct mpl_str second = encode(e, MPL_STR("\\ab\n\\ab\n"));
        CHECK_INT(second.len, 2 * n);
        CHECK(memcmp(second.ptr, first, n) == 0 && memcmp(second.ptr + n, first, n) == 0);
        mpl_encoding_close(e);
    }
}

static void stateful_encoding_returns_to_its_initial_state(void)
{
    struct mpl_encoding *e = open_encoding("iso-2022-jp");
    if (!e)
        return;
    /* One character; the same between ASCII; one that is lacking, between two that are not. */
    struct mpl_str s = encode(e, MPL_STR("\xe6\x97\xa5"));
    CHECK_TEXT(s.ptr, s.len, "\x1b$BF|\x1b(B");
    s = encode(e, MPL_STR("a\xe6\x97\xa5z"));
    CHECK_TEXT(s.ptr, s.len, "a\x1b$BF|\x1b(Bz");
    s = encode(e, MPL_STR("\xe6\x97\xa5\xf0\x9f\x98\x80\xe6\x97\xa5"));
    CHECK_TEXT(s.ptr, s.len, "\x1b$BF|\x1b(B\\U0001f600\x1b$BF|\x1b(B");
    mpl_encoding_close(e);
}

/* More than is converted at a time, with characters of all lengths across the borders, and tags, which glibc
 * swallows. */
static void long_text_is_encoded_like_its_characters(void)
{
    static const char *const characters[] = {"a", "\xc3\xb6", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf3\xa0\x81\x81"};
    static const char *const expected[] = {"a", "\xf6", "\x80", "\\U0001f600", "\\U000e0041"};
    uint64_t seed = 3;
    struct mpl_encoding *e = open_encoding("cp1252");
    CHECK(e);
    for (size_t kinds = 1; kinds <= 5; kinds++) {
        static char text[4096], shown[16384];
        struct mpl_text t = {text, 0, sizeof text}, x = {shown, 0, sizeof shown};
        for (int i = 0; i < 1000; i++) {
            size_t k = test_random(&seed) % (i < 500 && kinds > 3 ? 3 : kinds); /* what is lacking comes late */
            mpl_text_str(&t, mpl_str_from(characters[k]));
            mpl_text_str(&x, mpl_str_from(expected[k]));
        }
        struct mpl_str s = encode(e, (struct mpl_str){text, t.len});
        CHECK_BYTES(s.ptr, s.len, shown, x.len);
    }
    mpl_encoding_close(e);
}

/* Against the contract, but bytes of a file may be anything. */
static void invalid_utf8_is_shown(void)
{
    CHECK_ENCODED("latin-1", "a\xff\xe2\x82", "a\\xff\\xe2\\x82");
    CHECK_ENCODED("ascii", "\xed\xa0\x80z", "\\xed\\xa0\\x80z");
    CHECK_ENCODED("cp1252",
                  "a\xff"
                  "b\xe2\x82",
                  "a\\xff"
                  "b\\xe2\\x82");
    CHECK_ENCODED("cp1252", "\xc3", "\\xc3");
}

static void close_of_nothing_does_nothing(void) { mpl_encoding_close(NULL); }

static int hex_value(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

static void print_text(struct mpl_str bom, struct mpl_str s)
{
    putchar('x');
    for (size_t i = 0; i < bom.len + s.len; i++)
        printf("%02x", (unsigned char)(i < bom.len ? bom.ptr[i] : s.ptr[i - bom.len]));
    putchar('\n');
}

/* Reads a text in place, over its own digits. */
static struct mpl_str read_text(char *text)
{
    char *to = text;
    for (char *from = text + 1; *from > ' '; from += 2)
        *to++ = (char)(hex_value(from[0]) << 4 | hex_value(from[1]));
    return (struct mpl_str){text, (size_t)(to - text)};
}

static int answer_cases(void)
{
    char *line = NULL, last_name[64] = "";
    size_t size = 0;
    struct mpl_encoding *e = NULL;
    while (getline(&line, &size, stdin) > 0) {
        char *text = line, *name = strsep(&text, "|");
        if (strcmp(name, last_name) != 0) {
            mpl_encoding_close(e);
            e = open_encoding(name);
            snprintf(last_name, sizeof last_name, "%s", name);
        }
        if (e)
            print_text(mpl_encoding_bom(e), encode(e, read_text(text)));
        else
            printf("E %s\n", mpl_error_text());
    }
    mpl_encoding_close(e);
    free(line);
    return test_has_failed;
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        TEST_CASE(built_in_encodings_match),
        TEST_CASE(marks_are_those_of_python),
        TEST_CASE(names_are_compared_as_python_does),
        TEST_CASE(names_iconv_spells_otherwise_are_found),
        TEST_CASE(unknown_names_are_refused_with_a_sentence),
        TEST_CASE(encodings_that_cannot_be_appended_to_are_refused),
        TEST_CASE(stateful_encoding_returns_to_its_initial_state),
        TEST_CASE(long_text_is_encoded_like_its_characters),
        TEST_CASE(invalid_utf8_is_shown),
        TEST_CASE(close_of_nothing_does_nothing),
    };
    if (argc > 1 && strcmp(argv[1], "cases") == 0)
        return answer_cases();
    return test_run(cases, sizeof cases / sizeof cases[0]);
}
