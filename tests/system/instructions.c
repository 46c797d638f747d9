/* SPDX-License-Identifier: Unlicense
 *
 *     instructions WHAT COUNT
 *
 * Does one thing COUNT times, for valgrind to count its instructions: two runs with different counts tell what one
 * costs. WHAT: disabled, constant, values, string: that many log calls; collect: a pass over that many records with an
 * integer, a string and a double, in one ring; merge: in four rings, whose records take turns.
 */
#include "session_by_hand.h"

#include <pthread.h>

/* Between two passes: so few that none meets a full ring, and that the collector's promise to look again, 25 ms, does
 * not end meanwhile, however slow valgrind makes them. */
#define PORTION 100
#define COUNT_MAX 100000
#define RINGS 4

static mplog_logger *logger;
static char text200[201];

static void log_disabled(int i) { mplog_debug(logger, "request %d from %s took %f ms", i, "worker_1", i * 0.25); }
static void log_constant(int i)
{
    (void)i;
    mplog_info(logger, "nothing to say");
}
static void log_values(int i) { mplog_info(logger, "request %d from %s took %f ms", i, "worker_1", i * 0.25); }
static void log_string(int i)
{
    (void)i;
    mplog_info(logger, "%s", text200);
}

static const struct {
    const char *name;
    void (*log)(int i);
} calls[] = {{"disabled", log_disabled}, {"constant", log_constant}, {"values", log_values}, {"string", log_string}};

/* Threads that log one record each when it is their turn. */
static struct turn {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int number, until;
    bool is_over;
} turn = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, false};

static void *talk(void *arg)
{
    int mine = (int)(intptr_t)arg;
    pthread_mutex_lock(&turn.lock);
    while (!turn.is_over) {
        if (turn.number == turn.until || turn.number % RINGS != mine) {
            pthread_cond_wait(&turn.changed, &turn.lock);
            continue;
        }
        log_values(turn.number++);
        pthread_cond_broadcast(&turn.changed);
    }
    pthread_mutex_unlock(&turn.lock);
    return NULL;
}

static void take_turns(int count)
{
    pthread_mutex_lock(&turn.lock);
    turn.until += count;
    pthread_cond_broadcast(&turn.changed);
    while (turn.number < turn.until)
        pthread_cond_wait(&turn.changed, &turn.lock);
    pthread_mutex_unlock(&turn.lock);
}

static pthread_t thread[RINGS];

static void start_threads(void)
{
    for (intptr_t i = 0; i < RINGS; i++) {
        if (pthread_create(&thread[i], NULL, talk, (void *)i) != 0)
            hand_die("thread");
    }
    take_turns(RINGS); /* attached */
}

static void end_threads(void)
{
    pthread_mutex_lock(&turn.lock);
    turn.is_over = true;
    pthread_cond_broadcast(&turn.changed);
    pthread_mutex_unlock(&turn.lock);
    for (int i = 0; i < RINGS; i++)
        pthread_join(thread[i], NULL);
}

/* What is counted. The names are valgrind's handle. */
static __attribute__((noipa)) void measured_calls(void (*log)(int i), int count)
{
    for (int i = 0; i < count; i++)
        log(i);
}

static __attribute__((noipa)) void measured_pass(void) { hand_pass(); }

static void run_portion(const char *what)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (strcmp(calls[i].name, what) == 0)
            measured_calls(calls[i].log, PORTION);
    }
    if (strcmp(what, "merge") == 0)
        take_turns(PORTION);
    if (strcmp(what, "collect") == 0) {
        for (int i = 0; i < PORTION; i++)
            log_values(i);
    }
    if (strcmp(what, "merge") == 0 || strcmp(what, "collect") == 0)
        measured_pass();
    else
        hand_pass();
}

int main(int argc, char **argv)
{
    int count = argc == 3 ? atoi(argv[2]) : 0;
    if (count < PORTION || count > COUNT_MAX || count % PORTION != 0)
        return 2;
    hand_directory();
    struct mplog_options o = hand_options();
    o.format_string = NULL; /* the default, as most use it */
    hand_begin(&o);
    logger = mplog_get_logger("count");
    memset(text200, 'x', sizeof text200 - 1);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        calls[i].log(0); /* attached, call sites published */
    bool is_merge = strcmp(argv[1], "merge") == 0;
    if (is_merge)
        start_threads();
    hand_pass();
    for (int done = 0; done < count; done += PORTION)
        run_portion(argv[1]);
    if (is_merge)
        end_threads();
    hand_end();
    rmdir(hand_dir);
    return 0;
}
