/* SPDX-License-Identifier: Unlicense
 *
 * The call site, by code object and instruction: decoding a line number takes microseconds in a long function, finding
 * an entry nanoseconds. Entries own their code objects, since the address of one that is freed is soon another's.
 */
#if defined(MPLPY_INTERNAL_FRAME)
#define Py_BUILD_CORE 1 /* 3.11 has no other way to a frame that makes no frame object, which would take 40 ns */
#endif
#include "_mplog.h"

#include <frameobject.h>
#if defined(MPLPY_INTERNAL_FRAME)
#include <internal/pycore_frame.h>
#endif

#define CALLERS 4096u /* places, in pairs; a program logs from hundreds or thousands */

/* A line that logs ever different formats gets a site for so many of them, and then finished texts. */
#define FORMAT_CHANGES_MAX 8u

static struct mplpy_caller table[CALLERS];
static PyObject *srcfile; /* logging's own source file */

/* ---- frames ---- */

/* 3.10 counts instructions there, the others bytes. */
#define LASTI_BYTES (PY_VERSION_HEX >= 0x030A0000 ? 2 : 1)

/* Code (borrowed) and instruction of the innermost Python frame. False: there is none. */
static bool innermost(PyObject **code, int *instruction)
{
#if defined(MPLPY_INTERNAL_FRAME)
    _PyInterpreterFrame *f = PyThreadState_Get()->cframe->current_frame;
    while (f && _PyFrame_IsIncomplete(f))
        f = f->previous;
    if (!f)
        return false;
    *code = (PyObject *)f->f_code;
    *instruction = _PyInterpreterFrame_LASTI(f) * (int)sizeof(_Py_CODEUNIT);
    return true;
#elif PY_VERSION_HEX >= 0x030C0000
#if PY_VERSION_HEX >= 0x030D0000
    struct _PyInterpreterFrame *f = PyThreadState_GetUnchecked()->current_frame;
#else
    struct _PyInterpreterFrame *f = _PyThreadState_UncheckedGet()->cframe->current_frame;
#endif
    if (!f)
        return false;
    *code = PyUnstable_InterpreterFrame_GetCode(f);
    Py_DECREF(*code); /* the frame has it */
    *instruction = PyUnstable_InterpreterFrame_GetLasti(f);
    return PyCode_Check(*code);
#else
    PyFrameObject *f = PyEval_GetFrame();
    if (!f)
        return false;
#if PY_VERSION_HEX >= 0x030B0000
    PyCodeObject *c = PyFrame_GetCode(f);
    *instruction = PyFrame_GetLasti(f);
    *code = (PyObject *)c;
    Py_DECREF(c);
#else
    *code = (PyObject *)f->f_code;
    *instruction = f->f_lasti * LASTI_BYTES;
#endif
    return true;
#endif
}

#if PY_VERSION_HEX >= 0x03090000
#define FRAME_CODE(f) PyFrame_GetCode(f)
#define FRAME_BACK(f) PyFrame_GetBack(f)
#else
static PyCodeObject *FRAME_CODE(PyFrameObject *f)
{
    Py_INCREF(f->f_code);
    return f->f_code;
}
static PyFrameObject *FRAME_BACK(PyFrameObject *f)
{
    Py_XINCREF(f->f_back);
    return f->f_back;
}
#endif

static int frame_instruction(PyFrameObject *f)
{
#if PY_VERSION_HEX >= 0x030B0000
    return PyFrame_GetLasti(f);
#else
    return f->f_lasti * LASTI_BYTES;
#endif
}

/* ---- entries ---- */

static bool is_same_text(PyObject *a, PyObject *b)
{
    return a == b || (PyUnicode_Check(a) && PyUnicode_Check(b) && PyUnicode_Compare(a, b) == 0);
}

static bool contains(PyObject *text, const char *part)
{
    PyObject *p = PyUnicode_FromString(part);
    Py_ssize_t at = p ? PyUnicode_Find(text, p, 0, PyUnicode_GET_LENGTH(text), 1) : -1;
    Py_XDECREF(p);
    PyErr_Clear();
    return at >= 0;
}

/* os.path.normcase, which logging applies, changes nothing on this system. */
static bool is_logging(PyObject *filename) { return is_same_text(filename, srcfile); }

static bool is_internal(PyObject *filename)
{
#if PY_VERSION_HEX >= 0x030B0000
    return is_logging(filename) || (contains(filename, "importlib") && contains(filename, "_bootstrap"));
#else
    (void)contains;
    return is_logging(filename);
#endif
}

/* 3.12 has a frame of that file where C has called Python. It is the innermost one while the callee's locals go, and no
 * caller: findCaller does not see it. */
static bool is_shim(PyObject *filename)
{
    return PY_VERSION_HEX >> 16 == 0x030C && PyUnicode_CompareWithASCIIString(filename, "<shim>") == 0;
}

static void fill(struct mplpy_caller *c, PyObject *code, int instruction)
{
    struct mplpy_caller former = *c;
    Py_INCREF(code);
    *c = (struct mplpy_caller){
        .code = code,
        .instruction = instruction,
        .is_internal = is_internal(((PyCodeObject *)code)->co_filename) || is_shim(((PyCodeObject *)code)->co_filename),
        .line = PyCode_Addr2Line((PyCodeObject *)code, instruction),
    };
    /* May run code of the program. */
    Py_XDECREF(former.format);
    Py_XDECREF(former.candidate);
    Py_XDECREF(former.code);
}

static struct mplpy_caller *entry_of(PyObject *code, int instruction)
{
    size_t hash = (((uintptr_t)code >> 4) + (uintptr_t)instruction * 37u) * 0x9e3779b1u >> 9;
    struct mplpy_caller *pair = &table[hash & (CALLERS - 2)];
    if (mplpy_likely(pair[0].code == code && pair[0].instruction == instruction))
        return &pair[0];
    if (pair[1].code == code && pair[1].instruction == instruction)
        return &pair[1];
    struct mplpy_caller *c = &pair[pair[0].code != NULL && (pair[1].code == NULL || (instruction >> 1 & 1))];
    do
        fill(c, code, instruction);
    while (c->code != code || c->instruction != instruction); /* what went may have had code that logs */
    return c;
}

/* ---- finding ---- */

/* The rules differ in what stacklevel counts: up to 3.10 every frame, and then logging's own are passed over; later
 * only frames that are not. */
static PyFrameObject *step_up(PyFrameObject *f, bool *is_found)
{
    PyFrameObject *back = FRAME_BACK(f);
    *is_found = back != NULL;
    if (!back)
        return f;
    Py_DECREF(f);
    return back;
}

static bool is_internal_frame(PyFrameObject *f)
{
    PyCodeObject *code = FRAME_CODE(f);
    bool is = is_internal(code->co_filename);
    Py_DECREF(code);
    return is;
}

/* A new reference to the frame; NULL: it is not found in a way that is worth copying. */
static PyFrameObject *find_frame(int skip)
{
    PyFrameObject *f = PyEval_GetFrame();
    bool is_found = true;
    if (!f)
        return NULL;
    Py_INCREF(f);
#if PY_VERSION_HEX >= 0x030B0000
    for (;;) {
        if (!is_internal_frame(f) && skip-- == 0)
            return f;
        f = step_up(f, &is_found);
        if (!is_found)
            break; /* stock takes the outermost frame, whatever it is */
    }
#else
    for (; skip > 0 && is_found; skip--)
        f = step_up(f, &is_found);
    while (is_found && is_internal_frame(f))
        f = step_up(f, &is_found);
    if (is_found)
        return f;
#endif
    Py_DECREF(f);
    return NULL;
}

int mplpy_caller_find(int skip, struct mplpy_caller **caller)
{
    PyObject *code;
    int instruction;
    if (mplpy_likely(skip == 0)) {
        if (!innermost(&code, &instruction))
            return 0;
        *caller = entry_of(code, instruction);
        if (mplpy_likely(!(*caller)->is_internal))
            return 1;
    }
    PyFrameObject *f = find_frame(skip);
    if (!f)
        return 0;
    PyCodeObject *owned = FRAME_CODE(f);
    *caller = entry_of((PyObject *)owned, frame_instruction(f));
    Py_DECREF(owned);
    Py_DECREF(f);
    return 1;
}

/* ---- sites ---- */

void mplpy_caller_facts(const struct mplpy_caller *c, PyObject **file, PyObject **function, int *line)
{
    PyCodeObject *code = (PyCodeObject *)c->code;
    *file = code->co_filename;
    *function = code->co_name;
    *line = c->line;
}

/* Code that is made again and again (exec, notebooks, templates) has the same facts each time, and needs one site. */
#define SITES 1024u

static struct {
    PyObject *file, *function, *format; /* owned; format NULL: none */
    int line;
    uint64_t bits;
} sites[SITES];

static size_t site_place(PyObject *file, PyObject *function, PyObject *format, int line)
{
    Py_hash_t hash = PyObject_Hash(file) * 31 + PyObject_Hash(function) * 17 + line;
    return (size_t)(format ? hash + PyObject_Hash(format) : hash) & (SITES - 1);
}

static bool is_same_format(PyObject *a, PyObject *b) { return a == b || (a && b && is_same_text(a, b)); }

static uint64_t known_site(size_t i, PyObject *file, PyObject *function, PyObject *format, int line)
{
    bool is_same = sites[i].bits && sites[i].line == line && is_same_text(sites[i].file, file) &&
                   is_same_text(sites[i].function, function) && is_same_format(sites[i].format, format);
    return is_same ? sites[i].bits : 0;
}

static void note_site(size_t i, PyObject *file, PyObject *function, PyObject *format, int line, uint64_t bits)
{
    PyObject *former[] = {sites[i].file, sites[i].function, sites[i].format};
    Py_INCREF(file);
    Py_INCREF(function);
    Py_XINCREF(format);
    sites[i].file = file;
    sites[i].function = function;
    sites[i].format = format;
    sites[i].line = line;
    sites[i].bits = bits;
    for (int k = 0; k < 3; k++)
        Py_XDECREF(former[k]);
}

static uint64_t define(const struct mplpy_caller *c, uint16_t flags, PyObject *format)
{
    PyObject *parts[3] = {format, NULL, NULL};
    struct mpl_str text[3] = {{"", 0}, {"", 0}, {"", 0}};
    char *copy[3] = {NULL, NULL, NULL};
    int line;
    uint64_t bits = 0;
    mplpy_caller_facts(c, &parts[1], &parts[2], &line);
    size_t place = site_place(parts[1], parts[2], format, line);
    bits = known_site(place, parts[1], parts[2], format, line);
    bool is_good = !bits && !mpl_binding_sites_are_full();
    for (int i = 0; i < 3 && is_good; i++) {
        if (!parts[i])
            continue;
        text[i].ptr = copy[i] = mplpy_text_dup(parts[i], &text[i].len);
        is_good = copy[i] != NULL && !mplpy_text_has_surrogates(parts[i]);
    }
    if (is_good)
        bits = mpl_binding_define_site(flags, text[0], text[1], (uint32_t)line, text[2]);
    if (is_good && bits)
        note_site(place, parts[1], parts[2], format, line, bits);
    for (int i = 0; i < 3; i++)
        PyMem_Free(copy[i]);
    PyErr_Clear();
    return bits;
}

uint64_t mplpy_caller_site(struct mplpy_caller *c)
{
    if (!c->text_bits)
        c->text_bits = define(c, MPL_DEF_NOT_A_FORMAT, NULL);
    return c->text_bits;
}

uint64_t mplpy_caller_format_site(struct mplpy_caller *c, struct mplpy_format *f)
{
    if (mplpy_likely(c->format == f->text))
        return c->format_bits;
    if (c->candidate != f->text || !f->can_defer || c->format_changes == FORMAT_CHANGES_MAX) {
        PyObject *former = c->candidate;
        Py_INCREF(f->text);
        c->candidate = f->text;
        Py_XDECREF(former);
        return 0;
    }
    PyObject *former = c->format;
    Py_INCREF(f->text);
    c->format = f->text;
    c->format_bits = define(c, MPL_DEF_PYTHON, f->text);
    c->format_changes++;
    Py_XDECREF(former);
    return c->format_bits;
}

int mplpy_caller_init(PyObject *file)
{
    Py_INCREF(file);
    srcfile = file;
    return 0;
}

void mplpy_caller_clear(void)
{
    for (size_t i = 0; i < CALLERS; i++) {
        struct mplpy_caller former = table[i];
        table[i] = (struct mplpy_caller){.code = NULL};
        Py_XDECREF(former.format);
        Py_XDECREF(former.candidate);
        Py_XDECREF(former.code);
    }
}
