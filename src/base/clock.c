/* SPDX-License-Identifier: Unlicense */
#include "base/clock.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

uint32_t mpl_clock_detect(void)
{
#if defined(__x86_64__)
    static const char trusted[] = "tsc\n";
#elif defined(__aarch64__)
    static const char trusted[] = "arch_sys_counter\n";
#else
    static const char trusted[] = "?";
#endif
    char name[64];
    int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return MPL_CLOCK_MONOTONIC;
    ssize_t n = read(fd, name, sizeof name - 1);
    close(fd);
    name[n > 0 ? n : 0] = '\0';
    return strcmp(name, trusted) == 0 ? MPL_CLOCK_COUNTER : MPL_CLOCK_MONOTONIC;
}

/* Counters run at 1 MHz to some GHz. Another rate comes from a reading that is none, or too early to tell. */
#define NS_PER_TICK_LEAST 0.01
#define NS_PER_TICK_MOST 10000.0

struct mpl_clock_reading mpl_clock_read_all(uint32_t kind)
{
    /* The stamp lies between two readings of the slower clocks, so that being preempted between them shows. Three tries
     * are enough to be within a microsecond nearly always; one that fails only shifts displayed times of one pass, or,
     * at set-up, the rate of the first seconds. */
    uint64_t shortest = UINT64_MAX;
    struct mpl_clock_reading best = {0};
    for (int i = 0; i < 3; i++) {
        uint64_t before = mpl_clock_stamp(kind);
        int64_t wall_ns = mpl_clock_wall_ns();
        uint64_t monotonic_ns = mpl_clock_monotonic_ns(), after = mpl_clock_stamp(kind);
        if (after - before >= shortest)
            continue;
        shortest = after - before;
        best = (struct mpl_clock_reading){before + shortest / 2, monotonic_ns, wall_ns};
    }
    return best;
}

void mpl_clock_wall_read(struct mpl_clock_wall *w, uint32_t kind, uint64_t base_stamp, uint64_t base_monotonic_ns)
{
    struct mpl_clock_reading now = mpl_clock_read_all(kind);
    w->stamp = now.stamp;
    w->wall_ns = now.wall_ns;
    if (kind == MPL_CLOCK_MONOTONIC) {
        w->ns_per_tick = 1.0;
    } else if (now.stamp > base_stamp && now.monotonic_ns > base_monotonic_ns) {
        double rate = (double)(now.monotonic_ns - base_monotonic_ns) / (double)(now.stamp - base_stamp);
        w->ns_per_tick = rate >= NS_PER_TICK_LEAST && rate <= NS_PER_TICK_MOST ? rate : w->ns_per_tick;
    }
}
