/* SPDX-License-Identifier: Unlicense
 *
 * Many records into one file, which is what a collector under load mostly does: what does not change between them is
 * looked at once, also where they take turns between rings. Whatever is not as usual ends the run before that record,
 * and emit.c decides about it.
 */
#include "base/level.h"
#include "collector/collector.h"
#include "shm/codec.h"

/* Longer ones are worth the long way: what it costs counts less for them. */
#define RECORD_BYTES_MAX 512u
#define COPY_BYTES 32u /* copied at a time, with a fixed length: an instruction or two */

struct run {
    struct mpl_collector *c;
    struct mpl_sink *sink;
    struct mpl_text lines; /* the batch's */
    uint32_t *ends;
    uint32_t count, count_max, errors;
    uint64_t first_key, key; /* of what was taken */

    /* the ring whose turn it is */
    struct mpl_ring_view *ring;
    uint64_t pos, limit;
    uint64_t next_key; /* of the record that is LATER */
    uint32_t next_bytes;
};

enum outcome {
    TAKEN,
    LATER, /* than another ring's, or than this pass */
    UNUSUAL
};

struct mpl_sink *mpl_run_sink(const struct mpl_collector *c)
{
    uint32_t shared = c->sinks_shared;
    if (shared == 0 || (shared & (shared - 1)) != 0 || !(c->sinks_up & shared))
        return NULL;
    struct mpl_sink *s = c->sink[__builtin_ctz(shared)];
    return !s->is_stream && mpl_encoding_is_utf8(s->encoding) ? s : NULL;
}

/* The head of the record at run->pos, copied out. False: none for us. */
static bool copy_head(const struct run *run, struct mpl_record_head *head)
{
    const struct mpl_ring_view *r = run->ring;
    uint64_t offset = run->pos & (r->data_bytes - 1), room = r->data_bytes - offset, left = r->head - run->pos;
    if (left < sizeof *head || room < RECORD_BYTES_MAX + COPY_BYTES)
        return false;
    memcpy(head, r->data + offset, sizeof *head);
    atomic_signal_fence(memory_order_seq_cst); /* what is checked is what is used: others can change the original */
    uint64_t bytes = mpl_bytes_of(head->kind_words);
    return bytes >= sizeof *head && bytes <= left && bytes <= RECORD_BYTES_MAX;
}

/* What follows the head; `copy` has room for COPY_BYTES more. */
static void copy_body(const struct run *run, char *copy, struct mpl_raw_record *raw)
{
    const struct mpl_ring_view *r = run->ring;
    const char *body = r->data + (run->pos & (r->data_bytes - 1)) + sizeof raw->head;
    raw->body = copy;
    raw->body_bytes = mpl_bytes_of(raw->head.kind_words) - sizeof raw->head;
    for (uint64_t at = 0; at < raw->body_bytes; at += COPY_BYTES)
        memcpy(copy + at, body + at, COPY_BYTES);
    atomic_signal_fence(memory_order_seq_cst);
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
static enum outcome take_one(struct run *run)
{
    char copy[RECORD_BYTES_MAX + COPY_BYTES];
    struct mpl_raw_record raw;
    size_t before = run->lines.len;
    if (!copy_head(run, &raw.head))
        return UNUSUAL;
    uint64_t key = raw.head.stamp > run->key ? raw.head.stamp : run->key; /* as mpl_view_peek */
    if (key >= run->limit) {
        run->next_key = key;
        run->next_bytes = (uint32_t)mpl_bytes_of(raw.head.kind_words);
        return mpl_kind_of(raw.head.kind_words) == MPL_RECORD_PAD ? UNUSUAL : LATER;
    }
    int32_t level = mpl_ids_level(raw.head.ids);
    if (raw.head.sinks != MPL_SINKS_SHARED || level < run->sink->level)
        return UNUSUAL;
    copy_body(run, copy, &raw);
    if (!append_line(run, &raw, &run->lines)) {
        run->lines.len = before;
        return UNUSUAL;
    }
    run->ends[run->count++] = (uint32_t)run->lines.len;
    run->key = key;
    run->errors += level >= MPL_LEVEL_ERROR;
    run->pos += mpl_bytes_of(raw.head.kind_words);
    return TAKEN;
}

/* Brings the first ring, of which records were taken, to where its next one belongs. */
static void put_back(struct run *run, enum outcome outcome)
{
    struct mpl_collector *c = run->c;
    struct mpl_ring_view *r = run->ring;
    if (outcome == LATER && run->next_key < c->now_stamp) {
        r->record_bytes = run->next_bytes;
        c->heap.entry[0].key = r->key = run->next_key;
        mpl_heap_sink_first(&c->heap);
    } else {
        mpl_pass_put_back_first(c);
    }
}

/* Takes from the first ring for as long as its next record is the next of all. False: nothing can be taken. */
static bool take_turn(struct run *run)
{
    struct mpl_collector *c = run->c;
    struct mpl_ring_view *r = c->heap.entry[0].ring;
    uint64_t others = mpl_heap_next_key(&c->heap);
    uint32_t before = run->count;
    enum outcome outcome = UNUSUAL;
    run->ring = r;
    run->pos = r->pos;
    run->key = r->key;
    run->limit = others < c->now_stamp ? others : c->now_stamp;
    if (before == 0)
        run->first_key = r->key;
    while (run->count < run->count_max && (outcome = take_one(run)) == TAKEN) {
    }
    if (run->count == before)
        return false;
    c->pass_bytes += run->pos - r->pos;
    c->newest_stamp = run->key;
    r->pos = run->pos;
    r->key = run->key;
    mpl_commit_touch(c, r);
    put_back(run, outcome);
    return true;
}

static bool begin(struct run *run, struct mpl_collector *c, struct mpl_sink *s)
{
    struct mpl_text room = mpl_batch_room(s);
    const struct mpl_batch_view *b = mpl_batch_filling(s);
    *run = (struct run){.c = c, .sink = s};
    if (room.cap == 0)
        return false;
    /* Ends count from the batch's beginning. */
    run->lines = (struct mpl_text){room.data - b->len, b->len, room.cap + b->len};
    run->ends = mpl_batch_ends(b->shared) + b->count;
    run->count_max = mpl_batch_ends_left(s);
    return true;
}

static void end(const struct run *run)
{
    struct mpl_collector *c = run->c;
    uint64_t bytes = run->lines.len - mpl_batch_filling(run->sink)->len;
    mpl_batch_taken(run->sink, run->count, bytes, run->errors > 0, run->first_key);
    c->account.merged += run->count;
    for (uint32_t i = 0; i < c->sink_count; i++)
        c->account.sink[i].skipped += c->sink[i] == run->sink ? 0 : run->count;
    run->sink->account->records += run->count;
    run->sink->account->bytes += bytes;
    c->batch_lines += run->count;
    c->pass_records += run->count;
}

void mpl_run(struct mpl_collector *c, struct mpl_sink *s)
{
    struct run run;
    if (!begin(&run, c, s))
        return;
    while (c->heap.count > 0 && take_turn(&run)) {
    }
    if (run.count > 0)
        end(&run);
}
