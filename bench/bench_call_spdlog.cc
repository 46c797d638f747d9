// SPDX-License-Identifier: Unlicense
//
// The same call to spdlog's asynchronous logger.
#include <spdlog/spdlog.h>
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>

#include <unistd.h>

#include "burst.h"

int main()
{
    char path[] = "/tmp/mplog-bench-XXXXXX";
    int fd = mkstemp(path);
    spdlog::init_thread_pool(131072, 1);
    auto log = spdlog::basic_logger_mt<spdlog::async_factory>("bench", path);
    double scale = bench_ns_per_tick();
    BENCH_BURSTS("spdlog async", scale, log->info("request {} from {} took {} ms", i, "worker_1", i * 0.25));
    spdlog::shutdown();
    close(fd);
    unlink(path);
    return 0;
}
