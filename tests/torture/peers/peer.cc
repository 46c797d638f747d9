/* SPDX-License-Identifier: Unlicense
 *
 * A program whose processes all log numbered messages into one file, through mplog or (PEER_SPDLOG) spdlog's
 * asynchronous logger:
 *
 *     peer LOG TALLY RATE WORKERS
 *
 * The main process is the last of the producers. Each notes down how many calls have returned; they end when the test
 * says so (support.py knows the tally file).
 */
#include <atomic>
#include <cstdlib>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "numbered.h"

struct tally {
    char name[48];
    std::atomic<uint64_t> returned, slowest_ns;
};

struct tallies {
    std::atomic<uint64_t> used, must_stop;
    uint64_t reserved[6];
    struct tally entry[16];
};

#define FILLER_BYTES 24u

#ifdef PEER_SPDLOG
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

static std::shared_ptr<spdlog::logger> logger;

static void begin_program(const char *) {}
/* What its thread needs is not inherited: each process opens the file for itself, to append. */
static void begin_process(const char *path)
{
    spdlog::init_thread_pool(131072, 1);
    logger = spdlog::basic_logger_mt<spdlog::async_factory>("peer", path);
}
static void end_process()
{
    logger.reset();
    spdlog::shutdown();
}
#define LOG(name, number, crc, filler) logger->info("#{} {} {} {:08x} {}", name, number, FILLER_BYTES, crc, filler)
#else
#include <mplog.h>

static mplog_logger *logger;

static void begin_program(const char *path)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    mplog_options_set(&o, "log_file", path);
    mplog_options_set(&o, "log_to_stderr", "false");
    mplog_options_set(&o, "max_bytes", "0");
    if (mplog_setup_logging(&o) < 0)
        exit(111);
}
static void begin_process(const char *) { logger = mplog_get_logger("peer"); }
static void end_process() {}
#define LOG(name, number, crc, filler) mplog_info(logger, "#%s %u %u %08x %s", name, number, FILLER_BYTES, crc, filler)
#endif

static uint64_t now_ns()
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void produce(const char *path, struct tallies *all, int number, uint64_t rate)
{
    struct tally *own = &all->entry[number];
    char filler[FILLER_BYTES + 9];
    uint64_t begin_ns = now_ns();
    snprintf(own->name, sizeof own->name, "p.%d", number);
    begin_process(path);
    for (uint32_t i = 0; !all->must_stop.load(); i++) {
        while (rate && now_ns() < begin_ns + i * (1000000000u / rate))
            usleep(100);
        numbered_fill(filler, own->name, i, FILLER_BYTES);
        filler[FILLER_BYTES] = '\0';
        LOG(own->name, i, numbered_crc(own->name, i, FILLER_BYTES, filler), filler);
        own->returned.store(i + 1);
    }
    end_process();
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 100;
    int fd = open(argv[2], O_RDWR), workers = atoi(argv[4]);
    void *at = mmap(NULL, sizeof(struct tallies), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED || workers >= 16)
        return 111;
    struct tallies *all = (struct tallies *)at;
    uint64_t rate = strtoull(argv[3], NULL, 10);
    numbered_init();
    begin_program(argv[1]);
    for (int i = 0; i < workers; i++) {
        if (fork() == 0) {
            produce(argv[1], all, i, rate);
            exit(0);
        }
    }
    produce(argv[1], all, workers, rate);
    while (wait(NULL) > 0)
        ;
    return 0;
}
