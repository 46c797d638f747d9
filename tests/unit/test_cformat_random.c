/* SPDX-License-Identifier: Unlicense
 *
 * Random formats with random and special values against snprintf of the libc at hand. It is called conversion by
 * conversion, so that each value can have its C type. What the C standard leaves open is asked of glibc alone: its
 * answers are the contract.
 */
#include <errno.h>
#include <float.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <wchar.h>

#include "base/cformat.h"
#include "harness.h"

#ifdef __GLIBC__
#define IS_GLIBC true
#else
#define IS_GLIBC false
#endif

#define TEXT_MAX 65536 /* several times the longest message: LDBL_MAX in every conversion */
#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static char expected[TEXT_MAX], actual[TEXT_MAX], utf8[TEXT_MAX];

/* What a capturing caller does after the words are there: measure strings, turn wide ones into UTF-8. */
static void capture_strings(const struct mpl_cformat *f, struct mpl_arg *args)
{
    struct mpl_text t = {utf8, 0, sizeof utf8};
    for (uint32_t i = 0; i < f->arg_count; i++) {
        struct mpl_str *s = &args[i].str;
        if (f->arg[i].class == MPL_ARG_STRING)
            s->len = mpl_cformat_string_len(f, args, i, s->ptr);
        if (f->arg[i].class == MPL_ARG_WIDE_STRING && s->ptr) {
            size_t from = t.len;
            mpl_cformat_wide(f, args, i, s->ptr, &t);
            *s = (struct mpl_str){utf8 + from, t.len - from};
        }
    }
}

/* A conversion in its parts, with values of the type that libc wants. */
struct piece {
    char flags[8], width[12], precision[12];
    const char *length;
    char conversion;
    int star_count, stars[2];
    struct mpl_arg value;
};

static uint64_t seed;

static uint64_t below(uint64_t n) { return test_random(&seed) % n; }

/* Of every length, and what is at the edge of a type. */
static uint64_t random_word(void)
{
    static const uint64_t specials[] = {
        0,
        1,
        7,
        8,
        9,
        10,
        99,
        100,
        INT_MAX,
        1u + (uint64_t)INT_MAX,
        UINT_MAX,
        LLONG_MAX,
        1u + (uint64_t)LLONG_MAX,
        UINT64_MAX,
        (uint64_t)-9,
        (uint64_t)-100,
        (uint64_t)(int64_t)INT_MIN,
    };
    return below(3) ? test_random(&seed) >> below(64) : specials[below(COUNT_OF(specials))];
}

/* Values that round exactly at half, at a power of ten, or at the limits of the own algorithm are rare among random
 * bits; hence the other sources. */
static double random_double(void)
{
    static const double specials[] = {
        0.0,     -0.0,     0.5,     1.5,      2.5,     -0.125,      0.1,      1e15,      1e16,   1e22,
        1e23,    9.5,      99.5,    999999.5, 0.0001,  0.00001,     0x1p53,   0x1p63,    0x1p64, 0x1.fffffffffffffp63,
        DBL_MAX, -DBL_MAX, DBL_MIN, 4.9e-324, -1e-310, DBL_EPSILON, INFINITY, -INFINITY, NAN,
    };
    uint64_t bits = test_random(&seed);
    double value;
    switch (below(4)) {
    case 0: return specials[below(COUNT_OF(specials))];
    case 1: /* any, infinities and nan among them */ memcpy(&value, &bits, sizeof value); return value;
    case 2: /* short decimals, and exact ties */
        return (double)(int64_t)(bits % 2000001 - 1000000) / (below(2) ? 1000.0 : 64.0);
    default: return ldexp((double)(int64_t)bits, -(int)below(130));
    }
}

/* The largest ones seldom: libc takes a millisecond for one. */
static long double random_long_double(void)
{
    static const long double specials[] = {LDBL_MAX, -LDBL_MAX, LDBL_MIN, LDBL_TRUE_MIN};
    if (below(1000) == 0)
        return specials[below(COUNT_OF(specials))];
    return below(2) ? (long double)random_double() : ldexpl((long double)test_random(&seed), (int)below(260) - 200);
}

static void random_string(struct piece *p)
{
    static const char *const strings[] = {"", "a", "hello", "a string that is longer than most widths", "\x80\xff\n"};
    static const wchar_t *const wide[] = {L"", L"w", L"\u00e9t\u00e9", L"\u20ac 1", L"\U0001f600\U0001f600", L"\u00df"};
    const void *string = p->length[0] ? (const void *)wide[below(COUNT_OF(wide))] : strings[below(COUNT_OF(strings))];
    p->value.str = (struct mpl_str){IS_GLIBC && below(10) == 0 ? NULL : string, 0};
}

static void random_value(struct piece *p)
{
    double value = random_double();
    if (p->conversion == 's') {
        random_string(p);
    } else if (p->conversion == 'c') {
        static const uint32_t codes[] = {'a', 0xe9, 0x20ac, 0xd7ff, 0xe000, 0xffff, 0x10ffff};
        p->value.word = p->length[0] ? codes[below(COUNT_OF(codes))] : test_random(&seed);
    } else if (!strchr("eEfFgGaA", p->conversion)) {
        p->value.word = random_word();
    } else if (p->length[0] == 'L') {
        p->value.long_double = random_long_double();
    } else {
        memcpy(&p->value.word, &value, sizeof value);
    }
}

/* Writes a number, a '*' with a value, or nothing. Once in a while a large one, for libc's and our long paths. */
static void random_count(struct piece *p, char *text, int low, int high)
{
    int value = below(64) ? low + (int)below((uint64_t)(high - low)) : (int)below(1300);
    switch (below(4)) {
    case 0:
        strcpy(text, "*");
        p->stars[p->star_count++] = value;
        break;
    case 1: snprintf(text, 12, "%d", abs(value)); break;
    default: break;
    }
}

/* One conversion with all that C allows for it. */
static struct piece random_piece(void)
{
    static const struct {
        const char *conversions, *flags;
        const char *lengths[9];
    } kinds[] = {
        {"di", "-+ 0", {"", "hh", "h", "l", "ll", "j", "z", "t"}},
        {"u", "-0", {"", "hh", "h", "l", "ll", "j", "z", "t"}},
        {"oxX", "-0#", {"", "hh", "h", "l", "ll", "j", "z", "t"}},
        {"eEfFgGaA", "-+ 0#", {"", "l", "L"}},
        {"f", "-+ 0#", {"", "l"}},
        {"c", "-", {"", "l"}},
        {"s", "-", {"", "l"}},
        {"m", "-", {""}},
        {"p", "-", {""}},
    };
    size_t kind = below(COUNT_OF(kinds) - !IS_GLIBC), length_count = 0; /* musl's %p is another */
    struct piece p = {.conversion = kinds[kind].conversions[below(strlen(kinds[kind].conversions))]};
    /* glibc gives every flag some meaning everywhere; the standard does not. %#m is an exception of ours. */
    const char *flags = IS_GLIBC ? p.conversion == 'm' ? "-+ 0'" : "-+ 0#'" : kinds[kind].flags;
    while (kinds[kind].lengths[length_count])
        length_count++;
    for (uint64_t i = 0, n = below(4); n < 3 && i < n; i++)
        p.flags[i] = flags[below(strlen(flags))];
    p.length = kinds[kind].lengths[below(length_count)];
    random_count(&p, p.width, -40, 40);
    if (below(2)) {
        p.precision[0] = '.';
        random_count(&p, p.precision + 1, -3, 25);
    }
    random_value(&p);
    return p;
}

/* Spells `p`, with positions (from 1) unless they are NULL; arguments are in the order stars, value. */
static void spell(struct mpl_text *t, const struct piece *p, const int *positions)
{
    int star = 0;
    mpl_text_char(t, '%');
    if (positions && p->conversion != 'm')
        mpl_text_printf(t, "%d$", positions[p->star_count]);
    mpl_text_str(t, mpl_str_from(p->flags));
    for (int i = 0; i < 2; i++) {
        const char *count = i ? p->precision : p->width;
        mpl_text_str(t, mpl_str_from(count));
        if (positions && strchr(count, '*'))
            mpl_text_printf(t, "%d$", positions[star++]);
    }
    mpl_text_printf(t, "%s%c", p->length, p->conversion);
}

#define PRINT(value)                                                                                                   \
    (p->star_count == 0   ? snprintf(text, size, spec, value)                                                          \
     : p->star_count == 1 ? snprintf(text, size, spec, p->stars[0], value)                                             \
                          : snprintf(text, size, spec, p->stars[0], p->stars[1], value))

static int print_integer(char *text, size_t size, const char *spec, const struct piece *p)
{
    const uint64_t word = p->value.word;
    switch (p->length[0]) {
    case 'l': return p->length[1] ? PRINT((long long)word) : PRINT((long)word);
    case 'j': return PRINT((intmax_t)word);
    case 'z': return PRINT((size_t)word);
    case 't': return PRINT((ptrdiff_t)word);
    default: return PRINT((int)word); /* hh and h too: libc narrows */
    }
}

/* snprintf of one conversion, with arguments of the right types. */
static size_t print_piece(char *text, size_t size, const struct piece *p)
{
    char spec[64];
    struct mpl_text t = {spec, 0, sizeof spec};
    double value;
    spell(&t, p, NULL);
    mpl_text_cstr(&t);
    memcpy(&value, &p->value.word, sizeof value);
    switch (p->conversion) {
    case 's': return (size_t)PRINT((const void *)p->value.str.ptr);
    case 'c': return (size_t)(p->length[0] ? PRINT((wint_t)p->value.word) : PRINT((int)p->value.word));
    case 'p': return (size_t)PRINT((void *)(uintptr_t)p->value.word);
    case 'm': errno = ERANGE; return (size_t)PRINT(0);
    default:
        if (!strchr("eEfFgGaA", p->conversion))
            return (size_t)print_integer(text, size, spec, p);
        return (size_t)(p->length[0] == 'L' ? PRINT(p->value.long_double) : PRINT(value));
    }
}

/* The numbers 1..count, shuffled. */
static void shuffle(int *numbers, int count)
{
    for (int i = 0; i < count; i++) {
        int k = (int)below((uint64_t)i + 1);
        numbers[i] = numbers[k];
        numbers[k] = i + 1;
    }
}

/* Puts the pieces' arguments where their positions say. */
static void place_args(struct mpl_arg *args, const struct piece *pieces, int piece_count, const int *positions)
{
    for (int i = 0; i < piece_count; i++) {
        for (int k = 0; k < pieces[i].star_count; k++)
            args[*positions++ - 1].word = (uint64_t)pieces[i].stars[k];
        if (pieces[i].conversion != 'm')
            args[*positions++ - 1] = pieces[i].value;
    }
}

static int arg_count_of(const struct piece *p) { return p->star_count + (p->conversion != 'm'); }

/* A message of up to five conversions with text between them. */
struct message {
    struct piece pieces[5];
    int piece_count, positions[15];
    char format[400];
    size_t format_len, expected_len;
};

/* Makes a message and has libc write it to `expected`. */
static void make_message(struct message *m)
{
    const bool has_positions = below(3) == 0;
    struct mpl_text t = {m->format, 0, sizeof m->format};
    int arg_count = 0;
    m->expected_len = 0;
    m->piece_count = 1 + (int)below(COUNT_OF(m->pieces));
    for (int i = 0; i < m->piece_count; i++) {
        m->pieces[i] = random_piece();
        arg_count += arg_count_of(&m->pieces[i]);
        m->expected_len += print_piece(expected + m->expected_len, sizeof expected - m->expected_len, &m->pieces[i]);
        m->expected_len += (size_t)sprintf(expected + m->expected_len, "%s", i % 2 ? " 5%, " : "");
    }
    shuffle(m->positions, arg_count);
    for (int i = 0; i < arg_count && !has_positions; i++)
        m->positions[i] = i + 1;
    for (int i = 0, at = 0; i < m->piece_count; at += arg_count_of(&m->pieces[i++])) {
        spell(&t, &m->pieces[i], has_positions ? m->positions + at : NULL);
        mpl_text_str(&t, i % 2 ? MPL_STR(" 5%%, ") : MPL_STR(""));
    }
    m->format_len = t.len;
}

/* False: ours is not libc's text. */
static bool try_message(const struct message *m)
{
    const struct mpl_str format = {m->format, m->format_len};
    struct mpl_text out = {actual, 0, sizeof actual};
    struct mpl_arg args[MPL_CFORMAT_ARGS_MAX];
    struct mpl_cformat f;
    int result = mpl_cformat_parse(&f, format);
    place_args(args, m->pieces, m->piece_count, m->positions);
    if (result == 0) {
        capture_strings(&f, args);
        mpl_cformat_render(&f, format, args, ERANGE, &out);
    }
    if (result == 0 && out.len == m->expected_len && memcmp(actual, expected, out.len) == 0)
        return true;
    test_fail(__FILE__, __LINE__, "%.*s (%d): \"%.*s\", not \"%.*s\"", (int)format.len, format.ptr, result,
              (int)out.len, actual, (int)m->expected_len, expected);
    return false;
}

static void render_random_messages_equal_snprintf(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    seed = 1;
    for (int i = 0, failures = 0; i < 150000 && failures < 5; i++) {
        struct message m;
        make_message(&m);
        failures += !try_message(&m);
    }
}

/* Up to 21 places: two more than the own algorithm takes. */
static void render_random_fixed_points_equal_snprintf(void)
{
    char format[8];
    seed = 2;
    for (int precision = 0; precision < 22; precision++) {
        struct mpl_cformat f;
        snprintf(format, sizeof format, "%%.%df", precision);
        CHECK_INT(mpl_cformat_parse(&f, mpl_str_from(format)), 0);
        for (int i = 0; i < 15000; i++) {
            double value = random_double();
            struct mpl_text out = {actual, 0, sizeof actual};
            struct mpl_arg arg;
            memcpy(&arg.word, &value, sizeof value);
            mpl_cformat_render(&f, mpl_str_from(format), &arg, 0, &out);
            int n = snprintf(expected, sizeof expected, format, value);
            CHECK_BYTES(actual, out.len, expected, (size_t)n);
        }
    }
}

/* What the parser promises of any format: every byte of it belongs to one piece, in order; only the second '%'
 * of a pair to none. */
static bool covers(const struct mpl_cformat *f, struct mpl_str format)
{
    size_t at = 0;
    for (uint32_t i = 0; i < f->conversion_count; i++) {
        const struct mpl_conversion *c = &f->conversion[i];
        const char *text = format.ptr + at, *last = text + c->text_len - 1;
        if (c->text_from != at || c->text_len == 0 || c->text_len > format.len - at)
            return false;
        if (c->conversion ? text[0] != '%' : memchr(text, '%', c->text_len) && *last != '%')
            return false;
        if (c->arg >= (int)f->arg_count || c->width_arg >= (int)f->arg_count || c->precision_arg >= (int)f->arg_count)
            return false;
        at += c->text_len + (!c->conversion && *last == '%');
    }
    return at == format.len;
}

static void parse_random_bytes_is_refused_or_gives_pieces_that_cover_them(void)
{
    static const char alphabet[] = "%%%%%%dfscpmxn*123$.- #lhLtx";
    char format[12];
    int accepted = 0;
    seed = 3;
    for (int i = 0; i < 300000; i++) {
        struct mpl_str s = {format, below(sizeof format + 1)};
        struct mpl_cformat f;
        for (size_t k = 0; k < s.len; k++)
            format[k] = alphabet[below(sizeof alphabet)]; /* its NUL, too */
        int result = mpl_cformat_parse(&f, s);
        if (result ? result != -EINVAL && result != -E2BIG : !covers(&f, s))
            test_fail(__FILE__, __LINE__, "\"%.*s\" gives %d", (int)s.len, format, result);
        accepted += result == 0;
    }
    CHECK(accepted > 30000);
}

TEST_MAIN(TEST_CASE(render_random_messages_equal_snprintf), TEST_CASE(render_random_fixed_points_equal_snprintf),
          TEST_CASE(parse_random_bytes_is_refused_or_gives_pieces_that_cover_them))
