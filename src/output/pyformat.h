/* SPDX-License-Identifier: Unlicense
 *
 * Python's % operator, in two steps: a format is parsed where the call is, to see whether it can wait; and rendered
 * later, in another process, from typed arguments. The text is what `format % arguments` gives in CPython 3.7 to 3.13,
 * which agree on all that is taken here; the rest is refused and left to Python itself: names, '*', %a, a width or
 * precision above MPL_PATTERN_WIDTH_MAX, more than one of h, l and L.
 *
 * No allocation, no locks; any thread. Rendering runs where the numeric locale is "C".
 */
#ifndef MPL_OUTPUT_PYFORMAT_H
#define MPL_OUTPUT_PYFORMAT_H

#include "base/text.h"

#define MPL_PYFORMAT_ARGS_MAX 16u /* their types fit one word */

/* Four bits of a record's word of types. */
enum mpl_pytype {
    MPL_PY_NONE = 0,
    MPL_PY_TRUE = 1,
    MPL_PY_FALSE = 2,
    MPL_PY_INT = 3,   /* int64 */
    MPL_PY_FLOAT = 4, /* the bits of a double */
    MPL_PY_TEXT = 5,  /* UTF-8 */
};

struct mpl_pyarg {
    enum mpl_pytype type;
    union {
        int64_t number;
        double real;
        struct mpl_str text;
    };
};

/* A conversion and the literal text in front of it; conversion '\0': only the text. A "%%" ends a text with its first
 * '%'. */
struct mpl_pyformat_op {
    uint32_t text_from, text_len; /* in the format */
    int16_t width, precision;     /* 0 and -1: none */
    uint8_t flags;                /* MPL_FLAG_* of pattern_private.h */
    char conversion;              /* s r d o x X c e E f F g G; i and u are d */
};

#define MPL_PYFORMAT_OPS_MAX 32u /* conversions, and a text for each "%%" */

struct mpl_pyformat {
    uint32_t op_count, arg_count;
    struct mpl_pyformat_op op[MPL_PYFORMAT_OPS_MAX];
};

/* False: not a format, or not one that can be rendered later. */
bool mpl_pyformat_parse(struct mpl_pyformat *f, struct mpl_str format);

/* May an argument of that type be shown so? A float of an int conversion, for one, is Python's business: nan raises. An
 * int for e, f and g is to be passed as a float. */
bool mpl_pyformat_takes(char conversion, enum mpl_pytype type);

/* Appends the text. `format` is what was parsed; an argument of a type that its conversion does not take, which only
 * damage can bring about, is left out. */
void mpl_pyformat_render(const struct mpl_pyformat *f, struct mpl_str format, const struct mpl_pyarg *args,
                         struct mpl_text *out);

/* As repr of a float: the fewest digits that are read back as the same value. MPL_PYFORMAT_FLOAT_MAX bytes at most:
 * sign, 17 digits, zeros, point and exponent. */
#define MPL_PYFORMAT_FLOAT_MAX 40u
void mpl_pyformat_append_float(struct mpl_text *out, double value);

#endif
