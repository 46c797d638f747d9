/* SPDX-License-Identifier: Unlicense
 *
 * Which formats and arguments may travel as they are. A format is parsed when the same object is seen for the second
 * time: literals are seen again and again, and what a program puts together for one call never is.
 */
#include "_mplog.h"

#define FORMATS 1024u              /* places; a program has hundreds of formats with arguments */
#define FORMAT_CHARACTERS_MAX 4096 /* what is kept alive for a program is bounded by this times the places */

/* What travels is copied into the ring; more than this is better formatted by a thread that need not look at it twice.
 */
#define TEXT_BYTES_MAX (UINT64_C(1) << 20)

#define EXACT_INTS (INT64_C(1) << 53) /* a float holds each of them */

static struct {
    struct mplpy_format *known;
    PyObject *candidate; /* owned: its address cannot become another text's */
} table[FORMATS];

static PyObject *mapping_class; /* collections.abc.Mapping */

static void forget(struct mplpy_format *f)
{
    if (f) {
        Py_DECREF(f->text);
        PyMem_Free(f);
    }
}

static struct mplpy_format *make(PyObject *text)
{
    struct mplpy_format *f = PyMem_Calloc(1, sizeof *f);
    if (!f)
        return NULL;
    Py_INCREF(text);
    f->text = text;
    struct mpl_str s = {NULL, 0};
    char *bytes = mplpy_text_has_surrogates(text) ? NULL : mplpy_text_dup(text, &s.len);
    if (!bytes) {
        PyErr_Clear();
        return f;
    }
    s.ptr = bytes;
    f->can_defer = mpl_pyformat_parse(&f->parsed, s) && f->parsed.arg_count > 0;
    PyMem_Free(bytes);
    return f;
}

struct mplpy_format *mplpy_format_find(PyObject *text)
{
    size_t i = ((uintptr_t)text >> 4) * 0x9e3779b1u >> 7 & (FORMATS - 1);
    struct mplpy_format *f = table[i].known;
    if (mplpy_likely(f && f->text == text))
        return f;
    if (PyUnicode_GET_LENGTH(text) > FORMAT_CHARACTERS_MAX)
        return NULL;
    if (table[i].candidate == text) {
        table[i].known = make(text);
        forget(f);
        return table[i].known;
    }
    PyObject *former = table[i].candidate;
    Py_INCREF(text);
    table[i].candidate = text;
    Py_XDECREF(former);
    return NULL;
}

uint64_t mplpy_format_site(struct mplpy_format *f)
{
    if (f->site_bits || !f->can_defer)
        return f->site_bits;
    struct mpl_str s = {NULL, 0};
    char *bytes = mplpy_text_dup(f->text, &s.len);
    if (bytes) {
        s.ptr = bytes;
        f->site_bits = mpl_binding_define_site(MPL_DEF_PYTHON, s, MPL_STR("(unknown file)"), 0,
                                               MPL_STR("(unknown function)"));
        PyMem_Free(bytes);
    }
    PyErr_Clear();
    f->can_defer = f->site_bits != 0 || !mpl_binding_sites_are_full();
    return f->site_bits;
}

/* ---- arguments ---- */

static void set(struct mplpy_body *b, unsigned i, enum mpl_pytype type, uint64_t word)
{
    b->types |= (uint64_t)type << (4 * i);
    b->word[i] = word;
    b->text[i] = NULL;
}

static bool set_float(struct mplpy_body *b, unsigned i, char conversion, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    set(b, i, MPL_PY_FLOAT, bits);
    return mpl_pyformat_takes(conversion, MPL_PY_FLOAT);
}

static bool set_int(struct mplpy_body *b, unsigned i, char conversion, PyObject *arg)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(arg, &overflow);
    if (overflow)
        return false;
    if (!mpl_pyformat_takes(conversion, MPL_PY_INT))
        return value >= -EXACT_INTS && value <= EXACT_INTS && set_float(b, i, conversion, (double)value);
    set(b, i, MPL_PY_INT, (uint64_t)value);
    return conversion != 'c' || (value >= 0 && value <= 0x10ffff && !(value >= 0xd800 && value <= 0xdfff));
}

static bool set_text(struct mplpy_body *b, unsigned i, const struct mpl_pyformat_op *op, PyObject *arg)
{
    if (mplpy_text_has_surrogates(arg))
        return false;
    uint64_t bytes = mplpy_text_bytes(arg);
    set(b, i, MPL_PY_TEXT, bytes);
    b->text[i] = arg;
    b->text_bytes += bytes;
    return op->conversion == 's' || (op->conversion == 'c' && PyUnicode_GET_LENGTH(arg) == 1);
}

static bool capture(struct mplpy_body *b, unsigned i, const struct mpl_pyformat_op *op, PyObject *arg)
{
    enum mpl_pytype type = MPL_PY_NONE;
    if (mplpy_is_text(arg))
        return set_text(b, i, op, arg);
    if (PyLong_CheckExact(arg))
        return set_int(b, i, op->conversion, arg);
    if (PyFloat_CheckExact(arg))
        return set_float(b, i, op->conversion, PyFloat_AS_DOUBLE(arg));
    if (arg == Py_True)
        type = MPL_PY_TRUE;
    else if (arg == Py_False)
        type = MPL_PY_FALSE;
    else if (arg != Py_None)
        return false;
    set(b, i, type, 0);
    return mpl_pyformat_takes(op->conversion, type);
}

bool mplpy_format_capture(const struct mplpy_format *f, PyObject *const *args, Py_ssize_t count, struct mplpy_body *b)
{
    if (!f->can_defer || count != (Py_ssize_t)f->parsed.arg_count)
        return false;
    b->is_typed = true;
    b->count = 0;
    b->types = b->text_bytes = 0;
    for (const struct mpl_pyformat_op *op = f->parsed.op; op < f->parsed.op + f->parsed.op_count; op++) {
        if (op->conversion && !capture(b, b->count, op, args[b->count]))
            return false;
        b->count += op->conversion != '\0';
    }
    return b->text_bytes <= TEXT_BYTES_MAX;
}

/* ---- at the call ---- */

/* LogRecord takes a single mapping that is not empty for the arguments themselves. */
static int is_mapping(PyObject *arg)
{
    if (PyUnicode_CheckExact(arg) || PyLong_CheckExact(arg) || PyFloat_CheckExact(arg) || PyTuple_CheckExact(arg) ||
        PyList_CheckExact(arg) || arg == Py_None)
        return 0;
    int is = PyDict_CheckExact(arg) ? 1 : PyObject_IsInstance(arg, mapping_class);
    return is > 0 ? PyObject_IsTrue(arg) : is;
}

PyObject *mplpy_format_now(PyObject *msg, PyObject *const *args, Py_ssize_t count)
{
    int mapping = count == 1 ? is_mapping(args[0]) : 0;
    if (mapping)
        return mapping < 0 ? NULL : PyUnicode_Format(msg, args[0]);
    PyObject *tuple = PyTuple_New(count);
    if (!tuple)
        return NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_INCREF(args[i]);
        PyTuple_SET_ITEM(tuple, i, args[i]);
    }
    PyObject *text = PyUnicode_Format(msg, tuple);
    Py_DECREF(tuple);
    return text;
}

int mplpy_format_init(void)
{
    PyObject *abc = PyImport_ImportModule("collections.abc");
    mapping_class = abc ? PyObject_GetAttrString(abc, "Mapping") : NULL;
    Py_XDECREF(abc);
    return mapping_class ? 0 : -1;
}
