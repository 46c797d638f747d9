/* SPDX-License-Identifier: Unlicense
 *
 * Two files that take the same records, while one of them fails: the other goes on, and what is decided for the one
 * that fails is in it once, whole and in order as soon as it works again, whoever died meanwhile.
 */
#include "hand_files.h"

#include "session/look.h"

static void take_over(void)
{
    hand_take_over();
    share_second();
}

static void file_that_fails_keeps_its_lines_while_the_other_goes_on(void)
{
    int number = 0;
    begin_with_two_files(1 << 20);
    log_numbers(&number, 10);
    hand_pass();
    break_first();
    for (int i = 0; i < 50; i++) {
        log_numbers(&number, 20);
        hand_pass();
        CHECK(!hand_collector.is_blocked);
        CHECK(holds_numbers(other_log, number));
        CHECK(holds_numbers(hand_log, 10));
        CHECK_INT(mpl_batch_waiting(first()), number - 10);
    }
    repair_first();
    hand_pass();
    CHECK(holds_numbers(hand_log, number));
    CHECK_INT(mpl_batch_waiting(first()), 0);
    log_numbers(&number, 10);
    hand_pass();
    CHECK(holds_numbers(hand_log, number));
    CHECK_INT(first()->account->records, number);
    CHECK_INT(first()->account->lost, 0);
    end();
}

static void others_are_told_that_a_file_fails_and_that_it_goes_on(void)
{
    int number = 0;
    begin_with_two_files(1 << 20);
    break_first();
    log_numbers(&number, 2);
    hand_pass();
    hand_pass();
    repair_first();
    hand_pass();
    log_numbers(&number, 1);
    hand_pass();
    size_t len;
    char expected[1000], *text = read_file(other_log, &len);
    snprintf(expected, sizeof expected,
             "0\n1\n%s: writing fails: log_file /nowhere/app.log: its directory cannot be found: No such file or "
             "directory\n%s: writing goes on after 0.0 s\n2\n",
             hand_log, hand_log);
    CHECK_TEXT(text, len, expected);
    free(text);
    end();
}

static unsigned count_of(const char *path, const char *what)
{
    size_t len;
    char *text = read_file(path, &len);
    unsigned count = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
        count++;
    free(text);
    return count;
}

/* The second file fails, and is full, when it is to be told that the first one fails, too. */
static void line_about_a_file_that_finds_no_room_is_told_later(void)
{
    int number = 0;
    char fails[sizeof hand_log + 30], goes_on[sizeof hand_log + 30];
    begin_with_two_files(65536);
    struct mpl_sink *second = hand_collector.sink[1];
    snprintf(fails, sizeof fails, "%s: writing fails: ", hand_log);
    snprintf(goes_on, sizeof goes_on, "%s: writing goes on ", hand_log);
    break_sink(second);
    while (second->account->lost == 0 && number < 1000000) {
        log_numbers(&number, 500);
        hand_pass();
    }
    break_first();
    for (int i = 0; i < 3; i++) {
        log_numbers(&number, 1);
        hand_pass();
    }
    CHECK(second->account->lost > 0 && first()->is_failing && first()->has_told);
    lead_to(second, other_log);
    for (int i = 0; i < 3; i++)
        hand_pass();
    CHECK_INT(count_of(other_log, fails), 1);
    CHECK_INT(count_of(other_log, goes_on), 0);
    repair_first();
    for (int i = 0; i < 3; i++)
        hand_pass();
    CHECK_INT(count_of(other_log, fails), 1);
    CHECK_INT(count_of(other_log, goes_on), 1);
    CHECK(holds_numbers(hand_log, number));
    end();
}

/* Who was not told that it fails need not know that it goes on. */
static void line_about_a_file_that_is_out_of_date_is_not_told(void)
{
    int number = 0;
    begin_with_two_files(65536);
    struct mpl_sink *second = hand_collector.sink[1];
    break_sink(second);
    while (second->account->lost == 0 && number < 1000000) {
        log_numbers(&number, 500);
        hand_pass();
    }
    break_first();
    log_numbers(&number, 1);
    hand_pass();
    CHECK(first()->is_failing && first()->has_told);
    repair_first();
    hand_pass();
    CHECK(!first()->is_failing);
    lead_to(second, other_log);
    for (int i = 0; i < 3; i++)
        hand_pass();
    CHECK(count_of(other_log, "lost here") > 0);
    CHECK_INT(count_of(other_log, ": writing "), 0);
    end();
}

/* Several hundred batches, more records than one batch has, and the memory is given back. */
static void lines_that_wait_take_more_memory_up_to_the_bound(void)
{
    int number = 0;
    struct stat st;
    begin_with_two_files(1 << 20);
    break_first();
    while (first()->account->lost == 0 && number < 1000000) {
        log_numbers(&number, 500);
        hand_pass();
        CHECK(!hand_collector.is_blocked);
    }
    CHECK(mpl_batch_filling(first())->count > 10 * MPL_BATCH_ENDS && mpl_batch_filling(first())->len > (1 << 20) - 16);
    CHECK(mpl_batch_filling(first())->map_bytes <= MPL_BATCH_DATA_OFFSET + (1 << 20));
    CHECK_INT(fstat(mpl_batch_filling(first())->fd, &st), 0);
    CHECK(st.st_blocks * 512 < 2 << 20);
    CHECK_INT(first()->account->records + first()->account->lost, number);
    CHECK(holds_numbers(other_log, number));
    uint64_t kept = first()->account->records;
    repair_first();
    hand_pass();
    mpl_batch_shrink(first());
    CHECK_INT(fstat(mpl_batch_filling(first())->fd, &st), 0);
    CHECK(st.st_blocks * 512 < 400 << 10);
    unlink(hand_log); /* what follows is in a new file, after the line about the loss */
    int after = 0;
    log_numbers(&after, 3);
    hand_pass();
    CHECK(log_is("0\n1\n2\n"));
    CHECK_INT(first()->account->records, kept + 3);
    CHECK_INT(first()->account->untold, 0);
    end();
}

/* No file goes on: the records wait in their rings. */
static void nothing_is_lost_while_no_other_file_goes_on(void)
{
    int number = 0;
    begin_with_two_files(65536);
    break_first();
    break_sink(hand_collector.sink[1]);
    while (!hand_collector.is_blocked && number < 1000000) {
        log_numbers(&number, 500);
        hand_pass();
    }
    CHECK(number > 30000);
    for (int i = 0; i < 3; i++)
        hand_pass();
    CHECK(hand_collector.is_blocked);
    CHECK_INT(first()->account->lost, 0);
    CHECK(first()->account->records < (uint64_t)number);
    repair_first();
    lead_to(hand_collector.sink[1], other_log);
    hand_pass();
    hand_pass();
    CHECK(holds_numbers(hand_log, number));
    CHECK(holds_numbers(other_log, number));
    end();
}

/* Nobody is left who would wait for it: what finds no room stays in its ring, for whoever recovers the session. */
static void nothing_is_lost_when_no_member_is_left(void)
{
    int number = 0;
    begin_with_two_files(65536);
    break_first();
    while (mpl_batch_filling(first())->len < MPL_BATCH_DATA_BYTES - 3000) {
        log_numbers(&number, 300);
        hand_pass();
    }
    log_numbers(&number, 1000);
    mpl_process_lock();
    mpl_member_leave(&hand_session, MPL_PROCESS_DETACHED);
    mpl_process_unlock();
    for (int i = 0; i < 3; i++)
        hand_pass();
    CHECK_INT(hand_collector.alive_count, 0);
    CHECK(hand_collector.is_blocked);
    CHECK_INT(first()->account->lost, 0);
    CHECK(first()->account->records < (uint64_t)number);
    repair_first();
    hand_pass();
    hand_pass();
    CHECK(holds_numbers(hand_log, number));
    CHECK(holds_numbers(other_log, number));
    end();
}

/* ---- deaths ---- */

/* What a collector that dies there leaves: lines under the next number, which is never stored. */
static void lay_down_undecided(int number)
{
    char text[24];
    struct mpl_line line = {.level = 30};
    for (int i = 0; i < 3; i++) {
        int n = snprintf(text, sizeof text, "%d\n", number + i + 7);
        if (mpl_sink_offer(first(), (struct mpl_str){text, (size_t)n}) == MPL_APPENDED)
            mpl_sink_take(first(), &line);
    }
    mpl_sink_prepare(first(), hand_collector.batch_seq + 1);
}

/* Dies in a write that has brought `part` of 256 into the file, before or after it has noted how far it is. */
static void die_in_a_write(uint64_t part, bool has_noted)
{
    struct mpl_batch_view *v = mpl_batch_next(first());
    struct mpl_batch *b = v->shared;
    uint64_t from = v->done, until = from + (v->decided_len - from) * part / 256;
    int fd = open(hand_log, O_WRONLY | O_APPEND | O_CREAT, 0600);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        hand_die("log");
    b->intent = (struct mpl_intent){.dev = st.st_dev,
                                    .ino = st.st_ino,
                                    .offset = (uint64_t)st.st_size,
                                    .from = v->begin + from,
                                    .until = v->begin + v->decided_len};
    if (write(fd, mpl_batch_data(b) + from, until - from) != (ssize_t)(until - from))
        hand_die("write");
    close(fd);
    if (has_noted)
        atomic_store(&b->done, v->begin + until);
}

static uint64_t count_waiting_from_outside(void)
{
    static struct mpl_look_sink s;
    struct mpl_look l;
    s.waiting_records = UINT64_MAX;
    if (mpl_look_open(&l, hand_session.dir) == 0 && mpl_look_read(&l) == 0)
        mpl_look_sink(&l, 0, &s);
    mpl_look_close(&l);
    return s.waiting_records;
}

static void step_at_random(uint64_t *seed, int *number, bool *is_broken)
{
    uint64_t r = test_random(seed);
    switch (r % 12) {
    case 0:
    case 1:
    case 2: log_numbers(number, (int)(r >> 8 & 63)); break;
    case 3:
    case 4: hand_pass(); break;
    case 5:
        if (*is_broken)
            repair_first();
        else
            break_first();
        *is_broken = !*is_broken;
        break;
    case 6:
        take_over();
        *is_broken = false;
        break;
    case 7:
        lay_down_undecided(*number);
        take_over();
        *is_broken = false;
        break;
    case 8:
    case 9:
        log_numbers(number, (int)(r >> 8 & 15));
        break_first();
        hand_pass();
        if (mpl_batch_is_pending(first()))
            die_in_a_write((r >> 16) % 257, r % 12 == 8);
        take_over();
        *is_broken = false;
        break;
    default: mpl_batch_turn(first()); break; /* as if what waits were being written by the thread of its own */
    }
}

static void deaths_while_a_file_fails_lose_and_double_nothing(void)
{
    uint64_t seed = 20261122;
    for (int round = 0; round < 60; round++) {
        int number = 0;
        bool is_broken = false;
        begin_with_two_files(1 << 20);
        for (int i = 0; i < 150; i++) {
            step_at_random(&seed, &number, &is_broken);
            if (!mpl_batch_is_pending(first())) /* or a flush waits for it for as long as another file is busy */
                CHECK_INT(first()->finished, mpl_batch_decided(first()));
        }
        if (is_broken)
            repair_first();
        hand_pass();
        hand_pass();
        CHECK(holds_numbers(hand_log, number));
        CHECK(holds_numbers(other_log, number));
        CHECK_INT(first()->account->records, number);
        CHECK_INT(hand_collector.account.merged, number);
        CHECK_INT(count_waiting_from_outside(), 0);
        end();
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        TEST_CASE(file_that_fails_keeps_its_lines_while_the_other_goes_on),
        TEST_CASE(others_are_told_that_a_file_fails_and_that_it_goes_on),
        TEST_CASE(line_about_a_file_that_finds_no_room_is_told_later),
        TEST_CASE(line_about_a_file_that_is_out_of_date_is_not_told),
        TEST_CASE(lines_that_wait_take_more_memory_up_to_the_bound),
        TEST_CASE(nothing_is_lost_while_no_other_file_goes_on),
        TEST_CASE(nothing_is_lost_when_no_member_is_left),
        TEST_CASE(deaths_while_a_file_fails_lose_and_double_nothing),
    };
    hand_directory();
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    rmdir(hand_dir);
    return result;
}
