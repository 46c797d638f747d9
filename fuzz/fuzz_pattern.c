/* SPDX-License-Identifier: Unlicense
 *
 * A format string, a date format and an encoding with a record in which every attribute is arbitrary.
 *
 *     <escape mode> <created ns> <relative base ns> <level> <line> <thread> <process> <errno, 0: none> <bytes cut>
 *     <format string>
 *     <date format>
 *     <encoding>
 *     <texts, each ended by '|': message, logger, level name, path, function, process, thread, task, exception, stack,
 *      whole line, printf format>
 */
#include <iconv.h>

#include "fuzz.h"
#include "output/encoding.h"
#include "output/pattern.h"

enum { TEXT_COUNT = 12 };

/* An empty text in the input is one that is not given where that means something. */
static void take_texts(struct mpl_str *rest, struct mpl_str texts[TEXT_COUNT])
{
    for (int i = 0; i < TEXT_COUNT; i++) {
        struct mpl_str s = fuzz_until(rest, '|');
        texts[i] = (struct mpl_str){fuzz_copy(s), s.len};
    }
}

static struct mpl_str or_none(struct mpl_str s) { return s.len ? s : (struct mpl_str){NULL, 0}; }

static struct mpl_record record_of(struct mpl_str *numbers, const struct mpl_str *texts)
{
    struct mpl_record r = {
        .created_ns = (int64_t)fuzz_next_number(numbers),
        .relative_base_ns = (int64_t)fuzz_next_number(numbers),
        .level = (int32_t)fuzz_next_number(numbers),
        .line = (uint32_t)fuzz_next_number(numbers),
        .thread = fuzz_next_number(numbers),
        .process = (uint32_t)fuzz_next_number(numbers),
        .error = (int32_t)fuzz_next_number(numbers),
        .cut_bytes = fuzz_next_number(numbers),
        .message = texts[0],
        .logger = texts[1],
        .level_name = or_none(texts[2]),
        .path = texts[3],
        .function = texts[4],
        .process_name = texts[5],
        .thread_name = texts[6],
        .task_name = or_none(texts[7]),
        .exception = texts[8],
        .stack = texts[9],
        .ready_line = or_none(texts[10]),
    };
    r.show_error = r.error != 0;
    return r;
}

/* Words are enough here: fuzz_cformat has arguments of all kinds. Widths and precisions are kept small. */
static void set_format(struct mpl_record *r, struct mpl_str format, struct mpl_cformat *f, struct mpl_arg *args)
{
    if (format.len == 0 || mpl_cformat_parse(f, format) < 0)
        return;
    for (uint32_t i = 0; i < f->conversion_count; i++) {
        if (f->conversion[i].width > 10000 || f->conversion[i].precision > 10000)
            return; /* up to 32 MiB of blanks, which take a second */
    }
    for (uint32_t i = 0; i < f->arg_count; i++) {
        bool is_string = f->arg[i].class == MPL_ARG_STRING || f->arg[i].class == MPL_ARG_WIDE_STRING;
        args[i] = (struct mpl_arg){.word = i + 1};
        if (is_string)
            args[i].str = r->message;
        else if (f->arg[i].class == MPL_ARG_LONG_DOUBLE)
            args[i].long_double = 1.5L;
    }
    r->format = format;
    r->c_format = f;
    r->args = args;
}

/* The line in as many bytes as it needs, to be freed. */
static struct mpl_str render(struct mpl_pattern *p, const struct mpl_record *r, struct mpl_asctime *a,
                             enum mpl_escape mode)
{
    struct mpl_text counted = {NULL, 0, 0};
    mpl_pattern_render(p, r, a, mode, &counted);
    struct mpl_text t = {malloc(counted.len + 1), 0, counted.len}, half = {NULL, 0, counted.len / 2};
    half.data = malloc(half.cap + 1);
    FUZZ_CHECK(t.data && half.data);
    mpl_pattern_render(p, r, a, mode, &t);
    mpl_pattern_render(p, r, a, mode, &half);
    FUZZ_CHECK(t.len == counted.len && half.len == counted.len);
    FUZZ_CHECK(memcmp(t.data, half.data, half.cap) == 0);
    free(half.data);
    return (struct mpl_str){t.data, t.len};
}

/* What is kept of a line for the next one of its source gives the same: when it is filled in, and when it is there. */
static void check_kept(struct mpl_pattern *p, const struct mpl_record *r, struct mpl_asctime *a, enum mpl_escape mode,
                       struct mpl_str line)
{
    struct mpl_record sourced = *r;
    sourced.source = sourced.ids = 1;
    for (int i = 0; i < 2; i++) {
        struct mpl_str again = render(p, &sourced, a, mode);
        FUZZ_CHECK(again.len == line.len && memcmp(again.ptr, line.ptr, line.len) == 0);
        free((char *)(uintptr_t)again.ptr);
    }
}

static void check_line(struct mpl_str line, const char *pattern, enum mpl_escape mode, bool is_ready_line)
{
    struct fuzz_controls found = fuzz_count_controls(line), own = fuzz_count_controls(mpl_str_from(pattern));
    FUZZ_CHECK(found.is_utf8);
    if (mode == MPL_ESCAPE_STRICT) {
        FUZZ_CHECK(found.newlines == (is_ready_line ? 0 : own.newlines));
        FUZZ_CHECK(found.others == (is_ready_line ? 0 : own.others));
    }
}

static void check_escape(struct mpl_str s, enum mpl_escape mode)
{
    struct mpl_text t = {malloc(4 * s.len + 1), 0, 4 * s.len};
    FUZZ_CHECK(t.data);
    mpl_escape_append(&t, s, mode);
    struct mpl_str escaped = {t.data, t.len};
    FUZZ_CHECK(mpl_text_fits(&t));
    FUZZ_CHECK(fuzz_count_controls(escaped).is_utf8 && mpl_escape_is_clean(escaped, mode));
    FUZZ_CHECK(mpl_escape_count(s, mode) == mpl_utf8_count(escaped));
    if (mpl_escape_is_clean(s, mode))
        FUZZ_CHECK(escaped.len == s.len && memcmp(escaped.ptr, s.ptr, s.len) == 0);
    free(t.data);
}

/* What iconv reads back must not have more lines than went in. */
static void check_newlines(struct mpl_str encoded, const char *name, size_t newlines)
{
    iconv_t back = iconv_open("UTF-8", name);
    size_t room = 8 * encoded.len + 16, left = room, in_left = encoded.len, count = 0;
    if (back == (iconv_t)-1)
        return; /* one of Python's names */
    char *text = malloc(room), *to = text, *from = (char *)(uintptr_t)encoded.ptr;
    FUZZ_CHECK(text);
    iconv(back, &from, &in_left, &to, &left);
    for (const char *at = text; at < to; at++)
        count += *at == '\n';
    FUZZ_CHECK(count <= newlines);
    iconv_close(back);
    free(text);
}

static void check_encoding(const char *name, struct mpl_str line)
{
    struct mpl_encoding *e;
    struct mpl_text counted = {NULL, 0, 0};
    if (mpl_encoding_open(&e, name) < 0)
        return;
    mpl_encoding_append(e, &counted, line);
    struct mpl_text t = {malloc(counted.len + 1), 0, counted.len};
    FUZZ_CHECK(t.data);
    mpl_encoding_append(e, &t, line);
    FUZZ_CHECK(t.len == counted.len);
    FUZZ_CHECK(mpl_encoding_bom(e).len <= 4);
    FUZZ_CHECK(t.len <= 64 * line.len + 64);
    check_newlines((struct mpl_str){t.data, t.len}, name, fuzz_count_controls(line).newlines);
    free(t.data);
    mpl_encoding_close(e);
}

static void check_all(struct mpl_str numbers, const char *pattern, const char *date_format, const char *encoding,
                      const struct mpl_str *texts)
{
    enum mpl_escape mode = (enum mpl_escape)(fuzz_next_number(&numbers) % 3);
    struct mpl_record r = record_of(&numbers, texts);
    struct mpl_cformat f;
    struct mpl_arg args[MPL_CFORMAT_ARGS_MAX];
    struct mpl_pattern *p;
    struct mpl_asctime a;
    set_format(&r, texts[11], &f, args);
    check_escape(texts[0], mode);
    if (mpl_pattern_compile(&p, pattern) < 0)
        return;
    if (mpl_asctime_init(&a, date_format, NULL) == 0) {
        struct mpl_str line = render(p, &r, &a, mode);
        check_kept(p, &r, &a, mode, line);
        check_line(line, pattern[0] ? pattern : MPL_DEFAULT_FORMAT, mode, r.ready_line.ptr != NULL);
        check_encoding(encoding, line);
        free((char *)(uintptr_t)line.ptr);
        mpl_asctime_fini(&a);
    }
    mpl_pattern_destroy(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mpl_str rest = {(const char *)data, size}, numbers = fuzz_line(&rest), texts[TEXT_COUNT];
    char *pattern = fuzz_cstr(fuzz_line(&rest)), *date_format = fuzz_cstr(fuzz_line(&rest));
    char *encoding = fuzz_cstr(fuzz_line(&rest));
    take_texts(&rest, texts);
    check_all(numbers, pattern, date_format, encoding, texts);
    for (int i = 0; i < TEXT_COUNT; i++)
        free((char *)(uintptr_t)texts[i].ptr);
    free(pattern);
    free(date_format);
    free(encoding);
    return 0;
}
