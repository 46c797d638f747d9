/* SPDX-License-Identifier: Unlicense */
#include "output/pyformat.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/fixed.h"
#include "base/utf8.h"
#include "output/pattern_private.h"

/* ---- parsing ---- */

struct parser {
    struct mpl_pyformat *f;
    struct mpl_str format;
    size_t at;
};

/* '\0' at the end, which is no part of a conversion. */
static char peek(const struct parser *p) { return p->at < p->format.len ? p->format.ptr[p->at] : '\0'; }

/* One of `set`: its index, and it is passed over; else -1. */
static int take_one_of(struct parser *p, const char *set)
{
    char c = peek(p);
    const char *found = c ? strchr(set, c) : NULL;
    p->at += found != NULL;
    return found ? (int)(found - set) : -1;
}

static bool read_number(struct parser *p, int16_t *number)
{
    int value = 0;
    for (; peek(p) >= '0' && peek(p) <= '9'; p->at++) {
        value = value * 10 + (peek(p) - '0');
        if (value > (int)MPL_PATTERN_WIDTH_MAX)
            return false;
    }
    *number = (int16_t)value;
    return true;
}

static bool read_conversion(struct parser *p, struct mpl_pyformat_op *op)
{
    for (int flag; (flag = take_one_of(p, "-+ #0")) >= 0;)
        op->flags |= (uint8_t)(1u << flag);
    if (!read_number(p, &op->width))
        return false;
    if (take_one_of(p, ".") == 0 && !read_number(p, &op->precision))
        return false;
    take_one_of(p, "hlL");
    op->conversion = peek(p);
    if (take_one_of(p, "srdiuoxXceEfFgG") < 0)
        return false;
    if (op->conversion == 'i' || op->conversion == 'u')
        op->conversion = 'd';
    return ++p->f->arg_count <= MPL_PYFORMAT_ARGS_MAX;
}

/* Text up to and including "%%", or up to a conversion and that, or the rest. */
static bool read_op(struct parser *p)
{
    struct mpl_pyformat_op op = {.text_from = (uint32_t)p->at, .precision = -1};
    const char *begin = p->format.ptr + p->at, *percent = memchr(begin, '%', p->format.len - p->at);
    size_t len = percent ? (size_t)(percent - begin) : p->format.len - p->at;
    p->at += len;
    op.text_len = (uint32_t)len;
    if (percent) {
        p->at++;
        if (take_one_of(p, "%") == 0)
            op.text_len++;
        else if (!read_conversion(p, &op))
            return false;
    }
    if (p->f->op_count == MPL_PYFORMAT_OPS_MAX)
        return false;
    p->f->op[p->f->op_count++] = op;
    return true;
}

bool mpl_pyformat_parse(struct mpl_pyformat *f, struct mpl_str format)
{
    struct parser p = {f, format, 0};
    f->op_count = f->arg_count = 0;
    while (p.at < format.len) {
        if (!read_op(&p))
            return false;
    }
    return true;
}

bool mpl_pyformat_takes(char conversion, enum mpl_pytype type)
{
    switch (conversion) {
    case 's': return type <= MPL_PY_TEXT;
    case 'r': return type < MPL_PY_TEXT; /* the quotes of a text depend on what Unicode calls printable */
    case 'd': return type == MPL_PY_INT || type == MPL_PY_TRUE || type == MPL_PY_FALSE;
    case 'o':
    case 'x':
    case 'X': return type == MPL_PY_INT;
    case 'c': return type == MPL_PY_INT || type == MPL_PY_TEXT;
    case '\0': return false;
    default: return type == MPL_PY_FLOAT;
    }
}

/* ---- rendering ---- */

/* Python's choice between the two notations. `digits` are all there are, with the point behind `before` of them. */
static void append_notation(struct mpl_text *out, struct mpl_str digits, int before)
{
    if (before > 16 || before < -3) {
        mpl_text_append(out, digits.ptr, 1);
        if (digits.len > 1)
            mpl_text_char(out, '.');
        mpl_text_append(out, digits.ptr + 1, digits.len - 1);
        mpl_text_str(out, before > 0 ? MPL_STR("e+") : MPL_STR("e-"));
        mpl_text_padded(out, (uint64_t)abs(before - 1), 2);
        return;
    }
    if (before <= 0) {
        mpl_text_str(out, MPL_STR("0."));
        mpl_text_fill(out, '0', (size_t)-before);
        mpl_text_str(out, digits);
        return;
    }
    size_t whole = digits.len < (size_t)before ? digits.len : (size_t)before;
    mpl_text_append(out, digits.ptr, whole);
    mpl_text_fill(out, '0', (size_t)before - whole);
    mpl_text_char(out, '.');
    if (digits.len > whole)
        mpl_text_append(out, digits.ptr + whole, digits.len - whole);
    else
        mpl_text_char(out, '0');
}

/* 15 digits survive as text in every normal number, so that fewer never do with other digits; and 17 suffice. */
static int first_precision(double magnitude) { return magnitude < 2.2250738585072014e-308 ? 1 : 15; }

/* Most floats have few digits. 15 of them make an integer below 2^53, and that divided by a power of ten below 10^23 is
 * one correctly rounded operation: if it gives the value back, no text with fewer digits but these, without zeros at
 * the end, does. False: another number of digits, or another notation. */
static bool append_short_float(struct mpl_text *out, double value)
{
    static const double powers[] = {1e-3, 1e-2, 1e-1, 1,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
    const double *limit = powers, *power_of_0 = powers + 3;
    unsigned precision = 18; /* below 0.001, where the first three are zeros */
    struct mpl_fixed fixed;
    uint64_t bits;
    if (!(value >= 1e-4 && value < 1e14))
        return false;
    for (; value >= *limit; limit++)
        precision--;
    memcpy(&bits, &value, sizeof bits);
    if (!mpl_fixed_of(&fixed, bits, precision))
        return false;
    uint64_t digits = fixed.whole * (uint64_t)power_of_0[precision] + fixed.places;
    if ((double)digits / power_of_0[precision] != value)
        return false;
    for (; precision > 1 && fixed.places % 10 == 0; precision--)
        fixed.places /= 10;
    mpl_text_u64(out, fixed.whole);
    mpl_text_char(out, '.');
    mpl_text_padded(out, fixed.places, precision);
    return true;
}

void mpl_pyformat_append_float(struct mpl_text *out, double value)
{
    char text[MPL_PYFORMAT_FLOAT_MAX], digits[MPL_PYFORMAT_FLOAT_MAX];
    if (value != value) {
        mpl_text_str(out, MPL_STR("nan"));
        return;
    }
    if (__builtin_signbit(value))
        mpl_text_char(out, '-');
    value = __builtin_fabs(value);
    if (__builtin_isinf(value)) {
        mpl_text_str(out, MPL_STR("inf"));
        return;
    }
    if (append_short_float(out, value))
        return;
    for (int precision = first_precision(value); precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, value);
        if (strtod(text, NULL) == value)
            break;
    }
    const char *e = strchr(text, 'e');
    size_t n = 0;
    for (const char *c = text; c < e; c++) {
        if (*c != '.')
            digits[n++] = *c;
    }
    while (n > 1 && digits[n - 1] == '0')
        n--;
    append_notation(out, (struct mpl_str){digits, n}, (int)strtol(e + 1, NULL, 10) + 1);
}

static void append_padded(struct mpl_text *out, const struct mpl_pyformat_op *op, struct mpl_str s, size_t characters)
{
    size_t padding = (size_t)op->width > characters ? (size_t)op->width - characters : 0;
    if (!(op->flags & MPL_FLAG_LEFT))
        mpl_text_fill(out, ' ', padding);
    mpl_text_str(out, s);
    if (op->flags & MPL_FLAG_LEFT)
        mpl_text_fill(out, ' ', padding);
}

/* Width and precision count characters. */
static void append_text(struct mpl_text *out, const struct mpl_pyformat_op *op, struct mpl_str s)
{
    if (op->precision >= 0)
        s.len = mpl_utf8_prefix(s, (size_t)op->precision);
    append_padded(out, op, s, op->width > 0 ? mpl_utf8_count(s) : 0);
}

/* %s and %r of anything but text: flags other than '-' mean nothing, and a precision cuts it. */
static void append_word(struct mpl_text *out, const struct mpl_pyformat_op *op, const struct mpl_pyarg *arg)
{
    char buffer[MPL_PYFORMAT_FLOAT_MAX];
    struct mpl_text t = {buffer, 0, sizeof buffer};
    switch (arg->type) {
    case MPL_PY_NONE: mpl_text_str(&t, MPL_STR("None")); break;
    case MPL_PY_TRUE: mpl_text_str(&t, MPL_STR("True")); break;
    case MPL_PY_FALSE: mpl_text_str(&t, MPL_STR("False")); break;
    case MPL_PY_INT: mpl_text_i64(&t, arg->number); break;
    default: mpl_pyformat_append_float(&t, arg->real); break;
    }
    append_text(out, op, (struct mpl_str){buffer, t.len});
}

static void append_character(struct mpl_text *out, struct mpl_pyformat_op op, const struct mpl_pyarg *arg)
{
    char bytes[4];
    struct mpl_str s = arg->text;
    op.precision = -1; /* ignored */
    if (arg->type == MPL_PY_INT)
        s = (struct mpl_str){bytes, mpl_utf8_encode((uint32_t)arg->number, bytes)};
    append_text(out, &op, s);
}

static void append_number(struct mpl_text *out, const struct mpl_pyformat_op *op, const struct mpl_pyarg *arg)
{
    const struct mpl_pattern_op like = {
        .width = op->width, .precision = op->precision, .flags = op->flags, .conversion = op->conversion};
    struct mpl_pattern_number n = {.is_float = arg->type == MPL_PY_FLOAT};
    if (n.is_float) {
        n.is_negative = __builtin_signbit(arg->real) && arg->real == arg->real;
        n.value = n.is_negative ? -arg->real : arg->real;
    } else {
        int64_t value = arg->type == MPL_PY_INT ? arg->number : arg->type == MPL_PY_TRUE;
        n.is_negative = value < 0;
        n.magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    }
    mpl_pattern_append_number(out, &like, &n);
}

static void append_conversion(struct mpl_text *out, const struct mpl_pyformat_op *op, const struct mpl_pyarg *arg)
{
    if (!mpl_pyformat_takes(op->conversion, arg->type))
        return;
    if (op->conversion == 'c')
        append_character(out, *op, arg);
    else if (op->conversion != 's' && op->conversion != 'r')
        append_number(out, op, arg);
    else if (arg->type == MPL_PY_TEXT)
        append_text(out, op, arg->text);
    else
        append_word(out, op, arg);
}

void mpl_pyformat_render(const struct mpl_pyformat *f, struct mpl_str format, const struct mpl_pyarg *args,
                         struct mpl_text *out)
{
    for (uint32_t i = 0; i < f->op_count; i++) {
        const struct mpl_pyformat_op *op = &f->op[i];
        mpl_text_append(out, format.ptr + op->text_from, op->text_len);
        if (op->conversion)
            append_conversion(out, op, args++);
    }
}
