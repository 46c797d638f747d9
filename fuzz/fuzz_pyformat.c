/* SPDX-License-Identifier: Unlicense
 *
 * A format of Python's % operator with arguments of arbitrary types.
 *
 *     <format>
 *     <bytes: for each argument its type (1), then 8 bytes, or a length (1) and a text>
 */
#include "fuzz.h"
#include "output/pyformat.h"

#define TEXT_MAX 65536u

static char actual[TEXT_MAX], cut[TEXT_MAX];

static void take_args(uint32_t count, struct mpl_str *rest, struct mpl_pyarg *args, char **texts)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t type, len;
        texts[i] = NULL;
        fuzz_take(rest, &type, 1);
        args[i] = (struct mpl_pyarg){.type = (enum mpl_pytype)(type % (MPL_PY_TEXT + 1))};
        if (args[i].type != MPL_PY_TEXT) {
            fuzz_take(rest, &args[i].number, sizeof args[i].number);
            continue;
        }
        fuzz_take(rest, &len, 1);
        struct mpl_str s = {rest->ptr, rest->len < len ? rest->len : len};
        texts[i] = fuzz_copy(s);
        args[i].text = (struct mpl_str){texts[i], s.len};
        *rest = (struct mpl_str){rest->ptr + s.len, rest->len - s.len};
    }
}

static void check_indices(const struct mpl_pyformat *f, struct mpl_str format)
{
    FUZZ_CHECK(f->op_count <= MPL_PYFORMAT_OPS_MAX && f->arg_count <= MPL_PYFORMAT_ARGS_MAX);
    for (uint32_t i = 0; i < f->op_count; i++)
        FUZZ_CHECK(f->op[i].text_len <= format.len && f->op[i].text_from <= format.len - f->op[i].text_len);
}

static void check_render(const struct mpl_pyformat *f, struct mpl_str format, const struct mpl_pyarg *args)
{
    struct mpl_text counted = {NULL, 0, 0}, out = {actual, 0, sizeof actual};
    mpl_pyformat_render(f, format, args, &counted);
    mpl_pyformat_render(f, format, args, &out);
    FUZZ_CHECK(out.len == counted.len && mpl_text_fits(&out)); /* widths end at 1000 */
    struct mpl_text half = {cut, 0, out.len / 2};
    mpl_pyformat_render(f, format, args, &half);
    FUZZ_CHECK(half.len == out.len && memcmp(cut, actual, out.len / 2) == 0);
}

/* What repr promises: the text is read back as the same value. */
static void check_float(const struct mpl_pyarg *arg)
{
    char text[64];
    struct mpl_text t = {text, 0, sizeof text};
    if (arg->type != MPL_PY_FLOAT)
        return;
    mpl_pyformat_append_float(&t, arg->real);
    FUZZ_CHECK(t.len < sizeof text);
    text[t.len] = '\0';
    FUZZ_CHECK(arg->real != arg->real || strtod(text, NULL) == arg->real);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mpl_str rest = {(const char *)data, size}, line = fuzz_line(&rest), format = {fuzz_copy(line), line.len};
    struct mpl_pyformat f;
    struct mpl_pyarg args[MPL_PYFORMAT_ARGS_MAX];
    char *texts[MPL_PYFORMAT_ARGS_MAX];
    if (mpl_pyformat_parse(&f, format)) {
        check_indices(&f, format);
        take_args(f.arg_count, &rest, args, texts);
        check_render(&f, format, args);
        for (uint32_t i = 0; i < f.arg_count; i++) {
            check_float(&args[i]);
            free(texts[i]);
        }
    }
    free((char *)(uintptr_t)format.ptr);
    return 0;
}
