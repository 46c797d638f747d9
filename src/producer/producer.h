/* SPDX-License-Identifier: Unlicense
 *
 * One producer per thread that logs: its private view of its ring. Life: attach at the first record (or after a fork or
 * a change of session), reserve/commit per record, close at the thread's end.
 *
 * Memory: producers lie in MADV_WIPEONFORK pages that are never unmapped. In a forked child they read zero: epoch 0
 * matches nothing, so the first call takes the slow path, and nothing of the parent's ring can be written.
 */
#ifndef MPL_PRODUCER_PRODUCER_H
#define MPL_PRODUCER_PRODUCER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/text.h"
#include "producer/claim.h"
#include "shm/abi.h"
#include "shm/segment.h"

/* Whoever meets anything but NOT has interrupted a log call of its thread, and keeps its hands off the producer. */
enum mpl_busy {
    MPL_BUSY_NOT = 0,
    MPL_BUSY_WRITING = 1, /* the thread may be touching its ring */
    MPL_BUSY_AWAY = 2,    /* inside a log call, but not touching the ring: it may be taken away */
};

struct mpl_producer {
    /* the line a log call works on */
    /* enum mpl_busy. WRITING is set before `clock_kind` is read, cleared with release. Partner:
     * mpl_producer_detach_all, which takes that back, lets all CPUs pass a barrier, and waits until nobody is WRITING.
     */
    _Atomic uint32_t busy;
    /* enum mpl_clock_kind of the session while this is attached to it; 0: wiped, or the epoch has changed. Under the
     * process's lock: set by its thread, cleared by mpl_producer_change_epoch. */
    _Atomic uint32_t clock_kind;
    char *cur, *limit;     /* where the next record goes; end of the free space that lies in one piece */
    uint64_t write_pos;    /* what ring->write_pos holds */
    struct mpl_ring *ring; /* NULL: none of its own */
    uint64_t notified;     /* the cold count that the collector has been told about */

    /* slow paths */
    alignas(MPL_CACHE_LINE) struct mpl_ring_map *map;
    uint32_t epoch;                         /* of the process when this was attached; 0: wiped, or never */
    uint64_t check_stamp;                   /* not before this stamp is the collector's life looked at again */
    uint64_t lossy_read_pos;                /* is_lossy: read_pos when waiting was given up */
    uint64_t full_since_ns, full_batch_seq; /* since when (0: not known) it has been full and that was the last batch */
    bool is_lossy;
    uint8_t patience;          /* enum mpl_patience of binding.h */
    bool is_lost;              /* there was no room, and that has been counted: whatever changes now, it is over */
    bool must_wait;            /* there was no room, and nothing has been counted: the caller waits and comes again */
    bool names_are_stale;      /* a NAMES record must come before the next one */
    bool is_shared;            /* no ring of its own: writes into the process's shared one, or is that one */
    bool is_nested;            /* for signal handlers: locks are only tried */
    uint32_t session;          /* mpl_process.sessions when `ring` was claimed */
    uint32_t names_thread;     /* a ring of several threads: whose names stand there ... */
    uint32_t names_count;      /* ... and how often they had changed */
    _Atomic uint32_t is_taken; /* nested: by a handler; nested.c */
    uint32_t process_len;      /* the process's name as of `epoch` */
    char process_name[MPL_NAME_MAX];
    struct mpl_producer *next, *next_free; /* all producers of this process; those whose threads have ended */
};

/* This thread's; the pointer outlives the producer's validity, see mpl_producer_begin. */
struct mpl_thread {
    struct mpl_producer *producer;
    bool is_in_slow_path; /* a signal handler's log call would meet half-done work */
    uint64_t ident;       /* what %(thread)d shows; 0: the kernel's number */
    uint32_t names_count; /* changes of name and ident */
    uint32_t name_len;
    char name[MPL_NAME_MAX];
};

/* Initial-exec: one load instead of a call. dlopen'ed libraries get it from glibc's spare static TLS; musl has none. */
#if defined(__GLIBC__)
#define MPL_TLS_MODEL __attribute__((tls_model("initial-exec")))
#else
#define MPL_TLS_MODEL
#endif
extern _Thread_local struct mpl_thread mpl_thread MPL_TLS_MODEL;

/* Makes the calling thread ready to write: attaches it if necessary, joining or starting a session. Returns a producer
 * with `busy` set (the shared one with its lock held; for a nested call one of nested.c), or NULL: a nested call for
 * which there is no ring (*is_nested: counted as lost), or no session (the caller may write directly). Must be ended
 * with mpl_producer_end if not NULL. */
struct mpl_producer *mpl_producer_begin(bool *is_nested);
void mpl_producer_end(struct mpl_producer *p);

/* Between begin and end: takes the process's lock. False, without it: the session has changed, or the lock is not to be
 * had; then the call begins again or ends. While the lock is held `busy` is AWAY, since whoever detaches holds it and
 * waits for those who are WRITING. */
bool mpl_producer_lock(struct mpl_producer *p);
void mpl_producer_unlock(struct mpl_producer *p);

/* The session has changed since begin: nothing can be written through `p`. */
bool mpl_producer_is_restarted(const struct mpl_producer *p);

/* ---- for nested.c ---- */

/* A producer that no thread has, or NULL. Under the process's lock. */
struct mpl_producer *mpl_producer_make(void);

/* Gives `p` a ring in this session, if it has none, and makes it current. False: there is no memory for one. Under the
 * process's lock. */
bool mpl_producer_renew(struct mpl_producer *p, enum mpl_claim purpose, uint64_t data_bytes);

/* Sets busy, then sees whether the ring is still this session's. */
bool mpl_producer_enter(struct mpl_producer *p);

/* A ring of several threads: the names in it must become the calling thread's. */
void mpl_producer_take_names(struct mpl_producer *p);

/* ---- the collector ---- */

/* Starts a collector where there is none. Where a handler cannot, the code that it interrupted does, or whoever logs
 * next. */
void mpl_producer_need_collector(const struct mpl_producer *p);

/* After a record with that stamp was published and `watch` was found not to promise a look beyond it. */
void mpl_producer_notify(struct mpl_producer *p, uint64_t stamp, uint64_t watch);

/* How far ahead of the next record lines are fetched: one farther than a burst of calls fills, so that it has come when
 * it is written; and once more shortly before, since a collector that reads what lies in front of it takes the lines
 * behind along, and a CPU that is shared with others loses some. */
#define MPL_FETCH_AHEAD_BYTES 4096
#define MPL_FETCH_NEAR_BYTES 1024

/* The collector has read the line that is to be written next lap: it lies in another CPU's cache, and a store would
 * wait for it. Any address may be fetched; the compilers' own prefetch asks for a line to be read, not to be written.
 */
static inline void mpl_producer_fetch(const char *at)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" ::"m"(*at));
#else
    __builtin_prefetch(at, 1);
#endif
}

/* Nothing has changed since this was attached. Certain only with `busy` set. */
static inline bool mpl_producer_is_current(const struct mpl_producer *p)
{
    return atomic_load_explicit(&p->clock_kind, memory_order_relaxed) != 0;
}

/* Publishes the `bytes` at `at`, which is p->cur. Returns the ring's watch word, to be compared with the record's
 * stamp.
 */
static inline uint64_t mpl_producer_publish(struct mpl_producer *p, char *at, uint64_t bytes)
{
    struct mpl_ring *ring = p->ring;
    p->cur = at + bytes;
    p->write_pos += bytes;
    /* Partner: look_at_ring in collector/pass.c, acquire: the record's bytes are there when the position covers them.
     */
    atomic_store_explicit(&ring->write_pos, p->write_pos, memory_order_release);
    /* The load below must not move above the store; the CPU's part of that is the collector's membarrier. */
    atomic_signal_fence(memory_order_seq_cst);
    mpl_producer_fetch(at + bytes + MPL_FETCH_AHEAD_BYTES);
    mpl_producer_fetch(at + bytes + MPL_FETCH_NEAR_BYTES);
    return atomic_load_explicit(&ring->watch, memory_order_acquire);
}

/* The same, and the collector is told if it does not look by itself. */
static inline void mpl_producer_commit(struct mpl_producer *p, uint64_t bytes, uint64_t stamp)
{
    uint64_t watch = mpl_producer_publish(p, p->cur, bytes);
    if (__builtin_expect(stamp >= watch, 0))
        mpl_producer_notify(p, stamp, watch);
}

/* Puts the thread's names into its ring. False: no room, which has been counted. */
bool mpl_producer_write_names(struct mpl_producer *p);

/* The calling thread's next record is preceded by its names. */
void mpl_producer_names_changed(void);

/* Losses that were counted while there was no segment, or while it was out of reach, come into the log. Under the
 * process's lock, or with `busy` set, in a member process. */
void mpl_producer_report_losses(void);

/* After the session or the process's name has changed: every thread's next call takes the slow path and attaches anew.
 * Under the process's lock. */
void mpl_producer_change_epoch(void);

/* Gives up all rings of this process: no thread writes into them when this returns, and they are unmapped. Under the
 * process's lock, by a thread that is not itself inside a log call. */
void mpl_producer_detach_all(void);

/* Forked child: the parent's rings are unmapped and forgotten. */
void mpl_producer_forget_all(void);

/* What the kernel does at fork where it can. */
void mpl_producer_wipe_all(void);

#endif
