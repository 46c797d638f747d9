/* SPDX-License-Identifier: Unlicense */
#include "producer/site.h"

#include "producer/log.h"
#include "producer/process.h"
#include "shm/codec.h"

#define IDS_MAX ((1u << MPL_LOGGER_BITS) - 1) /* sites and loggers count together, and loggers have fewer bits */

bool mpl_site_parse(const struct mplog_site *site, struct mpl_cformat *f)
{
    if (mpl_cformat_parse(f, mpl_str_from(site->format)) == 0)
        return true;
    f->conversion_count = f->arg_count = 0;
    return false;
}

bool mpl_site_has_error(const struct mplog_site *site, const struct mpl_cformat *f)
{
    for (uint32_t i = 0; i < f->conversion_count; i++) {
        if (f->conversion[i].conversion == 'm')
            return true;
    }
    return (site->flags & MPLOG_SITE_ERRNO_) != 0;
}

/* What the fast path can copy without looking at the format again. */
static void describe(struct mplog_site *site, const struct mpl_cformat *f, bool has_error)
{
    uint32_t string_mask = 0;
    bool is_simple = !has_error;
    for (uint32_t i = 0; i < f->arg_count; i++) {
        switch (f->arg[i].class) {
        case MPL_ARG_STRING:
            string_mask |= 1u << i;
            is_simple = is_simple && f->arg[i].limit == MPL_NO_LIMIT && f->arg[i].limit_arg < 0;
            break;
        case MPL_ARG_LONG_DOUBLE:
        case MPL_ARG_WIDE_STRING: is_simple = false; break;
        default: break;
        }
    }
    site->string_mask = string_mask;
    site->word_count = (uint8_t)f->arg_count;
    site->fixed_bytes = (uint16_t)(sizeof(struct mpl_record_head) + 8 * f->arg_count);
    site->is_simple = is_simple;
}

bool mpl_site_define_texts(struct mpl_def *def, struct mpl_str text, struct mpl_str file, struct mpl_str function)
{
    def->id = mpl_process.last_def_id + 1;
    if (mpl_process.last_def_id >= IDS_MAX || mpl_segment_define(mpl_process.segment, def, text, file, function) < 0)
        return false;
    mpl_process.last_def_id = def->id;
    return true;
}

bool mpl_site_define(struct mplog_site *site, const struct mpl_cformat *f)
{
    if (__atomic_load_n(&site->id, __ATOMIC_RELAXED))
        return true;                          /* another thread was first */
    bool is_format = f->conversion_count > 0; /* "" is as good as a text that is none */
    bool has_error = mpl_site_has_error(site, f);
    struct mpl_def def = {
        .kind = MPL_DEF_SITE,
        .flags = (uint16_t)((site->flags & MPLOG_SITE_ERRNO_ ? MPL_DEF_SHOW_ERROR : 0) |
                            (has_error ? MPL_DEF_HAS_ERROR : 0) | (is_format ? 0 : MPL_DEF_NOT_A_FORMAT)),
        .line = site->line,
    };
    if (!mpl_site_define_texts(&def, mpl_str_from(site->format), mpl_str_from(site->file),
                               mpl_str_from(site->function)))
        return false;
    describe(site, f, has_error);
    /* Partner: mplog_site_log, acquire. The definition stands in the segment, and the rest of the site is filled in. */
    __atomic_store_n(&site->id, mpl_site_bits(def.id), __ATOMIC_RELEASE);
    __atomic_store_n(&site->log_few_fn, mpl_log_few_for(site), __ATOMIC_RELEASE); /* partner: the macros of mplog.h */
    return true;
}

bool mpl_logger_define(struct mpl_logger *l)
{
    if (atomic_load_explicit(&l->id_bits, memory_order_relaxed))
        return true;
    struct mpl_def def = {.kind = MPL_DEF_LOGGER};
    if (!mpl_site_define_texts(&def, mpl_logger_name(l), MPL_STR(""), MPL_STR("")))
        return false;
    atomic_store_explicit(&l->id_bits, mpl_logger_bits(def.id), memory_order_release); /* partner: mplog_site_log */
    return true;
}
