/* SPDX-License-Identifier: Unlicense */
#include "collector/quick.h"

#include <stdlib.h>

#include "base/fixed.h"
#include "output/escape.h"
#include "output/pattern_private.h"
#include "shm/codec.h"

/* Short texts are copied with a fixed length, an instruction or two: as many bytes can be read from any literal on, and
 * written behind any message. */
#define SHORT 16u

enum kind {
    NOTHING = 0, /* behind the last value there may be text */
    SIGNED,
    UNSIGNED,
    HEX,
    CHARACTER,
    FIXED,
    STRING,
    PYTHON_INT,
    PYTHON_FIXED,
    PYTHON_ANY, /* %s: a text, an int, or a float */
};

/* The text in front of a value, and the value. */
struct step {
    const char *literal;
    uint32_t literal_len;
    uint8_t kind;
    uint8_t unused_bits; /* of the word, above the type that the length modifier names; they may be anything */
    uint8_t precision;
    uint8_t width; /* 0: none */
    bool is_left, is_zero_padded;
};

struct mpl_quick {
    uint64_t words_bytes; /* of a body, in front of its texts */
    size_t room;          /* what a message may take, but for its strings */
    uint32_t step_count;
    uint32_t types_bytes; /* 8: the first word tells the types of the others */
    struct step *step;    /* behind it, and the texts behind them */
};

static struct step one_string[] = {{.literal = "               ", .kind = STRING}};
static const struct mpl_quick text = {.words_bytes = 8, .room = SHORT, .step_count = 1, .step = one_string};

const struct mpl_quick *const mpl_quick_text = &text;

/* ---- compiling ---- */

struct compiler {
    struct mpl_quick *quick;
    struct mpl_str format;
    char *literal; /* where the next one goes */
};

static struct mpl_quick *allocate(struct compiler *c, struct mpl_str format, uint32_t steps, uint32_t words)
{
    size_t size = sizeof(struct mpl_quick) + steps * sizeof(struct step);
    c->quick = calloc(1, size + format.len + SHORT);
    c->format = format;
    if (c->quick) {
        c->quick->step = (struct step *)(c->quick + 1);
        c->literal = (char *)c->quick + size;
        c->quick->words_bytes = 8 * (uint64_t)words;
        c->quick->room = SHORT;
    }
    return c->quick;
}

/* Text that belongs to the step that comes next. */
static void add_literal(struct compiler *c, uint32_t from, uint32_t len)
{
    struct step *s = &c->quick->step[c->quick->step_count];
    if (!s->literal)
        s->literal = c->literal;
    memcpy(c->literal, c->format.ptr + from, len);
    s->literal_len += len;
    c->literal += len;
    c->quick->room += len;
}

/* Returns the step, for a width to be filled in. */
static struct step *add_value(struct compiler *c, enum kind kind, unsigned unused_bits, unsigned precision)
{
    static const uint8_t room[] = {
        [SIGNED] = 1 + MPL_DIGITS_MAX,
        [UNSIGNED] = MPL_DIGITS_MAX,
        [HEX] = 16,
        [CHARACTER] = 1,
        [FIXED] = MPL_FIXED_TEXT_MAX,
        [PYTHON_INT] = 1 + MPL_DIGITS_MAX,
        [PYTHON_FIXED] = MPL_FIXED_TEXT_MAX,
        [PYTHON_ANY] = MPL_PYFORMAT_FLOAT_MAX,
    };
    struct step *s = &c->quick->step[c->quick->step_count++];
    if (!s->literal)
        s->literal = c->literal;
    s->kind = (uint8_t)kind;
    s->unused_bits = (uint8_t)unused_bits;
    s->precision = (uint8_t)precision;
    c->quick->room += room[kind];
    return s;
}

static bool is_text(enum kind kind) { return kind == STRING || kind == CHARACTER || kind == PYTHON_ANY; }

/* False: that width goes the long way. */
static bool add_width(struct compiler *c, struct step *s, int width, bool is_left, bool is_zero_padded)
{
    if (width > UINT8_MAX || (is_zero_padded && is_text((enum kind)s->kind)))
        return false;
    s->width = (uint8_t)(width > 0 ? width : 0);
    s->is_left = is_left;
    s->is_zero_padded = is_zero_padded && !is_left;
    c->quick->room += s->width;
    return true;
}

/* Texts are looked at once, here. Cut off between two values, a character or a colour sequence is not clean. */
static struct mpl_quick *finish(struct compiler *c, bool is_good)
{
    struct mpl_quick *q = c->quick;
    if (is_good && q->step[q->step_count].literal)
        q->step_count++;
    for (uint32_t i = 0; is_good && i < q->step_count; i++)
        is_good = mpl_escape_is_clean((struct mpl_str){q->step[i].literal, q->step[i].literal_len}, MPL_ESCAPE_STRICT);
    if (is_good)
        return q;
    free(q);
    return NULL;
}

static enum kind kind_of_c(const struct mpl_conversion *v)
{
    switch (v->conversion) {
    case 'd':
    case 'i': return v->precision < 0 ? SIGNED : NOTHING;
    case 'u': return v->precision < 0 ? UNSIGNED : NOTHING;
    case 'x': return v->precision < 0 ? HEX : NOTHING;
    case 'c': return v->length == MPL_LENGTH_INT && v->precision < 0 ? CHARACTER : NOTHING;
    case 's': return v->length == MPL_LENGTH_INT && v->precision < 0 ? STRING : NOTHING;
    case 'f':
    case 'F':
        return v->length != MPL_LENGTH_LONG_DOUBLE && v->precision <= (int)MPL_FIXED_PRECISION_MAX ? FIXED : NOTHING;
    default: return NOTHING;
    }
}

static bool add_c(struct compiler *c, const struct mpl_conversion *v, int *args)
{
    enum kind kind = kind_of_c(v);
    bool is_simple = (v->flags & ~(MPL_CFORMAT_LEFT | MPL_CFORMAT_ZERO)) == 0 && v->width_arg < 0 &&
                     v->precision_arg < 0 && v->arg == *args;
    if (kind == NOTHING || !is_simple)
        return false;
    ++*args;
    bool is_integer = kind == SIGNED || kind == UNSIGNED || kind == HEX;
    struct step *step = add_value(c, kind, is_integer ? mpl_cformat_unused_bits(v->length) : 0,
                                  v->precision < 0 ? 6 : (unsigned)v->precision);
    return add_width(c, step, v->width, v->flags & MPL_CFORMAT_LEFT, v->flags & MPL_CFORMAT_ZERO);
}

struct mpl_quick *mpl_quick_of_c(const struct mpl_cformat *f, struct mpl_str format)
{
    struct compiler c;
    int args = 0;
    bool is_good = true;
    if (!allocate(&c, format, f->conversion_count + 1, f->arg_count))
        return NULL;
    for (uint32_t i = 0; is_good && i < f->conversion_count; i++) {
        const struct mpl_conversion *v = &f->conversion[i];
        if (v->conversion)
            is_good = add_c(&c, v, &args);
        else
            add_literal(&c, v->text_from, v->text_len);
    }
    return finish(&c, is_good && (uint32_t)args == f->arg_count);
}

static enum kind kind_of_python(const struct mpl_pyformat_op *op)
{
    if (op->flags & ~(MPL_FLAG_LEFT | MPL_FLAG_ZERO))
        return NOTHING;
    if (op->conversion == 'f' || op->conversion == 'F')
        return op->precision <= (int)MPL_FIXED_PRECISION_MAX ? PYTHON_FIXED : NOTHING;
    if (op->precision >= 0)
        return NOTHING;
    return op->conversion == 'd' ? PYTHON_INT : op->conversion == 's' ? PYTHON_ANY : NOTHING;
}

struct mpl_quick *mpl_quick_of_python(const struct mpl_pyformat *f, struct mpl_str format)
{
    struct compiler c;
    bool is_good = true;
    if (!allocate(&c, format, f->op_count + 1, f->arg_count + 1))
        return NULL;
    c.quick->types_bytes = 8;
    for (uint32_t i = 0; is_good && i < f->op_count; i++) {
        const struct mpl_pyformat_op *op = &f->op[i];
        add_literal(&c, op->text_from, op->text_len);
        if (op->conversion == '\0')
            continue;
        enum kind kind = kind_of_python(op);
        is_good = kind != NOTHING &&
                  add_width(&c, add_value(&c, kind, 0, op->precision < 0 ? 6 : (unsigned)op->precision), op->width,
                            op->flags & MPL_FLAG_LEFT, op->flags & MPL_FLAG_ZERO);
    }
    return finish(&c, is_good);
}

/* ---- appending ---- */

struct cursor {
    const char *text;     /* of the next string */
    uint64_t texts_bytes; /* from there on */
};

/* NULL: the long way; also for C's null pointer, whose length is none. */
static inline char *put_string(char *to, struct cursor *c, uint64_t len)
{
    if (len > c->texts_bytes)
        return NULL;
    if (!mpl_escape_copy_plain(to, (struct mpl_str){c->text, len}) &&
        !mpl_escape_is_clean((struct mpl_str){to, len}, MPL_ESCAPE_STRICT))
        return NULL;
    c->text += len;
    c->texts_bytes -= len;
    return to + len;
}

static inline char *put_signed(char *to, int64_t value)
{
    if (value >= 0)
        return mpl_digits_put(to, (uint64_t)value);
    *to = '-';
    return mpl_digits_put(to + 1, -(uint64_t)value);
}

static char *put_hex(char *to, uint64_t value)
{
    unsigned digits = value ? (67 - (unsigned)__builtin_clzll(value)) / 4 : 1;
    for (unsigned i = digits; i-- > 0; value >>= 4)
        to[i] = "0123456789abcdef"[value & 15];
    return to + digits;
}

static char *put_character(char *to, uint64_t word)
{
    *to = (char)word;
    return mpl_escape_is_plain((struct mpl_str){to, 1}) ? to + 1 : NULL;
}

static char *put_any(char *to, uint64_t word, enum mpl_pytype type, struct cursor *c)
{
    struct mpl_text t = {to, 0, MPL_PYFORMAT_FLOAT_MAX};
    double value;
    switch (type) {
    case MPL_PY_TEXT: return put_string(to, c, word);
    case MPL_PY_INT: return put_signed(to, (int64_t)word);
    case MPL_PY_FLOAT:
        memcpy(&value, &word, sizeof value);
        mpl_pyformat_append_float(&t, value);
        return to + t.len;
    default: return NULL;
    }
}

static inline char *put_value(char *to, const struct step *s, uint64_t word, enum mpl_pytype type, struct cursor *c)
{
    switch ((enum kind)s->kind) {
    case SIGNED: return put_signed(to, (int64_t)(word << s->unused_bits) >> s->unused_bits); /* spreads the sign */
    case UNSIGNED: return mpl_digits_put(to, word << s->unused_bits >> s->unused_bits);
    case HEX: return put_hex(to, word << s->unused_bits >> s->unused_bits);
    case CHARACTER: return put_character(to, word);
    case FIXED: return mpl_fixed_put(to, word, s->precision);
    case STRING: return put_string(to, c, word);
    case PYTHON_INT: return type == MPL_PY_INT ? put_signed(to, (int64_t)word) : NULL;
    case PYTHON_FIXED: return type == MPL_PY_FLOAT ? mpl_fixed_put(to, word, s->precision) : NULL;
    case PYTHON_ANY: return put_any(to, word, type, c);
    case NOTHING: break;
    }
    __builtin_unreachable(); /* kinds are ours, and the last step has been seen before */
}

/* What lies from `begin` to `end` becomes as wide as the step says; returns its new end. NULL: a text of more bytes
 * than characters, whose width Python counts otherwise than C. */
static char *widen(char *begin, char *end, const struct step *s)
{
    size_t len = (size_t)(end - begin), padding = s->width > len ? s->width - len : 0;
    if (is_text((enum kind)s->kind) && !mpl_escape_is_plain((struct mpl_str){begin, len}))
        return NULL;
    if (padding == 0)
        return end;
    if (s->is_left) {
        memset(end, ' ', padding);
        return end + padding;
    }
    size_t sign = s->is_zero_padded && *begin == '-';
    memmove(begin + sign + padding, begin + sign, len - sign);
    memset(begin + sign, s->is_zero_padded ? '0' : ' ', padding);
    return end + padding;
}

bool mpl_quick_append(const struct mpl_quick_message *m, struct mpl_text *out)
{
    const struct mpl_quick *q = m->quick;
    uint64_t word = 0, types = 0;
    if (m->body_bytes < q->words_bytes || out->len > out->cap)
        return false;
    struct cursor c = {m->body + q->words_bytes, m->body_bytes - q->words_bytes};
    if (q->room + c.texts_bytes > out->cap - out->len)
        return false;
    if (q->types_bytes)
        memcpy(&types, m->body, sizeof types);
    const char *word_at = m->body + q->types_bytes;
    char *to = out->data + out->len;
    for (const struct step *s = q->step, *end = s + q->step_count; s < end; s++) {
        if (s->literal_len <= SHORT)
            memcpy(to, s->literal, SHORT);
        else
            memcpy(to, s->literal, s->literal_len);
        to += s->literal_len;
        if (s->kind == NOTHING)
            break;
        memcpy(&word, word_at, sizeof word);
        char *begin = to;
        to = put_value(to, s, word, (enum mpl_pytype)(types & 15), &c);
        if (to && __builtin_expect(s->width, 0))
            to = widen(begin, to, s);
        if (!to)
            return false;
        types >>= 4;
        word_at += sizeof word;
    }
    if (!mpl_codec_is_padding(c.texts_bytes))
        return false;
    out->len = (size_t)(to - out->data);
    return true;
}
