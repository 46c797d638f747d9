/* SPDX-License-Identifier: Unlicense
 *
 * Rings and definitions that somebody has written over: counted, and the others go on.
 */
#include "hand_log.h"

#include "producer/claim.h"
#include "shm/codec.h"

static void scribbled_ring_is_counted_and_the_others_go_on(void)
{
    struct mplog_options o = hand_options();
    uint64_t seed = 20261122;
    for (int round = 0; round < 300; round++) {
        hand_begin(&o);
        for (int i = 0; i < 20; i++)
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
        hand_end();
    }
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
