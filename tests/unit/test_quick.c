/* SPDX-License-Identifier: Unlicense
 *
 * The quick way is compared with the long one, which has tests of its own against libc and Python: random formats and
 * arguments, in bodies laid out as shm/abi.h describes them.
 */
#include "collector/quick.h"
#include "output/escape.h"
#include "shm/codec.h"

#include "harness.h"

#define ROUNDS 200000

static uint64_t seed = 42;

static uint64_t random_bits(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 32) ^ (seed << 20);
}

static unsigned random_below(unsigned n) { return (unsigned)(random_bits() >> 16) % n; }

/* Most numbers in logs are small; the others are where mistakes hide. */
static uint64_t random_number(void)
{
    uint64_t value = random_bits() ^ random_bits() << 32;
    value >>= random_below(64);
    return random_below(3) ? value : -value;
}

static uint64_t random_double(void)
{
    static const double special[] = {0.0,    -0.0,   0.5,   1.5,    2.5,       0.125,     1e15,
                                     1.8e19, 1.9e19, 1e300, 5e-324, 0.0000005, 9.9999995, 0.9999999999};
    static const double powers[] = {1, 10, 100, 1e3, 1e4, 1e6, 1e9, 1e12};
    double value = random_below(4) ? (double)(int64_t)random_number() / powers[random_below(8)]
                                   : special[random_below(sizeof special / sizeof special[0])];
    uint64_t bits;
    if (random_below(20) == 0)
        return random_number(); /* any bits: nan, inf, subnormal */
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static const char *random_text(void)
{
    static const char long_text[] = "a text that is longer than sixty-four bytes, as some are, and ends here, at last";
    static const char *const texts[] = {"",
                                        "a",
                                        "worker_1",
                                        "GET /index.html HTTP/1.1",
                                        "h\xc3\xa9llo",
                                        "tab\there",
                                        "two\nlines",
                                        "\x1b[31mred\x1b[0m",
                                        "bad \xff byte",
                                        "cut \xc3",
                                        "\xe2\x82\xac",
                                        long_text};
    return texts[random_below(sizeof texts / sizeof texts[0])];
}

static struct body {
    uint64_t word[40]; /* then the texts; alignment of the whole as in a ring */
    char text[4096];
    uint32_t words;
    size_t texts;
    char bytes[8192];
    size_t len;
} body;

static void body_begin(void)
{
    body.words = 0;
    body.texts = 0;
}
static void body_word(uint64_t word) { body.word[body.words++] = word; }

static void body_text(const char *text)
{
    size_t len = strlen(text);
    body_word(len);
    memcpy(body.text + body.texts, text, len);
    body.texts += len;
}

static void body_end(void)
{
    memcpy(body.bytes, body.word, body.words * 8);
    memcpy(body.bytes + body.words * 8, body.text, body.texts);
    body.len = (body.words * 8 + body.texts + 7) & ~(size_t)7;
}

static char format_text[1024];
static struct mpl_text format;

static void format_add(const char *text) { mpl_text_str(&format, mpl_str_from(text)); }

static void add_random_literal(void)
{
    static const char *const texts[] = {
        "", " ", "x=", "100%% ", "a text of more than sixteen bytes: ", "\xc3\xa4 ", "request "};
    format_add(texts[random_below(sizeof texts / sizeof texts[0])]);
}

static char shown[1 << 16], expected[1 << 16];
static unsigned quick_count;

/* `quick` may refuse; what it shows must be what the long way shows, and pass unchanged in every mode. */
static void compare(const struct mpl_quick *quick, struct mpl_str long_way)
{
    static const char before[] = "before ";
    struct mpl_text t = {shown, sizeof before - 1, sizeof shown};
    const struct mpl_quick_message m = {quick, body.bytes, body.len};
    memcpy(shown, before, t.len);
    if (!mpl_quick_append(&m, &t)) {
        CHECK_INT(t.len, sizeof before - 1);
        return;
    }
    quick_count++;
    CHECK_BYTES(shown + sizeof before - 1, t.len - (sizeof before - 1), long_way.ptr, long_way.len);
    CHECK(mpl_escape_is_clean(long_way, MPL_ESCAPE_STRICT));
}

/* ---- C ---- */

static void add_random_c_conversion(void)
{
    static const char *const integers[] = {"%d",  "%i",  "%u",   "%x",    "%ld",  "%lu",  "%hhd", "%hu", "%zx", "%llu",
                                           "%jd", "%5d", "%08d", "%-4u|", "%04x", "%.3d", "%+d",  "%X",  "%o",  "%#x"};
    static const char *const floats[] = {"%f", "%.2f", "%.0f", "%.19f", "%F", "%8.3f", "%09.1f", "%-9.2f|", "%e", "%g"};
    static const char *const texts[] = {"%s", "%s", "%s", "%10s", "%-12s|", "%.3s"};
    switch (random_below(4)) {
    case 0:
        format_add(floats[random_below(sizeof floats / sizeof floats[0])]);
        body_word(random_double());
        break;
    case 1:
        format_add(texts[random_below(sizeof texts / sizeof texts[0])]);
        body_text(random_text());
        break;
    case 2:
        format_add("%c");
        body_word(random_below(3) ? 32 + random_below(95) : random_bits());
        break;
    default: format_add(integers[random_below(sizeof integers / sizeof integers[0])]); body_word(random_number());
    }
}

static struct mpl_str render_c(const struct mpl_cformat *f)
{
    struct mpl_raw_record raw = {.body = body.bytes, .body_bytes = body.len};
    struct mpl_arg args[MPL_CFORMAT_ARGS_MAX];
    struct mpl_text t = {expected, 0, sizeof expected};
    int error;
    if (mpl_codec_args(&raw, f, false, args, &error))
        mpl_cformat_render(f, (struct mpl_str){format.data, format.len}, args, 0, &t);
    return (struct mpl_str){t.data, t.len};
}

static void compare_random_c(void)
{
    struct mpl_cformat f;
    format = (struct mpl_text){format_text, 0, sizeof format_text};
    body_begin();
    for (unsigned i = random_below(5); i > 0; i--) {
        add_random_literal();
        add_random_c_conversion();
    }
    add_random_literal();
    body_end();
    CHECK_INT(mpl_cformat_parse(&f, (struct mpl_str){format.data, format.len}), 0);
    struct mpl_quick *quick = mpl_quick_of_c(&f, (struct mpl_str){format.data, format.len});
    if (quick)
        compare(quick, render_c(&f));
    free(quick);
}

static void c_messages_are_the_same_on_both_ways(void)
{
    quick_count = 0;
    for (int i = 0; i < ROUNDS && !test_has_failed; i++)
        compare_random_c();
    printf("# %u of %d took the quick way\n", quick_count, ROUNDS);
    CHECK(quick_count > ROUNDS / 8);
}

/* ---- Python ---- */

static uint64_t types;

static void add_random_argument(char conversion)
{
    static const char kinds[] = {MPL_PY_NONE, MPL_PY_TRUE, MPL_PY_INT, MPL_PY_INT, MPL_PY_FLOAT, MPL_PY_TEXT};
    unsigned type;
    do
        type = (unsigned char)kinds[random_below(sizeof kinds)];
    while (!mpl_pyformat_takes(conversion, (enum mpl_pytype)type));
    types |= (uint64_t)type << 4 * (body.words - 1);
    if (type == MPL_PY_TEXT)
        body_text(random_text());
    else
        body_word(type == MPL_PY_FLOAT ? random_double() : type == MPL_PY_INT ? random_number() : 0);
}

static void add_random_python_conversion(void)
{
    static const char *const conversions[] = {"%s",   "%d",     "%f", "%.2f", "%5d", "%05d",
                                              "%-8s", "%08.2f", "%r", "%.3s", "%x",  "%.0f"};
    const char *conversion = conversions[random_below(sizeof conversions / sizeof conversions[0])];
    format_add(conversion);
    add_random_argument(conversion[strlen(conversion) - 1]);
}

/* The arguments as emit.c reads them. */
static struct mpl_str render_python(const struct mpl_pyformat *f)
{
    struct mpl_pyarg args[MPL_PYFORMAT_ARGS_MAX];
    struct mpl_text t = {expected, 0, sizeof expected};
    const char *text = body.bytes + body.words * 8;
    for (uint32_t i = 0; i < f->arg_count; i++) {
        args[i].type = (enum mpl_pytype)(types >> 4 * i & 15);
        if (args[i].type == MPL_PY_TEXT) {
            args[i].text = (struct mpl_str){text, body.word[i + 1]};
            text += body.word[i + 1];
        } else {
            memcpy(&args[i].number, &body.word[i + 1], 8);
        }
    }
    mpl_pyformat_render(f, (struct mpl_str){format.data, format.len}, args, &t);
    return (struct mpl_str){t.data, t.len};
}

static void compare_random_python(void)
{
    struct mpl_pyformat f;
    format = (struct mpl_text){format_text, 0, sizeof format_text};
    types = 0;
    body_begin();
    body_word(0);
    for (unsigned i = random_below(5); i > 0; i--) {
        add_random_literal();
        add_random_python_conversion();
    }
    add_random_literal();
    body.word[0] = types;
    body_end();
    CHECK(mpl_pyformat_parse(&f, (struct mpl_str){format.data, format.len}));
    struct mpl_quick *quick = mpl_quick_of_python(&f, (struct mpl_str){format.data, format.len});
    if (quick)
        compare(quick, render_python(&f));
    free(quick);
}

static void python_messages_are_the_same_on_both_ways(void)
{
    quick_count = 0;
    for (int i = 0; i < ROUNDS && !test_has_failed; i++)
        compare_random_python();
    printf("# %u of %d took the quick way\n", quick_count, ROUNDS);
    CHECK(quick_count > ROUNDS / 8);
}

/* ---- the rest ---- */

static void finished_texts_take_the_quick_way_if_they_are_clean(void)
{
    static const struct {
        const char *text;
        bool is_quick;
    } cases[] = {{"nothing to say", true}, {"", true},         {"h\xc3\xa9llo", true}, {"tab\t", true},
                 {"two\nlines", false},    {"\x1b[1m", false}, {"cut \xc3", false},    {"nul", true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        body_begin();
        body_text(cases[i].text);
        body_end();
        struct mpl_text t = {shown, 0, sizeof shown};
        CHECK_INT(mpl_quick_append(&(struct mpl_quick_message){mpl_quick_text, body.bytes, body.len}, &t),
                  cases[i].is_quick);
        if (cases[i].is_quick)
            CHECK_BYTES(shown, t.len, cases[i].text, strlen(cases[i].text));
    }
}

static struct mpl_quick *quick_of(const char *c_format)
{
    struct mpl_cformat f;
    return mpl_cformat_parse(&f, mpl_str_from(c_format)) == 0 ? mpl_quick_of_c(&f, mpl_str_from(c_format)) : NULL;
}

static bool is_quick(const struct mpl_quick *quick, size_t bytes_more)
{
    struct mpl_text t = {shown, 0, sizeof shown};
    return mpl_quick_append(&(struct mpl_quick_message){quick, body.bytes, body.len + bytes_more}, &t);
}

static void bodies_with_more_behind_them_go_the_long_way(void)
{
    struct mpl_pyformat f;
    struct mpl_quick *c = quick_of("%s, %d"), *words = quick_of("%d");
    CHECK(mpl_pyformat_parse(&f, MPL_STR("%s")));
    struct mpl_quick *python = mpl_quick_of_python(&f, MPL_STR("%s"));
    body_begin();
    body_word(1);
    body_end();
    CHECK(is_quick(words, 0) && !is_quick(words, 8));
    body_begin();
    body_text("seven b");
    CHECK((body_end(), is_quick(mpl_quick_text, 0)) && !is_quick(mpl_quick_text, 8));
    body_word(1);
    CHECK((body_end(), is_quick(c, 0)) && !is_quick(c, 8));
    body_begin();
    body_word(MPL_PY_TEXT);
    body_text("eight by");
    CHECK((body_end(), is_quick(python, 0)) && !is_quick(python, 8));
    free(c);
    free(words);
    free(python);
}

/* Each byte may be anything: nothing is read outside the body (sanitizers), and nothing is written outside the room. */
static void damaged_bodies_are_refused_or_shown_within_bounds(void)
{
    struct mpl_quick *quick = quick_of("%d %s %f %s %c %x");
    CHECK(quick != NULL);
    for (int i = 0; i < 20000; i++) {
        size_t len = random_below(160) & ~7u, cap = random_below(300);
        char *copy = malloc(len + 1), *room = malloc(cap + 1);
        for (size_t at = 0; at < len; at++)
            copy[at] = (char)(random_below(3) ? 0 : random_bits() & 31);
        struct mpl_text t = {room, cap / 2, cap};
        if (mpl_quick_append(&(struct mpl_quick_message){quick, copy, len}, &t))
            CHECK(t.len <= cap);
        else
            CHECK_INT(t.len, cap / 2);
        free(copy);
        free(room);
    }
    free(quick);
}

static void formats_with_text_that_must_be_escaped_go_the_long_way(void)
{
    CHECK(quick_of("%d\n") == NULL);
    CHECK(quick_of("\x1b[3%dm") == NULL);
    CHECK(quick_of("\xc3%s") == NULL);
    CHECK(quick_of("%2$d %1$d") == NULL);
    CHECK(quick_of("%*d") == NULL);
    CHECK(quick_of("%m") == NULL);
    CHECK(quick_of("%ls") == NULL);
    CHECK(quick_of("%Lf") == NULL);
}

int main(void)
{
    static const struct test_case tests[] = {
        TEST_CASE(c_messages_are_the_same_on_both_ways),
        TEST_CASE(python_messages_are_the_same_on_both_ways),
        TEST_CASE(finished_texts_take_the_quick_way_if_they_are_clean),
        TEST_CASE(bodies_with_more_behind_them_go_the_long_way),
        TEST_CASE(damaged_bodies_are_refused_or_shown_within_bounds),
        TEST_CASE(formats_with_text_that_must_be_escaped_go_the_long_way),
    };
    return test_run(tests, sizeof tests / sizeof tests[0]);
}
