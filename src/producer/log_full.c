/* SPDX-License-Identifier: Unlicense
 *
 * Records whose text is ready, and records that carry their attributes themselves.
 */
#include <errno.h>

#include "base/os.h"
#include "producer/direct.h"
#include "producer/log.h"
#include "producer/message.h"
#include "producer/record.h"
#include "producer/site.h"
#include "producer/space.h"

/* A record on its way: what goes into the body, and what may be cut. */
struct draft {
    struct mpl_logger *logger;
    uint32_t kind;
    int level;
    uint64_t fixed_bytes; /* body without the message */
    struct mpl_str message;
    uint64_t cut_bytes;
    const struct mpl_log_fields *fields; /* FULL */
};

static const struct {
    uint32_t tag;
    size_t offset;
} text_fields[] =
    {
        {MPL_FIELD_LOGGER, offsetof(struct mpl_log_fields, logger)},
        {MPL_FIELD_LEVEL_NAME, offsetof(struct mpl_log_fields, level_name)},
        {MPL_FIELD_PATH, offsetof(struct mpl_log_fields, path)},
        {MPL_FIELD_FUNCTION, offsetof(struct mpl_log_fields, function)},
        {MPL_FIELD_THREAD_NAME, offsetof(struct mpl_log_fields, thread_name)},
        {MPL_FIELD_PROCESS_NAME, offsetof(struct mpl_log_fields, process_name)},
        {MPL_FIELD_TASK_NAME, offsetof(struct mpl_log_fields, task_name)},
        {MPL_FIELD_EXCEPTION, offsetof(struct mpl_log_fields, exception)},
        {MPL_FIELD_STACK, offsetof(struct mpl_log_fields, stack)},
},
  number_fields[] = {
      {MPL_FIELD_LINE, offsetof(struct mpl_log_fields, line)},
      {MPL_FIELD_CREATED, offsetof(struct mpl_log_fields, created_ns)},
      {MPL_FIELD_THREAD, offsetof(struct mpl_log_fields, thread)},
      {MPL_FIELD_PROCESS, offsetof(struct mpl_log_fields, process)},
};

#define TEXT_FIELDS (sizeof text_fields / sizeof text_fields[0])
#define NUMBER_FIELDS (sizeof number_fields / sizeof number_fields[0])

static struct mpl_str text_field(const struct mpl_log_fields *f, size_t i)
{
    struct mpl_str s;
    memcpy(&s, (const char *)f + text_fields[i].offset, sizeof s);
    return s;
}

static int64_t number_field(const struct mpl_log_fields *f, size_t i)
{
    int64_t n;
    memcpy(&n, (const char *)f + number_fields[i].offset, sizeof n);
    return n;
}

static uint64_t fields_bytes(const struct mpl_log_fields *f)
{
    uint64_t bytes = mpl_field_bytes(0); /* the message's */
    for (size_t i = 0; i < TEXT_FIELDS; i++)
        bytes += text_field(f, i).ptr ? mpl_field_bytes(text_field(f, i).len) : 0;
    for (size_t i = 0; i < NUMBER_FIELDS; i++)
        bytes += number_field(f, i) ? mpl_field_bytes(sizeof(int64_t)) : 0;
    return bytes;
}

static void put_fields(const struct draft *d, char *at)
{
    const struct mpl_log_fields *f = d->fields;
    for (size_t i = 0; i < TEXT_FIELDS; i++) {
        if (text_field(f, i).ptr)
            at = mpl_field_put(at, text_fields[i].tag, text_field(f, i));
    }
    for (size_t i = 0; i < NUMBER_FIELDS; i++) {
        if (number_field(f, i))
            at = mpl_field_put_i64(at, number_fields[i].tag, number_field(f, i));
    }
    mpl_field_put(at, MPL_FIELD_MESSAGE, d->message);
}

static void put_body(const struct draft *d, char *at)
{
    if (d->kind == MPL_RECORD_FULL) {
        put_fields(d, at);
        return;
    }
    uint64_t len = d->message.len;
    memcpy(at, &len, sizeof len);
    if (len > 0)
        memcpy(at + sizeof len, d->message.ptr, len);
}

static uint64_t draft_bytes(const struct draft *d)
{
    return sizeof(struct mpl_record_head) + d->fixed_bytes + MPL_ALIGN(d->message.len) + (d->cut_bytes ? 8 : 0);
}

static void cut(struct draft *d, uint64_t bytes)
{
    uint64_t n = d->message.len < bytes ? d->message.len : bytes;
    d->message.len -= n;
    d->cut_bytes += n;
}

static bool define(struct mpl_producer *p, struct mpl_logger *l)
{
    if (atomic_load_explicit(&l->id_bits, memory_order_acquire))
        return true;
    if (!mpl_producer_lock(p))
        return !mpl_producer_is_restarted(p); /* a handler that cannot have the lock: as with no room */
    mpl_logger_define(l);                     /* no room: the record goes out under the root logger's name */
    mpl_producer_unlock(p);
    return true;
}

/* One attempt. False: the session has changed; again. */
static bool write_draft(struct mpl_producer *p, struct draft *d)
{
    if (!define(p, d->logger))
        return false;
    uint64_t bytes = draft_bytes(d), largest = mpl_space_largest(p, bytes);
    if (largest < bytes) {
        if (mpl_producer_is_restarted(p))
            return false;
        cut(d, bytes - largest + 16); /* 8 for the word that tells, up to 8 of rounding */
        bytes = draft_bytes(d);
    }
    if (!mpl_space_reserve(p, bytes))
        return p->is_lost || !mpl_producer_is_restarted(p);
    uint64_t logger_bits = atomic_load_explicit(&d->logger->id_bits, memory_order_relaxed);
    put_body(d, mpl_record_start(p, d->kind, bytes, mpl_ids_pack(0, logger_bits, d->level), d->cut_bytes));
    mpl_record_finish(p, bytes);
    return true;
}

static void write_out(struct draft *d)
{
    int saved_errno = errno, state = mpl_os_cancel_disable();
    if (d->message.len > MPL_MESSAGE_MAX)
        cut(d, d->message.len - MPL_MESSAGE_MAX);
    for (bool is_done = false; !is_done;) {
        bool is_nested;
        struct mpl_producer *p = mpl_producer_begin(&is_nested);
        is_done = !p || write_draft(p, d);
        if (p)
            mpl_producer_end(p);
        else if (!is_nested)
            mpl_direct_text(d->level, d->message);
    }
    mpl_os_cancel_restore(state);
    errno = saved_errno;
}

void mpl_log_text(mplog_logger *logger, int level, struct mpl_str text)
{
    struct draft d = {
        .logger = mpl_logger_of(logger), .kind = MPL_RECORD_TEXT, .level = level, .fixed_bytes = 8, .message = text};
    write_out(&d);
}

void mpl_log_fields(mplog_logger *logger, const struct mpl_log_fields *fields)
{
    struct draft d = {
        .logger = mpl_logger_of(logger),
        .kind = MPL_RECORD_FULL,
        .level = fields->level,
        .fixed_bytes = fields_bytes(fields),
        .message = fields->message,
        .fields = fields,
    };
    write_out(&d);
}

void mpl_log_rendered(mplog_logger *logger, const struct mpl_log_fields *fields, const struct mpl_cformat *f,
                      struct mpl_str format, struct mpl_arg *args, int error, bool show_error)
{
    struct mpl_log_fields with_message = *fields;
    struct mpl_message m;
    mpl_message_render(&m, f, format, args, error, show_error);
    with_message.message = m.text;
    mpl_log_fields(logger, &with_message);
    mpl_message_free(&m);
}

void mpl_log_format(mplog_logger *logger, const struct mpl_log_fields *fields, const char *format, va_list arguments)
{
    struct mpl_cformat f;
    struct mpl_arg args[MPL_CFORMAT_ARGS_MAX];
    struct mpl_log_fields with_message = *fields;
    int error = errno;
    if (mpl_cformat_parse(&f, mpl_str_from(format)) < 0) {
        with_message.message = mpl_str_from(format);
        mpl_log_fields(logger, &with_message);
        return;
    }
    mpl_cformat_fetch(&f, arguments, args);
    mpl_log_rendered(logger, fields, &f, mpl_str_from(format), args, error, false);
}
