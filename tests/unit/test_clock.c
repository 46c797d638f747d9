/* SPDX-License-Identifier: Unlicense
 *
 * Stamps: they grow with their clock, and mean a time of day.
 */
#include "harness.h"

#include "base/clock.h"

/* At each power of two, where arithmetic on bits would show. */
static void stamp_of_monotonic_time_grows_with_it(void)
{
    for (int bit = 1; bit < 62; bit++) {
        uint64_t ns = UINT64_C(1) << bit;
        CHECK(mpl_clock_stamp_of_monotonic(ns) == mpl_clock_stamp_of_monotonic(ns - 1) + 1);
        CHECK(mpl_clock_stamp_of_monotonic(3 * ns / 2) == mpl_clock_stamp_of_monotonic(3 * ns / 2 - 1) + 1);
        CHECK(mpl_clock_stamp_of_monotonic(ns) >= MPL_STAMP_LEAST);
    }
    CHECK(mpl_clock_stamp_of_monotonic(0) == MPL_STAMP_LEAST);
}

static void stamps_of_the_kinds_in_use_grow_and_have_a_least(void)
{
    const uint32_t kinds[] = {MPL_CLOCK_MONOTONIC, mpl_clock_detect()};
    for (int k = 0; k < 2; k++) {
        uint64_t last = MPL_STAMP_LEAST, falls = 0;
        for (int i = 0; i < 100000; i++) {
            uint64_t stamp = i % 2 ? mpl_clock_stamp(kinds[k]) : mpl_clock_stamp_before_loads(kinds[k]);
            falls += stamp < last;
            last = stamp;
        }
        CHECK_INT(falls, 0);
    }
}

static void stamp_of_the_kinds_in_use_tells_the_time_of_day(void)
{
    const uint32_t kinds[] = {MPL_CLOCK_MONOTONIC, mpl_clock_detect()};
    for (int k = 0; k < 2; k++) {
        struct mpl_clock_wall w = {0};
        uint64_t base = mpl_clock_stamp(kinds[k]), base_ns = mpl_clock_monotonic_ns();
        while (mpl_clock_monotonic_ns() - base_ns < UINT64_C(20000000))
            ;
        mpl_clock_wall_read(&w, kinds[k], base, base_ns);
        int64_t shown = mpl_clock_wall_of(&w, base),
                meant = mpl_clock_wall_ns() - (int64_t)(mpl_clock_monotonic_ns() - base_ns);
        CHECK(shown - meant < 2000000 && meant - shown < 2000000);
    }
}

TEST_MAIN(TEST_CASE(stamp_of_monotonic_time_grows_with_it), TEST_CASE(stamps_of_the_kinds_in_use_grow_and_have_a_least),
          TEST_CASE(stamp_of_the_kinds_in_use_tells_the_time_of_day))
