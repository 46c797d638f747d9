/* SPDX-License-Identifier: Unlicense
 *
 * The extension behind the mplog package: what its files share.
 *
 *     _mplog.c         the module and its functions
 *     _mplog_session.c set-up, sinks, flush: arguments and errors
 *     _mplog_logger.c  the classes that loggers are given
 *     _mplog_state.c   what is known of a logger and its path to the root, and whether it still holds
 *     _mplog_world.c   the same of everything all loggers share: classes, switches, factories
 *     _mplog_log.c     one log call, from arguments to a record
 *     _mplog_format.c  formats, and which arguments may travel as they are
 *     _mplog_caller.c  the call site
 *     _mplog_names.c   thread, process and task
 *     _mplog_handler.c where they arrive
 *     _mplog_emit.c    LogRecords that were born elsewhere
 *     _mplog_write.c   laying a record down in the ring, or waiting for room
 *     _mplog_text.c    str to UTF-8
 *
 * All of it runs under the GIL unless it says otherwise, in the main interpreter only. Functions that may raise return
 * -1 or NULL then.
 */
#ifndef MPLOG_PYTHON_H
#define MPLOG_PYTHON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "output/pyformat.h"
#include "producer/binding.h"

#if PY_VERSION_HEX < 0x03090000
#define Py_IS_TYPE(o, type) (Py_TYPE(o) == (type))
#endif

#define mplpy_likely(x) __builtin_expect(!!(x), 1)
#define mplpy_unlikely(x) __builtin_expect(!!(x), 0)

/* ---- names that are looked up again and again (_mplog.c) ---- */

/* clang-format off */
#define MPLPY_NAMES(X) \
    X(_active) X(_cache) X(_clear_cache) X(_current_process) X(_fields) X(_handle) X(_is_fast) X(_levelToName) X(_log) \
    X(_logRecordFactory) X(_name) X(_session) X(_sinks) X(_srcfile) X(__class__) X(__dict__) X(__init__) X(args) \
    X(asctime) X(asyncio) X(callHandlers) X(converter) X(created) X(critical) X(current_process) X(current_task) \
    X(current_thread) X(debug) X(default_msec_format) X(default_time_format) X(disabled) X(emit) X(error) \
    X(exc_info) X(exc_text) X(exception) X(extra) X(filename) X(filter) X(filters) X(findCaller) X(format) \
    X(formatException) X(formatMessage) X(formatStack) X(formatTime) X(Formatter) X(funcName) X(getEffectiveLevel) \
    X(getLevelName) X(getMessage) X(get_ident) X(get_name) X(handle) X(handlers) X(info) X(isEnabledFor) X(level) \
    X(levelname) X(levelno) X(lineno) X(log) X(logAsyncioTasks) X(logMultiprocessing) X(logProcesses) X(logThreads) \
    X(LogRecord) X(makeRecord) X(manager) X(message) X(module) X(msecs) X(msg) X(multiprocessing) X(name) X(parent) \
    X(pathname) X(process) X(processName) X(propagate) X(stack_info) X(stacklevel) X(taskName) X(thread) \
    X(threadName) X(usesTime) X(warning)
/* clang-format on */

struct mplpy_names {
#define MPLPY_NAME(name) PyObject *name;
    MPLPY_NAMES(MPLPY_NAME)
#undef MPLPY_NAME
};
extern struct mplpy_names mplpy_name;

/* ---- counters, for tests and people (mplog._mplog.stats) ---- */

struct mplpy_stats {
    uint64_t fast_calls;     /* records that went into the ring without a LogRecord */
    uint64_t deferred_calls; /* ... with their arguments as they were */
    uint64_t slow_calls;     /* calls that were handed to the stock method */
    uint64_t records;        /* LogRecords that were taken over attribute by attribute */
    uint64_t lines;          /* ... and as a finished line */
    uint64_t format_errors;
    uint64_t waits; /* for a full ring */
};
extern struct mplpy_stats mplpy_stats;

/* Tests: nothing is fast. */
extern bool mplpy_is_forced_slow;

/* ---- _mplog_text.c ---- */

/* Bytes of `s` in UTF-8; surrogates, which have no place there, count as the six characters \udxxx. */
uint64_t mplpy_text_bytes_any(PyObject *s);
char *mplpy_text_put_any(PyObject *s, char *at);

static inline bool mplpy_text_is_ascii(PyObject *s) { return PyUnicode_IS_COMPACT_ASCII(s); }

/* Surrogates that stand alone: widths and precisions count each as one character, and the collector would see six. What
 * has any is formatted at the call. */
bool mplpy_text_has_surrogates(PyObject *s);

static inline uint64_t mplpy_text_bytes(PyObject *s)
{
    return mplpy_likely(mplpy_text_is_ascii(s)) ? (uint64_t)PyUnicode_GET_LENGTH(s) : mplpy_text_bytes_any(s);
}

/* Most texts are short: two overlapping copies of a fixed size instead of a call. */
static inline void mplpy_bytes_put(char *at, const char *from, size_t n)
{
    if (n > 32) {
        memcpy(at, from, n);
    } else if (n >= 16) {
        memcpy(at, from, 16);
        memcpy(at + n - 16, from + n - 16, 16);
    } else if (n >= 8) {
        memcpy(at, from, 8);
        memcpy(at + n - 8, from + n - 8, 8);
    } else if (n >= 4) {
        memcpy(at, from, 4);
        memcpy(at + n - 4, from + n - 4, 4);
    } else {
        for (size_t i = 0; i < n; i++)
            at[i] = from[i];
    }
}

/* Writes the bytes; returns where they end. */
static inline char *mplpy_text_put(PyObject *s, char *at)
{
    if (mplpy_unlikely(!mplpy_text_is_ascii(s)))
        return mplpy_text_put_any(s, at);
    size_t n = (size_t)PyUnicode_GET_LENGTH(s);
    mplpy_bytes_put(at, (const char *)((PyASCIIObject *)s + 1), n);
    return at + n;
}

/* An exact str whose representation is there. */
static inline bool mplpy_is_text(PyObject *o)
{
#if PY_VERSION_HEX < 0x030C0000
    return PyUnicode_CheckExact(o) && PyUnicode_IS_READY(o);
#else
    return PyUnicode_CheckExact(o);
#endif
}

/* A new str in UTF-8 with a NUL behind it; PyMem_Free it. NULL with an exception. */
char *mplpy_text_dup(PyObject *s, size_t *len);

/* ---- _mplog_write.c ---- */

/* A message on its way: finished text, or typed arguments. Borrows its objects. */
struct mplpy_body {
    bool is_typed;
    unsigned count;
    uint64_t types, text_bytes;
    uint64_t word[MPL_PYFORMAT_ARGS_MAX];
    PyObject *text[MPL_PYFORMAT_ARGS_MAX]; /* of arguments that are texts */
};

/* An attribute that the record carries itself. */
struct mplpy_field {
    uint32_t tag;
    PyObject *text; /* NULL: a number */
    int64_t number;
};
#define MPLPY_FIELDS_MAX 18u

struct mplpy_call {
    struct mpl_logger *logger;
    int level;
    uint32_t sinks;
    uint64_t site_bits;
    bool has_surrogates; /* in a field: not to be written */
    struct mplpy_body body;
    unsigned field_count, owned_count;
    struct mplpy_field field[MPLPY_FIELDS_MAX];
    PyObject *owned[MPLPY_FIELDS_MAX]; /* released by mplpy_call_end */
};

static inline void mplpy_call_begin(struct mplpy_call *c, struct mpl_logger *logger, int level, uint32_t sinks)
{
    c->logger = logger;
    c->level = level;
    c->sinks = sinks;
    c->site_bits = 0;
    c->has_surrogates = false;
    c->field_count = c->owned_count = 0;
}

static inline void mplpy_call_end(struct mplpy_call *c)
{
    while (c->owned_count > 0)
        Py_DECREF(c->owned[--c->owned_count]);
}

static inline void mplpy_body_set_text(struct mplpy_body *b, PyObject *text)
{
    b->is_typed = false;
    b->count = 1;
    b->text[0] = text;
    b->text_bytes = mplpy_text_bytes(text);
}

static inline void mplpy_add_text(struct mplpy_call *c, uint32_t tag, PyObject *text)
{
    c->field[c->field_count++] = (struct mplpy_field){tag, text, 0};
}
/* The same of a text that may go away before the record is written. */
static inline void mplpy_add_owned(struct mplpy_call *c, uint32_t tag, PyObject *text)
{
    Py_INCREF(text);
    c->owned[c->owned_count++] = text;
    c->has_surrogates |= mplpy_text_has_surrogates(text);
    mplpy_add_text(c, tag, text);
}
static inline void mplpy_add_number(struct mplpy_call *c, uint32_t tag, int64_t number)
{
    c->field[c->field_count++] = (struct mplpy_field){tag, NULL, number};
}

/* 1: written, or lost and counted. 0: this process is in no session, the arguments fit no ring, or fields have
 * surrogates. -1: a signal's handler raised while the call waited. May release the GIL. */
int mplpy_write(const struct mplpy_call *c);

/* ---- _mplog_format.c ---- */

/* A format string that has been seen before. */
struct mplpy_format {
    PyObject *text; /* owned */
    bool can_defer;
    uint64_t site_bits; /* of a site without file and line; 0: not defined */
    unsigned arg_count;
    struct mplpy_conversion {
        uint8_t takes; /* a bit for each enum mpl_pytype */
        char letter;
    } conversion[MPL_PYFORMAT_ARGS_MAX];
};

/* The entry of a str that was seen at least once before, as the same object; NULL: it is new, and noted now. */
struct mplpy_format *mplpy_format_find(PyObject *text);

/* Its bits in a record's ids, defined now if they were not; 0: it is not to be deferred. */
uint64_t mplpy_format_site(struct mplpy_format *f);

/* Fills in the arguments if all may travel as they are. Never raises. */
bool mplpy_format_capture(const struct mplpy_format *f, PyObject *const *args, Py_ssize_t count, struct mplpy_body *b);

/* str of what msg % args gives, by the rules of LogRecord. NULL with an exception. */
PyObject *mplpy_format_now(PyObject *msg, PyObject *const *args, Py_ssize_t count);

int mplpy_format_init(void);

/* ---- _mplog_caller.c ---- */

/* A place in some code that logs. */
struct mplpy_caller {
    PyObject *code; /* owned; NULL: an empty entry */
    int instruction;
    bool is_internal; /* of the logging package or the interpreter: not a caller */
    uint8_t format_changes;
    uint64_t text_bits;           /* site of finished texts */
    uint64_t format_bits;         /* site of `format` */
    PyObject *format, *candidate; /* owned: the format that is defined here; one that was seen once */
    int line;
};

/* The caller as logging's findCaller would find it from a method of a logger, `skip` frames further up. 1; 0: it is for
 * findCaller itself to say. The entry is good until the next call. */
int mplpy_caller_find(int skip, struct mplpy_caller **caller);

/* The site for finished texts at this caller; 0: no room for more. */
uint64_t mplpy_caller_site(struct mplpy_caller *c);

/* The site for that format at this caller; 0: not now. */
uint64_t mplpy_caller_format_site(struct mplpy_caller *c, struct mplpy_format *f);

/* File name, function and line of the entry, borrowed. */
void mplpy_caller_facts(const struct mplpy_caller *c, PyObject **file, PyObject **function, int *line);

int mplpy_caller_init(PyObject *srcfile);
void mplpy_caller_clear(void);

/* ---- _mplog_names.c ---- */

/* What a format may show, bit by bit: the order is that of the module's FIELDS. */
enum mplpy_need {
    MPLPY_NEED_ASCTIME = 1 << 0,
    MPLPY_NEED_CREATED = 1 << 1,
    MPLPY_NEED_FILENAME = 1 << 2,
    MPLPY_NEED_FUNC_NAME = 1 << 3,
    MPLPY_NEED_LEVEL_NAME = 1 << 4,
    MPLPY_NEED_LEVELNO = 1 << 5,
    MPLPY_NEED_LINENO = 1 << 6,
    MPLPY_NEED_MESSAGE = 1 << 7,
    MPLPY_NEED_MODULE = 1 << 8,
    MPLPY_NEED_MSECS = 1 << 9,
    MPLPY_NEED_NAME = 1 << 10,
    MPLPY_NEED_PATHNAME = 1 << 11,
    MPLPY_NEED_PROCESS = 1 << 12,
    MPLPY_NEED_PROCESS_NAME = 1 << 13,
    MPLPY_NEED_RELATIVE = 1 << 14,
    MPLPY_NEED_TASK_NAME = 1 << 15,
    MPLPY_NEED_THREAD = 1 << 16,
    MPLPY_NEED_THREAD_NAME = 1 << 17,

    MPLPY_NEED_CALLER = MPLPY_NEED_FILENAME | MPLPY_NEED_FUNC_NAME | MPLPY_NEED_LINENO | MPLPY_NEED_MODULE |
                        MPLPY_NEED_PATHNAME,
    MPLPY_NEED_ANY_THREAD = MPLPY_NEED_THREAD | MPLPY_NEED_THREAD_NAME,
};

/* Publishes names that have changed; those that a ring cannot carry, and a task's, become fields of `c`. -1: raised. */
int mplpy_names_publish(struct mplpy_call *c, unsigned need);

int mplpy_names_init(PyObject *threading, PyObject *modules);

/* Is get_ident or current_thread not Python's own? (gevent) Set by _mplog_world.c. */
extern bool mplpy_threads_are_patched;

/* ---- _mplog_world.c ---- */

extern PyObject *mplpy_logging;      /* the module's dictionary */
extern PyObject *mplpy_logger_base;  /* logging.Logger */
extern PyObject *mplpy_record_class; /* logging.LogRecord */

/* Changes with every assignment to an attribute of the class or of its bases; 0: none is left to be had. */
static inline unsigned mplpy_type_tag(const PyTypeObject *type)
{
#if PY_VERSION_HEX < 0x030B0000 /* later an invalid tag is 0 */
    if (!(type->tp_flags & Py_TPFLAGS_VALID_VERSION_TAG))
        return 0;
#endif
    return type->tp_version_tag;
}

/* Changes with every assignment to a key. 3.12 and 3.13 call it deprecated, and still keep it. */
static inline uint64_t mplpy_dict_version(PyObject *dict)
{
    _Pragma("GCC diagnostic push")
        _Pragma("GCC diagnostic ignored \"-Wdeprecated-declarations\"") return ((PyDictObject *)dict)
            ->ma_version_tag;
    _Pragma("GCC diagnostic pop")
}

/* What is compared at each call: all in one place. */
#define MPLPY_WORLD_TYPES 5 /* a change of logging.Logger shows in the two that derive from it */
struct mplpy_world {
    uint64_t logging_version, threading_version;
    PyObject *logging, *threading; /* dictionaries of the modules */
    PyTypeObject *type[MPLPY_WORLD_TYPES];
    unsigned tag[MPLPY_WORLD_TYPES];
    bool is_standard; /* as of these versions */
    bool has_tags;    /* else some type has no version to be had, and is looked at each time */
};
extern struct mplpy_world mplpy_world;

/* In one expression without branches, since all of it is in the cache and nearly always true. */
static inline bool mplpy_world_is_unchanged(void)
{
    const struct mplpy_world *w = &mplpy_world;
    uint64_t changes = (mplpy_dict_version(w->logging) ^ w->logging_version) |
                       (mplpy_dict_version(w->threading) ^ w->threading_version) |
                       (mplpy_type_tag(w->type[0]) ^ w->tag[0]) | (mplpy_type_tag(w->type[1]) ^ w->tag[1]) |
                       (mplpy_type_tag(w->type[2]) ^ w->tag[2]) | (mplpy_type_tag(w->type[3]) ^ w->tag[3]) |
                       (mplpy_type_tag(w->type[4]) ^ w->tag[4]);
    return changes == 0 && w->has_tags;
}

bool mplpy_world_look(void);

/* Is everything as the standard library made it? Looks again where something has changed. */
static inline bool mplpy_world_is_standard(void)
{
    return mplpy_likely(mplpy_world_is_unchanged()) ? mplpy_world.is_standard : mplpy_world_look();
}

/* The same of logging.Formatter alone: does it show what the collector would? */
bool mplpy_world_formatter_is_standard(void);

/* Is that attribute of the class a function of the logging module itself? */
bool mplpy_world_is_genuine(PyObject *type, PyObject *name);

int mplpy_world_init(PyObject *logging, PyObject *threading);
void mplpy_world_set_loggers(void);                    /* the types are there */
void mplpy_world_set_handler(PyObject *handler_class); /* mplog.Handler, as it is to be */

/* ---- _mplog_state.c ---- */

#define MPLPY_WATCHED_MAX 24u
#define MPLPY_HANDLERS_MAX 4u

/* A list that must not change for the path to hold. */
struct mplpy_watched {
    PyObject *list; /* owned */
    Py_ssize_t size;
    PyObject *item[2]; /* owned: else another handler could come to their address */
};

struct mplpy_state {
    PyObject *logger; /* the key; not owned */
    PyObject *weak;   /* owned: tells when it goes */
    unsigned generation;
    bool is_plain; /* no method is overridden at the object, and _cache is a dict */
    bool is_fast;  /* and the path leads to handlers of ours alone */
    bool is_disabled;
    PyObject *cache; /* owned */
    /* Standard levels that are known to be disabled, or to be enabled with a fast path, bit by bit, as long as the
     * versions are these. */
    unsigned disabled_levels, enabled_levels, type_tag;
    uint64_t cache_version;
    struct mpl_logger *core;
    unsigned need; /* what the formats of the handlers show */
    unsigned handler_count, watched_count;
    struct {
        long level;
        uint32_t sinks;
    } handler[MPLPY_HANDLERS_MAX];
    struct mplpy_watched watched[MPLPY_WATCHED_MAX];
};

/* Changed by every assignment to an attribute of a logger or handler of ours, and by each change of session. */
extern unsigned mplpy_generation;

/* States by the address of their loggers; open addressing, at most half full. */
struct mplpy_states {
    struct mplpy_state **at;
    size_t mask; /* capacity - 1 */
};
extern struct mplpy_states mplpy_states;

static inline size_t mplpy_state_place(const void *logger)
{
    return (((uintptr_t)logger >> 4) * 0x9e3779b97f4a7c15u >> 20) & mplpy_states.mask;
}

/* The logger's state, not necessarily up to date; NULL: it has none. */
static inline struct mplpy_state *mplpy_state_find(PyObject *logger)
{
    struct mplpy_state *s;
    size_t i = mplpy_state_place(logger);
    while ((s = mplpy_states.at[i]) != NULL && s->logger != logger)
        i = (i + 1) & mplpy_states.mask;
    return s;
}

/* Brings it up to date. Never raises. */
void mplpy_state_refresh(struct mplpy_state *s);

/* Are the lists of the path as they were? */
static inline bool mplpy_state_holds(const struct mplpy_state *s)
{
    for (unsigned i = 0; i < s->watched_count; i++) {
        const struct mplpy_watched *w = &s->watched[i];
        if (PyList_GET_SIZE(w->list) != w->size)
            return false;
        for (Py_ssize_t k = 0; k < w->size; k++) {
            if (PyList_GET_ITEM(w->list, k) != w->item[k])
                return false;
        }
    }
    return true;
}

/* Gives a logger of exactly logging.Logger or logging.RootLogger our class and a state. 1; 0: it is of another class;
 * -1: raised. */
int mplpy_state_adopt(PyObject *logger);

extern PyTypeObject *mplpy_logger_type, *mplpy_root_type, *mplpy_handler_type;

/* ---- _mplog_log.c ---- */

/* One log call whose level is enabled. 1: done. 0: to be done by the stock method. -1: raised. */
int mplpy_log(struct mplpy_state *s, PyObject *level_object, int level, int skip, PyObject *msg, PyObject *const *args,
              Py_ssize_t count);

/* May these keywords be handled without a LogRecord? 1; 0; -1: raised. *skip grows by what stacklevel says. */
int mplpy_log_keywords(PyObject *const *values, PyObject *names, int *skip);

int mplpy_log_init(PyObject *logging);

/* This thread has written to this session before. */
static inline bool mplpy_is_attached(void)
{
    const struct mpl_producer *p = mpl_thread.producer;
    return p && mpl_producer_is_current(p);
}

/* ---- _mplog_logger.c ---- */

int mplpy_logger_init(PyObject *logging);
int mplpy_logger_add_types(PyObject *module);

/* A class derived from `base` that adds no bytes, with those methods. `setattro`: NULL: the base's. */
PyObject *mplpy_make_type(const char *name, PyObject *base, PyMethodDef *methods, setattrofunc setattro,
                          const char *doc);

/* Has the session's set of overridden levels changed since we looked? Then caches are cleared. -1: raised. */
int mplpy_logger_sync_levels(void);

/* ---- _mplog_handler.c ---- */

int mplpy_handler_add_type(PyObject *module);

/* ---- _mplog_emit.c ---- */

/* record -> the sinks. 1: taken; 0: the caller formats it and calls write_line. -1: raised. */
int mplpy_emit(PyObject *record, uint32_t sinks, unsigned need);
int mplpy_emit_line(PyObject *record, uint32_t sinks, PyObject *line);
int mplpy_emit_init(PyObject *logging);

/* ---- _mplog_session.c ---- */

extern PyMethodDef mplpy_session_methods[];

/* A member, or one by birth that has now joined. Releases the GIL. */
bool mplpy_session_ensure(void);
bool mplpy_session_is_setup(void);

#endif
