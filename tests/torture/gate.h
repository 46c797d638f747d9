/* SPDX-License-Identifier: Unlicense
 *
 * How a process gives itself to the tracer: in a folder in which the test has put a file "armed", the first that comes
 * to its gate takes the file away, says who it is and waits until it is traced.
 */
#ifndef TESTS_TORTURE_GATE_H
#define TESTS_TORTURE_GATE_H

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A system call that does not exist, and that nobody else tries. */
#define GATE_END_CALL 1000

static inline bool gate_path(char path[PATH_MAX], const char *dir, const char *name)
{
    return (unsigned)snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX;
}

/* False: nobody wants to trace this process. */
static inline bool gate_enter(const char *dir)
{
    char armed[PATH_MAX], pid[PATH_MAX], new_pid[PATH_MAX], go[PATH_MAX], byte;
    if (!gate_path(armed, dir, "armed") || unlink(armed) < 0)
        return false;
    if (gate_path(go, dir, "alone") && access(go, F_OK) == 0)
        return true; /* chosen, but for something else than to be traced */
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    if (!gate_path(pid, dir, "pid") || !gate_path(new_pid, dir, "pid.new") || !gate_path(go, dir, "go"))
        return false;
    FILE *f = fopen(new_pid, "we");
    if (!f || fprintf(f, "%d\n", (int)getpid()) < 0 || fclose(f) != 0 || rename(new_pid, pid) < 0)
        return false;
    int fd = open(go, O_RDONLY | O_CLOEXEC); /* until the tracer opens the other end */
    bool is_traced = fd >= 0 && read(fd, &byte, 1) == 1;
    if (fd >= 0)
        close(fd);
    return is_traced;
}

/* What follows is not interesting. */
static inline void gate_end(void) { syscall(GATE_END_CALL); }

#endif
