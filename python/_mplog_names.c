/* SPDX-License-Identifier: Unlicense
 *
 * Names of threads, processes and tasks. All of them may change at any time, so they are looked up at the call, if a
 * format shows them at all, and compared with what the ring says already.
 */
#include "_mplog.h"

#include <mplog.h>

#define CAPSULE "mplog.thread"

bool mplpy_threads_are_patched;

/* Where a name was read: the attribute of an object that a dictionary holds. Nothing has changed as long as all of this
 * is as it was. */
struct source {
    PyObject *holder; /* a dictionary; as long as its version is that one, it keeps `object` alive */
    uint64_t holder_version;
    PyObject *object; /* borrowed */
    PyTypeObject *type;
    unsigned type_tag;
    PyObject **dict_at; /* where the object keeps its dictionary */
    PyObject *dict;     /* owned */
    uint64_t dict_version;
};

/* What this thread's ring says. Belongs to the dictionary of the thread's state, which is cleared under the GIL. */
struct thread_names {
    PyObject *ident; /* owned: the key in threading._active */
    PyObject *name;  /* owned: as published; NULL: none yet */
    bool is_carried; /* no ring can carry it: it goes into each record */
    struct source source;
};

static _Thread_local struct thread_names *this_thread MPL_TLS_MODEL;

static PyObject *threading_dict, *active, *modules, *main_process;

/* The process's name, as published. */
static PyObject *process_name;
static bool is_process_carried;
static PyObject *process_dict; /* of multiprocessing.process, once that is loaded */
static uint64_t nameless_version; /* of sys.modules when multiprocessing was not there */

static struct source process_source;

/* ---- has it changed? ---- */

static inline bool is_unchanged(const struct source *s)
{
    return s->dict && mplpy_dict_version(s->holder) == s->holder_version && Py_TYPE(s->object) == s->type &&
           mplpy_type_tag(s->type) == s->type_tag && *s->dict_at == s->dict &&
           mplpy_dict_version(s->dict) == s->dict_version;
}

static void forget_source(struct source *s) { Py_CLEAR(s->dict); }

/* To be called before the name is read. Makes the object's dictionary if there was none yet: attributes that lie in the
 * object itself (3.11 and later) have no version. */
static void note_source(struct source *s, PyObject *holder, PyObject *object)
{
    forget_source(s);
#if PY_VERSION_HEX < 0x030D0000 /* later a dictionary may share its values with the object */
    PyObject *dict = PyObject_GenericGetDict(object, NULL), **at = _PyObject_GetDictPtr(object);
    PyTypeObject *type = Py_TYPE(object);
    unsigned tag = mplpy_type_tag(type);
    if (dict && at && *at == dict && PyDict_CheckExact(dict) && tag != 0)
        *s = (struct source){holder, mplpy_dict_version(holder), object, type, tag, at, dict, mplpy_dict_version(dict)};
    else
        Py_XDECREF(dict);
    PyErr_Clear();
#else
    (void)holder;
    (void)object;
#endif
}

/* ---- what a ring can carry ---- */

/* At most 100 bytes without NUL: else the record carries it itself, whole. */
static bool is_ring_name(PyObject *name, char text[MPL_NAME_MAX + 1])
{
    if (mplpy_text_bytes(name) > MPL_NAME_MAX || mplpy_text_has_surrogates(name) ||
        PyUnicode_FindChar(name, 0, 0, PyUnicode_GET_LENGTH(name), 1) != -1)
        return false;
    *mplpy_text_put(name, text) = '\0';
    return text[0] != '\0';
}

static bool is_text(PyObject *o)
{
#if PY_VERSION_HEX < 0x030C0000
    return PyUnicode_Check(o) && PyUnicode_READY(o) == 0;
#else
    return PyUnicode_Check(o);
#endif
}

/* ---- the thread ---- */

static void drop_thread(PyObject *capsule)
{
    struct thread_names *t = PyCapsule_GetPointer(capsule, CAPSULE);
    if (this_thread == t)
        this_thread = NULL;
    Py_XDECREF(t->ident);
    Py_XDECREF(t->name);
    forget_source(&t->source);
    PyMem_Free(t);
}

static int begin_thread(void)
{
    PyObject *dict = PyThreadState_GetDict(); /* borrowed */
    struct thread_names *t = dict ? PyMem_Calloc(1, sizeof *t) : NULL;
    if (!t)
        return PyErr_Occurred() ? -1 : (PyErr_NoMemory(), -1);
    t->ident = PyLong_FromUnsignedLong(PyThread_get_thread_ident());
    PyObject *capsule = t->ident ? PyCapsule_New(t, CAPSULE, drop_thread) : NULL;
    if (!capsule) {
        Py_XDECREF(t->ident);
        PyMem_Free(t);
        return -1;
    }
    int error = PyDict_SetItemString(dict, CAPSULE, capsule);
    Py_DECREF(capsule); /* a failure has freed it */
    if (error)
        return -1;
    mpl_binding_set_thread_ident(PyThread_get_thread_ident());
    this_thread = t;
    return 0;
}

static PyObject *call_current_thread(PyObject *attribute)
{
    PyObject *f = PyDict_GetItem(threading_dict, mplpy_name.current_thread);
    PyObject *thread = f ? PyObject_CallObject(f, NULL) : NULL;
    PyObject *name = thread ? PyObject_GetAttr(thread, attribute) : NULL;
    Py_XDECREF(thread);
    return name;
}

/* A class whose `name` is the property that shows _name. */
static bool is_plain_thread(PyTypeObject *type)
{
    static PyTypeObject *known; /* compared only; a class at the same address has the same version tag or none */
    static unsigned known_tag;
    static PyObject *property;
    if (type == known && mplpy_type_tag(type) == known_tag && known_tag != 0)
        return true;
    if (!property) {
        PyObject *base = PyDict_GetItemString(threading_dict, "Thread");
        property = base && PyType_Check(base) ? _PyType_Lookup((PyTypeObject *)base, mplpy_name.name) : NULL;
        Py_XINCREF(property);
    }
    if (!property || _PyType_Lookup(type, mplpy_name.name) != property || type->tp_getattro != PyObject_GenericGetAttr)
        return false;
    known = type;
    known_tag = mplpy_type_tag(type);
    return true;
}

/* threading.current_thread().name; a new reference. */
static PyObject *thread_name(struct thread_names *t)
{
    if (mplpy_likely(!mplpy_threads_are_patched)) {
        PyObject *thread = PyDict_GetItem(active, t->ident);
        if (mplpy_likely(thread && is_plain_thread(Py_TYPE(thread)))) {
            note_source(&t->source, active, thread);
            return PyObject_GetAttr(thread, mplpy_name._name);
        }
    }
    forget_source(&t->source);
    return call_current_thread(mplpy_name.name);
}

static int publish_thread(struct thread_names *t, PyObject *name)
{
    char text[MPL_NAME_MAX + 1];
    PyObject *former = t->name;
    t->name = name;
    t->is_carried = !is_ring_name(name, text);
    if (!t->is_carried)
        mplog_set_thread_name(text);
    Py_XDECREF(former);
    return 0;
}

/* Greenlets: many in one thread, each with an ident of its own. */
static int add_patched_ident(struct mplpy_call *c)
{
    PyObject *f = PyDict_GetItem(threading_dict, mplpy_name.get_ident);
    PyObject *ident = f ? PyObject_CallObject(f, NULL) : NULL;
    if (!ident)
        return -1;
    mplpy_add_number(c, MPL_FIELD_THREAD, (int64_t)PyLong_AsUnsignedLongLongMask(ident));
    Py_DECREF(ident);
    return PyErr_Occurred() ? -1 : 0;
}

static int show_thread(struct mplpy_call *c, unsigned need)
{
    if (mplpy_unlikely(!this_thread) && begin_thread() < 0)
        return -1;
    struct thread_names *t = this_thread;
    if (mplpy_unlikely(mplpy_threads_are_patched) && need & MPLPY_NEED_THREAD && add_patched_ident(c) < 0)
        return -1;
    if (!(need & MPLPY_NEED_THREAD_NAME))
        return 0;
    PyObject *name = thread_name(t);
    if (!name)
        return -1;
    if (name == t->name) {
        Py_DECREF(name);
    } else if (!is_text(name)) {
        Py_DECREF(name);
        PyErr_SetString(PyExc_TypeError, "the thread's name is no str");
        return -1;
    } else {
        publish_thread(t, name);
    }
    if (mplpy_unlikely(t->is_carried))
        mplpy_add_owned(c, MPL_FIELD_THREAD_NAME, t->name);
    return 0;
}

/* ---- the process ---- */

/* multiprocessing.process as soon as multiprocessing is there; borrowed. */
static PyObject *loaded_process_dict(void)
{
    if (process_dict)
        return process_dict;
    PyObject *package = PyDict_GetItem(modules, mplpy_name.multiprocessing);
    nameless_version = package ? 0 : mplpy_dict_version(modules);
    if (!package || !PyModule_Check(package) || !PyDict_GetItem(PyModule_GetDict(package), mplpy_name.current_process))
        return NULL; /* or while it is being loaded */
    PyObject *module = PyDict_GetItemString(modules, "multiprocessing.process");
    if (module && PyModule_Check(module)) {
        process_dict = PyModule_GetDict(module);
        Py_INCREF(process_dict);
    }
    return process_dict;
}

/* multiprocessing.current_process().name; a new reference. */
static PyObject *current_process_name(void)
{
    PyObject *dict = loaded_process_dict();
    PyObject *process = dict ? PyDict_GetItem(dict, mplpy_name._current_process) : NULL;
    if (process)
        note_source(&process_source, dict, process);
    PyObject *name = process ? PyObject_GetAttr(process, mplpy_name._name) : NULL;
    if (!name) { /* LogRecord's words where that fails */
        PyErr_Clear();
        Py_INCREF(main_process);
        return main_process;
    }
    return name;
}

static int show_process(struct mplpy_call *c)
{
    char text[MPL_NAME_MAX + 1];
    PyObject *name = current_process_name();
    if (name == process_name) {
        Py_DECREF(name);
    } else if (!is_text(name)) {
        Py_DECREF(name);
        PyErr_SetString(PyExc_TypeError, "the process's name is no str");
        return -1;
    } else {
        PyObject *former = process_name;
        process_name = name;
        is_process_carried = !is_ring_name(name, text);
        if (!is_process_carried)
            mplog_set_process_name(text);
        Py_XDECREF(former);
    }
    if (mplpy_unlikely(is_process_carried))
        mplpy_add_owned(c, MPL_FIELD_PROCESS_NAME, process_name);
    return 0;
}

/* ---- the task ---- */

/* asyncio.current_task().get_name(), or None for whatever goes wrong, as LogRecord has it; a new reference. NULL: what
 * was raised is no Exception. */
static PyObject *task_name(void)
{
    PyObject *asyncio = PyDict_GetItem(modules, mplpy_name.asyncio);
    PyObject *f = asyncio ? PyObject_GetAttr(asyncio, mplpy_name.current_task) : NULL;
    PyObject *task = f ? PyObject_CallObject(f, NULL) : NULL;
    PyObject *get_name = task ? PyObject_GetAttr(task, mplpy_name.get_name) : NULL;
    PyObject *name = get_name ? PyObject_CallObject(get_name, NULL) : NULL;
    PyObject *text = name ? PyObject_Str(name) : NULL;
    Py_XDECREF(name);
    Py_XDECREF(get_name);
    Py_XDECREF(task);
    Py_XDECREF(f);
    if (!text && PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception))
        return NULL;
    if (!text) {
        PyErr_Clear();
        text = PyUnicode_FromString("None");
    }
    return text;
}

/* The ring says it already. */
static inline bool is_thread_shown(unsigned need)
{
    const struct thread_names *t = this_thread;
    return t && !mplpy_threads_are_patched &&
           (!(need & MPLPY_NEED_THREAD_NAME) || (is_unchanged(&t->source) && !t->is_carried));
}

static inline bool is_process_shown(void)
{
    return !is_process_carried && (process_dict ? is_unchanged(&process_source)
                                                : process_name && mplpy_dict_version(modules) == nameless_version);
}

int mplpy_names_publish(struct mplpy_call *c, unsigned need)
{
    if (need & MPLPY_NEED_ANY_THREAD && mplpy_unlikely(!is_thread_shown(need)) && show_thread(c, need) < 0)
        return -1;
    if (need & MPLPY_NEED_PROCESS_NAME && mplpy_unlikely(!is_process_shown()) && show_process(c) < 0)
        return -1;
    if (need & MPLPY_NEED_TASK_NAME) {
        PyObject *name = task_name();
        if (!name)
            return -1;
        mplpy_add_owned(c, MPL_FIELD_TASK_NAME, name);
        Py_DECREF(name);
    }
    return 0;
}

int mplpy_names_init(PyObject *threading, PyObject *sys_modules)
{
    threading_dict = PyModule_GetDict(threading);
    active = PyDict_GetItem(threading_dict, mplpy_name._active);
    modules = sys_modules;
    main_process = PyUnicode_InternFromString("MainProcess");
    if (!active || !PyDict_CheckExact(active) || !main_process) {
        PyErr_SetString(PyExc_ImportError, "mplog: this Python's threading module is not the standard one");
        return -1;
    }
    Py_INCREF(threading_dict);
    Py_INCREF(active);
    Py_INCREF(modules);
    return 0;
}
