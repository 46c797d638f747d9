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
    PyObject *text; /* of `known`: one line less to be fetched */
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

static struct mplpy_conversion conversion_of(const struct mpl_pyformat_op *op)
{
    struct mplpy_conversion c = {.letter = op->conversion};
    for (unsigned type = MPL_PY_NONE; type <= MPL_PY_TEXT; type++)
        c.takes |= (uint8_t)(mpl_pyformat_takes(op->conversion, (enum mpl_pytype)type) << type);
    return c;
}

static void parse(struct mplpy_format *f, struct mpl_str text)
{
    struct mpl_pyformat parsed;
    if (!mpl_pyformat_parse(&parsed, text) || parsed.arg_count == 0)
        return;
    for (unsigned i = 0; i < parsed.op_count; i++) {
        if (parsed.op[i].conversion)
            f->conversion[f->arg_count++] = conversion_of(&parsed.op[i]);
    }
    f->can_defer = true;
}

static struct mplpy_format *make(PyObject *text)
{
    struct mplpy_format *f = PyMem_Calloc(1, sizeof *f);
    if (!f)
        return NULL;
    Py_INCREF(text);
    f->text = text;
    size_t len;
    char *bytes = mplpy_text_has_surrogates(text) ? NULL : mplpy_text_dup(text, &len);
    if (bytes)
        parse(f, (struct mpl_str){bytes, len});
    else
        PyErr_Clear();
    PyMem_Free(bytes);
    return f;
}

struct mplpy_format *mplpy_format_find(PyObject *text)
{
    size_t i = ((uintptr_t)text >> 4) * 0x9e3779b1u >> 7 & (FORMATS - 1);
    struct mplpy_format *f = table[i].known;
    if (mplpy_likely(table[i].text == text))
        return f;
    if (PyUnicode_GET_LENGTH(text) > FORMAT_CHARACTERS_MAX)
        return NULL;
    if (table[i].candidate == text) {
        table[i].known = make(text);
        table[i].text = table[i].known ? text : NULL;
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

static inline bool set(struct mplpy_body *b, unsigned i, const struct mplpy_conversion *c, enum mpl_pytype type,
                       uint64_t word)
{
    b->types |= (uint64_t)type << (4 * i);
    b->word[i] = word;
    b->text[i] = NULL;
    return c->takes >> type & 1;
}

static inline bool set_float(struct mplpy_body *b, unsigned i, const struct mplpy_conversion *c, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return set(b, i, c, MPL_PY_FLOAT, bits);
}

/* False: more than 64 bits. */
static inline bool read_int(PyObject *arg, long long *value)
{
    int overflow;
#if PY_VERSION_HEX < 0x030C0000
    Py_ssize_t size = Py_SIZE(arg); /* in digits, with the sign of the number */
    if (mplpy_likely(size >= -1 && size <= 1)) {
        *value = size * (long long)((PyLongObject *)arg)->ob_digit[0];
        return true;
    }
#endif
    *value = PyLong_AsLongLongAndOverflow(arg, &overflow);
    return !overflow;
}

static inline bool set_int(struct mplpy_body *b, unsigned i, const struct mplpy_conversion *c, PyObject *arg)
{
    long long value;
    if (!read_int(arg, &value))
        return false;
    if (!(c->takes >> MPL_PY_INT & 1))
        return value >= -EXACT_INTS && value <= EXACT_INTS && set_float(b, i, c, (double)value);
    return set(b, i, c, MPL_PY_INT, (uint64_t)value) &&
           (c->letter != 'c' || (value >= 0 && value <= 0x10ffff && !(value >= 0xd800 && value <= 0xdfff)));
}

static inline bool set_text(struct mplpy_body *b, unsigned i, const struct mplpy_conversion *c, PyObject *arg)
{
    if (mplpy_unlikely(!mplpy_text_is_ascii(arg)) && mplpy_text_has_surrogates(arg))
        return false;
    uint64_t bytes = mplpy_text_bytes(arg);
    bool is_taken = set(b, i, c, MPL_PY_TEXT, bytes);
    b->text[i] = arg;
    b->text_bytes += bytes;
    return is_taken && (c->letter == 's' || PyUnicode_GET_LENGTH(arg) == 1);
}

static inline bool capture(struct mplpy_body *b, unsigned i, const struct mplpy_conversion *c, PyObject *arg)
{
    if (mplpy_is_text(arg))
        return set_text(b, i, c, arg);
    if (PyLong_CheckExact(arg))
        return set_int(b, i, c, arg);
    if (PyFloat_CheckExact(arg))
        return set_float(b, i, c, PyFloat_AS_DOUBLE(arg));
    if (arg == Py_True || arg == Py_False)
        return set(b, i, c, arg == Py_True ? MPL_PY_TRUE : MPL_PY_FALSE, 0);
    return arg == Py_None && set(b, i, c, MPL_PY_NONE, 0);
}

bool mplpy_format_capture(const struct mplpy_format *f, PyObject *const *args, Py_ssize_t count, struct mplpy_body *b)
{
    unsigned n = f->arg_count;
    if (!f->can_defer || count != (Py_ssize_t)n)
        return false;
    b->is_typed = true;
    b->count = n;
    b->types = b->text_bytes = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!capture(b, i, &f->conversion[i], args[i]))
            return false;
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
