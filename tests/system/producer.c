/* SPDX-License-Identifier: Unlicense
 *
 * A program that logs, in as many processes and threads as it is told:
 *
 *     producer [--option VALUE]... [mplog option=VALUE]... [--spawn HOW ARGUMENT...]
 *
 * The options are in the table below. --spawn comes last: when this process has begun to log, it starts this program
 * again, with these arguments. HOW: "direct", "vfork", "shell" (sh -c), "empty" (without environment), "shell-empty",
 * "orphan" (a daemon that executes it when its parents have gone).
 */
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "session/session.h"
#include "talk.h"

#define ORPHAN_SLEEP_MS 300
#define HOLD_LOOK_MS 100 /* of a thousand processes, each looks */
#define SIBLINGS_AT_ONCE 32 /* of a storm: enough to overlap, few enough for a small machine */
#define THREADS_MAX 10240

static struct {
    const char *name, *tally, *setup, *birth, *also;
    long first, processes, threads, records, least, most, ladder, huge_every, rate, delay_ms, hold_ms, together,
        grandchildren, storm, storm_records, shutdown, quick_exit, detach;
} o = {.name = "p", .setup = "main", .birth = "fork", .threads = 1, .records = 100, .most = 120, .storm_records = 20};

#define TEXT(name, field)                                                                                              \
    {                                                                                                                  \
        name, &o.field, NULL                                                                                           \
    }
#define NUMBER(name, field)                                                                                            \
    {                                                                                                                  \
        name, NULL, &o.field                                                                                           \
    }

static const struct {
    const char *name;
    const char **text;
    long *number;
} options[] = {
    TEXT("--name", name),             /* first part of the producers' names */
    TEXT("--tally", tally),           /* file that counts calls */
    TEXT("--setup", setup),           /* who sets up: main, each (process), none */
    TEXT("--birth", birth),           /* how processes are made: fork, clone (bare) */
    TEXT("--also", also),             /* a second file for all messages; its sink has the options of the first */
    NUMBER("--first", first),         /* messages of this process itself, before it makes others */
    NUMBER("--processes", processes), /* 0: this one logs itself */
    NUMBER("--threads", threads),     /* of each process */
    NUMBER("--records", records),     /* of each thread; negative: until killed, or told to stop */
    NUMBER("--least", least),         /* bytes of filler, at random between these */
    NUMBER("--most", most),
    NUMBER("--ladder", ladder),               /* 1: 0, 1, 2 ... bytes instead */
    NUMBER("--huge-every", huge_every),       /* every Nth message has HUGE bytes */
    NUMBER("--rate", rate),                   /* messages a second and thread; 0: as fast as possible */
    NUMBER("--delay-ms", delay_ms),           /* before the first message */
    NUMBER("--hold-ms", hold_ms),             /* after the last, at most: the test may say that it is enough */
    NUMBER("--together", together),           /* 1: no thread ends before all have logged */
    NUMBER("--grandchildren", grandchildren), /* of each process, logging as much as a thread */
    NUMBER("--storm", storm),                 /* children that the process forks while its threads log ... */
    NUMBER("--storm-records", storm_records), /* ... and how much each of them logs */
    NUMBER("--shutdown", shutdown),           /* 1: explicit shutdown at the end */
    NUMBER("--quick-exit", quick_exit),       /* 1: _exit at the end */
    NUMBER("--detach", detach),               /* 1: processes become daemons, and are not waited for */
};

#define OPTIONS (sizeof options / sizeof options[0])
#define HUGE_BYTES 50000u

static struct mplog_options mplog = MPLOG_OPTIONS_INIT;
static struct tallies *tallies;
static char **spawn_arguments; /* HOW ARGUMENT... */

static uint32_t longest(void)
{
    uint32_t most = (uint32_t)(o.ladder ? o.records : o.most);
    return o.huge_every && most < HUGE_BYTES ? HUGE_BYTES : most;
}

/* ---- logging ---- */

static uint32_t length_of(uint32_t number, uint64_t *random)
{
    if (o.ladder)
        return number;
    if (o.huge_every && number % (unsigned long)o.huge_every == (unsigned long)o.huge_every - 1)
        return HUGE_BYTES;
    uint64_t bits = numbered_next(random);
    return (uint32_t)((uint64_t)o.least + (bits ^ bits >> 29) % (uint64_t)(o.most - o.least + 1));
}

static void wait_for_turn(uint64_t begin_ns, uint32_t number)
{
    if (o.rate == 0)
        return;
    uint64_t due_ns = begin_ns + number * (UINT64_C(1000000000) / (uint64_t)o.rate);
    struct timespec due = {(time_t)(due_ns / 1000000000), (long)(due_ns % 1000000000)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

static void talk_much(struct talker *t, long records)
{
    uint64_t begin_ns = talk_now_ns(), random = numbered_hash(t->name, strlen(t->name));
    for (uint32_t i = 0; records < 0 ? !tallies || !atomic_load(&tallies->must_stop) : i < (uint32_t)records; i++) {
        wait_for_turn(begin_ns, i);
        talk(t, length_of(i, &random));
    }
}

struct place {
    int process, thread;
};

static pthread_barrier_t all_have_logged;

static void *run_thread(void *arg)
{
    const struct place *at = arg;
    struct talker t;
    talk_begin(&t, tallies, longest(), "%s.%d.%d", o.name, at->process, at->thread);
    talk_much(&t, o.records);
    talk_end(&t, longest());
    if (o.together)
        pthread_barrier_wait(&all_have_logged);
    return NULL;
}

/* ---- processes ---- */

static void leave(int status) __attribute__((noreturn));

static void leave(int status)
{
    if (o.quick_exit)
        _exit(status);
    exit(status);
}

static pid_t give_birth(void)
{
    /* Bare: no fork hooks run, as in programs that bring their own libc or language. */
    if (strcmp(o.birth, "clone") == 0)
        return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    return fork();
}

/* False: a child failed. */
static bool wait_for_one(void)
{
    int status;
    pid_t pid = wait(&status);
    if (pid < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return pid > 0 || o.detach;
    fprintf(stderr, "producer: child %d: %s %d\n", (int)pid, WIFSIGNALED(status) ? "killed by signal" : "exit status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return false;
}

static bool make_storm(int process)
{
    bool is_good = true;
    for (int i = 0; i < o.storm; i++) {
        if (i >= SIBLINGS_AT_ONCE)
            is_good = wait_for_one() && is_good;
        if (give_birth() == 0) {
            struct talker t;
            talk_begin(&t, tallies, longest(), "%s.%d.storm%d", o.name, process, i);
            talk_much(&t, o.storm_records);
            leave(0);
        }
    }
    for (int i = 0; i < o.storm && i < SIBLINGS_AT_ONCE; i++)
        is_good = wait_for_one() && is_good;
    return is_good;
}

static bool have_grandchildren(int process)
{
    bool is_good = true;
    for (int i = 0; i < o.grandchildren; i++) {
        if (give_birth() == 0) {
            struct talker t;
            talk_begin(&t, tallies, longest(), "%s.%d.child%d", o.name, process, i);
            talk_much(&t, o.records);
            leave(0);
        }
    }
    for (int i = 0; i < o.grandchildren; i++)
        is_good = wait_for_one() && is_good;
    return is_good;
}

static bool run_threads(int process)
{
    static pthread_t thread[THREADS_MAX];
    static struct place place[THREADS_MAX];
    bool is_good = true;
    bool is_alone = o.threads == 1 && o.storm == 0;
    pthread_barrier_init(&all_have_logged, NULL, (unsigned)o.threads);
    for (int i = 0; i < o.threads && i < THREADS_MAX; i++) {
        place[i] = (struct place){process, i};
        if (is_alone)
            run_thread(&place[i]);
        else if (pthread_create(&thread[i], NULL, run_thread, &place[i]) != 0)
            abort();
    }
    is_good = make_storm(process);
    for (int i = 0; !is_alone && i < o.threads && i < THREADS_MAX; i++)
        pthread_join(thread[i], NULL);
    return is_good;
}

static void set_up(void)
{
    if (mplog_setup_logging(&mplog) < 0) {
        fprintf(stderr, "producer: %s\n", mplog_last_error());
        exit(111);
    }
    struct mplog_options second = mplog;
    uint32_t index;
    second.log_file = o.also;
    if (o.also && mpl_session_add_sink(&second, &index) < 0) {
        fprintf(stderr, "producer: %s\n", mplog_last_error());
        exit(111);
    }
    talk_sinks = o.also ? 1u | 1u << index : 0;
}

/* The numbers up to here are a daemon's own, as in a server that opens its files then. */
#define DAEMON_FDS 64

/* As daemons do: nothing that was open stays open, whoever it belongs to. */
static void detach(void)
{
    setsid();
    if (fork() != 0)
        _exit(0);
    for (int fd = 0; fd < 1024; fd++)
        close(fd);
    for (int fd = 0; fd < 3; fd++)
        open("/dev/null", O_RDWR);
    while (memfd_create("daemon", 0) < DAEMON_FDS)
        ;
}

/* A line that no test expects, if somebody has closed one of them, or written there. */
static void check_daemon_fds(void)
{
    struct stat st;
    for (int fd = 3; fd <= DAEMON_FDS; fd++) {
        if (fstat(fd, &st) < 0 || st.st_size != 0)
            mplog_error(mplog_get_logger("test"), "descriptor %d of the daemon was touched", fd);
    }
}

static bool spawn(void);

static void hold(void)
{
    for (long ms = 0; ms < o.hold_ms && !(tallies && atomic_load(&tallies->must_stop) > 1); ms += HOLD_LOOK_MS)
        talk_sleep_ms(o.hold_ms - ms < HOLD_LOOK_MS ? o.hold_ms - ms : HOLD_LOOK_MS);
}

static bool run_process(int process)
{
    if (o.detach)
        detach();
    if (strcmp(o.setup, "each") == 0)
        set_up();
    talk_sleep_ms(o.delay_ms);
    bool is_good = run_threads(process);
    is_good = have_grandchildren(process) && is_good;
    if (o.detach)
        check_daemon_fds();
    hold();
    if (o.shutdown)
        mplog_shutdown_logging();
    return is_good;
}

static bool run_all(void)
{
    bool is_good = true;
    if (o.first > 0) {
        struct talker t;
        talk_begin(&t, tallies, longest(), "%s.first", o.name);
        talk_much(&t, o.first);
    }
    if (o.processes == 0)
        return run_process(0) && spawn();
    for (int i = 0; i < o.processes; i++) {
        if (give_birth() == 0)
            leave(run_process(i) ? 0 : 1);
    }
    is_good = spawn();
    for (int i = 0; i < o.processes; i++)
        is_good = wait_for_one() && is_good;
    return is_good;
}

/* ---- starting another program ---- */

static char own_path[PATH_MAX];

static void exec_self(const char *how)
{
    static char *const no_environment[] = {NULL};
    static char command[16384];
    bool is_empty = strstr(how, "empty") != NULL;
    char *shell[] = {(char[]){"sh"}, (char[]){"-c"}, command, NULL};
    if (strcmp(how, "orphan") == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        talk_sleep_ms(ORPHAN_SLEEP_MS);
    }
    if (strncmp(how, "shell", 5) == 0) {
        /* Not the last command, or the shell would replace itself. */
        size_t n = (size_t)snprintf(command, sizeof command, "'%s'", own_path);
        for (char **a = spawn_arguments + 1; *a; a++)
            n += (size_t)snprintf(command + n, sizeof command - n, " '%s'", *a);
        snprintf(command + n, sizeof command - n, "; exit $?");
        execve("/bin/sh", shell, is_empty ? no_environment : environ);
    } else {
        spawn_arguments[0] = own_path;
        execve(own_path, spawn_arguments, is_empty ? no_environment : environ);
    }
    _exit(127);
}

static bool spawn(void)
{
    if (!spawn_arguments)
        return true;
    const char *how = spawn_arguments[0];
    pid_t pid = strcmp(how, "vfork") == 0 ? vfork() : fork();
    if (pid == 0)
        exec_self(how);
    return wait_for_one();
}

/* ---- options ---- */

static void take_option(const char *name, char *value)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        if (strcmp(options[i].name, name) != 0 || !value)
            continue;
        if (options[i].text)
            *options[i].text = value;
        else
            *options[i].number = strtol(value, NULL, 10);
        return;
    }
    fprintf(stderr, "producer: what is %s?\n", name);
    exit(100);
}

static void take_mplog_option(char *pair)
{
    char *equals = strchr(pair, '=');
    if (!equals)
        take_option(pair, NULL);
    *equals = '\0';
    if (mplog_options_set(&mplog, pair, equals + 1) < 0) {
        fprintf(stderr, "producer: %s\n", mplog_last_error());
        exit(100);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    ssize_t n = readlink("/proc/self/exe", own_path, sizeof own_path - 1);
    own_path[n > 0 ? n : 0] = '\0';
    for (char **a = argv + 1; *a && !spawn_arguments; a++) {
        if (strcmp(*a, "--spawn") == 0)
            spawn_arguments = a + 1;
        else if (strncmp(*a, "--", 2) == 0)
            take_option(a[0], a[1]), a++;
        else
            take_mplog_option(*a);
    }
    setlocale(LC_ALL, ""); /* as many programs do */
    numbered_init();
    if (o.tally)
        tallies = tallies_open(o.tally);
    if (strcmp(o.setup, "main") == 0)
        set_up();
    leave(run_all() ? 0 : 1);
}
