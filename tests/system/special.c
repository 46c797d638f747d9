/* SPDX-License-Identifier: Unlicense
 *
 * Particular situations, one a sub-command; those that set up take mplog options as name=value at the end:
 *
 *     special setup [uid=N] OPTION...        prints rc= and error=
 *     special cycles COUNT OPTION...         sets up, logs and shuts down; prints what the process has before and after
 *     special last-resort OPTION...          logs before and after shutdown, while a child stays a member
 *     special switch COUNT TALLY OPTION...   sets up COUNT times, each with a file of its own, while threads log
 *     special zero                           only logs
 *     special heirs OPTION...                has a child that logs, and one that executes "zero"
 *     special levels OPTION...               session-wide levels reach a child that is running
 *     special at-once COUNT TALLY OPTION...  threads that end after one record, at the same time
 *     special churn COUNT TALLY OPTION...    ... one after the other
 *     special errors COUNT OPTION...         100 messages, an ERROR and a flush, and waits for a line; again
 *     special huge BYTES OPTION...           one message of that size as text, one through an argument
 *     special handoff COUNT TALLY OPTION...  two processes log in turn, a pipe between them, COUNT times or until they
 *                                        are told to stop; others log as well
 *     special leave OPTION...                shuts down; a child that is left alone logs a moment later
 *     special half-joined DIR                dies while it joins the session in that folder
 *     special captured MS OPTION...          starts a daemon that logs after MS ms, and ends
 *     special silent MS OPTION...            the same, and the daemon does not log
 *     special replaced COUNT OPTION...       logs COUNT records, and executes "count" in its own place
 *     special count TEXT COUNT               logs TEXT and a number, COUNT times
 *     special confined COUNT DIR OPTION...   logs, gives up all rights in an empty root directory, and logs on
 *
 * cycles and churn say when they are done and wait for the end of stdin.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "shm/control.h"
#include "shm/dir.h"
#include "shm/slot.h"
#include "resources.h"
#include "talk.h"

#define AT_ONCE_MAX 256
#define THREADS_BETWEEN_FLUSHES 100

static struct mplog_options mplog = MPLOG_OPTIONS_INIT;

static void take_options(char **pairs)
{
    for (; *pairs; pairs++) {
        char *equals = strchr(*pairs, '=');
        if (!equals)
            exit(100);
        *equals = '\0';
        if (mplog_options_set(&mplog, *pairs, equals + 1) < 0) {
            printf("rc=option\nerror=%s\n", mplog_last_error());
            exit(0);
        }
    }
}

static void set_up(char **pairs)
{
    take_options(pairs);
    if (mplog_setup_logging(&mplog) < 0) {
        fprintf(stderr, "special: %s\n", mplog_last_error());
        exit(111);
    }
}

/* ---- set-up and its end ---- */

static int run_setup(char **argv)
{
    if (argv[0] && strncmp(argv[0], "uid=", 4) == 0) {
        if (setgid((gid_t)atoi(argv[0] + 4)) < 0 || setuid((uid_t)atoi(argv[0] + 4)) < 0)
            return 111;
        argv++;
    }
    take_options(argv);
    int error = mplog_setup_logging(&mplog);
    printf("rc=%d\nerror=%s\nis_setup=%d\n", error, mplog_last_error(), mplog_is_logging_setup());
    return 0;
}

static void print_resources(const char *when)
{
    printf("fds_%s=%d\nthreads_%s=%d\nmaps_%s=%d\n", when, count_entries("/proc/self/fd"), when,
           count_entries("/proc/self/task"), when, count_lines("/proc/self/maps"));
}

/* Stays alive while the test looks around, until it closes stdin. */
static void wait_for_test(void)
{
    puts("done=1");
    fflush(stdout);
    while (getchar() != EOF)
        ;
}

static int run_cycles(char **argv)
{
    long count = strtol(argv[0], NULL, 10);
    take_options(argv + 1);
    for (long i = 0; i < count; i++) {
        if (mplog_setup_logging(&mplog) < 0) {
            printf("error=%s\n", mplog_last_error());
            return 111;
        }
        mplog_info(mplog_get_logger("test"), "cycle %ld", i);
        mplog_shutdown_logging();
        /* The first ones leave what stays for good: the process's own tables. */
        if (i == 9)
            print_resources("before");
    }
    print_resources("after");
    printf("session=%s\n", getenv("MPLOG_SESSION") ? getenv("MPLOG_SESSION") : "none");
    wait_for_test();
    return 0;
}

static void log_levels(const char *when)
{
    mplog_logger *l = mplog_get_logger("test");
    mplog_debug(l, "%s debug", when);
    mplog_info(l, "%s info", when);
    mplog_warning(l, "%s warning", when);
    mplog_error(l, "%s error", when);
    mplog_log_text(l, MPLOG_INFO, "text info", 9);
    mplog_log_text(l, MPLOG_CRITICAL, "text critical", 13);
}

static int run_last_resort(char **argv)
{
    int go[2];
    char byte;
    set_up(argv);
    if (pipe(go) < 0)
        return 111;
    log_levels("before");
    pid_t pid = fork();
    if (pid == 0) {
        log_levels("child-before");
        if (read(go[0], &byte, 1) == 1)
            log_levels("child-after");
        exit(0);
    }
    talk_sleep_ms(50);
    mplog_shutdown_logging();
    log_levels("after");
    printf("is_setup=%d\n", mplog_is_logging_setup());
    return write(go[1], "x", 1) == 1 && waitpid(pid, NULL, 0) == pid ? 0 : 1;
}

#define SWITCH_THREADS 3

static _Atomic int is_enough;

static void *log_until_enough(void *arg)
{
    for (struct talker *t = arg; !atomic_load(&is_enough);)
        talk(t, t->next % 100);
    return NULL;
}

static int run_switch(char **argv)
{
    char file[1024];
    pthread_t thread[SWITCH_THREADS];
    struct talker talker[SWITCH_THREADS];
    struct tallies *tallies = tallies_open(argv[1]);
    take_options(argv + 2);
    const char *base = mplog.log_file;
    for (long i = 0, count = strtol(argv[0], NULL, 10); i < count; i++) {
        snprintf(file, sizeof file, "%s.%ld", base, i);
        mplog.log_file = file;
        if (mplog_setup_logging(&mplog) < 0) {
            printf("error=%s\n", mplog_last_error());
            return 111;
        }
        for (int k = 0; i == 0 && k < SWITCH_THREADS; k++) {
            talk_begin(&talker[k], tallies, 100, "thread%d", k);
            if (pthread_create(&thread[k], NULL, log_until_enough, &talker[k]) != 0)
                return 111;
        }
        talk_sleep_ms(10);
    }
    atomic_store(&is_enough, 1);
    for (int k = 0; k < SWITCH_THREADS; k++)
        pthread_join(thread[k], NULL);
    return 0;
}

static int run_zero(char **argv)
{
    (void)argv;
    log_levels("zero");
    return 0;
}

/* A text that somebody else chose, wherever a text may stand. */
static int run_say(char **argv)
{
    const char *text = argv[0];
    set_up(argv + 1);
    mplog_logger *log = mplog_get_logger("say");
    mplog_info(log, "%s", text);
    mplog_log_text(log, MPLOG_INFO, text, strlen(text));
    mplog_info(mplog_get_logger(text), "its logger");
    mplog_set_thread_name(text);
    mplog_info(log, "its thread");
    mplog_set_process_name(text);
    mplog_info(log, "its process");
    return 0;
}

static int run_heirs(char **argv)
{
    char *arguments[] = {(char[]){"special"}, (char[]){"zero"}, NULL};
    set_up(argv);
    pid_t pid = fork();
    if (pid == 0) {
        log_levels("forked");
        exit(0);
    }
    pid_t executed = fork();
    if (executed == 0) {
        execv("/proc/self/exe", arguments);
        _exit(127);
    }
    return waitpid(pid, NULL, 0) == pid && waitpid(executed, NULL, 0) == executed ? 0 : 1;
}

/* ---- levels ---- */

enum phase { QUIET_FIRST, RAISED, QUIET_AGAIN, LOCAL, BETWEEN, OVER };

static const char *const phase_names[] = {"quiet-first", "raised", "quiet-again", "local", "between"};

/* phase[0]: what the child is to do; phase[1]: what it has done once at least. */
static void log_phases(_Atomic int phase[2])
{
    mplog_logger *part = mplog_get_logger("app.part"), *other = mplog_get_logger("other");
    for (int now; (now = atomic_load(&phase[0])) != OVER; talk_sleep_ms(1)) {
        if (now == LOCAL)
            mplog_set_level(other, MPLOG_ERROR);
        mplog_debug(part, "%s part debug", phase_names[now]);
        mplog_debug(other, "%s other debug", phase_names[now]);
        mplog_info(other, "%s other info", phase_names[now]);
        atomic_store(&phase[1], now);
    }
}

static void go_through(_Atomic int phase[2], int wanted)
{
    atomic_store(&phase[0], wanted);
    while (atomic_load(&phase[1]) != wanted)
        talk_sleep_ms(1);
}

static int run_levels(char **argv)
{
    set_up(argv);
    _Atomic int *phase = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = phase == MAP_FAILED ? -1 : fork();
    if (pid < 0)
        return 111;
    if (pid == 0) {
        log_phases(phase);
        exit(0);
    }
    for (int now = QUIET_FIRST; now <= LOCAL; now++) {
        go_through(phase, BETWEEN);
        int error = now == RAISED        ? mplog_set_session_level("app", MPLOG_DEBUG)
                    : now == QUIET_AGAIN ? mplog_set_session_level("app", MPLOG_NOTSET)
                                         : 0;
        if (error)
            printf("error=%s\n", mplog_last_error());
        go_through(phase, now);
    }
    atomic_store(&phase[0], OVER);
    return waitpid(pid, NULL, 0) == pid ? 0 : 1;
}

/* ---- threads ---- */

struct short_life {
    struct tallies *tallies;
    int number;
};

static void *log_once(void *arg)
{
    const struct short_life *s = arg;
    struct talker t;
    talk_begin(&t, s->tallies, 40, "thread%d", s->number);
    talk(&t, 40);
    talk_end(&t, 40);
    return NULL;
}

static int run_at_once(char **argv)
{
    static pthread_t thread[AT_ONCE_MAX];
    static struct short_life life[AT_ONCE_MAX];
    int count = atoi(argv[0]);
    set_up(argv + 2);
    for (int i = 0; i < count && i < AT_ONCE_MAX; i++) {
        life[i] = (struct short_life){i ? life[0].tallies : tallies_open(argv[1]), i};
        if (pthread_create(&thread[i], NULL, log_once, &life[i]) != 0)
            return 111;
    }
    for (int i = 0; i < count && i < AT_ONCE_MAX; i++)
        pthread_join(thread[i], NULL);
    return 0;
}

static int run_churn(char **argv)
{
    pthread_t thread;
    struct short_life life = {tallies_open(argv[1]), 0};
    set_up(argv + 2);
    for (int count = atoi(argv[0]); life.number < count; life.number++) {
        if (pthread_create(&thread, NULL, log_once, &life) != 0 || pthread_join(thread, NULL) != 0)
            return 111;
        /* A thread lives for 30 us, and the collector may have to wait for a CPU: how many it finds ended at once would
         * be chance. */
        if (life.number % THREADS_BETWEEN_FLUSHES == 0 && mplog_flush(-1) < 0)
            return 112;
    }
    wait_for_test();
    return 0;
}

/* ---- sizes ---- */

static int run_errors(char **argv)
{
    long count = strtol(argv[0], NULL, 10);
    mplog_logger *logger = mplog_get_logger("test");
    char line[16];
    set_up(argv + 1);
    for (long i = 0; i < count; i++) {
        for (int k = 0; k < 100; k++)
            mplog_info(logger, "message %d", k);
        mplog_error(logger, "error %ld", i);
        if (mplog_flush(5000) < 0)
            return 1;
        printf("error=%ld\n", i);
        fflush(stdout);
        if (!fgets(line, sizeof line, stdin))
            return 2;
    }
    return 0;
}

static int run_huge(char **argv)
{
    size_t len = strtoul(argv[0], NULL, 10);
    char *text = malloc(len + 1);
    mplog_logger *l = mplog_get_logger("test");
    set_up(argv + 1);
    if (!text)
        return 111;
    memset(text, 'x', len);
    text[len] = '\0';
    mplog_log_text(l, MPLOG_INFO, text, len);
    mplog_info(l, "%s", text);
    mplog_info(l, "short");
    free(text);
    return 0;
}

/* ---- order ---- */

/* Takes the token from `in`, logs it, and hands it on: what the other logs next has happened later. */
static void pass_token(struct talker *t, const struct tallies *tallies, int in, int out, uint32_t last)
{
    uint32_t token;
    while (read(in, &token, sizeof token) == (ssize_t)sizeof token) {
        NUMBERED_LOG_TOKEN(t->logger, t->name, t->next, 16u, t->buffer, token);
        atomic_store(&t->tally->returned, ++t->next);
        token++;
        if (write(out, &token, sizeof token) != (ssize_t)sizeof token || token >= last ||
            atomic_load(&tallies->must_stop))
            return;
    }
}

/* Threads whose rings lie between those of the two: the collector's look at all of them takes longer than a turn. */
#define BYSTANDERS 200

struct bystander {
    struct tallies *tallies;
    const _Atomic int *is_over;
    int number;
};

static void *stand_by(void *arg)
{
    const struct bystander *b = arg;
    struct talker t;
    talk_begin(&t, b->tallies, 8, "bystander%d", b->number);
    for (; !atomic_load(b->is_over); talk_sleep_ms(10)) /* often enough for the collector to keep looking at the ring */
        talk(&t, 8);
    talk_end(&t, 8);
    return NULL;
}

/* `t` keeps its ring in use meanwhile, so that it stays the first that the collector looks at. */
static void have_bystanders(struct talker *t, struct tallies *tallies, const _Atomic int *is_over, pthread_t *thread)
{
    static struct bystander bystander[BYSTANDERS];
    for (int i = 0; i < BYSTANDERS; i++) {
        talk(t, 16);
        bystander[i] = (struct bystander){tallies, is_over, i};
        if (pthread_create(&thread[i], NULL, stand_by, &bystander[i]) != 0)
            abort();
    }
    for (int i = 0; i < 10; i++, talk_sleep_ms(2)) /* until all have a ring */
        talk(t, 16);
}

static int run_handoff(char **argv)
{
    static _Atomic int is_over;
    pthread_t thread[BYSTANDERS];
    int there[2], back[2];
    uint32_t token = 0, last = (uint32_t)strtoul(argv[0], NULL, 10);
    struct tallies *tallies = tallies_open(argv[1]);
    struct talker t;
    set_up(argv + 2);
    signal(SIGPIPE, SIG_IGN);
    if (pipe(there) < 0 || pipe(back) < 0 || write(there[1], &token, sizeof token) < 0)
        return 111;
    talk_begin(&t, tallies, 16, "left");
    have_bystanders(&t, tallies, &is_over, thread);
    pid_t pid = fork();
    if (pid == 0) {
        talk_begin(&t, tallies, 16, "right");
        close(back[0]);
        close(there[1]);
        pass_token(&t, tallies, there[0], back[1], last);
        exit(0);
    }
    close(back[1]);
    close(there[0]);
    pass_token(&t, tallies, back[0], there[1], last);
    close(there[1]);
    close(back[0]);
    atomic_store(&is_over, 1);
    for (int i = 0; i < BYSTANDERS; i++)
        pthread_join(thread[i], NULL);
    return waitpid(pid, NULL, 0) == pid ? 0 : 1;
}

/* ---- leaving ---- */

static int run_leave(char **argv)
{
    int there[2], back[2];
    char byte = 0;
    set_up(argv);
    if (pipe(there) < 0 || pipe(back) < 0)
        return 111;
    pid_t pid = fork();
    if (pid == 0) {
        mplog_info(mplog_get_logger("test"), "before");
        if (write(back[1], &byte, 1) != 1 || read(there[0], &byte, 1) != 1)
            _exit(1);
        mplog_info(mplog_get_logger("test"), "behind");
        wait_for_test();
        exit(0);
    }
    if (read(back[0], &byte, 1) != 1)
        return 1;
    mplog_shutdown_logging();
    return write(there[1], &byte, 1) == 1 && waitpid(pid, NULL, 0) == pid ? 0 : 1;
}

/* ---- joining ---- */

/* What a process has done that is killed in the middle of joining. */
static int run_half_joined(char **argv)
{
    uint64_t word, serial;
    int dir_fd = mpl_dir_open(argv[0]), control_fd = dir_fd < 0 ? -1 : mpl_control_open(dir_fd);
    struct mpl_control *c = control_fd < 0 ? NULL : mpl_control_map(control_fd, NULL);
    _exit(c && mpl_slot_claim(c, getpid(), &word, &serial) >= 0 ? 0 : 1);
}

/* ---- $(...) ---- */

static int start_daemon(char **argv, bool is_silent)
{
    set_up(argv + 1);
    mplog_warning(mplog_get_logger("test"), "starter");
    if (fork() == 0) {
        setsid();
        int null = open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3; fd++)
            dup2(null, fd);
        if (!is_silent)
            mplog_info(mplog_get_logger("test"), "daemon starts");
        talk_sleep_ms(strtol(argv[0], NULL, 10));
        if (!is_silent)
            mplog_info(mplog_get_logger("test"), "daemon ends");
        exit(0);
    }
    puts("started");
    return 0;
}

static int run_captured(char **argv) { return start_daemon(argv, false); }
static int run_silent(char **argv) { return start_daemon(argv, true); }

static void log_count(const char *text, int count)
{
    mplog_logger *log = mplog_get_logger("test");
    for (int i = 0; i < count; i++)
        mplog_info(log, "%s %d", text, i);
}

static int run_count(char **argv)
{
    log_count(argv[0], atoi(argv[1]));
    return 0;
}

static int run_replaced(char **argv)
{
    char *arguments[] = {(char[]){"special"}, (char[]){"count"}, (char[]){"after"}, argv[0], NULL};
    set_up(argv + 1);
    log_count("before", atoi(argv[0]));
    execv("/proc/self/exe", arguments);
    return 127;
}

/* One line each, and the last one the rest. The rings that the main thread has left behind while its own grew are
 * fewer. */
static void *log_from_threads(void *count)
{
    static int logged, left = 8;
    pthread_t next;
    do
        mplog_info(mplog_get_logger("test"), "thread %d", logged++);
    while (left == 1 && logged < *(int *)count);
    if (--left > 0 && pthread_create(&next, NULL, log_from_threads, count) == 0)
        pthread_join(next, NULL);
    return NULL;
}

/* A ring that is full in between and those of other threads take memory of the session, which lies outside the root. */
static int run_confined(char **argv)
{
    int count = atoi(argv[0]);
    set_up(argv + 2);
    log_count("before", count);
    if (chroot(argv[1]) < 0 || chdir("/") < 0 || setgid(65534) < 0 || setuid(65534) < 0)
        return 111;
    log_count("after", count);
    log_from_threads(&count);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int arguments; /* at least */
        int (*run_fn)(char **argv);
    } commands[] = {
        {"setup", 0, run_setup},       {"cycles", 1, run_cycles},     {"last-resort", 0, run_last_resort},
        {"zero", 0, run_zero},         {"heirs", 0, run_heirs},       {"levels", 0, run_levels},
        {"at-once", 2, run_at_once},   {"churn", 2, run_churn},       {"huge", 1, run_huge},
        {"handoff", 2, run_handoff},   {"captured", 1, run_captured}, {"half-joined", 1, run_half_joined},
        {"switch", 2, run_switch},     {"silent", 1, run_silent},     {"errors", 1, run_errors},
        {"say", 1, run_say},           {"leave", 0, run_leave},       {"count", 2, run_count},
        {"replaced", 1, run_replaced}, {"confined", 2, run_confined},
    };
    numbered_init();
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0 && argc - 2 >= commands[i].arguments)
            return commands[i].run_fn(argv + 2);
    }
    fputs("special: which situation?\n", stderr);
    return 100;
}
