/* SPDX-License-Identifier: Unlicense
 *
 * Kills a process at any of the points at which others can tell that it has come further, or lets one of its system
 * calls fail:
 *
 *     tracer list DIR SHARED            DIR: folder of the gate (gate.h); SHARED: part of the paths of shared memory
 *     tracer kill DIR SHARED C S        after its C-th system call and S stores to shared memory after that, or after
 *                                       one of the next calls if fewer come; where C is -1, at its S-th point
 *     tracer calls DIR
 *     tracer fail DIR K VARIANT once|ever CALL    the K-th, or the next of that name: another run may make other calls
 *
 * A point is a system call that has returned, or a store that has changed shared memory; what is between two of them is
 * private and dies with the process. "C S" = "0 0" is before the first. The process is stepped instruction by
 * instruction where points are looked for, and goes from call to call otherwise.
 *
 * Output: list prints a line "C S what" for each point, calls a line "K call error" for each way in which a call may
 * fail. Then key=value lines, of which only those that say something are printed:
 *
 *     killed=1, failed=1    it has been done
 *     overlooked=N          bytes of shared memory that changed between two points (list)
 *     points= stores= calls= steps=
 *     at=                   where it was killed
 *     call=                 which one failed
 *     ended=                exit status or -signal, of a process that ended before its gate closed
 *
 * One thread of the process is traced: the first, or, with "thread=N" before the job, the N-th that it starts.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#include "decode.h"
#include "gate.h"
#include "variants.h"

#define WINDOW 64u /* bytes: the longest store */
#define RANGES_MAX 512u
#define PATIENCE_S 30       /* until a process that hangs is killed, and that is said */
#define STEP_PATIENCE_S 150 /* every instruction of a collector's life, on a busy machine */
#define SHADOW_MAX (64u << 20)

enum job { LIST, KILL, CALLS, FAIL };

struct range {
    uint64_t begin, end;
    char name[32]; /* last part of the path */
    uint8_t *shadow;
};

static struct {
    enum job job;
    pid_t pid;
    const char *shared, *call;
    long k, kill_store, variant, points, stores, stores_since_call, calls, overlooked, steps;
    long thread; /* 0: the first */
    bool is_for_ever, is_killed, has_ended, is_over, has_failed;
    int ended;
    long failing_call, failing_at; /* -1: not reached; its number */
    char at[128];
    uint64_t last_rip; /* of an instruction with an operand in shared memory */
    struct range range[RANGES_MAX];
    unsigned ranges;
} t = {.failing_call = -1};

static void die(const char *what)
{
    fprintf(stderr, "tracer: %s: %s\n", what, strerror(errno));
    if (t.pid > 0)
        kill(t.pid, SIGKILL);
    exit(111);
}

/* ---- the other's memory ---- */

static size_t peek(uint64_t address, void *bytes, size_t len)
{
    struct iovec to = {bytes, len}, from = {(void *)(uintptr_t)address, len};
    ssize_t n = process_vm_readv(t.pid, &to, 1, &from, 1, 0);
    return n < 0 ? 0 : (size_t)n;
}

static const struct range *find_range(uint64_t address)
{
    for (unsigned i = 0; i < t.ranges; i++) {
        if (address >= t.range[i].begin && address < t.range[i].end)
            return &t.range[i];
    }
    return NULL;
}

static void forget_ranges(void)
{
    for (unsigned i = 0; i < t.ranges; i++)
        free(t.range[i].shadow);
    t.ranges = 0;
}

static void add_range(uint64_t begin, uint64_t end, const char *path)
{
    struct range *r = &t.range[t.ranges];
    const char *slash = strrchr(path, '/');
    if (t.ranges == RANGES_MAX)
        return;
    *r = (struct range){.begin = begin, .end = end};
    snprintf(r->name, sizeof r->name, "%.31s", slash ? slash + 1 : path);
    r->name[strcspn(r->name, " \n")] = '\0';
    if (t.job == LIST && end - begin <= SHADOW_MAX) {
        r->shadow = malloc(end - begin);
        if (r->shadow)
            peek(begin, r->shadow, end - begin);
    }
    t.ranges++;
}

/* Writable shared mappings of the test's session files. */
static void find_ranges(void)
{
    char path[64], line[PATH_MAX + 128];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)t.pid);
    FILE *f = fopen(path, "re");
    forget_ranges();
    while (f && fgets(line, sizeof line, f)) {
        unsigned long begin, end;
        char rights[5];
        if (sscanf(line, "%lx-%lx %4s", &begin, &end, rights) == 3 && rights[1] == 'w' && rights[3] == 's' &&
            strstr(line, t.shared))
            add_range(begin, end, strchr(line, '/'));
    }
    if (f)
        fclose(f);
}

/* ---- code that was read before ---- */

#define CACHE_SIZE 4096u

static struct cached {
    uint64_t address;
    uint8_t code[DECODE_BYTES];
} cache[CACHE_SIZE];

static const uint8_t *code_at(uint64_t address)
{
    struct cached *c = &cache[(address ^ address >> 12) % CACHE_SIZE];
    if (c->address != address) {
        memset(c->code, 0, sizeof c->code);
        if (peek(address, c->code, sizeof c->code) == 0)
            c->code[0] = 0x90;
        c->address = address;
    }
    return c->code;
}

/* ---- going on and stopping ---- */

static void note_end(int status)
{
    t.has_ended = true;
    t.ended = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Lets it go on until its next stop; signals that come meanwhile are passed on. False: it has ended. */
static bool go_on(int request, int *status)
{
    long number = 0;
    for (;;) {
        /* Constants: C libraries have different types for them. */
        long rc = request == PTRACE_SYSCALL ? ptrace(PTRACE_SYSCALL, t.pid, NULL, number)
                                            : ptrace(PTRACE_SINGLESTEP, t.pid, NULL, number);
        if (rc < 0 && errno != ESRCH)
            die("ptrace");
        if (waitpid(t.pid, status, __WALL) < 0)
            die("waitpid");
        if (WIFEXITED(*status) || WIFSIGNALED(*status)) {
            note_end(*status);
            return false;
        }
        int stop = WSTOPSIG(*status);
        if (stop == SIGTRAP || stop == (SIGTRAP | 0x80))
            return true;
        number = *status >> 16 ? 0 : stop; /* a group stop is not delivered again */
    }
}

/* Where a call is named, only from it on: that costs far less. Another run may make other calls before it, and then the
 * stores in question come some calls sooner or later. */
static bool is_stepping(void) { return t.job == LIST || (t.job == KILL && t.calls >= t.k); }

#define CALLS_MORE 100 /* several passes of a collector */
#define URGENT (-15)

/* Each step is two changes of process: on a busy machine a set-up would give up waiting for a collector that is being
 * stepped. On one CPU, and before all that is not urgent in this way, a step takes microseconds. Without the right to
 * that everything still works, only slower. */
static void hurry(void)
{
    const struct sched_param first = {.sched_priority = 1};
    pid_t both[] = {0, t.pid};
    cpu_set_t one;
    int here = sched_getcpu();
    CPU_ZERO(&one);
    CPU_SET((size_t)(here < 0 ? 0 : here), &one);
    for (int i = 0; i < 2; i++) {
        setpriority(PRIO_PROCESS, (id_t)both[i], URGENT);
        if (is_stepping() && here >= 0) {
            sched_setaffinity(both[i], sizeof one, &one);
            sched_setscheduler(both[i], SCHED_FIFO | SCHED_RESET_ON_FORK, &first);
        }
    }
}

static void seize(const char *dir)
{
    char pid_path[PATH_MAX], go_path[PATH_MAX];
    FILE *f = NULL;
    int pid = 0, status;
    if (!gate_path(pid_path, dir, "pid") || !gate_path(go_path, dir, "go"))
        die(dir);
    for (int i = 0; i < PATIENCE_S * 1000 && !(f = fopen(pid_path, "re")); i++)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    if (!f || fscanf(f, "%d", &pid) != 1)
        die("nobody has come to the gate");
    fclose(f);
    unlink(pid_path); /* the gate may be armed again */
    t.pid = pid;
    if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) < 0)
        die("PTRACE_SEIZE");
    hurry();
    int go = open(go_path, O_WRONLY | O_CLOEXEC);
    if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 || waitpid(pid, &status, __WALL) < 0)
        die("PTRACE_INTERRUPT");
    if (go < 0 || write(go, "x", 1) != 1)
        die(go_path);
    close(go);
}

static void get_registers(struct user_regs_struct *r)
{
    if (ptrace(PTRACE_GETREGS, t.pid, NULL, r) < 0)
        die("PTRACE_GETREGS");
}

/* The process has left the gate and has not begun with anything else. */
static void pass_gate(void)
{
    struct user_regs_struct r;
    int status, left = 2; /* read and close, entry and exit; the stub goes on to execve */
    while (left > 0 && go_on(PTRACE_SYSCALL, &status)) {
        get_registers(&r);
        left -= r.orig_rax == SYS_close && status >> 16 == 0;
    }
}

/* Leaves the first thread alone as soon as it has started the one in question. */
static void go_over_to_thread(void)
{
    int status;
    unsigned long id;
    if (ptrace(PTRACE_SETOPTIONS, t.pid, NULL,
               PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE) < 0)
        die("PTRACE_SETOPTIONS");
    for (long count = 0; count < t.thread && go_on(PTRACE_SYSCALL, &status);) {
        if (status >> 16 != PTRACE_EVENT_CLONE)
            continue;
        ptrace(PTRACE_GETEVENTMSG, t.pid, NULL, &id);
        waitpid((pid_t)id, &status, __WALL);
        pid_t other = ++count < t.thread ? (pid_t)id : t.pid;
        if (ptrace(PTRACE_DETACH, other, NULL, NULL) < 0)
            die("PTRACE_DETACH");
        if (other == t.pid)
            t.pid = (pid_t)id;
    }
    if (!t.has_ended)
        hurry();
}

/* ---- points ---- */

static bool is_call_of_mappings(uint64_t call)
{
    return call == SYS_mmap || call == SYS_munmap || call == SYS_mremap || call == SYS_execve;
}

static void reach_point(void)
{
    if (t.job == LIST)
        printf("%ld %ld %s\n", t.calls, t.stores_since_call, t.at);
    bool is_it = t.k < 0 ? t.points == t.kill_store : t.calls >= t.k && t.stores_since_call == t.kill_store;
    if (t.job == KILL && is_it) {
        int status;
        t.is_killed = t.is_over = true;
        kill(t.pid, SIGKILL);
        waitpid(t.pid, &status, __WALL);
    }
    t.is_over = t.is_over || (t.job == KILL && t.k >= 0 && t.calls > t.k + CALLS_MORE);
}

/* What has changed without a point. Others who write make it useless: the test stops them. */
static void compare_with_shadow(bool must_be_equal)
{
    static uint8_t now[1 << 16];
    for (unsigned i = 0; i < t.ranges; i++) {
        struct range *r = &t.range[i];
        for (uint64_t at = r->begin; r->shadow && at < r->end; at += sizeof now) {
            size_t n = r->end - at < sizeof now ? r->end - at : sizeof now;
            n = peek(at, now, n);
            uint8_t *then = r->shadow + (at - r->begin);
            for (size_t k = 0; k < n && memcmp(now, then, n) != 0; k++) {
                if (now[k] == then[k])
                    continue;
                if (must_be_equal && ++t.overlooked <= 10)
                    printf("overlooked=%s+%#llx by point %ld\n", r->name, (unsigned long long)(at + k - r->begin),
                           t.points);
                then[k] = now[k];
            }
        }
    }
}

static void note_call(uint64_t call)
{
    t.points++;
    t.calls++;
    t.stores_since_call = 0;
    if (t.job == LIST)
        compare_with_shadow(false); /* what the kernel has written for it is part of the call */
    snprintf(t.at, sizeof t.at, "call %llu", (unsigned long long)call);
    if (call == SYS_sched_setaffinity || (t.job == KILL && t.calls == t.k)) /* a collector begins with that call */
        hurry();
    if (is_call_of_mappings(call))
        memset(cache, 0, sizeof cache);
    if (is_stepping() && (is_call_of_mappings(call) || t.calls == t.k))
        find_ranges();
    reach_point();
}

static void note_store(uint64_t address, const uint8_t *now, size_t n, uint64_t rip)
{
    const struct range *r = find_range(address);
    t.points++;
    t.stores++;
    t.stores_since_call++;
    snprintf(t.at, sizeof t.at, "store %s+%#llx rip %#llx", r->name, (unsigned long long)(address - r->begin),
             (unsigned long long)rip);
    if (r->shadow)
        memcpy(r->shadow + (address - r->begin), now, n);
    reach_point();
}

/* Where only calls are of interest. */
static void pass_call(void)
{
    struct user_regs_struct r;
    int status;
    if (!go_on(PTRACE_SYSCALL, &status))
        return;
    get_registers(&r);
    if (status >> 16) { /* execve, on its way */
        memset(cache, 0, sizeof cache);
        return;
    }
    uint64_t call = r.orig_rax;
    if (call == GATE_END_CALL) {
        t.is_over = true;
        return;
    }
    if (go_on(PTRACE_SYSCALL, &status)) {
        if (status >> 16)
            go_on(PTRACE_SYSCALL, &status);
        if (!t.has_ended)
            note_call(call);
    }
}

static void step_call(const struct user_regs_struct *r)
{
    int status;
    uint64_t call = r->rax;
    if (t.job == LIST)
        compare_with_shadow(true);
    if (call == GATE_END_CALL) {
        t.is_over = true;
        return;
    }
    if (go_on(PTRACE_SINGLESTEP, &status))
        note_call(call);
}

static void step_over_operand(const struct user_regs_struct *r, uint64_t address)
{
    uint8_t before[WINDOW], now[WINDOW];
    int status;
    size_t n = peek(address, before, sizeof before);
    if (!go_on(PTRACE_SINGLESTEP, &status))
        return;
    /* Of the iterations of one repeated instruction the first is enough: what it copies is judged by its end. */
    bool is_repetition = r->rip == t.last_rip && decode_is_repeated(code_at(r->rip));
    t.last_rip = r->rip;
    if (!is_repetition && n > 0 && peek(address, now, n) == n && memcmp(before, now, n) != 0)
        note_store(address, now, n, r->rip);
}

static void step(void)
{
    struct user_regs_struct r;
    uint64_t address;
    int status;
    get_registers(&r);
    const uint8_t *code = code_at(r.rip);
    t.steps++;
    if (decode_is_syscall(code))
        step_call(&r);
    else if (decode_address(code, &r, &address) && find_range(address))
        step_over_operand(&r, address);
    else
        go_on(PTRACE_SINGLESTEP, &status);
}

static void run_to_the_point(void)
{
    pass_gate();
    if (t.thread > 0)
        go_over_to_thread();
    find_ranges();
    snprintf(t.at, sizeof t.at, "begin");
    reach_point();
    while (!t.is_over && !t.has_ended) {
        if (t.ranges > 0 && is_stepping())
            step();
        else
            pass_call();
    }
}

/* ---- failing calls ---- */

static bool is_to_fail(uint64_t call, const struct variants *v)
{
    if (t.has_failed)
        return t.is_for_ever && (long)call == t.failing_call;
    return t.calls >= t.k && strcmp(v->name, t.call) == 0;
}

/* At the entry of the call. */
static void let_fail(struct user_regs_struct *r, uint64_t call, int error)
{
    int status;
    t.failing_call = (long)call;
    t.has_failed = true;
    t.failing_at = t.calls;
    if (error == SHORT)
        r->rdx = r->rdx > 1 ? r->rdx / 2 : r->rdx;
    else if (call != SYS_close) /* which gives up the descriptor whatever it says */
        r->orig_rax = (unsigned long long)-1;
    ptrace(PTRACE_SETREGS, t.pid, NULL, r);
    if (!go_on(PTRACE_SYSCALL, &status) || error == SHORT)
        return;
    get_registers(r);
    r->rax = (unsigned long long)(long long)-error;
    ptrace(PTRACE_SETREGS, t.pid, NULL, r);
}

/* An eventfd has no disk behind it. */
static bool is_of_kernel_object(const struct user_regs_struct *r, uint64_t call)
{
    char path[64], target[16] = "";
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)t.pid, (int)r->rdi);
    return (call == SYS_read || call == SYS_write) && readlink(path, target, sizeof target - 1) > 0 &&
           strncmp(target, "anon_inode:", 11) == 0;
}

static void judge_call(struct user_regs_struct *r, uint64_t call)
{
    const struct variants *v = is_of_kernel_object(r, call) ? NULL : variants_of(call);
    int status;
    t.calls += v != NULL;
    for (unsigned i = 0; v && t.job == CALLS && i < v->count; i++)
        printf("%ld %s %s\n", t.calls, v->name, v->error[i] == SHORT ? "SHORT" : strerrorname_np(v->error[i]));
    if (v && t.job == FAIL && is_to_fail(call, v) && t.variant < (long)v->count)
        let_fail(r, call, v->error[t.variant]);
    else if (go_on(PTRACE_SYSCALL, &status) && status >> 16)
        go_on(PTRACE_SYSCALL, &status); /* execve stops once more */
}

static void run_to_the_failure(void)
{
    struct user_regs_struct r;
    int status;
    pass_gate();
    while (!t.is_over && !t.has_ended && go_on(PTRACE_SYSCALL, &status)) {
        get_registers(&r);
        if (r.orig_rax == GATE_END_CALL)
            t.is_over = true;
        else if (status >> 16 == 0)
            judge_call(&r, r.orig_rax);
    }
}

/* ---- all of it ---- */

static void print_result(void)
{
    const struct {
        const char *name;
        long value;
    } said[] = {{"killed", t.is_killed}, {"failed", t.has_failed}, {"overlooked", t.overlooked},
                {"points", t.points},    {"stores", t.stores},     {"calls", t.calls},
                {"steps", t.steps}};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        if (said[i].value)
            printf("%s=%ld\n", said[i].name, said[i].value);
    }
    if (t.is_killed)
        printf("at=%s\n", t.at);
    if (t.has_failed)
        printf("call=%ld %s\n", t.failing_at, variants_of((uint64_t)t.failing_call)->name);
    if (t.has_ended && !t.is_killed)
        printf("ended=%d\n", t.ended);
}

/* Says where it is before it is killed; this process does nothing else at that moment. */
static void be_patient_no_longer(int number)
{
    char path[64], where[256] = "";
    (void)number;
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)t.pid);
    FILE *f = t.pid > 0 ? fopen(path, "re") : NULL;
    if (f && !fgets(where, sizeof where, f))
        where[0] = '\0';
    fprintf(stderr, "tracer: it hangs after %ld calls, %ld points, failed %d, in %s\n", t.calls, t.points, t.has_failed,
            where);
    if (t.pid > 0)
        kill(t.pid, SIGKILL);
    _exit(112);
}

/* From the job on. */
static bool take_arguments(int argc, char **argv)
{
    static const struct {
        const char *name;
        int arguments;
    } jobs[] = {{"list", 4}, {"kill", 6}, {"calls", 3}, {"fail", 7}};
    size_t i = 0;
    while (i < sizeof jobs / sizeof jobs[0] && (argc < 3 || strcmp(argv[1], jobs[i].name) != 0))
        i++;
    if (i == sizeof jobs / sizeof jobs[0] || argc != jobs[i].arguments)
        return false;
    t.job = (enum job)i;
    if (t.job == LIST || t.job == KILL)
        t.shared = argv[3];
    if (t.job == KILL) {
        t.k = strtol(argv[4], NULL, 10);
        t.kill_store = strtol(argv[5], NULL, 10);
    } else if (t.job == FAIL) {
        t.k = strtol(argv[3], NULL, 10);
        t.variant = strtol(argv[4], NULL, 10);
        t.is_for_ever = strcmp(argv[5], "ever") == 0;
        t.call = argv[6];
    }
    return true;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strncmp(argv[1], "thread=", 7) == 0) {
        t.thread = strtol(argv[1] + 7, NULL, 10);
        argv++;
        argc--;
    }
    if (!take_arguments(argc, argv)) {
        fputs("tracer: how it is called stands in the first lines of tracer.c\n", stderr);
        return 100;
    }
    signal(SIGALRM, be_patient_no_longer);
    alarm(t.job == LIST || (t.job == KILL && t.k < 0) ? STEP_PATIENCE_S : PATIENCE_S);
    seize(argv[2]);
    if (t.job == LIST || t.job == KILL)
        run_to_the_point();
    else
        run_to_the_failure();
    if (!t.is_killed && !t.has_ended)
        ptrace(PTRACE_DETACH, t.pid, NULL, NULL);
    print_result();
    return 0;
}
