/* SPDX-License-Identifier: Unlicense */
#include "producer/process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/os.h"
#include "base/utf8.h"
#include "producer/producer.h"
#include "shm/control.h"
#include "shm/map.h"

struct mpl_process mpl_process = {.epoch = 1, .segment = &mpl_process.segments[0]};

/* This thread and the lock. WAITS: it has the lock soon, or has it already; a handler that comes in between may try to
 * take it, but must not wait for it. */
static _Thread_local enum { WITHOUT, WAITS, HOLDS } hold;
static _Thread_local bool was_waiting; /* when a handler took the lock */

/* Will the kernel give a forked child zeros there? Emulators take any advice and do nothing (qemu-user, with which a
 * child would write into its parent's rings): they are told by advice that is none. */
#define NO_ADVICE 12345

static bool is_wiped_by_kernel(void *at, uint64_t bytes)
{
    return madvise(at, bytes, MADV_WIPEONFORK) == 0 && madvise(at, bytes, NO_ADVICE) < 0;
}

/* Where MADV_WIPEONFORK is missing (kernel before 4.14, some emulators), a fork hook does what the kernel would. */
static void wipe_after_fork(void)
{
    struct mpl_guard *guard = atomic_load_explicit(&mpl_process.guard, memory_order_relaxed);
    memset(guard, 0, sizeof *guard);
    mpl_producer_wipe_all();
}

static bool map_guard(void)
{
    uint64_t bytes = mpl_os_page_round(sizeof(struct mpl_guard));
    struct mpl_guard *fresh = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fresh == MAP_FAILED)
        return false;
    bool is_wiped = is_wiped_by_kernel(fresh, bytes);
    fresh->alive = 1;
    struct mpl_guard *none = NULL;
    if (!atomic_compare_exchange_strong(&mpl_process.guard, &none, fresh))
        munmap(fresh, bytes); /* another thread was first */
    else if (!is_wiped)
        pthread_atfork(NULL, NULL, wipe_after_fork);
    return true;
}

/* Where the control file is mapped. The address is the same for the life of the process, as long as the kernel can
 * change what is behind it. */
static void *control_place;

static bool map_control_place(void)
{
    if (control_place)
        return true;
    void *at = mmap(NULL, sizeof(struct mpl_control), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return false;
    mpl_process.control = control_place = at;
    return true;
}

void mpl_process_map_control(int fd, struct mpl_control *spare)
{
    /* The place is mapped already: the kernel needs no new memory for it, only a different file behind it, and fails
     * all the same when it is short of memory for itself. */
    struct mpl_control *c = mpl_control_map(fd, control_place);
    if (c)
        mpl_unmap(spare, sizeof *spare);
    mpl_process.control = c ? c : spare;
}

void mpl_process_unmap_control(void)
{
    mpl_map_zeros_at(control_place, sizeof(struct mpl_control));
    mpl_process.control = control_place;
}

/* The bounds are those of the options: an hour, and from the initial ring to what one record can need. */
#define BLOCK_TIMEOUT_MAX_NS UINT64_C(3600000000000)
#define RING_BYTES_MAX (UINT64_C(1) << 30)

static uint64_t bounded(uint64_t value, uint64_t least, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* The greatest power of two that is not above `bytes`. */
static uint64_t power_of_two_to(uint64_t bytes) { return UINT64_C(1) << (63 - __builtin_clzll(bytes)); }

void mpl_process_take_facts(void)
{
    const struct mpl_control_head *h = &mpl_process.control->head;
    uint64_t initial = power_of_two_to(bounded(h->ring_initial_bytes, MPL_PAGE_BYTES, RING_BYTES_MAX));
    mpl_process.facts = (struct mpl_facts){
        .overflow = h->overflow,
        .block_timeout_ns = bounded(h->block_timeout_ns, 0, BLOCK_TIMEOUT_MAX_NS),
        .ring_initial_bytes = initial,
        .ring_max_bytes = power_of_two_to(bounded(h->ring_max_bytes, initial, RING_BYTES_MAX)),
        .ring_budget_bytes = h->ring_budget_bytes,
    };
}

static void notice_fork(struct mpl_guard *guard)
{
    if (guard->alive)
        return;
    if (mpl_process_membership() == MPL_PROCESS_MEMBER)
        mpl_process_set_membership(MPL_PROCESS_INHERITED);
    for (unsigned cause = 0; cause < MPL_SEGMENT_LOSSES; cause++)
        atomic_store_explicit(&mpl_process.lost_unattached[cause], 0, memory_order_relaxed); /* the parent tells */
    mpl_producer_forget_all();
    mpl_process_host.forked_fn();
    guard->alive = 1;
}

bool mpl_process_lock(void)
{
    if (hold != WITHOUT)
        return false;
    if (!atomic_load_explicit(&mpl_process.guard, memory_order_acquire) && !map_guard())
        return false;
    struct mpl_guard *guard = atomic_load_explicit(&mpl_process.guard, memory_order_acquire);
    hold = WAITS;
    atomic_signal_fence(memory_order_seq_cst); /* a handler that runs from here on sees it */
    mpl_lock_take(&guard->lock);
    atomic_signal_fence(memory_order_seq_cst);
    hold = HOLDS;
    atomic_signal_fence(memory_order_seq_cst);
    notice_fork(guard);
    if (!map_control_place()) {
        mpl_process_unlock();
        return false;
    }
    return true;
}

bool mpl_process_try_lock(void)
{
    struct mpl_guard *guard = atomic_load_explicit(&mpl_process.guard, memory_order_acquire);
    if (hold == HOLDS || !guard)
        return false;
    was_waiting = hold == WAITS;
    hold = HOLDS;
    atomic_signal_fence(memory_order_seq_cst); /* as above */
    if (!mpl_lock_try(&guard->lock)) {
        hold = was_waiting ? WAITS : WITHOUT;
        was_waiting = false;
        return false;
    }
    notice_fork(guard);
    if (control_place)
        return true;
    mpl_process_unlock();
    return false;
}

void mpl_process_unlock(void)
{
    mpl_lock_release(&atomic_load_explicit(&mpl_process.guard, memory_order_relaxed)->lock);
    atomic_signal_fence(memory_order_seq_cst);
    bool must_wait = was_waiting;
    was_waiting = false;
    hold = must_wait ? WAITS : WITHOUT;
}

bool mpl_process_is_new_child(void)
{
    const struct mpl_guard *guard = atomic_load_explicit(&mpl_process.guard, memory_order_acquire);
    return guard && !guard->alive;
}

bool mpl_process_is_locked_here(void) { return hold == HOLDS; }

bool mpl_process_is_in_section_here(void) { return hold != WITHOUT; }

void mpl_process_set_name(const char *name)
{
    mpl_process.name_len = (uint32_t)mpl_utf8_cut(mpl_str_from(name), MPL_NAME_MAX);
    memcpy(mpl_process.name, name, mpl_process.name_len);
    /* Every thread's next call takes the slow path and writes its names anew. */
    mpl_producer_change_epoch();
}

#define COMM_MAX 15

void mpl_process_default_name(void)
{
    if (mpl_process.name_len > 0)
        return;
    char name[64] = "?";
    int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof name - 1);
    if (fd >= 0)
        close(fd);
    if (n > 1)
        name[n - 1] = '\0'; /* the newline */
    /* The kernel keeps 15 characters, but a name that somebody has set on purpose. */
    const char *whole = program_invocation_short_name;
    bool is_cut = n > COMM_MAX && strncmp(name, whole, COMM_MAX) == 0;
    mpl_process_set_name(is_cut ? whole : name);
}
