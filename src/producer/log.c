/* SPDX-License-Identifier: Unlicense
 *
 * The fast path: level gate (in mplog.h), busy, epoch, room, stamp, copy, publish, watch. Everything unusual leaves it
 * for log_slow.c before anything has been written.
 */
#include "producer/log.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#ifdef __has_feature
#define MPL_IS_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MPL_IS_SANITIZED 1
#else
#define MPL_IS_SANITIZED 0
#endif

#include "base/clock.h"
#include "producer/log_slow.h"
#include "producer/logger.h"
#include "producer/process.h"
#include "producer/producer.h"
#include "producer/space.h"
#include "shm/codec.h"

static inline bool unlikely(bool condition) { return __builtin_expect(condition, 0); }

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
    if (len - 8 < 8) { /* first, since names mostly are that long */
        memcpy(to, from, 8);
        memcpy(to + len - 8, from + len - 8, 8);
    } else if (len > 32) {
        memcpy(to, from, len);
    } else if (len >= 16) {
        memcpy(to, from, 16);
        memcpy(to + len - 16, from + len - 16, 16);
    } else if (len >= 4) {
        memcpy(to, from, 4);
        memcpy(to + len - 4, from + len - 4, 4);
    } else if (len > 0) { /* all one to three of them */
        to[0] = from[0];
        to[len / 2] = from[len / 2];
        to[len - 1] = from[len - 1];
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
    if (__builtin_expect(
            !mpl_producer_is_current(p) || (bytes > (uint64_t)(p->limit - p->cur) && !mpl_space_see(p, bytes)), 0)) {
        atomic_store_explicit(&p->busy, MPL_BUSY_NOT, memory_order_release);
        mpl_log_slow(site, logger, level, words);
        return;
    }

    struct mpl_record_head *head = (struct mpl_record_head *)(void *)p->cur;
    uint64_t stamp = mpl_clock_stamp(atomic_load_explicit(&p->clock_kind, memory_order_relaxed));
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

/* ---- three words or less ---- */

#define TEXT_SHORT 32u /* bytes that put_text copies without a call */
#define TEXT_LONG UINT64_MAX

/* As strlen, or TEXT_LONG. A call of that would take half as long as all the rest. Blocks of 16 bytes, aligned: what
 * lies in them beside the string is read and ignored, and they never reach into another page. */
static inline uint64_t short_length_of(const char *string)
{
#if defined(__SSE2__) && !MPL_IS_SANITIZED
    const __m128i zero = _mm_setzero_si128();
    const __m128i *block = (const __m128i *)((uintptr_t)string & ~(uintptr_t)15);
    unsigned offset = (unsigned)((uintptr_t)string & 15);
    uint32_t ends = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(*block, zero)) >> offset;
    if (ends)
        return (uint32_t)__builtin_ctz(ends);
    ends = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(block[1], zero));
    return ends ? (uint32_t)__builtin_ctz(ends) + 16 - offset : TEXT_LONG;
#else
    uint64_t len = strnlen(string, TEXT_SHORT + 1);
    return len <= TEXT_SHORT ? len : TEXT_LONG;
#endif
}

/* Called last, as all that is unusual: the usual way needs no stack then. */
static __attribute__((noinline, cold)) void notify(struct mpl_producer *p, uint64_t stamp, uint64_t watch)
{
    mpl_producer_notify(p, stamp, watch);
    atomic_store_explicit(&p->busy, MPL_BUSY_NOT, memory_order_release);
}

/* Cold: jumps to it stand apart from the usual way, which then has no jump that is taken. */
static __attribute__((noinline, cold)) void log_unusual(struct mplog_site *site, mplog_logger *logger, int level,
                                                        uint64_t a, uint64_t b, uint64_t c)
{
    mplog_site_log_few(site, logger, level, a, b, c);
}

/* Loaded anew each time, as the logger's id below: a register more would have to be saved. */
static inline uint64_t fixed_bytes_of(const struct mplog_site *site)
{
    return __atomic_load_n(&site->fixed_bytes, __ATOMIC_RELAXED);
}

/* As mplog_site_log, for the usual call in the usual situation: all that it needs is in registers. `text`: index of the
 * one string, or -1. Three words are written, however many there are: the last ones lie under what comes behind them.
 * `clock`: the kind of stamp that is usual. */
static inline __attribute__((always_inline)) void log_few(struct mplog_site *site, mplog_logger *logger, int level,
                                                          uint64_t a, uint64_t b, uint64_t c, int text, uint32_t clock)
{
    struct mpl_producer *p = mpl_thread.producer;
    _Atomic uint64_t *id_bits = &mpl_logger_of(logger)->id_bits;
    const char *string = (const char *)(uintptr_t)(text == 0 ? a : text == 1 ? b : c);
    uint64_t len = 0;
    /* Acquire: partner is mpl_logger_define. That of the site is in the caller, which loaded log_few_fn. */
    if (unlikely(!p) || unlikely(!atomic_load_explicit(id_bits, memory_order_acquire)) ||
        unlikely(atomic_load_explicit(&p->busy, memory_order_relaxed)))
        goto unusual;
    if (text >= 0) {
        len = string ? short_length_of(string) : TEXT_LONG;
        if (unlikely(len == TEXT_LONG))
            goto unusual;
        if (len > TEXT_SHORT)
            __builtin_unreachable(); /* else put_text has a call in it */
    }
    atomic_store_explicit(&p->busy, MPL_BUSY_WRITING, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    /* First: until this was seen, `cur` and `limit` may be changed by who detaches. */
    if (unlikely(atomic_load_explicit(&p->clock_kind, memory_order_relaxed) != clock))
        goto not_now;
    char *at = p->cur;
    uint64_t bytes = text >= 0 ? MPL_ALIGN(fixed_bytes_of(site) + len) : fixed_bytes_of(site);
    if (unlikely((uintptr_t)at + bytes + 3 * sizeof a > (uintptr_t)p->limit))
        goto not_now;
    struct mpl_record_head *head = (struct mpl_record_head *)(void *)at;
    uint64_t *body = (uint64_t *)(head + 1);
    /* Here: as the last thing before the record is published it makes a single call 10 ns longer, at the begin 15. */
    uint64_t stamp = mpl_clock_stamp(clock);
    head->stamp = stamp;
    body[0] = a;
    body[1] = b;
    body[2] = c;
    if (text >= 0) {
        body[text] = len;
        put_text(at + fixed_bytes_of(site), string, len);
    }
    head->kind_words = mpl_kind_words(MPL_RECORD_DEFERRED, bytes);
    head->sinks = UINT32_MAX;
    head->ids = mpl_ids_pack(site->id, atomic_load_explicit(id_bits, memory_order_relaxed), level);
    uint64_t watch = mpl_producer_publish(p, at, bytes);
    if (unlikely(stamp >= watch)) {
        notify(p, stamp, watch);
        return;
    }
    atomic_store_explicit(&p->busy, MPL_BUSY_NOT, memory_order_release);
    return;
not_now:
    atomic_store_explicit(&p->busy, MPL_BUSY_NOT, memory_order_release);
unusual:
    log_unusual(site, logger, level, a, b, c);
}

/* Aligned to more than their size: none lies in two pages. The first call after a pause finds the TLB empty on a busy
 * machine, and then each page costs it as much as the CPU's counter. */
#define LOG_FEW(name, text, clock)                                                                                     \
    static __attribute__((aligned(512))) void name(struct mplog_site *site, mplog_logger *logger, int level,           \
                                                   uint64_t a, uint64_t b, uint64_t c)                                 \
    {                                                                                                                  \
        log_few(site, logger, level, a, b, c, text, clock);                                                            \
    }
LOG_FEW(log_few_words, -1, MPL_CLOCK_COUNTER)
LOG_FEW(log_few_first_is_text, 0, MPL_CLOCK_COUNTER)
LOG_FEW(log_few_second_is_text, 1, MPL_CLOCK_COUNTER)
LOG_FEW(log_few_third_is_text, 2, MPL_CLOCK_COUNTER)
/* Apart: where a clock is asked by a call, registers must be saved. */
LOG_FEW(log_few_words_by_clock, -1, MPL_CLOCK_MONOTONIC)
LOG_FEW(log_few_first_is_text_by_clock, 0, MPL_CLOCK_MONOTONIC)
LOG_FEW(log_few_second_is_text_by_clock, 1, MPL_CLOCK_MONOTONIC)
LOG_FEW(log_few_third_is_text_by_clock, 2, MPL_CLOCK_MONOTONIC)

/* Of a session with another clock the function finds out in each call, and takes the general way. */
mpl_log_few_fn *mpl_log_few_for(const struct mplog_site *site)
{
    bool by_clock = mpl_process.clock_kind == MPL_CLOCK_MONOTONIC;
    if (!site->is_simple || site->word_count > 3)
        return mplog_site_log_few;
    switch (site->string_mask) {
    case 0: return by_clock ? log_few_words_by_clock : log_few_words;
    case 1: return by_clock ? log_few_first_is_text_by_clock : log_few_first_is_text;
    case 2: return by_clock ? log_few_second_is_text_by_clock : log_few_second_is_text;
    case 4: return by_clock ? log_few_third_is_text_by_clock : log_few_third_is_text;
    default: return mplog_site_log_few;
    }
}

/* Never inlined: the array would have to have its place on the stack in every call. */
__attribute__((noinline)) void mplog_site_log_few(struct mplog_site *site, mplog_logger *logger, int level, uint64_t a,
                                                  uint64_t b, uint64_t c)
{
    const uint64_t words[] = {a, b, c};
    mplog_site_log(site, logger, level, words);
}
