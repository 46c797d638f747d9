/* SPDX-License-Identifier: Unlicense
 *
 * The helper process: mplog collect DIR [FD ...]. It belongs to nobody: its own session, cwd /, no terminal, and of its
 * starter's descriptors only those that a stream goes to.
 */
#include "collector/helper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/os.h"
#include "base/text.h"
#include "collector/life.h"
#include "config/options.h"
#include "shm/control.h"
#include "shm/dir.h"

#define SLICE_NS 500000u /* a pass takes less, unless much is to be written */

#define CANDIDATES_MAX 8

/* ---- surroundings ---- */

/* Runs on the faulting thread; mmap and sysconf are system calls. */
static void replace_page(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)info->si_addr & ~(page - 1);
    if (info->si_code != BUS_ADRERR || at == 0 ||
        mmap((void *)at, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        signal(signal_number, SIG_DFL); /* not ours to mend: the fault comes again, and ends us */
}

void mpl_helper_survive(void)
{
    struct sigaction bus = {.sa_sigaction = replace_page, .sa_flags = SA_SIGINFO | SA_NODEFER};
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    sigaction(SIGBUS, &bus, NULL);
}

static void settle_signals(void)
{
    static const int ignored[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGTSTP,   SIGTTIN,
                                  SIGTTOU, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF};
    sigset_t none;
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    mpl_helper_survive();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* all were blocked by who started us */
}

/* Woken on the CPU of whoever logged, the collector would wait until that program's slice ends, 2 ms or more. Whose
 * slices are shorter goes first (Linux 6.12; earlier ones ignore it, and a refusal changes nothing). sched_setattr(2);
 * libc has no declaration of it. */
static void ask_for_short_slices(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } attributes = {.size = sizeof attributes, .policy = SCHED_OTHER, .runtime_ns = SLICE_NS};
    attributes.nice = getpriority(PRIO_PROCESS, 0);
    if (sched_getscheduler(0) == SCHED_OTHER)
        syscall(SYS_sched_setattr, 0, &attributes, 0);
}

/* What a host has imposed on itself is not for us: we serve its children too. */
static void settle_limits(void)
{
    static const int raised[] = {RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_AS, RLIMIT_DATA, RLIMIT_CPU};
    uint64_t limit[2]; /* soft and hard, as the kernel has them; the C libraries disagree about the types around them */
    cpu_set_t all;
    for (size_t i = 0; i < sizeof raised / sizeof raised[0]; i++) {
        if (syscall(SYS_prlimit64, 0, raised[i], NULL, limit) == 0) {
            limit[0] = limit[1];
            syscall(SYS_prlimit64, 0, raised[i], limit, NULL);
        }
    }
    memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all, &all); /* the kernel keeps those CPUs of the mask that we may have */
    ask_for_short_slices();
}

static bool is_candidate(int fd, const int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (fds[i] == fd)
            return true;
    }
    return false;
}

/* Candidates move above 2, all else is closed, and 0..2 lead nowhere. */
static void settle_descriptors(int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (fds[i] <= STDERR_FILENO)
            fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    }
    DIR *open_fds = opendir("/proc/self/fd");
    for (struct dirent *e; open_fds && (e = readdir(open_fds)) != NULL;) {
        int fd = atoi(e->d_name);
        if (fd > STDERR_FILENO && fd != dirfd(open_fds) && !is_candidate(fd, fds, count))
            close(fd);
    }
    if (open_fds)
        closedir(open_fds);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
        dup2(null, fd);
    if (null > STDERR_FILENO)
        close(null);
}

/* Local time is that of the set-up's process. */
void mpl_helper_take_time_zone(const char *dir)
{
    static char text[32768];
    char zone[256];
    int dir_fd = mpl_dir_open(dir), fd = dir_fd < 0 ? -1 : mpl_dir_open_file(dir_fd, "options", O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    if (dir_fd >= 0)
        close(dir_fd);
    if (n > 0 && mpl_options_find((struct mpl_str){text, (size_t)n}, "tz", zone, sizeof zone))
        setenv("TZ", zone, 1);
    else
        unsetenv("TZ");
    tzset();
}

static bool read_fd(const char *text, int *fd)
{
    uint64_t number;
    if (!mpl_str_to_u64(mpl_str_from(text), INT_MAX, &number) || fcntl((int)number, F_GETFD) < 0)
        return false;
    *fd = (int)number;
    return true;
}

int mpl_helper_main(int argc, char **argv)
{
    int fds[CANDIDATES_MAX];
    unsigned count = 0;
    bool is_recovery = argc > 1 && strcmp(argv[1], MPL_HELPER_RECOVER) == 0;
    argc -= is_recovery;
    argv += is_recovery;
    if (argc < 2) {
        mpl_complain("collect is the helper that set-up starts; it takes the directory of a session");
        return 100;
    }
    for (int i = 2; i < argc && count < CANDIDATES_MAX; i++)
        count += read_fd(argv[i], &fds[count]);
    settle_signals();
    settle_limits();
    settle_descriptors(fds, count);
    umask(0); /* modes of files are given exactly */
    if (chdir("/") < 0)
        return 111;
    prctl(PR_SET_NAME, "mplog");
    mpl_helper_take_time_zone(argv[1]);
    struct mpl_candidates candidates = {fds, count};
    struct mpl_life life = {
        .dir = argv[1], .candidates = &candidates, .kind = MPL_COLLECTOR_HELPER, .is_recovery = is_recovery};
    return mpl_life_run(&life) < 0 ? 111 : 0;
}
