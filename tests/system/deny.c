/* SPDX-License-Identifier: Unlicense
 *
 *     deny ERRNO NAME[,NAME...] OPTION...   logs where the kernel refuses these system calls with that error
 *     deny nofile COUNT OPTION...           ... where that many descriptors more can be had
 *     deny nproc 0 OPTION...                ... where no process or thread more can be had; as an ordinary user
 *
 * Sets up, logs LINES warnings, has a child log one more, and prints what became of the calls. Nothing of this may end,
 * stop or kill the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <mplog.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINES 100
#define NAMES_MAX 8
#define NOBODY 65534

#define CALL(name)                                                                                                     \
    {                                                                                                                  \
#name, SYS_##name                                                                                              \
    }

static const struct {
    const char *name;
    unsigned number;
} calls[] = {
    CALL(memfd_create), CALL(membarrier), CALL(futex),     CALL(openat),   CALL(clone),         CALL(clone3),
    CALL(execve),       CALL(fallocate),  CALL(ftruncate), CALL(fcntl),    CALL(pidfd_open),    CALL(getrandom),
    CALL(mkdirat),      CALL(renameat),   CALL(renameat2), CALL(unlinkat), CALL(readlinkat),    CALL(setsid),
    CALL(prctl),        CALL(madvise),    CALL(fdatasync), CALL(pread64),  CALL(pwrite64),      CALL(getdents64),
    CALL(flock),        CALL(writev),     CALL(ppoll),     CALL(statx),    CALL(clock_gettime), CALL(sched_setaffinity),
    CALL(rt_sigaction), CALL(prlimit64),  CALL(faccessat), CALL(wait4),    CALL(fchmod),        CALL(eventfd2)};

static void refuse(int error, char *names)
{
    struct sock_filter filter[2 + 2 * NAMES_MAX];
    unsigned short n = 0;
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
        size_t i = 0;
        while (i < sizeof calls / sizeof calls[0] && strcmp(calls[i].name, name) != 0)
            i++;
        if (i == sizeof calls / sizeof calls[0] || n + 2 > 2 * NAMES_MAX)
            exit(100);
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 1);
        filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error);
    }
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {n, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        exit(77);
}

static void limit(const char *what, const char *count)
{
    int next = dup(0);
    struct rlimit files = {(rlim_t)next + (rlim_t)atoi(count), (rlim_t)next + (rlim_t)atoi(count)}, processes = {0, 0};
    close(next);
    if (strcmp(what, "nofile") == 0 && setrlimit(RLIMIT_NOFILE, &files) == 0)
        return;
    if (strcmp(what, "nproc") == 0 && setrlimit(RLIMIT_NPROC, &processes) == 0 && setgid(NOBODY) == 0 &&
        setuid(NOBODY) == 0)
        return;
    exit(77);
}

static void take_options(struct mplog_options *o, char **pairs)
{
    for (; *pairs; pairs++) {
        char *equals = strchr(*pairs, '=');
        if (!equals)
            exit(100);
        *equals = '\0';
        if (mplog_options_set(o, *pairs, equals + 1) < 0)
            exit(100);
    }
}

static double seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

int main(int argc, char **argv)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    if (argc < 3)
        return 100;
    take_options(&o, argv + 3);
    if (atoi(argv[1]) > 0)
        refuse(atoi(argv[1]), argv[2]);
    else
        limit(argv[1], argv[2]);
    int error = mplog_setup_logging(&o);
    printf("rc=%d\nerror=%s\n", error, mplog_last_error());
    fflush(stdout);
    mplog_logger *l = mplog_get_logger("test");
    for (int i = 0; i < LINES; i++)
        mplog_warning(l, "line %d", i);
    pid_t pid = fork();
    if (pid == 0) {
        mplog_warning(l, "child");
        exit(0);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
    printf("child=%d\nflush=%d\ncpu=%.3f\nend=1\n", pid > 0, mplog_flush(2000), seconds());
    return 0;
}
