/* SPDX-License-Identifier: Unlicense
 *
 * What a language binding needs beyond mplog.h: records whose bodies it lays down itself (shm/abi.h says how), call
 * sites that are found at run time, and waiting for a full ring without holding the interpreter's lock.
 *
 * The fast path is mpl_binding_begin, mpl_binding_start, the body, mpl_producer_commit and mpl_binding_end: nothing in
 * between may run code of the host. Where begin says NULL, mpl_binding_write does the same from a body in private
 * memory.
 */
#ifndef MPL_PRODUCER_BINDING_H
#define MPL_PRODUCER_BINDING_H

#include "base/clock.h"
#include "producer/logger.h"
#include "producer/process.h"
#include "producer/producer.h"
#include "shm/codec.h"

/* The calling thread's producer with room for `bytes` (a multiple of 8), busy; NULL: anything unusual. */
static inline struct mpl_producer *mpl_binding_begin(uint64_t bytes)
{
    struct mpl_producer *p = mpl_thread.producer;
    if (__builtin_expect(!p || atomic_load_explicit(&p->busy, memory_order_relaxed), 0))
        return NULL;
    atomic_store_explicit(&p->busy, MPL_BUSY_WRITING, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* as in mplog_site_log */
    if (__builtin_expect(!mpl_producer_is_current(p) || bytes > (uint64_t)(p->limit - p->cur), 0)) {
        atomic_store_explicit(&p->busy, MPL_BUSY_NOT, memory_order_release);
        return NULL;
    }
    return p;
}

/* Writes the head and takes the stamp, which mpl_producer_commit wants again. Returns where the body goes. */
static inline char *mpl_binding_start(struct mpl_producer *p, uint32_t kind, uint64_t bytes, uint32_t sinks,
                                      uint64_t ids, uint64_t *stamp)
{
    struct mpl_record_head *head = (struct mpl_record_head *)(void *)p->cur;
    *stamp = mpl_clock_stamp(atomic_load_explicit(&p->clock_kind, memory_order_relaxed));
    head->kind_words = mpl_kind_words(kind, bytes);
    head->sinks = sinks;
    head->stamp = *stamp;
    head->ids = ids;
    return (char *)(head + 1);
}

static inline void mpl_binding_end(struct mpl_producer *p)
{
    atomic_store_explicit(&p->busy, MPL_BUSY_NOT, memory_order_release);
}

struct mpl_binding_record {
    struct mpl_logger *logger;
    int level;
    uint32_t kind, sinks;
    uint64_t site_bits;
    struct mpl_str body;
    uint64_t cut_bytes; /* of the message, if it was cut; the note of it is added here */
};

enum mpl_patience {
    MPL_WAITS_HERE = 0, /* for the collector, when the ring is full, as the session's options say */
    MPL_WAITS_OUTSIDE,  /* the caller does, with all locks given back, and tries again */
    MPL_HAS_WAITED,     /* the caller did, and in vain: the record is lost */
};

enum mpl_outcome {
    MPL_WRITTEN,    /* or lost, and counted */
    MPL_MUST_WAIT,  /* the ring is full (MPL_WAITS_OUTSIDE); the collector has been told */
    MPL_TOO_LARGE,  /* no ring can be had for it: *largest is what would fit, head included */
    MPL_NO_SESSION, /* this process is in none, and the record is the caller's business */
};

/* Preserves errno. Joins an inherited session if need be. */
enum mpl_outcome mpl_binding_write(const struct mpl_binding_record *r, enum mpl_patience patience, uint64_t *largest);

/* There is no room for more call sites. May be out of date as soon as it is known. */
bool mpl_binding_sites_are_full(void);

/* Publishes a call site in this process's segment, for good. `flags`: MPL_DEF_PYTHON or MPL_DEF_NOT_A_FORMAT. Its bits
 * in a record's ids; 0: not in a session, or no room for more. */
uint64_t mpl_binding_define_site(uint16_t flags, struct mpl_str text, struct mpl_str file, uint32_t line,
                                 struct mpl_str function);

/* The logger's bits in a record's ids, defined if they were not; 0 as above. */
uint64_t mpl_binding_define_logger(struct mpl_logger *l);

/* %(thread)d of the calling thread: what the language calls it. */
void mpl_binding_set_thread_ident(uint64_t ident);

/* What %(relativeCreated)d counts from, in ns since the epoch, in this process and those it forks. */
void mpl_binding_set_relative_base(int64_t wall_ns);

#endif
