/* SPDX-License-Identifier: Unlicense
 *
 * A logger whose methods do nothing: what calling a C function from Python costs at least, with the same arguments.
 */
#include <Python.h>

static PyObject *nothing(PyObject *Py_UNUSED(self), PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count),
                         PyObject *Py_UNUSED(names))
{
    Py_RETURN_NONE;
}

#define METHOD(name)                                                                                                   \
    {                                                                                                                  \
        name, (PyCFunction)(void (*)(void))nothing, METH_FASTCALL | METH_KEYWORDS, "Does nothing."                     \
    }

static PyMethodDef methods[] = {METHOD("debug"), METHOD("info"), METHOD("exception"), {NULL, NULL, 0, NULL}};

static PyType_Slot slots[] = {{Py_tp_methods, methods}, {0, NULL}};
static PyType_Spec spec = {.name = "floor.Logger", .flags = Py_TPFLAGS_DEFAULT, .slots = slots};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "floor", .m_size = -1};

PyMODINIT_FUNC PyInit_floor(void)
{
    PyObject *module = PyModule_Create(&definition), *type = PyType_FromSpec(&spec);
    if (!module || !type || PyModule_AddObject(module, "Logger", type) < 0)
        return NULL;
    return module;
}
