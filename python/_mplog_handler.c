/* SPDX-License-Identifier: Unlicense
 *
 * Handler.handle: where stock loggers bring their records. As with loggers, what is known of a handler holds until
 * something changes; all else is done by the Python method _handle.
 */
#include "_mplog.h"

/* The handler that was used last: there is mostly one, the root logger's. */
static struct {
    PyObject *handler; /* compared only: a new one at its address has changed the generation */
    unsigned generation, need;
    uint32_t sinks;
    bool is_fast;
    PyObject *filters; /* owned */
} known;

static bool read_number(PyObject *o, PyObject *name, long *number)
{
    PyObject *value = PyObject_GetAttr(o, name);
    bool is_number = value && PyLong_Check(value);
    if (is_number)
        *number = PyLong_AsLong(value);
    Py_XDECREF(value);
    return is_number && !PyErr_Occurred();
}

static bool is_fast_by_itself(PyObject *handler)
{
    PyObject *value = PyObject_GetAttr(handler, mplpy_name._is_fast);
    bool is = value == Py_True;
    Py_XDECREF(value);
    return is;
}

static void look_at(PyObject *handler)
{
    long session, sinks, fields;
    PyObject *former = known.filters;
    known.handler = handler;
    known.generation = mplpy_generation;
    known.filters = PyObject_GetAttr(handler, mplpy_name.filters);
    known.is_fast = known.filters && PyList_CheckExact(known.filters) && is_fast_by_itself(handler) &&
                    read_number(handler, mplpy_name._session, &session) && session == (long)mpl_process.sessions &&
                    read_number(handler, mplpy_name._sinks, &sinks) &&
                    read_number(handler, mplpy_name._fields, &fields);
    if (known.is_fast) {
        known.sinks = (uint32_t)sinks;
        known.need = (unsigned)fields;
    }
    PyErr_Clear();
    Py_XDECREF(former);
}

static bool is_fast(PyObject *handler)
{
    if (!Py_IS_TYPE(handler, mplpy_handler_type) || !mplpy_is_attached() || mplpy_is_forced_slow ||
        !mplpy_world_is_standard())
        return false;
    if (known.handler != handler || known.generation != mplpy_generation)
        look_at(handler);
    return known.is_fast && PyList_GET_SIZE(known.filters) == 0 && known.sinks != 0;
}

/* What goes wrong with a record is reported by _handle, which meets it again. */
static bool is_for_the_caller(void)
{
    return !PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_RecursionError);
}

static PyObject *handle(PyObject *self, PyObject *record)
{
    if (mplpy_likely(is_fast(self))) {
        int done = mplpy_emit(record, known.sinks, known.need);
        if (mplpy_likely(done > 0)) {
            PyObject *passed = PY_VERSION_HEX < 0x030C0000 ? Py_True
                                                           : record; /* what filter() returns without filters */
            Py_INCREF(passed);
            return passed;
        }
        if (done < 0 && is_for_the_caller())
            return NULL;
        PyErr_Clear();
    }
    return PyObject_CallMethodObjArgs(self, mplpy_name._handle, record, NULL);
}

static PyMethodDef methods[] = {
    {"handle", handle, METH_O, PyDoc_STR("As logging.Handler.handle, without a lock: the rings need none.")},
    {NULL, NULL, 0, NULL},
};

int mplpy_handler_add_type(PyObject *module)
{
    PyObject *base = PyDict_GetItemString(mplpy_logging, "Handler"), *type;
    if (!base || !PyType_Check(base))
        return -1;
    type = mplpy_make_type("mplog.HandlerBase", base, methods, NULL, "What mplog.Handler does in C.");
    return type ? PyModule_AddObject(module, "HandlerBase", type) : -1;
}
