/* SPDX-License-Identifier: Unlicense */
#include "base/utf8.h"
#include "output/pattern_private.h"

/* From DEL on, what str.isprintable is false for: separators, control and format characters, surrogates, private use
 * (Unicode 16). Code points without a character, which each version of Unicode has fewer of, are left out. */
static const struct {
    uint32_t first, last;
} unprintable[] = {
    {0x7f, 0xa0},       {0xad, 0xad},       {0x600, 0x605},     {0x61c, 0x61c},     {0x6dd, 0x6dd},
    {0x70f, 0x70f},     {0x890, 0x891},     {0x8e2, 0x8e2},     {0x1680, 0x1680},   {0x180e, 0x180e},
    {0x2000, 0x200f},   {0x2028, 0x202f},   {0x205f, 0x206f},   {0x3000, 0x3000},   {0xd800, 0xf8ff},
    {0xfeff, 0xfeff},   {0xfff0, 0xfffb},   {0xfffe, 0xffff},   {0x110bd, 0x110bd}, {0x110cd, 0x110cd},
    {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe00ff}, {0xe01f0, 0x10ffff},
};

static bool is_printable(uint32_t code)
{
    if (code < 0x7f)
        return code >= 0x20;
    for (size_t i = 0; i < sizeof unprintable / sizeof unprintable[0]; i++) {
        if (code <= unprintable[i].last)
            return code < unprintable[i].first;
    }
    return true;
}

/* The escape sequence for a character that has a short one, or NULL. Text with a '"' in it is not quoted with it. */
static const char *short_escape(uint32_t code, char quote)
{
    if (code == '\'' && quote == '\'')
        return "\\'";
    return code == '\\' ? "\\\\" : code == '\n' ? "\\n" : code == '\t' ? "\\t" : code == '\r' ? "\\r" : NULL;
}

/* What stands for the character, at most 10 bytes. `n` is its length in bytes, 0: an invalid byte. */
static void append_character(struct mpl_text *t, const char *bytes, size_t n, uint32_t code, char quote, bool is_ascii)
{
    const char *escape = n > 0 ? short_escape(code, quote) : NULL;
    if (escape) {
        mpl_text_append(t, escape, 2);
    } else if (n > 0 && is_printable(code) && (code < 0x80 || !is_ascii)) {
        mpl_text_append(t, bytes, n);
    } else {
        unsigned digits = code < 0x100 ? 2 : code < 0x10000 ? 4 : 8;
        mpl_text_append(t, digits == 2 ? "\\x" : digits == 4 ? "\\u" : "\\U", 2);
        mpl_text_hex(t, code, digits);
    }
}

/* Appends as much of `s` as `limit` characters allow. Returns their count. */
static size_t append_limited(struct mpl_text *out, struct mpl_str s, size_t limit)
{
    s.len = mpl_utf8_prefix(s, limit);
    mpl_text_str(out, s);
    return mpl_utf8_count(s);
}

size_t mpl_pattern_append_repr(struct mpl_text *out, struct mpl_str s, bool is_ascii, size_t limit)
{
    bool has_single = s.len > 0 && memchr(s.ptr, '\'', s.len), has_double = s.len > 0 && memchr(s.ptr, '"', s.len);
    char quote = has_single && !has_double ? '"' : '\'';
    size_t count = append_limited(out, (struct mpl_str){&quote, 1}, limit);
    while (s.len > 0 && count < limit) {
        char text[10];
        struct mpl_text t = {text, 0, sizeof text};
        uint32_t code;
        size_t n = mpl_utf8_decode(s.ptr, s.len, &code);
        if (n == 0)
            code = (unsigned char)s.ptr[0];
        append_character(&t, s.ptr, n, code, quote, is_ascii);
        count += append_limited(out, (struct mpl_str){text, t.len}, limit - count);
        n = n ? n : 1;
        s = (struct mpl_str){s.ptr + n, s.len - n};
    }
    return count + append_limited(out, (struct mpl_str){&quote, 1}, limit - count);
}
