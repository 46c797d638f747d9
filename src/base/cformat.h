/* SPDX-License-Identifier: Unlicense
 *
 * C's printf, in two steps: a format is parsed once into conversions, and rendered later, possibly in another process,
 * from argument words. The text equals what glibc's printf writes in the C locale, with these exceptions: %n is
 * refused; %ls and %lc always write UTF-8 and %lc of an invalid code writes U+FFFD; %s of NULL is "(null)"; %m takes
 * the errno of the call, and %#m is no different. POSIX positions (%1$d) are supported; glibc's %'d and %Id flags are
 * accepted and change nothing in the C locale.
 *
 * No allocation, no locks; any thread. render uses snprintf for floating point and must therefore run where the numeric
 * locale is "C" (mpl_cformat_use_c_locale).
 */
#ifndef MPL_BASE_CFORMAT_H
#define MPL_BASE_CFORMAT_H

#include <stdarg.h>

#include "base/text.h"

#define MPL_CFORMAT_ARGS_MAX 32u  /* as many as mplog.h's macros take */
#define MPL_CFORMAT_SPECS_MAX 66u /* conversions and the literal text around each; log calls have them on their stack */

/* How an argument travels. */
enum mpl_arg_class {
    MPL_ARG_NONE = 0,    /* a position no conversion uses; travels as a word */
    MPL_ARG_INT,         /* word; the conversion narrows it to the type its length modifier names */
    MPL_ARG_DOUBLE,      /* word: the bits */
    MPL_ARG_LONG_DOUBLE, /* two words: the bits, low first */
    MPL_ARG_POINTER,     /* word; shown, not followed */
    MPL_ARG_STRING,      /* bytes */
    MPL_ARG_WIDE_STRING, /* wchar_t string; travels as UTF-8 bytes */
};

/* One argument, ready to be rendered. A null string is {NULL, 0}. */
struct mpl_arg {
    union {
        uint64_t word;
        long double long_double;
        struct mpl_str str;
    };
};

/* What the capturing side must know of each argument. `limit`: at most so many bytes of a string are read, which need
 * not be terminated then; MPL_NO_LIMIT: to its NUL. limit_arg >= 0: the limit is that (int) argument's value, negative:
 * none. Of the constant limits of several conversions the largest counts; if arguments give different ones, none. */
#define MPL_NO_LIMIT SIZE_MAX

struct mpl_arg_spec {
    uint8_t class; /* enum mpl_arg_class */
    int8_t limit_arg;
    size_t limit;
};

/* One conversion, or literal text (conversion == 0). */
struct mpl_conversion {
    uint32_t text_from, text_len; /* in the format: literal text (of "%%" one '%'), or the conversion's spelling */
    char conversion;              /* d i u o x X c s p e E f F g G a A m; 0: literal */
    uint8_t flags;                /* MPL_CFORMAT_* */
    uint8_t length;               /* enum mpl_length_modifier */
    int8_t arg, width_arg, precision_arg; /* index of the argument; -1: none */
    int32_t width, precision;             /* constants; -1: none */
};

enum { MPL_CFORMAT_LEFT = 1, MPL_CFORMAT_PLUS = 2, MPL_CFORMAT_SPACE = 4, MPL_CFORMAT_ALT = 8, MPL_CFORMAT_ZERO = 16 };

enum mpl_length_modifier {
    MPL_LENGTH_INT = 0,
    MPL_LENGTH_CHAR,
    MPL_LENGTH_SHORT,
    MPL_LENGTH_LONG,
    MPL_LENGTH_LONG_LONG,
    MPL_LENGTH_INTMAX,
    MPL_LENGTH_SIZE,
    MPL_LENGTH_PTRDIFF,
    MPL_LENGTH_LONG_DOUBLE,
};

struct mpl_cformat {
    uint32_t conversion_count, arg_count;
    struct mpl_conversion conversion[MPL_CFORMAT_SPECS_MAX];
    struct mpl_arg_spec arg[MPL_CFORMAT_ARGS_MAX];
};

/* Parses `format`, which must outlive nothing: the result holds offsets. 0; -EINVAL: not a valid format, or %n;
 * -E2BIG: more arguments or conversions than the limits above. */
int mpl_cformat_parse(struct mpl_cformat *f, struct mpl_str format);

/* Appends the message. `format` is the text that was parsed; `error` is the errno for %m. */
void mpl_cformat_render(const struct mpl_cformat *f, struct mpl_str format, const struct mpl_arg *args, int error,
                        struct mpl_text *out);

/* Of the word an integer travels in, above the type that the length modifier names; they may be anything. */
unsigned mpl_cformat_unused_bits(uint8_t length);

/* Fetches the arguments that `f` names from `ap`. Strings stay where they are (views); a wide string is {pointer, 0} in
 * str, to be converted with mpl_cformat_wide. */
void mpl_cformat_fetch(const struct mpl_cformat *f, va_list ap, struct mpl_arg *args);

/* Length in bytes of string argument `i`, limits respected; reads no further than they say. NULL: 0. */
size_t mpl_cformat_string_len(const struct mpl_cformat *f, const struct mpl_arg *args, unsigned i, const char *string);

/* Appends the UTF-8 form of wide string argument `i` (whole characters within its limit; invalid codes as U+FFFD). */
void mpl_cformat_wide(const struct mpl_cformat *f, const struct mpl_arg *args, unsigned i, const void *wide,
                      struct mpl_text *out);

/* Puts the calling thread into the C locale and returns the one before, for mpl_cformat_restore_locale. Not a lock, no
 * allocation after the first call in the process. */
void *mpl_cformat_use_c_locale(void);
void mpl_cformat_restore_locale(void *previous);

#endif
