/* SPDX-License-Identifier: Unlicense
 *
 * LogRecords that were born elsewhere: of loggers that are not ours, of factories, of queues, or of ours where
 * something stood in the way. They carry their own attributes. Those that the formats show are taken over if they are
 * what they seem to be; anything else is formatted by logging.Formatter, and its line taken over.
 */
#include "_mplog.h"

#include <math.h>
#include <mplog.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/* created is a float: 2**-22 s apart in this century. */
#define ROUNDING_NS 1000

static PyObject *formatter; /* of tracebacks */

/* ---- attributes ---- */

/* Borrowed; NULL: missing, or not an exact str. */
static PyObject *text_of(PyObject *dict, PyObject *name)
{
    PyObject *value = PyDict_GetItem(dict, name);
    return value && mplpy_is_text(value) ? value : NULL;
}

static bool number_of(PyObject *dict, PyObject *name, int64_t *number)
{
    int overflow;
    PyObject *value = PyDict_GetItem(dict, name);
    if (!value || !PyLong_CheckExact(value))
        return false;
    *number = PyLong_AsLongLongAndOverflow(value, &overflow);
    return !overflow;
}

static bool add_text(struct mplpy_call *c, uint32_t tag, PyObject *dict, PyObject *name)
{
    PyObject *text = text_of(dict, name);
    if (text)
        mplpy_add_owned(c, tag, text);
    return text != NULL;
}

/* 0 counts as "not given" where the collector reads it, and no real record has it. */
static bool add_number(struct mplpy_call *c, uint32_t tag, PyObject *dict, PyObject *name)
{
    int64_t number;
    if (!number_of(dict, name, &number))
        return false;
    mplpy_add_number(c, tag, number);
    return true;
}

static bool add_level(struct mplpy_call *c, PyObject *dict, unsigned need)
{
    int64_t level;
    if (!number_of(dict, mplpy_name.levelno, &level) || level <= -(1 << 19) || level >= 1 << 19)
        return false;
    c->level = (int)level;
    return !(need & MPLPY_NEED_LEVEL_NAME) || add_text(c, MPL_FIELD_LEVEL_NAME, dict, mplpy_name.levelname);
}

/* Does the text end with `part`, which begins behind a slash or at its beginning? */
static bool is_base_name(PyObject *path, PyObject *part)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(path), m = PyUnicode_GET_LENGTH(part);
    Py_ssize_t slash = PyUnicode_FindChar(path, '/', 0, n, -1);
    return m == n - slash - 1 && PyUnicode_Tailmatch(path, part, 0, n, 1) == 1;
}

/* The file's name without its last suffix, as os.path.splitext has it. Names with a dot in front are left to Python. */
static bool is_module_name(PyObject *path, PyObject *module)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(path), m = PyUnicode_GET_LENGTH(module);
    Py_ssize_t begin = PyUnicode_FindChar(path, '/', 0, n, -1) + 1, dot = PyUnicode_FindChar(path, '.', begin, n, -1);
    if (begin == n || dot == begin)
        return false;
    return m == (dot < 0 ? n : dot) - begin && PyUnicode_Tailmatch(path, module, begin, begin + m, -1) == 1;
}

static bool add_caller(struct mplpy_call *c, PyObject *dict, unsigned need)
{
    if (!(need & MPLPY_NEED_CALLER))
        return true;
    PyObject *path = text_of(dict, mplpy_name.pathname);
    PyObject *filename = text_of(dict, mplpy_name.filename), *module = text_of(dict, mplpy_name.module);
    if (!path || (need & MPLPY_NEED_FILENAME && !(filename && is_base_name(path, filename))) ||
        (need & MPLPY_NEED_MODULE && !(module && is_module_name(path, module))))
        return false;
    mplpy_add_owned(c, MPL_FIELD_PATH, path);
    if (need & MPLPY_NEED_LINENO && !add_number(c, MPL_FIELD_LINE, dict, mplpy_name.lineno))
        return false;
    return !(need & MPLPY_NEED_FUNC_NAME) || add_text(c, MPL_FIELD_FUNCTION, dict, mplpy_name.funcName);
}

static bool float_of(PyObject *dict, PyObject *name, double *value)
{
    PyObject *o = PyDict_GetItem(dict, name);
    if (!o || !PyFloat_CheckExact(o))
        return false;
    *value = PyFloat_AS_DOUBLE(o);
    return isfinite(*value);
}

/* Nanoseconds that the collector shows as this record's created and msecs, which were rounded each in its own way. */
static bool add_time(struct mplpy_call *c, PyObject *dict, unsigned need)
{
    double created, msecs;
    if (!(need & (MPLPY_NEED_ASCTIME | MPLPY_NEED_CREATED | MPLPY_NEED_MSECS)))
        return true;
    if (!float_of(dict, mplpy_name.created, &created) || !float_of(dict, mplpy_name.msecs, &msecs) || created < 0 ||
        created > 4e9 || msecs < 0 || msecs >= 1000)
        return false;
    int64_t second = (int64_t)created, rest_ns = (int64_t)((created - (double)second) * 1e9);
    if (rest_ns / NS_PER_MS != (int64_t)msecs) {
        int64_t border_ns = rest_ns / NS_PER_MS < (int64_t)msecs ? (int64_t)msecs * NS_PER_MS
                                                                 : ((int64_t)msecs + 1) * NS_PER_MS - 1;
        if (border_ns - rest_ns > ROUNDING_NS || rest_ns - border_ns > ROUNDING_NS)
            return false; /* somebody has changed one of the two */
        rest_ns = border_ns;
    }
    int64_t created_ns = second * NS_PER_S + rest_ns;
    /* The last microsecond of a second is the collector's to round (output/asctime.c). */
    if (rest_ns > NS_PER_S - ROUNDING_NS || (need & MPLPY_NEED_MSECS && msecs != floor(msecs)) ||
        (need & MPLPY_NEED_CREATED && (double)created_ns / 1e9 != created))
        return false;
    mplpy_add_number(c, MPL_FIELD_CREATED, created_ns);
    return true;
}

static bool add_task(struct mplpy_call *c, PyObject *dict)
{
    PyObject *name = PyDict_GetItem(dict, mplpy_name.taskName);
    if (name != Py_None)
        return add_text(c, MPL_FIELD_TASK_NAME, dict, mplpy_name.taskName);
    PyObject *text = PyUnicode_FromString("None");
    if (text)
        mplpy_add_owned(c, MPL_FIELD_TASK_NAME, text);
    Py_XDECREF(text);
    return text != NULL;
}

static bool add_birth(struct mplpy_call *c, PyObject *dict, unsigned need)
{
    const struct mplpy_names *n = &mplpy_name;
    return (!(need & MPLPY_NEED_NAME) || add_text(c, MPL_FIELD_LOGGER, dict, n->name)) &&
           (!(need & MPLPY_NEED_PROCESS) || add_number(c, MPL_FIELD_PROCESS, dict, n->process)) &&
           (!(need & MPLPY_NEED_PROCESS_NAME) || add_text(c, MPL_FIELD_PROCESS_NAME, dict, n->processName)) &&
           (!(need & MPLPY_NEED_THREAD) || add_number(c, MPL_FIELD_THREAD, dict, n->thread)) &&
           (!(need & MPLPY_NEED_THREAD_NAME) || add_text(c, MPL_FIELD_THREAD_NAME, dict, n->threadName)) &&
           (!(need & MPLPY_NEED_TASK_NAME) || add_task(c, dict));
}

/* ---- what follows the line ---- */

static bool is_something(PyObject *o) { return o && PyObject_IsTrue(o) > 0; }

/* As Formatter.format: the text is kept in the record for other handlers. 1; 0: not a str; -1: raised. */
static int add_exception(struct mplpy_call *c, PyObject *record, PyObject *dict)
{
    PyObject *info = PyDict_GetItem(dict, mplpy_name.exc_info), *text = PyDict_GetItem(dict, mplpy_name.exc_text);
    if (!info || !text)
        return 0;
    if (is_something(info) && !is_something(text)) {
        text = PyObject_CallMethodObjArgs(formatter, mplpy_name.formatException, info, NULL);
        if (!text || PyObject_SetAttr(record, mplpy_name.exc_text, text) < 0) {
            Py_XDECREF(text);
            return -1;
        }
        Py_DECREF(text); /* the record has it */
        text = PyDict_GetItem(dict, mplpy_name.exc_text);
    }
    if (!is_something(text))
        return 1;
    return add_text(c, MPL_FIELD_EXCEPTION, dict, mplpy_name.exc_text);
}

static int add_stack(struct mplpy_call *c, PyObject *dict)
{
    PyObject *stack = PyDict_GetItem(dict, mplpy_name.stack_info);
    if (!stack)
        return 0;
    return is_something(stack) ? add_text(c, MPL_FIELD_STACK, dict, mplpy_name.stack_info) : 1;
}

/* ---- the whole ---- */

/* What getMessage returns; a new reference. NULL: raised. */
static PyObject *message_of(PyObject *record, PyObject *dict)
{
    PyObject *msg = PyDict_GetItem(dict, mplpy_name.msg), *args = PyDict_GetItem(dict, mplpy_name.args);
    bool is_plain = msg && args && mplpy_is_text(msg) && (args == Py_None || PyTuple_CheckExact(args)) &&
                    Py_IS_TYPE(record, (PyTypeObject *)mplpy_record_class) && mplpy_world_is_standard();
    if (!is_plain)
        return PyObject_CallMethodObjArgs(record, mplpy_name.getMessage, NULL);
    Py_INCREF(msg);
    if (args == Py_None || PyTuple_GET_SIZE(args) == 0)
        return msg;
    Py_INCREF(args); /* what is asked for its text may take both out of the record */
    PyObject *message = PyUnicode_Format(msg, args);
    Py_DECREF(args);
    Py_DECREF(msg);
    return message;
}

/* 1; 0: to be formatted; -1: raised. */
static int take_over(struct mplpy_call *c, PyObject *record, PyObject *dict, unsigned need)
{
    PyObject *message = message_of(record, dict);
    if (!message)
        return -1;
    int result = PyObject_SetAttr(record, mplpy_name.message, message) < 0
                     ? -1
                     : mplpy_is_text(message) && !mplpy_text_has_surrogates(message);
    if (result > 0)
        result = add_level(c, dict, need) && add_birth(c, dict, need) && add_caller(c, dict, need) &&
                 add_time(c, dict, need);
    if (result > 0)
        result = add_exception(c, record, dict);
    if (result > 0)
        result = add_stack(c, dict);
    if (result > 0) {
        mplpy_body_set_text(&c->body, message);
        result = mplpy_write(c);
        mplpy_stats.records += result > 0;
    }
    Py_DECREF(message);
    return result;
}

static struct mpl_logger *root(void) { return mpl_logger_of(mplog_get_logger(NULL)); }

int mplpy_emit(PyObject *record, uint32_t sinks, unsigned need)
{
    struct mplpy_call c;
    if (need & MPLPY_NEED_RELATIVE || mplpy_is_forced_slow || !mplpy_world_formatter_is_standard())
        return 0;
    PyObject *dict = PyObject_GetAttr(record, mplpy_name.__dict__);
    if (!dict)
        return -1;
    int result = 0;
    if (PyDict_CheckExact(dict)) {
        mplpy_call_begin(&c, root(), 0, sinks);
        result = take_over(&c, record, dict, need);
        mplpy_call_end(&c);
    }
    Py_DECREF(dict);
    if (result == 0)
        PyErr_Clear();
    return result;
}

/* A line beyond what a record carries is cut, and says so. A new reference. */
static PyObject *limited(PyObject *line)
{
    uint64_t bytes = mplpy_text_bytes(line);
    if (bytes <= MPL_MESSAGE_MAX) {
        Py_INCREF(line);
        return line;
    }
    PyObject *kept = PyUnicode_Substring(line, 0, (Py_ssize_t)(MPL_MESSAGE_MAX / 4));
    PyObject *result = kept ? PyUnicode_FromFormat("%U ... [%llu bytes cut]", kept,
                                                   (unsigned long long)(bytes - mplpy_text_bytes(kept)))
                            : NULL;
    Py_XDECREF(kept);
    return result;
}

int mplpy_emit_line(PyObject *record, uint32_t sinks, PyObject *line)
{
    struct mplpy_call c;
    int64_t level = MPLOG_INFO;
    PyObject *number = PyObject_GetAttr(record, mplpy_name.levelno);
    if (number && PyLong_Check(number))
        level = PyLong_AsLong(number);
    Py_XDECREF(number);
    PyErr_Clear();
    level = level > -(1 << 19) && level < 1 << 19 ? level : MPLOG_INFO; /* matters to the fsync option alone */
    PyObject *text = limited(line), *empty = PyUnicode_New(0, 0);
    int result = -1;
    if (text && empty) {
        mplpy_call_begin(&c, root(), (int)level, sinks);
        mplpy_add_text(&c, MPL_FIELD_LINE_TEXT, text);
        mplpy_body_set_text(&c.body, empty);
        result = mplpy_write(&c);
        mplpy_stats.lines += result > 0;
    }
    Py_XDECREF(text);
    Py_XDECREF(empty);
    return result;
}

int mplpy_emit_init(PyObject *logging)
{
    formatter = PyObject_CallMethod(logging, "Formatter", NULL);
    return formatter ? 0 : -1;
}
