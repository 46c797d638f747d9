/* SPDX-License-Identifier: Unlicense
 *
 * What one side does between two steps of the other, where nobody dies: a thread that is preempted there, or a process
 * that is stopped, may find that everything has changed twice.
 *
 * To be linked with -Wl,--wrap=mpl_commit,--wrap=mpl_claim_ring,--wrap=mpl_slot_claim.
 */
#include <mplog.h>

#include "hand_log.h"
#include "producer/claim.h"
#include "shm/slot.h"
#include "shm/wake.h"

#define NS_PER_MS UINT64_C(1000000)

/* What comes between, once. */
static void (*at_commit_fn)(void), (*at_claim_fn)(void), (*at_slot_fn)(void);

bool __real_mpl_commit(struct mpl_collector *c);
bool __wrap_mpl_commit(struct mpl_collector *c);
bool __wrap_mpl_commit(struct mpl_collector *c)
{
    hand_moment(&at_commit_fn);
    return __real_mpl_commit(c);
}

struct mpl_ring_map *__real_mpl_claim_ring(enum mpl_claim purpose, uint64_t data_bytes, uint64_t record_bytes);
struct mpl_ring_map *__wrap_mpl_claim_ring(enum mpl_claim purpose, uint64_t data_bytes, uint64_t record_bytes);
struct mpl_ring_map *__wrap_mpl_claim_ring(enum mpl_claim purpose, uint64_t data_bytes, uint64_t record_bytes)
{
    struct mpl_ring_map *m = __real_mpl_claim_ring(purpose, data_bytes, record_bytes);
    hand_moment(&at_claim_fn);
    return m;
}

int __real_mpl_slot_claim(struct mpl_control *c, pid_t pid, uint64_t *word, uint64_t *serial);
int __wrap_mpl_slot_claim(struct mpl_control *c, pid_t pid, uint64_t *word, uint64_t *serial);
int __wrap_mpl_slot_claim(struct mpl_control *c, pid_t pid, uint64_t *word, uint64_t *serial)
{
    int slot = __real_mpl_slot_claim(c, pid, word, serial);
    hand_moment(&at_slot_fn);
    return slot;
}

/* ---- losses ---- */

/* All that lines in the log say that was lost. */
static uint64_t told(void)
{
    size_t len;
    uint64_t sum = 0;
    char *text = hand_read(&len);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        sum += strstr(line, " lost: ") ? strtoull(line, NULL, 10) : 0;
    free(text);
    return sum;
}

static uint64_t dropped(void) { return atomic_load(&own()->ring->lost[MPL_LOST_DROPPED]); }

static void rest_and_pass(int passes)
{
    for (int i = 0; i < passes; i++) {
        usleep(25000);
        hand_pass();
    }
}

static void fill_ring(void)
{
    do {
        mplog_info(logger(), "fill");
    } while (dropped() == 0);
}

static struct mplog_options options_to_drop(long long ring_max_bytes)
{
    struct mplog_options o = hand_options();
    o.overflow = "drop";
    o.ring_max_bytes = ring_max_bytes;
    return o;
}

static void lose_one(void) { mplog_info(logger(), "lost"); }

/* Counted when the counts have been read, and the space is not given back yet. */
static void loss_between_the_look_and_the_decision_is_told(void)
{
    struct mplog_options o = options_to_drop(65536);
    hand_begin(&o);
    fill_ring();
    at_commit_fn = lose_one;
    hand_pass();
    CHECK_INT(dropped(), 2);
    rest_and_pass(3);
    CHECK_INT(told(), 2);
    hand_end();
}

static void drain_and_cool(void)
{
    hand_pass();
    rest_and_pass(3);
    CHECK_INT(hand_collector.hot_count, 0);
}

/* A thread finds its ring full and is preempted; when it counts the loss, nobody looks at the ring any more. */
static void loss_that_is_counted_when_the_ring_is_cold_is_told(void)
{
    struct mplog_options o = options_to_drop(262144);
    o.ring_budget_bytes = 262144; /* a larger ring is looked for, and is not to be had */
    hand_begin(&o);
    fill_ring();
    uint64_t before = dropped();
    at_claim_fn = drain_and_cool;
    lose_one();
    CHECK(at_claim_fn == NULL);
    CHECK_INT(dropped(), before + 1);
    rest_and_pass(3);
    CHECK_INT(told(), before + 1);
    hand_end();
}

static void count_one(void) { atomic_fetch_add(&own()->ring->lost[MPL_LOST_DROPPED], 1); }

/* The same thread counts it in the pass that makes the ring cold, and sees the promise of the passes before. */
static void loss_that_is_counted_while_the_ring_becomes_cold_is_told(void)
{
    struct mplog_options o = options_to_drop(65536);
    hand_begin(&o);
    fill_ring();
    hand_pass();
    usleep(25000);
    at_commit_fn = count_one;
    hand_pass();
    CHECK_INT(dropped(), 2);
    rest_and_pass(3);
    CHECK_INT(told(), 2);
    CHECK_INT(hand_collector.hot_count, 0);
    hand_end();
}

/* There is no ring in which anything would happen. */
static void losses_of_a_process_are_told_although_nothing_is_logged(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    mplog_info(logger(), "one");
    hand_pass();
    rest_and_pass(2);
    CHECK_INT(hand_collector.hot_count, 0);
    CHECK(mpl_process_lock());
    atomic_fetch_add(&mpl_process.lost_unattached[MPL_LOST_NO_RING], 3);
    mpl_producer_report_losses();
    mpl_process_unlock();
    hand_pass();
    CHECK_INT(told(), 3);
    hand_end();
}

/* ---- flush ---- */

/* Somebody wants all that is stamped until now, and this pass has begun a moment earlier. */
static void flush_that_comes_when_a_pass_has_begun_ends_the_rest_after_it(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    hand_pass();
    struct mpl_control *c = hand_collector.control;
    uint32_t wake_word = atomic_load(&c->head.wake_word);
    uint64_t begin = mpl_collector_now(&hand_collector), stamp = begin;
    while (stamp <= begin)
        stamp = mpl_clock_stamp(c->head.clock_kind);
    atomic_store(&c->head.flush_wanted, stamp);
    mpl_wake_collector(c);
    mpl_collector_pass(&hand_collector, begin, mpl_clock_monotonic_ns());
    CHECK(!mpl_wake_is_flushed(c, stamp));
    uint64_t before_ns = mpl_clock_monotonic_ns();
    mpl_wake_sleep(c, wake_word, hand_collector.news_seen, hand_collector.flush_seen, 2000 * NS_PER_MS);
    CHECK(mpl_clock_monotonic_ns() - before_ns < 1000 * NS_PER_MS);
    hand_pass();
    CHECK(mpl_wake_is_flushed(c, stamp));
    hand_end();
}

/* ---- slots ---- */

static struct mpl_session second, third;

static void look_at_slots(void)
{
    atomic_fetch_add(&hand_collector.control->head.news, 1);
    hand_pass();
}

/* As if it had been like this for so long. */
static void let_time_pass(uint32_t slot, uint64_t ns) { hand_collector.joining_since_ns[slot] -= ns; }

/* The collector saw one process joining, which failed; when it looks again, another one joins there. */
static void slot_of_one_that_failed_to_join_gives_the_next_its_time(void)
{
    struct mplog_options o = hand_options();
    uint64_t first, next, serial;
    hand_begin(&o);
    struct mpl_control *c = hand_collector.control;
    int slot = mpl_slot_claim(c, getpid(), &first, &serial);
    look_at_slots();
    CHECK(slot > 0 && atomic_load(&c->slot[slot].word) == first);
    CHECK(mpl_slot_free(&c->slot[slot], first));
    let_time_pass((uint32_t)slot, 60000 * NS_PER_MS);
    CHECK_INT(mpl_slot_claim(c, getpid(), &next, &serial), slot);
    look_at_slots();
    CHECK(atomic_load(&c->slot[slot].word) == next);
    let_time_pass((uint32_t)slot, 60000 * NS_PER_MS);
    look_at_slots();
    CHECK(atomic_load(&c->slot[slot].word) != next); /* that was too long */
    hand_end();
}

static struct mpl_entry third_entry = {.session = &third};

static int enter(struct mpl_entry *e)
{
    *e->session = (struct mpl_session){.control_fd = hand_session.control_fd, .pipe_fd = -1};
    memcpy(e->session->dir, hand_session.dir, sizeof hand_session.dir);
    return mpl_member_enter(e, hand_collector.dir_fd);
}

/* The one that joins is stopped for long, is taken for dead, and its slot is given to another. */
static void give_slot_to_another(void)
{
    look_at_slots();
    let_time_pass(1, 60000 * NS_PER_MS);
    look_at_slots();
    CHECK_INT(enter(&third_entry), 0);
}

static void late_joiner_leaves_the_slot_to_whom_it_was_given(void)
{
    struct mplog_options o = hand_options();
    struct mpl_entry e = {.session = &second};
    hand_begin(&o);
    hand_pass();
    struct mpl_control *c = hand_collector.control;
    at_slot_fn = give_slot_to_another;
    CHECK_INT(enter(&e), 0);
    CHECK(at_slot_fn == NULL);
    CHECK_INT(third.slot, 1);
    CHECK_INT(second.slot, 2); /* it has joined again */
    CHECK_INT(atomic_load(&c->slot[1].segment_serial), third_entry.segment.serial);
    CHECK_INT(atomic_load(&c->slot[2].segment_serial), e.segment.serial);
    hand_pass();
    CHECK(hand_collector.member[1] && hand_collector.member[1]->serial == third_entry.segment.serial);
    CHECK(hand_collector.member[2] && hand_collector.member[2]->serial == e.segment.serial);
    mpl_member_withdraw(&e);
    mpl_member_withdraw(&third_entry);
    hand_end();
}

/* ---- a collector that has lost its lock ---- */

static void give_slot_of_the_former_to_another(void)
{
    struct mpl_slot *s = &hand_collector.control->slot[1];
    CHECK(mpl_slot_free(s, atomic_load(&s->word)));
    CHECK_INT(enter(&third_entry), 0);
}

static void slot_that_a_successor_has_given_away_is_left_alone(void)
{
    struct mplog_options o = hand_options();
    struct mpl_entry e = {.session = &second};
    hand_begin(&o);
    CHECK_INT(enter(&e), 0);
    hand_pass();
    mpl_member_withdraw(&e);
    at_commit_fn = give_slot_of_the_former_to_another;
    hand_pass();
    CHECK_INT(third.slot, 1);
    CHECK(atomic_load(&hand_collector.control->slot[1].word) == third.slot_word);
    look_at_slots();
    CHECK(hand_collector.member[1] && hand_collector.member[1]->serial == third_entry.segment.serial);
    mpl_member_withdraw(&third_entry);
    hand_end();
}

static struct mpl_ring *closed_ring;

static void take_over_and_claim_again(void)
{
    atomic_fetch_add(&hand_collector.control->head.takeovers, 1);
    atomic_store(&closed_ring->state, MPL_RING_OPEN);
}

static void ring_that_is_claimed_again_is_not_freed(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    mplog_info(logger(), "one");
    hand_pass();
    closed_ring = own()->ring;
    atomic_store(&closed_ring->state, MPL_RING_CLOSED);
    at_commit_fn = take_over_and_claim_again;
    hand_pass();
    CHECK_INT(atomic_load(&closed_ring->state), MPL_RING_OPEN);
    CHECK(hand_collector.is_replaced);
    hand_take_over();
    mplog_info(logger(), "two");
    hand_pass();
    CHECK(log_is("one\ntwo\n"));
    hand_end();
}

int main(void)
{
    static const struct test_case cases[] = {
        TEST_CASE(loss_between_the_look_and_the_decision_is_told),
        TEST_CASE(loss_that_is_counted_when_the_ring_is_cold_is_told),
        TEST_CASE(loss_that_is_counted_while_the_ring_becomes_cold_is_told),
        TEST_CASE(losses_of_a_process_are_told_although_nothing_is_logged),
        TEST_CASE(flush_that_comes_when_a_pass_has_begun_ends_the_rest_after_it),
        TEST_CASE(slot_of_one_that_failed_to_join_gives_the_next_its_time),
        TEST_CASE(late_joiner_leaves_the_slot_to_whom_it_was_given),
        TEST_CASE(slot_that_a_successor_has_given_away_is_left_alone),
        TEST_CASE(ring_that_is_claimed_again_is_not_freed),
    };
    hand_directory();
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    rmdir(hand_dir);
    return result;
}
