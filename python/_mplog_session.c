/* SPDX-License-Identifier: Unlicense
 *
 * The session, as Python calls it: options from a dictionary, errors to exceptions. What to do when is decided in the
 * package.
 */
#include "_mplog.h"

#include <errno.h>
#include <stdlib.h>

#include <mplog.h>

#include "output/encoding.h"
#include "session/session.h"

#define OPTIONS_MAX 32 /* more than there are */

/* ---- errors ---- */

/* -errno and the core's sentence as an exception. */
static PyObject *raise(int error)
{
    const char *sentence = mplog_last_error();
    if (error == -EINVAL) {
        PyErr_SetString(PyExc_ValueError, sentence);
        return NULL;
    }
    PyObject *arguments = Py_BuildValue("(is)", -error, sentence);
    if (arguments)
        PyErr_SetObject(PyExc_OSError, arguments);
    Py_XDECREF(arguments);
    return NULL;
}

/* ---- options ---- */

struct options {
    struct mplog_options o;
    PyObject *kept[OPTIONS_MAX]; /* owned: the texts lie in them */
    unsigned kept_count;
};

static void release(struct options *o)
{
    while (o->kept_count > 0)
        Py_DECREF(o->kept[--o->kept_count]);
}

/* str, bytes, int and bool as the text that the core reads. */
static PyObject *to_bytes(PyObject *value)
{
    if (PyBytes_Check(value)) {
        Py_INCREF(value);
        return value;
    }
    PyObject *text = PyBool_Check(value) ? PyUnicode_FromString(value == Py_True ? "1" : "0") : PyObject_Str(value);
    PyObject *bytes = text ? PyUnicode_AsEncodedString(text, "utf-8", "surrogateescape") : NULL;
    Py_XDECREF(text);
    return bytes;
}

static bool set_option(struct options *o, const char *name, PyObject *value)
{
    if (value == Py_None)
        return true;
    if (strcmp(name, "level") == 0) {
        o->o.level = (int)PyLong_AsLong(value);
        return !PyErr_Occurred();
    }
    PyObject *bytes = to_bytes(value);
    if (!bytes)
        return false;
    o->kept[o->kept_count++] = bytes;
    if ((size_t)PyBytes_GET_SIZE(bytes) != strlen(PyBytes_AS_STRING(bytes))) {
        PyErr_Format(PyExc_ValueError, "%s: contains a null character", name);
        return false;
    }
    int error = mplog_options_set(&o->o, name, PyBytes_AS_STRING(bytes));
    if (error)
        raise(-EINVAL);
    return error == 0;
}

static bool read_options(struct options *o, PyObject *dict)
{
    static const struct mplog_options defaults = MPLOG_OPTIONS_INIT;
    PyObject *key, *value;
    Py_ssize_t at = 0;
    o->o = defaults;
    o->kept_count = 0;
    while (PyDict_Next(dict, &at, &key, &value)) {
        const char *name = PyUnicode_AsUTF8(key);
        if (!name || o->kept_count == OPTIONS_MAX || !set_option(o, name, value)) {
            release(o);
            return false;
        }
    }
    return true;
}

/* A path's bytes as os.fsdecode has them. */
static PyObject *decode(const char *text)
{
    if (!text)
        Py_RETURN_NONE;
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "surrogateescape");
}

/* ---- the session ---- */

bool mplpy_session_is_setup(void) { return mpl_session_is_setup(); }

bool mplpy_session_ensure(void)
{
    int error;
    if (!mpl_session_is_setup())
        return false;
    uint32_t sessions = mpl_process.sessions;
    Py_BEGIN_ALLOW_THREADS error = mpl_session_join_only(false);
    Py_END_ALLOW_THREADS if (mpl_process.sessions != sessions) mplpy_generation++;
    return error == 0;
}

static PyObject *session_setup(PyObject *Py_UNUSED(module), PyObject *dict)
{
    struct options o;
    int error;
    if (!PyDict_Check(dict) || !read_options(&o, dict))
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "options: a dict is expected");
    Py_BEGIN_ALLOW_THREADS error = mplog_setup_logging(&o.o);
    Py_END_ALLOW_THREADS release(&o);
    mplpy_generation++;
    if (error)
        return raise(error);
    Py_RETURN_NONE;
}

static PyObject *session_join(PyObject *Py_UNUSED(module), PyObject *arg)
{
    int error, asks_parents = PyObject_IsTrue(arg);
    if (asks_parents < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS error = mpl_session_join_only(asks_parents);
    Py_END_ALLOW_THREADS mplpy_generation++;
    return PyBool_FromLong(error == 0);
}

static PyObject *session_shutdown(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    Py_BEGIN_ALLOW_THREADS mplog_shutdown_logging();
    Py_END_ALLOW_THREADS mplpy_generation++;
    Py_RETURN_NONE;
}

/* The thread that waits in session_flush, without the interpreter's lock. */
static _Thread_local PyThreadState *waiting MPL_TLS_MODEL;

/* As for all waits of Python's (PEP 475): signal handlers run meanwhile, and what they raise ends the wait. */
static bool is_interrupted(void)
{
    PyEval_RestoreThread(waiting);
    bool is = PyErr_CheckSignals() < 0;
    waiting = PyEval_SaveThread();
    return is;
}

static PyObject *session_flush(PyObject *Py_UNUSED(module), PyObject *arg)
{
    long timeout_ms = PyLong_AsLong(arg);
    if (timeout_ms == -1 && PyErr_Occurred())
        return NULL;
    PyThreadState *outer = waiting; /* a signal handler may flush, too */
    waiting = PyEval_SaveThread();
    int error = mpl_session_flush((int)timeout_ms, is_interrupted);
    PyEval_RestoreThread(waiting);
    waiting = outer;
    return error == -EINTR && PyErr_Occurred() ? NULL : PyBool_FromLong(error == 0);
}

static PyObject *session_flush_at_end(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    Py_BEGIN_ALLOW_THREADS mpl_session_flush_at_end();
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyObject *session_is_setup(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(mpl_session_is_setup());
}

/* A number that changes with every session this process has been a member of; a fork keeps it until the child joins. */
static PyObject *session_number(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLong(mpl_process.sessions);
}

static PyObject *session_options(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    const struct mplog_options *o = mpl_session_options();
    if (!o)
        Py_RETURN_NONE;
    return Py_BuildValue("{s:i,s:N,s:N,s:N,s:N,s:N,s:N,s:L,s:i,s:N,s:N}", "level", o->level, "log_file",
                         decode(o->log_file), "log_to_stderr", PyBool_FromLong(o->log_to_stderr), "format_string",
                         decode(o->format_string), "date_format", decode(o->date_format), "file_mode",
                         decode(o->file_mode), "file_encoding", decode(o->file_encoding), "max_bytes", o->max_bytes,
                         "backup_count", o->backup_count, "utc", PyBool_FromLong(o->utc), "binding",
                         decode(o->binding));
}

static PyObject *session_check(PyObject *Py_UNUSED(module), PyObject *dict)
{
    static struct mpl_options resolved; /* too large for small stacks; under the GIL */
    struct options o;
    if (!PyDict_Check(dict) || !read_options(&o, dict))
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "options: a dict is expected");
    int error = mpl_options_resolve(&resolved, &o.o, false);
    release(&o);
    if (error)
        return raise(error);
    Py_RETURN_NONE;
}

static PyObject *session_add_sink(PyObject *Py_UNUSED(module), PyObject *dict)
{
    struct options o;
    uint32_t index = 0;
    int error;
    if (!PyDict_Check(dict) || !read_options(&o, dict))
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "options: a dict is expected");
    Py_BEGIN_ALLOW_THREADS error = mpl_session_add_sink(&o.o, &index);
    Py_END_ALLOW_THREADS release(&o);
    mplpy_generation++;
    return error ? raise(error) : PyLong_FromUnsignedLong(index);
}

static PyObject *session_set_level(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *name;
    int level, error;
    if (!PyArg_ParseTuple(args, "zi", &name, &level))
        return NULL;
    error = mplog_set_session_level(name, level);
    if (error)
        return raise(error);
    if (mplpy_logger_sync_levels() < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *session_variable(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return decode(getenv("MPLOG_SESSION"));
}

/* Does the core write that encoding? Others are encoded at the call. */
static PyObject *session_has_encoding(PyObject *Py_UNUSED(module), PyObject *name)
{
    struct mpl_encoding *encoding = NULL;
    const char *text = PyUnicode_AsUTF8(name);
    if (!text)
        return NULL;
    bool has = mpl_encoding_open(&encoding, text) == 0;
    if (has)
        mpl_encoding_close(encoding);
    return PyBool_FromLong(has);
}

static PyObject *session_set_relative_base(PyObject *Py_UNUSED(module), PyObject *arg)
{
    long long base_ns = PyLong_AsLongLong(arg);
    if (base_ns == -1 && PyErr_Occurred())
        return NULL;
    mpl_binding_set_relative_base(base_ns);
    Py_RETURN_NONE;
}

PyMethodDef mplpy_session_methods[] = {
    {"setup", session_setup, METH_O, "setup(options): sets up as mplog_setup_logging does."},
    {"join", session_join, METH_O, "join(asks_parents) -> bool: joins the session this process was born into."},
    {"shutdown", session_shutdown, METH_NOARGS, "Leaves the session."},
    {"flush", session_flush, METH_O, "flush(timeout_ms) -> bool"},
    {"flush_at_end", session_flush_at_end, METH_NOARGS, "Waits, with others that follow each other 5 s at most."},
    {"is_setup", session_is_setup, METH_NOARGS, "Is this process in a session, or will be with its next record?"},
    {"session_number", session_number, METH_NOARGS, "Changes with each session this process joins."},
    {"options", session_options, METH_NOARGS, "The session's options, resolved; None without one."},
    {"check", session_check, METH_O,
     "check(options): raises what add_sink would, but for what is there when it opens."},
    {"add_sink", session_add_sink, METH_O, "add_sink(options) -> its number"},
    {"set_level", session_set_level, METH_VARARGS, "set_level(name, level)"},
    {"session_variable", session_variable, METH_NOARGS, "MPLOG_SESSION, as the C library sees it."},
    {"has_encoding", session_has_encoding, METH_O, "has_encoding(name) -> bool"},
    {"set_relative_base", session_set_relative_base, METH_O, "set_relative_base(ns)"},
    {NULL, NULL, 0, NULL},
};
