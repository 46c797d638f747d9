/* SPDX-License-Identifier: Unlicense */
#include "collector/watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/os.h"
#include "shm/abi.h"

#define EVENTS_AT_ONCE 64
#define STACK_BYTES 65536u
#define STOP_EVENT UINT32_MAX

struct mpl_watch {
    pthread_t thread;
    int epoll_fd, stop_fd;
    _Atomic uint32_t *wake_word;
    _Atomic uint32_t has_dead; /* any bit set. seq_cst against `dead`: the thread stores it last, the collector first */
    _Atomic uint64_t dead[MPL_SLOTS_MAX / 64];
};

static void *run(void *arg)
{
    struct mpl_watch *w = arg;
    struct epoll_event event[EVENTS_AT_ONCE];
    for (;;) {
        int n = epoll_wait(w->epoll_fd, event, EVENTS_AT_ONCE, -1);
        if (n < 0 && errno != EINTR)
            return NULL;
        for (int i = 0; i < n; i++) {
            uint32_t slot = event[i].data.u32;
            if (slot == STOP_EVENT)
                return NULL;
            atomic_fetch_or(&w->dead[slot / 64], UINT64_C(1) << (slot % 64));
        }
        if (n > 0) {
            atomic_store(&w->has_dead, 1); /* partner: mpl_watch_next_dead */
            atomic_fetch_add(w->wake_word, 1);
            mpl_os_futex_wake(w->wake_word, 1);
        }
    }
}

static bool start_thread(struct mpl_watch *w)
{
    struct epoll_event stop = {.events = EPOLLIN, .data.u32 = STOP_EVENT};
    return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->stop_fd, &stop) == 0 &&
           mpl_os_thread_start(&w->thread, STACK_BYTES, run, w) == 0;
}

struct mpl_watch *mpl_watch_start(_Atomic uint32_t *wake_word)
{
    struct mpl_watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->wake_word = wake_word;
    w->epoll_fd = mpl_os_fd_above_stdio(epoll_create1(EPOLL_CLOEXEC));
    w->stop_fd = mpl_os_fd_above_stdio(eventfd(0, EFD_CLOEXEC));
    if (w->epoll_fd >= 0 && w->stop_fd >= 0 && start_thread(w))
        return w;
    mpl_fail_errno(errno, "the thread that watches members cannot be started");
    if (w->epoll_fd >= 0)
        close(w->epoll_fd);
    if (w->stop_fd >= 0)
        close(w->stop_fd);
    free(w);
    return NULL;
}

void mpl_watch_stop(struct mpl_watch *w)
{
    if (!w)
        return;
    eventfd_write(w->stop_fd, 1);
    pthread_join(w->thread, NULL);
    close(w->epoll_fd);
    close(w->stop_fd);
    free(w);
}

void mpl_watch_add(struct mpl_watch *w, int pid_fd, uint32_t slot)
{
    /* One shot: a pidfd stays readable after the death until it is closed. */
    struct epoll_event e = {.events = EPOLLIN | EPOLLONESHOT, .data.u32 = slot};
    if (w)
        epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, pid_fd, &e); /* refused: noticed by mpl_members_check_lives */
}

bool mpl_watch_next_dead(struct mpl_watch *w, uint32_t *slot)
{
    if (!w || !atomic_load_explicit(&w->has_dead, memory_order_acquire))
        return false;
    for (uint32_t i = 0; i < MPL_SLOTS_MAX / 64; i++) {
        uint64_t bits = atomic_load_explicit(&w->dead[i], memory_order_relaxed);
        if (bits) {
            *slot = i * 64 + (uint32_t)__builtin_ctzll(bits);
            atomic_fetch_and(&w->dead[i], ~(UINT64_C(1) << (*slot % 64)));
            return true;
        }
    }
    /* A bit set from now on comes with has_dead set again after it. Partner: run. */
    atomic_store(&w->has_dead, 0);
    for (uint32_t i = 0; i < MPL_SLOTS_MAX / 64; i++) {
        if (atomic_load(&w->dead[i]))
            atomic_store(&w->has_dead, 1);
    }
    return false;
}
