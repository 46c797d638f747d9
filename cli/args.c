/* SPDX-License-Identifier: Unlicense */
#include "args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

/* What an option is to us; everything else about it is known to the library. The last two are of pipe alone. */
enum option_kind { KIND_VALUE, KIND_BOOL, KIND_PATH, KIND_NAME, KIND_RECORD_LEVEL };

static const struct option {
    const char *name, *value_name, *help;
    enum option_kind kind;
} options[] = {
    {"log-file", "FILE", "write the log to FILE", KIND_PATH},
    {"log-to-stderr", "", "write it to stderr [yes]; not: --no-stderr", KIND_BOOL},
    {"level", "LEVEL", "take nothing below DEBUG, [INFO], WARNING, ERROR", KIND_VALUE},
    {"format-string", "TEXT", "of a line, as in Python: \"%(asctime)s %(message)s\"", KIND_VALUE},
    {"date-format", "TEXT", "of %(asctime)s, as for strftime: \"%H:%M:%S\"", KIND_VALUE},
    {"utc", "", "show times in UTC instead of local time [no]", KIND_BOOL},
    {"file-mode", "a|w", "append, or empty the file first [a]", KIND_VALUE},
    {"file-encoding", "NAME", "utf-16, latin-1, ... [utf-8]", KIND_VALUE},
    {"max-bytes", "SIZE", "rotate before this size; 0: never [10M]", KIND_VALUE},
    {"backup-count", "N", "rotated files that are kept [5]", KIND_VALUE},
    {"overflow", "block|drop", "memory is full: wait, or lose records [block]", KIND_VALUE},
    {"block-timeout-ms", "N", "wait no longer than this [5000]", KIND_VALUE},
    {"escape", "WHAT", "show control, strict or none as \\xNN [control]", KIND_VALUE},
    {"fsync", "WHEN", "never, interval (once a second), error [never]", KIND_VALUE},
    {"ring-dir", "DIR", "for shared memory [/dev/shm, ...]", KIND_PATH},
    {"ring-max-bytes", "SIZE", "shared memory of a thread [4M]", KIND_VALUE},
    {"ring-budget-bytes", "SIZE", "shared memory of a process [96M]", KIND_VALUE},
    {"collector", "WHAT", "who writes: helper (a process), thread [helper]", KIND_VALUE},
    {"helper", "FILE", "the program that is the helper [this one]", KIND_VALUE},
    {"name", "NAME", "pipe: logger of the records [stdin]", KIND_NAME},
    {"record-level", "LEVEL", "pipe: level of the records [INFO]", KIND_RECORD_LEVEL},
};

#define OPTION_COUNT (sizeof options / sizeof options[0])

/* One word of the command line, taken apart. */
struct word {
    const char *text; /* as typed, for messages */
    const struct option *option;
    const char *value; /* NULL: none behind a '=' */
    bool is_negated;
};

/* ---- recognising ---- */

static const struct option *find(const char *name, size_t len, bool is_pipe)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strncmp(options[i].name, name, len) == 0 && !options[i].name[len])
            return is_pipe || options[i].kind < KIND_NAME ? &options[i] : NULL;
    }
    return NULL;
}

/* --no-stderr is short for --no-log-to-stderr. */
static const struct option *find_negated(const char *name, size_t len)
{
    if (len < 3 || memcmp(name, "no-", 3) != 0)
        return NULL;
    if (len == strlen("no-stderr") && memcmp(name, "no-stderr", len) == 0)
        return find("log-to-stderr", strlen("log-to-stderr"), false);
    const struct option *o = find(name + 3, len - 3, false);
    return o && o->kind == KIND_BOOL ? o : NULL;
}

static struct word take_apart(const char *text, bool is_pipe)
{
    struct word w = {.text = text};
    if (strncmp(text, "--", 2) != 0)
        return w;
    const char *name = text + 2, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    w.value = equals ? equals + 1 : NULL;
    w.option = find(name, len, is_pipe);
    if (!w.option) {
        w.option = find_negated(name, len);
        w.is_negated = w.option != NULL;
    }
    return w;
}

/* ---- obeying ---- */

/* Over options the environment has the last word, by which a person overrules a program. Here a person has typed the
 * option, and overrules an environment that was set before; programs that we start see the same. */
static int export_value(const char *name, const char *value)
{
    char variable[64] = "MPLOG_";
    size_t n = strlen(variable);
    for (; *name; name++)
        variable[n++] = (char)(*name == '-' ? '_' : *name - 'a' + 'A');
    return setenv(variable, value, 1) < 0 ? mpl_report_fatal("set", variable, strerror(errno)) : 0;
}

/* Children that have changed their directory must find the same path in the environment. NULL: an error, in errno. */
char *mpl_args_absolute(const char *path)
{
    char *directory, *joined = NULL;
    if (path[0] == '/' || !path[0])
        return strdup(path);
    directory = getcwd(NULL, 0);
    if (directory && asprintf(&joined, "%s/%s", directory, path) < 0)
        joined = NULL;
    free(directory);
    return joined;
}

static int set_option(struct mpl_args *args, const struct option *o, const char *value)
{
    if (o->kind == KIND_PATH && !(value = mpl_args_absolute(value)))
        return mpl_report_fatal("find", "the working directory", strerror(errno));
    if (mplog_options_set(&args->options, o->name, value) < 0)
        return mpl_report_usage("%s", mplog_last_error());
    return export_value(o->name, value);
}

static int apply(struct mpl_args *args, const struct option *o, const char *value)
{
    switch (o->kind) {
    case KIND_NAME: args->name = value; return 0;
    case KIND_RECORD_LEVEL:
        args->record_level = mplog_level_from_name(value);
        if (args->record_level < 0)
            return mpl_report_usage("record_level: \"%s\" is not a level's name or number", value);
        return 0;
    default: return set_option(args, o, value);
    }
}

/* `next` is the word behind, NULL at the end; *is_next_used: it was the value. */
static int obey(struct mpl_args *args, const struct word *w, const char *next, bool *is_next_used)
{
    bool is_bool = w->option && w->option->kind == KIND_BOOL;
    *is_next_used = !is_bool && !w->value;
    if (!w->option)
        return mpl_report_usage("there is no option %s", w->text);
    if (w->is_negated && w->value)
        return mpl_report_usage("%s: a value makes no sense here", w->text);
    if (*is_next_used && !next)
        return mpl_report_usage("%s needs a value: %s", w->text, w->option->value_name);
    if (is_bool && !w->value)
        return apply(args, w->option, w->is_negated ? "false" : "true");
    return apply(args, w->option, w->value ? w->value : next);
}

int mpl_args_parse(struct mpl_args *args, int argc, char **argv)
{
    bool is_pipe = strcmp(argv[0], "pipe") == 0, is_next_used;
    int i = 1;
    *args = (struct mpl_args){.options = MPLOG_OPTIONS_INIT, .name = "stdin", .record_level = MPLOG_INFO};
    for (; i < argc && argv[i][0] == '-' && argv[i][1] && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            args->wants_help = true;
            return 0;
        }
        struct word w = take_apart(argv[i], is_pipe);
        int status = obey(args, &w, argv[i + 1], &is_next_used);
        if (status)
            return status;
        i += is_next_used;
    }
    args->rest = argv + i + (i < argc && strcmp(argv[i], "--") == 0);
    return 0;
}

const char *mpl_args_ring_dir(void)
{
    const char *dir = getenv("MPLOG_RING_DIR");
    return dir && dir[0] ? dir : NULL;
}

/* Whoever said so: options that were given stand in the environment, too. */
static bool is_silent(void)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    const char *file = getenv("MPLOG_LOG_FILE"), *to_stderr = getenv("MPLOG_LOG_TO_STDERR");
    bool has_stderr = !to_stderr || mplog_options_set(&o, "log_to_stderr", to_stderr) < 0 || o.log_to_stderr;
    return !has_stderr && !(file && file[0]);
}

int mpl_args_set_up(const struct mpl_args *args)
{
    const char *inherited = getenv("MPLOG_SESSION");
    int error = mplog_setup_logging(&args->options);
    if (error == -EINVAL || error == -ENOENT)
        return mpl_report_usage("%s", mplog_last_error());
    if (error)
        return mpl_report_fatal("set up", "logging", mplog_last_error());
    bool is_own = getenv("MPLOG_SESSION") != inherited; /* where another one is joined, that has its own outputs */
    if (!is_own || !is_silent())
        return 0;
    mplog_shutdown_logging();
    return mpl_report_usage("the log goes nowhere: standard error is turned off, and there is no --log-file");
}

/* ---- help ---- */

static const char usage[] =
    "Logs of many processes: complete, in order, rotated.\n"
    "\n"
    "  mplog run --log-file app.log -- ./server --port 80\n"
    "  mplog run --log-file all.log --no-stderr -- sh -c './a & ./b; wait'\n"
    "  make 2>&1 | mplog pipe --log-file build.log --name make\n"
    "\n"
    "usage: mplog run [OPTION ...] [--] CMD [ARG ...]   log what CMD writes, line by\n"
    "                                                   line, and end as it does\n"
    "       mplog pipe [OPTION ...]                     log the lines of stdin\n"
    "       mplog stat [--json] [FILE]                  running logs in numbers\n"
    "       mplog recover [--dry-run] [DIR]             write what is left when all\n"
    "                                                   processes were killed\n"
    "       mplog --help | --version\n"
    "\n"
    "Options of run and pipe, in brackets their defaults. In the environment they\n"
    "are MPLOG_LOG_FILE and so on; what is given here wins.\n";

int mpl_args_help(void)
{
    printf("%s", usage);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        int n = printf("  --%s %s", options[i].name, options[i].value_name);
        printf("%*s%s\n", 28 - n, "", options[i].help);
    }
    return mpl_report_stdout("the help text");
}
