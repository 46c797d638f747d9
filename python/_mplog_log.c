/* SPDX-License-Identifier: Unlicense
 *
 * One log call on the short way: no LogRecord, no formatting if it can wait. The order matters: what may run code of
 * the program (names, formatting) comes before entries of tables are looked up, since that code may log, too.
 */
#include "_mplog.h"

/* What LogRecord calls its attributes, and extra must not. */
static PyObject *reserved; /* a frozenset */

static PyObject *levels_to_names, *standard_name[6]; /* by level / 10 */

/* Levels, by level / 10, whose names are the standard ones, as of that version of the dictionary. */
static uint64_t standard_version;
static unsigned standard_levels;

/* ---- keywords ---- */

static int is_allowed_extra(PyObject *extra)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    if (extra == Py_None)
        return 1;
    if (!PyDict_CheckExact(extra))
        return 0;
    while (PyDict_Next(extra, &at, &key, &value)) {
        if (!PyUnicode_CheckExact(key))
            return 0;
        int is_reserved = PySet_Contains(reserved, key);
        if (is_reserved)
            return is_reserved < 0 ? -1 : 0; /* stock raises */
    }
    return 1;
}

static int is_false(PyObject *value) { return value == Py_None || value == Py_False; }

int mplpy_log_keywords(PyObject *const *values, PyObject *names, int *skip)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        int is_good = 0;
        (void)skip; /* 3.7 has no stacklevel */
        if (name == mplpy_name.extra)
            is_good = is_allowed_extra(values[i]);
        else if (name == mplpy_name.exc_info || name == mplpy_name.stack_info)
            is_good = is_false(values[i]);
#if PY_VERSION_HEX >= 0x03080000
        else if (name == mplpy_name.stacklevel && PyLong_CheckExact(values[i])) {
            int overflow;
            long level = PyLong_AsLongAndOverflow(values[i], &overflow);
            is_good = !overflow && level >= 1 && level < 10000;
            *skip += is_good ? (int)level - 1 : 0;
        }
#endif
        if (is_good <= 0)
            return is_good;
    }
    return 1;
}

/* ---- the record ---- */

static uint32_t sinks_for(const struct mplpy_state *s, int level)
{
    uint32_t sinks = 0;
    for (unsigned i = 0; i < s->handler_count; i++)
        sinks |= level >= s->handler[i].level ? s->handler[i].sinks : 0;
    return sinks;
}

static void note_standard(unsigned i)
{
    uint64_t version = mplpy_dict_version(levels_to_names);
    if (version != standard_version)
        standard_levels = 0;
    standard_version = version;
    standard_levels |= 1u << i;
}

static inline bool is_known_standard(int level)
{
    return (unsigned)level <= 50 && level % 10 == 0 && standard_levels >> level / 10 & 1 &&
           mplpy_dict_version(levels_to_names) == standard_version;
}

/* The collector knows the standard names; others travel. False: raised, or no str. */
static bool show_level_name(struct mplpy_call *c, PyObject *level_object)
{
    if (mplpy_likely(is_known_standard(c->level)))
        return true;
    PyObject *name = PyDict_GetItem(levels_to_names, level_object);
    unsigned i = (unsigned)c->level / 10;
    if (c->level % 10 == 0 && i < 6 && name == standard_name[i]) {
        note_standard(i);
        return true;
    }
    if (!name)
        return c->level % 10 != 0 || i >= 6; /* "Level 25" */
    if (!mplpy_is_text(name))
        return false;
    mplpy_add_owned(c, MPL_FIELD_LEVEL_NAME, name);
    return true;
}

static void show_caller(struct mplpy_call *c, const struct mplpy_caller *caller)
{
    PyObject *file, *function;
    int line;
    mplpy_caller_facts(caller, &file, &function, &line);
    mplpy_add_owned(c, MPL_FIELD_PATH, file);
    mplpy_add_owned(c, MPL_FIELD_FUNCTION, function);
    mplpy_add_number(c, MPL_FIELD_LINE, line);
}

/* The arguments as they are. False: not possible. Runs no code of the program. */
static bool defer(struct mplpy_call *c, struct mplpy_caller *caller, PyObject *msg, PyObject *const *args,
                  Py_ssize_t count)
{
    struct mplpy_format *f = mplpy_format_find(msg);
    if (!f || !mplpy_format_capture(f, args, count, &c->body))
        return false;
    c->site_bits = caller ? mplpy_caller_format_site(caller, f) : mplpy_format_site(f);
    return c->site_bits != 0;
}

/* A finished text, which the caller releases. NULL: raised. */
static PyObject *finish(PyObject *msg, PyObject *const *args, Py_ssize_t count)
{
    PyObject *text = count > 0 ? mplpy_format_now(msg, args, count) : msg;
    if (text == msg)
        Py_INCREF(text);
    return text;
}

static int write_text(struct mplpy_call *c, int skip, bool has_caller, PyObject *text)
{
    struct mplpy_caller *caller;
    if (!mplpy_is_text(text) || mplpy_text_has_surrogates(text))
        return 0;
    if (has_caller) {
        if (!mplpy_caller_find(skip, &caller))
            return 0;
        c->site_bits = mplpy_caller_site(caller);
        if (!c->site_bits)
            show_caller(c, caller);
    }
    mplpy_body_set_text(&c->body, text);
    int result = mplpy_write(c);
    mplpy_stats.fast_calls += result > 0;
    return result;
}

static int write_call(struct mplpy_call *c, int skip, bool has_caller, PyObject *msg, PyObject *const *args,
                      Py_ssize_t count)
{
    struct mplpy_caller *caller = NULL;
    if (count > 0) {
        if (has_caller && !mplpy_caller_find(skip, &caller))
            return 0;
        if (defer(c, caller, msg, args, count)) {
            int result = mplpy_write(c);
            mplpy_stats.fast_calls += result > 0;
            mplpy_stats.deferred_calls += result > 0;
            return result;
        }
        c->site_bits = 0;
    }
    PyObject *text = finish(msg, args, count);
    if (!text)
        return 0;
    int result = write_text(c, skip, has_caller, text);
    Py_DECREF(text);
    return result;
}

/* What is wrong with arguments or names the stock method meets again, and reports it as it always does. An interrupt or
 * an exit that came meanwhile does not come again: stock lets it through. 0, or -1. */
static int pass_over_error(void)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception))
        return -1;
    PyErr_Clear();
    return 0;
}

int mplpy_log(struct mplpy_state *s, PyObject *level_object, int level, int skip, PyObject *msg, PyObject *const *args,
              Py_ssize_t count)
{
    struct mplpy_call c;
    unsigned need = s->need;
    if (mplpy_unlikely(!mplpy_is_attached())) {
        unsigned generation = mplpy_generation;
        if (!mplpy_session_ensure() || generation != mplpy_generation)
            return 0;
    }
    mplpy_call_begin(&c, s->core, level, sinks_for(s, level));
    if (c.sinks == 0)
        return 1;
    int result = 0;
    if (mplpy_names_publish(&c, need) == 0 && (!(need & MPLPY_NEED_LEVEL_NAME) || show_level_name(&c, level_object)))
        result = write_call(&c, skip, (need & MPLPY_NEED_CALLER) != 0, msg, args, count);
    if (mplpy_unlikely(result == 0 && PyErr_Occurred()))
        result = pass_over_error();
    mplpy_call_end(&c);
    return result;
}

/* ---- beginning ---- */

int mplpy_log_init(PyObject *logging)
{
    /* What a record has is asked of one. */
    PyObject *maker = PyObject_GetAttrString(logging, "LogRecord");
    PyObject *record = maker ? PyObject_CallFunction(maker, "sisisOO", "", 0, "", 0, "", Py_None, Py_None) : NULL;
    PyObject *dict = record ? PyObject_GetAttr(record, mplpy_name.__dict__) : NULL;
    PyObject *names = dict ? PySequence_List(dict) : NULL;
    if (names && PyList_Append(names, mplpy_name.message) == 0 && PyList_Append(names, mplpy_name.asctime) == 0)
        reserved = PyFrozenSet_New(names);
    Py_XDECREF(names);
    Py_XDECREF(dict);
    Py_XDECREF(record);
    Py_XDECREF(maker);
    levels_to_names = PyObject_GetAttr(logging, mplpy_name._levelToName);
    if (!reserved || !levels_to_names)
        return -1;
    static const char *const texts[] = {"NOTSET", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"};
    for (int i = 0; i < 6; i++) {
        PyObject *number = PyLong_FromLong(i * 10);
        PyObject *name = number ? PyDict_GetItem(levels_to_names, number) : NULL;
        Py_XDECREF(number);
        if (name && PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, texts[i]) == 0) {
            Py_INCREF(name);
            standard_name[i] = name;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}
