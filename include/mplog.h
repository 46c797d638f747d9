/* SPDX-License-Identifier: Unlicense
 *
 * mplog: one complete, ordered, rotated log from many processes, threads and event loops.
 *
 *     #include <mplog.h>
 *
 *     int main(void)
 *     {
 *         struct mplog_options o = MPLOG_OPTIONS_INIT;
 *         o.log_file = "app.log";
 *         if (mplog_setup_logging(&o) < 0) {
 *             fprintf(stderr, "%s\n", mplog_last_error());
 *             return 1;
 *         }
 *         mplog_logger *log = mplog_get_logger("app");
 *         mplog_info(log, "listening on port %d", 8080);
 *         if (fork() == 0)
 *             mplog_info(log, "a child is a member by itself");
 *     }
 *
 * A log call copies its arguments into a ring in shared memory and returns; a collector, a helper process that set-up
 * starts, formats the records of all processes in time order and writes them. Once a call has returned, its record
 * survives the death of any or all processes, for as long as the machine runs.
 *
 * Children need no set-up: a forked child, or a program started from a member, joins the session with its first record.
 *
 * Every function may be called from any thread. A log call never fails, prints or waits for a disk; it preserves errno,
 * is no cancellation point, and may be made before set-up, after shutdown, in a forked child of a multithreaded parent,
 * and in a signal handler, also one that has interrupted another log call of its thread, or set-up or shutdown: its
 * record stands between those around it, or is counted as lost, where no memory for it is to be had without a lock that
 * the interrupted code may hold. Set up, or log once, before: a first call allocates memory, as does one that has to
 * start a collector's thread. A child that a handler forks in the middle of a log call must not return from it.
 *
 * A log call needs 4 KiB of stack; 8 KiB the first one of a process, and those in a handler that has interrupted set-up
 * or the like; 12 KiB those with floating-point numbers after shutdown. An alternate stack for handlers needs, besides,
 * what the kernel puts there: sysconf(_SC_MINSIGSTKSZ), up to 3.5 KiB with AVX-512.
 *
 * All other functions are neither async-signal-safe nor to be called in a forked child of a multithreaded parent while
 * another thread might have been inside them, unless their text says so.
 *
 * The environment has the last word over options: MPLOG_LEVEL, MPLOG_LOG_FILE, MPLOG_MAX_BYTES ... for each field of
 * struct mplog_options, in capital letters. Set-id programs ignore it.
 *
 * Link with -lmplog (pkg-config mplog). C11 or C++17; gcc or clang.
 */
#ifndef MPLOG_H
#define MPLOG_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define MPLOG_BEGIN_DECLS_ extern "C" {
#define MPLOG_END_DECLS_ }
#else
#define MPLOG_BEGIN_DECLS_
#define MPLOG_END_DECLS_
#endif
#define MPLOG_API __attribute__((visibility("default")))
#define MPLOG_PRINTF_(text_arg, first_arg) __attribute__((format(printf, text_arg, first_arg)))

MPLOG_BEGIN_DECLS_

/* ---- version ---- */

#define MPLOG_VERSION "0.1.0"

/* The version of the library that is running, which need not be the one compiled against. Never NULL. */
MPLOG_API const char *mplog_version(void);

/* ---- levels: Python's names and numbers; any number between -524288 and 524287 may be used ---- */

enum { MPLOG_NOTSET = 0, MPLOG_DEBUG = 10, MPLOG_INFO = 20, MPLOG_WARNING = 30, MPLOG_ERROR = 40, MPLOG_CRITICAL = 50 };

/* "INFO", "warning", "WARN", "15" -> its number; -EINVAL if it is neither a level's name nor a number above 0.
 * Async-signal-safe. */
MPLOG_API int mplog_level_from_name(const char *name);

/* ---- set-up ---- */

/* Strings: NULL takes the default. They are copied by mplog_setup_logging. */
struct mplog_options {
    /* sizeof(struct mplog_options): set by MPLOG_OPTIONS_INIT, lets the struct grow */
    size_t size;

    /* Records below it are not taken, unless a logger's own level says otherwise. Default MPLOG_INFO. */
    int level;

    /* Path; relative to the directory at set-up. Default NULL: no file. */
    const char *log_file;
    bool log_to_stderr; /* default true */

    /* Python's %-style, for example "%(asctime)s [%(levelname)s] %(name)s: %(message)s". Fields: name levelno levelname
     * pathname filename module lineno funcName created asctime msecs relativeCreated thread threadName process
     * processName taskName message; with flags, width and precision: %(levelname)-8s. The default shows time, level,
     * logger, process (name and pid), thread (name) and message. */
    const char *format_string;

    /* strftime format of %(asctime)s. Default: 2026-11-22 10:00:00,123. Local time of the process that sets up. */
    const char *date_format;

    /* "a": append (default). "w": empty the file at set-up. */
    const char *file_mode;

    /* "utf-8" (default), utf-8-sig, utf-16, utf-32, latin-1, ascii, or any that iconv knows. Characters it lacks appear
     * as \xNN, \uNNNN or \UNNNNNNNN. */
    const char *file_encoding;

    /* The file is rotated before it reaches this size. Default 10 MiB; 0: never. */
    long long max_bytes;

    /* Rotated files kept: app.log.1 (youngest) .. app.log.N. Default 5; 0: no rotation. Each rotation renames all of
     * them while lines wait in memory: 0.3 ms for 60 on ext4, 43 ms for 5,000, which want a larger max_bytes. */
    int backup_count;

    /* When a thread's ring is full, "block" (default) waits up to block_timeout_ms (default 5000) for the collector and
     * then counts the record as lost; "drop" counts it at once. Counts become lines in the log. */
    const char *overflow;
    int block_timeout_ms;

    /* What is shown as \xNN. "control" (default): control characters except newline, tab and colour sequences;
     * "strict": newlines, colours, and what reverses the direction of text, too, so that no record can forge a line;
     * "none". Bytes that are not UTF-8 are shown as \xNN in every mode. */
    const char *escape;

    /* Directory for shared memory. Default: the first that works of /dev/shm, $XDG_RUNTIME_DIR, /tmp. */
    const char *ring_dir;

    /* A thread's ring grows from 64 KiB up to this: default 4 MiB; beyond 1 MiB, or less where many are being written,
     * only where the collector does not get on, or with overflow "drop". Larger messages get a ring of their own. As
     * many bytes of lines wait for a file that cannot be written, while other files or streams take them. */
    long long ring_max_bytes;

    /* Memory for rings per process. Default: 96 MiB, or an eighth of what the cgroup of the process that sets up may
     * have (memory.max), where that is less. Beyond it threads share a ring. */
    long long ring_budget_bytes;

    /* "helper" (default): a process, or a thread where none can be started, or where three have died within a minute
     * (environment: MPLOG_HELPER_DEATHS=N; 0: never for that). "thread": a thread of this process. */
    const char *collector;

    /* When what was written is forced to the disk: "never" (default), "interval" (once a second), "error" (after each
     * record of level ERROR or higher). */
    const char *fsync;

    /* The mplog command. Default: $MPLOG_HELPER, beside the library, beside the executable, libexec. */
    const char *helper;

    /* %(asctime)s in UTC instead of local time. Default false. */
    bool utc;

    /* For bindings: text that the members of the session can ask for. Default NULL. */
    const char *binding;
};

#define MPLOG_OPTIONS_INIT                                                                                             \
    {                                                                                                                  \
        sizeof(struct mplog_options), MPLOG_INFO, NULL, true, NULL, NULL, NULL, NULL, 10LL * 1024 * 1024, 5, NULL,     \
            5000, NULL, NULL, 4LL * 1024 * 1024, 96LL * 1024 * 1024, NULL, NULL, NULL, false, NULL                     \
    }

/* Starts the session that this process and its future children log to. NULL: all defaults.
 *
 * In the process that set up before: the same options do nothing; other options write out what was logged and start a
 * new session for what follows. In a child of a member: joins the inherited session and ignores the options, unless
 * they name another log file, or want stderr where that session has no output but sinks that Python's handlers have
 * added: then a session of the child's own starts.
 *
 * 0, or -errno with a sentence in mplog_last_error() that names the option, its value and the reason; then nothing has
 * changed and nothing is left behind, but that a file is empty where file_mode is "w" and only a last step failed, such
 * as the start of a collector: it is emptied before a child can find the session and log into it. -EINVAL: an option's
 * value. -ENOENT, -EACCES, -EISDIR ...: log_file cannot be opened. Waits for the helper to start (about 1 ms; at most
 * 5 s). Sets the environment variable MPLOG_SESSION, by which children that exec find the session: like every setenv,
 * not while other threads read the environment. */
MPLOG_API int mplog_setup_logging(const struct mplog_options *options);

/* Sets one option from text, spelled as in the environment: name "max_bytes" or "max-bytes", value "10M". The string is
 * kept as a pointer where the field is one. 0, or -ENOENT: no such option, or -EINVAL: not a value for it, with a
 * sentence. */
MPLOG_API int mplog_options_set(struct mplog_options *options, const char *name, const char *value);

/* The sentence for the last failure in this thread, "" if there was none. Never NULL; valid until the thread's next
 * call. */
MPLOG_API const char *mplog_last_error(void);

/* True after a successful set-up or join in this process or, before a fork, in its parent; false after shutdown. */
MPLOG_API bool mplog_is_logging_setup(void);

/* ---- names ---- */

/* %(processName)s of this process, %(threadName)s of this thread. At most 100 bytes of each are kept. Defaults: the
 * program's name; "main", or for other threads their pthread name, or "thread-TID". A forked child keeps its parent's
 * process name. */
MPLOG_API void mplog_set_process_name(const char *name);
MPLOG_API void mplog_set_thread_name(const char *name);

/* ---- loggers ---- */

/* One per name, for the life of the process. Only the inline functions below read these fields. */
typedef struct mplog_logger {
    int level;                          /* effective level */
    unsigned generation;                /* of the session-wide overrides that `level` takes into account */
    const unsigned *session_generation; /* where the current one stands, in shared memory */
} mplog_logger;

/* The logger of that name; NULL, "" or "root": the root logger. Dots make a tree as in Python: a logger without a level
 * of its own has its parent's. Never NULL (out of memory: the root logger). Takes a lock; keep the pointer. */
MPLOG_API mplog_logger *mplog_get_logger(const char *name);

/* The logger's own level, in this process and in children forked later. MPLOG_NOTSET: back to the parent's level. */
MPLOG_API void mplog_set_level(mplog_logger *logger, int level);

/* Overrides the level of the logger of that name in all processes of the session, running or yet to come; MPLOG_NOTSET
 * ends the override. A running process notices with its next log call. 0; -ENOTCONN: no session; -ENOSPC: 64 names are
 * overridden already; -ENAMETOOLONG. */
MPLOG_API int mplog_set_session_level(const char *name, int level);

/* Slow path of mplog_is_enabled_for: brings the logger up to date with the overrides first. */
MPLOG_API bool mplog_logger_refresh(mplog_logger *logger, int level);

/* True if a record of that level would be taken. Async-signal-safe; about 1 ns. */
static inline bool mplog_is_enabled_for(mplog_logger *logger, int level)
{
    const unsigned *shared = __atomic_load_n(&logger->session_generation, __ATOMIC_RELAXED);
    if (__builtin_expect(
            __atomic_load_n(shared, __ATOMIC_RELAXED) != __atomic_load_n(&logger->generation, __ATOMIC_RELAXED), 0))
        return mplog_logger_refresh(logger, level);
    return level >= __atomic_load_n(&logger->level, __ATOMIC_RELAXED);
}

MPLOG_END_DECLS_

/* ---- logging ----
 *
 *     mplog_info(logger, "user %s logged in after %d tries", user, tries);
 *
 * The format is a string literal of printf, checked by the compiler, with up to 32 arguments. It is rendered by the
 * collector, in the C locale. Strings are copied during the call. Arguments are evaluated only if the level is enabled.
 * %s of NULL gives (null), %m the error text of errno, %ls and %lc UTF-8. %n is refused: the record then shows the
 * format, as it does where conversions, texts between them and %% are more than 66. Messages above 16 MiB are cut, and
 * the line says by how much. */
#define mplog_debug(logger, ...) mplog_log(logger, MPLOG_DEBUG, __VA_ARGS__)
#define mplog_info(logger, ...) mplog_log(logger, MPLOG_INFO, __VA_ARGS__)
#define mplog_warning(logger, ...) mplog_log(logger, MPLOG_WARNING, __VA_ARGS__)
#define mplog_error(logger, ...) mplog_log(logger, MPLOG_ERROR, __VA_ARGS__)
#define mplog_critical(logger, ...) mplog_log(logger, MPLOG_CRITICAL, __VA_ARGS__)
#define mplog_log(logger, level, ...) MPLOG_LOG_(logger, level, 0, (void)0, __VA_ARGS__)

/* At level ERROR, with ": <text of errno> (errno N)" at the end. errno is the one before the arguments are evaluated.
 */
#define mplog_error_errno(logger, ...)                                                                                 \
    do {                                                                                                               \
        const int mplog_errno_ = errno;                                                                                \
        MPLOG_LOG_(logger, MPLOG_ERROR, MPLOG_SITE_ERRNO_, errno = mplog_errno_, __VA_ARGS__);                         \
    } while (0)

MPLOG_BEGIN_DECLS_

/* Logs `len` bytes of finished text, taken as they are. For bindings; the record has no call site. */
MPLOG_API void mplog_log_text(mplog_logger *logger, int level, const char *text, size_t len);

/* For wrappers: a call site given by hand and a format that need not be a literal. Formatted during the call. `file`
 * and `function` may be NULL. */
MPLOG_API void mplog_vlog(mplog_logger *logger, int level, const char *file, int line, const char *function,
                          const char *format, va_list arguments) MPLOG_PRINTF_(6, 0);

/* A record in which any attribute may be given. NULL and 0 take what the call itself would have. For bindings. */
struct mplog_record {
    size_t size; /* sizeof(struct mplog_record); set by MPLOG_RECORD_INIT */
    int level;
    const char *level_name;
    const char *message;
    size_t message_len;
    const char *path, *function;
    int line;
    long long created_ns; /* time to be shown, ns since the epoch; the order in the file stays that of the calls */
    unsigned long long thread;
    const char *thread_name;
    unsigned process;
    const char *process_name, *task_name;
    const char *exception_text, *stack_text; /* follow on lines of their own */
};

#define MPLOG_RECORD_INIT                                                                                              \
    {                                                                                                                  \
        sizeof(struct mplog_record), MPLOG_INFO, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                              \
    }

MPLOG_API void mplog_log_record(mplog_logger *logger, const struct mplog_record *record);

/* ---- flush and shutdown ---- */

/* Waits until all records that any process of the session logged before now are written to file and stderr. 0, also at
 * once if logging is not set up; -ETIMEDOUT after `timeout_ms` (negative: 5000); -EIO, without a wait for it, if a file
 * has not been writable for block_timeout_ms: its records wait or are lost, all others are written. The sentence in
 * mplog_last_error() then names the file, the reason and how many records wait. */
MPLOG_API int mplog_flush(int timeout_ms);

/* Writes out what was logged (at most 5 s) and leaves the session; other members go on. Afterwards WARNING and above of
 * this process go to stderr directly, as with Python's last resort, until the next set-up. Not needed at exit: a
 * process that ends waits by itself, at most 5 s, until its records are written. Where that was in vain, either says so
 * in one line on stderr, if descriptor 2 is what it was at set-up, a pipe, or a terminal: which file, why, how many
 * records wait, and that `mplog recover` or the next set-up on the file writes them. */
MPLOG_API void mplog_shutdown_logging(void);

/* From now on SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT of this process, and of children that it forks, first become
 * a record of level CRITICAL: signal, code, address and, where the C library has backtrace(), the stack as file+offset
 * for addr2line. Its thread waits at most 0.5 s until that is written. Then the signal does what it did before this
 * call: the handler of that time runs, or the process dies with the core dump it would have left. One record a process;
 * of several threads that crash at once the first is told.
 *
 * Off by default. MPLOG_CRASH_HANDLER=1 in the environment does the same when a process becomes a member. A thread that
 * logs after this call gets an alternate stack of 64 KiB, if it has none, so that an overflow of its stack can be told;
 * the calling one gets it at once. Call it after set-up, before threads are started, and after other handlers were
 * installed. Before set-up, and after shutdown, the text goes to stderr.
 *
 * 0, or -errno with a sentence. Not async-signal-safe; the handler is: it takes no lock and allocates nothing. */
MPLOG_API int mplog_install_crash_handler(void);

/* ---- for programs that bring their own helper ---- */

/* The body of `mplog collect`: the whole main of the helper process. Returns its exit status. */
MPLOG_API int mplog_collect_main(int argc, char **argv);

/* ---- for the command: sessions from outside. May change with every version ----
 *
 * `ring_dir` as the option: NULL looks into the directories that set-up uses by default. Only sessions of the calling
 * user are seen. Not for processes that log: looking into a session of one's own gives up one's locks on it. */

enum mplog_recovery_outcome {
    MPLOG_RECOVERY_DONE,  /* its records are in its files, and it is removed */
    MPLOG_RECOVERY_WAITS, /* dry run: that is what would be done */
    MPLOG_RECOVERY_SWEPT, /* half-built or half-removed: was deleted, or in a dry run would be */
    MPLOG_RECOVERY_FAILED /* it is still there */
};

struct mplog_recovery {
    const char *dir;      /* of the session, in shared memory */
    const char *log_file; /* "": none */
    enum mplog_recovery_outcome outcome;
    unsigned long long records;
    const char *reason; /* of a failure */
};

/* Writes what sessions have left that are over without having ended: all their processes were killed, or their file
 * could not be written. Those of living processes are not touched. Tells what becomes of each. Returns the number of
 * failures, or -errno with a sentence. Changes TZ and signal handlers of the process. */
MPLOG_API int mplog_recover(const char *ring_dir, bool is_dry_run,
                            void (*tell_fn)(void *arg, const struct mplog_recovery *what), void *arg);

/* Records that were lost, by cause: "full", "dropped", "oversize", "nested", "no_ring", "damaged", "memory"; and
 * "corrupt_bytes", of which nobody knows how many records they were. */
struct mplog_loss_report {
    const char *cause;
    unsigned long long count;
};

/* accepted = written + waiting + lost + skipped + the session's losses but corrupt_bytes; `waiting` includes what waits
 * in rings. Of streams, what was handed over counts as written, and waits in bytes. */
struct mplog_sink_report {
    const char *kind, *name; /* "file", "pipe", "stderr"; its path */
    unsigned long long written, waiting, lost, skipped, bytes, waiting_bytes;
};

struct mplog_member_report {
    unsigned pid;
    const char *name;
    const char *state; /* "joining", "active", "leaving", "dead" */
    unsigned threads, rings;
    unsigned long long waiting, waiting_bytes; /* in its rings */
};

struct mplog_session_report {
    const char *dir, *id, *log_file; /* log_file "": none */
    const char *state;               /* "new", "running", "closing", "removed"; "stale": left behind */
    const char *problem;             /* NULL, or why nothing more could be read */
    bool has_collector;
    unsigned collector_pid; /* the one there is, or the last one */
    const char *collector_kind;
    unsigned long long accepted, waiting, waiting_bytes;
    long long lag_ns; /* age of the oldest record that is not written; 0: there is none; -1: not known */
    const struct mplog_loss_report *losses;
    size_t loss_count;
    const struct mplog_sink_report *sinks;
    size_t sink_count;
    const struct mplog_member_report *members;
    size_t member_count;
};

/* Tells about each session, or those that log to `log_file` (NULL: all). What is told is valid during the call. 0 or
 * -errno with a sentence. Of a session that is working, the numbers are of slightly different moments. */
MPLOG_API int mplog_report_sessions(const char *ring_dir, const char *log_file,
                                    void (*tell_fn)(void *arg, const struct mplog_session_report *report), void *arg);

/* ---- what the macros expand to; not for use by hand ---- */

#define MPLOG_SITE_ERRNO_ 1u

/* Static facts of a call site. The second half belongs to the library and is filled in at the first record. Aligned, so
 * that it never lies in two pages: a fork copies pages one after the other, and must not see half of a site. */
struct __attribute__((aligned(64))) mplog_site {
    const char *format, *file, *function;
    unsigned line, flags;
    uint64_t id;          /* 0: not published yet */
    uint32_t string_mask; /* arguments that are NUL-terminated strings */
    uint16_t fixed_bytes; /* size of a record without its strings */
    uint8_t word_count;
    uint8_t is_simple; /* words and NUL-terminated strings only */
    /* How three words or less are logged, as it suits the format; they need no array then. */
    void (*log_few_fn)(struct mplog_site *site, mplog_logger *logger, int level, uint64_t a, uint64_t b, uint64_t c);
};

MPLOG_API void mplog_site_log(struct mplog_site *site, mplog_logger *logger, int level, const uint64_t *words);

/* What log_few_fn is at first: works for every format. */
MPLOG_API void mplog_site_log_few(struct mplog_site *site, mplog_logger *logger, int level, uint64_t a, uint64_t b,
                                  uint64_t c);

/* Keeps `value` until the log call it is an argument of has copied it; returns a word that leads to it. */
MPLOG_API uint64_t mplog_word_long_double(long double value);

MPLOG_END_DECLS_

/* Never called; its attribute makes the compiler check the arguments. */
static inline int mplog_check_format(const char *format, ...) MPLOG_PRINTF_(1, 2);
static inline int mplog_check_format(const char *format, ...) { return format != NULL; }

/* One argument as a 64-bit word: integers extended by their own sign, doubles by their bits, pointers by their value.
 */
static inline uint64_t mplog_word_signed(long long value) { return (uint64_t)value; }
static inline uint64_t mplog_word_unsigned(unsigned long long value) { return value; }
static inline uint64_t mplog_word_pointer(const volatile void *value) { return (uint64_t)(uintptr_t)value; }
static inline uint64_t mplog_word_double(double value)
{
    uint64_t word;
    __builtin_memcpy(&word, &value, sizeof word);
    return word;
}
static inline uint64_t mplog_word_float(float value) { return mplog_word_double((double)value); }

#ifdef __cplusplus
static inline uint64_t mplog_word(int value) { return mplog_word_signed(value); }
static inline uint64_t mplog_word(long value) { return mplog_word_signed(value); }
static inline uint64_t mplog_word(long long value) { return mplog_word_signed(value); }
static inline uint64_t mplog_word(unsigned value) { return mplog_word_unsigned(value); }
static inline uint64_t mplog_word(unsigned long value) { return mplog_word_unsigned(value); }
static inline uint64_t mplog_word(unsigned long long value) { return mplog_word_unsigned(value); }
static inline uint64_t mplog_word(double value) { return mplog_word_double(value); }
static inline uint64_t mplog_word(long double value) { return mplog_word_long_double(value); }
static inline uint64_t mplog_word(const volatile void *value) { return mplog_word_pointer(value); }
#define MPLOG_WORD_(x) mplog_word(x)
#else
/* The conditional promotes small integers and bit-fields and lets arrays decay, as a variadic call would. */
#define MPLOG_WORD_(x)                                                                                                 \
    _Generic((0 ? (x) : (x)), int                                                                                      \
             : mplog_word_signed, long                                                                                 \
             : mplog_word_signed, long long                                                                            \
             : mplog_word_signed, unsigned                                                                             \
             : mplog_word_unsigned, unsigned long                                                                      \
             : mplog_word_unsigned, unsigned long long                                                                 \
             : mplog_word_unsigned, float                                                                              \
             : mplog_word_float, double                                                                                \
             : mplog_word_double, long double                                                                          \
             : mplog_word_long_double, default                                                                         \
             : mplog_word_pointer)(x)
#endif

#define MPLOG_FIRST_(first, ...) first
#define MPLOG_CAT_(a, b) MPLOG_CAT_2_(a, b)
#define MPLOG_CAT_2_(a, b) a##b

/* How many arguments, the format included. */
#define MPLOG_COUNT_(...)                                                                                              \
    MPLOG_PICK_(__VA_ARGS__, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12,   \
                11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define MPLOG_PICK_(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21,    \
                    a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, n, ...)                                \
    n

/* The words of all arguments but the first, which is the format. */
#define MPLOG_WORDS_1(f) 0
#define MPLOG_WORDS_2(f, a) MPLOG_WORD_(a)
#define MPLOG_WORDS_3(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_2(f, __VA_ARGS__)
#define MPLOG_WORDS_4(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_3(f, __VA_ARGS__)
#define MPLOG_WORDS_5(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_4(f, __VA_ARGS__)
#define MPLOG_WORDS_6(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_5(f, __VA_ARGS__)
#define MPLOG_WORDS_7(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_6(f, __VA_ARGS__)
#define MPLOG_WORDS_8(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_7(f, __VA_ARGS__)
#define MPLOG_WORDS_9(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_8(f, __VA_ARGS__)
#define MPLOG_WORDS_10(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_9(f, __VA_ARGS__)
#define MPLOG_WORDS_11(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_10(f, __VA_ARGS__)
#define MPLOG_WORDS_12(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_11(f, __VA_ARGS__)
#define MPLOG_WORDS_13(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_12(f, __VA_ARGS__)
#define MPLOG_WORDS_14(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_13(f, __VA_ARGS__)
#define MPLOG_WORDS_15(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_14(f, __VA_ARGS__)
#define MPLOG_WORDS_16(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_15(f, __VA_ARGS__)
#define MPLOG_WORDS_17(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_16(f, __VA_ARGS__)
#define MPLOG_WORDS_18(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_17(f, __VA_ARGS__)
#define MPLOG_WORDS_19(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_18(f, __VA_ARGS__)
#define MPLOG_WORDS_20(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_19(f, __VA_ARGS__)
#define MPLOG_WORDS_21(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_20(f, __VA_ARGS__)
#define MPLOG_WORDS_22(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_21(f, __VA_ARGS__)
#define MPLOG_WORDS_23(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_22(f, __VA_ARGS__)
#define MPLOG_WORDS_24(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_23(f, __VA_ARGS__)
#define MPLOG_WORDS_25(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_24(f, __VA_ARGS__)
#define MPLOG_WORDS_26(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_25(f, __VA_ARGS__)
#define MPLOG_WORDS_27(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_26(f, __VA_ARGS__)
#define MPLOG_WORDS_28(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_27(f, __VA_ARGS__)
#define MPLOG_WORDS_29(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_28(f, __VA_ARGS__)
#define MPLOG_WORDS_30(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_29(f, __VA_ARGS__)
#define MPLOG_WORDS_31(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_30(f, __VA_ARGS__)
#define MPLOG_WORDS_32(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_31(f, __VA_ARGS__)
#define MPLOG_WORDS_33(f, a, ...) MPLOG_WORD_(a), MPLOG_WORDS_32(f, __VA_ARGS__)

#define MPLOG_LOG_(logger, level_, flags_, before_, ...)                                                               \
    do {                                                                                                               \
        mplog_logger *const mplog_logger_ = (logger);                                                                  \
        const int mplog_level_ = (level_);                                                                             \
        if (mplog_is_enabled_for(mplog_logger_, mplog_level_)) {                                                       \
            static struct mplog_site mplog_site_ = {"" MPLOG_FIRST_(__VA_ARGS__, 0),                                   \
                                                    __FILE__,                                                          \
                                                    __func__,                                                          \
                                                    __LINE__,                                                          \
                                                    flags_,                                                            \
                                                    0,                                                                 \
                                                    0,                                                                 \
                                                    0,                                                                 \
                                                    0,                                                                 \
                                                    0,                                                                 \
                                                    mplog_site_log_few};                                               \
            const uint64_t mplog_words_[] = {MPLOG_CAT_(MPLOG_WORDS_, MPLOG_COUNT_(__VA_ARGS__))(__VA_ARGS__)};        \
            if (0)                                                                                                     \
                mplog_check_format(__VA_ARGS__);                                                                       \
            before_;                                                                                                   \
            if (sizeof mplog_words_ <= 3 * sizeof(uint64_t))                                                           \
                __atomic_load_n(&mplog_site_.log_few_fn, __ATOMIC_ACQUIRE)(                                            \
                    &mplog_site_, mplog_logger_, mplog_level_, mplog_words_[0],                                        \
                    mplog_words_[sizeof mplog_words_ > 8 ? 1 : 0], mplog_words_[sizeof mplog_words_ > 16 ? 2 : 0]);    \
            else                                                                                                       \
                mplog_site_log(&mplog_site_, mplog_logger_, mplog_level_, mplog_words_);                               \
        }                                                                                                              \
    } while (0)

#endif
