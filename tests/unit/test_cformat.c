/* SPDX-License-Identifier: Unlicense
 *
 * Chosen cases; test_cformat_random.c has the others. The oracle is snprintf of the libc at hand, or a text from glibc
 * where others differ: its answers are the contract.
 */
#include <errno.h>
#include <float.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wchar.h>

#include "base/cformat.h"
#include "harness.h"

#define TEXT_MAX 100000 /* twice the longest text here */
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

/* All steps at once, as the caller of a log call and the collector take them together. */
static int render_va(struct mpl_text *out, const char *format, int error, va_list ap)
{
    struct mpl_cformat f;
    struct mpl_arg args[MPL_CFORMAT_ARGS_MAX];
    int result = mpl_cformat_parse(&f, mpl_str_from(format));
    if (result)
        return result;
    mpl_cformat_fetch(&f, ap, args);
    capture_strings(&f, args);
    mpl_cformat_render(&f, mpl_str_from(format), args, error, out);
    return 0;
}

/* No format attribute on these two: compilers would warn of formats that are here on purpose. */
static int render(struct mpl_text *out, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int result = render_va(out, format, 0, ap);
    va_end(ap);
    return result;
}

/* Against vsnprintf of the same arguments. */
static void check_same(int line, const char *format, ...)
{
    va_list ap;
    struct mpl_text out = {actual, 0, sizeof actual};
    va_start(ap, format);
    int expected_len = vsnprintf(expected, sizeof expected, format, ap);
    va_end(ap);
    va_start(ap, format);
    int result = render_va(&out, format, 0, ap);
    va_end(ap);
    if (result || out.len != (size_t)expected_len || memcmp(actual, expected, out.len) != 0)
        test_fail(__FILE__, line, "%s (%d): \"%.*s\", not \"%s\"", format, result, (int)out.len, actual, expected);
}

#define CHECK_SAME(...) check_same(__LINE__, __VA_ARGS__)

#define CHECK_RENDERED(text, ...)                                                                                      \
    do {                                                                                                               \
        struct mpl_text out_ = {actual, 0, sizeof actual};                                                             \
        CHECK_INT(render(&out_, __VA_ARGS__), 0);                                                                      \
        CHECK_TEXT(actual, out_.len, text);                                                                            \
    } while (0)

static void parse_percent_pair_joins_the_text_before(void)
{
    static const char format[] = "a%%b%d%%%%c";
    static const char *const texts[] = {"a%", "b", "%d", "%", "%", "c"};
    struct mpl_cformat f;
    CHECK_INT(mpl_cformat_parse(&f, MPL_STR("100%")), -EINVAL);
    CHECK_INT(mpl_cformat_parse(&f, mpl_str_from(format)), 0);
    CHECK_INT(f.conversion_count, COUNT_OF(texts));
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        CHECK_TEXT(format + f.conversion[i].text_from, f.conversion[i].text_len, texts[i]);
        CHECK_INT(f.conversion[i].conversion, i == 2 ? 'd' : 0);
    }
}

static void parse_full_conversion_fills_every_field(void)
{
    struct mpl_cformat f;
    CHECK_INT(mpl_cformat_parse(&f, MPL_STR("x%-+ #0'I12.34hhd")), 0);
    const struct mpl_conversion *c = &f.conversion[1];
    CHECK_INT(f.conversion_count, 2);
    CHECK_INT(c->text_from, 1);
    CHECK_INT(c->text_len, 16);
    CHECK_INT(c->flags, 31);
    CHECK_INT(c->width, 12);
    CHECK_INT(c->precision, 34);
    CHECK_INT(c->length, MPL_LENGTH_CHAR);
    CHECK_INT(c->arg, 0);
    CHECK_INT(mpl_cformat_parse(&f, MPL_STR("%*.*f%2147483647.2147483647s")), 0);
    CHECK_INT(f.conversion[0].width_arg, 0);
    CHECK_INT(f.conversion[0].precision_arg, 1);
    CHECK_INT(f.conversion[0].arg, 2);
    CHECK_INT(f.conversion[0].width, -1);
    CHECK_INT(f.conversion[0].precision, -1);
    CHECK_INT(f.conversion[1].width, INT_MAX);
    CHECK_INT(f.conversion[1].precision, INT_MAX);
    CHECK_INT(mpl_cformat_parse(&f, MPL_STR("%.s")), 0);
    CHECK_INT(f.conversion[0].precision, 0);
}

static void parse_invalid_format_is_refused(void)
{
    static const char *const formats[] = {
        "%",
        "%5",
        "%n",
        "%ln",
        "%y",
        "%-%",
        "%5%",
        "%.-3d",
        "%hs",
        "%Lc",
        "%zs",
        "%lp",
        "%lm",
        "%hf",
        "%zf",
        "%hhhd",
        "%0$d",
        "%1$",
        "%1$d %d",
        "%d %1$d",
        "%1$*d",
        "%*1$d",
        "%1$.*d",
        "%1$m",
        "%1$s%1$d",
        "%1$p%1$s",
        "%1$f%1$Lf",
        "%1$s%1$ls",
        "%1$*1$f",
        "%2147483648d",
        "%.2147483648d",
        "%99999999999999999999d",
        "%99999999999$d",
        "%lS",
        "%**d",
        "%d %",
    };
    struct mpl_cformat f;
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        int result = mpl_cformat_parse(&f, mpl_str_from(formats[i]));
        if (result != -EINVAL)
            test_fail(__FILE__, __LINE__, "\"%s\" gives %d", formats[i], result);
    }
    CHECK_INT(mpl_cformat_parse(&f, (struct mpl_str){"%\0d", 3}), -EINVAL);
    CHECK_INT(mpl_cformat_parse(&f, (struct mpl_str){"%d", 1}), -EINVAL);
    CHECK_INT(mpl_cformat_parse(&f, (struct mpl_str){"%lld", 3}), -EINVAL);
}

/* Parses `piece`, repeated: the shortest way to a format with too much in it. */
static int parse_repeated(struct mpl_cformat *f, const char *piece, int times)
{
    char format[1000];
    struct mpl_text t = {format, 0, sizeof format};
    while (times-- > 0)
        mpl_text_str(&t, mpl_str_from(piece));
    return mpl_cformat_parse(f, (struct mpl_str){format, t.len});
}

static void parse_more_than_the_limits_is_refused(void)
{
    struct mpl_cformat f;
    CHECK_INT(parse_repeated(&f, "%d", MPL_CFORMAT_ARGS_MAX), 0);
    CHECK_INT(f.arg_count, MPL_CFORMAT_ARGS_MAX);
    CHECK_INT(parse_repeated(&f, "%d", MPL_CFORMAT_ARGS_MAX + 1), -E2BIG);
    CHECK_INT(parse_repeated(&f, "%*d", MPL_CFORMAT_ARGS_MAX / 2 + 1), -E2BIG);
    CHECK_INT(parse_repeated(&f, "%%", MPL_CFORMAT_SPECS_MAX), 0);
    CHECK_INT(f.conversion_count, MPL_CFORMAT_SPECS_MAX);
    CHECK_INT(parse_repeated(&f, "%%", MPL_CFORMAT_SPECS_MAX + 1), -E2BIG);
    CHECK_INT(parse_repeated(&f, "x%d", MPL_CFORMAT_ARGS_MAX), 0); /* all arguments, whatever stands around them */
    CHECK_INT(parse_repeated(&f, "x%d", MPL_CFORMAT_ARGS_MAX + 1), -E2BIG);
    CHECK_INT(mpl_cformat_parse(&f, MPL_STR("%32$d")), 0);
    CHECK_INT(mpl_cformat_parse(&f, MPL_STR("%33$d")), -E2BIG);
}

static void parse_arguments_get_class_and_limit(void)
{
    enum { N = MPL_ARG_NONE, I = MPL_ARG_INT, D, L, P, S, W };
    static const struct {
        const char *format;
        uint8_t classes[4];
        int8_t limit_arg; /* of the last */
        size_t limit;
    } cases[] = {
        {"%d%lc%c%X", {I, I, I, I}, -1, MPL_NO_LIMIT},
        {"%f%Lf%lle%la", {D, L, L, D}, -1, MPL_NO_LIMIT},
        {"%p%s%ls%S", {P, S, W, W}, -1, MPL_NO_LIMIT},
        {"%*.*s", {I, I, S}, 1, MPL_NO_LIMIT},
        {"%4$.7s%2$f", {N, D, N, S}, -1, 7},
        {"%2$.*1$s", {I, S}, 0, MPL_NO_LIMIT},
        {"%1$.5s%1$.9s%1$.s", {S}, -1, 9},
        {"%1$.5s%1$s", {S}, -1, MPL_NO_LIMIT},
        {"%2$.*1$s%2$.5s", {I, S}, -1, MPL_NO_LIMIT},
        {"%m", {N}, -1, MPL_NO_LIMIT},
        {"%.ls", {W}, -1, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct mpl_cformat f;
        CHECK_INT(mpl_cformat_parse(&f, mpl_str_from(cases[i].format)), 0);
        for (uint32_t k = 0; k < f.arg_count; k++)
            CHECK_INT(f.arg[k].class, cases[i].classes[k]);
        CHECK_INT(f.arg_count < 4 ? cases[i].classes[f.arg_count] : N, N);
        if (f.arg_count == 0)
            continue;
        CHECK_INT(f.arg[f.arg_count - 1].limit_arg, cases[i].limit_arg);
        CHECK(f.arg[f.arg_count - 1].limit == cases[i].limit);
    }
}

/* More arguments of each kind than registers, so that some come from the stack. */
static void fetch_arguments_of_every_type_equal_snprintf(void)
{
    /* libc needs it for %ls; ours does not look. */
    setlocale(LC_CTYPE, "C.UTF-8");
    CHECK_SAME("");
    CHECK_SAME("plain");
    CHECK_SAME("request %d from %s took %f ms", 17, "host", 12.5);
    CHECK_SAME("%d %i %u %ld %lu %zu %x %s %c", 1, INT_MIN, UINT_MAX, LONG_MIN, ULONG_MAX, SIZE_MAX, 0xfu, "s", 'c');
    CHECK_SAME("%hhd %hhu %hd %hu %lld %llu %jd %ju %td %zd", 200, 300, 40000, 70000, LLONG_MIN, ULLONG_MAX, INTMAX_MIN,
               UINTMAX_MAX, PTRDIFF_MIN, (ptrdiff_t)-1);
    CHECK_SAME("%d %f %Lf %d %f %Lf %d %f %Lf %d %f %d %f %d %f %d %f %s", 1, 1.5, 2.5L, 2, 3.5, 4.5L, 3, 5.5, 6.5L, 4,
               7.5, 5, 8.5, 6, 9.5, 7, 10.5, "end");
    CHECK_SAME("%f %f %f %f %f %f %f %f %f %f", 1., 2., 3., 4., 5., 6., 7., 8., 9., 1e300);
    CHECK_SAME("%ls|%10ls|%-10ls|%lc|%S|%C", L"w\u00e9", L"\u20ac", L"\U0001f600", (wint_t)0x20ac, L"S", (wint_t)'C');
    CHECK_SAME("%2$s %1$d %2$s %1$5d %1$x", 7, "two");
    CHECK_RENDERED("44 1099511628076 300", "%1$hhd %1$ld %1$hd", 1L << 40 | 300); /* glibc: as the last one says */
    CHECK_SAME("%3$.*1$f|%3$*2$.*1$f|%3$*2$f", 3, 20, 3.14159);
    CHECK_SAME("%2$.*1$s|%2$s", 2, "abcd");
    CHECK_SAME("%*d|%*d|%-*d|%.*d|%.*f|%*.*f", 5, 1, -5, 2, 5, 3, -1, 4, -3, 5.5, -12, 2, 1.25);
    CHECK_SAME("%p|%20p|%-20p|", (void *)&expected, (void *)&expected, (void *)&expected);
    CHECK_SAME("%c%c%c", 0, 255, 'x');
    CHECK_SAME("100%% of %d%%", 5);
    CHECK_SAME("%5o|%#.0o|%.0d|%#.0x|%#x|%#o", 0, 0, 0, 0, 0, 0);
}

/* Expectations are what glibc 2.36 wrote: musl has "0" for a null pointer, and no %Id, %Ld or %Zu. */
static void render_of_what_only_glibc_defines_equals_glibc(void)
{
    CHECK_RENDERED("(nil)|     (nil)|(nil)", "%p|%10p|%.2p", NULL, NULL, NULL);
    void *p = (void *)18;
    CHECK_RENDERED("0x12|+0x12| 0x12|0x0012|0x00012", "%p|%+p|% p|%06p|%.5p", p, p, p, p, p);
    CHECK_RENDERED("(null)||(null)|  (null)", "%s|%.5s|%.6s|%8s", NULL, NULL, NULL, NULL);
    CHECK_RENDERED("(null)||(null)  ", "%ls|%.3ls|%-8ls", NULL, NULL, NULL);
    CHECK_RENDERED("   ab|    x", "%05s|%05c", "ab", 'x');
    CHECK_RENDERED("1234567|-1|17", "%'d|%Id|%'.2u", 1234567, -1, 17);
    CHECK_RENDERED("-5|7|9|2.500000", "%Ld|%qd|%Zu|%llf", -5LL, 7LL, (size_t)9, 2.5L);
}

static void render_error_number_uses_the_given_one(void)
{
    struct mpl_text out = {actual, 0, sizeof actual};
    struct mpl_cformat f;
    errno = EIO;
    CHECK_INT(mpl_cformat_parse(&f, MPL_STR("%m|%40m|%-40m|%.7m")), 0);
    mpl_cformat_render(&f, MPL_STR("%m|%40m|%-40m|%.7m"), NULL, ENOENT, &out);
    errno = ENOENT;
    snprintf(expected, sizeof expected, "%m|%40m|%-40m|%.7m");
    CHECK_TEXT(actual, out.len, expected);
}

/* Known by hand, so that not only libc vouches for the arithmetic. */
static void render_fixed_point_ties_go_to_even(void)
{
    CHECK_RENDERED("0 2 2 4 -0", "%.0f %.0f %.0f %.0f %.0f", 0.5, 1.5, 2.5, 3.5, -0.5);
    CHECK_RENDERED("0.12 0.38 0.62 1.0 10", "%.2f %.2f %.2f %.1f %.0f", 0.125, 0.375, 0.625, 0.96, 9.5);
    CHECK_RENDERED("0.10000000000000000555", "%.20f", 0.1);
    CHECK_RENDERED("0.1000000000000000056 -0.000000 1. ", "%.19f %f %#.0f ", 0.1, -0.0, 1.0);
    CHECK_RENDERED("18446744073709549568.0|18446744073709551616.0", "%.1f|%.1f", 0x1.fffffffffffffp63, 0x1p64);
    CHECK_RENDERED("-000012.500|+12.5|  12.5|12.5  |", "%011.3f|%+.1f|%6.1f|%-6.1f|", -12.5, 12.5, 12.5, 12.5);
    CHECK_RENDERED("  -inf|inf   |   nan|INF", "%06f|%-6f|%06f|%F", -(double)INFINITY, (double)INFINITY, (double)NAN,
                   (double)INFINITY);
}

/* More digits than the buffers have room for, and zeros that libc is not asked for. */
static void render_very_long_numbers_equal_snprintf(void)
{
    CHECK_SAME("%f|%.500f|%.1074f", 1e308, 1e-300, 4.9e-324);
    CHECK_SAME("%1500f|%-1500f|%01500f", 1e308, -1e308, 1e308);
    CHECK_SAME("%.5000f|%.5000e|%.5000g|%#.5000g", -1e-5, 1e300, 1e-300, 1e-300);
    CHECK_SAME("%.5000a|%.5000A|%#.5000g|%.5000G", 1.1, -4.9e-324, 0.0, 123.456);
    CHECK_SAME("%.5000f|%.5000e|%.5000f|%+.2000f", (double)INFINITY, (double)NAN, 1e300, 0x1p53 - 1);
    CHECK_SAME("%Lf|%.17000Lf|%.20000Lf", LDBL_MAX, LDBL_TRUE_MIN, -LDBL_MIN);
    CHECK_SAME("%.17000Le|%.17000Lg|%#.17000Lg", LDBL_TRUE_MIN, LDBL_MAX, LDBL_TRUE_MIN);
    CHECK_SAME("%.9000Lf|%9000.3Lf|%-9000.3Lf|%09000.3Lf|%La", 0x1p64L - 1, -LDBL_MAX, LDBL_MAX, -0.1L, LDBL_TRUE_MIN);
    CHECK_SAME("%9000d|%-9000d|%09000d|%.9000d|%#.9000x", 1, 2, -3, -4, 5);
}

static void render_huge_width_is_counted_without_memory(void)
{
    char small[8];
    static const struct {
        const char *format;
        size_t len;
        char last; /* of those that fit */
    } cases[] = {
        {"%1000000d", 1000000, ' '},
        {"%02147483647d", INT_MAX, '0'},
        {"%.2147483647x", INT_MAX, '0'},
        {"%-2147483647d", INT_MAX, ' '},
        {"%2147483647d%2147483647d", 2 * (size_t)INT_MAX, ' '},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct mpl_text out = {small, 0, sizeof small};
        CHECK_INT(render(&out, cases[i].format, 7, 7), 0);
        CHECK(out.len == cases[i].len);
        CHECK_INT(small[7], cases[i].last);
    }
    struct mpl_text out = {small, 0, sizeof small};
    CHECK_INT(render(&out, "%*d", INT_MIN, 7), 0);
    CHECK(out.len == (size_t)INT_MAX + 1);
    CHECK_BYTES(small, sizeof small, "7       ", 8);
    out.len = 0;
    CHECK_INT(render(&out, "%.2147483647f", 0.5), 0);
    CHECK(out.len == (size_t)INT_MAX + 2);
    CHECK_BYTES(small, sizeof small, "0.500000", 8);
}

/* At every length, as each part of a conversion may be the one that does not fit. */
static void render_into_too_small_text_counts_all_and_keeps_the_beginning(void)
{
    static const char format[] = "%s=%8d %08.3f [%-10ls] %g %p %Lf %m%%";
    for (size_t cap = 0; cap <= 300; cap++) {
        char *data = malloc(cap + 1);
        struct mpl_text full = {actual, 0, sizeof actual}, out = {data, 0, cap};
        data[cap] = '!';
        CHECK_INT(render(&full, format, "name", -5, 2.5, L"wide", 1e-9, (void *)4096, 1e200L), 0);
        CHECK_INT(render(&out, format, "name", -5, 2.5, L"wide", 1e-9, (void *)4096, 1e200L), 0);
        CHECK_INT(out.len, full.len);
        CHECK_INT(memcmp(data, actual, cap < full.len ? cap : full.len), 0);
        CHECK_INT(data[cap], '!');
        free(data);
    }
}

/* Bytes that end where the readable memory ends. */
static void *end_of_page(const void *bytes, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + page, page, PROT_NONE) != 0)
        abort();
    return memcpy(p + page - n, bytes, n);
}

static void fetch_unterminated_string_is_read_up_to_its_precision(void)
{
    const char *abc = end_of_page("abc", 3);
    const wchar_t *wide = end_of_page(L"\u20ac\u00e9", 2 * sizeof(wchar_t));
    CHECK_RENDERED("abc|ab|", "%.3s|%.*s|%.0s", abc, 2, abc, abc + 3);
    CHECK_RENDERED("a|abc", "%1$.1s|%1$.3s", abc);
    CHECK_RENDERED("|abc", "%2$.0s|%2$.*1$s", 3, "abc"); /* two limits that cannot be compared: terminated */
    CHECK_RENDERED("\u20ac\u00e9|\u20ac|\u20ac", "%.5ls|%.*ls|%.4ls", wide, 3, wide, wide);
}

static void wide_text_is_utf8_cut_between_characters(void)
{
    static const wchar_t bad[] = {'a', 0xd800, 0x110000, (wchar_t)-1, 'b', 0};
    CHECK_RENDERED("a\ufffd\ufffd\ufffdb", "%ls", bad);
    CHECK_RENDERED("\ufffd|\ufffd|    \u20ac", "%lc|%lc|%7lc", (wint_t)0xdfff, WEOF, (wint_t)0x20ac);
    CHECK_RENDERED("|\u20ac|\u20ac|  \u20ac\u20ac", "%.2ls|%.3ls|%.5ls|%8.6ls", L"\u20ac\u20ac", L"\u20ac\u20ac",
                   L"\u20ac\u20ac", L"\u20ac\u20ac\u20ac");
    /* Captured once, rendered with two precisions: the cut is made in the UTF-8 form. */
    CHECK_RENDERED("\u00e9|\u00e9\u20ac|", "%1$.4ls|%1$.5ls|%1$.1ls", L"\u00e9\u20ac!");
    struct mpl_text out = {actual, 0, sizeof actual};
    struct mpl_cformat f;
    CHECK_INT(mpl_cformat_parse(&f, MPL_STR("%ls%s")), 0);
    mpl_cformat_wide(&f, NULL, 0, NULL, &out);
    CHECK_INT(out.len, 0);
    CHECK_INT(mpl_cformat_string_len(&f, NULL, 1, NULL), 0);
}

/* The locale that the thread was in meanwhile; NULL: it did not get its own back. */
static void *use_locale(void *unused)
{
    void *previous = mpl_cformat_use_c_locale(), *ours = uselocale((locale_t)0);
    mpl_cformat_restore_locale(previous);
    return (void)unused, uselocale((locale_t)0) == previous ? ours : NULL;
}

static void locale_is_c_for_one_thread_until_restored(void)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    void *locales[THREADS], *other;
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, use_locale, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], &locales[i]), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(locales[i] && locales[i] == locales[0]);
    locale_t own = duplocale(LC_GLOBAL_LOCALE);
    CHECK(own);
    uselocale(own);
    other = mpl_cformat_use_c_locale();
    CHECK(other == own);
    CHECK(uselocale((locale_t)0) == locales[0]);
    mpl_cformat_restore_locale(other);
    CHECK(uselocale(LC_GLOBAL_LOCALE) == own);
    freelocale(own);
}

TEST_MAIN(TEST_CASE(parse_percent_pair_joins_the_text_before), TEST_CASE(parse_full_conversion_fills_every_field),
          TEST_CASE(parse_invalid_format_is_refused), TEST_CASE(parse_more_than_the_limits_is_refused),
          TEST_CASE(parse_arguments_get_class_and_limit), TEST_CASE(fetch_arguments_of_every_type_equal_snprintf),
          TEST_CASE(render_of_what_only_glibc_defines_equals_glibc), TEST_CASE(render_error_number_uses_the_given_one),
          TEST_CASE(render_fixed_point_ties_go_to_even), TEST_CASE(render_very_long_numbers_equal_snprintf),
          TEST_CASE(render_huge_width_is_counted_without_memory),
          TEST_CASE(render_into_too_small_text_counts_all_and_keeps_the_beginning),
          TEST_CASE(fetch_unterminated_string_is_read_up_to_its_precision),
          TEST_CASE(wide_text_is_utf8_cut_between_characters), TEST_CASE(locale_is_c_for_one_thread_until_restored))
