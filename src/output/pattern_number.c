/* SPDX-License-Identifier: Unlicense */
#include <stdio.h>
#include <stdlib.h>

#include "output/pattern_private.h"
#include "output/pyformat.h"

/* Beside a full precision: the 309 digits that a float may have in front of its point, or an exponent. */
#define DIGITS_MAX (MPL_PATTERN_WIDTH_MAX + 400u)

#define DEFAULT_PRECISION 6 /* of e, f and g */

/* A number in three parts, between which padding comes. */
struct parts {
    char sign; /* '\0': none */
    struct mpl_str prefix, digits;
};

static void append_base(struct mpl_text *t, uint64_t value, unsigned bits_a_digit, const char *alphabet)
{
    unsigned shift = 0;
    while (shift + bits_a_digit < 64 && value >> (shift + bits_a_digit))
        shift += bits_a_digit;
    for (;; shift -= bits_a_digit) {
        mpl_text_char(t, alphabet[value >> shift & ((1u << bits_a_digit) - 1)]);
        if (shift == 0)
            break;
    }
}

static void append_digits(struct mpl_text *t, uint64_t value, char conversion)
{
    if (conversion == 'o')
        append_base(t, value, 3, "01234567");
    else if (conversion == 'x' || conversion == 'X')
        append_base(t, value, 4, conversion == 'x' ? "0123456789abcdef" : "0123456789ABCDEF");
    else
        mpl_text_u64(t, value);
}

/* d, o, x and X: the precision is the least count of digits. Unlike C, 0 with precision 0 is "0". */
static void append_int(struct mpl_text *t, const struct mpl_pattern_op *op, uint64_t value)
{
    struct mpl_text count = {NULL, 0, 0};
    append_digits(&count, value, op->conversion);
    if (op->precision > 0 && count.len < (size_t)op->precision)
        mpl_text_fill(t, '0', (size_t)op->precision - count.len);
    append_digits(t, value, op->conversion);
}

static void append_snprintf(struct mpl_text *t, const char *format, int precision, double value)
{
    char digits[DIGITS_MAX];
    int n = snprintf(digits, sizeof digits, format, precision, value);
    if (n > 0)
        mpl_text_append(t, digits, (size_t)n < sizeof digits ? (size_t)n : sizeof digits - 1);
}

/* glibc 2.36 writes 999.9999 by "%#.3g" as "1.e+03", without the zeros the flag asks for. So this is what the standard
 * says about g: e, or f if the exponent e would show is from -4 to below the precision. */
static void append_alternate_g(struct mpl_text *t, bool is_upper, int precision, double value)
{
    char digits[DIGITS_MAX];
    precision = precision > 0 ? precision : 1;
    snprintf(digits, sizeof digits, "%.*e", precision - 1, value);
    long exponent = strtol(strchr(digits, 'e') + 1, NULL, 10);
    if (exponent >= -4 && exponent < precision)
        append_snprintf(t, "%#.*f", precision - 1 - (int)exponent, value);
    else
        append_snprintf(t, is_upper ? "%#.*E" : "%#.*e", precision - 1, value);
}

/* e, f and g, which Python and C write alike. */
static void append_float(struct mpl_text *t, const struct mpl_pattern_op *op, double value)
{
    char conversion = op->conversion;
    bool is_alternate = op->flags & MPL_FLAG_ALT;
    char plain_format[] = {'%', '.', '*', conversion, '\0'};
    char alternate_format[] = {'%', '#', '.', '*', conversion, '\0'};
    int precision = op->precision >= 0 ? op->precision : DEFAULT_PRECISION;
    if (!__builtin_isfinite(value)) {
        bool is_upper = conversion < 'a';
        mpl_text_str(t, value != value ? (is_upper ? MPL_STR("NAN") : MPL_STR("nan"))
                                       : (is_upper ? MPL_STR("INF") : MPL_STR("inf")));
        return;
    }
    if (is_alternate && (conversion == 'g' || conversion == 'G'))
        append_alternate_g(t, conversion == 'G', precision, value);
    else
        append_snprintf(t, is_alternate ? alternate_format : plain_format, precision, value);
}

static double to_float(const struct mpl_pattern_number *n) { return n->is_float ? n->value : (double)n->magnitude; }
static uint64_t to_int(const struct mpl_pattern_number *n) { return n->is_float ? (uint64_t)n->value : n->magnitude; }

/* Precision cuts, and the sign is text like the rest. */
static void append_as_text(struct mpl_text *out, const struct mpl_pattern_op *op, const struct mpl_pattern_number *n)
{
    char text[40];
    struct mpl_text t = {text, 0, sizeof text};
    if (n->is_negative)
        mpl_text_char(&t, '-');
    if (n->is_float)
        mpl_pyformat_append_float(&t, n->value);
    else
        mpl_text_u64(&t, n->magnitude);
    if (op->precision >= 0 && t.len > (size_t)op->precision)
        t.len = (size_t)op->precision;
    size_t padding = (size_t)op->width > t.len ? (size_t)op->width - t.len : 0;
    if (!(op->flags & MPL_FLAG_LEFT))
        mpl_text_fill(out, ' ', padding);
    mpl_text_append(out, text, t.len);
    if (op->flags & MPL_FLAG_LEFT)
        mpl_text_fill(out, ' ', padding);
}

static void append_parts(struct mpl_text *out, const struct mpl_pattern_op *op, const struct parts *parts)
{
    size_t len = (parts->sign != '\0') + parts->prefix.len + parts->digits.len;
    size_t padding = (size_t)op->width > len ? (size_t)op->width - len : 0;
    bool is_left = op->flags & MPL_FLAG_LEFT, is_zero = op->flags & MPL_FLAG_ZERO;
    if (!is_left && !is_zero)
        mpl_text_fill(out, ' ', padding);
    if (parts->sign)
        mpl_text_char(out, parts->sign);
    mpl_text_str(out, parts->prefix);
    if (!is_left && is_zero)
        mpl_text_fill(out, '0', padding);
    mpl_text_str(out, parts->digits);
    if (is_left)
        mpl_text_fill(out, ' ', padding);
}

static struct mpl_str prefix_of(const struct mpl_pattern_op *op)
{
    if (!(op->flags & MPL_FLAG_ALT))
        return MPL_STR("");
    return op->conversion == 'x'   ? MPL_STR("0x")
           : op->conversion == 'X' ? MPL_STR("0X")
           : op->conversion == 'o' ? MPL_STR("0o")
                                   : MPL_STR("");
}

void mpl_pattern_append_number(struct mpl_text *out, const struct mpl_pattern_op *op,
                               const struct mpl_pattern_number *n)
{
    char digits[DIGITS_MAX];
    struct mpl_text t = {digits, 0, sizeof digits};
    bool is_negative = n->is_negative;
    if (strchr("sra", op->conversion)) {
        append_as_text(out, op, n);
        return;
    }
    if (strchr("eEfFgG", op->conversion)) {
        append_float(&t, op, to_float(n));
    } else {
        append_int(&t, op, to_int(n));
        is_negative = is_negative && to_int(n) > 0;
    }
    struct parts parts = {
        .sign = is_negative                  ? '-'
                : op->flags & MPL_FLAG_PLUS  ? '+'
                : op->flags & MPL_FLAG_SPACE ? ' '
                                             : '\0',
        .prefix = prefix_of(op),
        .digits = {digits, mpl_text_fits(&t) ? t.len : t.cap},
    };
    append_parts(out, op, &parts);
}
