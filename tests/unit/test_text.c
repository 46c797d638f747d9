/* SPDX-License-Identifier: Unlicense
 *
 * The smallest parts of base: text, levels, UTF-8.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "base/level.h"
#include "base/text.h"
#include "base/utf8.h"
#include "harness.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define CODE_MAX 0x10ffffu

static char buffer[64];
static struct mpl_text text;

/* An empty text of `cap` bytes, with marks behind it to show what is overwritten. */
static struct mpl_text *empty(size_t cap)
{
    memset(buffer, '!', sizeof buffer);
    text = (struct mpl_text){buffer, 0, cap};
    return &text;
}

#define CHECK_WRITTEN(expected)                                                                                        \
    do {                                                                                                               \
        CHECK_TEXT(buffer, text.len, expected);                                                                        \
        CHECK_INT(buffer[text.len], '!');                                                                              \
    } while (0)

static void append_past_capacity_is_counted_and_not_stored(void)
{
    struct mpl_text *t = empty(5);
    mpl_text_append(t, "abc", 3);
    CHECK_WRITTEN("abc");
    mpl_text_append(t, "", 0);
    CHECK(mpl_text_fits(t));
    mpl_text_str(t, MPL_STR("de"));
    CHECK_WRITTEN("abcde");
    CHECK(mpl_text_fits(t));
    mpl_text_char(t, 'f');
    CHECK(!mpl_text_fits(t));
    mpl_text_append(t, "ghi", 3);
    mpl_text_fill(t, 'x', 10);
    CHECK_INT(t->len, 19);
    CHECK_BYTES(buffer, 6, "abcde!", 6);
}

/* One append that is cut in its middle, for everything that appends. */
static void append_across_capacity_keeps_the_beginning(void)
{
    mpl_text_append(empty(3), "abcdef", 6);
    CHECK_INT(text.len, 6);
    CHECK_BYTES(buffer, 4, "abc!", 4);
    mpl_text_fill(empty(3), 'x', 6);
    CHECK_INT(text.len, 6);
    CHECK_BYTES(buffer, 4, "xxx!", 4);
    mpl_text_u64(empty(3), 12345);
    CHECK_INT(text.len, 5);
    CHECK_BYTES(buffer, 4, "123!", 4);
    mpl_text_hex(empty(3), 0x12345, 5);
    CHECK_INT(text.len, 5);
    CHECK_BYTES(buffer, 4, "123!", 4);
}

/* How callers measure. Under the sanitizers also: no arithmetic on the null pointer. */
static void append_to_text_without_memory_only_counts(void)
{
    struct mpl_text none = {NULL, 0, 0};
    mpl_text_append(&none, "abc", 3);
    mpl_text_char(&none, 'd');
    mpl_text_fill(&none, 'e', 2);
    mpl_text_i64(&none, -1);
    mpl_text_padded(&none, 7, 3);
    mpl_text_hex(&none, 7, 4);
    mpl_text_printf(&none, "%s", "fgh");
    CHECK_INT(none.len, 3 + 1 + 2 + 2 + 3 + 4 + 3);
}

/* Shifted by every amount, so that all lengths are as frequent. */
static void numbers_of_every_length_equal_printf(void)
{
    char expected[32];
    uint64_t seed = 1;
    for (int i = 0; i < 200000; i++) {
        uint64_t value = test_random(&seed) >> (i % 65 == 64 ? 0 : i % 64);
        mpl_text_u64(empty(sizeof buffer), value);
        snprintf(expected, sizeof expected, "%" PRIu64, value);
        CHECK_WRITTEN(expected);
        mpl_text_i64(empty(sizeof buffer), (int64_t)value);
        snprintf(expected, sizeof expected, "%" PRId64, (int64_t)value);
        CHECK_WRITTEN(expected);
        mpl_text_padded(empty(sizeof buffer), value, (unsigned)i % 25);
        snprintf(expected, sizeof expected, "%0*" PRIu64, i % 25, value);
        CHECK_WRITTEN(expected);
    }
}

/* Where a digit is added. */
static void numbers_at_the_edges_equal_printf(void)
{
    char expected[32];
    for (uint64_t power = 1; power < UINT64_MAX / 10; power *= 10) {
        for (uint64_t value = power - 1; value <= power + 1; value++) {
            mpl_text_u64(empty(sizeof buffer), value);
            snprintf(expected, sizeof expected, "%" PRIu64, value);
            CHECK_WRITTEN(expected);
        }
    }
    mpl_text_u64(empty(sizeof buffer), UINT64_MAX);
    CHECK_WRITTEN("18446744073709551615");
    mpl_text_i64(empty(sizeof buffer), INT64_MIN);
    CHECK_WRITTEN("-9223372036854775808");
    mpl_text_padded(empty(sizeof buffer), 0, 0);
    CHECK_WRITTEN("0");
    mpl_text_padded(empty(sizeof buffer), UINT64_MAX, 22);
    CHECK_WRITTEN("0018446744073709551615");
}

static void hex_writes_the_lowest_digits(void)
{
    mpl_text_hex(empty(sizeof buffer), 0x0123456789abcdef, 16);
    CHECK_WRITTEN("0123456789abcdef");
    mpl_text_hex(empty(sizeof buffer), 0x1fe, 2);
    CHECK_WRITTEN("fe");
    mpl_text_hex(empty(sizeof buffer), 0xa, 4);
    CHECK_WRITTEN("000a");
    mpl_text_hex(empty(sizeof buffer), 7, 0);
    CHECK_WRITTEN("");
}

static void printf_result_is_appended_and_counted(void)
{
    struct mpl_text *t = empty(10);
    mpl_text_printf(t, "%d-%s", 12, "x");
    CHECK_BYTES(buffer, 5, "12-x\0", 5); /* as a file name, for example */
    mpl_text_printf(t, "%s", "abcdefgh");
    CHECK_INT(t->len, 12);
    CHECK_BYTES(buffer, 11, "12-xabcdef!", 11); /* full to the last byte */
    mpl_text_printf(t, "%s", "more");
    CHECK_INT(t->len, 16);
    CHECK_INT(buffer[10], '!');
}

static void cstr_ends_the_text_within_its_capacity(void)
{
    mpl_text_str(empty(5), MPL_STR("abc"));
    CHECK(mpl_text_cstr(&text) == buffer);
    CHECK_BYTES(buffer, 5, "abc\0!", 5);
    mpl_text_str(empty(5), MPL_STR("abcde"));
    CHECK_INT(strcmp(mpl_text_cstr(&text), "abcd"), 0);
    mpl_text_str(empty(5), MPL_STR("abcdefgh"));
    CHECK_INT(strcmp(mpl_text_cstr(&text), "abcd"), 0);
    CHECK_INT(buffer[5], '!');
    CHECK_INT(strlen(mpl_text_cstr(empty(1))), 0);
}

static void view_of_null_is_empty(void)
{
    CHECK_INT(mpl_str_from(NULL).len, 0);
    CHECK(mpl_str_from(NULL).ptr);
    CHECK_INT(mpl_str_from("abc").len, 3);
    CHECK_INT(MPL_STR("a\0b").len, 3);
    CHECK(mpl_str_equal(MPL_STR("ab"), (struct mpl_str){"abc", 2}));
    CHECK(!mpl_str_equal(MPL_STR("ab"), MPL_STR("abc")));
    CHECK(!mpl_str_equal(MPL_STR("ab"), MPL_STR("ac")));
    CHECK(mpl_str_equal(MPL_STR(""), mpl_str_from(NULL)));
    CHECK(mpl_str_equal_caseless(MPL_STR("aBz-Z1"), MPL_STR("AbZ-z1")));
    CHECK(!mpl_str_equal_caseless(MPL_STR("ab"), MPL_STR("abc")));
    CHECK(!mpl_str_equal_caseless(MPL_STR("@["), MPL_STR("`{"))); /* the neighbours of the letters */
    CHECK(!mpl_str_equal_caseless(MPL_STR("\xC4"), MPL_STR("\xE4")));
}

static void number_text_is_read_or_refused(void)
{
    static const struct {
        const char *text;
        uint64_t max;
        bool is_valid;
        uint64_t value;
    } cases[] = {
        {"0", 0, true, 0},
        {"00017", 17, true, 17},
        {"17", 16, false, 0},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, false, 0},
        {"18446744073709551620", UINT64_MAX, false, 0},
        {"99999999999999999999", UINT64_MAX, false, 0},
        {"", UINT64_MAX, false, 0},
        {"-1", UINT64_MAX, false, 0},
        {"+1", UINT64_MAX, false, 0},
        {" 1", UINT64_MAX, false, 0},
        {"1 ", UINT64_MAX, false, 0},
        {"1a", UINT64_MAX, false, 0},
        {"1/", UINT64_MAX, false, 0},
        {"1:", UINT64_MAX, false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t value = 0;
        bool is_valid = mpl_str_to_u64(mpl_str_from(cases[i].text), cases[i].max, &value);
        if (is_valid != cases[i].is_valid || (is_valid && value != cases[i].value))
            test_fail(__FILE__, __LINE__, "\"%s\" gives %d, %" PRIu64, cases[i].text, is_valid, value);
    }
}

static void level_names_in_any_case_and_numbers_are_parsed(void)
{
    static const struct {
        const char *text;
        int level;
    } cases[] = {
        {"NOTSET", 0}, {"debug", 10},      {"Info", 20},         {"WARNING", 30}, {"warn", 30},
        {"ERROR", 40}, {"FATAL", 50},      {"Critical", 50},     {"25", 25},      {"-5", -5},
        {"0", 0},      {"524287", 524287}, {"-524287", -524287},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int level = 1;
        CHECK(mpl_level_parse(mpl_str_from(cases[i].text), &level));
        CHECK_INT(level, cases[i].level);
    }
}

static void level_text_of_neither_kind_is_refused(void)
{
    static const char *const texts[] = {
        "", "-", "INF", "INFOS", "--5", "+5", "5 ", "1.5", "524288", "-524289", "99999999999999999999", "-4294967290",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        int level = 77;
        CHECK(!mpl_level_parse(mpl_str_from(texts[i]), &level));
        CHECK_INT(level, 77);
    }
    /* A view ends where it ends, whatever follows. */
    int level;
    CHECK(mpl_level_parse((struct mpl_str){"INFOS", 4}, &level));
    CHECK(!mpl_level_parse((struct mpl_str){"INFO", 3}, &level));
}

static void level_is_written_by_name_or_number(void)
{
    static const struct {
        int level;
        const char *text;
    } cases[] = {
        {0, "NOTSET"},    {10, "DEBUG"},    {20, "INFO"},
        {30, "WARNING"},  {40, "ERROR"},    {50, "CRITICAL"},
        {25, "Level 25"}, {-3, "Level -3"}, {MPL_LEVEL_MIN, "Level -524288"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mpl_level_append(empty(sizeof buffer), cases[i].level);
        CHECK_WRITTEN(cases[i].text);
    }
}

/* Surrogates are none. */
static bool is_character(uint32_t code) { return code <= CODE_MAX && (code < 0xd800 || code > 0xdfff); }

static void utf8_every_character_survives_encoding_and_decoding(void)
{
    for (uint32_t code = 0; code <= CODE_MAX + 10; code++) {
        char bytes[4];
        uint32_t back = 0;
        size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4, n = mpl_utf8_encode(code, bytes);
        CHECK_INT(n, is_character(code) ? len : 3);
        CHECK_INT(mpl_utf8_decode(bytes, n, &back), n);
        CHECK_INT(back, is_character(code) ? code : 0xfffd);
        for (size_t cut = 1; cut < n; cut++)
            CHECK_INT(mpl_utf8_decode(bytes, cut, &back), 0);
    }
    char bytes[4];
    CHECK_INT(mpl_utf8_encode(UINT32_MAX, bytes), 3);
    CHECK_BYTES(bytes, 3, "\ufffd", 3);
    CHECK_BYTES("\U0001f600", mpl_utf8_encode(0x1f600, bytes), bytes, 4);
}

/* Whatever can be decoded is what encoding gives; this leaves no room for overlong forms. Only 16 of the continuation
 * bytes' and their neighbours' values are tried: all decisions depend on these. */
static void utf8_bytes_that_no_character_has_are_refused(void)
{
    static const unsigned char others[] = {
        0x00, 0x41, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x9f, 0xa0, 0xad, 0xbe, 0xbf, 0xc0, 0xe0, 0xf0, 0xff,
    };
    uint32_t valid_count = 0;
    for (unsigned i = 0; i < 256 * 4096; i++) {
        unsigned char bytes[4] = {(unsigned char)(i >> 12), others[i >> 8 & 15], others[i >> 4 & 15], others[i & 15]};
        char again[4];
        uint32_t code = 0;
        size_t n = mpl_utf8_decode((char *)bytes, sizeof bytes, &code);
        if (n == 0)
            continue;
        valid_count += n == 4;
        CHECK(is_character(code));
        CHECK_BYTES(again, mpl_utf8_encode(code, again), (char *)bytes, n);
    }
    /* The third and fourth byte may be 9 of these; the second, too, but for F0 (6 of them) and F4 (3). */
    CHECK_INT(valid_count, (3 * 9 + 6 + 3) * 9 * 9);
}

/* The text ends where the readable memory ends. */
static void utf8_decoding_reads_no_byte_behind_the_last(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK_INT(mprotect(p + page, page, PROT_NONE), 0);
    for (int first = 0; first < 256; first++) {
        char *end = p + page;
        uint32_t code;
        end[-1] = (char)first;
        CHECK_INT(mpl_utf8_decode(end - 1, 1, &code), first < 0x80);
        end[-2] = (char)first;
        end[-1] = (char)0x90;
        CHECK_INT(mpl_utf8_decode(end - 2, 2, &code), first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : 0);
        CHECK_INT(mpl_utf8_prefix((struct mpl_str){end - 2, 2}, 5), 2);
    }
    munmap(p, 2 * page);
}

static void utf8_count_and_prefix_take_stray_bytes_for_one_each(void)
{
    const struct mpl_str s = MPL_STR("a\u00e9\xff\u20ac\x80\xe2\x82"
                                     "b\U0001f600\xf0\x9f");
    static const size_t ends[] = {0, 1, 3, 4, 7, 8, 9, 10, 11, 15, 16, 17};
    CHECK_INT(s.len, 17);
    CHECK_INT(mpl_utf8_count(s), 11);
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        CHECK_INT(mpl_utf8_prefix(s, i), ends[i]);
    CHECK_INT(mpl_utf8_prefix(s, SIZE_MAX), s.len);
    CHECK_INT(mpl_utf8_count(MPL_STR("")), 0);
    CHECK_INT(mpl_utf8_prefix(MPL_STR(""), 3), 0);
}

TEST_MAIN(TEST_CASE(append_past_capacity_is_counted_and_not_stored),
          TEST_CASE(append_across_capacity_keeps_the_beginning), TEST_CASE(append_to_text_without_memory_only_counts),
          TEST_CASE(numbers_of_every_length_equal_printf), TEST_CASE(numbers_at_the_edges_equal_printf),
          TEST_CASE(hex_writes_the_lowest_digits), TEST_CASE(printf_result_is_appended_and_counted),
          TEST_CASE(cstr_ends_the_text_within_its_capacity), TEST_CASE(view_of_null_is_empty),
          TEST_CASE(number_text_is_read_or_refused), TEST_CASE(level_names_in_any_case_and_numbers_are_parsed),
          TEST_CASE(level_text_of_neither_kind_is_refused), TEST_CASE(level_is_written_by_name_or_number),
          TEST_CASE(utf8_every_character_survives_encoding_and_decoding),
          TEST_CASE(utf8_bytes_that_no_character_has_are_refused),
          TEST_CASE(utf8_decoding_reads_no_byte_behind_the_last),
          TEST_CASE(utf8_count_and_prefix_take_stray_bytes_for_one_each))
