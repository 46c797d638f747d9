/* SPDX-License-Identifier: Unlicense */
#include "output/pattern.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/utf8.h"
#include "output/pattern_private.h"

#define EXCERPT_CHARACTERS 24 /* of the format, in a sentence about it */

static const struct {
    const char *name;
    enum mpl_pattern_field field;
    enum mpl_pattern_type type;
} fields[] = {
    {"asctime", MPL_ATTRIBUTE_ASCTIME, MPL_TYPE_TEXT},
    {"created", MPL_ATTRIBUTE_CREATED, MPL_TYPE_FLOAT},
    {"filename", MPL_ATTRIBUTE_FILENAME, MPL_TYPE_TEXT},
    {"funcName", MPL_ATTRIBUTE_FUNC_NAME, MPL_TYPE_TEXT},
    {"levelname", MPL_ATTRIBUTE_LEVEL_NAME, MPL_TYPE_TEXT},
    {"levelno", MPL_ATTRIBUTE_LEVELNO, MPL_TYPE_INT},
    {"lineno", MPL_ATTRIBUTE_LINENO, MPL_TYPE_INT},
    {"message", MPL_ATTRIBUTE_MESSAGE, MPL_TYPE_TEXT},
    {"module", MPL_ATTRIBUTE_MODULE, MPL_TYPE_TEXT},
    {"msecs", MPL_ATTRIBUTE_MSECS, MPL_TYPE_FLOAT},
    {"name", MPL_ATTRIBUTE_NAME, MPL_TYPE_TEXT},
    {"pathname", MPL_ATTRIBUTE_PATHNAME, MPL_TYPE_TEXT},
    {"process", MPL_ATTRIBUTE_PROCESS, MPL_TYPE_INT},
    {"processName", MPL_ATTRIBUTE_PROCESS_NAME, MPL_TYPE_TEXT},
    {"relativeCreated", MPL_ATTRIBUTE_RELATIVE_CREATED, MPL_TYPE_FLOAT},
    {"taskName", MPL_ATTRIBUTE_TASK_NAME, MPL_TYPE_TEXT},
    {"thread", MPL_ATTRIBUTE_THREAD, MPL_TYPE_INT},
    {"threadName", MPL_ATTRIBUTE_THREAD_NAME, MPL_TYPE_TEXT},
};

/* The n-th of them is flag 1 << n. */
static const char flag_characters[] = "-+ #0";

/* A text of one character would do for c in Python, but not the next one. */
static const char *const conversions[] = {
    [MPL_TYPE_TEXT] = "sra",
    [MPL_TYPE_INT] = "sradiuoxXceEfFgG",
    [MPL_TYPE_FLOAT] = "sradiueEfFgG",
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct compiler {
    const char *format;
    const char *at;      /* what is to be read next */
    const char *percent; /* where the conversion being read begins */
    struct mpl_pattern *pattern;
    char *literal_end; /* of the text collected for the current operation */
    bool has_field;
};

static int fail_at(const struct compiler *c, const char *reason)
{
    struct mpl_str before = {c->format, (size_t)(c->percent - c->format)}, after = mpl_str_from(c->percent);
    char excerpt[EXCERPT_CHARACTERS * 6 + 1]; /* each may become \u2028 */
    struct mpl_text t = {excerpt, 0, sizeof excerpt};
    after.len = mpl_utf8_prefix(after, EXCERPT_CHARACTERS);
    mpl_escape_append(&t, after, MPL_ESCAPE_STRICT);
    return mpl_fail(EINVAL, "format_string: at character %zu, \"%s\": %s", mpl_utf8_count(before) + 1,
                    mpl_text_cstr(&t), reason);
}

static struct mpl_pattern_op *current_op(struct compiler *c) { return &c->pattern->op[c->pattern->op_count]; }

/* The text of an operation is in one piece: nothing else is collected until end_op. */
static void add_literal(struct compiler *c, const char *bytes, size_t n)
{
    memcpy(c->literal_end, bytes, n);
    c->literal_end += n;
    current_op(c)->literal_len += n;
}

/* The current operation is complete: the next one's text follows its own. */
static void end_op(struct compiler *c)
{
    c->pattern->op_count++;
    current_op(c)->literal = c->literal_end;
    current_op(c)->literal_len = 0;
}

/* Reads "(name)". */
static int read_field(struct compiler *c, struct mpl_pattern_op *op)
{
    const char *end = strchr(c->at, ')');
    if (!end)
        return fail_at(c, "the name has no closing parenthesis");
    struct mpl_str name = {c->at + 1, (size_t)(end - c->at - 1)};
    for (size_t i = 0; i < COUNT(fields); i++) {
        if (mpl_str_equal(mpl_str_from(fields[i].name), name)) {
            op->field = (uint8_t)fields[i].field;
            op->type = (uint8_t)fields[i].type;
            c->at = end + 1;
            return 0;
        }
    }
    return fail_at(c, "there is no such field");
}

static void read_flags(struct compiler *c, struct mpl_pattern_op *op)
{
    const char *flag;
    while (*c->at && (flag = strchr(flag_characters, *c->at)) != NULL) {
        op->flags |= (uint8_t)(1u << (flag - flag_characters));
        c->at++;
    }
}

/* Reads digits, none of which mean 0. */
static int read_number(struct compiler *c, int32_t *number)
{
    if (*c->at == '*')
        return fail_at(c, "a width or precision cannot be taken from arguments");
    for (*number = 0; *c->at >= '0' && *c->at <= '9'; c->at++) {
        *number = *number * 10 + (*c->at - '0');
        if (*number > (int32_t)MPL_PATTERN_WIDTH_MAX)
            return fail_at(c, "a width or precision is above 1000");
    }
    return 0;
}

/* Reads flags, width, precision and size. */
static int read_modifiers(struct compiler *c, struct mpl_pattern_op *op)
{
    read_flags(c, op);
    int error = read_number(c, &op->width);
    if (!error && *c->at == '.') {
        c->at++;
        error = read_number(c, &op->precision);
    }
    if (*c->at && strchr("hlL", *c->at))
        c->at++;
    return error;
}

/* Flags do nothing to a text without a width; of a number, only the sign ones do. */
static bool is_plain(const struct mpl_pattern_op *op)
{
    if (op->width > 0 || op->precision >= 0)
        return false;
    if (op->type == MPL_TYPE_TEXT)
        return op->conversion == 's';
    bool has_sign = op->conversion == 'd' && (op->flags & (MPL_FLAG_PLUS | MPL_FLAG_SPACE));
    return op->type == MPL_TYPE_INT && strchr("srad", op->conversion) && !has_sign;
}

static int read_conversion(struct compiler *c, struct mpl_pattern_op *op)
{
    int error = read_field(c, op);
    if (!error)
        error = read_modifiers(c, op);
    if (error)
        return error;
    op->conversion = *c->at;
    if (op->conversion == '\0')
        return fail_at(c, "it ends before its conversion, the s of %(message)s");
    if (!strchr(conversions[op->type], op->conversion))
        return fail_at(c, "this field has no such conversion");
    c->at++;
    if (op->conversion == 'i' || op->conversion == 'u')
        op->conversion = 'd';
    if (op->conversion == 'c')
        op->precision = -1; /* Python ignores it */
    op->is_plain = is_plain(op);
    return 0;
}

/* Reads what begins with a percent sign. Python, too, takes "%%" only without anything in between. */
static int read_percent(struct compiler *c)
{
    c->percent = c->at++;
    if (*c->at == '%') {
        add_literal(c, c->at++, 1);
        return 0;
    }
    if (*c->at != '(')
        return fail_at(c, "a field in parentheses must follow, as in %(message)s; a percent sign is written %%");
    struct mpl_pattern_op op = *current_op(c);
    op.precision = -1;
    int error = read_conversion(c, &op);
    if (error)
        return error;
    *current_op(c) = op;
    end_op(c);
    c->has_field = true;
    return 0;
}

static bool is_changing(const struct mpl_pattern_op *op)
{
    switch (op->field) {
    case MPL_ATTRIBUTE_ASCTIME:
    case MPL_ATTRIBUTE_MESSAGE:
    case MPL_ATTRIBUTE_CREATED:
    case MPL_ATTRIBUTE_MSECS:
    case MPL_ATTRIBUTE_RELATIVE_CREATED: return true;
    default: return false;
    }
}

static void find_runs(struct mpl_pattern *p)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->op_count; i++) {
        if (!is_changing(&p->op[i]))
            continue;
        if (count == MPL_PATTERN_CHANGING_MAX)
            return;
        p->changing_plain[count] = p->op[i].is_plain ? p->op[i].field : MPL_ATTRIBUTE_NONE;
        p->changing[count++] = i;
    }
    p->changing_count = count;
}

static int compile(struct compiler *c)
{
    while (*c->at) {
        size_t n = strcspn(c->at, "%");
        add_literal(c, c->at, n);
        c->at += n;
        int error = *c->at ? read_percent(c) : 0;
        if (error)
            return error;
    }
    if (current_op(c)->literal_len > 0)
        end_op(c);
    if (!c->has_field)
        return mpl_fail(EINVAL, "format_string: it has no field, such as %%(message)s: all lines would be alike");
    find_runs(c->pattern);
    return 0;
}

/* Room for the most operations the format can have, and one to collect text in; its literals follow them. */
static struct mpl_pattern *create_pattern(const char *format)
{
    size_t op_count = 2;
    for (const char *p = strchr(format, '%'); p; p = strchr(p + 1, '%'))
        op_count++;
    size_t ops_bytes = op_count * sizeof(struct mpl_pattern_op);
    struct mpl_pattern *p = calloc(1, sizeof *p + ops_bytes + strlen(format) + MPL_PATTERN_SHORT);
    if (!p)
        return NULL;
    p->scratch = malloc(MPL_PATTERN_SCRATCH_MIN);
    if (!p->scratch) {
        free(p);
        return NULL;
    }
    p->scratch_cap = MPL_PATTERN_SCRATCH_MIN;
    p->op[0].literal = (char *)p + sizeof *p + ops_bytes;
    return p;
}

/* The pattern's own text goes to files as it is, and encodings expect UTF-8. */
static bool is_utf8(struct mpl_str s) { return mpl_escape_is_clean(s, MPL_ESCAPE_NONE); }

int mpl_pattern_compile(struct mpl_pattern **out, const char *format)
{
    if (!format || !*format)
        format = MPL_DEFAULT_FORMAT;
    if (!is_utf8(mpl_str_from(format)))
        return mpl_fail(EINVAL, "format_string: it is not valid UTF-8");
    struct mpl_pattern *p = create_pattern(format);
    if (!p)
        return mpl_fail(ENOMEM, "format_string: no memory");
    struct compiler c = {.format = format, .at = format, .pattern = p, .literal_end = (char *)p->op[0].literal};
    int error = compile(&c);
    if (error)
        mpl_pattern_destroy(p);
    else
        *out = p;
    return error;
}

void mpl_pattern_destroy(struct mpl_pattern *p)
{
    if (p)
        free(p->scratch);
    free(p);
}
