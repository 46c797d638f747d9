/* SPDX-License-Identifier: Unlicense
 *
 * syslog(3) with an rsyslogd of our own on /dev/log. Where there is a system log already, it is left alone, and this
 * cannot be measured.
 */
#ifndef BENCH_LOGGERS_SYSLOG_H
#define BENCH_LOGGERS_SYSLOG_H

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <syslog.h>

#define LOGGER_NAME "syslog + rsyslogd"
#define LOGGER_EXTRA_LINES 1 /* the last one, by which flush knows that the others are written */

static char logger_path[PATH_MAX];
static pid_t logger_daemon;

static inline void logger_write_configuration(const char *name)
{
    FILE *f = fopen(name, "w");
    if (!f)
        bench_fail("%s: %s", name, strerror(errno));
    fprintf(f, "module(load=\"imuxsock\" SysSock.Name=\"/dev/log\" SysSock.RateLimit.Interval=\"0\")\n");
    fprintf(
        f,
        "template(name=\"bench\" type=\"string\" string=\"%%timestamp:::date-rfc3339%% %%syslogtag%%%%msg%%\\n\")\n");
    fprintf(f, "*.* action(type=\"omfile\" file=\"%s\" template=\"bench\")\n", logger_path);
    fclose(f);
}

static inline void logger_open(const char *path, long long max_bytes, int backups)
{
    (void)max_bytes, (void)backups;
    static char configuration[PATH_MAX + 16], pid_file[PATH_MAX + 16];
    if (access("/dev/log", F_OK) == 0)
        bench_fail("/dev/log is in use by this system's own log");
    snprintf(logger_path, sizeof logger_path, "%s", path);
    snprintf(configuration, sizeof configuration, "%s.conf", path);
    snprintf(pid_file, sizeof pid_file, "%s.pid", path);
    logger_write_configuration(configuration);
    logger_daemon = fork();
    if (logger_daemon == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        execlp("/usr/sbin/rsyslogd", "rsyslogd", "-n", "-f", configuration, "-i", pid_file, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500 && access("/dev/log", F_OK) != 0; i++)
        bench_sleep_ns(10000000);
    unlink(configuration);
    if (access("/dev/log", F_OK) != 0)
        bench_fail("rsyslogd does not listen on /dev/log");
}

static inline void logger_begin_process(void)
{
    openlog("bench", LOG_NDELAY | LOG_PID, LOG_USER);
    setlogmask(LOG_UPTO(LOG_INFO));
}
static inline void logger_end_process(void) {}

static inline bool logger_has_last_line(void)
{
    char tail[4096];
    int fd = open(logger_path, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    ssize_t n = fd < 0 ? 0 : pread(fd, tail, sizeof tail, size > (off_t)sizeof tail ? size - (off_t)sizeof tail : 0);
    if (fd >= 0)
        close(fd);
    return n > 0 && memmem(tail, (size_t)n, "request 0 from flush", 20) != NULL;
}

static inline void logger_flush(void)
{
    logger_begin_process();
    syslog(LOG_INFO, "request 0 from flush took 0 ms");
    for (int i = 0; i < 60000 && !logger_has_last_line(); i++)
        bench_sleep_ns(1000000);
}

static inline void logger_close(void)
{
    kill(logger_daemon, SIGTERM);
    waitpid(logger_daemon, NULL, 0);
    unlink("/dev/log");
}

#define LOG_DISABLED(i) syslog(LOG_DEBUG, "request %d from %s took %f ms", i, "worker_1", (i)*0.25)
#define LOG_CONSTANT() syslog(LOG_INFO, "nothing to say")
#define LOG_VALUES(i) syslog(LOG_INFO, "request %d from %s took %f ms", i, "worker_1", (i)*0.25)
#define LOG_STRING(text) syslog(LOG_INFO, "%s", text)
#define LOG_STAMP(ns) syslog(LOG_INFO, "at %llu", (unsigned long long)(ns))

#endif
