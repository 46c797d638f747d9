/* SPDX-License-Identifier: Unlicense
 *
 * An event loop never waits for the log: a call copies its arguments into a ring and returns. With overflow="drop" it
 * does not even wait when the ring is full, and the log says how many records that cost.
 */
#include <mplog.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

int main(void)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = "loop.log";
    o.overflow = "drop";
    if (mplog_setup_logging(&o) < 0) {
        fprintf(stderr, "%s\n", mplog_last_error());
        return 1;
    }
    mplog_logger *logger = mplog_get_logger("loop");

    struct itimerspec every_10_ms = {{0, 10000000}, {0, 10000000}};
    int loop = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = timer}, event;
    if (loop < 0 || timer < 0 || timerfd_settime(timer, 0, &every_10_ms, NULL) < 0 ||
        epoll_ctl(loop, EPOLL_CTL_ADD, timer, &wanted) < 0) {
        mplog_error_errno(logger, "the loop cannot be set up");
        return 1;
    }
    for (int turns = 0; turns < 5;) {
        uint64_t expirations;
        if (epoll_wait(loop, &event, 1, -1) < 1 || read(timer, &expirations, sizeof expirations) < 0)
            continue;
        mplog_info(logger, "turn %d, %llu expirations", ++turns, (unsigned long long)expirations);
    }
    close(timer);
    close(loop);
    return 0;
}
