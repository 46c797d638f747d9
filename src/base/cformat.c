/* SPDX-License-Identifier: Unlicense */
#include "base/cformat.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdatomic.h>
#include <wchar.h>

#include "base/utf8.h"

/* A format while it is read. Functions that read return 0 or a negative errno, and leave `at` behind what they took. */
struct parser {
    struct mpl_cformat *f;
    struct mpl_str format;
    size_t at;
    int next_arg;                     /* of a format without positions */
    bool has_positions, has_sequence; /* one format may not have both: the C standard gives that no meaning */
};

static const struct mpl_conversion blank_conversion = {
    .arg = -1,
    .width_arg = -1,
    .precision_arg = -1,
    .width = -1,
    .precision = -1,
};

/* The longer spelling before its own beginning. 'q' and 'Z' are glibc's old names. */
static const struct {
    const char *spelling;
    uint8_t length;
} lengths[] = {
    {"hh", MPL_LENGTH_CHAR},     {"h", MPL_LENGTH_SHORT}, {"ll", MPL_LENGTH_LONG_LONG}, {"l", MPL_LENGTH_LONG},
    {"j", MPL_LENGTH_INTMAX},    {"z", MPL_LENGTH_SIZE},  {"t", MPL_LENGTH_PTRDIFF},    {"L", MPL_LENGTH_LONG_DOUBLE},
    {"q", MPL_LENGTH_LONG_LONG}, {"Z", MPL_LENGTH_SIZE},
};

#define LENGTH(name) (1u << MPL_LENGTH_##name)
#define ANY_LENGTH UINT32_MAX

/* Which length modifiers a conversion takes. "ll" and "L" mean the same to glibc: long long or long double. What has no
 * meaning in C is refused, also where glibc has one by chance: its "%zs" follows a char pointer as one to wchar_t. */
static const struct {
    const char *conversions;
    uint8_t class;
    uint32_t lengths;
} kinds[] = {
    {"diuoxX", MPL_ARG_INT, ANY_LENGTH},
    {"eEfFgGaA", MPL_ARG_DOUBLE, LENGTH(INT) | LENGTH(LONG) | LENGTH(LONG_LONG) | LENGTH(LONG_DOUBLE)},
    {"s", MPL_ARG_STRING, LENGTH(INT) | LENGTH(LONG)},
    {"c", MPL_ARG_INT, LENGTH(INT) | LENGTH(LONG)},
    {"p", MPL_ARG_POINTER, LENGTH(INT)},
    {"m", MPL_ARG_NONE, LENGTH(INT)},
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* '\0' at the end, which nothing in a conversion can be. */
static char peek(const struct parser *p) { return p->at < p->format.len ? p->format.ptr[p->at] : '\0'; }

/* Digits. The value, or -EINVAL: it does not fit an int, which is what widths and precisions are to libc. */
static int read_number(struct parser *p)
{
    int value = 0;
    for (; is_digit(peek(p)); p->at++) {
        int digit = peek(p) - '0';
        if (value > (INT_MAX - digit) / 10)
            return -EINVAL;
        value = value * 10 + digit;
    }
    return value;
}

/* Reads "3$" as 2; *position stays -1 where there is none, and then nothing is read: digits without the '$' are flags
 * and a width. */
static int read_position(struct parser *p, int *position)
{
    size_t from = p->at;
    int number = read_number(p);
    if (p->at == from || peek(p) != '$') {
        p->at = from;
        return 0;
    }
    p->at++;
    if (number < 1)
        return -EINVAL;
    if (number > (int)MPL_CFORMAT_ARGS_MAX)
        return -E2BIG;
    *position = number - 1;
    return 0;
}

/* An argument may be named by several conversions that agree on how it travels. Each of them cuts a string again when
 * it is rendered, so the longest is captured. Limits of which one is an argument cannot be compared here; the string
 * must be terminated then. */
static int merge_arg(struct mpl_arg_spec *known, struct mpl_arg_spec wanted)
{
    if (known->class == MPL_ARG_NONE) {
        *known = wanted;
    } else if (known->class != wanted.class) {
        return -EINVAL;
    } else if (known->limit_arg != wanted.limit_arg) {
        known->limit_arg = -1;
        known->limit = MPL_NO_LIMIT;
    } else if (known->limit < wanted.limit) {
        known->limit = wanted.limit;
    }
    return 0;
}

/* Notes the argument at `position`, or the next one if that is -1. Its index goes to *arg. */
static int book_arg(struct parser *p, int position, struct mpl_arg_spec wanted, int8_t *arg)
{
    if (position >= 0)
        p->has_positions = true;
    else
        p->has_sequence = true;
    if (p->has_positions && p->has_sequence)
        return -EINVAL;
    int index = position >= 0 ? position : p->next_arg++;
    if (index >= (int)MPL_CFORMAT_ARGS_MAX)
        return -E2BIG;
    while (p->f->arg_count <= (uint32_t)index)
        p->f->arg[p->f->arg_count++] = (struct mpl_arg_spec){MPL_ARG_NONE, -1, MPL_NO_LIMIT};
    *arg = (int8_t)index;
    return merge_arg(&p->f->arg[index], wanted);
}

/* A width or a precision: digits, or '*' for an argument, or nothing. */
static int read_count(struct parser *p, int32_t *constant, int8_t *arg)
{
    if (peek(p) == '*') {
        int position = -1;
        p->at++;
        int error = read_position(p, &position);
        return error ? error : book_arg(p, position, (struct mpl_arg_spec){MPL_ARG_INT, -1, MPL_NO_LIMIT}, arg);
    }
    if (!is_digit(peek(p)))
        return 0;
    *constant = read_number(p);
    return *constant < 0 ? -EINVAL : 0;
}

/* A point alone is the precision 0. A '*' leaves the constant at -1. */
static int read_precision(struct parser *p, struct mpl_conversion *c)
{
    if (peek(p) != '.')
        return 0;
    p->at++;
    if (peek(p) != '*')
        c->precision = 0;
    return read_count(p, &c->precision, &c->precision_arg);
}

static int flag_of(char letter)
{
    switch (letter) {
    case '-': return MPL_CFORMAT_LEFT;
    case '+': return MPL_CFORMAT_PLUS;
    case ' ': return MPL_CFORMAT_SPACE;
    case '#': return MPL_CFORMAT_ALT;
    case '0': return MPL_CFORMAT_ZERO;
    case '\'': /* the C locale groups no digits and has no others */
    case 'I': return 0;
    default: return -1;
    }
}

/* Flags come in any order, and again. */
static void read_flags(struct parser *p, struct mpl_conversion *c)
{
    for (int flag; (flag = flag_of(peek(p))) >= 0; p->at++)
        c->flags |= (uint8_t)flag;
}

/* What follows is looked at later: "hhh" is "hh" and a conversion that does not exist. */
static void read_length(struct parser *p, struct mpl_conversion *c)
{
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        size_t n = strlen(lengths[i].spelling);
        if (p->format.len - p->at >= n && memcmp(p->format.ptr + p->at, lengths[i].spelling, n) == 0) {
            c->length = lengths[i].length;
            p->at += n;
            return;
        }
    }
}

/* Brings spellings that mean the same to one form, so that nobody else has to know them. */
static uint8_t settle_class(struct mpl_conversion *c, uint8_t class)
{
    switch (class) {
    case MPL_ARG_INT:
        if (c->length == MPL_LENGTH_LONG_DOUBLE)
            c->length = MPL_LENGTH_LONG_LONG;
        return class;
    case MPL_ARG_DOUBLE:
        if (c->length == MPL_LENGTH_LONG_DOUBLE || c->length == MPL_LENGTH_LONG_LONG) {
            c->length = MPL_LENGTH_LONG_DOUBLE;
            return MPL_ARG_LONG_DOUBLE;
        }
        c->length = MPL_LENGTH_INT;
        return class;
    case MPL_ARG_STRING: return c->length == MPL_LENGTH_LONG ? MPL_ARG_WIDE_STRING : class;
    default: return class;
    }
}

/* Reads the conversion's letter; its class, or -EINVAL. */
static int read_conversion(struct parser *p, struct mpl_conversion *c)
{
    char letter = peek(p);
    if ((letter == 'S' || letter == 'C') && c->length == MPL_LENGTH_INT) {
        letter = letter == 'S' ? 's' : 'c';
        c->length = MPL_LENGTH_LONG;
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (letter != '\0' && strchr(kinds[i].conversions, letter)) {
            p->at++;
            c->conversion = letter;
            return kinds[i].lengths & (1u << c->length) ? settle_class(c, kinds[i].class) : -EINVAL;
        }
    }
    return -EINVAL;
}

/* Notes the argument that the conversion shows. The precision of a string limits how far it is read at the call. */
static int book_value(struct parser *p, struct mpl_conversion *c, int position, int class)
{
    struct mpl_arg_spec wanted = {(uint8_t) class, -1, MPL_NO_LIMIT};
    if (class == MPL_ARG_NONE)
        return position >= 0 ? -EINVAL : 0; /* %m */
    if (class == MPL_ARG_STRING || class == MPL_ARG_WIDE_STRING) {
        wanted.limit_arg = c->precision_arg;
        wanted.limit = c->precision >= 0 ? (size_t)c->precision : MPL_NO_LIMIT;
    }
    return book_arg(p, position, wanted, &c->arg);
}

/* `c` is spelled by what lies between `from` and here. */
static int append_conversion(struct parser *p, struct mpl_conversion c, size_t from)
{
    if (p->f->conversion_count == MPL_CFORMAT_SPECS_MAX)
        return -E2BIG;
    c.text_from = (uint32_t)from;
    c.text_len = (uint32_t)(p->at - from);
    p->f->conversion[p->f->conversion_count++] = c;
    return 0;
}

/* %[position$][flags][width][.precision][length]letter. The order of the calls is also the order in which a format
 * without positions takes its arguments. */
static int parse_conversion(struct parser *p)
{
    struct mpl_conversion c = blank_conversion;
    size_t from = p->at++;
    int position = -1, class, error = read_position(p, &position);
    if (error)
        return error;
    read_flags(p, &c);
    if ((error = read_count(p, &c.width, &c.width_arg)) || (error = read_precision(p, &c)))
        return error;
    read_length(p, &c);
    class = read_conversion(p, &c);
    if (class < 0)
        return class;
    error = book_value(p, &c, position, class);
    return error ? error : append_conversion(p, c, from);
}

static bool is_percent(const struct parser *p, size_t at) { return at < p->format.len && p->format.ptr[at] == '%'; }

/* Reads up to the next conversion or "%%", the first '%' of which still belongs to the text in front of it. */
static int parse_literal(struct parser *p)
{
    const size_t from = p->at;
    const char *percent = memchr(p->format.ptr + from, '%', p->format.len - from);
    p->at = percent ? (size_t)(percent - p->format.ptr) : p->format.len;
    bool is_pair = percent && is_percent(p, p->at + 1);
    p->at += is_pair;
    int error = append_conversion(p, blank_conversion, from);
    p->at += is_pair;
    return error;
}

int mpl_cformat_parse(struct mpl_cformat *f, struct mpl_str format)
{
    struct parser p = {.f = f, .format = format};
    int error = format.len > UINT32_MAX ? -E2BIG : 0;
    f->conversion_count = f->arg_count = 0;
    while (!error && p.at < format.len)
        error = is_percent(&p, p.at) && !is_percent(&p, p.at + 1) ? parse_conversion(&p) : parse_literal(&p);
    return error;
}

/* The type in which each integer was passed: of several conversions of one argument, the widest. */
static void find_lengths(const struct mpl_cformat *f, uint8_t length[MPL_CFORMAT_ARGS_MAX])
{
    static const uint8_t size[] = {
        [MPL_LENGTH_INT] = sizeof(int),
        [MPL_LENGTH_CHAR] = sizeof(int),
        [MPL_LENGTH_SHORT] = sizeof(int),
        [MPL_LENGTH_LONG] = sizeof(long),
        [MPL_LENGTH_LONG_LONG] = sizeof(long long),
        [MPL_LENGTH_INTMAX] = sizeof(intmax_t),
        [MPL_LENGTH_SIZE] = sizeof(size_t),
        [MPL_LENGTH_PTRDIFF] = sizeof(ptrdiff_t),
    };
    memset(length, MPL_LENGTH_INT, MPL_CFORMAT_ARGS_MAX);
    for (uint32_t i = 0; i < f->conversion_count; i++) {
        const struct mpl_conversion *c = &f->conversion[i];
        /* %lc takes a wint_t, which is no wider than an int. */
        if (c->arg >= 0 && f->arg[c->arg].class == MPL_ARG_INT && c->conversion != 'c' &&
            size[c->length] > size[length[c->arg]])
            length[c->arg] = c->length;
    }
}

/* One function, as a va_list that was passed on to another may not be used any more. */
void mpl_cformat_fetch(const struct mpl_cformat *f, va_list ap, struct mpl_arg *args)
{
    uint8_t length[MPL_CFORMAT_ARGS_MAX];
    find_lengths(f, length);
    for (uint32_t i = 0; i < f->arg_count; i++) {
        switch (f->arg[i].class) {
        case MPL_ARG_DOUBLE: {
            double value = va_arg(ap, double);
            memcpy(&args[i].word, &value, sizeof value);
            break;
        }
        case MPL_ARG_LONG_DOUBLE: args[i].long_double = va_arg(ap, long double); break;
        case MPL_ARG_POINTER: args[i].word = (uintptr_t)va_arg(ap, void *); break;
        case MPL_ARG_STRING:
        case MPL_ARG_WIDE_STRING: args[i].str = (struct mpl_str){va_arg(ap, void *), 0}; break;
        default:
            /* Signed or unsigned, long or size_t: types of one size are passed alike. */
            args[i].word = length[i] == MPL_LENGTH_INT    ? (uint64_t)va_arg(ap, int)
                           : length[i] == MPL_LENGTH_LONG ? (uint64_t)va_arg(ap, long)
                                                          : (uint64_t)va_arg(ap, long long);
        }
    }
    /* A string's limit may be an argument behind it. */
    for (uint32_t i = 0; i < f->arg_count; i++) {
        if (f->arg[i].class == MPL_ARG_STRING)
            args[i].str.len = mpl_cformat_string_len(f, args, i, args[i].str.ptr);
    }
}

/* `args` is looked at only for a limit that is one. */
static size_t limit_of(const struct mpl_arg_spec *spec, const struct mpl_arg *args)
{
    if (spec->limit_arg < 0)
        return spec->limit;
    int limit = (int)args[spec->limit_arg].word;
    return limit < 0 ? MPL_NO_LIMIT : (size_t)limit;
}

size_t mpl_cformat_string_len(const struct mpl_cformat *f, const struct mpl_arg *args, unsigned i, const char *string)
{
    size_t limit = limit_of(&f->arg[i], args);
    if (!string)
        return 0;
    return limit == MPL_NO_LIMIT ? strlen(string) : strnlen(string, limit);
}

/* The limit counts bytes of UTF-8, as a precision does. */
void mpl_cformat_wide(const struct mpl_cformat *f, const struct mpl_arg *args, unsigned i, const void *wide,
                      struct mpl_text *out)
{
    const wchar_t *code = wide;
    char bytes[4];
    /* Not a character is read once the limit is reached: there may be none. */
    for (size_t room = limit_of(&f->arg[i], args); code && room > 0 && *code != L'\0'; code++) {
        size_t n = mpl_utf8_encode((uint32_t)*code, bytes);
        if (n > room)
            return;
        mpl_text_append(out, bytes, n);
        room -= n;
    }
}

/* All threads share one object, which lives as long as the process: a thread may be in it at any time. Of several
 * threads that make it at once, one wins, and the others free theirs. */
void *mpl_cformat_use_c_locale(void)
{
    static _Atomic(locale_t) shared;
    locale_t c_locale = atomic_load_explicit(&shared, memory_order_acquire);
    if (!c_locale) {
        locale_t ours = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        /* Out of memory: the thread keeps its locale; numbers may have its decimal point. */
        if (!ours)
            return uselocale((locale_t)0);
        if (atomic_compare_exchange_strong(&shared, &c_locale, ours))
            c_locale = ours;
        else
            freelocale(ours);
    }
    return uselocale(c_locale);
}

void mpl_cformat_restore_locale(void *previous) { uselocale(previous); }
