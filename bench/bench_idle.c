/* SPDX-License-Identifier: Unlicense
 *
 *     bench_idle [threads=1] [seconds=10] [budget=0]
 *
 * What mplog costs while nobody logs: threads log one record each and then sleep. CPU time of the collector and of the
 * application, and the memory of both and of the rings. budget: MPLOG_RING_BUDGET_BYTES, 0 for the default.
 */
#include "bench.h"

#include <fcntl.h>
#include <mplog.h>
#include <pthread.h>
#include <sys/stat.h>

#define STACK_BYTES (128u * 1024)

static long long threads = 1, seconds = 10, budget;
static uint32_t ready, leave;
static mplog_logger *logger;

static void *talk(void *unused)
{
    mplog_info(logger, "request %d from %s took %f ms", 1, "worker_1", 0.25);
    bench_add(&ready, (uint32_t)threads);
    bench_await(&leave, 1);
    return unused;
}

/* The whole of a file of /proc; "" if there is none. */
static const char *read_proc(const char *format, long pid)
{
    static char text[16384];
    char path[64];
    snprintf(path, sizeof path, format, pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    for (ssize_t i = 0; i + 1 < n; i++)
        text[i] = text[i] ? text[i] : ' '; /* command lines */
    return text;
}

static long long value_of(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at ? strtoll(at + strlen(key), NULL, 10) : 0;
}

/* MPLOG_SESSION begins with the session's directory, which the collector names in its command line. */
static long find_collector(const char *session_dir)
{
    long found = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *d; proc && !found && (d = readdir(proc)) != NULL;) {
        long pid = strtol(d->d_name, NULL, 10);
        const char *line = pid > 0 ? read_proc("/proc/%ld/cmdline", pid) : "";
        if (pid != (long)getpid() && strstr(line, "collect") && strstr(line, session_dir))
            found = pid;
    }
    if (proc)
        closedir(proc);
    return found;
}

static void take_session_dir(char *out, size_t size)
{
    const char *session = getenv("MPLOG_SESSION");
    snprintf(out, size, "%s", session ? session : "");
    char *path = strchr(out, '/');
    if (!path)
        bench_fail("MPLOG_SESSION: %s", out);
    memmove(out, path, strlen(path) + 1);
    out[strcspn(out, " :;,")] = '\0';
}

static long long directory_bytes(const char *path)
{
    long long bytes = 0;
    DIR *dir = opendir(path);
    struct stat st;
    for (struct dirent *d; dir && (d = readdir(dir)) != NULL;)
        bytes += fstatat(dirfd(dir), d->d_name, &st, 0) == 0 ? (long long)st.st_blocks * 512 : 0;
    if (dir)
        closedir(dir);
    return bytes;
}

static uint64_t cpu_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A memory figure of /proc/PID/smaps_rollup in bytes. */
static long long memory(long pid, const char *key)
{
    return value_of(read_proc("/proc/%ld/smaps_rollup", pid), key) * 1024;
}

static void set_up(void)
{
    static char path[PATH_MAX + 16];
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    snprintf(path, sizeof path, "%s/app.log", bench_folder);
    o.log_file = path;
    o.log_to_stderr = false;
    if (budget)
        o.ring_budget_bytes = budget;
    if (mplog_setup_logging(&o) < 0)
        bench_fail("%s", mplog_last_error());
    logger = mplog_get_logger("bench");
}

static pthread_t *start_threads(void)
{
    pthread_t *thread = calloc((size_t)threads, sizeof *thread);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    for (long long i = 0; i < threads; i++) {
        if (!thread || pthread_create(&thread[i], &attributes, talk, NULL) != 0)
            bench_fail("thread %lld cannot be started", i);
    }
    bench_await(&ready, (uint32_t)threads);
    return thread;
}

static void report(long collector, const char *session_dir, long long private_before)
{
    printf("collector_private_bytes=%lld\ncollector_rss_bytes=%lld\n",
           memory(collector, "Private_Clean:") + memory(collector, "Private_Dirty:"), memory(collector, "Rss:"));
    printf("app_private_growth_bytes=%lld\napp_threads_added=%lld\n",
           memory(getpid(), "Private_Dirty:") - private_before,
           value_of(read_proc("/proc/%ld/status", getpid()), "Threads:") - 1 - threads);
    printf("session_bytes=%lld\n", directory_bytes(session_dir));
}

int main(int argc, char **argv)
{
    (void)argc;
    static const struct bench_option options[] = {
        {"threads", &threads, NULL}, {"seconds", &seconds, NULL}, {"budget", &budget, NULL}, {NULL, NULL, NULL}};
    char session_dir[PATH_MAX];
    bench_take_arguments(options, argv);
    bench_folder_make();
    long long private_before = memory(getpid(), "Private_Dirty:");
    set_up();
    pthread_t *thread = start_threads();
    mplog_flush(-1);
    bench_sleep_ns(500000000); /* rings become cold after 20 ms */
    take_session_dir(session_dir, sizeof session_dir);
    long collector = find_collector(session_dir);
    clockid_t clock;
    if (!collector || clock_getcpuclockid((pid_t)collector, &clock) != 0)
        bench_fail("no collector names %s", session_dir);
    printf("logger=mplog\nthreads=%lld\n", threads);
    report(collector, session_dir, private_before);
    uint64_t begin_ns = bench_ns(), collector_ns = cpu_ns(clock), app_ns = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    bench_sleep_ns((uint64_t)seconds * 1000000000u);
    double elapsed = (double)(bench_ns() - begin_ns);
    printf("collector_cpu_percent=%.5f\n", 100.0 * (double)(cpu_ns(clock) - collector_ns) / elapsed);
    printf("app_cpu_percent=%.5f\n", 100.0 * (double)(cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - app_ns) / elapsed);
    bench_open(&leave);
    for (long long i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    free(thread);
    mplog_shutdown_logging();
    return 0;
}
