/* SPDX-License-Identifier: Unlicense
 *
 * From a call to bytes in the ring. The usual case copies straight into the ring under the GIL, about 20 ns. Everything
 * else (the first record of a thread, a change of session, a full ring) goes through a copy in private memory, so that
 * the GIL can be given back.
 */
#include "_mplog.h"

#include <time.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "session/session.h"

#define NS_PER_MS UINT64_C(1000000)

/* A full ring is looked at again after this, then at growing intervals (producer/space.c says why). */
#define BACKOFF_LEAST_NS UINT64_C(100000)
#define BACKOFF_MOST_NS UINT64_C(25000000)

/* ---- laying down ---- */

static uint64_t body_bytes(const struct mplpy_body *b)
{
    return (b->is_typed ? 8 + 8 * (uint64_t)b->count : 8) + b->text_bytes;
}

/* The word of types, the arguments' words, their texts. The relaxed stores keep compilers from making calls of memcpy
 * of them. */
static inline void put_typed(const struct mplpy_body *b, char *at)
{
    uint64_t *word = (uint64_t *)(void *)at;
    char *text = (char *)(word + 1 + b->count);
    *word++ = b->types;
    for (unsigned i = 0; i < b->count; i++) {
        __atomic_store_n(&word[i], b->word[i], __ATOMIC_RELAXED);
        if (b->text[i])
            text = mplpy_text_put(b->text[i], text);
    }
}

/* The body of a TEXT record, or of a DEFERRED one; `at` is aligned for words. */
static inline void put_body(const struct mplpy_body *b, char *at)
{
    if (b->is_typed) {
        put_typed(b, at);
    } else {
        memcpy(at, &b->text_bytes, 8);
        mplpy_text_put(b->text[0], at + 8);
    }
}

static uint64_t field_bytes(const struct mplpy_field *f)
{
    return mpl_field_bytes(f->text ? mplpy_text_bytes(f->text) : sizeof(int64_t));
}

static char *put_field(const struct mplpy_field *f, char *at)
{
    if (!f->text)
        return mpl_field_put_i64(at, f->tag, f->number);
    struct mpl_field head = {f->tag, (uint32_t)mplpy_text_bytes(f->text)};
    memcpy(at, &head, sizeof head);
    mplpy_text_put(f->text, at + sizeof head);
    return at + mpl_field_bytes(head.len);
}

/* The message of a FULL record. */
static void put_message_field(const struct mplpy_body *b, char *at)
{
    struct mpl_field head = {b->is_typed ? MPL_FIELD_ARGS : MPL_FIELD_MESSAGE,
                             (uint32_t)(b->is_typed ? body_bytes(b) : b->text_bytes)};
    memcpy(at, &head, sizeof head);
    if (b->is_typed)
        put_body(b, at + sizeof head);
    else
        mplpy_text_put(b->text[0], at + sizeof head);
}

/* Body of a record of any kind. */
static uint64_t record_body_bytes(const struct mplpy_call *c)
{
    if (c->field_count == 0)
        return body_bytes(&c->body);
    uint64_t bytes = mpl_field_bytes(c->body.is_typed ? body_bytes(&c->body) : c->body.text_bytes);
    for (unsigned i = 0; i < c->field_count; i++)
        bytes += field_bytes(&c->field[i]);
    return bytes;
}

static uint32_t kind_of(const struct mplpy_call *c)
{
    return c->field_count > 0 ? MPL_RECORD_FULL : c->body.is_typed ? MPL_RECORD_DEFERRED : MPL_RECORD_TEXT;
}

/* Returns where the message's length stands. */
static char *put_record_body(const struct mplpy_call *c, char *at)
{
    if (c->field_count == 0) {
        put_body(&c->body, at);
        return at;
    }
    for (unsigned i = 0; i < c->field_count; i++)
        at = put_field(&c->field[i], at);
    put_message_field(&c->body, at);
    return at;
}

/* ---- the long way ---- */

/* A record in private memory. The message comes last, so that it can be cut. */
struct draft {
    struct mpl_binding_record record;
    char *data;
    uint64_t len, message_at; /* message_at: where its length stands */
    bool can_cut;
};

static bool make_draft(struct draft *d, const struct mplpy_call *c)
{
    *d = (struct draft){
        .record =
            {.logger = c->logger, .level = c->level, .kind = kind_of(c), .sinks = c->sinks, .site_bits = c->site_bits},
        .len = record_body_bytes(c),
        .can_cut = !c->body.is_typed,
    };
    d->data = PyMem_RawCalloc(1, MPL_ALIGN(d->len));
    if (!d->data)
        return false;
    d->message_at = (uint64_t)(put_record_body(c, d->data) - d->data);
    return true;
}

/* Takes `bytes` or a few more from the end of the message. False: it is not so long. */
static bool cut(struct draft *d, uint64_t bytes)
{
    uint64_t len;
    struct mpl_field head;
    bool is_full = d->record.kind == MPL_RECORD_FULL;
    char *at = d->data + d->message_at;
    memcpy(&len, at, sizeof len);
    memcpy(&head, at, sizeof head);
    len = is_full ? head.len : len;
    if (!d->can_cut || len < bytes)
        return false;
    uint64_t kept = mpl_utf8_cut((struct mpl_str){at + 8, len}, len - bytes);
    d->record.cut_bytes += len - kept;
    head.len = (uint32_t)kept;
    if (is_full)
        memcpy(at, &head, sizeof head);
    else
        memcpy(at, &kept, sizeof kept);
    d->len = d->message_at + 8 + MPL_ALIGN(kept);
    return true;
}

/* Nobody in the middle of it holds anything of ours: a daemon thread may end here, and a signal's handler may log. */
static int wait_a_little(uint64_t *backoff_ns, uint64_t *waited_ns)
{
    struct timespec pause = {0, (long)*backoff_ns};
    uint64_t begin_ns = mpl_clock_monotonic_ns();
    mplpy_stats.waits++;
    Py_BEGIN_ALLOW_THREADS nanosleep(&pause, NULL);
    Py_END_ALLOW_THREADS *waited_ns += mpl_clock_monotonic_ns() - begin_ns;
    *backoff_ns = *backoff_ns * 2 < BACKOFF_MOST_NS ? *backoff_ns * 2 : BACKOFF_MOST_NS;
    return PyErr_CheckSignals();
}

static uint64_t timeout_ns(void)
{
    const struct mplog_options *o = mpl_session_options();
    return o ? (uint64_t)o->block_timeout_ms * NS_PER_MS : 0;
}

static enum mpl_outcome write_once(struct draft *d, enum mpl_patience patience, uint64_t *largest)
{
    enum mpl_outcome outcome;
    d->record.body = (struct mpl_str){d->data, d->len};
    Py_BEGIN_ALLOW_THREADS outcome = mpl_binding_write(&d->record, patience, largest);
    Py_END_ALLOW_THREADS return outcome;
}

static int write_draft(struct draft *d)
{
    uint64_t backoff_ns = BACKOFF_LEAST_NS, waited_ns = 0, largest = 0;
    enum mpl_patience patience = MPL_WAITS_OUTSIDE;
    for (;;) {
        enum mpl_outcome outcome = write_once(d, patience, &largest);
        if (outcome == MPL_WRITTEN)
            return 1;
        if (outcome == MPL_NO_SESSION)
            return 0;
        if (outcome == MPL_TOO_LARGE) {
            /* 24 for the head, 8 for the word that tells of the cut, up to 16 of rounding */
            if (!cut(d, d->len + 48 > largest ? d->len + 48 - largest : 8))
                return 0;
            continue;
        }
        if (wait_a_little(&backoff_ns, &waited_ns) < 0)
            return -1;
        if (waited_ns >= timeout_ns())
            patience = MPL_HAS_WAITED;
    }
}

static int write_long_way(const struct mplpy_call *c)
{
    struct draft d;
    if (!mplpy_session_ensure())
        return 0;
    mpl_binding_define_logger(c->logger); /* no room: the record goes out under the root logger's name */
    if (!make_draft(&d, c))
        return 0;
    if (d.can_cut && c->body.text_bytes > MPL_MESSAGE_MAX)
        cut(&d, c->body.text_bytes - MPL_MESSAGE_MAX);
    int result = write_draft(&d);
    PyMem_RawFree(d.data);
    return result;
}

/* ---- the short way ---- */

int mplpy_write(const struct mplpy_call *c)
{
    if (mplpy_unlikely(c->has_surrogates))
        return 0;
    uint64_t logger_bits = atomic_load_explicit(&c->logger->id_bits, memory_order_acquire);
    uint64_t bytes = sizeof(struct mpl_record_head) + MPL_ALIGN(record_body_bytes(c)), stamp;
    if (mplpy_unlikely(!logger_bits || bytes > MPL_MESSAGE_MAX))
        return write_long_way(c);
    struct mpl_producer *p = mpl_binding_begin(bytes);
    if (mplpy_unlikely(!p))
        return write_long_way(c);
    char *body = mpl_binding_start(p, kind_of(c), bytes, c->sinks, mpl_ids_pack(c->site_bits, logger_bits, c->level),
                                   &stamp);
    put_record_body(c, body);
    mpl_producer_commit(p, bytes, stamp);
    mpl_binding_end(p);
    return 1;
}
