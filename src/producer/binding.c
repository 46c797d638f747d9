/* SPDX-License-Identifier: Unlicense */
#include "producer/binding.h"

#include <errno.h>

#include "base/os.h"
#include "producer/record.h"
#include "producer/site.h"
#include "producer/space.h"

/* Call sites of a binding; beyond them records carry their facts themselves. Sites and loggers share their numbers, and
 * what a parent has defined is copied by each child it forks. */
#define SITES_MAX 65536u

static enum mpl_outcome write_body(struct mpl_producer *p, const struct mpl_binding_record *r, uint64_t *largest)
{
    uint64_t bytes = sizeof(struct mpl_record_head) + MPL_ALIGN(r->body.len) + (r->cut_bytes ? 8 : 0);
    *largest = mpl_space_largest(p, bytes);
    if (*largest < bytes)
        return mpl_producer_is_restarted(p) ? MPL_MUST_WAIT : MPL_TOO_LARGE;
    if (!mpl_space_reserve(p, bytes))
        return !p->is_lost && (p->must_wait || mpl_producer_is_restarted(p)) ? MPL_MUST_WAIT : MPL_WRITTEN;
    uint64_t logger_bits = atomic_load_explicit(&r->logger->id_bits, memory_order_acquire);
    char *body = mpl_record_start(p, r->kind, bytes, mpl_ids_pack(r->site_bits, logger_bits, r->level), r->cut_bytes);
    ((struct mpl_record_head *)(void *)p->cur)->sinks = r->sinks;
    memcpy(body, r->body.ptr, r->body.len);
    mpl_record_finish(p, bytes);
    return MPL_WRITTEN;
}

enum mpl_outcome mpl_binding_write(const struct mpl_binding_record *r, enum mpl_patience patience, uint64_t *largest)
{
    int saved_errno = errno, state = mpl_os_cancel_disable();
    bool is_nested;
    enum mpl_outcome outcome;
    struct mpl_producer *p = mpl_producer_begin(&is_nested);
    if (p) {
        p->patience = (uint8_t)patience;
        outcome = write_body(p, r, largest);
        p->patience = MPL_WAITS_HERE;
        p->must_wait = false; /* a C library's calls from the same thread wait here, and are counted */
        mpl_producer_end(p);
    } else {
        outcome = is_nested || mpl_process_membership() == MPL_PROCESS_MEMBER ? MPL_WRITTEN : MPL_NO_SESSION;
    }
    mpl_os_cancel_restore(state);
    errno = saved_errno;
    return outcome;
}

bool mpl_binding_sites_are_full(void) { return mpl_process.last_def_id >= SITES_MAX; }

uint64_t mpl_binding_define_site(uint16_t flags, struct mpl_str text, struct mpl_str file, uint32_t line,
                                 struct mpl_str function)
{
    struct mpl_def def = {.kind = MPL_DEF_SITE, .flags = flags, .line = line};
    int saved_errno = errno;
    uint64_t bits = 0;
    if (!mpl_process_lock())
        return 0;
    if (mpl_process_membership() == MPL_PROCESS_MEMBER && mpl_process.last_def_id < SITES_MAX &&
        mpl_site_define_texts(&def, text, file, function))
        bits = mpl_site_bits(def.id);
    mpl_process_unlock();
    errno = saved_errno;
    return bits;
}

uint64_t mpl_binding_define_logger(struct mpl_logger *l)
{
    uint64_t bits = atomic_load_explicit(&l->id_bits, memory_order_acquire);
    int saved_errno = errno;
    if (bits || !mpl_process_lock())
        return bits;
    if (mpl_process_membership() == MPL_PROCESS_MEMBER)
        mpl_logger_define(l);
    mpl_process_unlock();
    errno = saved_errno;
    return atomic_load_explicit(&l->id_bits, memory_order_relaxed);
}

void mpl_binding_set_thread_ident(uint64_t ident)
{
    if (mpl_thread.ident == ident)
        return;
    mpl_thread.ident = ident;
    mpl_producer_names_changed();
}

void mpl_binding_set_relative_base(int64_t wall_ns)
{
    if (!mpl_process_lock())
        return;
    mpl_process.relative_base_ns = wall_ns;
    if (mpl_process_membership() == MPL_PROCESS_MEMBER && mpl_process.segment->head)
        mpl_process.segment->head->relative_base_ns = wall_ns;
    mpl_process_unlock();
}
