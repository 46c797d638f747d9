/* SPDX-License-Identifier: Unlicense */
#include "producer/crash.h"

#include <errno.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/level.h"
#include "base/os.h"
#include "producer/direct.h"
#include "producer/log.h"
#include "producer/logger.h"
#include "producer/process.h"
#include "producer/producer.h"
#include "shm/wake.h"

#define NS_PER_MS UINT64_C(1000000)

/* The last words get this long to come into the file before the process dies. They are safe in any case; but the helper
 * of a container's first process dies with it. */
#define FLUSH_NS (500 * NS_PER_MS)

/* Another thread that crashes meanwhile waits this long for the first one's words. */
#define TURN_NS (2000 * NS_PER_MS)

/* For the handler, the unwinder and, in a program of the host's, its own handlers. */
#define STACK_BYTES 65536u
#define GUARD_BYTES 4096u

/* With 48 frames of 120 bytes of path each. */
#define TEXT_BYTES 8192u

static struct fatal {
    int number;
    struct sigaction before; /* what the signal did before us, and does after us */
} fatals[] = {{.number = SIGSEGV}, {.number = SIGBUS}, {.number = SIGFPE}, {.number = SIGILL}, {.number = SIGABRT}};

#define FATALS (sizeof fatals / sizeof fatals[0])

static bool is_installed;
static struct mpl_logger *logger;
static char text_bytes[TEXT_BYTES];

/* Pid and thread of who tells of a crash; one in a process. A forked child finds its parent's. */
static _Atomic uint64_t teller;
static _Atomic uint32_t has_told;

static volatile sig_atomic_t is_unwinding; /* by the teller */
static sigjmp_buf unwinding_failed;

/* This thread's alternate stack, if it is ours. */
static _Thread_local char *own_stack;

bool mpl_crash_is_underway(void)
{
    return atomic_load_explicit(&teller, memory_order_relaxed) >> 32 == (uint32_t)getpid();
}

/* ---- telling ---- */

static uint64_t self(void) { return (uint64_t)(uint32_t)getpid() << 32 | (uint32_t)mpl_os_thread_id(); }

/* True: the calling thread is the first of its process. */
static bool become_teller(void)
{
    uint64_t seen = atomic_load(&teller), own = self();
    while (seen >> 32 != own >> 32) {
        if (atomic_compare_exchange_weak(&teller, &seen, own)) {
            atomic_store(&has_told, 0);
            is_unwinding = 0;
            return true;
        }
    }
    return false;
}

static void put_stack(struct mpl_text *t, const void *context)
{
    volatile size_t len = t->len; /* lives across the jump */
    if (sigsetjmp(unwinding_failed, 0) == 0) {
        is_unwinding = 1;
        mpl_crash_put_stack(t, context);
    } else {
        t->len = len;
        mpl_text_str(t, MPL_STR("\n  the stack cannot be followed"));
    }
    is_unwinding = 0;
}

/* Where a session is there, as a call that interrupted another, whatever it did interrupt: without any lock. A child
 * that has not logged yet has to join. */
static void log_critical(struct mpl_str message)
{
    struct mpl_log_fields fields = {.level = MPL_LEVEL_CRITICAL, .message = message, .logger = MPL_STR("mplog")};
    bool is_member = mpl_process_membership() == MPL_PROCESS_MEMBER && !mpl_process_is_new_child();
    if (mpl_process_membership() == MPL_PROCESS_NEW) {
        mpl_direct_text(MPL_LEVEL_CRITICAL, message); /* a set-up is more than a crashed program can do */
        return;
    }
    bool before = mpl_thread.is_in_slow_path;
    mpl_thread.is_in_slow_path = before || is_member;
    mpl_log_fields(&logger->public, &fields);
    mpl_thread.is_in_slow_path = before;
}

static void flush(void)
{
    if (mpl_process_membership() != MPL_PROCESS_MEMBER)
        return;
    uint64_t stamp = mpl_clock_stamp(mpl_process.clock_kind), end_ns = mpl_clock_monotonic_ns() + FLUSH_NS;
    while (!mpl_wake_is_flushed(mpl_process.control, stamp) && mpl_clock_monotonic_ns() < end_ns)
        mpl_wake_flush_wait(mpl_process.control, stamp, 10 * NS_PER_MS);
}

static void tell(int number, const siginfo_t *info, const void *context)
{
    struct mpl_text t = {text_bytes, 0, sizeof text_bytes};
    mpl_text_str(&t, MPL_STR("the process crashes: "));
    mpl_crash_put_signal(&t, number, info);
    put_stack(&t, context);
    log_critical((struct mpl_str){t.data, t.len < t.cap ? t.len : t.cap});
    flush();
}

/* ---- the signal ---- */

/* A fault happens again when we return; what was sent, or reported by the hardware on the side, has to be sent again.
 * It is blocked until we have returned: a core dump then shows where it came. */
static bool must_be_sent(int number, const siginfo_t *info)
{
    return info->si_code <= 0 || (number == SIGBUS && info->si_code == BUS_MCEERR_AO);
}

static void pass_on(int number, siginfo_t *info)
{
    sigset_t blocked;
    for (size_t i = 0; i < FATALS; i++) {
        if (fatals[i].number == number)
            sigaction(number, &fatals[i].before, NULL);
    }
    if (!must_be_sent(number, info))
        return;
    sigemptyset(&blocked);
    sigaddset(&blocked, number);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    syscall(SYS_rt_tgsigqueueinfo, getpid(), mpl_os_thread_id(), number, info);
}

static void handle(int number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    if (become_teller()) {
        tell(number, info, context);
        atomic_store(&has_told, 1);
    } else if (atomic_load(&teller) != self()) {
        uint64_t end_ns = mpl_clock_monotonic_ns() + TURN_NS;
        while (!atomic_load(&has_told) && mpl_clock_monotonic_ns() < end_ns)
            mpl_os_sleep_ns(NS_PER_MS);
    } else if (is_unwinding) {
        siglongjmp(unwinding_failed, 1);
    }
    pass_on(number, info);
    errno = saved_errno;
}

/* ---- installing ---- */

void mpl_crash_begin_thread(void)
{
    stack_t now;
    if (!is_installed || own_stack || sigaltstack(NULL, &now) < 0 || !(now.ss_flags & SS_DISABLE))
        return;
    char *at = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return; /* then an overflow of the stack cannot be told */
    mprotect(at, GUARD_BYTES, PROT_NONE);
    stack_t alternate = {.ss_sp = at + GUARD_BYTES, .ss_size = STACK_BYTES};
    if (sigaltstack(&alternate, NULL) < 0)
        munmap(at, GUARD_BYTES + STACK_BYTES);
    else
        own_stack = at;
}

void mpl_crash_end_thread(void)
{
    stack_t none = {.ss_flags = SS_DISABLE}, now;
    if (!own_stack)
        return;
    /* The thread may have set another meanwhile. */
    if (sigaltstack(NULL, &now) == 0 && now.ss_sp == own_stack + GUARD_BYTES && sigaltstack(&none, NULL) < 0)
        return; /* we are on it */
    munmap(own_stack, GUARD_BYTES + STACK_BYTES);
    own_stack = NULL;
}

int mpl_crash_install(void)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    if (is_installed)
        return 0;
    logger = mpl_logger_get("mplog");
    mpl_crash_report_prepare();
    for (size_t i = 0; i < FATALS; i++) {
        if (sigaction(fatals[i].number, NULL, &fatals[i].before) < 0 || sigaction(fatals[i].number, &action, NULL) < 0)
            return mpl_fail_errno(errno, "crash handler: signal %d cannot be taken over", fatals[i].number);
    }
    is_installed = true;
    mpl_crash_begin_thread();
    return 0;
}
