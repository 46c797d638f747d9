/* SPDX-License-Identifier: Unlicense
 *
 * Many records of one ring into one file, which is what a collector under load mostly does: what does not change
 * between them is looked at once. Whatever is not as usual ends the run before that record, and emit.c decides about
 * it.
 */
#include "base/level.h"
#include "collector/collector.h"
#include "shm/codec.h"

/* Longer ones are worth the long way: what it costs counts less for them. */
#define RECORD_BYTES_MAX 512u
#define COPY_BYTES 32u /* copied at a time, with a fixed length: an instruction or two */

struct run {
    struct mpl_collector *c;
    struct mpl_ring_view *ring;
    struct mpl_sink *sink;
    uint64_t limit, key, pos;
    uint32_t count, errors;
    uint64_t bytes; /* of lines */
};

struct mpl_sink *mpl_run_sink(const struct mpl_collector *c)
{
    uint32_t shared = c->sinks_shared;
    if (shared == 0 || (shared & (shared - 1)) != 0 || !(c->sinks_up & shared))
        return NULL;
    struct mpl_sink *s = c->sink[__builtin_ctz(shared)];
    return !s->is_stream && mpl_encoding_is_utf8(s->encoding) ? s : NULL;
}

/* The record at run->pos, copied out; `copy` has room for COPY_BYTES more. False: none for us. */
static bool copy_record(const struct run *run, char *copy, struct mpl_raw_record *raw)
{
    const struct mpl_ring_view *r = run->ring;
    uint64_t offset = run->pos & (r->data_bytes - 1), room = r->data_bytes - offset, left = r->head - run->pos;
    if (left < sizeof raw->head || room < RECORD_BYTES_MAX + COPY_BYTES)
        return false;
    memcpy(&raw->head, r->data + offset, sizeof raw->head);
    atomic_signal_fence(memory_order_seq_cst); /* what is checked is what is used: others can change the original */
    uint64_t bytes = mpl_bytes_of(raw->head.kind_words);
    if (bytes < sizeof raw->head || bytes > left || bytes > RECORD_BYTES_MAX || raw->head.sinks != MPL_SINKS_SHARED)
        return false;
    raw->body = copy;
    raw->body_bytes = bytes - sizeof raw->head;
    const char *body = r->data + offset + sizeof raw->head;
    for (uint64_t at = 0; at < raw->body_bytes; at += COPY_BYTES)
        memcpy(copy + at, body + at, COPY_BYTES);
    atomic_signal_fence(memory_order_seq_cst);
    return true;
}

static const struct mpl_quick *quick_of(const struct mpl_ring_view *r, const struct mpl_raw_record *raw)
{
    if ((raw->head.kind_words & 0xff) == MPL_RECORD_TEXT) /* and not MPL_RECORD_CUT */
        return mpl_quick_text;
    if ((raw->head.kind_words & 0xff) != MPL_RECORD_DEFERRED)
        return NULL;
    const struct mpl_def_view *site = mpl_view_known(r->member, mpl_ids_site(raw->head.ids));
    return site ? site->quick : NULL;
}

static bool append_message(const void *arg, struct mpl_text *out) { return mpl_quick_append(arg, out); }

/* The line of a record at the end of `out`. */
static bool append_line(const struct run *run, const struct mpl_raw_record *raw, struct mpl_text *out)
{
    struct mpl_sink *s = run->sink;
    const struct mpl_quick_message message = {quick_of(run->ring, raw), raw->body, raw->body_bytes};
    const struct mpl_pattern_again again = {
        .source = run->ring->source,
        .ids = raw->head.ids,
        .created_ns = mpl_clock_wall_of(&run->c->wall, raw->head.stamp),
        .message_fn = append_message,
        .arg = &message,
    };
    if (!message.quick || !mpl_pattern_render_again(s->pattern, &again, &s->asctime, out) || out->len == out->cap)
        return false;
    out->data[out->len++] = '\n';
    return true;
}

/* One record and its line. */
static bool take_one(struct run *run, struct mpl_text *out, uint32_t *ends)
{
    char copy[RECORD_BYTES_MAX + COPY_BYTES];
    struct mpl_raw_record raw;
    size_t before = out->len;
    if (!copy_record(run, copy, &raw))
        return false;
    uint64_t key = raw.head.stamp > run->key ? raw.head.stamp : run->key; /* as mpl_view_peek */
    int32_t level = mpl_ids_level(raw.head.ids);
    if (key >= run->limit || level < run->sink->level)
        return false;
    if (!append_line(run, &raw, out)) {
        out->len = before;
        return false;
    }
    ends[run->count++] = (uint32_t)out->len;
    run->key = key;
    run->errors += level >= MPL_LEVEL_ERROR;
    run->pos += mpl_bytes_of(raw.head.kind_words);
    return true;
}

static void account_run(const struct run *run)
{
    struct mpl_collector *c = run->c;
    c->account.merged += run->count;
    for (uint32_t i = 0; i < c->sink_count; i++)
        c->account.sink[i].skipped += c->sink[i] == run->sink ? 0 : run->count;
    run->sink->account->records += run->count;
    run->sink->account->bytes += run->bytes;
    c->batch_lines += run->count;
    c->newest_stamp = run->key;
    c->pass_records += run->count;
    c->pass_bytes += run->pos - run->ring->pos;
}

void mpl_run(struct mpl_collector *c, struct mpl_ring_view *r, struct mpl_sink *s, uint64_t limit)
{
    struct mpl_text room = mpl_batch_room(s);
    uint32_t count_max = room.cap > 0 ? mpl_batch_ends_left(s) : 0;
    struct run run = {.c = c, .ring = r, .sink = s, .limit = limit, .key = r->key, .pos = r->pos};
    if (count_max == 0)
        return;
    const struct mpl_batch_view *b = mpl_batch_filling(s);
    room = (struct mpl_text){room.data - b->len, b->len, room.cap + b->len}; /* ends count from the batch's beginning */
    uint32_t *ends = mpl_batch_ends(b->shared) + b->count;
    while (run.count < count_max && take_one(&run, &room, ends)) {
    }
    if (run.count == 0)
        return;
    run.bytes = room.len - b->len;
    mpl_batch_taken(s, run.count, run.bytes, run.errors > 0, r->key);
    account_run(&run);
    r->pos = run.pos;
    r->key = run.key;
    mpl_commit_touch(c, r);
}
