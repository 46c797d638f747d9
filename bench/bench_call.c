/* SPDX-License-Identifier: Unlicense
 *
 * Cost of a log call beside a bare reading of the CPU's counter, which every stamp costs.
 */
#include <mplog.h>

#include <unistd.h>

#include "burst.h"

int main(void)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    char path[] = "/tmp/mplog-bench-XXXXXX";
    int fd = mkstemp(path);
    o.log_file = path;
    o.log_to_stderr = false;
    o.max_bytes = 0;
    if (fd < 0 || mplog_setup_logging(&o) < 0) {
        fprintf(stderr, "%s\n", mplog_last_error());
        return 1;
    }
    mplog_logger *log = mplog_get_logger("bench");
    static const char text200[201] = {[0 ... 199] = 'x'};
    double scale = bench_ns_per_tick();
    volatile uint64_t sink = 0;
    printf("%-28s %8s %8s %8s   (ns a call, bursts of %d)\n", "", "p50", "p99", "p99.9", BURST_CALLS);
    BENCH_BURSTS("empty loop", scale, sink = (uint64_t)i);
#if defined(__x86_64__)
    BENCH_BURSTS("counter alone", scale, sink = __builtin_ia32_rdtsc());
#endif
    BENCH_BURSTS("disabled", scale, mplog_debug(log, "request %d from %s took %f ms", i, "worker_1", i * 0.25));
    BENCH_BURSTS("constant", scale, mplog_info(log, "nothing to say"));
    BENCH_BURSTS("int", scale, mplog_info(log, "request %d", i));
    BENCH_BURSTS("int + string + double", scale,
                 mplog_info(log, "request %d from %s took %f ms", i, "worker_1", i * 0.25));
    BENCH_BURSTS("200-byte string", scale, mplog_info(log, "%s", text200));
    mplog_shutdown_logging();
    close(fd);
    unlink(path);
    (void)sink;
    return 0;
}
