/* SPDX-License-Identifier: Unlicense
 *
 * Log calls inside log calls of the same thread, as signal handlers make them, at chosen moments: a plain call in the
 * middle of another is no different from one in a handler.
 */
#include "hand_log.h"

static bool is_warned_of_loss(void)
{
    size_t len;
    char *text = hand_read(&len);
    bool is_there = strstr(text, "logged in a signal handler that interrupted a log call") != NULL;
    free(text);
    return is_there;
}

static struct mpl_producer *begin(void)
{
    bool is_nested = true;
    struct mpl_producer *p = mpl_producer_begin(&is_nested);
    return p && !is_nested && p == own() ? p : NULL;
}

static mplog_logger *hand;

/* Once defined, on the fast path. */
static void log_inside(void) { mplog_info(hand, "inside"); }

static void begin_session(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    hand = logger();
    mplog_info(hand, "first");
    hand_pass();
}

static void call_while_another_writes_goes_beside(void)
{
    begin_session();
    struct mpl_producer *p = begin();
    CHECK(p);
    uint64_t write_pos = p->write_pos;
    mplog_info(logger(), "inside");
    CHECK_INT(p->write_pos, write_pos);
    mpl_producer_end(p);
    mplog_info(logger(), "behind");
    CHECK(p->write_pos > write_pos);
    hand_pass();
    CHECK(log_is("first\ninside\nbehind\n"));
    hand_end();
}

/* The ring may be about to be exchanged. */
static void call_while_another_has_the_lock_goes_beside(void)
{
    begin_session();
    log_inside();
    struct mpl_producer *p = begin();
    CHECK(p);
    uint64_t write_pos = p->write_pos;
    CHECK(mpl_producer_lock(p));
    log_inside();
    mplog_info(mplog_get_logger("hand.new"), "new logger");
    CHECK_INT(p->write_pos, write_pos);
    mpl_producer_unlock(p);
    mpl_producer_end(p);
    hand_pass();
    CHECK(log_is("first\ninside\ninside\nnew logger\n"));
    hand_end();
}

/* Depth: each has a ring of its own, to the number that there can be. */
static void calls_inside_each_other_are_written_or_counted(void)
{
    enum { DEPTH = 10, SIDES = 8 };
    struct mpl_producer *p[DEPTH];
    begin_session();
    p[0] = begin();
    CHECK(p[0]);
    for (int i = 1; i < DEPTH; i++) {
        bool is_nested = false;
        p[i] = mpl_producer_begin(&is_nested);
        CHECK(is_nested);
        CHECK((p[i] != NULL) == (i <= SIDES));
        for (int k = 0; k < i && p[i]; k++)
            CHECK(p[i] != p[k]);
    }
    mplog_info(logger(), "too deep");
    for (int i = DEPTH; i-- > 0;) {
        if (p[i])
            mpl_producer_end(p[i]);
    }
    mplog_info(logger(), "last");
    hand_pass();
    CHECK(is_warned_of_loss());
    hand_end();
}

/* What is lost inside a section of ours is told at the next opportunity, at the latest when the process flushes. */
static void call_for_which_there_is_no_ring_is_counted_and_told(void)
{
    begin_session();
    log_inside();
    CHECK(mpl_process_lock());
    mpl_producer_change_epoch(); /* as between two sessions */
    log_inside();
    mpl_process_unlock();
    CHECK_INT(mplog_flush(0), -ETIMEDOUT);
    mpl_thread.producer->epoch = atomic_load(&mpl_process.epoch);
    atomic_store(&mpl_thread.producer->clock_kind, mpl_process.clock_kind); /* the fast path tells nothing */
    log_inside();
    hand_pass();
    CHECK(is_warned_of_loss());
    hand_end();
}

static void full_ring_of_handlers_grows(void)
{
    enum { COUNT = 2000 };
    size_t len, lines = 0;
    begin_session();
    struct mpl_producer *p = begin();
    CHECK(p);
    for (int i = 0; i < COUNT; i++)
        mplog_info(logger(), "inside %d", i);
    mpl_producer_end(p);
    hand_pass();
    char *text = hand_read(&len);
    for (char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    CHECK_INT(lines, COUNT + 1);
    free(text);
    hand_end();
}

static void names_that_are_being_changed_keep_calls_off(void)
{
    begin_session();
    mplog_set_thread_name("renamed");
    CHECK_INT(atomic_load(&own()->busy), MPL_BUSY_NOT);
    mplog_info(logger(), "second");
    hand_pass();
    CHECK(log_is("first\nsecond\n"));
    hand_end();
}

int main(void)
{
    static const struct test_case cases[] = {
        TEST_CASE(call_while_another_writes_goes_beside),
        TEST_CASE(call_while_another_has_the_lock_goes_beside),
        TEST_CASE(calls_inside_each_other_are_written_or_counted),
        TEST_CASE(call_for_which_there_is_no_ring_is_counted_and_told),
        TEST_CASE(full_ring_of_handlers_grows),
        TEST_CASE(names_that_are_being_changed_keep_calls_off),
    };
    hand_directory();
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    rmdir(hand_dir);
    return result;
}
