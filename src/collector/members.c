/* SPDX-License-Identifier: Unlicense
 *
 * Who belongs to the session, and who has died. A process is dead when its pidfd says so; what else makes it dead is
 * told in shm/alive.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "collector/collector.h"
#include "shm/alive.h"
#include "shm/map.h"
#include "shm/segment.h"
#include "shm/slot.h"

#define NS_PER_S UINT64_C(1000000000)

/* Joining takes a millisecond. A process that was killed in the middle of it has its slot taken back after the first of
 * these if there is no such pid (it may yet be one of another namespace), and after the second in any case. */
#define JOINING_UNSEEN_NS (NS_PER_S / 2)
#define JOINING_MAX_NS (10 * NS_PER_S)

/* Members whose lives are looked at in one check: with one check a second, hundreds of members cost 0.005 % of a CPU.
 */
#define CHECKS_AT_ONCE 16

/* ---- is it alive? ---- */

static int open_proc(pid_t pid, const char *what, int flags)
{
    char path[48];
    struct mpl_text t = {path, 0, sizeof path};
    mpl_text_str(&t, MPL_STR("/proc/"));
    mpl_text_u64(&t, (uint64_t)pid);
    mpl_text_str(&t, mpl_str_from(what));
    return open(mpl_text_cstr(&t), flags | O_CLOEXEC | O_NOCTTY);
}

static bool is_gone(const struct mpl_collector *c, const struct mpl_member_view *m)
{
    /* Our own process: in thread mode. Its lock does not conflict with ours. */
    if (m->pid == getpid() && m->pid_fd >= 0 && m->start_time == mpl_os_start_time(getpid()))
        return false;
    return mpl_alive_lock_holder(c->dir_fd, m->serial) == 0 &&
           (m->is_foreign || !mpl_alive_has_mapped(c->dir, m->serial, m->pid));
}

/* What the watching thread says comes late: the slot may have a new member by now, who lives. */
static bool has_ended(const struct mpl_member_view *m)
{
    struct pollfd p = {.fd = m->pid_fd, .events = POLLIN};
    return m->pid_fd >= 0 && poll(&p, 1, 0) > 0;
}

/* Finds the process behind a new member. */
static void take_process(struct mpl_collector *c, struct mpl_member_view *m, const struct mpl_slot *slot)
{
    m->pid = mpl_slot_pid(m->word);
    m->start_time = slot->start_time;
    m->is_foreign = slot->pid_ns != c->pid_ns;
    pid_t pid = m->is_foreign || c->is_other_boot ? mpl_alive_lock_holder(c->dir_fd, m->serial) : m->pid;
    m->pid_fd = pid > 0 ? mpl_os_pidfd_open(pid) : -1;
    if (m->pid_fd == -ESRCH || pid == 0) {
        m->is_dead = true;
        m->pid_fd = -1;
        return;
    }
    if (m->pid_fd < 0) {
        m->pid_fd = -1; /* no descriptors left, or another namespace: mpl_members_check_lives */
        return;
    }
    if (slot->start_time != mpl_os_start_time(pid) && !mpl_alive_has_mapped(c->dir, m->serial, pid))
        m->is_dead = true; /* the pid has been given to another process */
    else
        mpl_watch_add(c->watch, m->pid_fd, m->slot);
}

/* ---- coming and going ---- */

static void heat_all(struct mpl_collector *c, struct mpl_member_view *m, uint32_t from)
{
    for (uint32_t i = from; i < m->ring_count; i++)
        mpl_pass_heat(c, m->ring[i]);
}

static void read_rings(struct mpl_collector *c, struct mpl_member_view *m)
{
    mpl_view_read_rings(m, c->dir_fd, c->batch_seq);
    c->has_missed |= m->is_short;
}

static void note_ending(struct mpl_collector *c, struct mpl_member_view *m)
{
    bool is_ending = m->is_dead || m->is_leaving;
    if (!is_ending || m->is_ending)
        return;
    m->is_ending = true;
    c->ending_count++;
    c->alive_count--;
    c->has_deaths = true;
    /* What was linked last counts too; from here on nothing is written any more. */
    read_rings(c, m);
    for (uint32_t i = 0; i < m->ring_count; i++)
        m->ring[i]->is_closing = true;
    heat_all(c, m, 0);
}

/* Somebody has deleted the session's directory just when this member joined, but it has its segment open. */
static int find_deleted_segment(const struct mpl_collector *c, pid_t pid, uint64_t serial)
{
    char path[64], wanted[64], target[MPL_DIR_MAX + 64];
    const char *id = strrchr(c->dir, '/');
    struct mpl_text p = {path, 0, sizeof path}, w = {wanted, 0, sizeof wanted};
    mpl_text_printf(&p, "/proc/%d/fd", (int)pid);
    mpl_text_printf(&w, "%s/seg%llu (deleted)", id ? id : "", (unsigned long long)serial);
    DIR *dir = opendir(mpl_text_cstr(&p));
    int fd = -1;
    for (struct dirent *e; dir && fd < 0 && (e = readdir(dir)) != NULL;) {
        ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof target);
        if (n >= (ssize_t)w.len && memcmp(target + n - w.len, wanted, w.len) == 0)
            fd = mpl_os_fd_above_stdio(openat(dirfd(dir), e->d_name, O_RDWR | O_CLOEXEC));
    }
    if (dir)
        closedir(dir);
    return fd;
}

static void add_member(struct mpl_collector *c, uint32_t i, uint64_t word)
{
    struct mpl_slot *slot = &c->control->slot[i];
    uint64_t serial = atomic_load(&slot->segment_serial);
    struct mpl_member_view *m = mpl_view_open(c->dir_fd, serial, c->batch_seq, &c->defs);
    if (!m) {
        c->has_missed = true;
        return;
    }
    int fd = m->head || slot->pid_ns != c->pid_ns ? -1 : find_deleted_segment(c, mpl_slot_pid(word), serial);
    if (fd >= 0)
        mpl_view_adopt(m, fd, c->batch_seq);
    m->slot = i;
    m->word = word;
    m->can_be_cold = (slot->flags & MPL_SLOT_MEMBARRIER) != 0;
    m->stderr_dev = slot->stderr_dev;
    m->stderr_ino = slot->stderr_ino;
    c->member[i] = m;
    c->alive_count++;
    take_process(c, m, slot);
}

static void take_back_slot(struct mpl_collector *c, uint32_t i, uint64_t word)
{
    char name[MPL_SEGMENT_NAME_MAX];
    struct mpl_slot *slot = &c->control->slot[i];
    uint64_t serial = atomic_load(&slot->segment_serial);
    if (mpl_slot_free(slot, word) && serial != 0) {
        mpl_segment_name(name, serial);
        unlinkat(c->dir_fd, name, 0);
    }
}

static void look_at_joiner(struct mpl_collector *c, uint32_t i, uint64_t word)
{
    uint64_t now_ns = mpl_clock_monotonic_ns();
    /* Slots are looked at when there is news: in between one may have given up, and another begun. */
    if (c->joining_word[i] != word)
        c->joining_since_ns[i] = now_ns;
    c->joining_word[i] = word;
    uint64_t waited_ns = now_ns - c->joining_since_ns[i];
    if (waited_ns > JOINING_MAX_NS || c->is_other_boot ||
        (waited_ns > JOINING_UNSEEN_NS && kill(mpl_slot_pid(word), 0) < 0 && errno == ESRCH))
        take_back_slot(c, i, word);
}

static void look_at_slot(struct mpl_collector *c, uint32_t i)
{
    uint64_t word = atomic_load(&c->control->slot[i].word);
    uint32_t state = mpl_slot_state(word);
    struct mpl_member_view *m = c->member[i];
    if (state == MPL_SLOT_JOINING) {
        look_at_joiner(c, i, word);
        return;
    }
    if (!m && state > MPL_SLOT_LEAVING)
        take_back_slot(c, i, word); /* damaged, and nobody will ever free it */
    if (!m && (state == MPL_SLOT_ACTIVE || state == MPL_SLOT_LEAVING))
        add_member(c, i, word);
    m = c->member[i];
    if (!m)
        return;
    m->word = word;
    m->is_leaving = state == MPL_SLOT_LEAVING;
    uint32_t before = m->ring_count;
    read_rings(c, m);
    heat_all(c, m, before);
    /* A ring of its that was closed or reopened while cold: cheap to look at, and news is rare. */
    for (uint32_t k = 0; k < before; k++) {
        uint32_t ring_state = atomic_load_explicit(&m->ring[k]->ring->state, memory_order_acquire);
        if (!m->ring[k]->is_hot && ring_state != MPL_RING_FREE)
            mpl_pass_heat(c, m->ring[k]);
    }
    c->has_member_losses = c->has_member_losses || !mpl_loss_is_member_told(m);
    note_ending(c, m);
}

void mpl_members_scan(struct mpl_collector *c)
{
    uint32_t slot, news = atomic_load(&c->control->head.news);
    while (mpl_watch_next_dead(c->watch, &slot)) {
        struct mpl_member_view *m = c->member[slot];
        if (m && has_ended(m)) {
            m->is_dead = true;
            note_ending(c, m);
        }
    }
    if (news == c->news_seen && !c->has_missed)
        return;
    c->news_seen = news;
    c->has_missed = false;
    uint32_t bound = mpl_slot_bound(c->control);
    c->member_bound = bound > c->member_bound ? bound : c->member_bound; /* whom we know stays in view */
    for (uint32_t i = 0; i < c->member_bound; i++)
        look_at_slot(c, i);
}

static bool is_member_drained(struct mpl_collector *c, struct mpl_member_view *m)
{
    if (m->is_short)
        return false;
    for (uint32_t i = 0; i < m->ring_count; i++) {
        const struct mpl_ring_view *r = m->ring[i];
        if (r->is_touched || r->pos != mpl_view_write_pos(r))
            return false;
        mpl_loss_report_ring(c, m->ring[i]);
        if (r->is_touched)
            return false;
    }
    mpl_loss_report_member(c, m);
    return !m->is_touched;
}

void mpl_members_remove_drained(struct mpl_collector *c)
{
    for (uint32_t i = 0; c->ending_count > 0 && i < c->member_bound; i++) {
        struct mpl_member_view *m = c->member[i];
        if (!m || !m->is_ending || !is_member_drained(c, m))
            continue;
        for (uint32_t k = 0; k < m->ring_count; k++)
            mpl_pass_forget_ring(c, m->ring[k]);
        c->member[i] = NULL;
        c->ending_count--;
        /* It may be LEAVING by now. Another member's: we have been replaced, and our successor has given it away. */
        uint64_t word = atomic_load(&c->control->slot[i].word);
        bool is_its_own = mpl_slot_is_same(word, m->word);
        mpl_view_close(m);
        if (is_its_own)
            take_back_slot(c, i, word);
    }
}

void mpl_members_check_lives(struct mpl_collector *c)
{
    for (uint32_t n = 0; n < CHECKS_AT_ONCE && n < c->member_bound; n++) {
        c->check_next = c->check_next + 1 < c->member_bound ? c->check_next + 1 : 0;
        struct mpl_member_view *m = c->member[c->check_next];
        if (!m || m->is_ending || !is_gone(c, m))
            continue;
        m->is_dead = true;
        note_ending(c, m);
    }
}

bool mpl_members_have_stderr(struct mpl_collector *c, uint64_t dev, uint64_t ino)
{
    struct stat st;
    char path[48];
    for (uint32_t i = 0; i < c->member_bound; i++) {
        const struct mpl_member_view *m = c->member[i];
        if (!m || m->is_ending)
            continue;
        struct mpl_text t = {path, 0, sizeof path};
        mpl_text_printf(&t, "/proc/%d/fd/2", m->pid);
        /* As it is now; a daemon may have sent it elsewhere since it joined. Not visible: as it was then. */
        if (m->is_foreign || stat(mpl_text_cstr(&t), &st) < 0 ? m->stderr_dev == dev && m->stderr_ino == ino
                                                              : st.st_dev == dev && st.st_ino == ino)
            return true;
    }
    return false;
}

int mpl_members_find_fd(struct mpl_collector *c, uint64_t dev, uint64_t ino)
{
    static const char *const names[] = {"/fd/2", "/fd/1", "/fd/0"};
    for (uint32_t i = 0; i < c->member_bound; i++) {
        const struct mpl_member_view *m = c->member[i];
        for (size_t k = 0; m && !m->is_ending && k < sizeof names / sizeof names[0]; k++) {
            int fd = open_proc(m->pid, names[k], O_WRONLY | O_APPEND | O_NONBLOCK);
            if (fd >= 0 && mpl_os_fd_is(fd, dev, ino))
                return mpl_os_fd_above_stdio(fd);
            if (fd >= 0)
                close(fd);
        }
    }
    return -1;
}
