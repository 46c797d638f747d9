/* SPDX-License-Identifier: Unlicense */
#include "producer/nested.h"

#include "base/os.h"
#include "producer/claim.h"
#include "producer/process.h"

/* As many handlers as can log at one moment: of several threads, or one that interrupts the other. All but the first
 * ring are claimed when they are needed. */
#define SIDES_MAX 8u

/* Every member has one of these: small. A full one grows like any other ring. */
#define SIDE_RING_BYTES 8192u

/* From the first on; NULL: none yet. Release under the process's lock, acquire by handlers. */
static _Atomic(struct mpl_producer *) sides[SIDES_MAX];

/* Partner: let_go. What the last holder did with the producer is visible. */
static bool take(struct mpl_producer *p)
{
    return atomic_exchange_explicit(&p->is_taken, 1, memory_order_acquire) == 0;
}

static void let_go(struct mpl_producer *p) { atomic_store_explicit(&p->is_taken, 0, memory_order_release); }

/* Under the process's lock, by the holder. */
static bool renew(struct mpl_producer *p, enum mpl_claim purpose)
{
    return mpl_process_membership() == MPL_PROCESS_MEMBER && mpl_producer_renew(p, purpose, SIDE_RING_BYTES);
}

/* Brings a side that was taken up to date. False: the interrupted code, or another thread, has the lock. */
static bool try_to_renew(struct mpl_producer *p)
{
    if (!mpl_process_try_lock())
        return false;
    bool is_renewed = renew(p, MPL_CLAIM_OWN);
    mpl_process_unlock();
    return is_renewed;
}

/* Under the process's lock. NULL: there are as many as there can be, or memory is out. Taken. */
static struct mpl_producer *add(void)
{
    for (unsigned i = 0; i < SIDES_MAX; i++) {
        if (atomic_load_explicit(&sides[i], memory_order_relaxed))
            continue;
        struct mpl_producer *p = mpl_producer_make();
        if (!p)
            return NULL;
        p->is_nested = true;
        take(p);
        atomic_store_explicit(&sides[i], p, memory_order_release);
        return p;
    }
    return NULL;
}

void mpl_nested_prepare(void)
{
    if (!atomic_load_explicit(&sides[0], memory_order_relaxed)) {
        struct mpl_producer *p = add();
        if (p)
            let_go(p);
    }
    for (unsigned i = 0; i < SIDES_MAX; i++) {
        struct mpl_producer *p = atomic_load_explicit(&sides[i], memory_order_relaxed);
        if (!p || !take(p)) /* the handler that has it is not done; the next one will renew it */
            continue;
        renew(p, i == 0 ? MPL_CLAIM_SHARED : MPL_CLAIM_OWN);
        let_go(p);
    }
}

static struct mpl_producer *begin_new(void)
{
    if (!mpl_process_try_lock())
        return NULL;
    struct mpl_producer *p = mpl_process_membership() == MPL_PROCESS_MEMBER ? add() : NULL;
    bool is_ready = p && renew(p, MPL_CLAIM_OWN);
    mpl_process_unlock();
    if (is_ready && mpl_producer_enter(p))
        return p;
    if (p)
        let_go(p);
    return NULL;
}

static struct mpl_producer *begin_any(void)
{
    for (unsigned i = 0; i < SIDES_MAX; i++) {
        /* Acquire: partner is add(). */
        struct mpl_producer *p = atomic_load_explicit(&sides[i], memory_order_acquire);
        if (!p)
            break;
        if (!take(p))
            continue;
        if (mpl_producer_enter(p) || (try_to_renew(p) && mpl_producer_enter(p)))
            return p;
        let_go(p);
    }
    return begin_new();
}

struct mpl_producer *mpl_nested_begin(void)
{
    struct mpl_producer *p = begin_any();
    if (p)
        mpl_producer_take_names(p);
    return p;
}

void mpl_nested_end(struct mpl_producer *p)
{
    atomic_store_explicit(&p->busy, MPL_BUSY_NOT, memory_order_release); /* partner: mpl_producer_detach_all */
    let_go(p);
}

void mpl_nested_forget(void)
{
    for (unsigned i = 0; i < SIDES_MAX; i++)
        atomic_store_explicit(&sides[i], NULL, memory_order_relaxed);
}
