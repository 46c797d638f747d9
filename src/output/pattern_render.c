/* SPDX-License-Identifier: Unlicense */
#include <stdlib.h>

#include "base/error.h"
#include "base/level.h"
#include "base/utf8.h"
#include "output/pattern_private.h"

/* A scratch buffer above this is given back after the line: one long message does not cost memory for ever. */
#define SCRATCH_KEPT_MAX ((size_t)1 << 20)

#define CUT_NOTE_MAX 40u /* " ... [18446744073709551615 bytes cut]" */

struct rendering {
    struct mpl_pattern *pattern;
    const struct mpl_record *record;
    struct mpl_asctime *asctime;
    enum mpl_escape mode;
    struct mpl_text *out;
    size_t newline_end; /* out->len after a text that ended, before it was escaped, in a newline */
};

/* What is in `out` cannot tell: a newline may be there as \x0a, which may also be what the text said, and the end of a
 * line that does not fit is not there at all. */
static void note_end(struct rendering *g, struct mpl_str s)
{
    if (s.len > 0 && s.ptr[s.len - 1] == '\n')
        g->newline_end = g->out->len;
}

/* As mpl_text_append, of a text from which on MPL_PATTERN_SHORT bytes can be read. */
static void append_short(struct mpl_text *out, const char *bytes, size_t n)
{
    if (n <= MPL_PATTERN_SHORT && out->len + MPL_PATTERN_SHORT <= out->cap) {
        memcpy(out->data + out->len, bytes, MPL_PATTERN_SHORT);
        out->len += n;
    } else {
        mpl_text_append(out, bytes, n);
    }
}

/* Widths are those of columns: mostly short. */
static void append_padding(struct mpl_text *out, size_t n)
{
    static const char blanks[MPL_PATTERN_SHORT + 1] = "                ";
    if (n <= MPL_PATTERN_SHORT)
        append_short(out, blanks, n);
    else
        mpl_text_fill(out, ' ', n);
}

static void append_value(struct rendering *g, struct mpl_str s)
{
    mpl_escape_append(g->out, s, g->mode);
    note_end(g, s);
}

/* The message is not there yet, or not all of it. */
static bool is_composed(const struct mpl_record *r)
{
    return r->c_format || r->py_format || r->show_error || r->cut_bytes > 0;
}

static void append_cut_note(struct mpl_text *out, uint64_t bytes)
{
    mpl_text_str(out, MPL_STR(" ... ["));
    mpl_text_u64(out, bytes);
    mpl_text_str(out, MPL_STR(" bytes cut]"));
}

/* The note of the cut belongs to the message; the reason, which was not cut, comes after it. */
static void compose_message(const struct mpl_record *r, struct mpl_text *out)
{
    if (r->c_format)
        mpl_cformat_render(r->c_format, r->format, r->args, r->error, out);
    else if (r->py_format)
        mpl_pyformat_render(r->py_format, r->format, r->py_args, out);
    else
        mpl_text_str(out, r->message);
    if (r->cut_bytes > 0)
        append_cut_note(out, r->cut_bytes);
    if (r->show_error) {
        char reason[128];
        mpl_text_str(out, MPL_STR(": "));
        mpl_text_str(out, mpl_str_from(mpl_errno_text(r->error, reason, sizeof reason)));
        mpl_text_str(out, MPL_STR(" (errno "));
        mpl_text_i64(out, r->error);
        mpl_text_char(out, ')');
    }
}

/* Its old contents are of no use. False: the buffer stays as it is, because it has the largest size or because memory
 * is short. */
static bool grow_scratch(struct mpl_pattern *p, size_t size)
{
    if (size > MPL_PATTERN_MESSAGE_MAX)
        size = MPL_PATTERN_MESSAGE_MAX;
    char *scratch = size > p->scratch_cap ? malloc(size) : NULL;
    if (!scratch)
        return false;
    free(p->scratch);
    p->scratch = scratch;
    p->scratch_cap = size;
    return true;
}

/* If realloc fails, the large buffer is as good as the small one. */
static void trim_scratch(struct mpl_pattern *p)
{
    char *scratch = realloc(p->scratch, MPL_PATTERN_SCRATCH_MIN);
    if (scratch) {
        p->scratch = scratch;
        p->scratch_cap = MPL_PATTERN_SCRATCH_MIN;
    }
}

/* Ends a text that overflowed with a note of that. */
static void cut_message(struct mpl_text *t)
{
    size_t len = t->len, kept = t->cap - CUT_NOTE_MAX;
    while (kept > 0 && ((unsigned char)t->data[kept] & 0xc0) == 0x80)
        kept--;
    t->len = kept;
    append_cut_note(t, len - kept);
}

/* The message in the scratch buffer; valid until the next one. */
static struct mpl_str compose_in_scratch(struct rendering *g)
{
    struct mpl_pattern *p = g->pattern;
    struct mpl_text t = {p->scratch, 0, p->scratch_cap};
    compose_message(g->record, &t);
    if (!mpl_text_fits(&t) && grow_scratch(p, t.len)) {
        t = (struct mpl_text){p->scratch, 0, p->scratch_cap};
        compose_message(g->record, &t);
    }
    if (!mpl_text_fits(&t))
        cut_message(&t);
    return (struct mpl_str){t.data, t.len};
}

/* Most messages are clean and fit: they are made where they belong and looked at afterwards. */
static void append_composed_message(struct rendering *g)
{
    struct mpl_text *out = g->out;
    size_t begin = out->len;
    compose_message(g->record, out);
    if (mpl_text_fits(out) && out->len > begin && out->len - begin <= MPL_PATTERN_MESSAGE_MAX) {
        struct mpl_str shown = {out->data + begin, out->len - begin};
        if (mpl_escape_is_clean(shown, g->mode)) {
            note_end(g, shown);
            return;
        }
    }
    out->len = begin;
    append_value(g, compose_in_scratch(g));
}

static struct mpl_str file_name(struct mpl_str path)
{
    const char *slash = path.len > 0 ? memrchr(path.ptr, '/', path.len) : NULL;
    if (!slash)
        return path;
    return (struct mpl_str){slash + 1, (size_t)(path.ptr + path.len - slash - 1)};
}

/* The file's name without its last suffix; dots at its beginning begin none (os.path.splitext). */
static struct mpl_str module_name(struct mpl_str path)
{
    struct mpl_str name = file_name(path);
    const char *dot = name.len > 0 ? memrchr(name.ptr, '.', name.len) : NULL;
    size_t len = dot ? (size_t)(dot - name.ptr) : 0;
    for (size_t i = 0; i < len; i++) {
        if (name.ptr[i] != '.')
            return (struct mpl_str){name.ptr, len};
    }
    return name;
}

static struct mpl_str level_name(struct rendering *g)
{
    uint32_t level = (uint32_t)g->record->level;
    if (g->record->level_name.ptr)
        return g->record->level_name;
    struct mpl_pattern_ready *ready = &g->pattern->levels[level / 10 % MPL_PATTERN_READY_COUNT];
    if (ready->number != level || ready->len == 0) {
        struct mpl_text t = {ready->text, 0, sizeof ready->text};
        mpl_level_append(&t, g->record->level);
        ready->number = level;
        ready->len = t.len;
    }
    return (struct mpl_str){ready->text, ready->len};
}

static struct mpl_str text_of(struct rendering *g, enum mpl_pattern_field field)
{
    const struct mpl_record *r = g->record;
    switch (field) {
    case MPL_ATTRIBUTE_ASCTIME: return mpl_asctime_text(g->asctime, r->created_ns);
    case MPL_ATTRIBUTE_FILENAME: return file_name(r->path);
    case MPL_ATTRIBUTE_FUNC_NAME: return r->function;
    case MPL_ATTRIBUTE_LEVEL_NAME: return level_name(g);
    case MPL_ATTRIBUTE_MESSAGE: return is_composed(r) ? compose_in_scratch(g) : r->message;
    case MPL_ATTRIBUTE_MODULE: return module_name(r->path);
    case MPL_ATTRIBUTE_NAME: return r->logger;
    case MPL_ATTRIBUTE_PATHNAME: return r->path;
    case MPL_ATTRIBUTE_PROCESS_NAME: return r->process_name;
    case MPL_ATTRIBUTE_TASK_NAME: return r->task_name.ptr ? r->task_name : MPL_STR("None");
    case MPL_ATTRIBUTE_THREAD_NAME: return r->thread_name;
    default: return MPL_STR("");
    }
}

/* Signs are kept apart: padding comes between them and the digits. */
static struct mpl_pattern_number from_int(int64_t value)
{
    return (struct mpl_pattern_number){false, value < 0, value < 0 ? -(uint64_t)value : (uint64_t)value, 0};
}

static struct mpl_pattern_number from_float(double value)
{
    return (struct mpl_pattern_number){true, value < 0, 0, value < 0 ? -value : value};
}

/* Nanoseconds are divided as floats, as Python 3.13 does: the last digits depend on it. */
static struct mpl_pattern_number number_of(const struct mpl_record *r, enum mpl_pattern_field field)
{
    unsigned milliseconds;
    int64_t relative_ns;
    switch (field) {
    case MPL_ATTRIBUTE_LEVELNO: return from_int(r->level);
    case MPL_ATTRIBUTE_LINENO: return from_int(r->line);
    case MPL_ATTRIBUTE_PROCESS: return from_int(r->process);
    case MPL_ATTRIBUTE_THREAD: return (struct mpl_pattern_number){false, false, r->thread, 0};
    case MPL_ATTRIBUTE_CREATED: return from_float((double)r->created_ns / 1e9);
    case MPL_ATTRIBUTE_MSECS: mpl_asctime_second(r->created_ns, &milliseconds); return from_float(milliseconds);
    default: /* MPL_ATTRIBUTE_RELATIVE_CREATED */
        if (__builtin_sub_overflow(r->created_ns, r->relative_base_ns, &relative_ns))
            return from_float(((double)r->created_ns - (double)r->relative_base_ns) / 1e6);
        return from_float((double)relative_ns / 1e6);
    }
}

static size_t padding_of(const struct mpl_pattern_op *op, size_t count)
{
    return (size_t)op->width > count ? (size_t)op->width - count : 0;
}

/* Cut first and escaped then: the other way round, a colour sequence could be cut in two and reach the terminal. */
static void append_text(struct rendering *g, const struct mpl_pattern_op *op, struct mpl_str s)
{
    if (op->precision >= 0)
        s.len = mpl_utf8_prefix(s, (size_t)op->precision);
    size_t count = mpl_escape_is_plain(s) ? s.len : mpl_escape_count(s, g->mode);
    size_t padding = padding_of(op, count);
    if (!(op->flags & MPL_FLAG_LEFT))
        append_padding(g->out, padding);
    append_value(g, s);
    if (op->flags & MPL_FLAG_LEFT)
        append_padding(g->out, padding);
}

/* Once for its width, if that matters, and once for good. */
static void append_repr(struct rendering *g, const struct mpl_pattern_op *op, struct mpl_str s)
{
    bool is_ascii = op->conversion == 'a';
    size_t limit = op->precision >= 0 ? (size_t)op->precision : SIZE_MAX;
    struct mpl_text counted = {NULL, 0, 0};
    size_t padding = op->width > 0 ? padding_of(op, mpl_pattern_append_repr(&counted, s, is_ascii, limit)) : 0;
    if (!(op->flags & MPL_FLAG_LEFT))
        append_padding(g->out, padding);
    mpl_pattern_append_repr(g->out, s, is_ascii, limit);
    if (op->flags & MPL_FLAG_LEFT)
        append_padding(g->out, padding);
}

static void append_text_field(struct rendering *g, const struct mpl_pattern_op *op)
{
    if (op->is_plain && op->field == MPL_ATTRIBUTE_MESSAGE && is_composed(g->record)) {
        append_composed_message(g);
        return;
    }
    if (op->is_plain && op->field == MPL_ATTRIBUTE_ASCTIME && !g->asctime->format[0]) {
        mpl_asctime_append(g->asctime, g->out, g->record->created_ns); /* nothing to escape in digits */
        return;
    }
    struct mpl_str s = text_of(g, op->field);
    bool is_none = op->field == MPL_ATTRIBUTE_TASK_NAME && !g->record->task_name.ptr;
    if (op->conversion != 's' && !is_none)
        append_repr(g, op, s);
    else if (!op->is_plain)
        append_text(g, op, s);
    else
        append_value(g, s);
}

/* Decimal digits: 3 ns instead of 8 for a number that was shown lately. */
static void append_digits(struct rendering *g, uint64_t number)
{
    struct mpl_pattern_ready *ready = &g->pattern->numbers[number % MPL_PATTERN_READY_COUNT];
    if (ready->number != number || ready->len == 0) {
        struct mpl_text t = {ready->text, 0, sizeof ready->text};
        mpl_text_u64(&t, number);
        ready->number = number;
        ready->len = t.len;
    }
    append_short(g->out, ready->text, ready->len);
}

static void append_number_field(struct rendering *g, const struct mpl_pattern_op *op)
{
    struct mpl_pattern_number n = number_of(g->record, op->field);
    if (op->is_plain) {
        if (n.is_negative)
            mpl_text_char(g->out, '-');
        append_digits(g, n.magnitude);
    } else if (op->conversion == 'c') {
        char bytes[4];
        bool is_character = !n.is_negative && n.magnitude <= 0x10ffff;
        size_t len = mpl_utf8_encode(is_character ? (uint32_t)n.magnitude : 0xfffd, bytes);
        append_text(g, op, (struct mpl_str){bytes, len});
    } else {
        mpl_pattern_append_number(g->out, op, &n);
    }
}

/* Exception or stack, as logging.Formatter.format appends them. */
static void append_block(struct rendering *g, struct mpl_str s)
{
    if (s.len == 0)
        return;
    if (g->newline_end != g->out->len)
        append_value(g, MPL_STR("\n"));
    append_value(g, s);
}

static void append_literal(struct rendering *g, const struct mpl_pattern_op *op)
{
    append_short(g->out, op->literal, op->literal_len);
    note_end(g, (struct mpl_str){op->literal, op->literal_len});
}

static void append_field(struct rendering *g, const struct mpl_pattern_op *op)
{
    if (op->field == MPL_ATTRIBUTE_NONE)
        return; /* it holds the text behind the last field */
    if (op->type == MPL_TYPE_TEXT)
        append_text_field(g, op);
    else
        append_number_field(g, op);
}

/* ---- runs ---- */

/* False: they are too long to be kept. */
static bool fill_runs(struct rendering *g, struct mpl_pattern_runs *runs)
{
    struct mpl_pattern *p = g->pattern;
    struct mpl_text t = {runs->text, 0, MPL_PATTERN_RUNS_BYTES}, *out = g->out;
    uint32_t k = 0;
    runs->source = 0;
    g->out = &t;
    for (uint32_t i = 0; i < p->op_count; i++) {
        append_literal(g, &p->op[i]);
        if (k < p->changing_count && p->changing[k] == i)
            runs->end[k++] = (uint16_t)t.len;
        else
            append_field(g, &p->op[i]);
    }
    runs->end[k] = (uint16_t)t.len;
    g->out = out;
    g->newline_end = SIZE_MAX;
    if (!mpl_text_fits(&t))
        return false;
    runs->source = g->record->source;
    runs->ids = g->record->ids;
    return true;
}

static struct mpl_pattern_runs *place_of_runs(struct mpl_pattern *p, uint64_t source, uint64_t ids)
{
    /* Ids are numbers from 1 on in bit fields; folded, they differ in the low bits. */
    uint64_t place = source * 7 + ids + (ids >> 20) + (ids >> 44) * 3;
    return &p->runs[place % MPL_PATTERN_RUNS_COUNT];
}

static bool are_of(const struct mpl_pattern_runs *runs, uint64_t source, uint64_t ids)
{
    return runs->source == source && runs->ids == ids;
}

/* NULL: there are none for this record. */
static struct mpl_pattern_runs *find_runs(struct rendering *g)
{
    const struct mpl_record *r = g->record;
    if (r->source == 0 || g->pattern->changing_count == 0 || r->exception.len > 0 || r->stack.len > 0)
        return NULL;
    struct mpl_pattern_runs *runs = place_of_runs(g->pattern, r->source, r->ids);
    return are_of(runs, r->source, r->ids) || fill_runs(g, runs) ? runs : NULL;
}

static void render_with_runs(struct rendering *g, const struct mpl_pattern_runs *runs)
{
    const struct mpl_pattern *p = g->pattern;
    uint32_t begin = 0, k = 0;
    for (; k < p->changing_count; k++) {
        mpl_text_append(g->out, runs->text + begin, runs->end[k] - begin);
        append_field(g, &p->op[p->changing[k]]);
        begin = runs->end[k];
    }
    mpl_text_append(g->out, runs->text + begin, runs->end[k] - begin);
}

/* Copied in pieces of a fixed length, an instruction or two each: as many bytes more can be read and written. */
static inline char *put_run(char *to, const char *text, uint32_t n)
{
    for (uint32_t at = 0; at < n; at += MPL_PATTERN_PIECE)
        memcpy(to + at, text + at, MPL_PATTERN_PIECE);
    return to + n;
}

/* What can follow without a look at the room that is left: all runs and times of a line. */
#define AGAIN_BYTES (MPL_PATTERN_RUNS_BYTES + MPL_PATTERN_PIECE + MPL_PATTERN_CHANGING_MAX * MPL_ASCTIME_LEN)

static inline bool has_room_again(const struct mpl_text *out)
{
    return out->len <= out->cap && out->cap - out->len >= AGAIN_BYTES;
}

bool mpl_pattern_render_again(struct mpl_pattern *p, const struct mpl_pattern_again *r, struct mpl_asctime *a,
                              struct mpl_text *out)
{
    const struct mpl_pattern_runs *runs = place_of_runs(p, r->source, r->ids);
    if (r->source == 0 || !are_of(runs, r->source, r->ids) || !has_room_again(out) || a->format[0])
        return false; /* the last: a text by another format may need escaping */
    char *to = out->data + out->len, *again;
    for (uint32_t k = 0, begin = 0;; begin = runs->end[k++]) {
        to = put_run(to, runs->text + begin, runs->end[k] - begin);
        if (k == p->changing_count)
            break;
        uint8_t field = p->changing_plain[k];
        if (field == MPL_ATTRIBUTE_ASCTIME && (again = mpl_asctime_put_again(a, to, r->created_ns)) != NULL) {
            to = again;
            continue;
        }
        out->len = (size_t)(to - out->data);
        if (field == MPL_ATTRIBUTE_ASCTIME)
            mpl_asctime_append(a, out, r->created_ns);
        else if (field != MPL_ATTRIBUTE_MESSAGE || !r->message_fn(r->arg, out))
            return false;
        if (!has_room_again(out))
            return false;
        to = out->data + out->len;
    }
    out->len = (size_t)(to - out->data);
    return true;
}

void mpl_pattern_render(struct mpl_pattern *p, const struct mpl_record *r, struct mpl_asctime *a, enum mpl_escape mode,
                        struct mpl_text *out)
{
    struct rendering g = {.pattern = p, .record = r, .asctime = a, .mode = mode, .out = out, .newline_end = SIZE_MAX};
    if (r->ready_line.ptr) {
        append_value(&g, r->ready_line);
        return;
    }
    struct mpl_pattern_runs *runs = find_runs(&g);
    if (runs) {
        render_with_runs(&g, runs);
    } else {
        /* Any part may overflow `out`: all of them go on counting. */
        for (const struct mpl_pattern_op *op = p->op; op < p->op + p->op_count; op++) {
            append_literal(&g, op);
            append_field(&g, op);
        }
        append_block(&g, r->exception);
        append_block(&g, r->stack);
    }
    if (p->scratch_cap > SCRATCH_KEPT_MAX)
        trim_scratch(p);
}
