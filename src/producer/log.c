/* SPDX-License-Identifier: Unlicense
 *
 * The fast path: level gate (in mplog.h), busy, epoch, room, stamp, copy, publish, watch. Everything unusual leaves it
 * for log_slow.c before anything has been written.
 */
#include "producer/log.h"

#include "base/clock.h"
#include "producer/log_slow.h"
#include "producer/logger.h"
#include "producer/process.h"
#include "producer/producer.h"
#include "producer/space.h"
#include "shm/codec.h"

static inline bool is_current(const struct mpl_producer *p)
{
    return p->epoch == atomic_load_explicit(&mpl_process.epoch, memory_order_relaxed);
}

/* Lengths of the string arguments, in order; returns their sum. */
static inline uint64_t measure_strings(uint32_t mask, const uint64_t *words, uint64_t *lens)
{
    uint64_t sum = 0;
    for (; mask; mask &= mask - 1) {
        const char *string = (const char *)(uintptr_t)words[__builtin_ctz(mask)];
        uint64_t len = string ? strlen(string) : MPL_STRING_NULL;
        *lens++ = len;
        sum += string ? len : 0;
    }
    return sum;
}

/* The relaxed stores keep compilers from making a call of memcpy of it. */
static inline void put_words(uint64_t *to, const uint64_t *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        __atomic_store_n(&to[i], words[i], __ATOMIC_RELAXED);
}

/* Most strings are short: two overlapping copies of a fixed size instead of a call. */
static inline void put_text(char *to, const char *from, uint64_t len)
{
    if (len > 32) {
        memcpy(to, from, len);
    } else if (len >= 16) {
        memcpy(to, from, 16);
        memcpy(to + len - 16, from + len - 16, 16);
    } else if (len >= 8) {
        memcpy(to, from, 8);
        memcpy(to + len - 8, from + len - 8, 8);
    } else if (len >= 4) {
        memcpy(to, from, 4);
        memcpy(to + len - 4, from + len - 4, 4);
    } else {
        for (; len; len--)
            *to++ = *from++;
    }
}

/* Over the words that were copied as pointers. */
static inline void put_strings(uint64_t *at, uint32_t mask, const uint64_t *words, unsigned count, const uint64_t *lens)
{
    char *text = (char *)(at + count);
    for (; mask; mask &= mask - 1) {
        unsigned i = (unsigned)__builtin_ctz(mask);
        uint64_t len = *lens++;
        at[i] = len;
        if (len != MPL_STRING_NULL) {
            put_text(text, (const char *)(uintptr_t)words[i], len);
            text += len;
        }
    }
}

void mplog_site_log(struct mplog_site *site, mplog_logger *logger, int level, const uint64_t *words)
{
    struct mpl_producer *p = mpl_thread.producer;
    /* Acquire: partners are mpl_site_define and mpl_logger_define; what the ids stand for is in the segment. */
    uint64_t site_bits = __atomic_load_n(&site->id, __ATOMIC_ACQUIRE);
    uint64_t logger_bits = atomic_load_explicit(&mpl_logger_of(logger)->id_bits, memory_order_acquire);
    if (__builtin_expect(!p || !site_bits || !logger_bits || !site->is_simple ||
                             atomic_load_explicit(&p->busy, memory_order_relaxed),
                         0)) {
        mpl_log_slow(site, logger, level, words);
        return;
    }
    atomic_store_explicit(&p->busy, MPL_BUSY_WRITING, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);

    uint64_t lens[MPL_CFORMAT_ARGS_MAX];
    uint64_t bytes = site->fixed_bytes;
    uint32_t mask = site->string_mask;
    if (mask)
        bytes = MPL_ALIGN(bytes + measure_strings(mask, words, lens));
    if (__builtin_expect(!is_current(p) || (bytes > (uint64_t)(p->limit - p->cur) && !mpl_space_see(p, bytes)), 0)) {
        atomic_store_explicit(&p->busy, MPL_BUSY_NOT, memory_order_release);
        mpl_log_slow(site, logger, level, words);
        return;
    }

    struct mpl_record_head *head = (struct mpl_record_head *)(void *)p->cur;
    uint64_t stamp = mpl_clock_stamp(mpl_process.clock_kind);
    head->kind_words = mpl_kind_words(MPL_RECORD_DEFERRED, bytes);
    head->sinks = UINT32_MAX;
    head->stamp = stamp;
    head->ids = mpl_ids_pack(site_bits, logger_bits, level);
    uint64_t *body = (uint64_t *)(head + 1);
    put_words(body, words, site->word_count);
    if (mask)
        put_strings(body, mask, words, site->word_count, lens);
    mpl_producer_commit(p, bytes, stamp);
    atomic_store_explicit(&p->busy, MPL_BUSY_NOT, memory_order_release);
}
