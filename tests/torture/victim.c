/* SPDX-License-Identifier: Unlicense
 *
 * A program for the tracer, told word by word what to do:
 *
 *     victim GATE TALLY [option=VALUE]... -- WORD...
 *
 *     setup, shutdown           the public functions
 *     flush, flushN             waits 5 or N seconds at most
 *     gate, end                 the tracer comes here, and has seen enough
 *     tN                        N short messages
 *     sN                        N that are so short that they take the way of few words (producer/log.c)
 *     lN                        one with N bytes of filler
 *     gN                        the same, made before the tracer comes
 *     wait                      for the end of stdin
 *     flow, flowN               short messages, one every 5 or N ms, until the end of stdin
 *     rN                        N of them
 *     fork                      the rest is done by a child; the parent waits for it
 *     exit                      at once, without hooks
 *
 * Prints setup=<result of the set-up>; ends with 0 whatever logging says.
 */
#include <poll.h>
#include <sys/wait.h>

#include "gate.h"
#include "talk.h"

#define LONGEST (4u << 20)

static struct mplog_options mplog = MPLOG_OPTIONS_INIT;

static struct tallies *tallies;

static void set_up(void)
{
    int error = mplog_setup_logging(&mplog);
    tallies->reserved[0] = error ? 2 : 1; /* what is printed may be lost where calls fail */
    printf("setup=%d\n", error);
    if (error)
        printf("error=%s\n", mplog_last_error());
    fflush(stdout);
}

static void go_on_in_child(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        return;
    _exit(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void talk_short(struct talker *t, long count)
{
    while (count-- > 0)
        talk(t, 20 + t->next % 30);
}

#define FEW_BYTES_MAX 32u /* of a text on that way */

static void talk_few(struct talker *t, long count)
{
    for (; count > 0; count--) {
        size_t len = numbered_format(t->buffer, t->name, t->next, t->next % 8);
        t->buffer[len] = '\0';
        if (len > FEW_BYTES_MAX)
            abort();
        mplog_info(t->logger, "%s", t->buffer);
        atomic_store(&t->tally->returned, ++t->next);
    }
}

/* Making it would take far more steps than logging it. */
static void talk_large_at_gate(struct talker *t, const char *gate, uint32_t len)
{
    size_t n = numbered_format(t->buffer, t->name, t->next, len);
    gate_enter(gate);
    mplog_log_text(t->logger, MPLOG_INFO, t->buffer, n);
    atomic_store(&t->tally->returned, ++t->next);
}

#define PAUSE_MS 5

static void talk_until_eof(struct talker *t, int pause_ms)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    for (; poll(&in, 1, pause_ms) == 0;)
        talk_short(t, 1);
}

static void talk_slowly(struct talker *t, long count)
{
    for (; count > 0; count--) {
        talk_short(t, 1);
        talk_sleep_ms(PAUSE_MS);
    }
}

static void obey(struct talker *t, const char *gate, const char *word)
{
    if (strcmp(word, "setup") == 0)
        set_up();
    else if (strncmp(word, "flush", 5) == 0)
        mplog_flush(word[5] ? (int)strtol(word + 5, NULL, 10) * 1000 : 5000);
    else if (strcmp(word, "shutdown") == 0)
        mplog_shutdown_logging();
    else if (strcmp(word, "gate") == 0)
        gate_enter(gate);
    else if (strcmp(word, "end") == 0)
        gate_end();
    else if (strcmp(word, "wait") == 0)
        while (getchar() != EOF)
            ;
    else if (strcmp(word, "fork") == 0)
        go_on_in_child();
    else if (strcmp(word, "exit") == 0)
        _exit(0);
    else if (strncmp(word, "flow", 4) == 0)
        talk_until_eof(t, word[4] ? (int)strtol(word + 4, NULL, 10) : PAUSE_MS);
    else if (word[0] == 'r')
        talk_slowly(t, strtol(word + 1, NULL, 10));
    else if (word[0] == 't')
        talk_short(t, strtol(word + 1, NULL, 10));
    else if (word[0] == 's')
        talk_few(t, strtol(word + 1, NULL, 10));
    else if (word[0] == 'g')
        talk_large_at_gate(t, gate, (uint32_t)strtoul(word + 1, NULL, 10));
    else if (word[0] == 'l')
        talk(t, (uint32_t)strtoul(word + 1, NULL, 10));
}

static void take_option(char *pair)
{
    char *equals = strchr(pair, '=');
    if (equals)
        *equals = '\0';
    if (!equals || mplog_options_set(&mplog, pair, equals + 1) < 0) {
        fprintf(stderr, "victim: %s: %s\n", pair, mplog_last_error());
        exit(100);
    }
}

int main(int argc, char **argv)
{
    static struct talker t;
    int at = 3;
    for (; at < argc && strcmp(argv[at], "--") != 0; at++)
        take_option(argv[at]);
    if (at >= argc)
        return 100;
    numbered_init();
    tallies = tallies_open(argv[2]);
    talk_begin(&t, tallies, LONGEST, "victim");
    while (++at < argc)
        obey(&t, argv[1], argv[at]);
    return 0;
}
