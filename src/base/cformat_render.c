/* SPDX-License-Identifier: Unlicense */
#include "base/cformat.h"

#include <float.h>
#include <stdio.h>

#include "base/error.h"
#include "base/fixed.h"
#include "base/utf8.h"

#define OCTAL_DIGITS_MAX 22 /* of 2^64 - 1; the longest of all bases */

/* Binary digits behind the point in the smallest number of a type: as many decimal ones it has at most. */
#define DOUBLE_PLACES (DBL_MANT_DIG - DBL_MIN_EXP)
#define LONG_DOUBLE_PLACES (LDBL_MANT_DIG - LDBL_MIN_EXP)

/* Room for the places, the digits of 2^53 or 2^113 in front of them, sign, point, exponent and NUL. Larger numbers have
 * no places (useful_precision), and fewer digits than that. */
#define DOUBLE_TEXT_MAX (DOUBLE_PLACES + 32)
#define LONG_DOUBLE_TEXT_MAX (LONG_DOUBLE_PLACES + 64)

#define ERRNO_TEXT_MAX 64 /* libc's longest has 50 bytes */

/* A conversion's flags and numbers with its arguments looked up. */
struct layout {
    uint8_t flags;
    int precision; /* -1: none */
    size_t width;
};

/* A number's parts in the order in which they are written. */
struct number {
    struct mpl_str prefix; /* sign, "0x" */
    size_t zeros;
    struct mpl_str digits;
    size_t zeros_behind;
    struct mpl_str exponent;
};

/* A negative width from an argument is the flag '-' and a width; a negative precision is none. */
static struct layout layout_of(const struct mpl_conversion *c, const struct mpl_arg *args)
{
    /* 64 bits: -INT_MIN is a width, too. */
    int64_t width = c->width_arg >= 0 ? (int)args[c->width_arg].word : c->width;
    int precision = c->precision_arg >= 0 ? (int)args[c->precision_arg].word : c->precision;
    struct layout l = {c->flags, precision < 0 ? -1 : precision, 0};
    if (c->width_arg >= 0 && width < 0) {
        l.flags |= MPL_CFORMAT_LEFT;
        width = -width;
    }
    l.width = width > 0 ? (size_t)width : 0;
    return l;
}

/* mpl_text_fill is a call, and there is mostly nothing to fill. */
static inline void fill(struct mpl_text *out, char c, size_t n)
{
    if (n > 0)
        mpl_text_fill(out, c, n);
}

/* Text takes no other padding than spaces, whatever the flags. */
static void append_padded(struct mpl_text *out, const struct layout *l, struct mpl_str s)
{
    const size_t padding = l->width > s.len ? l->width - s.len : 0;
    const bool is_left = l->flags & MPL_CFORMAT_LEFT;
    fill(out, ' ', is_left ? 0 : padding);
    mpl_text_str(out, s);
    fill(out, ' ', is_left ? padding : 0);
}

/* Padding is filled into `out` itself: no width is too large for a buffer. '-' overrides '0'. */
static void append_number(struct mpl_text *out, const struct layout *l, const struct number *n)
{
    const size_t len = n->prefix.len + n->zeros + n->digits.len + n->zeros_behind + n->exponent.len;
    const size_t padding = l->width > len ? l->width - len : 0;
    const bool is_left = l->flags & MPL_CFORMAT_LEFT, is_zero_padded = !is_left && l->flags & MPL_CFORMAT_ZERO;
    fill(out, ' ', is_left || is_zero_padded ? 0 : padding);
    mpl_text_str(out, n->prefix);
    fill(out, '0', n->zeros + (is_zero_padded ? padding : 0));
    mpl_text_str(out, n->digits);
    fill(out, '0', n->zeros_behind);
    mpl_text_str(out, n->exponent);
    fill(out, ' ', is_left ? padding : 0);
}

/* "" if there is to be none. */
static struct mpl_str sign_of(const struct layout *l, bool is_negative)
{
    if (is_negative)
        return MPL_STR("-");
    if (l->flags & MPL_CFORMAT_PLUS)
        return MPL_STR("+");
    return l->flags & MPL_CFORMAT_SPACE ? MPL_STR(" ") : MPL_STR("");
}

unsigned mpl_cformat_unused_bits(uint8_t length)
{
    static const uint8_t size[] = {
        [MPL_LENGTH_INT] = sizeof(int),
        [MPL_LENGTH_CHAR] = sizeof(char),
        [MPL_LENGTH_SHORT] = sizeof(short),
        [MPL_LENGTH_LONG] = sizeof(long),
        [MPL_LENGTH_LONG_LONG] = sizeof(long long),
        [MPL_LENGTH_INTMAX] = sizeof(intmax_t),
        [MPL_LENGTH_SIZE] = sizeof(size_t),
        [MPL_LENGTH_PTRDIFF] = sizeof(ptrdiff_t),
    };
    return 64u - 8u * size[length];
}

static uint64_t unsigned_value(uint64_t word, uint8_t length)
{
    unsigned unused = mpl_cformat_unused_bits(length);
    return word << unused >> unused;
}

/* gcc and clang shift negative numbers arithmetically, which spreads the sign. */
static int64_t signed_value(uint64_t word, uint8_t length)
{
    unsigned unused = mpl_cformat_unused_bits(length);
    return (int64_t)(word << unused) >> unused;
}

static bool is_signed(char conversion) { return conversion == 'd' || conversion == 'i'; }

/* Appends `value` to the base 2^shift. */
static void append_power_base(struct mpl_text *out, uint64_t value, unsigned shift, const char *alphabet)
{
    char digits[OCTAL_DIGITS_MAX], *end = digits + sizeof digits, *begin = end;
    do {
        *--begin = alphabet[value & ((1u << shift) - 1)];
        value >>= shift;
    } while (value > 0);
    mpl_text_append(out, begin, (size_t)(end - begin));
}

static void append_digits(struct mpl_text *out, char conversion, uint64_t value)
{
    if (conversion == 'x')
        append_power_base(out, value, 4, "0123456789abcdef");
    else if (conversion == 'X')
        append_power_base(out, value, 4, "0123456789ABCDEF");
    else if (conversion == 'o')
        append_power_base(out, value, 3, "01234567");
    else
        mpl_text_u64(out, value);
}

/* `sign` is "" for the unsigned conversions. A precision overrules the flag '0', and at precision 0 the value 0 has no
 * digits. '#' makes octal begin with a zero, if it does not already. */
static void append_integer(struct mpl_text *out, struct layout l, char conversion, struct mpl_str sign, uint64_t value)
{
    char digits[OCTAL_DIGITS_MAX], prefix[3];
    struct mpl_text d = {digits, 0, sizeof digits}, p = {prefix, 0, sizeof prefix};
    if (value != 0 || l.precision != 0)
        append_digits(&d, conversion, value);
    struct number n = {.digits = {digits, d.len}};
    if (l.precision >= 0) {
        l.flags &= (uint8_t)~MPL_CFORMAT_ZERO;
        n.zeros = (size_t)l.precision > d.len ? (size_t)l.precision - d.len : 0;
    }
    mpl_text_str(&p, sign);
    if (l.flags & MPL_CFORMAT_ALT && conversion == 'o' && n.zeros == 0 && (d.len == 0 || digits[0] != '0'))
        n.zeros = 1;
    else if (l.flags & MPL_CFORMAT_ALT && value != 0 && (conversion == 'x' || conversion == 'X'))
        mpl_text_append(&p, conversion == 'x' ? "0x" : "0X", 2);
    n.prefix = (struct mpl_str){prefix, p.len};
    append_number(out, &l, &n);
}

static void append_int(struct mpl_text *out, const struct layout *l, const struct mpl_conversion *c, uint64_t word)
{
    if (is_signed(c->conversion)) {
        int64_t value = signed_value(word, c->length);
        append_integer(out, *l, c->conversion, sign_of(l, value < 0), value < 0 ? -(uint64_t)value : (uint64_t)value);
    } else {
        append_integer(out, *l, c->conversion, MPL_STR(""), unsigned_value(word, c->length));
    }
}

/* As glibc: flags and all as for %#x. */
static void append_pointer(struct mpl_text *out, struct layout l, uint64_t word)
{
    l.flags |= MPL_CFORMAT_ALT;
    if (word)
        append_integer(out, l, 'x', sign_of(&l, false), word);
    else
        append_padded(out, &l, MPL_STR("(nil)"));
}

/* glibc ignores a precision here; the width counts bytes. */
static void append_char(struct mpl_text *out, const struct layout *l, const struct mpl_conversion *c, uint64_t word)
{
    char bytes[4] = {(char)word};
    size_t n = c->length == MPL_LENGTH_LONG ? mpl_utf8_encode((uint32_t)word, bytes) : 1;
    append_padded(out, l, (struct mpl_str){bytes, n});
}

/* The precision counts bytes. It may have been applied when the string was captured, but another conversion may show
 * more of the same argument. */
static void append_string(struct mpl_text *out, const struct layout *l, const struct mpl_conversion *c,
                          struct mpl_str s)
{
    size_t limit = l->precision < 0 ? MPL_NO_LIMIT : (size_t)l->precision;
    if (!s.ptr)
        s = limit < 6 ? MPL_STR("") : MPL_STR("(null)"); /* glibc shows all of it or nothing */
    if (s.len > limit) {
        s.len = limit;
        /* A wide string is cut between characters. */
        while (c->length == MPL_LENGTH_LONG && s.len > 0 && ((unsigned char)s.ptr[s.len] & 0xc0) == 0x80)
            s.len--;
    }
    append_padded(out, l, s);
}

static void append_error(struct mpl_text *out, const struct layout *l, const struct mpl_conversion *c, int error)
{
    char text[ERRNO_TEXT_MAX];
    append_string(out, l, c, mpl_str_from(mpl_errno_text(error, text, sizeof text)));
}

/* False, and nothing is written: the value or the precision is too large for it. */
static bool append_fixed(struct mpl_text *out, const struct layout *l, uint64_t bits)
{
    const unsigned precision = l->precision < 0 ? 6 : (unsigned)l->precision; /* 6: the C standard's default */
    char text[MPL_FIXED_TEXT_MAX];
    const char *end = precision <= MPL_FIXED_PRECISION_MAX ? mpl_fixed_put(text, bits & INT64_MAX, precision) : NULL;
    if (!end)
        return false;
    append_number(out, l, &(struct number){.prefix = sign_of(l, bits >> 63),
                                           .digits = {text, (size_t)(end - text)},
                                           .exponent = precision == 0 && l->flags & MPL_CFORMAT_ALT ? MPL_STR(".")
                                                                                                    : MPL_STR("")});
    return true;
}

static double double_from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static bool is_fixed(char conversion) { return conversion == 'f' || conversion == 'F'; }

/* A precision beyond which there are only zeros, small enough for the buffers. libc would make these zeros in memory of
 * its own; here they are filled in. 1 rather than 0 keeps the point. */
static int useful_precision(const struct mpl_conversion *c, const struct mpl_arg *arg)
{
    if (c->length == MPL_LENGTH_LONG_DOUBLE) {
        long double value = arg->long_double, integers = 2 / LDBL_EPSILON; /* all integers from here on */
        return is_fixed(c->conversion) && (value >= integers || -value >= integers) ? 1 : LONG_DOUBLE_PLACES;
    }
    double value = double_from_bits(arg->word), integers = 2 / DBL_EPSILON;
    return is_fixed(c->conversion) && (value >= integers || -value >= integers) ? 1 : DOUBLE_PLACES;
}

/* As snprintf, without width. The precision goes as an argument, negative for none, which keeps the spec short. Where
 * snprintf fails for want of memory, the text is as far as it got. */
static int print(char *text, size_t size, const struct mpl_conversion *c, int precision, const struct mpl_arg *arg)
{
    char spec[sizeof "%+ #.*Lf"];
    struct mpl_text s = {spec, 0, sizeof spec};
    mpl_text_char(&s, '%');
    if (c->flags & MPL_CFORMAT_PLUS)
        mpl_text_char(&s, '+');
    if (c->flags & MPL_CFORMAT_SPACE)
        mpl_text_char(&s, ' ');
    if (c->flags & MPL_CFORMAT_ALT)
        mpl_text_char(&s, '#');
    mpl_text_append(&s, ".*L", c->length == MPL_LENGTH_LONG_DOUBLE ? 3 : 2);
    mpl_text_char(&s, c->conversion);
    mpl_text_cstr(&s);
    text[0] = '\0';
    return c->length == MPL_LENGTH_LONG_DOUBLE ? snprintf(text, size, spec, precision, arg->long_double)
                                               : snprintf(text, size, spec, precision, double_from_bits(arg->word));
}

/* Appends what libc wrote, with padding, and with `zeros` more digits in front of the exponent. */
static void append_printed(struct mpl_text *out, struct layout l, char conversion, const char *text, size_t zeros)
{
    const bool is_hex = conversion == 'a' || conversion == 'A';
    if (l.width == 0 && zeros == 0) {
        mpl_text_append(out, text, strlen(text));
        return;
    }
    size_t prefix = text[0] == '-' || text[0] == '+' || text[0] == ' ', len = strlen(text);
    struct number n = {.zeros_behind = zeros};
    if (text[prefix] >= '0' && text[prefix] <= '9') {
        /* An 'e' may be a hexadecimal digit. */
        const char *exponent = is_fixed(conversion) ? NULL : strpbrk(text, is_hex ? "pP" : "eE");
        prefix += is_hex ? 2 : 0;
        n.exponent = mpl_str_from(exponent);
    } else { /* nan, inf */
        l.flags &= (uint8_t)~MPL_CFORMAT_ZERO;
        n.zeros_behind = 0;
    }
    n.prefix = (struct mpl_str){text, prefix};
    n.digits = (struct mpl_str){text + prefix, len - prefix - n.exponent.len};
    append_number(out, &l, &n);
}

/* A frame of its own, which only thousands of digits of a long double ever need. */
__attribute__((noinline)) static void append_huge(struct mpl_text *out, const struct layout *l,
                                                  const struct mpl_conversion *c, int precision, size_t zeros,
                                                  const struct mpl_arg *arg)
{
    char text[LONG_DOUBLE_TEXT_MAX];
    print(text, sizeof text, c, precision, arg);
    append_printed(out, *l, c->conversion, text, zeros);
}

/* What only libc knows how to do. noinline: the frame is large, and other conversions may be on a small stack. */
__attribute__((noinline)) static void append_by_libc(struct mpl_text *out, const struct layout *l,
                                                     const struct mpl_conversion *c, const struct mpl_arg *arg)
{
    char text[DOUBLE_TEXT_MAX];
    const int useful = useful_precision(c, arg), precision = l->precision < useful ? l->precision : useful;
    /* %g drops zeros at the end; it keeps its choice of notation, as every exponent is below the useful precision. */
    const bool is_trimmed = (c->conversion == 'g' || c->conversion == 'G') && !(c->flags & MPL_CFORMAT_ALT);
    const size_t zeros = is_trimmed ? 0 : (size_t)(l->precision - precision);
    if (print(text, sizeof text, c, precision, arg) < (int)sizeof text)
        append_printed(out, *l, c->conversion, text, zeros);
    else
        append_huge(out, l, c, precision, zeros, arg);
}

static void append_float(struct mpl_text *out, const struct layout *l, const struct mpl_conversion *c,
                         const struct mpl_arg *arg)
{
    if (!is_fixed(c->conversion) || c->length == MPL_LENGTH_LONG_DOUBLE || !append_fixed(out, l, arg->word))
        append_by_libc(out, l, c, arg);
}

/* The conversions of nearly all log messages, without the detour over a layout. False: not one of them. */
static bool append_plain(struct mpl_text *out, const struct mpl_conversion *c, const struct mpl_arg *arg)
{
    if (c->flags || (c->width & c->precision & c->width_arg & c->precision_arg) != -1) /* each is -1 */
        return false;
    switch (c->conversion) {
    case 'd':
    case 'i': mpl_text_i64(out, signed_value(arg->word, c->length)); return true;
    case 'u':
    case 'x': append_digits(out, c->conversion, unsigned_value(arg->word, c->length)); return true;
    case 's':
        if (arg->str.ptr)
            mpl_text_str(out, arg->str);
        return arg->str.ptr;
    case 'c':
        if (c->length == MPL_LENGTH_INT)
            mpl_text_char(out, (char)arg->word);
        return c->length == MPL_LENGTH_INT;
    default: return false;
    }
}

/* Any conversion. */
static void append_laid_out(struct mpl_text *out, const struct mpl_conversion *c, struct layout l,
                            const struct mpl_arg *arg, int error)
{
    switch (c->conversion) {
    case 's': append_string(out, &l, c, arg->str); break;
    case 'c': append_char(out, &l, c, arg->word); break;
    case 'p': append_pointer(out, l, arg->word); break;
    case 'm': append_error(out, &l, c, error); break;
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X': append_int(out, &l, c, arg->word); break;
    default: append_float(out, &l, c, arg);
    }
}

void mpl_cformat_render(const struct mpl_cformat *f, struct mpl_str format, const struct mpl_arg *args, int error,
                        struct mpl_text *out)
{
    for (uint32_t i = 0; i < f->conversion_count; i++) {
        const struct mpl_conversion *c = &f->conversion[i];
        const struct mpl_arg *arg = c->arg >= 0 ? args + c->arg : NULL; /* none: %m */
        if (c->conversion == '\0')
            mpl_text_append(out, format.ptr + c->text_from, c->text_len);
        else if (!append_plain(out, c, arg))
            append_laid_out(out, c, layout_of(c, args), arg, error);
    }
}
