/* SPDX-License-Identifier: Unlicense
 *
 * What is known of a logger: its core logger, its cache of levels, and its path to the root, as long as nothing on it
 * has changed. Our classes add no bytes to a logger (else they could not be given to loggers that exist), so this hangs
 * on a table by address. Every assignment to an attribute of a logger or handler of ours changes the generation; lists,
 * which change in place, are compared.
 */
#include "_mplog.h"

#include <mplog.h>

unsigned mplpy_generation = 1;

static struct mplpy_state *none[1]; /* until the first logger comes */
struct mplpy_states mplpy_states = {none, 0};
static size_t used;
static PyObject *forget_function;

static void insert(struct mplpy_state *s)
{
    size_t i = mplpy_state_place(s->logger);
    while (mplpy_states.at[i])
        i = (i + 1) & mplpy_states.mask;
    mplpy_states.at[i] = s;
    used++;
}

#define LEAST_CAPACITY 64u

static bool grow(void)
{
    struct mplpy_states former = mplpy_states;
    size_t capacity = former.mask ? (former.mask + 1) * 2 : LEAST_CAPACITY;
    if (former.mask && used * 2 < former.mask + 1)
        return true;
    struct mplpy_state **larger = PyMem_Calloc(capacity, sizeof(struct mplpy_state *));
    if (!larger)
        return false;
    mplpy_states = (struct mplpy_states){larger, capacity - 1};
    used = 0;
    for (size_t i = 0; i <= former.mask; i++) {
        if (former.at[i])
            insert(former.at[i]);
    }
    if (former.at != none)
        PyMem_Free(former.at);
    return true;
}

/* Takes the entry out; those behind it that it had displaced move up. */
static struct mplpy_state *take_out(size_t i)
{
    struct mplpy_state **at = mplpy_states.at, *s = at[i];
    at[i] = NULL;
    used--;
    for (size_t k = (i + 1) & mplpy_states.mask; at[k]; k = (k + 1) & mplpy_states.mask) {
        struct mplpy_state *moved = at[k];
        at[k] = NULL;
        used--;
        insert(moved);
    }
    return s;
}

/* Nothing is known before the first object goes: what goes with it may log, and would meet the rest of what was. */
static void drop_path(struct mplpy_state *s)
{
    PyObject *former[3 * MPLPY_WATCHED_MAX + 1];
    unsigned count = 0;
    former[count++] = s->cache;
    for (unsigned i = 0; i < s->watched_count; i++) {
        former[count++] = s->watched[i].list;
        for (Py_ssize_t k = 0; k < s->watched[i].size; k++)
            former[count++] = s->watched[i].item[k];
    }
    s->is_fast = s->is_plain = false;
    s->disabled_levels = s->enabled_levels = 0;
    s->cache = NULL;
    s->watched_count = s->handler_count = 0;
    s->need = 0;
    while (count > 0)
        Py_XDECREF(former[--count]);
}

/* The callback of the weak references: a logger has gone, and its address is soon another object's. */
static PyObject *forget(PyObject *Py_UNUSED(module), PyObject *weak)
{
    for (size_t i = 0; i <= mplpy_states.mask; i++) {
        if (mplpy_states.at[i] && mplpy_states.at[i]->weak == weak) {
            struct mplpy_state *s = take_out(i);
            drop_path(s);
            Py_DECREF(s->weak);
            PyMem_Free(s);
            break;
        }
    }
    Py_RETURN_NONE;
}

static struct mplpy_state *create(PyObject *logger)
{
    static PyMethodDef definition = {"forget", forget, METH_O, NULL};
    if (!forget_function)
        forget_function = PyCFunction_New(&definition, NULL);
    struct mplpy_state *s = forget_function && grow() ? PyMem_Calloc(1, sizeof *s) : NULL;
    if (!s) {
        PyErr_Clear();
        return NULL;
    }
    s->logger = logger;
    s->weak = PyWeakref_NewRef(logger, forget_function);
    if (!s->weak) {
        PyErr_Clear();
        PyMem_Free(s);
        return NULL;
    }
    insert(s);
    return s;
}

/* ---- the path ---- */

static bool is_converted(PyObject *logger)
{
    return Py_IS_TYPE(logger, mplpy_logger_type) || Py_IS_TYPE(logger, mplpy_root_type);
}

/* Takes over `list`. False: it is none, or has more than can be compared. */
static bool watch(struct mplpy_state *s, PyObject *list)
{
    if (!list || !PyList_CheckExact(list) || PyList_GET_SIZE(list) > 2 || s->watched_count == MPLPY_WATCHED_MAX) {
        Py_XDECREF(list);
        return false;
    }
    struct mplpy_watched *w = &s->watched[s->watched_count++];
    *w = (struct mplpy_watched){.list = list, .size = PyList_GET_SIZE(list)};
    for (Py_ssize_t i = 0; i < w->size; i++) {
        w->item[i] = PyList_GET_ITEM(list, i);
        Py_INCREF(w->item[i]);
    }
    return true;
}

static bool is_empty(const struct mplpy_state *s) { return s->watched[s->watched_count - 1].size == 0; }

static bool is_true(PyObject *o, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(o, name);
    int is = value ? PyObject_IsTrue(value) : 0;
    Py_XDECREF(value);
    return is > 0;
}

static bool read_number(PyObject *o, PyObject *name, long *number)
{
    PyObject *value = PyObject_GetAttr(o, name);
    bool is_number = value && PyLong_Check(value);
    if (is_number)
        *number = PyLong_AsLong(value);
    Py_XDECREF(value);
    return is_number && !PyErr_Occurred();
}

static bool add_handler(struct mplpy_state *s, PyObject *handler)
{
    long level, sinks, fields, session;
    if (!Py_IS_TYPE(handler, mplpy_handler_type) || s->handler_count == MPLPY_HANDLERS_MAX ||
        !is_true(handler, mplpy_name._is_fast))
        return false;
    if (!watch(s, PyObject_GetAttr(handler, mplpy_name.filters)) || !is_empty(s))
        return false;
    if (!read_number(handler, mplpy_name._session, &session) || session != (long)mpl_process.sessions)
        return false; /* its sinks are those of another session */
    if (!read_number(handler, mplpy_name.level, &level) || !read_number(handler, mplpy_name._sinks, &sinks) ||
        !read_number(handler, mplpy_name._fields, &fields))
        return false;
    for (unsigned i = 0; i < s->handler_count; i++) {
        if (s->handler[i].sinks & (uint32_t)sinks)
            return false; /* each of the two writes a line of its own */
    }
    s->handler[s->handler_count].level = level;
    s->handler[s->handler_count++].sinks = (uint32_t)sinks;
    s->need |= (unsigned)fields;
    return true;
}

static bool add_handlers(struct mplpy_state *s)
{
    const struct mplpy_watched *w = &s->watched[s->watched_count - 1];
    for (Py_ssize_t i = 0; i < w->size; i++) {
        if (!add_handler(s, w->item[i]))
            return false;
    }
    return true;
}

/* From `logger` to the root, as callHandlers goes. */
static bool walk(struct mplpy_state *s)
{
    PyObject *c = s->logger;
    bool is_good = true;
    Py_INCREF(c);
    while (is_good && c != Py_None) {
        is_good = (is_converted(c) || mplpy_state_adopt(c) > 0) && watch(s, PyObject_GetAttr(c, mplpy_name.handlers)) &&
                  add_handlers(s);
        PyObject *next = is_good && is_true(c, mplpy_name.propagate) ? PyObject_GetAttr(c, mplpy_name.parent) : NULL;
        Py_DECREF(c);
        if (!next)
            return is_good && !PyErr_Occurred();
        c = next;
    }
    Py_DECREF(c);
    return is_good;
}

/* ---- the logger itself ---- */

/* No method that the stock call goes through has been put on the object. */
static bool has_plain_methods(PyObject *logger)
{
    PyObject *const names[] = {mplpy_name._log,       mplpy_name.isEnabledFor, mplpy_name.getEffectiveLevel,
                               mplpy_name.findCaller, mplpy_name.makeRecord,   mplpy_name.handle,
                               mplpy_name.filter,     mplpy_name.callHandlers};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        PyObject *m = PyObject_GetAttr(logger, names[i]);
        /* The class's own, as the world knows it: bound to the logger. */
        bool is_plain = m && ((PyMethod_Check(m) && PyMethod_GET_SELF(m) == logger &&
                               PyMethod_GET_FUNCTION(m) == _PyType_Lookup(Py_TYPE(logger), names[i])) ||
                              (PyCFunction_Check(m) && PyCFunction_GET_SELF(m) == logger && i < 3));
        Py_XDECREF(m);
        if (!is_plain)
            return false;
    }
    return true;
}

static struct mpl_logger *core_logger(PyObject *logger)
{
    struct mpl_logger *core = NULL;
    PyObject *name = PyObject_GetAttr(logger, mplpy_name.name);
    size_t len;
    char *text = name && mplpy_is_text(name) && !mplpy_text_has_surrogates(name) ? mplpy_text_dup(name, &len) : NULL;
    if (text && strlen(text) == len && len > 0)
        core = mpl_logger_of(mplog_get_logger(text));
    PyMem_Free(text);
    Py_XDECREF(name);
    return core;
}

/* Counted, since destructors that log may run in the middle of one (handlers that go, the collector of cycles) and then
 * begin another. */
static unsigned refreshes;

void mplpy_state_refresh(struct mplpy_state *s)
{
    unsigned generation = mplpy_generation, refresh = ++refreshes;
    do
        drop_path(s);
    while (s->cache);
    s->is_disabled = is_true(s->logger, mplpy_name.disabled);
    PyObject *cache = PyObject_GetAttr(s->logger, mplpy_name._cache);
    if (cache && PyDict_CheckExact(cache)) {
        s->cache = cache;
        s->is_plain = is_converted(s->logger) && has_plain_methods(s->logger);
    } else {
        Py_XDECREF(cache);
    }
    if (s->is_plain && !s->is_disabled) {
        s->core = core_logger(s->logger);
        s->is_fast = s->core && watch(s, PyObject_GetAttr(s->logger, mplpy_name.filters)) && is_empty(s) && walk(s) &&
                     s->handler_count > 0;
    }
    if (refresh != refreshes) {
        /* What was walked before the other one may have changed, and its lists were compared after that. */
        s->is_fast = false;
        s->disabled_levels = s->enabled_levels = 0;
    }
    PyErr_Clear();
    s->generation = generation; /* a change meanwhile, as by adopting a parent, is looked at next time */
}

/* ---- adopting ---- */

int mplpy_state_adopt(PyObject *logger)
{
    PyObject *root_base = PyDict_GetItemString(mplpy_logging, "RootLogger");
    PyTypeObject *type = is_converted(logger)                                    ? Py_TYPE(logger)
                         : Py_IS_TYPE(logger, (PyTypeObject *)mplpy_logger_base) ? mplpy_logger_type
                         : (PyObject *)Py_TYPE(logger) == root_base              ? mplpy_root_type
                                                                                 : NULL;
    if (!type)
        return 0;
    if (Py_TYPE(logger) != type && PyObject_SetAttr(logger, mplpy_name.__class__, (PyObject *)type) < 0)
        return -1;
    if (!mplpy_state_find(logger) && !create(logger)) {
        PyErr_NoMemory();
        return -1;
    }
    return 1;
}
