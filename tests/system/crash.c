/* SPDX-License-Identifier: Unlicense
 *
 *     crash HOW WHERE OPTION...   sets up, installs the crash handler, logs its last words, and crashes
 *
 * HOW: segv bus fpe ill abort sent overflow nowhere (a call there). WHERE: main; thread; many (threads at once); inside
 * (a log call); locked (inside a section of the library); child (forked); heirs (parent and child); handler (the
 * program has its own, which exits with 7); resume (its own handler jumps back, and another crash follows); unset (no
 * set-up); shutdown (behind it). Without a core file.
 */
#include <fcntl.h>
#include <limits.h>
#include <mplog.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "producer/process.h"
#include "producer/producer.h"

#define THREADS 4

static void (*crash_fn)(void);
static pthread_barrier_t all_ready;
static volatile int zero;
static char *volatile nowhere = (char *)16;

static void do_segv(void) { *nowhere = 1; }

static void do_bus(void)
{
    int fd = memfd_create("empty", 0);
    volatile char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    *at = 1;
}

static void do_fpe(void) { zero = 7 / zero; }

static void do_ill(void) { __builtin_trap(); }

static void do_abort(void) { abort(); }

static void do_sent(void) { kill(getpid(), SIGSEGV); }

static volatile unsigned depth, deepest = UINT_MAX;

__attribute__((noinline)) static int do_overflow_at(volatile char *above)
{
    volatile char frame[1000];
    frame[0] = *above;
    return ++depth < deepest ? do_overflow_at(frame) + frame[0] : 0;
}

static void do_overflow(void)
{
    char top = 0;
    do_overflow_at(&top);
}

static void do_nowhere(void) { ((void (*)(void))(void *)nowhere)(); }

static const struct {
    const char *name;
    void (*run_fn)(void);
} hows[] = {{"segv", do_segv},   {"bus", do_bus},   {"fpe", do_fpe},           {"ill", do_ill},
            {"abort", do_abort}, {"sent", do_sent}, {"overflow", do_overflow}, {"nowhere", do_nowhere}};

static void last_words(void) { mplog_info(mplog_get_logger("test"), "last words"); }

static void in_main(void)
{
    last_words();
    crash_fn();
}

static void *run_thread(void *arg)
{
    last_words();
    pthread_barrier_wait(&all_ready);
    crash_fn();
    return arg;
}

static void start_threads(unsigned count)
{
    pthread_t thread;
    pthread_barrier_init(&all_ready, NULL, count);
    for (unsigned i = 0; i < count; i++) {
        if (pthread_create(&thread, NULL, run_thread, NULL) != 0)
            abort();
    }
    for (;;)
        pause();
}

static void in_thread(void) { start_threads(1); }
static void in_many(void) { start_threads(THREADS); }

static void inside_a_call(void)
{
    bool is_nested;
    last_words();
    if (mpl_producer_begin(&is_nested))
        crash_fn();
}

static void inside_the_lock(void)
{
    last_words();
    if (mpl_process_lock())
        crash_fn();
}

static void in_child(void)
{
    int status;
    last_words();
    pid_t pid = fork();
    if (pid == 0)
        crash_fn();
    waitpid(pid, &status, 0);
    mplog_info(mplog_get_logger("test"), "the child died of %d", WTERMSIG(status));
}

static void in_heirs(void)
{
    in_child();
    crash_fn();
}

static void after_shutdown(void)
{
    last_words();
    mplog_shutdown_logging();
    crash_fn();
}

static const struct {
    const char *name;
    void (*run_fn)(void);
} wheres[] = {{"main", in_main},           {"thread", in_thread}, {"many", in_many},   {"inside", inside_a_call},
              {"locked", inside_the_lock}, {"child", in_child},   {"heirs", in_heirs}, {"shutdown", after_shutdown},
              {"handler", in_main},        {"resume", in_main}};

static sigjmp_buf resumed;
static volatile bool must_resume;

static void own_handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    static const char text[] = "own handler\n";
    if (number != SIGSEGV || info->si_addr != nowhere || write(STDOUT_FILENO, text, sizeof text - 1) < 0)
        _exit(8);
    if (must_resume) {
        must_resume = false;
        siglongjmp(resumed, 1);
    }
    _exit(7);
}

static void set_up(char **pairs)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    for (; *pairs; pairs++) {
        char *equals = strchr(*pairs, '=');
        if (!equals)
            exit(100);
        *equals = '\0';
        if (mplog_options_set(&o, *pairs, equals + 1) < 0)
            exit(100);
    }
    if (mplog_setup_logging(&o) < 0) {
        fprintf(stderr, "crash: %s\n", mplog_last_error());
        exit(111);
    }
}

int main(int argc, char **argv)
{
    struct rlimit none = {0, 0};
    struct sigaction own = {.sa_sigaction = own_handler, .sa_flags = SA_SIGINFO};
    void (*volatile run_fn)(void) = NULL;
    setrlimit(RLIMIT_CORE, &none);
    for (size_t i = 0; argc > 2 && i < sizeof hows / sizeof hows[0]; i++)
        crash_fn = strcmp(argv[1], hows[i].name) == 0 ? hows[i].run_fn : crash_fn;
    for (size_t i = 0; argc > 2 && i < sizeof wheres / sizeof wheres[0]; i++)
        run_fn = strcmp(argv[2], wheres[i].name) == 0 ? wheres[i].run_fn : run_fn;
    if (!crash_fn)
        return 100;
    bool has_own = strcmp(argv[2], "handler") == 0 || strcmp(argv[2], "resume") == 0;
    if (has_own)
        sigaction(SIGSEGV, &own, NULL);
    must_resume = strcmp(argv[2], "resume") == 0;
    bool is_unset = strcmp(argv[2], "unset") == 0;
    if (!is_unset)
        set_up(argv + 3);
    if (!getenv("MPLOG_CRASH_HANDLER") && mplog_install_crash_handler() < 0)
        return 111;
    if (is_unset)
        crash_fn();
    if (sigsetjmp(resumed, 1) != 0) {
        mplog_info(mplog_get_logger("test"), "resumed");
        crash_fn();
    }
    run_fn();
    return 0;
}
