/* SPDX-License-Identifier: Unlicense
 *
 * Rings and the collector's pass, step by step in one thread.
 */
#include "hand_log.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "producer/claim.h"
#include "shm/codec.h"

static void record_is_in_the_file_after_one_pass(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    mplog_info(logger(), "%s %d", "one", 1);
    mplog_log_text(logger(), MPLOG_INFO, "two", 3);
    hand_pass();
    CHECK(log_is("one 1\ntwo\n"));
    hand_end();
}

/* Every length, so that records end at every offset of the ring and the padding at its end takes every size. */
static void record_of_every_size_arrives_whole(void)
{
    enum { SIZES = 6000 };
    static char text[SIZES];
    struct mplog_options o = hand_options();
    size_t len, at = 0;
    o.ring_max_bytes = 65536; /* no growth: round and round */
    hand_begin(&o);
    memset(text, 'a', sizeof text);
    for (size_t n = 0; n < SIZES; n++) {
        text[0] = n ? (char)('a' + n % 26) : 'a';
        mplog_log_text(logger(), MPLOG_INFO, text, n);
        if (n % 5 == 0)
            hand_pass();
    }
    hand_pass();
    char *lines = hand_read(&len);
    for (size_t n = 0; n < SIZES; n++) {
        bool is_whole = at + n < len && lines[at + n] == '\n' && (n == 0 || lines[at] == (char)('a' + n % 26)) &&
                        (n < 2 || memcmp(lines + at + 1, text + 1, n - 1) == 0);
        CHECK(is_whole);
        at += n + 1;
    }
    CHECK_INT(at, len);
    free(lines);
    hand_end();
}

static void ring_that_is_full_grows_and_keeps_the_order(void)
{
    struct mplog_options o = hand_options();
    size_t len;
    o.ring_max_bytes = 1 << 20;
    hand_begin(&o);
    for (int i = 0; i < 20000; i++)
        mplog_info(logger(), "%d", i);
    CHECK_INT(own()->map->data_bytes, 1 << 20);
    hand_pass();
    hand_pass(); /* the closed rings are freed */
    char *lines = hand_read(&len), *at = lines;
    for (int i = 0; i < 20000; i++)
        CHECK_INT(strtol(at, &at, 10), i);
    free(lines);
    struct mpl_member_view *m = hand_collector.member[hand_session.slot];
    CHECK_INT(m->ring_count, 4); /* the first is the one for signal handlers */
    for (uint32_t i = 1; i < 3; i++)
        CHECK_INT(atomic_load(&m->ring[i]->ring->state), MPL_RING_FREE);
    hand_end();
}

static void ring_size_that_is_no_power_of_two_is_rounded_down(void)
{
    struct mplog_options o = hand_options();
    size_t len;
    o.ring_max_bytes = 200000;
    o.block_timeout_ms = 0;
    hand_begin(&o);
    for (int i = 0; i < 3000; i++)
        mplog_info(logger(), "%d", i);
    CHECK_INT(own()->map->data_bytes, 131072);
    hand_pass();
    char *lines = hand_read(&len), *at = lines;
    for (int i = 0; i < 3000; i++)
        CHECK_INT(strtol(at, &at, 10), i);
    free(lines);
    hand_end();
}

static void huge_record_gets_a_ring_of_its_own_and_gives_it_back(void)
{
    struct mplog_options o = hand_options();
    size_t len, huge = 9 << 20;
    char *text = malloc(huge);
    hand_begin(&o);
    memset(text, 'h', huge);
    mplog_log_text(logger(), MPLOG_INFO, text, huge);
    CHECK_INT(own()->map->data_bytes, 16 << 20);
    mplog_info(logger(), "after");
    CHECK_INT(own()->map->data_bytes, 65536);
    hand_pass();
    hand_pass();
    char *lines = hand_read(&len);
    CHECK_INT(len, huge + 1 + 6);
    CHECK(memcmp(lines, text, huge) == 0 && strcmp(lines + huge, "\nafter\n") == 0);
    free(lines);
    free(text);
    /* its pages are gone */
    struct stat st;
    char path[MPL_DIR_MAX + 40];
    snprintf(path, sizeof path, "%s/seg1", hand_session.dir);
    CHECK_INT(stat(path, &st), 0);
    CHECK(st.st_blocks * 512 < 1 << 20);
    hand_end();
}

static void message_above_the_limit_is_cut_and_says_so(void)
{
    struct mplog_options o = hand_options();
    size_t len, huge = MPL_MESSAGE_MAX + 1000;
    char *text = malloc(huge + 1);
    hand_begin(&o);
    memset(text, 'c', huge);
    text[huge] = '\0';
    mplog_info(logger(), "%s", text);
    mplog_log_text(logger(), MPLOG_INFO, text, huge);
    hand_pass();
    char *lines = hand_read(&len), *second = memchr(lines, '\n', len) + 1;
    static const char mark[] = " ... [1000 bytes cut]\n";
    CHECK_INT(second - lines, MPL_MESSAGE_MAX + sizeof mark - 1);
    CHECK(memcmp(second - (sizeof mark - 1), mark, sizeof mark - 1) == 0);
    CHECK_INT(len, 2 * (second - lines));
    free(lines);
    free(text);
    hand_end();
}

static void overflow_drop_counts_and_tells(void)
{
    struct mplog_options o = hand_options();
    size_t len;
    o.overflow = "drop";
    o.ring_max_bytes = 65536;
    hand_begin(&o);
    int records = 3000;
    for (int i = 0; i < records; i++)
        mplog_info(logger(), "%d", i);
    uint64_t lost = atomic_load(&own()->ring->lost[MPL_LOST_DROPPED]);
    CHECK(lost > 0 && lost < 3000);
    hand_pass();
    char expected[80], *lines = hand_read(&len), *at = lines;
    snprintf(expected, sizeof expected, "%llu records were lost: the ring was full\n", (unsigned long long)lost);
    CHECK(strstr(lines, expected) != NULL);
    for (int i = 0; i < records - (int)lost; i++)
        CHECK_INT(strtol(at, &at, 10), i);
    free(lines);
    mplog_info(logger(), "after"); /* the ring is looked at again */
    hand_pass();
    lines = hand_read(&len);
    CHECK(strstr(strstr(lines, expected) + strlen(expected), "lost") == NULL); /* told once */
    free(lines);
    hand_end();
}

static void overflow_block_waits_once_then_counts_at_once(void)
{
    struct mplog_options o = hand_options();
    o.ring_max_bytes = 65536;
    hand_begin(&o);
    do {
        mplog_info(logger(), "fill");
    } while (!atomic_load(&own()->ring->lost[MPL_LOST_FULL]));
    uint64_t begin_ns = mpl_clock_monotonic_ns();
    for (int i = 0; i < 1000; i++)
        mplog_info(logger(), "fill");
    CHECK(mpl_clock_monotonic_ns() - begin_ns < 50000000); /* not one more timeout */
    CHECK_INT(atomic_load(&own()->ring->lost[MPL_LOST_FULL]), 1001);
    hand_pass();
    mplog_info(logger(), "room again");
    CHECK_INT(atomic_load(&own()->ring->lost[MPL_LOST_FULL]), 1001);
    hand_end();
}

static void record_stamped_after_the_pass_began_waits_for_the_next(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    mplog_info(logger(), "first");
    hand_pass();
    uint64_t before = mpl_clock_stamp(hand_collector.control->head.clock_kind);
    mplog_info(logger(), "second");
    mpl_collector_pass(&hand_collector, before, mpl_clock_monotonic_ns());
    CHECK(log_is("first\n"));
    /* Seen by that pass, though, and so due in this one, even if the clock should have gone back. */
    mpl_collector_pass(&hand_collector, before, mpl_clock_monotonic_ns());
    CHECK(log_is("first\nsecond\n"));
    hand_end();
}

/* It waits for the next pass itself, but not all that its thread logs from then on. */
static void stamp_of_the_far_future_holds_up_its_own_record_only(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    mplog_info(logger(), "first");
    hand_pass();
    struct mpl_record_head *head = (void *)own()->cur;
    mplog_info(logger(), "second");
    head->stamp = UINT64_MAX;
    hand_pass();
    CHECK(log_is("first\n"));
    hand_pass();
    CHECK(log_is("first\nsecond\n"));
    mplog_info(logger(), "third");
    hand_pass();
    CHECK(log_is("first\nsecond\nthird\n"));
    hand_end();
}

static void idle_ring_becomes_cold_and_warm_again_when_told(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    mplog_info(logger(), "one");
    hand_pass();
    CHECK_INT(hand_collector.hot_count, 2); /* the one for signal handlers is new, too */
    CHECK(atomic_load(&own()->ring->watch) >= MPL_STAMP_LEAST);
    usleep(25000);
    hand_pass();
    CHECK_INT(hand_collector.hot_count, 0);
    CHECK_INT(atomic_load(&own()->ring->watch), 1);
    mplog_info(logger(), "two");
    hand_pass();
    CHECK_INT(hand_collector.hot_count, 1);
    CHECK(log_is("one\ntwo\n"));
    hand_end();
}

/* A collector that had lost its lock finished its pass, beside the one that has made the ring cold. */
static void promise_of_a_replaced_collector_does_not_hide_a_cold_ring(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    mplog_info(logger(), "one");
    hand_pass();
    usleep(25000);
    hand_pass();
    CHECK_INT(hand_collector.hot_count, 0);
    atomic_store(&own()->ring->watch, MPL_STAMP_LEAST); /* expired since */
    mplog_info(logger(), "two");
    hand_pass();
    CHECK(log_is("one\ntwo\n"));
    hand_end();
}

/* ---- taking over ---- */

static void successor_goes_on_where_the_killed_one_stopped(void)
{
    struct mplog_options o = hand_options();
    o.format_string = "%(threadName)s %(message)s";
    hand_begin(&o);
    mplog_set_thread_name("namesake");
    mplog_info(logger(), "one");
    hand_pass();
    mplog_info(logger(), "two");
    atomic_store(&own()->ring->read_pos, 0); /* it was killed before it gave the space back */
    hand_take_over();
    mplog_info(logger(), "three");
    hand_pass();
    CHECK(log_is("namesake one\nnamesake two\nnamesake three\n")); /* the names were read by the one before */
    hand_end();
}

/* The batch is decided, and the collector dies before, in the middle of, or after the write. */
static void decided_batch_is_finished_by_the_successor(void)
{
    for (int written = 0; written <= 8; written++) {
        struct mplog_options o = hand_options();
        hand_begin(&o);
        mplog_info(logger(), "one");
        hand_pass();
        mplog_info(logger(), "two");
        mplog_info(logger(), "six");
        /* Decided, but not written: the file cannot be opened again. */
        mpl_file_close(&hand_collector.sink[0]->file);
        const char *path = hand_collector.sink[0]->file_options.path;
        hand_collector.sink[0]->file_options.path = "/nowhere/app.log";
        hand_pass();
        hand_collector.sink[0]->file_options.path = path;
        CHECK(log_is("one\n"));
        struct mpl_batch *b = mpl_batch_filling(hand_collector.sink[0])->shared;
        CHECK_INT(mpl_batch_waiting(hand_collector.sink[0]), 2);
        struct stat st;
        CHECK_INT(stat(hand_log, &st), 0);
        uint64_t from = atomic_load(&b->done);
        b->intent = (struct mpl_intent){
            .dev = st.st_dev, .ino = st.st_ino, .offset = (uint64_t)st.st_size, .from = from, .until = from + 8};
        int fd = open(hand_log, O_WRONLY | O_APPEND);
        CHECK_INT(write(fd, "two\nsix\n", (size_t)written), written);
        close(fd);
        hand_take_over();
        hand_pass();
        CHECK(log_is("one\ntwo\nsix\n"));
        hand_end();
    }
}

/* The successor cannot open the file at first, and so cannot see what of it is written. */
static void decided_batch_is_finished_when_its_file_can_be_opened(void)
{
    struct mplog_options o = hand_options();
    char away[sizeof hand_log + 8];
    struct stat st;
    snprintf(away, sizeof away, "%s.1", hand_log);
    hand_begin(&o);
    mplog_info(logger(), "one");
    mplog_info(logger(), "two");
    hand_pass();
    struct mpl_batch *b = mpl_batch_filling(hand_collector.sink[0])->shared;
    CHECK_INT(stat(hand_log, &st), 0);
    /* As if it had died before it could say that the write was done. */
    b->intent = (struct mpl_intent){.dev = st.st_dev, .ino = st.st_ino, .offset = 0, .from = 0, .until = 8};
    atomic_store(&b->done, 0);
    CHECK_INT(rename(hand_log, away), 0);
    CHECK_INT(mkdir(hand_log, 0700), 0);
    hand_take_over();
    hand_pass();
    rmdir(hand_log);
    CHECK_INT(rename(away, hand_log), 0);
    usleep(60000); /* it is tried again */
    hand_pass();
    CHECK(log_is("one\ntwo\n"));
    hand_end();
}

static void scribble_over_batches(void)
{
    for (int k = 0; k < 2; k++) {
        struct mpl_batch *b = hand_collector.sink[0]->batch[k].shared;
        b->ends_max = UINT32_MAX, b->data_bytes = UINT64_MAX;
        for (int i = 0; i < 2; i++) {
            b->progress[i].begin = 0, b->progress[i].end = UINT64_MAX;
            b->progress[i].record_count = UINT32_MAX;
        }
        atomic_store(&b->done, 7);
    }
}

/* Any word of a batch may change while a collector works with it: it goes by what it knows itself. */
static void batch_that_is_scribbled_over_is_not_followed(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    mplog_info(logger(), "one");
    hand_pass();
    scribble_over_batches();
    mplog_info(logger(), "two");
    hand_pass();
    CHECK(log_is("one\ntwo\n"));
    /* A successor knows nothing but what stands there: of a head that is sound, and progress that is not. */
    scribble_over_batches();
    for (int k = 0; k < 2; k++) {
        hand_collector.sink[0]->batch[k].shared->ends_max = MPL_BATCH_ENDS_MAX;
        hand_collector.sink[0]->batch[k].shared->data_bytes = hand_collector.sink[0]->batch[k].data_bytes;
    }
    hand_take_over();
    mplog_info(logger(), "three");
    hand_pass();
    hand_pass();
    size_t len;
    char *lines = hand_read(&len);
    CHECK(strncmp(lines, "one\ntwo\n", 8) == 0 && strstr(lines + 8, "three\n") && strstr(lines + 8, " lost here: "));
    free(lines);
    hand_end();
}

/* What is laid down for a batch that is never decided must not count. */
static void undecided_batch_is_forgotten(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    mplog_info(logger(), "one");
    hand_pass();
    mplog_info(logger(), "two");
    struct mpl_ring *ring = own()->ring;
    uint64_t tag = atomic_load(&hand_collector.control->head.batch_seq) + 1;
    for (int i = 0; i < 2; i++) {
        if (atomic_load(&ring->progress[i].tag) < tag - 1) {
            ring->progress[i].read_pos = atomic_load(&ring->write_pos);
            atomic_store(&ring->progress[i].tag, tag);
        }
    }
    struct mpl_batch *b = mpl_batch_filling(hand_collector.sink[0])->shared;
    memcpy(mpl_batch_data(b), "nonsense\n", 9);
    mpl_batch_ends(b)[0] = 9;
    struct mpl_batch_progress *p = &b->progress[mpl_batch_in_force(b, tag - 1) == 0];
    p->begin = atomic_load(&b->done);
    p->end = p->begin + 9;
    p->record_count = 1;
    atomic_store(&p->tag, tag);
    hand_take_over();
    hand_pass();
    hand_take_over(); /* and again: the number has been used by another batch meanwhile */
    hand_pass();
    CHECK(log_is("one\ntwo\n"));
    hand_end();
}

/* A ring's first batch, whose collector dies after it has laid down the position, before or after the tag. */
static void first_batch_that_is_not_decided_is_forgotten(void)
{
    for (uint64_t with_tag = 0; with_tag <= 1; with_tag++) {
        struct mplog_options o = hand_options();
        hand_begin(&o);
        mplog_info(logger(), "one");
        struct mpl_ring *ring = own()->ring;
        struct mpl_segment *segment = mpl_process.segment->head;
        atomic_store(&segment->lost[MPL_LOST_NESTED], 7);
        ring->progress[0].read_pos = atomic_load(&ring->write_pos);
        segment->progress[0].lost_reported[MPL_LOST_NESTED] = 7;
        if (with_tag) {
            uint64_t tag = atomic_load(&hand_collector.control->head.batch_seq) + 1;
            atomic_store(&ring->progress[0].tag, tag);
            atomic_store(&segment->progress[0].tag, tag);
        }
        hand_take_over();
        hand_take_over(); /* the first of them has cleared the tags and died */
        hand_pass();
        CHECK(log_is("one\n7 records were lost: logged in a signal handler that interrupted a log call\n"));
        hand_end();
    }
}

/* Until it is called again, no descriptor is to be had. */
static void toggle_shortage(void)
{
    static struct rlimit before;
    struct rlimit none = before;
    if (before.rlim_cur == 0) {
        int lowest_free = dup(STDIN_FILENO);
        close(lowest_free);
        getrlimit(RLIMIT_NOFILE, &before);
        none = (struct rlimit){(rlim_t)lowest_free, before.rlim_max};
    } else {
        before.rlim_cur = 0;
    }
    setrlimit(RLIMIT_NOFILE, &none);
}

/* Else it would decide batches under the number that stands in a ring which it has not seen. */
static void collector_that_cannot_open_all_rings_does_not_take_over(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    mplog_info(logger(), "one");
    hand_kill_collector();
    int dir_fd = mpl_dir_open(hand_session.dir), control_fd = mpl_control_open(dir_fd);
    toggle_shortage();
    int error = mpl_collector_init(&hand_collector, hand_session.dir, dir_fd, control_fd, &hand_no_candidates);
    toggle_shortage();
    hand_kill_collector();
    CHECK_INT(error, -ENOMEM);
    hand_take_over();
    hand_pass();
    CHECK(log_is("one\n"));
    hand_end();
}

static void sink_that_could_not_be_opened_holds_the_records_up(void)
{
    static struct mpl_options other;
    char path[300];
    uint32_t index;
    struct mplog_options o = hand_options(), more = hand_options();
    hand_begin(&o);
    snprintf(path, sizeof path, "%s/other.log", hand_dir);
    more.log_file = path;
    CHECK_INT(mpl_options_resolve(&other, &more, false), 0);
    CHECK_INT(mpl_sinks_add(&hand_session, &other, &index), 0);
    mplog_info(logger(), "one");
    toggle_shortage();
    hand_pass();
    toggle_shortage();
    CHECK(log_is(""));
    hand_pass();
    CHECK(log_is("one\n"));
    CHECK_INT(hand_collector.sink_count, 2);
    unlink(path);
    hand_end();
}

/* ---- forks ---- */

/* A child that joins, logs and dies; returns its exit status. */
static int run_child(const char *message)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct mpl_entry e = {.session = &hand_session};
        mpl_process_lock();
        if (mpl_session_join(&e) < 0)
            _exit(9);
        mpl_member_adopt(&e);
        mpl_process_unlock();
        mplog_info(logger(), "%s", message);
        _exit(0);
    }
    return waitpid(child, &status, 0) == child ? status : -1;
}

static void record_of_a_member_that_could_not_be_opened_comes_later(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    mplog_info(logger(), "parent");
    hand_pass();
    CHECK_INT(run_child("child"), 0);
    toggle_shortage();
    hand_pass();
    hand_pass();
    toggle_shortage();
    hand_pass();
    hand_pass();
    CHECK(log_is("parent\nchild\n"));
    CHECK_INT(hand_collector.ending_count, 0);
    hand_end();
}

static void forked_child_writes_into_a_segment_of_its_own(void)
{
    struct mplog_options o = hand_options();
    o.format_string = "%(process)d %(message)s";
    hand_begin(&o);
    mplog_info(logger(), "parent %s", "first");
    uint64_t write_pos = own()->write_pos;
    struct mpl_ring *ring = own()->ring;
    pid_t child = fork();
    if (child == 0) {
        CHECK_INT(own()->epoch, 0);
        /* Joining is the test's session, not one of setup.c: by hand. */
        struct mpl_entry e = {.session = &hand_session};
        mpl_process_lock();
        bool is_forgotten = mpl_process_membership() == MPL_PROCESS_INHERITED;
        if (!is_forgotten || mpl_session_join(&e) < 0)
            _exit(9);
        mpl_member_adopt(&e);
        mpl_process_unlock();
        mplog_info(logger(), "parent %s", "first"); /* another call site: its id must be new */
        mplog_info(logger(), "child %d", 7);
        _exit(own()->ring == ring ? 8 : 0);
    }
    int status;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    CHECK_INT(atomic_load(&ring->write_pos), write_pos);
    hand_pass();
    char expected[200];
    snprintf(expected, sizeof expected, "%d parent first\n%d parent first\n%d child 7\n", (int)getpid(), (int)child,
             (int)child);
    CHECK(log_is(expected));
    hand_end();
}

int main(void)
{
    static const struct test_case cases[] = {
        TEST_CASE(record_is_in_the_file_after_one_pass),
        TEST_CASE(record_of_every_size_arrives_whole),
        TEST_CASE(ring_that_is_full_grows_and_keeps_the_order),
        TEST_CASE(ring_size_that_is_no_power_of_two_is_rounded_down),
        TEST_CASE(huge_record_gets_a_ring_of_its_own_and_gives_it_back),
        TEST_CASE(message_above_the_limit_is_cut_and_says_so),
        TEST_CASE(overflow_drop_counts_and_tells),
        TEST_CASE(overflow_block_waits_once_then_counts_at_once),
        TEST_CASE(record_stamped_after_the_pass_began_waits_for_the_next),
        TEST_CASE(stamp_of_the_far_future_holds_up_its_own_record_only),
        TEST_CASE(idle_ring_becomes_cold_and_warm_again_when_told),
        TEST_CASE(promise_of_a_replaced_collector_does_not_hide_a_cold_ring),
        TEST_CASE(successor_goes_on_where_the_killed_one_stopped),
        TEST_CASE(decided_batch_is_finished_by_the_successor),
        TEST_CASE(decided_batch_is_finished_when_its_file_can_be_opened),
        TEST_CASE(batch_that_is_scribbled_over_is_not_followed),
        TEST_CASE(undecided_batch_is_forgotten),
        TEST_CASE(first_batch_that_is_not_decided_is_forgotten),
        TEST_CASE(collector_that_cannot_open_all_rings_does_not_take_over),
        TEST_CASE(sink_that_could_not_be_opened_holds_the_records_up),
        TEST_CASE(record_of_a_member_that_could_not_be_opened_comes_later),
        TEST_CASE(forked_child_writes_into_a_segment_of_its_own),
    };
    hand_directory();
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    rmdir(hand_dir);
    return result;
}
