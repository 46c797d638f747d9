/* SPDX-License-Identifier: Unlicense
 *
 * A printf format with arbitrary arguments, against snprintf where the C library is asked for the same.
 *
 *     <format>
 *     <bytes: errno (1), then for each argument 8 bytes, 16 for a long double, or a length (255: NULL) and a string>
 */
#include "base/cformat.h"
#include "fuzz.h"

#ifdef __GLIBC__
#define IS_GLIBC true
#else
#define IS_GLIBC false
#endif

#define TEXT_MAX 65536u
#define COUNT_MAX 2000 /* of a width or precision that libc is asked for; each conversion has two */

static char expected[TEXT_MAX], actual[TEXT_MAX], cut[TEXT_MAX];

/* Arguments as they come out of a record. Strings are on the heap and end where their memory does. */
static void take_args(const struct mpl_cformat *f, struct mpl_str *rest, struct mpl_arg *args, char **strings)
{
    for (uint32_t i = 0; i < f->arg_count; i++) {
        uint8_t len;
        args[i] = (struct mpl_arg){.word = 0};
        strings[i] = NULL;
        switch (f->arg[i].class) {
        case MPL_ARG_STRING:
        case MPL_ARG_WIDE_STRING:
            fuzz_take(rest, &len, 1);
            if (len == 255) {
                args[i].str = (struct mpl_str){NULL, 0};
                break;
            }
            struct mpl_str s = {rest->ptr, rest->len < len ? rest->len : len};
            strings[i] = fuzz_cstr(s);
            args[i].str = (struct mpl_str){strings[i], strlen(strings[i])};
            *rest = (struct mpl_str){rest->ptr + s.len, rest->len - s.len};
            break;
        case MPL_ARG_LONG_DOUBLE: fuzz_take(rest, &args[i].long_double, sizeof args[i].long_double); break;
        default: fuzz_take(rest, &args[i].word, sizeof args[i].word);
        }
    }
}

static int star(const struct mpl_arg *args, int8_t arg, int32_t constant)
{
    return arg >= 0 ? (int)args[arg].word : constant;
}

/* What libc says the same about. */
static bool is_comparable(const struct mpl_conversion *c, const struct mpl_arg *args)
{
    int width = star(args, c->width_arg, c->width), precision = star(args, c->precision_arg, c->precision);
    bool is_wide = c->length == MPL_LENGTH_LONG && (c->conversion == 's' || c->conversion == 'c');
    bool is_null = c->conversion == 's' && !args[c->arg].str.ptr;
    bool is_own = is_wide || c->conversion == 'm' || (!IS_GLIBC && (c->conversion == 'p' || c->flags || is_null));
    return !is_own && width <= COUNT_MAX && width >= -COUNT_MAX && precision <= COUNT_MAX;
}

static void spell(struct mpl_text *t, const struct mpl_conversion *c, const struct mpl_arg *args)
{
    static const char *const lengths[] = {"", "hh", "h", "l", "ll", "j", "z", "t", "L"};
    static const char flags[] = "-+ #0";
    int precision = star(args, c->precision_arg, c->precision);
    mpl_text_char(t, '%');
    for (int i = 0; i < 5; i++) {
        if (c->flags >> i & 1)
            mpl_text_char(t, flags[i]);
    }
    if (c->width >= 0 || c->width_arg >= 0)
        mpl_text_printf(t, "%d", star(args, c->width_arg, c->width)); /* a negative one is the flag '-' and a width */
    if (precision >= 0)
        mpl_text_printf(t, ".%d", precision);
    mpl_text_printf(t, "%s%c", lengths[c->length], c->conversion);
    mpl_text_cstr(t);
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static int print(char *to, size_t size, const struct mpl_conversion *c, const struct mpl_arg *args)
{
    char spec[64];
    struct mpl_text t = {spec, 0, sizeof spec};
    const struct mpl_arg *arg = &args[c->arg];
    double value;
    spell(&t, c, args);
    memcpy(&value, &arg->word, sizeof value);
    switch (c->conversion) {
    case 's': return snprintf(to, size, spec, (const void *)arg->str.ptr);
    case 'p': return snprintf(to, size, spec, (void *)(uintptr_t)arg->word);
    case 'c': return snprintf(to, size, spec, (int)arg->word);
    default: break;
    }
    if (strchr("eEfFgGaA", c->conversion))
        return c->length == MPL_LENGTH_LONG_DOUBLE ? snprintf(to, size, spec, arg->long_double)
                                                   : snprintf(to, size, spec, value);
    switch (c->length) {
    case MPL_LENGTH_LONG: return snprintf(to, size, spec, (long)arg->word);
    case MPL_LENGTH_LONG_LONG: return snprintf(to, size, spec, (long long)arg->word);
    case MPL_LENGTH_INTMAX: return snprintf(to, size, spec, (intmax_t)arg->word);
    case MPL_LENGTH_SIZE: return snprintf(to, size, spec, (size_t)arg->word);
    case MPL_LENGTH_PTRDIFF: return snprintf(to, size, spec, (ptrdiff_t)arg->word);
    default: return snprintf(to, size, spec, (int)arg->word);
    }
}

/* The whole message by libc; SIZE_MAX: it would say something else, or it is too long. */
static size_t print_all(const struct mpl_cformat *f, struct mpl_str format, const struct mpl_arg *args)
{
    size_t len = 0;
    for (uint32_t i = 0; i < f->conversion_count; i++) {
        const struct mpl_conversion *c = &f->conversion[i];
        int n = (int)c->text_len;
        if (c->conversion && !is_comparable(c, args))
            return SIZE_MAX;
        if (c->conversion)
            n = print(expected + len, sizeof expected - len, c, args);
        else if (c->text_len < sizeof expected - len)
            memcpy(expected + len, format.ptr + c->text_from, c->text_len);
        if (n < 0 || (size_t)n >= sizeof expected - len)
            return SIZE_MAX;
        len += (size_t)n;
    }
    return len;
}

static void check_render(const struct mpl_cformat *f, struct mpl_str format, const struct mpl_arg *args, int error)
{
    struct mpl_text counted = {NULL, 0, 0}, out = {actual, 0, sizeof actual};
    mpl_cformat_render(f, format, args, error, &counted);
    mpl_cformat_render(f, format, args, error, &out);
    FUZZ_CHECK(out.len == counted.len);
    size_t stored = mpl_text_fits(&out) ? out.len : out.cap;
    struct mpl_text half = {cut, 0, stored / 2};
    mpl_cformat_render(f, format, args, error, &half);
    FUZZ_CHECK(half.len == out.len && memcmp(cut, actual, stored / 2) == 0);
    size_t len = print_all(f, format, args);
    if (len != SIZE_MAX) {
        FUZZ_CHECK(len == out.len);
        FUZZ_CHECK(memcmp(expected, actual, len) == 0);
    }
}

static void check_indices(const struct mpl_cformat *f, struct mpl_str format)
{
    FUZZ_CHECK(f->conversion_count <= MPL_CFORMAT_SPECS_MAX && f->arg_count <= MPL_CFORMAT_ARGS_MAX);
    for (uint32_t i = 0; i < f->conversion_count; i++) {
        const struct mpl_conversion *c = &f->conversion[i];
        FUZZ_CHECK(c->text_len <= format.len && c->text_from <= format.len - c->text_len);
        FUZZ_CHECK(c->arg < (int)f->arg_count && c->width_arg < (int)f->arg_count);
        FUZZ_CHECK(c->precision_arg < (int)f->arg_count);
        FUZZ_CHECK(c->arg >= 0 || c->conversion == '\0' || c->conversion == 'm');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mpl_str rest = {(const char *)data, size}, line = fuzz_line(&rest), format = {fuzz_copy(line), line.len};
    struct mpl_cformat f;
    struct mpl_arg args[MPL_CFORMAT_ARGS_MAX];
    char *strings[MPL_CFORMAT_ARGS_MAX];
    uint8_t error;
    if (mpl_cformat_parse(&f, format) == 0) {
        check_indices(&f, format);
        fuzz_take(&rest, &error, 1);
        take_args(&f, &rest, args, strings);
        check_render(&f, format, args, error);
        for (uint32_t i = 0; i < f.arg_count; i++)
            free(strings[i]);
    }
    free((char *)(uintptr_t)format.ptr);
    return 0;
}
