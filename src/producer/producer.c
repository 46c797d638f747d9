/* SPDX-License-Identifier: Unlicense */
#include "producer/producer.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "base/utf8.h"
#include "producer/claim.h"
#include "producer/crash.h"
#include "producer/nested.h"
#include "producer/process.h"
#include "producer/space.h"
#include "shm/codec.h"
#include "shm/wake.h"

_Thread_local struct mpl_thread mpl_thread MPL_TLS_MODEL;

/* 64 KiB of wiped pages at a time: 400 threads. */
#define ARENA_BYTES 65536u

struct arena {
    struct arena *next;
    struct mpl_producer producer[(ARENA_BYTES - 64) / sizeof(struct mpl_producer)];
};
#define ARENA_PRODUCERS (sizeof((struct arena *)0)->producer / sizeof(struct mpl_producer))

static struct arena *arenas;     /* newest first; in a forked child NULL again: stale pointers never meet a new owner */
static uint32_t arena_used;      /* of the newest */
static struct mpl_producer *all; /* every producer ever made in this process */
static struct mpl_producer *free_list;                 /* those whose threads have ended */
static _Atomic(struct mpl_producer *) shared_producer; /* used under shared_ring_lock; compared with by everybody */
static enum { KEY_UNMADE, KEY_MADE, KEY_GONE } key_state;
static pthread_key_t thread_key;

/* ---- memory ---- */

static struct mpl_producer *from_arena(void)
{
    if (!arenas || arena_used == ARENA_PRODUCERS) {
        struct arena *a = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (a == MAP_FAILED)
            return NULL;
        madvise(a, ARENA_BYTES, MADV_WIPEONFORK); /* refused: wipe_after_fork in process.c does it */
        a->next = arenas;
        arenas = a;
        arena_used = 0;
    }
    return &arenas->producer[arena_used++];
}

struct mpl_producer *mpl_producer_make(void)
{
    struct mpl_producer *p = free_list;
    if (p) {
        free_list = p->next_free;
        return p;
    }
    p = from_arena();
    if (p) {
        p->next = all;
        all = p;
    }
    return p;
}

void mpl_producer_forget_all(void)
{
    mpl_claim_forget_all();
    arenas = NULL; /* the pages stay mapped and zero: the forking thread's pointer leads to one of them */
    arena_used = 0;
    all = free_list = NULL;
    mpl_nested_forget();
    atomic_store_explicit(&shared_producer, NULL, memory_order_relaxed);
}

void mpl_producer_wipe_all(void)
{
    for (struct arena *a = arenas; a; a = a->next)
        memset(a->producer, 0, sizeof a->producer);
}

/* ---- ends of threads ---- */

/* Of any thread that is not WRITING; what is left is the thread's own, which may be reading it. */
static void drop_ring(struct mpl_producer *p)
{
    p->ring = NULL;
    p->map = NULL;
    p->cur = p->limit = NULL;
}

static void close_ring(struct mpl_producer *p)
{
    if (!p->ring)
        return;
    if (p->session == mpl_process.sessions)
        mpl_claim_close(p->map);
    drop_ring(p);
    /* Without a wake: there is nothing to write, only a ring to be freed, and that may wait for the next pass. */
    atomic_fetch_add(&mpl_process.control->head.news, 1);
}

/* pthread's destructor, at the end of a thread that logged. */
static void end_thread(void *arg)
{
    struct mpl_producer *p = arg;
    int saved_errno = errno;
    mpl_thread.producer = NULL;
    mpl_crash_end_thread();
    if (mpl_process_lock()) {
        if (p->epoch != 0) { /* else it was wiped by a fork, and belongs to nobody */
            close_ring(p);
            *p = (struct mpl_producer){.next = p->next, .next_free = free_list};
            free_list = p;
        }
        mpl_process_unlock();
    }
    errno = saved_errno;
}

/* A shared object that contains this file is being unloaded, or the process ends: later ends of threads must not call
 * in. Other threads may log on while a process ends: the number of a deleted key is soon somebody else's key. */
__attribute__((destructor)) static void forget_thread_ends(void)
{
    if (!atomic_load_explicit(&mpl_process.guard, memory_order_relaxed))
        return;
    bool has_lock = mpl_process_lock(); /* not where a signal handler calls exit: then this thread has it already */
    if (key_state == KEY_MADE)
        pthread_key_delete(thread_key);
    key_state = KEY_GONE;
    if (has_lock)
        mpl_process_unlock();
}

/* Under the process's lock. */
static void watch_thread_end(struct mpl_producer *p)
{
    if (key_state == KEY_UNMADE && pthread_key_create(&thread_key, end_thread) == 0)
        key_state = KEY_MADE;
    if (key_state == KEY_MADE)
        pthread_setspecific(thread_key, p); /* refused: the ring is drained when the process ends */
}

/* ---- names ---- */

static uint32_t default_thread_name(const struct mpl_producer *p, char name[MPL_NAME_MAX])
{
    struct mpl_text t = {name, 0, MPL_NAME_MAX};
    char comm[17] = "";
    prctl(PR_GET_NAME, comm);
    struct mpl_str own = mpl_str_from(comm);
    if (mpl_os_thread_id() == getpid())
        mpl_text_str(&t, MPL_STR("main"));
    else if (own.len > 0 && !mpl_str_equal(own, (struct mpl_str){p->process_name, p->process_len}))
        mpl_text_str(&t, own); /* somebody gave it a name: threads are born with the process's */
    else
        mpl_text_str(&t, MPL_STR("thread-")), mpl_text_u64(&t, (uint64_t)mpl_os_thread_id());
    return (uint32_t)t.len;
}

bool mpl_producer_write_names(struct mpl_producer *p)
{
    char own[MPL_NAME_MAX];
    const char *thread_name = mpl_thread.name_len ? mpl_thread.name : own;
    uint32_t thread_len = mpl_thread.name_len ? mpl_thread.name_len : default_thread_name(p, own);
    uint64_t bytes = MPL_ALIGN(sizeof(struct mpl_names_record) + p->process_len + thread_len);
    if (!mpl_space_make(p, bytes))
        return false;
    struct mpl_names_record n = {
        .head = {mpl_kind_words(MPL_RECORD_NAMES, bytes), 0, mpl_clock_stamp(mpl_process.clock_kind), 0},
        .thread = mpl_thread.ident ? mpl_thread.ident : (uint64_t)mpl_os_thread_id(),
        .process = (uint32_t)getpid(),
        .process_len = (uint16_t)p->process_len,
        .thread_len = (uint16_t)thread_len,
    };
    struct mpl_text t = {p->cur, 0, bytes};
    mpl_text_append(&t, (const char *)&n, sizeof n);
    mpl_text_append(&t, p->process_name, p->process_len);
    mpl_text_append(&t, thread_name, thread_len);
    mpl_producer_commit(p, bytes, n.head.stamp);
    p->names_are_stale = false;
    return true;
}

void mpl_producer_names_changed(void)
{
    struct mpl_producer *p = mpl_thread.producer;
    mpl_thread.names_count++;
    if (p && p->epoch != 0) {
        uint32_t busy = atomic_load_explicit(&p->busy, memory_order_relaxed);
        atomic_store_explicit(&p->busy, MPL_BUSY_AWAY, memory_order_relaxed); /* a handler must not move `cur` */
        atomic_signal_fence(memory_order_seq_cst);
        p->names_are_stale = true;
        p->limit = p->cur; /* no room: the next call takes the slow path */
        atomic_signal_fence(memory_order_seq_cst);
        atomic_store_explicit(&p->busy, busy, memory_order_relaxed);
    }
}

/* ---- begin and end ---- */

static uint32_t current_epoch(void) { return atomic_load_explicit(&mpl_process.epoch, memory_order_relaxed); }

static uint32_t busy_of(const struct mpl_producer *p)
{
    return p ? atomic_load_explicit(&p->busy, memory_order_relaxed) : MPL_BUSY_NOT;
}

static void count_nested(void)
{
    /* While this thread writes, the segment stays: detaching waits for it. Elsewhere it may be on its way out. */
    bool is_safe = busy_of(mpl_thread.producer) == MPL_BUSY_WRITING;
    _Atomic uint64_t *counters = is_safe && mpl_process.segment->head ? mpl_process.segment->head->lost
                                                                      : mpl_process.lost_unattached;
    atomic_fetch_add_explicit(&counters[MPL_LOST_NESTED], 1, memory_order_relaxed);
}

void mpl_producer_report_losses(void)
{
    bool has_any = false;
    for (unsigned cause = 0; cause < MPL_SEGMENT_LOSSES; cause++) {
        if (atomic_load_explicit(&mpl_process.lost_unattached[cause], memory_order_relaxed) == 0)
            continue;
        uint64_t n = atomic_exchange_explicit(&mpl_process.lost_unattached[cause], 0, memory_order_relaxed);
        atomic_fetch_add_explicit(&mpl_process.segment->head->lost[cause], n, memory_order_relaxed);
        has_any = true;
    }
    /* Perhaps nothing is logged for long: where there is no ring, there is none that would be looked at. Without a
     * wake: it may wait for the next pass. Partner: mpl_members_scan. */
    if (has_any)
        atomic_fetch_add(&mpl_process.control->head.news, 1);
}

/* There is no memory for any ring. */
static void count_without_ring(void)
{
    atomic_fetch_add_explicit(&mpl_process.lost_unattached[MPL_LOST_NO_RING], 1, memory_order_relaxed);
    if (!mpl_process_lock())
        return;
    if (mpl_process_membership() == MPL_PROCESS_MEMBER)
        mpl_producer_report_losses();
    mpl_process_unlock();
}

/* Brings `p` up to date with the process. Under the process's lock. */
static void take_epoch(struct mpl_producer *p)
{
    p->epoch = current_epoch();
    atomic_store_explicit(&p->clock_kind, mpl_process.clock_kind, memory_order_relaxed);
    p->names_are_stale = true;
    p->process_len = mpl_process.name_len;
    memcpy(p->process_name, mpl_process.name, mpl_process.name_len);
}

/* Gives `p` a fresh ring, if it has none of this session. Under the process's lock. */
static bool take_ring(struct mpl_producer *p, enum mpl_claim purpose, uint64_t data_bytes)
{
    if (p->ring && p->session != mpl_process.sessions)
        drop_ring(p); /* of a former session, which could not wait for this thread */
    if (p->ring)
        return true;
    struct mpl_ring_map *m = mpl_claim_ring(purpose, data_bytes, 0);
    if (!m)
        return false;
    mpl_space_enter(p, m);
    return true;
}

bool mpl_producer_renew(struct mpl_producer *p, enum mpl_claim purpose, uint64_t data_bytes)
{
    if (!take_ring(p, purpose, data_bytes))
        return false;
    p->session = mpl_process.sessions;
    take_epoch(p);
    return true;
}

/* Makes the process a member if it is not one, and returns the thread's producer, attached. Under the process's lock.
 */
static struct mpl_producer *attach(void)
{
    if (mpl_process_membership() == MPL_PROCESS_NEW || mpl_process_membership() == MPL_PROCESS_INHERITED) {
        if (mpl_process_host.join_fn() < 0) {
            mpl_complain("logging cannot be started: %s", mpl_error_text());
            mpl_process_set_membership(MPL_PROCESS_FAILED);
        }
    }
    if (mpl_process_membership() != MPL_PROCESS_MEMBER)
        return NULL;
    struct mpl_producer *p = mpl_thread.producer;
    if (!p || p->epoch == 0) /* none, or wiped by a fork */
        p = mpl_producer_make();
    if (!p)
        return NULL;
    atomic_store_explicit(&p->busy, MPL_BUSY_AWAY, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* before the epoch becomes one that a handler's call would accept */
    if (p->session != mpl_process.sessions)
        p->is_shared = false;
    if (!p->is_shared && !take_ring(p, MPL_CLAIM_OWN, mpl_process.facts.ring_initial_bytes))
        p->is_shared = true;
    p->session = mpl_process.sessions;
    take_epoch(p);
    watch_thread_end(p);
    mpl_crash_begin_thread();
    mpl_thread.producer = p;
    mpl_producer_report_losses();
    return p;
}

static bool is_the_shared_one(const struct mpl_producer *p)
{
    return p == atomic_load_explicit(&shared_producer, memory_order_relaxed);
}

static struct mpl_lock *shared_ring_lock(void)
{
    return &atomic_load_explicit(&mpl_process.guard, memory_order_relaxed)->shared_ring_lock;
}

/* Makes the shared producer, or brings it up to date. Under both locks. */
static struct mpl_producer *attach_shared(void)
{
    struct mpl_producer *p = atomic_load_explicit(&shared_producer, memory_order_relaxed);
    if (!p)
        p = mpl_producer_make();
    if (!p)
        return NULL;
    atomic_store_explicit(&shared_producer, p, memory_order_relaxed);
    p->is_shared = mpl_producer_renew(p, MPL_CLAIM_SHARED, mpl_process.facts.ring_initial_bytes);
    return p;
}

/* The process's shared ring, locked, and entered if it was not up to date; NULL: there is no memory for one either. */
static struct mpl_producer *begin_shared(bool *is_entered)
{
    mpl_lock_take(shared_ring_lock());
    struct mpl_producer *p = atomic_load_explicit(&shared_producer, memory_order_relaxed);
    if ((!p || p->epoch != current_epoch()) && mpl_process_lock()) {
        p = attach_shared();
        *is_entered = p && mpl_producer_enter(p);
        mpl_process_unlock();
    }
    if (!p || !p->ring) {
        mpl_lock_release(shared_ring_lock());
        return NULL;
    }
    mpl_producer_take_names(p);
    return p;
}

void mpl_producer_take_names(struct mpl_producer *p)
{
    uint32_t thread = (uint32_t)mpl_os_thread_id();
    if (p->names_thread == thread && p->names_count == mpl_thread.names_count)
        return;
    p->names_thread = thread;
    p->names_count = mpl_thread.names_count;
    p->names_are_stale = true;
}

bool mpl_producer_enter(struct mpl_producer *p)
{
    atomic_store_explicit(&p->busy, MPL_BUSY_WRITING, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* the CPU's part is the membarrier in mpl_producer_detach_all */
    if (p->epoch == current_epoch() && p->ring)
        return true;
    atomic_store_explicit(&p->busy, MPL_BUSY_AWAY, memory_order_release);
    return false;
}

/* What is not up to date is brought so, and entered, under the process's lock, where neither a session nor a name can
 * change. Without it they may, between the look and the entry: then the next turn takes it. */
#define ATTACH_TRIES 3

static struct mpl_producer *begin_attached(void)
{
    for (int i = 0; i < ATTACH_TRIES; i++) {
        struct mpl_producer *p = mpl_thread.producer;
        bool is_entered = false;
        if (!p || p->epoch != current_epoch()) {
            if (!mpl_process_lock())
                return NULL;
            p = attach();
            is_entered = p && !p->is_shared && mpl_producer_enter(p);
            bool is_lost = !p && mpl_process_membership() == MPL_PROCESS_MEMBER; /* no memory for a producer */
            mpl_process_unlock();
            if (is_lost)
                count_without_ring();
            if (!p)
                return NULL;
        }
        if (p->is_shared) {
            p = begin_shared(&is_entered);
            if (!p) {
                count_without_ring();
                return NULL;
            }
        }
        if (is_entered || mpl_producer_enter(p))
            return p;
        if (is_the_shared_one(p))
            mpl_lock_release(shared_ring_lock());
    }
    count_without_ring();
    return NULL;
}

static void end_slow_path(void)
{
    if (mpl_thread.producer)
        atomic_store_explicit(&mpl_thread.producer->busy, MPL_BUSY_NOT, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    mpl_thread.is_in_slow_path = false;
}

static struct mpl_producer *begin_nested(bool *is_nested)
{
    struct mpl_producer *p = mpl_nested_begin();
    enum mpl_membership membership = mpl_process_membership();
    *is_nested = p || !(membership == MPL_PROCESS_DETACHED || membership == MPL_PROCESS_FAILED);
    if (!p && *is_nested)
        count_nested();
    return p;
}

struct mpl_producer *mpl_producer_begin(bool *is_nested)
{
    struct mpl_producer *p = mpl_thread.producer;
    *is_nested = mpl_thread.is_in_slow_path || mpl_process_is_in_section_here() || busy_of(p) != MPL_BUSY_NOT;
    if (*is_nested)
        return begin_nested(is_nested);
    mpl_thread.is_in_slow_path = true;
    if (p)
        atomic_store_explicit(&p->busy, MPL_BUSY_AWAY, memory_order_relaxed); /* for handlers that take the fast path */
    atomic_signal_fence(memory_order_seq_cst);
    p = begin_attached();
    if (!p)
        end_slow_path();
    return p;
}

bool mpl_producer_is_restarted(const struct mpl_producer *p) { return p->epoch != current_epoch() || !p->ring; }

bool mpl_producer_lock(struct mpl_producer *p)
{
    atomic_store_explicit(&p->busy, MPL_BUSY_AWAY, memory_order_release);
    bool has_lock = p->is_nested ? mpl_process_try_lock() : mpl_process_lock();
    if (has_lock && !mpl_producer_is_restarted(p))
        return true;
    atomic_store_explicit(&p->busy, MPL_BUSY_WRITING, memory_order_relaxed);
    if (has_lock)
        mpl_process_unlock();
    return false;
}

void mpl_producer_unlock(struct mpl_producer *p)
{
    atomic_store_explicit(&p->busy, MPL_BUSY_WRITING, memory_order_relaxed);
    mpl_process_unlock();
}

void mpl_producer_end(struct mpl_producer *p)
{
    if (p->is_nested) {
        mpl_nested_end(p);
        return;
    }
    if (!mpl_producer_is_restarted(p))
        mpl_producer_report_losses(); /* by handlers that came while we had no right to the segment */
    if (is_the_shared_one(p)) {
        atomic_store_explicit(&p->busy, MPL_BUSY_NOT, memory_order_release);
        mpl_lock_release(shared_ring_lock());
    }
    end_slow_path();
}

/* ---- the collector ---- */

#define NS_PER_MS UINT64_C(1000000)

void mpl_producer_need_collector(const struct mpl_producer *p)
{
    if (!p->is_nested || !mpl_process_is_locked_here())
        mpl_process_host.need_collector_fn(p->is_nested);
}

void mpl_producer_notify(struct mpl_producer *p, uint64_t stamp, uint64_t watch)
{
    bool is_cold = watch < MPL_STAMP_LEAST, is_told = p->notified == watch + 1;
    if ((!is_cold || is_told) && stamp < p->check_stamp)
        return;
    int saved_errno = errno, state = mpl_os_cancel_disable();
    bool must_look = !is_cold || is_told;
    /* After a promise too: a collector that had lost its lock may have renewed it for a ring that its successor takes
     * for cold. models/watch.pml. */
    if (!mpl_wake_for_ring(mpl_process.control, p->ring))
        must_look = true;
    if (must_look)
        mpl_producer_need_collector(p);
    p->notified = watch + 1;
    p->check_stamp = stamp + mpl_process.ticks_per_ms;
    mpl_os_cancel_restore(state);
    errno = saved_errno;
}

/* How long other threads may take to leave their log calls before their rings are left mapped instead: longer than any
 * back-off of a wait for space, which looks at the epoch each time. */
#define QUIET_WAIT_NS (1000 * NS_PER_MS)

static bool wait_until_quiet(void)
{
    uint64_t deadline_ns = mpl_clock_monotonic_ns() + QUIET_WAIT_NS;
    for (struct mpl_producer *p = all; p; p = p->next) {
        /* Acquire: partner is the release that ends WRITING; the thread's stores into the ring are done. */
        while (atomic_load_explicit(&p->busy, memory_order_acquire) == MPL_BUSY_WRITING && p != mpl_thread.producer) {
            if (mpl_clock_monotonic_ns() > deadline_ns)
                return false;
            mpl_os_sleep_ns(NS_PER_MS / 20);
        }
    }
    return true;
}

void mpl_producer_change_epoch(void)
{
    atomic_fetch_add(&mpl_process.epoch, 1);
    for (struct mpl_producer *p = all; p; p = p->next)
        atomic_store_explicit(&p->clock_kind, 0, memory_order_relaxed);
}

void mpl_producer_detach_all(void)
{
    mpl_producer_report_losses();
    mpl_producer_change_epoch();
    /* After the barrier a thread either sees that or is seen to be busy. */
    bool is_quiet = mpl_os_membarrier_private() && wait_until_quiet();
    for (struct mpl_producer *p = all; p; p = p->next) {
        if (is_quiet || p == mpl_thread.producer) {
            if (p->ring)
                mpl_claim_close(p->map);
            drop_ring(p);
        }
    }
    if (is_quiet)
        mpl_claim_forget_all();
    else
        mpl_claim_abandon_all();
}
