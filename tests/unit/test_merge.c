/* SPDX-License-Identifier: Unlicense
 *
 * Records of several rings, which threads write in turn: in the file they stand as they were logged, however usual or
 * unusual they are.
 */
#include "hand_log.h"

#include <pthread.h>

#include "shm/codec.h"

enum { TALKERS = 5, LONG_BYTES = 700 /* more than a run takes */ };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread[TALKERS];
    int whose, number; /* whose: -1: nobody's turn, -2: the end */
} turn = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Usual ones of several kinds, and others that are decided about one by one. */
static void log_number(int number)
{
    static char text[LONG_BYTES];
    memset(text, 'x', sizeof text - 1);
    switch (number % 11) {
    case 3: mplog_info(logger(), "%d %s", number, "text"); break;
    case 5: mplog_error(logger(), "%d %s", number, text); break;
    case 7: mplog_info(logger(), "%d %*d", number, 5, 5); break;
    case 9: mplog_debug(logger(), "%d not enabled", number); /* fallthrough */
    default: mplog_info(logger(), "%d", number);
    }
}

static void *talk(void *arg)
{
    int mine = (int)(intptr_t)arg;
    pthread_mutex_lock(&turn.lock);
    while (turn.whose != -2) {
        if (turn.whose == mine) {
            log_number(turn.number);
            turn.whose = -1;
            pthread_cond_broadcast(&turn.changed);
        }
        pthread_cond_wait(&turn.changed, &turn.lock);
    }
    pthread_mutex_unlock(&turn.lock);
    return NULL;
}

static void let_talk(int whose, int number)
{
    pthread_mutex_lock(&turn.lock);
    turn.whose = whose;
    turn.number = number;
    pthread_cond_broadcast(&turn.changed);
    while (turn.whose >= 0)
        pthread_cond_wait(&turn.changed, &turn.lock);
    pthread_mutex_unlock(&turn.lock);
}

static void begin(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    turn.whose = -1;
    for (intptr_t i = 0; i < TALKERS; i++)
        CHECK_INT(pthread_create(&turn.thread[i], NULL, talk, (void *)i), 0);
}

static void end(void)
{
    let_talk(-2, 0);
    for (int i = 0; i < TALKERS; i++)
        pthread_join(turn.thread[i], NULL);
    hand_end();
}

/* The lines' numbers are 0, 1, ...: how many. */
static int count_in_order(void)
{
    size_t len;
    char *lines = hand_read(&len);
    int count = 0;
    for (char *at = lines; *at; at = strchr(at, '\n') + 1, count++) {
        if (strtol(at, NULL, 10) != count)
            break;
    }
    free(lines);
    return count;
}

static void records_that_take_turns_stand_in_order(void)
{
    enum { RECORDS = 2000 };
    uint32_t random = 1;
    begin();
    for (int i = 0; i < RECORDS; i++) {
        random = random * 1664525 + 1013904223; /* Numerical Recipes */
        let_talk((int)(random >> 16) % (i < RECORDS / 2 ? TALKERS : 2), i);
        if ((random >> 8) % 100 == 0)
            hand_pass();
    }
    hand_pass();
    CHECK_INT(count_in_order(), RECORDS);
    end();
}

static void records_later_than_the_pass_wait_wherever_they_are(void)
{
    begin();
    for (int i = 0; i < 8; i++)
        let_talk(i % 2, i);
    hand_pass(); /* their rings are known */
    for (int i = 8; i < 12; i++)
        let_talk(i % 2, i);
    uint64_t before = mpl_clock_stamp(hand_collector.control->head.clock_kind);
    for (int i = 12; i < 20; i++)
        let_talk(i % 2, i);
    mpl_collector_pass(&hand_collector, before, mpl_clock_monotonic_ns());
    CHECK_INT(count_in_order(), 12);
    hand_pass();
    CHECK_INT(count_in_order(), 20);
    end();
}

/* A ring's own order goes before stamps; those of other rings are merged by them. */
static void stamps_that_go_back_keep_their_threads_order(void)
{
    begin();
    let_talk(0, 0);
    log_number(1);
    struct mpl_record_head *head = (void *)own()->cur;
    log_number(2);
    head->stamp = MPL_STAMP_LEAST;
    log_number(3);
    let_talk(0, 4);
    hand_pass();
    CHECK_INT(count_in_order(), 5);
    end();
}

int main(void)
{
    static const struct test_case cases[] = {
        TEST_CASE(records_that_take_turns_stand_in_order),
        TEST_CASE(records_later_than_the_pass_wait_wherever_they_are),
        TEST_CASE(stamps_that_go_back_keep_their_threads_order),
    };
    hand_directory();
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    rmdir(hand_dir);
    return result;
}
