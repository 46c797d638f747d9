/* SPDX-License-Identifier: Unlicense
 *
 * Stamps order records; they are not time of day. A session uses one kind of stamp in all its processes: the CPU's
 * counter where the kernel itself keeps time with it (then it is invariant and the same on all CPUs), else
 * CLOCK_MONOTONIC.
 */
#ifndef MPL_BASE_CLOCK_H
#define MPL_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

enum mpl_clock_kind {
    MPL_CLOCK_MONOTONIC = 1, /* stamps are ns, moved up by MPL_STAMP_LEAST */
    MPL_CLOCK_COUNTER = 2,   /* x86: TSC; arm64: the virtual counter */
};

/* Stamps are never below this: smaller numbers have another meaning where stamps are expected (the cold counts in a
 * ring's watch word). A counter that starts at 0 at boot passes it within seconds on x86; arm64's slow one is shifted.
 */
#define MPL_STAMP_LEAST (UINT64_C(1) << 32)

/* Reads how the kernel keeps time. */
uint32_t mpl_clock_detect(void);

static inline uint64_t mpl_clock_monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static inline int64_t mpl_clock_wall_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * INT64_C(1000000000) + (int64_t)t.tv_nsec;
}

/* Added and not set as a bit: stamps must grow with the clock. */
static inline uint64_t mpl_clock_stamp_of_monotonic(uint64_t ns) { return ns + MPL_STAMP_LEAST; }

static inline uint64_t mpl_clock_stamp(uint32_t kind)
{
#if defined(__x86_64__)
    if (__builtin_expect(kind == MPL_CLOCK_COUNTER, 1))
        return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    if (__builtin_expect(kind == MPL_CLOCK_COUNTER, 1)) {
        uint64_t ticks;
        __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
        return ticks + MPL_STAMP_LEAST;
    }
#endif
    (void)kind;
    return mpl_clock_stamp_of_monotonic(mpl_clock_monotonic_ns());
}

/* A stamp that is taken before any later load of this thread: what the collector's T0 must be. */
static inline uint64_t mpl_clock_stamp_before_loads(uint32_t kind)
{
    uint64_t stamp = mpl_clock_stamp(kind);
#if defined(__x86_64__)
    __builtin_ia32_lfence();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
    return stamp;
}

/* Which stamp means which time of day. Made anew for each pass: `error` then grows only with a record's age, by the few
 * parts in a million that the rate is off. */
struct mpl_clock_wall {
    uint64_t stamp;
    int64_t wall_ns;
    double ns_per_tick;
};

/* All clocks at the same moment, to a microsecond nearly always. */
struct mpl_clock_reading {
    uint64_t stamp, monotonic_ns;
    int64_t wall_ns;
};

struct mpl_clock_reading mpl_clock_read_all(uint32_t kind);

/* `base_*`: one reading of both clocks, at the set-up of the session. Two that give no rate of a clock leave
 * w->ns_per_tick as it is. */
void mpl_clock_wall_read(struct mpl_clock_wall *w, uint32_t kind, uint64_t base_stamp, uint64_t base_monotonic_ns);

/* Any 64 bits may stand where a stamp should: what is further away than this (126 years) is shown as this far away. */
#define MPL_WALL_DISTANCE_MAX_NS 4e18

static inline int64_t mpl_clock_wall_of(const struct mpl_clock_wall *w, uint64_t stamp)
{
    double distance_ns = (double)(int64_t)(stamp - w->stamp) * w->ns_per_tick;
    if (distance_ns > MPL_WALL_DISTANCE_MAX_NS)
        distance_ns = MPL_WALL_DISTANCE_MAX_NS;
    if (distance_ns < -MPL_WALL_DISTANCE_MAX_NS)
        distance_ns = -MPL_WALL_DISTANCE_MAX_NS;
    return w->wall_ns + (int64_t)distance_ns;
}

#endif
