/* SPDX-License-Identifier: Unlicense */
#include "session/spawn.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

/* What runs on it is execve and a handful of system calls; the rest is for the dynamic linker's lazy binding, which
 * saves vector registers (up to 2.5 KiB) at each first call. */
#define STACK_BYTES 32768u

struct plan {
    char *const *argv;
    char *const *envp;
    const int *keep_fds;
    char *inner_stack;
    /* the answers; both children share our memory until exec */
    volatile pid_t pid;
    volatile int error;
};

/* AddressSanitizer does not know the stacks that these run on, and would say so on the host's stderr. */
#define ON_OWN_STACK __attribute__((no_sanitize("address")))

ON_OWN_STACK static int exec_helper(void *arg)
{
    struct plan *plan = arg;
    setsid();
    for (const int *fd = plan->keep_fds; *fd >= 0; fd++)
        fcntl(*fd, F_SETFD, 0);
    execve(plan->argv[0], plan->argv, plan->envp);
    plan->error = errno;
    _exit(127);
}

/* The child in between: its end makes the helper an orphan, whom init adopts. CLONE_VFORK: each waits until the one it
 * started has executed or ended. No exit signal: the host is not told and cannot reap it by accident. */
ON_OWN_STACK static int start_helper(void *arg)
{
    struct plan *plan = arg;
    pid_t pid = clone(exec_helper, plan->inner_stack + STACK_BYTES, CLONE_VM | CLONE_VFORK, plan);
    if (pid < 0)
        plan->error = errno;
    plan->pid = pid;
    _exit(0);
}

static pid_t run(struct plan *plan, char *stacks)
{
    sigset_t all, before;
    sigfillset(&all);
    /* A handler of the host must not run in a process that shares its memory. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    plan->inner_stack = stacks;
    pid_t outer = clone(start_helper, stacks + 2 * STACK_BYTES, CLONE_VM | CLONE_VFORK, plan);
    int error = outer < 0 ? errno : 0;
    while (outer > 0 && waitpid(outer, NULL, (int)__WCLONE) < 0 && errno == EINTR)
        ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error ? -error : plan->error ? -plan->error : plan->pid;
}

pid_t mpl_spawn(char *const argv[], char *const envp[], const int *keep_fds)
{
    struct plan plan = {.argv = argv, .envp = envp, .keep_fds = keep_fds};
    char *stacks = mmap(NULL, 2 * STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stacks == MAP_FAILED)
        return -errno;
    pid_t pid = run(&plan, stacks);
    munmap(stacks, 2 * STACK_BYTES);
    return pid;
}

/* `dir` or the directory part of the file `beside`, then "/mplog". */
static bool try_path(const char *dir, const char *beside, char *path, size_t size)
{
    struct mpl_text t = {path, 0, size};
    const char *slash = beside ? strrchr(beside, '/') : NULL;
    if (beside && !slash)
        return false;
    mpl_text_str(&t, beside ? (struct mpl_str){beside, (size_t)(slash - beside)} : mpl_str_from(dir));
    mpl_text_str(&t, MPL_STR("/mplog"));
    bool fits = t.len < t.cap;
    mpl_text_cstr(&t);
    return fits && path[0] == '/' && access(path, X_OK) == 0;
}

/* Something whose address lies in this library. */
static const char anchor;

int mpl_spawn_find_helper(const char *wanted, char *path, size_t size)
{
    if (wanted) {
        struct mpl_text t = {path, 0, size};
        mpl_text_str(&t, mpl_str_from(wanted));
        if (t.len >= size || access(mpl_text_cstr(&t), X_OK) < 0)
            return mpl_fail_errno(t.len >= size ? ENAMETOOLONG : errno, "helper: \"%s\" cannot be executed", wanted);
        return 0;
    }
    Dl_info library;
    char executable[1024];
    ssize_t n = readlink("/proc/self/exe", executable, sizeof executable - 1);
    executable[n > 0 ? n : 0] = '\0';
    if ((dladdr(&anchor, &library) && try_path(NULL, library.dli_fname, path, size)) ||
        try_path(NULL, executable, path, size) || try_path(MPL_LIBEXEC_DIR, NULL, path, size) ||
        try_path(MPL_BIN_DIR, NULL, path, size))
        return 0;
    return mpl_fail(ENOENT, "helper: the mplog command is not beside the library, beside the program, or in %s",
                    MPL_LIBEXEC_DIR);
}
