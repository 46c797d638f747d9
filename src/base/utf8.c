/* SPDX-License-Identifier: Unlicense */
#include "base/utf8.h"

static int is_continuation(const char *p) { return ((unsigned char)*p & 0xc0) == 0x80; }

size_t mpl_utf8_decode(const char *bytes, size_t n, uint32_t *code)
{
    const unsigned char first = (unsigned char)bytes[0];
    size_t len;
    uint32_t value, least;
    if (first < 0x80) {
        *code = first;
        return 1;
    }
    if (first >= 0xc2 && first < 0xe0) {
        len = 2, value = first & 0x1fu, least = 0x80;
    } else if (first >= 0xe0 && first < 0xf0) {
        len = 3, value = first & 0x0fu, least = 0x800;
    } else if (first >= 0xf0 && first < 0xf5) {
        len = 4, value = first & 0x07u, least = 0x10000;
    } else {
        return 0;
    }
    if (n < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if (!is_continuation(bytes + i))
            return 0;
        value = value << 6 | ((unsigned char)bytes[i] & 0x3fu);
    }
    if (value < least || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 0;
    *code = value;
    return len;
}

size_t mpl_utf8_encode(uint32_t code, char bytes[4])
{
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        code = 0xfffd;
    if (code < 0x80) {
        bytes[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        bytes[0] = (char)(0xc0 | code >> 6);
        bytes[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        bytes[0] = (char)(0xe0 | code >> 12);
        bytes[1] = (char)(0x80 | (code >> 6 & 0x3f));
        bytes[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    bytes[0] = (char)(0xf0 | code >> 18);
    bytes[1] = (char)(0x80 | (code >> 12 & 0x3f));
    bytes[2] = (char)(0x80 | (code >> 6 & 0x3f));
    bytes[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

static size_t step(struct mpl_str s, size_t at)
{
    uint32_t code;
    size_t n = mpl_utf8_decode(s.ptr + at, s.len - at, &code);
    return n ? n : 1;
}

size_t mpl_utf8_count(struct mpl_str s)
{
    size_t count = 0;
    for (size_t at = 0; at < s.len; at += step(s, at))
        count++;
    return count;
}

size_t mpl_utf8_prefix(struct mpl_str s, size_t characters)
{
    size_t at = 0;
    while (characters-- > 0 && at < s.len)
        at += step(s, at);
    return at;
}

size_t mpl_utf8_cut(struct mpl_str s, size_t bytes)
{
    if (bytes >= s.len)
        return s.len;
    size_t at = bytes;
    /* Back to the byte that begins the character; a longer run of continuation bytes is no UTF-8 anyway. */
    for (int i = 0; i < 3 && at > 0 && is_continuation(s.ptr + at); i++)
        at--;
    return is_continuation(s.ptr + at) ? bytes : at;
}
