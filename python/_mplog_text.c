/* SPDX-License-Identifier: Unlicense
 *
 * PyUnicode_AsUTF8 would keep a second copy of every text in the caller's string, so texts that are not ASCII are
 * encoded straight into the record.
 */
#include "_mplog.h"

static bool is_surrogate(Py_UCS4 c) { return c >= 0xd800 && c <= 0xdfff; }

static uint64_t bytes_of(Py_UCS4 c)
{
    if (c < 0x80)
        return 1;
    if (c < 0x800)
        return 2;
    if (c < 0x10000)
        return is_surrogate(c) ? 6 : 3;
    return 4;
}

bool mplpy_text_has_surrogates(PyObject *s)
{
    if (mplpy_text_is_ascii(s) || PyUnicode_KIND(s) == PyUnicode_1BYTE_KIND)
        return false;
    int kind = (int)PyUnicode_KIND(s);
    const void *data = PyUnicode_DATA(s);
    for (Py_ssize_t i = 0; i < PyUnicode_GET_LENGTH(s); i++) {
        if (is_surrogate(PyUnicode_READ(kind, data, i)))
            return true;
    }
    return false;
}

uint64_t mplpy_text_bytes_any(PyObject *s)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    uint64_t bytes = 0;
    if (PyUnicode_KIND(s) == PyUnicode_1BYTE_KIND) {
        const Py_UCS1 *data = PyUnicode_1BYTE_DATA(s);
        for (Py_ssize_t i = 0; i < n; i++)
            bytes += 1 + (data[i] >> 7);
        return bytes;
    }
    int kind = (int)PyUnicode_KIND(s);
    const void *data = PyUnicode_DATA(s);
    for (Py_ssize_t i = 0; i < n; i++)
        bytes += bytes_of(PyUnicode_READ(kind, data, i));
    return bytes;
}

/* As the error handler backslashreplace. */
static char *put_surrogate(Py_UCS4 c, char *at)
{
    static const char digits[] = "0123456789abcdef";
    *at++ = '\\';
    *at++ = 'u';
    for (int shift = 12; shift >= 0; shift -= 4)
        *at++ = digits[c >> shift & 15];
    return at;
}

static char *put_character(Py_UCS4 c, char *at)
{
    switch (bytes_of(c)) {
    case 1: *at++ = (char)c; return at;
    case 2: *at++ = (char)(0xc0 | c >> 6); break;
    case 3:
        *at++ = (char)(0xe0 | c >> 12);
        *at++ = (char)(0x80 | (c >> 6 & 0x3f));
        break;
    case 4:
        *at++ = (char)(0xf0 | c >> 18);
        *at++ = (char)(0x80 | (c >> 12 & 0x3f));
        *at++ = (char)(0x80 | (c >> 6 & 0x3f));
        break;
    default: return put_surrogate(c, at);
    }
    *at++ = (char)(0x80 | (c & 0x3f));
    return at;
}

char *mplpy_text_put_any(PyObject *s, char *at)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    int kind = (int)PyUnicode_KIND(s);
    const void *data = PyUnicode_DATA(s);
    for (Py_ssize_t i = 0; i < n; i++)
        at = put_character(PyUnicode_READ(kind, data, i), at);
    return at;
}

char *mplpy_text_dup(PyObject *s, size_t *len)
{
    uint64_t bytes = mplpy_text_bytes(s);
    char *copy = PyMem_Malloc((size_t)bytes + 1);
    if (!copy) {
        PyErr_NoMemory();
        return NULL;
    }
    *mplpy_text_put(s, copy) = '\0';
    *len = (size_t)bytes;
    return copy;
}
