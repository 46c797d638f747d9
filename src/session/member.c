/* SPDX-License-Identifier: Unlicense */
#include "session/member.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "producer/crash.h"
#include "producer/logger.h"
#include "producer/nested.h"
#include "producer/process.h"
#include "producer/producer.h"
#include "shm/control.h"
#include "shm/map.h"
#include "shm/slot.h"
#include "shm/wake.h"

#define NS_PER_MS UINT64_C(1000000)

/* How long a session may be closing: its collector looks at the slots once more and decides, in microseconds; or it was
 * killed there, and somebody must start another. */
#define CLOSING_WAIT_NS (5000 * NS_PER_MS)

static void fill_slot(struct mpl_slot *slot)
{
    struct stat st;
    bool has_stderr = fstat(STDERR_FILENO, &st) == 0;
    slot->start_time = mpl_os_start_time(getpid());
    slot->pid_ns = mpl_os_pid_namespace();
    slot->stderr_dev = has_stderr ? st.st_dev : 0;
    slot->stderr_ino = has_stderr ? st.st_ino : 0;
    slot->flags = mpl_os_membarrier_register() ? MPL_SLOT_MEMBARRIER : 0;
}

/* The state after the slot was claimed decides (models/join.pml): not CLOSING any more, or given up. */
static uint32_t settled_state(struct mpl_control *c, struct mpl_session *s)
{
    uint64_t deadline_ns = mpl_clock_monotonic_ns() + CLOSING_WAIT_NS;
    for (;;) {
        uint32_t state = mpl_state_of(atomic_load(&c->head.state));
        if (state != MPL_SESSION_CLOSING || mpl_clock_monotonic_ns() > deadline_ns)
            return state;
        if (!mpl_control_has_collector(s->control_fd))
            mpl_session_start_collector(s, MPL_START_ONLY);
        mpl_os_sleep_ns(NS_PER_MS / 5);
    }
}

static int take_slot(struct mpl_entry *e, struct mpl_control *c, uint64_t *serial_before)
{
    struct mpl_session *s = e->session;
    int slot = mpl_slot_claim(c, getpid(), &s->slot_word, serial_before);
    if (slot < 0)
        return slot;
    s->slot = (uint32_t)slot;
    uint32_t state = settled_state(c, s);
    if (state == MPL_SESSION_NEW || state == MPL_SESSION_RUNNING)
        return 0;
    mpl_slot_free(&c->slot[slot], s->slot_word);
    return state == MPL_SESSION_REMOVED ? -ESHUTDOWN : mpl_fail(ETIMEDOUT, "the session does not finish closing");
}

/* This process was stopped for so long that the collector has taken it for dead and its slot back. */
static int fail_late(void) { return mpl_fail(EAGAIN, "joining the session took so long that it was given up"); }

static int fill_and_activate(struct mpl_entry *e, struct mpl_control *c, int dir_fd, uint64_t serial_before)
{
    char name[MPL_SEGMENT_NAME_MAX];
    struct mpl_session *s = e->session;
    struct mpl_slot *slot = &c->slot[s->slot];
    uint64_t serial = atomic_fetch_add(&c->head.segment_serial, 1);
    if (!mpl_slot_set_serial(slot, serial_before, serial))
        return fail_late();
    int error = mpl_segment_create(&e->segment, s->dir, dir_fd, serial, s->slot);
    if (error)
        return error;
    if (mpl_process.relative_base_ns)
        e->segment.head->relative_base_ns = mpl_process.relative_base_ns;
    if (atomic_load(&slot->word) == s->slot_word) /* else these are another's */
        fill_slot(slot);
    if (mpl_slot_advance(slot, &s->slot_word, MPL_SLOT_ACTIVE))
        return 0;
    mpl_segment_close(&e->segment);
    mpl_segment_name(name, serial); /* made after the slot was taken back, perhaps: then nobody else deletes it */
    unlinkat(dir_fd, name, 0);
    return fail_late();
}

static int enter_once(struct mpl_entry *e, struct mpl_control *c, int dir_fd)
{
    uint64_t serial_before;
    int error = take_slot(e, c, &serial_before);
    if (error)
        return error;
    error = fill_and_activate(e, c, dir_fd, serial_before);
    if (error)
        mpl_slot_free(&c->slot[e->session->slot], e->session->slot_word);
    return error;
}

#define ENTER_TRIES 10 /* each failed one means that this process was stopped for seconds, at one place */

int mpl_member_enter(struct mpl_entry *e, int dir_fd)
{
    struct mpl_control *c = e->control = mpl_control_map(e->session->control_fd, NULL);
    if (!c)
        return -ENOMEM;
    int error = enter_once(e, c, dir_fd);
    for (int tries = 1; error == -EAGAIN && tries < ENTER_TRIES; tries++)
        error = enter_once(e, c, dir_fd);
    if (error)
        mpl_unmap(c, sizeof *c);
    else
        mpl_wake_for_news(c);
    return error;
}

static void leave_slot(struct mpl_control *c, struct mpl_session *s)
{
    if (mpl_slot_advance(&c->slot[s->slot], &s->slot_word, MPL_SLOT_LEAVING))
        mpl_wake_for_news(c);
}

void mpl_member_withdraw(struct mpl_entry *e)
{
    leave_slot(e->control, e->session);
    mpl_unmap(e->control, sizeof *e->control);
    mpl_segment_close(&e->segment);
}

/* Ids in sites and loggers were given out by this process or its parent; the new segment must know them all. */
static void inherit_definitions(struct mpl_entry *e)
{
    /* Out of room, or damaged: records whose definition is missing cannot be shown, and a line says so. */
    if (mpl_process.segment->def_count > 0 &&
        mpl_segment_copy_defs(&e->segment, mpl_process.segment, &mpl_process.last_def_id) < 0)
        mpl_complain("not all call sites of process %ld could be taken along", (long)getpid());
}

/* A child that is forked anywhere in between finds all definitions: in the old segment as long as it is not closed, or
 * in the new one when that is whole. At worst the old one stays mapped there. */
static void take_segment(struct mpl_entry *e)
{
    struct mpl_segment_writer *old = mpl_process.segment, *fresh = &mpl_process.segments[old == mpl_process.segments];
    inherit_definitions(e);
    *fresh = e->segment;
    fresh->dir_path = e->session->dir;
    mpl_os_order_stores();
    mpl_process.segment = fresh;
    mpl_os_order_stores();
    mpl_segment_close(old);
}

#define TICKS_PER_MS_MAX 1e9 /* no clock ticks a thousand times in a nanosecond */

static uint64_t ticks_per_ms(const struct mpl_control_head *h)
{
    uint64_t ticks = mpl_clock_stamp(h->clock_kind) - h->stamp_base;
    uint64_t ns = mpl_clock_monotonic_ns() - h->monotonic_base_ns;
    if (h->clock_kind == MPL_CLOCK_MONOTONIC || ns < NS_PER_MS / 10)
        return NS_PER_MS; /* too early to tell; what it is used for is a limit of one look a millisecond, roughly */
    double per_ms = (double)ticks / (double)ns * (double)NS_PER_MS;
    return per_ms < TICKS_PER_MS_MAX ? (uint64_t)per_ms : NS_PER_MS; /* else the readings were none */
}

static void install_crash_handler_if_wanted(void)
{
    bool is_wanted;
    if (mpl_options_flag("MPLOG_CRASH_HANDLER", &is_wanted) < 0 || (is_wanted && mpl_crash_install() < 0))
        mpl_complain("%s", mpl_error_text());
}

void mpl_member_adopt(struct mpl_entry *e)
{
    take_segment(e);
    mpl_process_map_control(e->session->control_fd, e->control);
    mpl_process_take_facts();
    uint32_t clock_kind = mpl_process.control->head.clock_kind;
    mpl_process.clock_kind = clock_kind == MPL_CLOCK_COUNTER ? clock_kind : MPL_CLOCK_MONOTONIC;
    mpl_process.ticks_per_ms = ticks_per_ms(&mpl_process.control->head);
    mpl_process.sessions++;
    mpl_process_set_membership(MPL_PROCESS_MEMBER);
    mpl_process_default_name();
    mpl_logger_refresh_all();
    mpl_producer_change_epoch();
    mpl_nested_prepare();
    install_crash_handler_if_wanted();
}

void mpl_member_leave(struct mpl_session *s, enum mpl_membership next)
{
    mpl_process_set_membership(next);
    mpl_producer_detach_all();
    leave_slot(mpl_process.control, s);
    mpl_process_unmap_control();
    mpl_segment_close_but_defs(mpl_process.segment);
}
