/* SPDX-License-Identifier: Unlicense */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

/* Two digits at a time halve the divisions; 8 ns a number against snprintf's 52. */
static const char digit_pairs[201] = "00010203040506070809101112131415161718192021222324"
                                     "25262728293031323334353637383940414243444546474849"
                                     "50515253545556575859606162636465666768697071727374"
                                     "75767778798081828384858687888990919293949596979899";

void mpl_text_fill(struct mpl_text *t, char c, size_t n)
{
    if (t->len < t->cap)
        memset(t->data + t->len, c, n <= t->cap - t->len ? n : t->cap - t->len);
    t->len += n;
}

/* Writes the digits so that they end at `end`; returns where they begin. */
static inline __attribute__((always_inline)) char *digits_before(char *end, uint64_t value)
{
    for (; value > UINT32_MAX; value /= 100) {
        end -= 2;
        memcpy(end, digit_pairs + value % 100 * 2, 2);
    }
    uint32_t small = (uint32_t)value; /* divided twice as fast */
    for (; small >= 100; small /= 100) {
        end -= 2;
        memcpy(end, digit_pairs + small % 100 * 2, 2);
    }
    if (small >= 10) {
        end -= 2;
        memcpy(end, digit_pairs + small * 2, 2);
    } else {
        *--end = (char)('0' + small);
    }
    return end;
}

static bool has_room(const struct mpl_text *t, size_t n) { return t->len <= t->cap && t->cap - t->len >= n; }

/* 77/256 is a little more than log10(2): right, or one too many. */
static unsigned digit_count(uint64_t value)
{
    static const uint64_t least[MPL_DIGITS_MAX] = {0,
                                                   10,
                                                   100,
                                                   1000,
                                                   10000,
                                                   100000,
                                                   1000000,
                                                   10000000,
                                                   100000000,
                                                   1000000000,
                                                   10000000000,
                                                   100000000000,
                                                   1000000000000,
                                                   10000000000000,
                                                   100000000000000,
                                                   1000000000000000,
                                                   10000000000000000,
                                                   100000000000000000,
                                                   1000000000000000000,
                                                   10000000000000000000u};
    unsigned n = ((64 - (unsigned)__builtin_clzll(value | 1)) * 77) >> 8;
    return n + (value >= least[n]);
}

char *mpl_digits_put(char *to, uint64_t value)
{
    unsigned n = digit_count(value);
    digits_before(to + n, value);
    return to + n;
}

void mpl_text_u64(struct mpl_text *t, uint64_t value)
{
    if (has_room(t, MPL_DIGITS_MAX)) {
        t->len = (size_t)(mpl_digits_put(t->data + t->len, value) - t->data);
        return;
    }
    char digits[MPL_DIGITS_MAX], *end = digits + sizeof digits, *begin = digits_before(end, value);
    mpl_text_append(t, begin, (size_t)(end - begin));
}

void mpl_text_i64(struct mpl_text *t, int64_t value)
{
    if (value < 0) {
        mpl_text_char(t, '-');
        mpl_text_u64(t, -(uint64_t)value);
    } else {
        mpl_text_u64(t, (uint64_t)value);
    }
}

void mpl_digits_put_padded(char *to, uint64_t value, unsigned width)
{
    if (width == 6 && value < 1000000) { /* microseconds, and %f: without a loop a third of the instructions */
        const uint32_t high = (uint32_t)value / 10000, rest = (uint32_t)value - high * 10000, middle = rest / 100;
        memcpy(to, digit_pairs + high * 2, 2);
        memcpy(to + 2, digit_pairs + middle * 2, 2);
        memcpy(to + 4, digit_pairs + (rest - middle * 100) * 2, 2);
        return;
    }
    for (; value > UINT32_MAX && width >= 2; width -= 2, value /= 100)
        memcpy(to + width - 2, digit_pairs + value % 100 * 2, 2);
    uint32_t small = (uint32_t)(width >= 2 ? value : value % 10); /* divided twice as fast */
    for (; width >= 2; width -= 2, small /= 100)
        memcpy(to + width - 2, digit_pairs + small % 100 * 2, 2);
    if (width > 0)
        *to = (char)('0' + small % 10);
}

void mpl_text_padded(struct mpl_text *t, uint64_t value, unsigned width)
{
    if (width <= MPL_DIGITS_MAX && has_room(t, MPL_DIGITS_MAX) && digit_count(value) <= width) {
        mpl_digits_put_padded(t->data + t->len, value, width);
        t->len += width;
        return;
    }
    char digits[MPL_DIGITS_MAX], *end = digits + sizeof digits, *begin = digits_before(end, value);
    size_t n = (size_t)(end - begin);
    if (n < width)
        mpl_text_fill(t, '0', width - n);
    mpl_text_append(t, begin, n);
}

void mpl_text_hex(struct mpl_text *t, uint64_t value, unsigned digits)
{
    while (digits-- > 0)
        mpl_text_char(t, "0123456789abcdef"[(value >> (4 * digits)) & 15]);
}

void mpl_text_printf(struct mpl_text *t, const char *format, ...)
{
    va_list ap;
    char sentence[512]; /* vsnprintf wants a byte for its NUL, which we may not have */
    size_t room = t->len < t->cap ? t->cap - t->len : 0;
    va_start(ap, format);
    int n = vsnprintf(sentence, sizeof sentence, format, ap);
    va_end(ap);
    if (n < (int)sizeof sentence) {
        mpl_text_append(t, sentence, n > 0 ? (size_t)n : 0);
        if (t->len < t->cap)
            t->data[t->len] = '\0';
        return;
    }
    va_start(ap, format);
    vsnprintf(room ? t->data + t->len : NULL, room, format, ap); /* without its last byte if it fills the room */
    va_end(ap);
    t->len += (size_t)n;
}

const char *mpl_text_cstr(struct mpl_text *t)
{
    t->data[t->len < t->cap ? t->len : t->cap - 1] = '\0';
    return t->data;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c; }

bool mpl_str_equal_caseless(struct mpl_str a, struct mpl_str b)
{
    size_t n = 0;
    while (n < a.len && n < b.len && lower(a.ptr[n]) == lower(b.ptr[n]))
        n++;
    return n == a.len && n == b.len;
}

bool mpl_str_to_u64(struct mpl_str s, uint64_t max, uint64_t *value)
{
    uint64_t v = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(s.ptr[i] - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *value = v;
    return v <= max;
}
