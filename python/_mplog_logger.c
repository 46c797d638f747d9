/* SPDX-License-Identifier: Unlicense
 *
 * The classes that loggers are given: logging.Logger and logging.RootLogger with some methods in C and no bytes of
 * their own, so that existing loggers can become them. Each method looks whether all is as the standard library made
 * it, and does the work; or it calls the method it stands for, from the same frames.
 */
#include "_mplog.h"

#include "session/session.h"
#include "shm/control.h"

#define LEVEL_LIMIT (1 << (MPL_LEVEL_BITS - 1)) /* what a record's ids can carry */

enum { DEBUG, INFO, WARNING, ERROR, CRITICAL, LEVELS };
static PyObject *level_object[LEVELS];

/* Stock methods that are at work in this thread: what they call of us is not to try the short way again. A count, since
 * greenlets may leave them in another order than they came. */
static _Thread_local unsigned in_stock MPL_TLS_MODEL;

/* ---- the stock methods ---- */

#if PY_VERSION_HEX < 0x03080000
#define VECTORCALL _PyObject_FastCallKeywords
#elif PY_VERSION_HEX < 0x03090000
#define VECTORCALL _PyObject_Vectorcall
#else
#define VECTORCALL PyObject_Vectorcall
#endif

#if PY_VERSION_HEX < 0x03080000
#define VECTOR_COUNT(n) (n)
#else
#define VECTOR_COUNT(n) ((size_t)(n))
#endif

#define STACK_ARGS 12

static PyObject *call_with_self(PyObject *f, PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *stack[STACK_ARGS], **all = stack;
    Py_ssize_t count = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
    if (count + 1 > STACK_ARGS)
        all = PyMem_Malloc((size_t)(count + 1) * sizeof *all);
    if (!all)
        return PyErr_NoMemory();
    all[0] = self;
    if (count > 0)
        memcpy(all + 1, args, (size_t)count * sizeof *all);
    PyObject *result = VECTORCALL(f, all, VECTOR_COUNT(nargs + 1), kwnames);
    if (all != stack)
        PyMem_Free(all);
    return result;
}

static PyObject *call_stock(PyObject *self, PyObject *name, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *f = PyObject_GetAttr(mplpy_logger_base, name);
    if (!f)
        return NULL;
    in_stock++;
    PyObject *result = call_with_self(f, self, args, nargs, kwnames);
    in_stock--;
    Py_DECREF(f);
    return result;
}

/* ---- states ---- */

/* The logger's state, up to date; NULL: a logger of a class derived from ours, or no memory. */
static struct mplpy_state *state_of(PyObject *self)
{
    struct mplpy_state *s = mplpy_state_find(self);
    if (mplpy_unlikely(!s)) {
        if (!Py_IS_TYPE(self, mplpy_logger_type) && !Py_IS_TYPE(self, mplpy_root_type))
            return NULL;
        if (mplpy_state_adopt(self) <= 0) {
            PyErr_Clear();
            return NULL;
        }
        s = mplpy_state_find(self);
    }
    if (mplpy_unlikely(s->generation != mplpy_generation))
        mplpy_state_refresh(s);
    return s;
}

/* ---- levels ---- */

static uint32_t seen_levels; /* generation of the session's overrides that caches of levels take into account */

static uint32_t level_generation(void)
{
    const struct mpl_control *c = mpl_process.control;
    /* Acquire: partner is mpl_control_set_override. */
    return c ? atomic_load_explicit(&c->head.level_generation, memory_order_acquire) : 0;
}

int mplpy_logger_sync_levels(void)
{
    uint32_t generation = level_generation();
    if (generation == seen_levels)
        return 0;
    seen_levels = generation;
    PyObject *manager = PyObject_GetAttr(mplpy_logger_base, mplpy_name.manager);
    PyObject *loggers = manager ? PyObject_GetAttrString(manager, "loggerDict") : NULL;
    PyObject *list = loggers ? PyMapping_Values(loggers) : NULL;
    /* Stock loggers know nothing of overrides. */
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
        if (mplpy_state_adopt(PyList_GET_ITEM(list, i)) < 0)
            Py_CLEAR(list);
    }
    PyObject *done = list ? PyObject_CallMethodObjArgs(manager, mplpy_name._clear_cache, NULL) : NULL;
    Py_XDECREF(list);
    Py_XDECREF(loggers);
    Py_XDECREF(manager);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* 1, 0, -1: raised. The state is plain. */
static int is_enabled(const struct mplpy_state *s, PyObject *self, PyObject *level)
{
    if (mplpy_unlikely(level_generation() != seen_levels) && mplpy_logger_sync_levels() < 0)
        return -1;
#if PY_VERSION_HEX >= 0x03080000
    if (mplpy_unlikely(s->is_disabled))
        return 0;
#endif
    PyObject *known = PyDict_GetItemWithError(s->cache, level);
    if (mplpy_likely(known != NULL))
        return known == Py_True ? 1 : known == Py_False ? 0 : PyObject_IsTrue(known);
    if (PyErr_Occurred())
        return -1;
    PyObject *answer = call_stock(self, mplpy_name.isEnabledFor, &level, 1, NULL);
    int is = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    return is;
}

static PyObject *logger_is_enabled_for(PyObject *self, PyObject *level)
{
    struct mplpy_state *s = state_of(self);
    if (!s || !s->is_plain || !PyLong_CheckExact(level) || !mplpy_world_is_standard())
        return call_stock(self, mplpy_name.isEnabledFor, &level, 1, NULL);
    int is = is_enabled(s, self, level);
    return is < 0 ? NULL : PyBool_FromLong(is);
}

/* The session's word on the logger of that name. */
static bool is_overridden(const char *name, uint32_t generation, int *level)
{
    return generation != 0 && mpl_session_is_setup() &&
           mpl_control_get_override(mpl_process.control, generation, name, level);
}

/* From the name `*name`, which loses its parts on the way, down to `parent` of the same tree: names between two loggers
 * may be overridden without having a logger. */
static bool find_override(char *name, const char *parent, uint32_t generation, int *level)
{
    while (name[0] && strcmp(name, parent) != 0) {
        if (is_overridden(name, generation, level))
            return true;
        char *dot = strrchr(name, '.');
        *(dot ? dot : name) = '\0';
    }
    return false;
}

/* The name of a logger; "" for None. PyMem_Free it. NULL: none that the core could know. */
static char *name_of(PyObject *logger)
{
    size_t len;
    PyObject *name = logger != Py_None ? PyObject_GetAttr(logger, mplpy_name.name) : PyUnicode_New(0, 0);
    char *text = name && mplpy_is_text(name) ? mplpy_text_dup(name, &len) : NULL;
    Py_XDECREF(name);
    PyErr_Clear();
    return text;
}

/* The level that holds between `logger` and its parent: an override, or the logger's own; 0: none. -1: raised. */
static long level_at(PyObject *logger, PyObject *parent, uint32_t generation)
{
    int overridden = 0;
    char *name = name_of(logger), *until = name_of(parent);
    bool is_root = parent == Py_None;
    bool is = name && until && is_overridden(is_root ? "root" : name, generation, &overridden);
    long level = 0;
    if (!is) {
        PyObject *own = PyObject_GetAttr(logger, mplpy_name.level);
        level = own && PyLong_Check(own) ? PyLong_AsLong(own) : 0;
        Py_XDECREF(own);
        if (level == 0 && name && until && !is_root)
            is = find_override(name, until, generation, &overridden);
    }
    PyMem_Free(name);
    PyMem_Free(until);
    return PyErr_Occurred() ? -1 : is ? overridden : level;
}

/* -1: raised. */
static long effective_level(PyObject *self)
{
    uint32_t generation = level_generation();
    PyObject *c = self;
    long level = 0;
    Py_INCREF(c);
    while (c != Py_None && level == 0) {
        PyObject *parent = PyObject_GetAttr(c, mplpy_name.parent);
        level = parent ? level_at(c, parent, generation) : -1;
        Py_DECREF(c);
        if (!parent)
            return -1;
        c = parent;
    }
    Py_DECREF(c);
    return level;
}

static PyObject *logger_get_effective_level(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    if (level_generation() == 0 || !mplpy_world_is_genuine(mplpy_logger_base, mplpy_name.getEffectiveLevel))
        return call_stock(self, mplpy_name.getEffectiveLevel, NULL, 0, NULL);
    long level = effective_level(self);
    return level == -1 && PyErr_Occurred() ? NULL : PyLong_FromLong(level);
}

/* ---- log calls ---- */

/* Nothing has changed since the levels' bits were noted, of which at least one is set. */
static inline bool are_levels_current(const struct mplpy_state *s, PyObject *self)
{
    return s->generation == mplpy_generation && s->type_tag == mplpy_type_tag(Py_TYPE(self)) &&
           s->cache_version == mplpy_dict_version(s->cache) && level_generation() == seen_levels;
}

/* The commonest call of all, as short as can be: a standard level that is disabled. */
static inline bool is_known_disabled(PyObject *self, int which)
{
    const struct mplpy_state *s = mplpy_state_find(self);
    return mplpy_likely(s != NULL) && s->disabled_levels >> which & 1 && are_levels_current(s, self);
}

/* The second commonest: one that is enabled, and leads to handlers of ours alone. */
static inline bool is_known_fast(const struct mplpy_state *s, PyObject *self, int which)
{
    return s && s->enabled_levels >> which & 1 && are_levels_current(s, self) && mplpy_world_is_standard() &&
           mplpy_state_holds(s) && in_stock == 0 && !mplpy_is_forced_slow;
}

static void note_level(struct mplpy_state *s, PyObject *self, int level, bool is_on)
{
    uint64_t version = mplpy_dict_version(s->cache);
    unsigned tag = mplpy_type_tag(Py_TYPE(self));
    if (level % 10 != 0 || level < 10 || level > 50 || tag == 0)
        return;
    if (version != s->cache_version || tag != s->type_tag)
        s->disabled_levels = s->enabled_levels = 0;
    s->cache_version = version;
    s->type_tag = tag;
    *(is_on ? &s->enabled_levels : &s->disabled_levels) |= 1u << (level / 10 - 1);
}

/* The short way. 1: done, 0: to be done by the stock method, -1: raised. */
static int try_log(PyObject *self, PyObject *level_obj, int level, int skip, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    struct mplpy_state *s = state_of(self);
    if (mplpy_unlikely(!s || !s->is_plain || nargs < 1 || in_stock > 0 || !mplpy_world_is_standard()))
        return 0;
    int is = is_enabled(s, self, level_obj);
    if (is <= 0) {
        if (is == 0 && s->cache)
            note_level(s, self, level, false);
        return is < 0 ? -1 : 1;
    }
    if (mplpy_unlikely(!s->is_fast || s->generation != mplpy_generation || !mplpy_state_holds(s))) {
        /* Handlers may be ours alone again since we looked last. */
        mplpy_state_refresh(s);
        if (!s->is_fast)
            return 0;
    }
    if (s->cache && s->generation == mplpy_generation)
        note_level(s, self, level, true);
    if (mplpy_unlikely(mplpy_is_forced_slow || !mplpy_is_text(args[0])))
        return 0;
    if (kwnames) {
        is = mplpy_log_keywords(args + nargs, kwnames, &skip);
        if (is <= 0)
            return is;
    }
    return mplpy_log(s, level_obj, level, skip, args[0], args + 1, nargs - 1);
}

/* ---- last words ---- */

#if PY_VERSION_HEX < 0x030D0000
#define Py_IsFinalizing _Py_IsFinalizing
#endif

/* The interpreter ends and has emptied the logging module, so that the stock methods can only raise. */
static bool is_late(void)
{
    PyObject *srcfile = Py_IsFinalizing() ? PyDict_GetItem(mplpy_logging, mplpy_name._srcfile) : Py_True;
    return !srcfile || srcfile == Py_None;
}

/* What is logged then, by some __del__, is still written, under the names that the thread had last; or not at all. */
static PyObject *log_late(PyObject *self, PyObject *level_obj, PyObject *const *args, Py_ssize_t nargs)
{
    struct mplpy_state *s = state_of(self);
    long level = PyLong_AsLong(level_obj), limit = effective_level(self);
    if (!PyErr_Occurred() && s && s->is_fast && level >= limit && nargs > 0 && mplpy_is_text(args[0])) {
        s->need &= (unsigned)MPLPY_NEED_CALLER;
        mplpy_log(s, level_obj, (int)level, 0, args[0], args + 1, nargs - 1);
    }
    PyErr_Clear();
    Py_RETURN_NONE;
}

/* Not inlined: its frame would cost the disabled call 3 ns. */
__attribute__((noinline)) static PyObject *log_at(PyObject *self, int which, PyObject *name, PyObject *const *args,
                                                  Py_ssize_t nargs, PyObject *kwnames)
{
    struct mplpy_state *s = mplpy_state_find(self);
    int done;
    if (mplpy_likely(nargs > 0 && !kwnames && is_known_fast(s, self, which) && mplpy_is_text(args[0])))
        done = mplpy_log(s, level_object[which], (which + 1) * 10, 0, args[0], args + 1, nargs - 1);
    else
        done = try_log(self, level_object[which], (which + 1) * 10, 0, args, nargs, kwnames);
    if (mplpy_likely(done > 0))
        Py_RETURN_NONE;
    if (done < 0)
        return NULL;
    if (mplpy_unlikely(is_late()))
        return log_late(self, level_object[which], args, nargs);
    mplpy_stats.slow_calls += in_stock == 0;
    return call_stock(self, name, args, nargs, kwnames);
}

#define LOG_METHOD(which, name)                                                                                        \
    static PyObject *logger_##name(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)         \
    {                                                                                                                  \
        if (mplpy_likely(nargs > 0) && is_known_disabled(self, which))                                                 \
            Py_RETURN_NONE;                                                                                            \
        return log_at(self, which, mplpy_name.name, args, nargs, kwnames);                                             \
    }
LOG_METHOD(DEBUG, debug)
LOG_METHOD(INFO, info)
LOG_METHOD(WARNING, warning)
LOG_METHOD(ERROR, error)
LOG_METHOD(CRITICAL, critical)

/* Its traceback costs more than a LogRecord; only whether it is wanted at all is worth a look. */
static PyObject *logger_exception(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    struct mplpy_state *s = state_of(self);
    if (s && s->is_plain && nargs > 0 && in_stock == 0 && mplpy_world_is_standard()) {
        int is = is_enabled(s, self, level_object[ERROR]);
        if (is < 0)
            return NULL;
        if (is == 0)
            Py_RETURN_NONE;
    }
    if (mplpy_unlikely(is_late()))
        return log_late(self, level_object[ERROR], args, nargs);
    mplpy_stats.slow_calls += in_stock == 0;
    return call_stock(self, mplpy_name.exception, args, nargs, kwnames);
}

static bool is_level(PyObject *o, int *level)
{
    int overflow;
    if (!PyLong_CheckExact(o))
        return false;
    long value = PyLong_AsLongAndOverflow(o, &overflow);
    *level = (int)value;
    return !overflow && value > -LEVEL_LIMIT && value < LEVEL_LIMIT;
}

static PyObject *logger_log(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    int level, done = 0;
    if (nargs >= 2 && is_level(args[0], &level))
        done = try_log(self, args[0], level, 0, args + 1, nargs - 1, kwnames);
    if (done > 0)
        Py_RETURN_NONE;
    if (done < 0)
        return NULL;
    if (mplpy_unlikely(is_late()) && nargs >= 2)
        return log_late(self, args[0], args + 1, nargs - 1);
    mplpy_stats.slow_calls += in_stock == 0;
    return call_stock(self, mplpy_name.log, args, nargs, kwnames);
}

/* _log(level, msg, args), as helpers for levels of their own call it: the level has been looked at already. Up to 3.10
 * findCaller passes over the frame that calls _log. */
static int try_low_level(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    struct mplpy_state *s = state_of(self);
    int level, skip = PY_VERSION_HEX < 0x030B0000;
    if (nargs != 3 || in_stock > 0 || mplpy_is_forced_slow || !is_level(args[0], &level) || !mplpy_is_text(args[1]) ||
        !PyTuple_CheckExact(args[2]) || !s || !mplpy_world_is_standard())
        return 0;
    if (!s->is_fast || !mplpy_state_holds(s))
        mplpy_state_refresh(s);
    if (!s->is_fast)
        return 0;
    if (kwnames) {
        int is = mplpy_log_keywords(args + nargs, kwnames, &skip);
        if (is <= 0)
            return is;
    }
    PyObject *tuple = args[2];
    Py_INCREF(tuple);
    int done = mplpy_log(s, args[0], level, skip, args[1], PySequence_Fast_ITEMS(tuple), PyTuple_GET_SIZE(tuple));
    Py_DECREF(tuple);
    return done;
}

static PyObject *logger__log(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    int done = try_low_level(self, args, nargs, kwnames);
    if (done > 0)
        Py_RETURN_NONE;
    if (done < 0)
        return NULL;
    mplpy_stats.slow_calls += in_stock == 0;
    return call_stock(self, mplpy_name._log, args, nargs, kwnames);
}

/* Any attribute: one of them may replace a method. */
static int logger_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    mplpy_generation++;
    return PyObject_GenericSetAttr(self, name, value);
}

/* ---- the types ---- */

#define LOGGER_METHOD(name)                                                                                            \
    {                                                                                                                  \
#name, (PyCFunction)(void (*)(void))logger_##name, METH_FASTCALL | METH_KEYWORDS,                              \
            PyDoc_STR("As logging.Logger." #name ".")                                                                  \
    }

static PyMethodDef logger_methods[] = {
    LOGGER_METHOD(debug),
    LOGGER_METHOD(info),
    LOGGER_METHOD(warning),
    LOGGER_METHOD(error),
    LOGGER_METHOD(critical),
    LOGGER_METHOD(exception),
    LOGGER_METHOD(log),
    LOGGER_METHOD(_log),
    {"isEnabledFor", logger_is_enabled_for, METH_O, PyDoc_STR("As logging.Logger.isEnabledFor.")},
    {"getEffectiveLevel", logger_get_effective_level, METH_NOARGS,
     PyDoc_STR("As logging.Logger.getEffectiveLevel, after what mplog.set_level says.")},
    {NULL, NULL, 0, NULL},
};

/* The size is that of the base, which differs from version to version. */
PyObject *mplpy_make_type(const char *name, PyObject *base, PyMethodDef *methods, setattrofunc setattro,
                          const char *doc)
{
    PyType_Slot slots[] = {
        {Py_tp_methods, methods},
        {Py_tp_doc, (void *)(uintptr_t)doc},
        {setattro ? Py_tp_setattro : 0, (void *)setattro},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = name,
        .basicsize = (int)((PyTypeObject *)base)->tp_basicsize,
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
        .slots = slots,
    };
    PyObject *bases = PyTuple_Pack(1, base);
    PyObject *type = bases ? PyType_FromSpecWithBases(&spec, bases) : NULL;
    Py_XDECREF(bases);
    return type;
}

static PyTypeObject *make_type(const char *name, PyObject *base)
{
    return (PyTypeObject *)mplpy_make_type(name, base, logger_methods, logger_setattro,
                                           "A logger whose records go into shared memory.");
}

int mplpy_logger_init(PyObject *logging)
{
    for (int i = 0; i < LEVELS; i++) {
        level_object[i] = PyLong_FromLong((i + 1) * 10);
        if (!level_object[i])
            return -1;
    }
    PyObject *root_base = PyObject_GetAttrString(logging, "RootLogger");
    mplpy_logger_type = make_type("mplog.Logger", mplpy_logger_base);
    mplpy_root_type = root_base ? make_type("mplog.RootLogger", root_base) : NULL;
    Py_XDECREF(root_base);
    if (!mplpy_logger_type || !mplpy_root_type)
        return -1;
    mplpy_world_set_loggers();
    return 0;
}

int mplpy_logger_add_types(PyObject *module)
{
    Py_INCREF(mplpy_logger_type);
    if (PyModule_AddObject(module, "Logger", (PyObject *)mplpy_logger_type) < 0)
        return -1;
    Py_INCREF(mplpy_root_type);
    return PyModule_AddObject(module, "RootLogger", (PyObject *)mplpy_root_type);
}
