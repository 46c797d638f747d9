/* SPDX-License-Identifier: Unlicense
 *
 * Rings and definitions that somebody has written over: counted, and the others go on.
 */
#include "hand_log.h"

#include <pthread.h>

#include "producer/claim.h"
#include "shm/codec.h"

#define RECORDS 20

static void *log_elsewhere(void *arg)
{
    for (int i = 0; i < RECORDS; i++)
        mplog_info(logger(), "other %d", i);
    return arg;
}

/* All of them, in their order. */
static bool has_all_from_elsewhere(void)
{
    size_t len;
    char *lines = hand_read(&len), *at = lines, wanted[20];
    for (int i = 0; i < RECORDS && at; i++) {
        snprintf(wanted, sizeof wanted, "other %d\n", i);
        at = memmem(at, (size_t)(lines + len - at), wanted, strlen(wanted));
    }
    free(lines);
    return at != NULL;
}

/* What was written over may be a record still, with another text; what is none is lost, and told. A size that has
 * become another record's end swallows what lies between without a word: that happens once in hundreds of rounds. */
static void scribbled_ring_is_counted_and_the_others_go_on(void)
{
    struct mplog_options o = hand_options();
    pthread_t thread;
    uint64_t seed = 20261122, told = 0, swallowed = 0;
    for (int round = 0; round < 300; round++) {
        hand_begin(&o);
        CHECK_INT(pthread_create(&thread, NULL, log_elsewhere, NULL), 0);
        pthread_join(thread, NULL);
        for (int i = 0; i < RECORDS; i++)
            mplog_info(logger(), "record %d of %s", i, "twenty");
        struct mpl_ring_map *m = own()->map;
        for (int i = 0; i < 1 + round % 20; i++)
            m->data[test_random(&seed) % 1200] = (char)test_random(&seed);
        if (round % 7 == 0)
            atomic_store(&m->ring->write_pos, test_random(&seed));
        if (round % 11 == 0)
            atomic_store(&m->ring->read_pos, test_random(&seed));
        hand_pass();
        hand_pass();
        const struct mpl_account *a = &hand_collector.account;
        uint64_t lost = a->lost[MPL_LOSS_DAMAGED] + a->lost[MPL_LOSS_CORRUPT_BYTES];
        CHECK(has_all_from_elsewhere());
        told += lost > 0;
        swallowed += lost == 0 && a->merged < 2 * RECORDS;
        hand_end();
    }
    CHECK(told > 200);
    CHECK(swallowed <= 5);
}

static void definition_that_lies_is_not_followed(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    mplog_info(logger(), "%s", "text");
    struct mpl_def_extent *e = mpl_process.segment->def[0].extent;
    struct mpl_def *def = (struct mpl_def *)(void *)(e + 1);
    def->text_len = 0xffffff00;
    hand_pass();
    size_t len;
    char *lines = hand_read(&len);
    CHECK(strstr(lines, "damaged record") != NULL);
    free(lines);
    hand_end();
}

int main(void)
{
    static const struct test_case cases[] = {
        TEST_CASE(scribbled_ring_is_counted_and_the_others_go_on),
        TEST_CASE(definition_that_lies_is_not_followed),
    };
    hand_directory();
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    rmdir(hand_dir);
    return result;
}
