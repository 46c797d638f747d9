/* SPDX-License-Identifier: Unlicense */
#include "_mplog.h"

#include <mplog.h>

#include "session/session.h"

struct mplpy_names mplpy_name;
struct mplpy_stats mplpy_stats;
bool mplpy_is_forced_slow;

/* ---- functions ---- */

static PyObject *adopt(PyObject *Py_UNUSED(module), PyObject *logger)
{
    int is_adopted = mplpy_state_adopt(logger);
    return is_adopted < 0 ? NULL : PyBool_FromLong(is_adopted);
}

static PyObject *touch(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    mplpy_generation++;
    Py_RETURN_NONE;
}

static PyObject *emit(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *record;
    unsigned int sinks, need;
    if (!PyArg_ParseTuple(args, "OII", &record, &sinks, &need))
        return NULL;
    int done = mplpy_emit(record, sinks, need);
    return done < 0 ? NULL : PyBool_FromLong(done);
}

static PyObject *emit_line(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *record, *line;
    unsigned int sinks;
    if (!PyArg_ParseTuple(args, "OIU", &record, &sinks, &line))
        return NULL;
    int done = mplpy_emit_line(record, sinks, line);
    return done < 0 ? NULL : PyBool_FromLong(done);
}

static PyObject *use_handler(PyObject *Py_UNUSED(module), PyObject *handler_class)
{
    if (!PyType_Check(handler_class))
        return PyErr_Format(PyExc_TypeError, "a class is expected");
    mplpy_world_set_handler(handler_class);
    Py_RETURN_NONE;
}

static PyObject *count_format_error(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    mplpy_stats.format_errors++;
    Py_RETURN_NONE;
}

static PyObject *stats(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    const struct mplpy_stats *s = &mplpy_stats;
    return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:K,s:K}", "fast_calls", s->fast_calls, "deferred_calls",
                         s->deferred_calls, "slow_calls", s->slow_calls, "records", s->records, "lines", s->lines,
                         "format_errors", s->format_errors, "waits", s->waits);
}

static PyObject *force_slow(PyObject *Py_UNUSED(module), PyObject *arg)
{
    int is = PyObject_IsTrue(arg);
    if (is < 0)
        return NULL;
    mplpy_is_forced_slow = is;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"adopt", adopt, METH_O, "adopt(logger) -> bool: gives it our class, if its own is logging's."},
    {"touch", touch, METH_NOARGS, "Something has changed that log calls must look at."},
    {"emit", emit, METH_VARARGS, "emit(record, sinks, fields) -> bool: False: to be formatted by the caller."},
    {"emit_line", emit_line, METH_VARARGS, "emit_line(record, sinks, line) -> bool"},
    {"use_handler", use_handler, METH_O, "use_handler(class): handlers of it are ours."},
    {"count_format_error", count_format_error, METH_NOARGS, "A record could not be formatted."},
    {"stats", stats, METH_NOARGS, "stats() -> dict: how calls were handled in this process."},
    {"force_slow", force_slow, METH_O, "force_slow(bool): for tests: every call goes the stock way."},
    {NULL, NULL, 0, NULL},
};

/* ---- the module ---- */

static int intern_names(void)
{
#define MPLPY_NAME(name)                                                                                               \
    mplpy_name.name = PyUnicode_InternFromString(#name);                                                               \
    if (!mplpy_name.name)                                                                                              \
        return -1;
    MPLPY_NAMES(MPLPY_NAME)
#undef MPLPY_NAME
    return 0;
}

static int add_fields(PyObject *module)
{
    static const char *const fields[] = {"asctime",  "created",  "filename",  "funcName",    "levelname",
                                         "levelno",  "lineno",   "message",   "module",      "msecs",
                                         "name",     "pathname", "process",   "processName", "relativeCreated",
                                         "taskName", "thread",   "threadName"};
    PyObject *dict = PyDict_New();
    for (unsigned i = 0; dict && i < sizeof fields / sizeof fields[0]; i++) {
        PyObject *bit = PyLong_FromUnsignedLong(1u << i);
        if (!bit || PyDict_SetItemString(dict, fields[i], bit) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(bit);
    }
    return dict ? PyModule_AddObject(module, "FIELDS", dict) : -1;
}

static int begin_with(PyObject *logging, PyObject *threading)
{
    PyObject *modules = PySys_GetObject("modules"); /* borrowed */
    if (!modules || !PyDict_Check(modules)) {
        PyErr_SetString(PyExc_ImportError, "mplog: sys.modules is not a dict");
        return -1;
    }
    if (mplpy_world_init(logging, threading) < 0 || mplpy_logger_init(logging) < 0 ||
        mplpy_names_init(threading, modules) < 0 || mplpy_format_init() < 0 || mplpy_log_init(logging) < 0 ||
        mplpy_emit_init(logging) < 0)
        return -1;
    PyObject *srcfile = PyDict_GetItem(mplpy_logging, mplpy_name._srcfile);
    return srcfile && PyUnicode_Check(srcfile) ? mplpy_caller_init(srcfile) : -1;
}

static int begin(void)
{
    PyObject *logging = PyImport_ImportModule("logging"), *threading = PyImport_ImportModule("threading");
    int error = !logging || !threading || intern_names() < 0 || begin_with(logging, threading) < 0 ? -1 : 0;
    Py_XDECREF(logging);
    Py_XDECREF(threading);
    return error;
}

static int is_main_interpreter(void) { return PyThreadState_Get()->interp == PyInterpreterState_Main(); }

#if PY_VERSION_HEX < 0x03080000
static int wait_at_end(void)
{
    Py_AtExit(mpl_session_wait_at_exit); /* no room: at the end of the process, a little later */
    return 0;
}
#else
static void end(PyObject *Py_UNUSED(capsule)) { mpl_session_wait_at_exit(); }

/* What is logged while modules are emptied is waited for when the interpreter lets its dictionary go. Not later: daemon
 * threads that wait for the GIL look at the interpreter when they give up (3.10), and then it must still be there. */
static int wait_at_end(void)
{
    PyObject *dict = PyInterpreterState_GetDict(PyThreadState_Get()->interp); /* borrowed */
    PyObject *capsule = dict ? PyCapsule_New(&mplpy_stats, "mplog.end", end) : NULL;
    int error = capsule ? PyDict_SetItemString(dict, "mplog.end", capsule) : -1;
    Py_XDECREF(capsule);
    return error;
}
#endif

static int execute(PyObject *module)
{
    static bool is_begun;
    /* What we know of loggers is one table for the process. */
    if (!is_main_interpreter()) {
        PyErr_SetString(PyExc_ImportError, "mplog._mplog belongs to the main interpreter");
        return -1;
    }
    /* Not again for a program that has thrown the module out of sys.modules: loggers have our classes already. */
    if (!is_begun && begin() < 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ImportError, "mplog: this Python's logging module is not the standard one");
        return -1;
    }
    if (!is_begun && wait_at_end() < 0)
        return -1;
    is_begun = true;
    if (mplpy_logger_add_types(module) < 0 || mplpy_handler_add_type(module) < 0 || add_fields(module) < 0 ||
        PyModule_AddFunctions(module, mplpy_session_methods) < 0)
        return -1;
    return PyModule_AddStringConstant(module, "VERSION", mplog_version());
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "mplog._mplog",
    .m_doc = "The C part of mplog; the package mplog is the interface.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

/* Up to 3.8 PyMODINIT_FUNC says nothing of visibility. */
__attribute__((visibility("default"))) PyObject *PyInit__mplog(void);
PyObject *PyInit__mplog(void) { return PyModuleDef_Init(&definition); }
