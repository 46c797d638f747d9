/* SPDX-License-Identifier: Unlicense */
#include "output/escape.h"

#include "base/utf8.h"

#define ESC 0x1b
#define DEL 0x7f
#define LINE_SEPARATOR 0x2028
#define PARAGRAPH_SEPARATOR 0x2029

/* Characters by which the rest of a line is shown in another place than it stands (Unicode Standard Annex 9). */
static bool is_reordering(uint32_t code)
{
    return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

#define EVERY_BYTE(b) (UINT64_MAX / 255 * (uint64_t)(b))

static uint64_t load_word(const char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static uint64_t load_half(const char *bytes)
{
    uint32_t half;
    memcpy(&half, bytes, sizeof half);
    return half;
}

/* 0 if all eight bytes are printable ASCII. The three terms raise a byte's top bit for: below 0x20 (the lowest such
 * byte borrows from nobody), DEL, and not ASCII. A byte may raise its neighbour's bit only if it raises its own. */
static uint64_t unplain_bits(uint64_t word)
{
    return ((word - EVERY_BYTE(0x20)) | (word + EVERY_BYTE(1)) | word) & EVERY_BYTE(0x80);
}

static bool is_plain(char c) { return c >= 0x20 && c < DEL; }

/* As unplain_bits, for a text of less than eight bytes; its bytes may be looked at twice. */
static uint64_t unplain_bits_short(struct mpl_str s)
{
    if (s.len >= 4)
        return unplain_bits(load_half(s.ptr) << 32 | load_half(s.ptr + s.len - 4));
    if (s.len == 0)
        return 0;
    return !(is_plain(s.ptr[0]) && is_plain(s.ptr[s.len / 2]) && is_plain(s.ptr[s.len - 1]));
}

bool mpl_escape_is_plain(struct mpl_str s)
{
    uint64_t bits = 0;
    if (s.len < 8)
        return unplain_bits_short(s) == 0;
    for (size_t at = 0; at < s.len - 8; at += 8)
        bits |= unplain_bits(load_word(s.ptr + at));
    /* The last word overlaps the one before: cheaper than single bytes. */
    return (bits | unplain_bits(load_word(s.ptr + s.len - 8))) == 0;
}

/* How many bytes at the front of `s` pass in every mode without a closer look. */
static size_t plain_prefix(struct mpl_str s)
{
    size_t at = 0;
    while (s.len - at >= 8 && unplain_bits(load_word(s.ptr + at)) == 0)
        at += 8;
    while (at < s.len && is_plain(s.ptr[at]))
        at++;
    return at;
}

/* Length of the colour sequence `s` begins with; 0: none, or it is cut off. */
static size_t colour_sequence_len(struct mpl_str s)
{
    size_t at = 2;
    if (s.len < 3 || s.ptr[1] != '[')
        return 0;
    while (at < s.len && ((s.ptr[at] >= '0' && s.ptr[at] <= '9') || s.ptr[at] == ';'))
        at++;
    return at < s.len && s.ptr[at] == 'm' ? at + 1 : 0;
}

/* Length of the character or colour sequence `s` begins with, if it passes as it is, else 0. */
static size_t passing_len(struct mpl_str s, enum mpl_escape mode)
{
    uint32_t code;
    size_t n = mpl_utf8_decode(s.ptr, s.len, &code);
    if (n == 0 || mode == MPL_ESCAPE_NONE)
        return n;
    if (code == '\n')
        return mode == MPL_ESCAPE_CONTROL ? n : 0;
    if (code == ESC)
        return mode == MPL_ESCAPE_CONTROL ? colour_sequence_len(s) : 0;
    if ((code < 0x20 && code != '\t') || (code >= DEL && code < 0xa0))
        return 0;
    if (mode == MPL_ESCAPE_STRICT && (code == LINE_SEPARATOR || code == PARAGRAPH_SEPARATOR || is_reordering(code)))
        return 0;
    return n;
}

/* How many bytes at the front of `s` pass. Linear also for hostile text: a sequence that is cut off is looked at up to
 * the next ESC at most, and then once more as text. */
static size_t clean_prefix(struct mpl_str s, enum mpl_escape mode)
{
    size_t at = 0;
    while (at < s.len) {
        if (is_plain(s.ptr[at])) {
            at += plain_prefix((struct mpl_str){s.ptr + at, s.len - at});
            continue;
        }
        size_t n = passing_len((struct mpl_str){s.ptr + at, s.len - at}, mode);
        if (n == 0)
            break;
        at += n;
    }
    return at;
}

bool mpl_escape_is_clean(struct mpl_str s, enum mpl_escape mode)
{
    return mpl_escape_is_plain(s) || clean_prefix(s, mode) == s.len;
}

/* Appends the first character of `s`, or its first byte if that begins none, escaped. Returns its length in `s`. */
static size_t append_escaped(struct mpl_text *out, struct mpl_str s)
{
    uint32_t code;
    size_t n = mpl_utf8_decode(s.ptr, s.len, &code);
    if (n == 0)
        code = (unsigned char)s.ptr[0];
    mpl_text_append(out, code < 0x100 ? "\\x" : "\\u", 2);
    mpl_text_hex(out, code, code < 0x100 ? 2 : 4);
    return n ? n : 1;
}

/* Of less than eight bytes. */
static void copy_short(char *to, struct mpl_str s)
{
    if (s.len >= 4) {
        memcpy(to, s.ptr, 4);
        memcpy(to + s.len - 4, s.ptr + s.len - 4, 4);
    } else if (s.len > 0) {
        to[0] = s.ptr[0];
        to[s.len / 2] = s.ptr[s.len / 2];
        to[s.len - 1] = s.ptr[s.len - 1];
    }
}

bool mpl_escape_copy_plain(char *to, struct mpl_str s)
{
    uint64_t bits = 0;
    if (s.len < 8) {
        copy_short(to, s);
        return unplain_bits_short(s) == 0;
    }
    const size_t last = s.len - 8;
    for (size_t at = 0; at < last; at += 8) {
        uint64_t word = load_word(s.ptr + at);
        memcpy(to + at, &word, sizeof word);
        bits |= unplain_bits(word);
    }
    uint64_t word = load_word(s.ptr + last);
    memcpy(to + last, &word, sizeof word);
    return (bits | unplain_bits(word)) == 0;
}

void mpl_escape_append(struct mpl_text *out, struct mpl_str s, enum mpl_escape mode)
{
    bool fits = out->len < out->cap && s.len <= out->cap - out->len;
    if (fits && mpl_escape_copy_plain(out->data + out->len, s)) {
        out->len += s.len;
        return;
    }
    for (;;) {
        size_t n = clean_prefix(s, mode);
        mpl_text_append(out, s.ptr, n);
        if (n == s.len)
            return;
        s = (struct mpl_str){s.ptr + n, s.len - n};
        n = append_escaped(out, s);
        s = (struct mpl_str){s.ptr + n, s.len - n};
    }
}

size_t mpl_escape_count(struct mpl_str s, enum mpl_escape mode)
{
    size_t count = 0;
    while (s.len > 0) {
        size_t n = clean_prefix(s, mode);
        count += mpl_utf8_count((struct mpl_str){s.ptr, n});
        if (n == s.len)
            break;
        struct mpl_text counted = {NULL, 0, 0};
        n += append_escaped(&counted, (struct mpl_str){s.ptr + n, s.len - n});
        count += counted.len;
        s = (struct mpl_str){s.ptr + n, s.len - n};
    }
    return count;
}
