/* SPDX-License-Identifier: Unlicense
 *
 * What all loggers share: the classes, factories and switches of the logging module, and the functions that names are
 * read with. Programs and tracers replace them at run time (callHandlers, makeRecord, the record factory, get_ident),
 * and the very next call must notice. Types and module dictionaries carry versions that change with every assignment,
 * so that seven comparisons tell.
 */
#include "_mplog.h"

PyObject *mplpy_logging, *mplpy_logger_base, *mplpy_record_class;
PyTypeObject *mplpy_logger_type, *mplpy_root_type, *mplpy_handler_type;
static PyObject *formatter_class, *threading_dict, *srcfile;

/* What was there when we were imported. */
static PyObject *converter, *time_format, *msec_format, *levels_to_names;
static PyObject *handler_handle, *handler_emit, *handler_format;

/* Where a class of ours is not there yet. */
struct mplpy_world mplpy_world = {.type = {&PyBaseObject_Type, &PyBaseObject_Type, &PyBaseObject_Type}};
static bool is_formatter_standard;

/* ---- looking ---- */

/* A function of the logging module itself: not a replacement, not a wrapper. */
static bool is_genuine(PyObject *f, PyObject *name)
{
    if (!f || !PyFunction_Check(f) || PyFunction_GET_GLOBALS(f) != mplpy_logging)
        return false;
    PyCodeObject *code = (PyCodeObject *)PyFunction_GET_CODE(f);
    return PyUnicode_Compare(code->co_filename, srcfile) == 0 && PyUnicode_Compare(code->co_name, name) == 0;
}

bool mplpy_world_is_genuine(PyObject *type, PyObject *name)
{
    return is_genuine(_PyType_Lookup((PyTypeObject *)type, name), name);
}

static bool have_genuine(PyObject *type, PyObject *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!mplpy_world_is_genuine(type, names[i]))
            return false;
    }
    return true;
}

#define HAVE_GENUINE(type, ...)                                                                                        \
    have_genuine((PyObject *)(type), (PyObject *const[]){__VA_ARGS__},                                                 \
                 sizeof((PyObject *const[]){__VA_ARGS__}) / sizeof(PyObject *))

static bool is_ours(PyTypeObject *type, PyObject *name)
{
    PyObject *descriptor = _PyType_Lookup(type, name);
    return descriptor && Py_IS_TYPE(descriptor, &PyMethodDescr_Type);
}

static bool are_loggers_standard(void)
{
    const struct mplpy_names *n = &mplpy_name;
    PyTypeObject *const ours[] = {mplpy_logger_type, mplpy_root_type};
    if (!HAVE_GENUINE(mplpy_logger_base, n->debug, n->info, n->warning, n->error, n->exception, n->critical, n->log,
                      n->_log, n->isEnabledFor, n->getEffectiveLevel))
        return false;
    for (int i = 0; i < 2; i++) {
        if (!HAVE_GENUINE(ours[i], n->findCaller, n->makeRecord, n->handle, n->filter, n->callHandlers))
            return false;
        if (!is_ours(ours[i], n->_log) || !is_ours(ours[i], n->isEnabledFor) || !is_ours(ours[i], n->getEffectiveLevel))
            return false;
    }
    return true;
}

static bool is_handler_standard(void)
{
    PyTypeObject *type = mplpy_handler_type;
    return type && _PyType_Lookup(type, mplpy_name.handle) == handler_handle &&
           _PyType_Lookup(type, mplpy_name.emit) == handler_emit &&
           _PyType_Lookup(type, mplpy_name.format) == handler_format && HAVE_GENUINE(type, mplpy_name.filter);
}

static bool is_same_text(PyObject *type, PyObject *name, PyObject *text)
{
    PyObject *value = _PyType_Lookup((PyTypeObject *)type, name);
    return value == text || (value && PyUnicode_Check(value) && PyUnicode_Compare(value, text) == 0);
}

static bool look_at_formatter(void)
{
    const struct mplpy_names *n = &mplpy_name;
    return HAVE_GENUINE(formatter_class, n->format, n->formatTime, n->formatException, n->formatMessage, n->formatStack,
                        n->usesTime) &&
           _PyType_Lookup((PyTypeObject *)formatter_class, n->converter) == converter &&
           is_same_text(formatter_class, n->default_time_format, time_format) &&
           is_same_text(formatter_class, n->default_msec_format, msec_format);
}

static bool is_global(PyObject *name, PyObject *value) { return PyDict_GetItem(mplpy_logging, name) == value; }

static bool are_switches_standard(void)
{
    const struct mplpy_names *n = &mplpy_name;
#if PY_VERSION_HEX >= 0x030C0000
    if (!is_global(n->logAsyncioTasks, Py_True))
        return false;
#endif
    return is_global(n->_logRecordFactory, mplpy_record_class) && is_global(n->LogRecord, mplpy_record_class) &&
           is_global(n->Formatter, formatter_class) && is_global(n->_levelToName, levels_to_names) &&
           is_global(n->logThreads, Py_True) && is_global(n->logMultiprocessing, Py_True) &&
           is_global(n->logProcesses, Py_True) && PyDict_GetItem(mplpy_logging, n->_srcfile) == srcfile &&
           is_genuine(PyDict_GetItem(mplpy_logging, n->getLevelName), n->getLevelName);
}

static bool are_threads_patched(void)
{
    PyObject *get_ident = PyDict_GetItem(threading_dict, mplpy_name.get_ident);
    PyObject *current_thread = PyDict_GetItem(threading_dict, mplpy_name.current_thread);
    return !get_ident || !PyCFunction_Check(get_ident) || !current_thread || !PyFunction_Check(current_thread) ||
           PyFunction_GET_GLOBALS(current_thread) != threading_dict;
}

/* The lookups above have given the types version tags where they had none. */
bool mplpy_world_look(void)
{
    struct mplpy_world *w = &mplpy_world;
    is_formatter_standard = look_at_formatter();
    w->is_standard = are_switches_standard() && are_loggers_standard() && is_handler_standard() &&
                     HAVE_GENUINE(mplpy_record_class, mplpy_name.__init__, mplpy_name.getMessage) &&
                     is_formatter_standard;
    mplpy_threads_are_patched = are_threads_patched();
    w->logging_version = mplpy_dict_version(mplpy_logging);
    w->threading_version = mplpy_dict_version(threading_dict);
    w->has_tags = true;
    for (int i = 0; i < MPLPY_WORLD_TYPES; i++) {
        w->tag[i] = mplpy_type_tag(w->type[i]);
        w->has_tags &= w->tag[i] != 0;
    }
    return w->is_standard;
}

bool mplpy_world_formatter_is_standard(void)
{
    if (!mplpy_world_is_unchanged())
        mplpy_world_look();
    return is_formatter_standard;
}

/* ---- beginning ---- */

static PyObject *class_attribute(PyObject *type, PyObject *name)
{
    PyObject *value = _PyType_Lookup((PyTypeObject *)type, name);
    Py_XINCREF(value);
    return value;
}

void mplpy_world_set_handler(PyObject *handler_class)
{
    mplpy_handler_type = mplpy_world.type[2] = (PyTypeObject *)handler_class;
    Py_INCREF(handler_class);
    handler_handle = class_attribute(handler_class, mplpy_name.handle);
    handler_emit = class_attribute(handler_class, mplpy_name.emit);
    handler_format = class_attribute(handler_class, mplpy_name.format);
    mplpy_world_look();
}

static PyObject *global(const char *name)
{
    PyObject *value = PyDict_GetItemString(mplpy_logging, name);
    if (!value)
        PyErr_Format(PyExc_ImportError, "mplog: logging.%s is missing", name);
    Py_XINCREF(value);
    return value;
}

int mplpy_world_init(PyObject *logging, PyObject *threading)
{
    mplpy_logging = PyModule_GetDict(logging);
    threading_dict = PyModule_GetDict(threading);
    Py_INCREF(mplpy_logging);
    Py_INCREF(threading_dict);
    mplpy_logger_base = global("Logger");
    mplpy_record_class = global("LogRecord");
    formatter_class = global("Formatter");
    srcfile = global("_srcfile");
    levels_to_names = global("_levelToName");
    if (PyErr_Occurred())
        return -1;
    PyObject *time = PyImport_ImportModule("time");
    converter = time ? PyObject_GetAttrString(time, "localtime") : NULL;
    Py_XDECREF(time);
    time_format = PyUnicode_InternFromString("%Y-%m-%d %H:%M:%S");
    msec_format = PyUnicode_InternFromString("%s,%03d");
    if (!converter || !time_format || !msec_format)
        return -1;
    mplpy_world.logging = mplpy_logging;
    mplpy_world.threading = threading_dict;
    mplpy_world.type[3] = (PyTypeObject *)mplpy_record_class;
    mplpy_world.type[4] = (PyTypeObject *)formatter_class;
    return 0;
}

void mplpy_world_set_loggers(void)
{
    mplpy_world.type[0] = mplpy_logger_type;
    mplpy_world.type[1] = mplpy_root_type;
}
