/* SPDX-License-Identifier: Unlicense
 *
 * A record becomes attributes, attributes become a line, the line goes to the sinks that want it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/level.h"
#include "collector/collector.h"
#include "shm/codec.h"

/* ---- attributes ---- */

static void set_site(struct mpl_record *out, const struct mpl_def_view *site)
{
    if (!site) { /* Python's words for a caller it cannot find */
        out->path = MPL_STR("(unknown file)");
        out->function = MPL_STR("(unknown function)");
        return;
    }
    out->path = site->file;
    out->function = site->function;
    out->line = site->line;
}

static void set_common(struct mpl_collector *c, struct mpl_ring_view *r, const struct mpl_raw_record *raw,
                       struct mpl_record *out)
{
    *out = (struct mpl_record){
        .created_ns = mpl_clock_wall_of(&c->wall, raw->head.stamp),
        .relative_base_ns = r->member->head ? r->member->head->relative_base_ns : 0,
        .level = mpl_ids_level(raw->head.ids),
        .thread = r->thread,
        .process = r->process,
        .process_name = {r->names, r->process_len},
        .thread_name = {r->names + r->process_len, r->thread_len},
        .task_name = MPL_STR(""), /* there are no tasks in C; a binding says otherwise */
        .cut_bytes = raw->cut_bytes,
    };
    const struct mpl_def_view *logger = mpl_view_definition(r->member, mpl_ids_logger(raw->head.ids), MPL_DEF_LOGGER,
                                                            c->dir_fd);
    out->logger = logger ? logger->text : MPL_STR("root");
    if (r->source == 0)
        r->source = ++c->source_count;
    out->source = logger ? r->source : 0;
    out->ids = raw->head.ids;
}

struct arguments {
    struct mpl_arg c[MPL_CFORMAT_ARGS_MAX];
    struct mpl_pyarg python[MPL_PYFORMAT_ARGS_MAX];
    union { /* a format that there is no memory to keep */
        struct mpl_cformat c_format;
        struct mpl_pyformat py_format;
    } spare;
};

/* Reads what the word of types says: a word each, then the texts. */
static bool read_typed(struct mpl_str body, uint32_t count, struct mpl_pyarg *args)
{
    uint64_t types, word, text_at = 8 + 8 * (uint64_t)count;
    if (body.len < text_at)
        return false;
    memcpy(&types, body.ptr, sizeof types);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(&word, body.ptr + 8 + 8 * (uint64_t)i, sizeof word);
        args[i].type = (enum mpl_pytype)(types >> (4 * i) & 15);
        if (args[i].type == MPL_PY_TEXT) {
            if (word > body.len - text_at)
                return false;
            args[i].text = (struct mpl_str){body.ptr + text_at, word};
            text_at += word;
        } else if (args[i].type < MPL_PY_TEXT) {
            memcpy(&args[i].number, &word, sizeof word);
        } else {
            return false;
        }
    }
    return mpl_codec_is_padding(body.len - text_at);
}

static bool set_typed(struct mpl_def_view *site, struct mpl_str body, struct mpl_record *out, struct arguments *args)
{
    const struct mpl_pyformat *f = mpl_defs_pyformat(site, &args->spare.py_format);
    if (!f || !read_typed(body, f->arg_count, args->python))
        return false;
    out->format = site->text;
    out->py_format = f;
    out->py_args = args->python;
    return true;
}

static bool set_deferred(struct mpl_def_view *site, const struct mpl_raw_record *raw, struct mpl_record *out,
                         struct arguments *args)
{
    set_site(out, site);
    if (!site)
        return false; /* the only case is a segment that somebody has damaged */
    if (site->flags & MPL_DEF_PYTHON)
        return set_typed(site, (struct mpl_str){raw->body, raw->body_bytes}, out, args);
    const struct mpl_cformat *f = mpl_defs_format(site, &args->spare.c_format);
    static const struct mpl_cformat none = {.conversion_count = 0};
    if (!mpl_codec_args(raw, f ? f : &none, (site->flags & MPL_DEF_HAS_ERROR) != 0, args->c, &out->error))
        return false;
    out->show_error = (site->flags & MPL_DEF_SHOW_ERROR) != 0;
    out->format = site->text;
    out->c_format = f;
    out->args = args->c;
    if (!f)
        out->message = site->text; /* not a format: shown as it is */
    return true;
}

static void set_field(struct mpl_record *out, uint32_t tag, struct mpl_str value)
{
    static const struct {
        uint32_t tag;
        size_t offset;
    } texts[] = {
        {MPL_FIELD_MESSAGE, offsetof(struct mpl_record, message)},
        {MPL_FIELD_LOGGER, offsetof(struct mpl_record, logger)},
        {MPL_FIELD_LEVEL_NAME, offsetof(struct mpl_record, level_name)},
        {MPL_FIELD_PATH, offsetof(struct mpl_record, path)},
        {MPL_FIELD_FUNCTION, offsetof(struct mpl_record, function)},
        {MPL_FIELD_THREAD_NAME, offsetof(struct mpl_record, thread_name)},
        {MPL_FIELD_PROCESS_NAME, offsetof(struct mpl_record, process_name)},
        {MPL_FIELD_TASK_NAME, offsetof(struct mpl_record, task_name)},
        {MPL_FIELD_EXCEPTION, offsetof(struct mpl_record, exception)},
        {MPL_FIELD_STACK, offsetof(struct mpl_record, stack)},
        {MPL_FIELD_LINE_TEXT, offsetof(struct mpl_record, ready_line)},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].tag == tag) {
            memcpy((char *)out + texts[i].offset, &value, sizeof value);
            return;
        }
    }
    int64_t number = mpl_field_i64(value);
    switch (tag) {
    case MPL_FIELD_LEVEL: out->level = (int32_t)number; break;
    case MPL_FIELD_LINE: out->line = (uint32_t)number; break;
    case MPL_FIELD_CREATED: out->created_ns = number; break;
    case MPL_FIELD_THREAD: out->thread = (uint64_t)number; break;
    case MPL_FIELD_PROCESS: out->process = (uint32_t)number; break;
    case MPL_FIELD_RELATIVE: /* any two numbers: what does not fit wraps around */
        out->relative_base_ns = (int64_t)((uint64_t)out->created_ns - (uint64_t)number);
        break;
    default: /* of a newer producer */ break;
    }
}

static bool set_full(const struct mpl_raw_record *raw, struct mpl_def_view *site, struct mpl_record *out,
                     struct arguments *args)
{
    uint32_t tag;
    struct mpl_str value;
    set_site(out, site);
    out->source = 0; /* any attribute may be another one */
    for (uint64_t at = 0; at < raw->body_bytes;) {
        if (!mpl_codec_field(raw, &at, &tag, &value))
            return false;
        if (tag != MPL_FIELD_ARGS)
            set_field(out, tag, value);
        else if (!site || !set_typed(site, value, out, args))
            return false;
    }
    return true;
}

/* What is to become a line: a record, or (ring NULL) one of our own. Attributes are looked up when a sink needs them.
 */
struct emission {
    struct mpl_collector *c;
    struct mpl_ring_view *ring;
    const struct mpl_raw_record *raw;
    struct mpl_quick_message quick; /* quick NULL: none */
    bool has_record;
    struct mpl_record *record;
    struct arguments *args;
};

static bool set_attributes(struct emission *e)
{
    const struct mpl_raw_record *raw = e->raw;
    struct mpl_def_view *site = mpl_view_definition(e->ring->member, mpl_ids_site(raw->head.ids), MPL_DEF_SITE,
                                                    e->c->dir_fd);
    e->has_record = true;
    set_common(e->c, e->ring, raw, e->record);
    switch (mpl_kind_of(raw->head.kind_words)) {
    case MPL_RECORD_DEFERRED: return set_deferred(site, raw, e->record, e->args);
    case MPL_RECORD_TEXT: set_site(e->record, site); return mpl_codec_text(raw, &e->record->message);
    case MPL_RECORD_FULL: return set_full(raw, site, e->record, e->args);
    default: return false;
    }
}

/* False: the record is damaged. */
static bool is_sound(struct emission *e) { return e->has_record || set_attributes(e); }

/* A message that may be made without looking at attributes. */
static void set_quick(struct emission *e)
{
    const struct mpl_raw_record *raw = e->raw;
    const struct mpl_def_view *site;
    e->quick = (struct mpl_quick_message){NULL, raw->body, raw->body_bytes};
    if (raw->cut_bytes > 0)
        return;
    if (mpl_kind_of(raw->head.kind_words) == MPL_RECORD_TEXT) {
        e->quick.quick = mpl_quick_text;
    } else if (mpl_kind_of(raw->head.kind_words) == MPL_RECORD_DEFERRED) {
        site = mpl_view_known(e->ring->member, mpl_ids_site(raw->head.ids));
        e->quick.quick = site ? site->quick : NULL;
    }
}

/* ---- lines ---- */

static bool append_quick_message(const void *arg, struct mpl_text *out) { return mpl_quick_append(arg, out); }

/* len 0: it must go the long way. */
static struct mpl_str render_quickly(struct mpl_sink *s, const struct emission *e)
{
    const struct mpl_pattern_again again = {
        .source = e->ring->source,
        .ids = e->raw->head.ids,
        .created_ns = mpl_clock_wall_of(&e->c->wall, e->raw->head.stamp),
        .message_fn = append_quick_message,
        .arg = &e->quick,
    };
    struct mpl_text t = mpl_sink_room(s);
    if (!mpl_pattern_render_again(s->pattern, &again, &s->asctime, &t) || t.len == t.cap)
        return (struct mpl_str){NULL, 0};
    t.data[t.len] = '\n';
    return (struct mpl_str){t.data, t.len + 1};
}

/* The line of `record` as `s` shows it, newline at its end, in s->line. len 0: out of memory. */
static struct mpl_str render_record(struct mpl_sink *s, const struct mpl_record *record)
{
    for (;;) {
        struct mpl_text t = {s->line, 0, s->line_cap};
        mpl_pattern_render(s->pattern, record, &s->asctime, s->escape, &t);
        mpl_text_char(&t, '\n');
        if (mpl_text_fits(&t))
            return (struct mpl_str){t.data, t.len};
        size_t larger = t.len < MPL_LINE_BYTES_LEAST ? MPL_LINE_BYTES_LEAST : t.len + t.len / 4;
        char *line = realloc(s->line, larger);
        if (!line)
            return (struct mpl_str){NULL, 0};
        s->line = line;
        s->line_cap = larger;
    }
}

/* Into s->rendered. False: the record is damaged. */
static bool render(struct mpl_sink *s, struct emission *e)
{
    s->rendered = e->quick.quick ? render_quickly(s, e) : (struct mpl_str){NULL, 0};
    if (s->rendered.len > 0)
        return true;
    if (!is_sound(e))
        return false;
    s->rendered = render_record(s, e->record);
    return true;
}

enum emitted { EMITTED, BLOCKED, DAMAGED };

/* Room for the line in every sink of `takers`, which loses those that will not take it. */
static enum emitted offer(struct emission *e, uint32_t *takers)
{
    struct mpl_collector *c = e->c;
    uint32_t rendered = 0; /* mask of sinks whose `rendered` is of this record */
    for (uint32_t left = *takers; left; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(left);
        struct mpl_sink *s = c->sink[i], *like = c->sink[s->like];
        if (!(rendered >> s->like & 1) && !render(like, e))
            return DAMAGED;
        rendered |= UINT32_C(1) << s->like;
        enum mpl_append result = like->rendered.len ? mpl_sink_offer(s, like->rendered) : MPL_APPEND_LOST;
        if (result == MPL_APPEND_WAIT || (result == MPL_APPEND_FULL && !mpl_commit(c))) {
            c->is_blocked = true;
            return BLOCKED;
        }
        if (result == MPL_APPEND_FULL)
            return offer(e, takers); /* after a commit no batch is full: written, or it waits for its file */
        if (result == MPL_APPEND_LOST)
            *takers &= ~(UINT32_C(1) << i);
    }
    return EMITTED;
}

/* `sinks`: a mask. `weight` records are lost where the line is not taken: 1, or what a line of our own stands for. */
static enum emitted emit(struct emission *e, const struct mpl_line *line, uint32_t sinks, uint64_t weight)
{
    struct mpl_collector *c = e->c;
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < c->sink_count; i++)
        wanted |= (uint32_t)(line->level >= c->sink[i]->level) << i;
    wanted &= sinks;
    uint32_t takers = wanted & c->sinks_up;
    if (takers == 0 && !is_sound(e))
        return DAMAGED; /* as it would be if somebody took it: others may be hidden in it */
    enum emitted result = offer(e, &takers);
    if (result != EMITTED)
        return result;
    for (uint32_t i = 0; i < c->sink_count; i++) {
        if (takers >> i & 1)
            mpl_sink_take(c->sink[i], line);
        else if (wanted >> i & 1)
            mpl_loss_count(c, c->sink[i], line, weight);
        else
            c->account.sink[i].skipped += !line->is_own;
    }
    c->batch_lines++;
    return EMITTED;
}

/* ---- records ---- */

/* False: damaged. */
static bool take_names(struct mpl_ring_view *r, const struct mpl_raw_record *raw)
{
    struct mpl_str process_name, thread_name;
    if (!mpl_codec_names(raw, &r->thread, &r->process, &process_name, &thread_name))
        return false;
    r->process_len = (uint16_t)process_name.len;
    r->thread_len = (uint16_t)thread_name.len;
    memcpy(r->names, process_name.ptr, process_name.len);
    memcpy(r->names + process_name.len, thread_name.ptr, thread_name.len);
    r->names_changed = true;
    r->source = 0;
    return true;
}

static bool copy_out(struct mpl_collector *c, const struct mpl_ring_view *r)
{
    if (r->record_bytes > c->copy_cap) {
        char *copy = realloc(c->copy, r->record_bytes);
        if (!copy)
            return false;
        c->copy = copy;
        c->copy_cap = r->record_bytes;
    }
    mpl_view_copy(r, c->copy);
    return true;
}

/* A line in the place of a record that cannot be shown. False: blocked. */
static bool replace_record(struct mpl_collector *c, const struct mpl_ring_view *r, enum mpl_loss cause)
{
    if (!mpl_emit_notice(c, mpl_loss_sinks(c), 1, r->member, r,
                         cause == MPL_LOSS_MEMORY ? "a record of %u bytes was lost: out of memory"
                                                  : "a damaged record of %u bytes was skipped",
                         r->record_bytes))
        return false;
    c->account.lost[cause]++;
    return true;
}

static enum emitted emit_raw(struct mpl_collector *c, struct mpl_ring_view *r, const struct mpl_raw_record *raw)
{
    struct mpl_record record;
    struct arguments args;
    struct emission e = {.c = c, .ring = r, .raw = raw, .record = &record, .args = &args};
    struct mpl_line line = {.level = mpl_ids_level(raw->head.ids), .stamp = r->key, .process = r->process};
    set_quick(&e);
    if (!e.quick.quick) {
        if (!set_attributes(&e))
            return DAMAGED;
        line.level = record.level;
    }
    return emit(&e, &line, raw->head.sinks == MPL_SINKS_SHARED ? c->sinks_shared : raw->head.sinks, 1);
}

bool mpl_emit_record(struct mpl_collector *c, struct mpl_ring_view *r)
{
    struct mpl_raw_record raw;
    if (!copy_out(c, r))
        return replace_record(c, r, MPL_LOSS_MEMORY);
    if (!mpl_codec_open(&raw, c->copy, r->record_bytes))
        return replace_record(c, r, MPL_LOSS_DAMAGED);
    if (mpl_kind_of(raw.head.kind_words) == MPL_RECORD_NAMES)
        return take_names(r, &raw) || replace_record(c, r, MPL_LOSS_DAMAGED);
    enum emitted result = emit_raw(c, r, &raw);
    if (result == DAMAGED)
        return replace_record(c, r, MPL_LOSS_DAMAGED);
    if (result == BLOCKED)
        return false;
    c->account.merged++;
    c->newest_stamp = r->key;
    return true;
}

/* In the name of `r`, of `m`, or of the collector. */
static void set_own(const struct mpl_collector *c, const struct mpl_member_view *m, const struct mpl_ring_view *r,
                    struct mpl_str message, struct mpl_record *out)
{
    *out = (struct mpl_record){
        .created_ns = c->is_other_boot ? mpl_clock_wall_ns() : mpl_clock_wall_of(&c->wall, c->now_stamp),
        .level = MPL_LEVEL_WARNING,
        .logger = MPL_STR("mplog"),
        .task_name = MPL_STR(""),
        .path = MPL_STR("(unknown file)"),
        .function = MPL_STR("(unknown function)"),
        .message = message,
        .process = m ? (uint32_t)m->pid : atomic_load_explicit(&c->control->head.collector_pid, memory_order_relaxed),
    };
    if (r) {
        out->thread = r->thread;
        out->process = r->process ? r->process : out->process;
        out->process_name = (struct mpl_str){r->names, r->process_len};
        out->thread_name = (struct mpl_str){r->names + r->process_len, r->thread_len};
    } else {
        out->process_name = MPL_STR("mplog");
        out->thread_name = MPL_STR("collector");
    }
}

static struct mpl_line line_of(const struct mpl_collector *c, const struct mpl_record *own)
{
    return (struct mpl_line){.level = own->level, .is_own = true, .stamp = c->now_stamp, .process = own->process};
}

bool mpl_emit_notice(struct mpl_collector *c, uint32_t sinks, uint64_t weight, const struct mpl_member_view *m,
                     const struct mpl_ring_view *r, const char *format, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : n < (int)sizeof text ? (size_t)n : sizeof text - 1;
    struct mpl_record record;
    set_own(c, m, r, (struct mpl_str){text, len}, &record);
    struct emission e = {.c = c, .has_record = true, .record = &record};
    struct mpl_line line = line_of(c, &record);
    return emit(&e, &line, sinks, weight) == EMITTED;
}

bool mpl_emit_about(struct mpl_collector *c, struct mpl_sink *s, struct mpl_str text)
{
    struct mpl_record record;
    set_own(c, NULL, NULL, text, &record);
    struct emission e = {.c = c, .has_record = true, .record = &record};
    struct mpl_line line = line_of(c, &record);
    if (line.level < s->level)
        return true;
    uint32_t takers = UINT32_C(1) << s->index;
    bool was_blocked = c->is_blocked;
    bool has_room = offer(&e, &takers) == EMITTED && takers != 0;
    c->is_blocked = was_blocked;
    if (has_room) {
        mpl_sink_take(s, &line);
        c->batch_lines++;
    }
    return has_room;
}
