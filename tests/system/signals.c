/* SPDX-License-Identifier: Unlicense
 *
 * Log calls in signal handlers, one situation a sub-command, with mplog options as name=value at the end:
 *
 *     signals storm KIND THREADS MS TALLY OPTION...  threads that log while timers interrupt them with handlers that
 * log signals order MS OPTION...                     one thread: "main N", and in handlers "handler after N" signals
 * stack OPTION...                        what log calls need of a stack
 *
 * KIND: calls; small (stacks); mixed (rings grow, threads come and go, names change, sites and loggers are new); forks;
 * setups (one file after the other); shutdown (half-way). Prints how many handlers ran, and how many interrupted
 * something of mplog's.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "producer/process.h"
#include "producer/producer.h"
#include "talk.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define THREADS_MAX 16
#define LONGEST 40000u
#define HANDLED_LEN 20u

enum kind { CALLS, SMALL, MIXED, FORKS, SETUPS, SHUTDOWN, KINDS };

static const char *const kind_names[KINDS] = {"calls", "small", "mixed", "forks", "setups", "shutdown"};

static struct mplog_options mplog = MPLOG_OPTIONS_INIT;
static struct tallies *tallies;
static enum kind kind;
static uint64_t end_ns;
static _Atomic unsigned thread_count;

/* Of all processes. */
static struct counts {
    _Atomic uint64_t handled, interrupted;
} * counts;

/* Signals that interrupt each other, and how often they come: not in step. */
static const int signals[] = {SIGPROF, SIGALRM};
static const long period_ns[] = {70000, 113000};
#define SIGNALS 2

struct storm {
    struct talker own, handler[SIGNALS];
    timer_t timer[SIGNALS];
};

static _Thread_local struct storm *mine;

static void set_up(char **pairs)
{
    for (; *pairs; pairs++) {
        char *equals = strchr(*pairs, '=');
        if (!equals)
            exit(100);
        *equals = '\0';
        if (mplog_options_set(&mplog, *pairs, equals + 1) < 0)
            exit(100);
    }
    if (mplog_setup_logging(&mplog) < 0) {
        fprintf(stderr, "signals: %s\n", mplog_last_error());
        exit(111);
    }
}

/* ---- storms ---- */

static void warn(struct talker *t)
{
    size_t n = numbered_format(t->buffer, t->name, t->next, HANDLED_LEN);
    mplog_log_text(t->logger, MPLOG_WARNING, t->buffer, n);
    atomic_store(&t->tally->returned, ++t->next);
}

static bool has_interrupted_mplog(void)
{
    return mpl_thread.is_in_slow_path || mpl_process_is_in_section_here() ||
           (mpl_thread.producer && atomic_load(&mpl_thread.producer->busy));
}

static void handle(int signal_number)
{
    int saved_errno = errno;
    struct storm *s = mine;
    if (!s)
        return;
    atomic_fetch_add(&counts->handled, 1);
    if (has_interrupted_mplog())
        atomic_fetch_add(&counts->interrupted, 1);
    struct talker *t = &s->handler[signal_number == signals[1]];
    errno = 12345;
    if (kind == SHUTDOWN)
        warn(t);
    else
        talk(t, HANDLED_LEN);
    if (errno != 12345)
        abort();
    errno = saved_errno;
}

/* Small stacks have room for one frame of the kernel's, of 3.3 KiB where registers are wide. */
static void handle_signals(void)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART | SA_ONSTACK};
    if (kind == SMALL)
        sigfillset(&action.sa_mask);
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, NULL);
}

static void begin_storm(struct storm *s)
{
    unsigned number = atomic_fetch_add(&thread_count, 1);
    talk_begin(&s->own, tallies, LONGEST, "thread%d/%u", (int)getpid(), number);
    for (int i = 0; i < SIGNALS; i++)
        talk_begin(&s->handler[i], tallies, LONGEST, "thread%d/%u/handler%d", (int)getpid(), number, i);
    mine = s;
    for (int i = 0; i < SIGNALS; i++) {
        struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signals[i]};
        struct itimerspec often = {{0, period_ns[i]}, {0, period_ns[i]}};
        event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
        if (timer_create(CLOCK_MONOTONIC, &event, &s->timer[i]) < 0 || timer_settime(s->timer[i], 0, &often, NULL) < 0)
            abort();
    }
}

static void end_storm(struct storm *s)
{
    for (int i = 0; i < SIGNALS; i++)
        timer_delete(s->timer[i]);
    mine = NULL;
    talk_end(&s->own, LONGEST);
    for (int i = 0; i < SIGNALS; i++)
        talk_end(&s->handler[i], LONGEST);
}

static void *live_shortly(void *arg)
{
    struct storm s;
    begin_storm(&s);
    for (int i = 0; i < 20; i++)
        talk(&s.own, 20);
    end_storm(&s);
    return arg;
}

static void do_mixed(struct storm *s, uint32_t i)
{
    static const uint32_t sizes[] = {20, 300, 20, 7000, 20, 100, 20, 40000};
    char name[32];
    pthread_t thread;
    talk(&s->own, i % 16 == 0 ? sizes[i / 16 % 8] : 20);
    if (i % 10 == 0)
        mplog_set_thread_name(s->own.name);
    if (i % 50 == 0)
        mplog_set_process_name("signals");
    if (i % 20 == 0) {
        snprintf(name, sizeof name, "logger%u", i % 2000);
        s->own.logger = s->handler[0].logger = mplog_get_logger(name);
    }
    if (i % 200 == 0 && atomic_load(&tallies->used) < TALLIES_MAX - 100 &&
        pthread_create(&thread, NULL, live_shortly, NULL) == 0)
        pthread_join(thread, NULL);
}

static void do_fork(struct storm *s)
{
    for (int i = 0; i < 10; i++)
        talk(&s->own, 20);
    if (atomic_load(&tallies->used) >= TALLIES_MAX - 100)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        struct storm own; /* the parent's timers and numbers are not ours */
        begin_storm(&own);
        for (int i = 0; i < 20; i++)
            talk(&own.own, 20);
        mine = NULL;
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

#define THREAD_STACK_BYTES 16384u
#define HANDLER_STACK_BYTES 8192u

/* Below it a page that nobody may touch. */
static void use_small_stack(void)
{
    char *pages = mmap(NULL, 2 * HANDLER_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t alternate = {.ss_sp = pages + HANDLER_STACK_BYTES, .ss_size = HANDLER_STACK_BYTES};
    if (pages == MAP_FAILED || mprotect(pages, HANDLER_STACK_BYTES, PROT_NONE) < 0 || sigaltstack(&alternate, NULL) < 0)
        abort();
}

static void *log_in_storm(void *arg)
{
    struct storm s;
    if (kind == SMALL)
        use_small_stack();
    begin_storm(&s);
    for (uint32_t i = 0; talk_now_ns() < end_ns; i++) {
        if (kind == MIXED)
            do_mixed(&s, i);
        else if (kind == FORKS)
            do_fork(&s);
        else if (kind == SHUTDOWN)
            warn(&s.own);
        else
            talk(&s.own, 20);
    }
    end_storm(&s);
    return arg;
}

static void set_up_again_and_again(void)
{
    char file[1024];
    const char *base = mplog.log_file;
    for (int i = 1; talk_now_ns() < end_ns; i++) {
        snprintf(file, sizeof file, "%s.%d", base, i);
        mplog.log_file = file;
        if (mplog_setup_logging(&mplog) < 0)
            printf("error=%s\n", mplog_last_error());
        printf("files=%d\n", i + 1);
        talk_sleep_ms(5);
    }
}

static int run_storm(char **argv)
{
    pthread_t thread[THREADS_MAX];
    pthread_attr_t attributes;
    struct storm s;
    while (kind < KINDS && strcmp(kind_names[kind], argv[0]) != 0)
        kind++;
    int count = atoi(argv[1]);
    uint64_t duration_ns = strtoul(argv[2], NULL, 10) * UINT64_C(1000000);
    tallies = tallies_open(argv[3]);
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counts == MAP_FAILED)
        return 111;
    set_up(argv + 4);
    end_ns = talk_now_ns() + duration_ns;
    handle_signals();
    pthread_attr_init(&attributes);
    if (kind == SMALL)
        pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    for (int i = 0; i < count && i < THREADS_MAX; i++) {
        if (pthread_create(&thread[i], &attributes, log_in_storm, NULL) != 0)
            return 111;
    }
    begin_storm(&s); /* set-up and shutdown are interrupted, too */
    if (kind == SETUPS) {
        set_up_again_and_again();
    } else if (kind == SHUTDOWN) {
        talk_sleep_ms((long)(duration_ns / 2000000));
        for (uint64_t half_ns = end_ns - duration_ns / 2; talk_now_ns() < half_ns;)
            warn(&s.own);
        mplog_shutdown_logging();
    }
    for (int i = 0; i < count && i < THREADS_MAX; i++)
        pthread_join(thread[i], NULL);
    end_storm(&s);
    printf("handled=%llu\ninterrupted=%llu\n", (unsigned long long)atomic_load(&counts->handled),
           (unsigned long long)atomic_load(&counts->interrupted));
    return 0;
}

/* ---- order ---- */

static volatile unsigned last_returned;
static mplog_logger *order_logger;

static void log_order(int signal_number)
{
    (void)signal_number;
    unsigned last = last_returned;
    if (has_interrupted_mplog())
        mplog_info(order_logger, "handler after %u", last);
}

static int run_order(char **argv)
{
    struct sigaction action = {.sa_handler = log_order, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    struct itimerspec often = {{0, 50000}, {0, 50000}}, never = {{0, 0}, {0, 0}};
    timer_t timer;
    set_up(argv + 1);
    order_logger = mplog_get_logger("test");
    sigaction(SIGALRM, &action, NULL);
    end_ns = talk_now_ns() + strtoul(argv[0], NULL, 10) * UINT64_C(1000000);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 || timer_settime(timer, 0, &often, NULL) < 0)
        return 111;
    for (unsigned i = 1; talk_now_ns() < end_ns; i++) {
        mplog_info(order_logger, "main %u", i);
        last_returned = i;
    }
    return timer_settime(timer, 0, &never, NULL);
}

/* ---- stacks ---- */

#define STACK_BYTES (256u << 10)
#define PAINT 0xa5

static void (*measured_fn)(void);

static void call_measured(int signal_number)
{
    (void)signal_number;
    measured_fn();
}

static void do_nothing(void) {}

/* Bytes of an alternate stack that a handler has touched, with what the kernel puts there. */
static size_t measure(char *stack, void (*run_fn)(void))
{
    size_t untouched = 0;
    memset(stack, PAINT, STACK_BYTES);
    measured_fn = run_fn;
    raise(SIGUSR1);
    while (untouched < STACK_BYTES && (unsigned char)stack[untouched] == PAINT)
        untouched++;
    return STACK_BYTES - untouched;
}

static void log_short(void) { mplog_info(order_logger, "short %d", 1); }
static void log_new_site(void) { mplog_info(order_logger, "new %d %s", 1, "site"); }
static void log_text(void) { mplog_log_text(order_logger, MPLOG_INFO, "text", 4); }
static void log_long(void) { mplog_info(order_logger, "%.*s", (int)LONGEST, mine->own.buffer); }
static void log_error(void) { mplog_error_errno(order_logger, "%g", 1.5); }
static void log_last_resort(void) { mplog_warning(order_logger, "last %d", 1); }
static void log_double_last_resort(void) { mplog_warning(order_logger, "last %g", 1.5); }
static void log_in_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        mplog_info(order_logger, "child");
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

/* The interrupted call is a pretended one. */
static void log_nested(void)
{
    mpl_thread.is_in_slow_path = true;
    mplog_info(order_logger, "nested %d", 1);
    mpl_thread.is_in_slow_path = false;
}

/* ... that holds the lock, so that the site cannot be defined. */
static void log_nested_and_locked(void)
{
    if (!mpl_process_lock())
        abort();
    mplog_info(order_logger, "nested and locked %d", 1);
    mpl_process_unlock();
}

/* ... with no collector there: the call starts one. */
static void log_takeover(void)
{
    kill((pid_t)atomic_load(&mpl_process.control->head.collector_pid), SIGKILL);
    talk_sleep_ms(50); /* its promise has expired */
    mplog_info(order_logger, "taken over");
}

static int run_stack(char **argv)
{
    static const struct {
        const char *name;
        void (*run_fn)(void);
    } calls[] = {{"frame", do_nothing},     {"first", log_short},
                 {"second", log_short},     {"new_site", log_new_site},
                 {"text", log_text},        {"growth", log_long},
                 {"error", log_error},      {"child", log_in_child},
                 {"nested", log_nested},    {"locked", log_nested_and_locked},
                 {"takeover", log_takeover}};
    static const struct {
        const char *name;
        void (*run_fn)(void);
    } after[] = {{"last_resort", log_last_resort}, {"last_resort_double", log_double_last_resort}};
    static struct storm s;
    stack_t alternate = {.ss_sp = NULL, .ss_size = STACK_BYTES};
    struct sigaction action = {.sa_handler = call_measured, .sa_flags = SA_ONSTACK};
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    alternate.ss_sp = stack;
    if (stack == MAP_FAILED || sigaltstack(&alternate, NULL) < 0)
        return 111;
    sigaction(SIGUSR1, &action, NULL);
    set_up(argv);
    order_logger = mplog_get_logger("test");
    mine = &s;
    talk_begin(&s.own, NULL, LONGEST, "stack");
    memset(s.own.buffer, 'x', LONGEST);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        printf("%s=%zu\n", calls[i].name, measure(stack, calls[i].run_fn));
    mplog_shutdown_logging();
    for (size_t i = 0; i < sizeof after / sizeof after[0]; i++)
        printf("%s=%zu\n", after[i].name, measure(stack, after[i].run_fn));
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int arguments; /* at least */
        int (*run_fn)(char **argv);
    } commands[] = {{"storm", 4, run_storm}, {"order", 1, run_order}, {"stack", 0, run_stack}};
    numbered_init();
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0 && argc - 2 >= commands[i].arguments)
            return commands[i].run_fn(argv + 2);
    }
    fputs("signals: which situation?\n", stderr);
    return 100;
}
