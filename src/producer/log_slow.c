/* SPDX-License-Identifier: Unlicense */
#include "producer/log_slow.h"

#include <errno.h>

#include "base/clock.h"
#include "base/os.h"
#include "producer/direct.h"
#include "producer/log.h"
#include "producer/process.h"
#include "producer/producer.h"
#include "producer/record.h"
#include "producer/site.h"
#include "producer/space.h"
#include "shm/codec.h"

/* One call, captured: about 2.5 KiB of stack. */
struct call {
    struct mplog_site *site;
    struct mpl_logger *logger;
    int level, error;
    bool has_error;
    struct mpl_cformat format;
    struct mpl_arg args[MPL_CFORMAT_ARGS_MAX];
    uint64_t len[MPL_CFORMAT_ARGS_MAX]; /* of strings, as they will stand in the record */
    uint64_t cut_bytes;
};

static bool is_string(const struct call *c, uint32_t i)
{
    return c->format.arg[i].class == MPL_ARG_STRING || c->format.arg[i].class == MPL_ARG_WIDE_STRING;
}

/* Words to arguments; strings are still where the caller has them. */
static void fetch(struct call *c, const uint64_t *words)
{
    for (uint32_t i = 0; i < c->format.arg_count; i++) {
        if (is_string(c, i))
            c->args[i].str = (struct mpl_str){(const char *)(uintptr_t)words[i], 0};
        else if (c->format.arg[i].class == MPL_ARG_LONG_DOUBLE)
            c->args[i].long_double = *(const long double *)(uintptr_t)words[i]; /* mplog_word_long_double */
        else
            c->args[i].word = words[i];
    }
}

static uint64_t string_len(const struct call *c, uint32_t i)
{
    const char *string = c->args[i].str.ptr;
    if (!string)
        return MPL_STRING_NULL;
    if (c->format.arg[i].class == MPL_ARG_STRING)
        return mpl_cformat_string_len(&c->format, c->args, i, string);
    struct mpl_text nowhere = {NULL, 0, 0};
    mpl_cformat_wide(&c->format, c->args, i, string, &nowhere);
    return nowhere.len;
}

static void cut_strings(struct call *c, uint64_t bytes)
{
    /* From the last one: what comes first in a message is rarely what makes it too long. */
    for (uint32_t i = c->format.arg_count; i-- > 0 && bytes > 0;) {
        if (!is_string(c, i) || c->len[i] == MPL_STRING_NULL)
            continue;
        uint64_t n = c->len[i] < bytes ? c->len[i] : bytes;
        c->len[i] -= n;
        c->cut_bytes += n;
        bytes -= n;
    }
}

static uint64_t measure(struct call *c)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < c->format.arg_count; i++) {
        c->len[i] = is_string(c, i) ? string_len(c, i) : 0;
        if (c->format.arg[i].class == MPL_ARG_STRING && c->args[i].str.ptr)
            c->args[i].str.len = c->len[i]; /* for those who render it here */
        sum += c->len[i] == MPL_STRING_NULL ? 0 : c->len[i];
    }
    return sum;
}

static uint64_t record_bytes(const struct call *c)
{
    uint64_t bytes = sizeof(struct mpl_record_head) + (c->has_error ? 8 : 0);
    for (uint32_t i = 0; i < c->format.arg_count; i++) {
        bytes += c->format.arg[i].class == MPL_ARG_LONG_DOUBLE ? 16 : 8;
        bytes += c->len[i] == MPL_STRING_NULL ? 0 : c->len[i];
    }
    return MPL_ALIGN(bytes) + (c->cut_bytes ? 8 : 0);
}

static void put(const struct call *c, char *body, uint64_t body_bytes)
{
    struct mpl_text t = {body, 0, body_bytes};
    for (uint32_t i = 0; i < c->format.arg_count; i++) {
        if (c->format.arg[i].class == MPL_ARG_LONG_DOUBLE) {
            char bits[16] = {0};
            memcpy(bits, &c->args[i].long_double,
                   sizeof(long double) < sizeof bits ? sizeof(long double) : sizeof bits);
            mpl_text_append(&t, bits, sizeof bits);
        } else {
            uint64_t word = is_string(c, i) ? c->len[i] : c->args[i].word;
            mpl_text_append(&t, (const char *)&word, sizeof word);
        }
    }
    uint64_t error = (uint32_t)c->error;
    if (c->has_error)
        mpl_text_append(&t, (const char *)&error, sizeof error);
    for (uint32_t i = 0; i < c->format.arg_count; i++) {
        if (!is_string(c, i) || c->len[i] == MPL_STRING_NULL)
            continue;
        size_t end = t.len + c->len[i];
        struct mpl_text room = {t.data, t.len, end};
        if (c->format.arg[i].class == MPL_ARG_WIDE_STRING)
            mpl_cformat_wide(&c->format, c->args, i, c->args[i].str.ptr, &room);
        else
            mpl_text_append(&room, c->args[i].str.ptr, c->len[i]);
        if (room.len < end) /* another thread has shortened the string meanwhile */
            mpl_text_fill(&room, ' ', end - room.len);
        t.len = end;
    }
}

/* Gives site and logger their ids. False: no more can be had, or the session has changed. */
static bool define(struct mpl_producer *p, const struct call *c)
{
    if (__atomic_load_n(&c->site->id, __ATOMIC_ACQUIRE) &&
        atomic_load_explicit(&c->logger->id_bits, memory_order_acquire))
        return true;
    if (!mpl_producer_lock(p))
        return false;
    bool is_defined = mpl_site_define(c->site, &c->format) && mpl_logger_define(c->logger);
    mpl_producer_unlock(p);
    return is_defined;
}

enum outcome {
    WRITTEN,   /* or lost, and counted */
    RESTARTED, /* the session has changed; again */
    UNDEFINED, /* there is no room for another call site */
};

static enum outcome write_record(struct mpl_producer *p, struct call *c)
{
    if (!define(p, c))
        return mpl_producer_is_restarted(p) ? RESTARTED : UNDEFINED;
    uint64_t bytes = record_bytes(c), largest = mpl_space_largest(p, bytes);
    if (largest < bytes) {
        if (mpl_producer_is_restarted(p))
            return RESTARTED;
        cut_strings(c, bytes - largest + 16); /* 8 for the word that tells, up to 8 of rounding */
        bytes = record_bytes(c);
    }
    if (!mpl_space_reserve(p, bytes))
        return !p->is_lost && mpl_producer_is_restarted(p) ? RESTARTED : WRITTEN;
    uint64_t ids = mpl_ids_pack(c->site->id, atomic_load_explicit(&c->logger->id_bits, memory_order_relaxed), c->level);
    put(c, mpl_record_start(p, MPL_RECORD_DEFERRED, bytes, ids, c->cut_bytes),
        bytes - sizeof(struct mpl_record_head) - (c->cut_bytes ? 8 : 0));
    mpl_record_finish(p, bytes);
    return WRITTEN;
}

static bool shows_error(const struct call *c) { return (c->site->flags & MPLOG_SITE_ERRNO_) != 0; }

/* There is no room for more call sites, or a signal handler cannot add one now: the message is formatted now and
 * carries its facts itself. */
static void write_undefined(struct call *c)
{
    struct mpl_log_fields fields = {
        .level = c->level,
        .logger = mpl_logger_name(c->logger),
        .path = mpl_str_from(c->site->file),
        .function = mpl_str_from(c->site->function),
        .line = c->site->line,
    };
    mpl_log_rendered(&c->logger->public, &fields, &c->format, mpl_str_from(c->site->format), c->args, c->error,
                     shows_error(c));
}

void mpl_log_slow(struct mplog_site *site, mplog_logger *logger, int level, const uint64_t *words)
{
    struct call c = {.site = site, .logger = mpl_logger_of(logger), .level = level, .error = errno};
    int state = mpl_os_cancel_disable();
    mpl_site_parse(site, &c.format);
    c.has_error = mpl_site_has_error(site, &c.format);
    fetch(&c, words);
    uint64_t text_bytes = measure(&c);
    if (text_bytes > MPL_MESSAGE_MAX)
        cut_strings(&c, text_bytes - MPL_MESSAGE_MAX);
    enum outcome outcome;
    do {
        bool is_nested;
        struct mpl_producer *p = mpl_producer_begin(&is_nested);
        outcome = p ? write_record(p, &c) : WRITTEN;
        if (p)
            mpl_producer_end(p);
        else if (!is_nested)
            mpl_direct_format(level, &c.format, mpl_str_from(site->format), c.args, c.error, shows_error(&c));
    } while (outcome == RESTARTED);
    if (outcome == UNDEFINED)
        write_undefined(&c);
    mpl_os_cancel_restore(state);
    errno = c.error;
}
