/* SPDX-License-Identifier: Unlicense
 *
 * mplog stat: the running sessions in numbers, for people or as JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "report.h"
#include "show.h"

#define NS_PER_MS 1e6

struct stat_request {
    bool is_json;
    unsigned sessions;
};

/* ---- for people ---- */

static void print_losses(const struct mplog_session_report *s)
{
    unsigned kinds = 0;
    for (size_t i = 0; i < s->loss_count; i++) {
        if (s->losses[i].count > 0)
            printf("%s%llu %s", kinds++ ? ", " : "; lost by producers: ", s->losses[i].count, s->losses[i].cause);
    }
}

static void print_sinks(const struct mplog_session_report *s)
{
    printf("  %12s %12s %12s %16s  %s\n", "WRITTEN", "WAITING", "LOST", "BYTES", "TO");
    for (size_t i = 0; i < s->sink_count; i++) {
        const struct mplog_sink_report *k = &s->sinks[i];
        printf("  %12llu %12llu %12llu %16llu  ", k->written, k->waiting, k->lost, k->bytes);
        mpl_show(k->name, 0);
        putchar('\n');
    }
}

static void print_members(const struct mplog_session_report *s)
{
    if (s->member_count == 0)
        return;
    printf("  %12s %12s %12s %16s  %s\n", "PROCESS", "THREADS", "RINGS", "WAITING", "NAME");
    for (size_t i = 0; i < s->member_count; i++) {
        const struct mplog_member_report *m = &s->members[i];
        printf("  %12u %12u %12u %16llu  ", m->pid, m->threads, m->rings, m->waiting);
        mpl_show(m->name[0] ? m->name : "-", 0);
        printf("%s%s%s\n", strcmp(m->state, "active") == 0 ? "" : " (", strcmp(m->state, "active") == 0 ? "" : m->state,
               strcmp(m->state, "active") == 0 ? "" : ")");
    }
}

static void print_session(const struct mplog_session_report *s)
{
    printf("%s  ", s->dir);
    printf("%s", s->state);
    if (s->has_collector)
        printf(", collector: %s %u", strcmp(s->collector_kind, "thread") == 0 ? "thread of" : "process",
               s->collector_pid);
    else
        printf(", no collector");
    putchar('\n');
    if (s->problem) {
        fputs("  ", stdout);
        mpl_show(s->problem, 0);
        putchar('\n');
        return;
    }
    printf("  %llu accepted", s->accepted);
    print_losses(s);
    if (s->lag_ns > 0)
        printf("; the oldest that waits: %.1f ms", (double)s->lag_ns / NS_PER_MS);
    putchar('\n');
    print_sinks(s);
    print_members(s);
}

/* ---- for programs ---- */

static void json_text(const char *name, const char *value)
{
    printf("\"%s\": ", name);
    mpl_show_json(value);
}

static void json_numbers(const char *const *names, const unsigned long long *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf(", \"%s\": %llu", names[i], values[i]);
}

static void json_sink(const struct mplog_sink_report *k)
{
    static const char *const names[] = {"written", "waiting", "lost", "skipped", "bytes", "waiting_bytes"};
    const unsigned long long values[] = {k->written, k->waiting, k->lost, k->skipped, k->bytes, k->waiting_bytes};
    putchar('{');
    json_text("kind", k->kind);
    fputs(", ", stdout);
    json_text("name", k->name);
    json_numbers(names, values, sizeof names / sizeof names[0]);
    putchar('}');
}

static void json_member(const struct mplog_member_report *m)
{
    static const char *const names[] = {"threads", "rings", "waiting", "waiting_bytes"};
    const unsigned long long values[] = {m->threads, m->rings, m->waiting, m->waiting_bytes};
    printf("{\"pid\": %u, ", m->pid);
    json_text("name", m->name);
    fputs(", ", stdout);
    json_text("state", m->state);
    json_numbers(names, values, sizeof names / sizeof names[0]);
    putchar('}');
}

static void json_head(const struct mplog_session_report *s)
{
    const struct {
        const char *name, *value;
    } texts[] = {{"id", s->id},
                 {"dir", s->dir},
                 {"log_file", s->log_file[0] ? s->log_file : NULL},
                 {"state", s->state},
                 {"problem", s->problem}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_text(texts[i].name, texts[i].value);
        fputs(", ", stdout);
    }
    printf("\"collector\": {\"pid\": %u, \"kind\": \"%s\", \"alive\": %s}", s->collector_pid, s->collector_kind,
           s->has_collector ? "true" : "false");
    printf(", \"accepted\": %llu, \"waiting\": %llu, \"waiting_bytes\": %llu, \"lag_ns\": ", s->accepted, s->waiting,
           s->waiting_bytes);
    if (s->lag_ns < 0)
        fputs("null", stdout);
    else
        printf("%lld", s->lag_ns);
}

static void json_session(const struct mplog_session_report *s)
{
    putchar('{');
    json_head(s);
    fputs(", \"lost\": {", stdout);
    for (size_t i = 0; i < s->loss_count; i++)
        printf("%s\"%s\": %llu", i ? ", " : "", s->losses[i].cause, s->losses[i].count);
    fputs("}, \"sinks\": [", stdout);
    for (size_t i = 0; i < s->sink_count; i++) {
        fputs(i ? ", " : "", stdout);
        json_sink(&s->sinks[i]);
    }
    fputs("], \"members\": [", stdout);
    for (size_t i = 0; i < s->member_count; i++) {
        fputs(i ? ", " : "", stdout);
        json_member(&s->members[i]);
    }
    fputs("]}", stdout);
}

/* ---- the command ---- */

static void tell(void *arg, const struct mplog_session_report *s)
{
    struct stat_request *r = arg;
    if (r->is_json) {
        fputs(r->sessions ? ",\n " : "", stdout);
        json_session(s);
    } else {
        fputs(r->sessions ? "\n" : "", stdout);
        print_session(s);
    }
    r->sessions++;
}

int mpl_stat_main(int argc, char **argv)
{
    struct stat_request r = {.is_json = false};
    char *log_file = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return mpl_args_help();
        if (strcmp(argv[i], "--json") == 0)
            r.is_json = true;
        else if (argv[i][0] == '-')
            return mpl_report_usage("stat: there is no option %s", argv[i]);
        else if (log_file)
            return mpl_report_usage("stat: one log file, or none: %s is too many", argv[i]);
        else if (!(log_file = mpl_args_absolute(argv[i])))
            return mpl_report_fatal("find", "the working directory", "no memory, or it has gone");
    }
    fputs(r.is_json ? "[" : "", stdout);
    int error = mplog_report_sessions(mpl_args_ring_dir(), log_file, tell, &r);
    fputs(r.is_json ? "]\n" : "", stdout);
    free(log_file);
    int status = mpl_report_stdout("the numbers");
    if (error)
        return mpl_report_fatal("look for", "sessions", mplog_last_error());
    return status ? status : r.sessions > 0 ? 0 : MPL_EXIT_NO;
}
