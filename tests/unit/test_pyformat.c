/* SPDX-License-Identifier: Unlicense
 *
 * With the argument "cases": reads cases from stdin, one a line, and answers each with a line; pyformat_oracle.py asks.
 * A case is words with a blank between them: the format, then the arguments. A text is 'x' and hexadecimal digits; an
 * int is 'i' and decimals; a float is 'f' and the hexadecimal digits of its bits; N, T and F are None, True and False.
 * The answer is a text, or "E": refused.
 */
#include "output/pyformat.h"

#include "harness.h"

static char answer[1 << 16];

static struct mpl_str render(const char *format, const struct mpl_pyarg *args)
{
    struct mpl_pyformat f;
    struct mpl_text t = {answer, 0, sizeof answer};
    if (!mpl_pyformat_parse(&f, mpl_str_from(format)))
        return MPL_STR("refused");
    mpl_pyformat_render(&f, mpl_str_from(format), args, &t);
    return (struct mpl_str){t.data, t.len};
}

static void check(const char *format, const struct mpl_pyarg *args, const char *expected)
{
    struct mpl_str s = render(format, args);
    CHECK_TEXT(s.ptr, s.len, expected);
}

static struct mpl_pyarg number(int64_t value) { return (struct mpl_pyarg){.type = MPL_PY_INT, .number = value}; }
static struct mpl_pyarg real(double value) { return (struct mpl_pyarg){.type = MPL_PY_FLOAT, .real = value}; }
static struct mpl_pyarg text(const char *value)
{
    return (struct mpl_pyarg){.type = MPL_PY_TEXT, .text = mpl_str_from(value)};
}

static void formats_that_differ_from_c_are_rendered_as_python_does(void)
{
    check("%08.3d|%.0d|%u", (struct mpl_pyarg[]){number(7), number(0), number(-1)}, "00000007|0|-1");
    check("%#o %#X %x", (struct mpl_pyarg[]){number(8), number(0), number(-255)}, "0o10 0X0 -ff");
    check("%08f|%+f|%E", (struct mpl_pyarg[]){real(__builtin_inf()), real(-__builtin_nan("")), real(-__builtin_inf())},
          "00000inf|+nan|-INF");
    check("%05s|%.2s|%-6s|", (struct mpl_pyarg[]){text("ab"), number(1234), text("h\xc3\xa9")},
          "   ab|12|h\xc3\xa9    |");
    check("%.0c|%3c", (struct mpl_pyarg[]){number(65), text("b")}, "A|  b");
    check("%c%c 100%%", (struct mpl_pyarg[]){number(0x20ac), text("z")}, "\xe2\x82\xacz 100%");
    check("%s %r", (struct mpl_pyarg[]){{.type = MPL_PY_TRUE}, {.type = MPL_PY_NONE}}, "True None");
}

static void floats_are_shown_as_repr_does(void)
{
    static const struct {
        double value;
        const char *expected;
    } cases[] = {
        {0.1, "0.1"},
        {1e16, "1e+16"},
        {9999999999999998.0, "9999999999999998.0"},
        {0.0001, "0.0001"},
        {1e-5, "1e-05"},
        {4.9406564584124654e-324, "5e-324"},
        {-0.0, "-0.0"},
        {1.5e300, "1.5e+300"},
        {1e22, "1e+22"},
        {123456789.0, "123456789.0"},
        {0.1 + 0.2, "0.30000000000000004"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check("%s", (struct mpl_pyarg[]){real(cases[i].value)}, cases[i].expected);
}

static void formats_that_need_python_are_refused(void)
{
    static const char *const formats[] = {"%",  "a%",   "%(a)s",  "%*d",
                                          "%a", "%hhd", "%1001d", "%.1001f",
                                          "%y", "%5%",  "%ld%",   "%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s"};
    struct mpl_pyformat f;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (mpl_pyformat_parse(&f, mpl_str_from(formats[i])))
            test_fail(__FILE__, __LINE__, "\"%s\" was taken", formats[i]);
    }
    CHECK(mpl_pyformat_parse(&f, MPL_STR("")));
    CHECK(!mpl_pyformat_takes('d', MPL_PY_FLOAT) && !mpl_pyformat_takes('r', MPL_PY_TEXT) &&
          !mpl_pyformat_takes('x', MPL_PY_TRUE) && !mpl_pyformat_takes('f', MPL_PY_INT));
}

static void arguments_of_the_wrong_type_are_left_out(void)
{
    check("<%d>", (struct mpl_pyarg[]){text("forged")}, "<>");
}

/* ---- cases ---- */

static size_t unhex(const char *hex, char *bytes)
{
    size_t n = 0;
    for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        bytes[n++] = (char)byte;
    return n;
}

static bool read_argument(const char *word, struct mpl_pyarg *arg, char *room)
{
    uint64_t bits;
    switch (word[0]) {
    case 'N': *arg = (struct mpl_pyarg){.type = MPL_PY_NONE}; return true;
    case 'T': *arg = (struct mpl_pyarg){.type = MPL_PY_TRUE}; return true;
    case 'F': *arg = (struct mpl_pyarg){.type = MPL_PY_FALSE}; return true;
    case 'i': *arg = number(strtoll(word + 1, NULL, 10)); return true;
    case 'f':
        bits = strtoull(word + 1, NULL, 16);
        arg->type = MPL_PY_FLOAT;
        memcpy(&arg->real, &bits, sizeof bits);
        return true;
    default: *arg = (struct mpl_pyarg){.type = MPL_PY_TEXT, .text = {room, unhex(word + 1, room)}}; return true;
    }
}

static void answer_case(char *line)
{
    static char format[4096], texts[MPL_PYFORMAT_ARGS_MAX][4096];
    struct mpl_pyformat f;
    struct mpl_pyarg args[MPL_PYFORMAT_ARGS_MAX];
    uint32_t count = 0;
    char *word = strtok(line, " \n");
    struct mpl_str s = {format, unhex(word + 1, format)};
    while ((word = strtok(NULL, " \n")) != NULL && count < MPL_PYFORMAT_ARGS_MAX) {
        read_argument(word, &args[count], texts[count]);
        count++;
    }
    bool is_taken = mpl_pyformat_parse(&f, s) && f.arg_count == count;
    for (uint32_t i = 0, arg = 0; is_taken && i < f.op_count; i++)
        is_taken = !f.op[i].conversion || mpl_pyformat_takes(f.op[i].conversion, args[arg++].type);
    if (!is_taken) {
        puts("E");
        return;
    }
    struct mpl_text t = {answer, 0, sizeof answer};
    mpl_pyformat_render(&f, s, args, &t);
    putchar('x');
    for (size_t i = 0; i < t.len; i++)
        printf("%02x", (unsigned char)answer[i]);
    putchar('\n');
}

static const struct test_case all_cases[] = {
    TEST_CASE(formats_that_differ_from_c_are_rendered_as_python_does),
    TEST_CASE(floats_are_shown_as_repr_does),
    TEST_CASE(formats_that_need_python_are_refused),
    TEST_CASE(arguments_of_the_wrong_type_are_left_out),
};

int main(int argc, char **argv)
{
    static char line[1 << 17];
    if (argc < 2 || strcmp(argv[1], "cases") != 0)
        return test_run(all_cases, sizeof all_cases / sizeof all_cases[0]);
    while (fgets(line, sizeof line, stdin))
        answer_case(line);
    return 0;
}
