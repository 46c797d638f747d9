/* SPDX-License-Identifier: Unlicense
 *
 * Rings and definitions that somebody has written over: counted, and the others go on.
 */
#include "hand_log.h"

#include <pthread.h>

#include "producer/claim.h"
#include "producer/log.h"
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

/* What was written over may be a record still, with another text; what is none is lost, and told. */
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
    CHECK_INT(swallowed, 0);
}

/* ---- a size that ends where a later record does ---- */

static struct mpl_record_head *record(int n)
{
    char *at = own()->map->data;
    for (; n > 0; n--)
        at += mpl_bytes_of(((struct mpl_record_head *)(void *)at)->kind_words);
    return (struct mpl_record_head *)(void *)at;
}

/* As long as itself and the two behind it; returns how long that is. */
static unsigned swallow_two(int n)
{
    struct mpl_record_head *head = record(n);
    uint64_t bytes = (uint64_t)((char *)record(n + 3) - (char *)head);
    head->kind_words = mpl_kind_words(head->kind_words & 0xff, bytes);
    return (unsigned)bytes;
}

static void log_words(int i) { mplog_info(logger(), "record %d", i); }
static void log_string(int i) { mplog_info(logger(), "%s %d", "record", i); }
static void log_wide(int i) { mplog_info(logger(), "%ls %d", L"record", i); }

static void log_text(int i)
{
    char text[20];
    mplog_log_text(logger(), MPLOG_INFO, text, (size_t)snprintf(text, sizeof text, "record %d", i));
}

/* For one sink alone: its mask, read as a field's length, is a small one. */
static void log_fields(int i)
{
    char text[20];
    struct mpl_log_fields fields = {.level = MPLOG_INFO};
    fields.message = (struct mpl_str){text, (size_t)snprintf(text, sizeof text, "record %d", i)};
    mpl_log_fields(logger(), &fields);
    record(i + 1)->sinks = 1;
}

static void log_seven(void (*log_one)(int i))
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    for (int i = 0; i < 7; i++)
        log_one(i);
}

static void size_that_ends_with_a_later_record_is_told(void)
{
    static void (*const ways[])(int i) = {log_words, log_string, log_wide, log_text, log_fields};
    char expected[200];
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        log_seven(ways[i]);
        unsigned bytes = swallow_two(2); /* 0: the names */
        hand_pass();
        snprintf(expected, sizeof expected,
                 "record 0\na damaged record of %u bytes was skipped\nrecord 4\nrecord 5\nrecord 6\n", bytes);
        CHECK(log_is(expected));
        CHECK_INT(hand_collector.account.lost[MPL_LOSS_DAMAGED], 1);
        CHECK_INT(hand_collector.account.merged, 4);
        hand_end();
    }
}

static void size_beyond_what_is_written_is_told(void)
{
    char expected[100];
    log_seven(log_string);
    struct mpl_record_head *head = record(3);
    uint64_t left = (uint64_t)(own()->map->data + own()->write_pos - (char *)head);
    head->kind_words = mpl_kind_words(head->kind_words & 0xff, left + 8);
    hand_pass();
    snprintf(expected, sizeof expected, "record 0\nrecord 1\n%u bytes were lost: the ring was damaged\n",
             (unsigned)left);
    CHECK(log_is(expected));
    CHECK_INT(hand_collector.account.lost[MPL_LOSS_CORRUPT_BYTES], left);
    CHECK_INT(hand_collector.account.lost[MPL_LOSS_DAMAGED], 0);
    hand_end();
}

static void size_that_ends_with_a_later_record_is_told_where_no_sink_wants_the_record(void)
{
    char expected[100];
    log_seven(log_string);
    hand_collector.sink[0]->level = MPLOG_WARNING;
    snprintf(expected, sizeof expected, "a damaged record of %u bytes was skipped\n", swallow_two(2));
    hand_pass();
    CHECK(log_is(expected));
    CHECK_INT(hand_collector.account.lost[MPL_LOSS_DAMAGED], 1);
    hand_end();
}

static void names_that_end_with_a_later_record_are_told(void)
{
    char expected[100];
    log_seven(log_string);
    snprintf(expected, sizeof expected,
             "a damaged record of %u bytes was skipped\nrecord 2\nrecord 3\nrecord 4\nrecord 5\nrecord 6\n",
             swallow_two(0));
    hand_pass();
    CHECK(log_is(expected));
    CHECK_INT(hand_collector.account.lost[MPL_LOSS_DAMAGED], 1);
    hand_end();
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
        TEST_CASE(size_that_ends_with_a_later_record_is_told),
        TEST_CASE(size_beyond_what_is_written_is_told),
        TEST_CASE(size_that_ends_with_a_later_record_is_told_where_no_sink_wants_the_record),
        TEST_CASE(names_that_end_with_a_later_record_are_told),
        TEST_CASE(definition_that_lies_is_not_followed),
    };
    hand_directory();
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    rmdir(hand_dir);
    return result;
}
