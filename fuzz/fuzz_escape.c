/* SPDX-License-Identifier: Unlicense
 *
 * Arbitrary bytes in each of the three modes of escaping, beside a judge that knows no table: it takes one character
 * after the other.
 */
#include "fuzz.h"
#include "output/escape.h"

/* How long a colour sequence is that begins here; 0: none does. */
static size_t colour_len(struct mpl_str s)
{
    size_t n = 2;
    if (s.len < 3 || s.ptr[0] != '\x1b' || s.ptr[1] != '[')
        return 0;
    while (n < s.len && (s.ptr[n] == ';' || (s.ptr[n] >= '0' && s.ptr[n] <= '9')))
        n++;
    return n < s.len && s.ptr[n] == 'm' ? n + 1 : 0;
}

static bool is_control(uint32_t code) { return code < 0x20 || (code >= 0x7f && code < 0xa0); }

/* Appends what is to be shown for the first character, or for a whole colour sequence; returns how long that is. */
static size_t show_first(struct mpl_text *out, struct mpl_str s, enum mpl_escape mode)
{
    uint32_t code = 0;
    size_t n = mpl_utf8_decode(s.ptr, s.len, &code), colour = mode == MPL_ESCAPE_CONTROL ? colour_len(s) : 0;
    bool is_line_end = code == '\n' || code == 0x2028 || code == 0x2029;
    bool is_moving = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    bool is_hidden = mode != MPL_ESCAPE_NONE && is_control(code) && code != '\t' && code != '\n';
    if (n == 0)
        mpl_text_printf(out, "\\x%02x", (unsigned char)s.ptr[0]);
    else if (colour > 0)
        mpl_text_append(out, s.ptr, colour);
    else if (is_hidden || (mode == MPL_ESCAPE_STRICT && (is_line_end || is_moving)))
        mpl_text_printf(out, code < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)code);
    else
        mpl_text_append(out, s.ptr, n);
    return colour ? colour : n ? n : 1;
}

static void check(struct mpl_str s, enum mpl_escape mode)
{
    size_t room = 4 * s.len + 1;
    struct mpl_text actual = {malloc(room), 0, room}, expected = {malloc(room), 0, room};
    FUZZ_CHECK(actual.data && expected.data);
    for (size_t at = 0; at < s.len;)
        at += show_first(&expected, (struct mpl_str){s.ptr + at, s.len - at}, mode);
    mpl_escape_append(&actual, s, mode);
    struct mpl_str shown = {actual.data, actual.len};
    FUZZ_CHECK(actual.len <= 4 * s.len && actual.len == expected.len);
    FUZZ_CHECK(memcmp(actual.data, expected.data, actual.len) == 0);
    bool is_same = shown.len == s.len && (s.len == 0 || memcmp(shown.ptr, s.ptr, s.len) == 0);
    FUZZ_CHECK(mpl_escape_is_clean(s, mode) == is_same);
    FUZZ_CHECK(mpl_escape_is_clean(shown, mode)); /* what was escaped needs no more of it */
    FUZZ_CHECK(mpl_escape_count(s, mode) == mpl_utf8_count(shown));
    FUZZ_CHECK(!mpl_escape_is_plain(s) || (is_same && mpl_utf8_count(s) == s.len));
    /* Without room for all it counts the same and keeps the beginning. */
    struct mpl_text cut = {expected.data, 0, actual.len / 2};
    mpl_escape_append(&cut, s, mode);
    FUZZ_CHECK(cut.len == actual.len && memcmp(cut.data, actual.data, actual.len / 2) == 0);
    free(actual.data);
    free(expected.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy((struct mpl_str){(const char *)data, size});
    for (int mode = MPL_ESCAPE_NONE; mode <= MPL_ESCAPE_STRICT; mode++)
        check((struct mpl_str){copy, size}, (enum mpl_escape)mode);
    free(copy);
    return 0;
}
