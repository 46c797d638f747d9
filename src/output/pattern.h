/* SPDX-License-Identifier: Unlicense
 *
 * A compiled format string: Python's %-style over the attributes of a LogRecord, as
 * https://docs.python.org/3/library/logging.html#logrecord-attributes lists them, with flags, width and precision as
 * https://docs.python.org/3/library/stdtypes.html#printf-style-string-formatting defines them: %(levelname)-8s,
 * %(process)5d, %(msecs)03d, %(created).6f, %%.
 *
 * Types: created, msecs and relativeCreated are floats (msecs and relativeCreated with whole milliseconds from 3.13 on:
 * msecs is a whole number, relativeCreated keeps its fraction), levelno, lineno, process and thread are ints, all
 * others text. Conversions: s r a for all (r and a of text: quoted as Python's repr and ascii), d i u and e f g E F G
 * for numbers (an int for a float conversion is converted, a float for d is truncated), o x X for ints, c for ints
 * (U+FFFD for what is no character). h, l and L are ignored.
 *
 * Width and precision of text count characters: precision those of the value, width those that are shown, escaped. %r
 * shows code points that have no character (yet) as if they had one, but for the larger gaps. A text without a value is
 * empty, only taskName is "None".
 */
#ifndef MPL_OUTPUT_PATTERN_H
#define MPL_OUTPUT_PATTERN_H

#include "output/asctime.h"
#include "output/escape.h"
#include "output/record.h"

#define MPL_DEFAULT_FORMAT                                                                                             \
    "%(asctime)s %(levelname)-8s %(name)s [%(processName)s:%(process)d %(threadName)s] %(message)s"

#define MPL_PATTERN_WIDTH_MAX 1000u /* width and precision: more than any column, and floats fit a small buffer */

struct mpl_pattern;

/* `format` NULL or "": MPL_DEFAULT_FORMAT. Allocates. 0; -EINVAL with a sentence that names the option format_string,
 * the spot and the reason (unknown field, bad conversion, "%" without name, "%(" without ")", "*", a width or precision
 * above the limit, no field at all, not UTF-8); -ENOMEM. */
int mpl_pattern_compile(struct mpl_pattern **out, const char *format);
void mpl_pattern_destroy(struct mpl_pattern *p);

/* Appends the line, without a newline at its end, in UTF-8. Field values are escaped, the pattern's own text is not.
 * Exception and stack follow on lines of their own (in strict mode after "\n" shown as \x0a). Runs where the numeric
 * locale is "C". One thread at a time per pattern.
 *
 * If the line does not fit, out->len is what it takes. Messages that are made here (c_format, show_error, cut_bytes) go
 * through a private buffer if they need escaping or do not fit; that alone may allocate. They are cut, with a note that
 * says so, beyond 16 MiB and when there is no memory. */
void mpl_pattern_render(struct mpl_pattern *p, const struct mpl_record *r, struct mpl_asctime *a, enum mpl_escape mode,
                        struct mpl_text *out);

/* The same line for a record without exception or stack of which a like one (struct mpl_record, source) has been
 * rendered before: only time and message are made anew. `message_fn` appends the message, which must be clean in the
 * mode of escape, or returns false. False: there is none like it, or the pattern or the message needs more, or it does
 * not fit; what is in `out` then has no meaning. */
struct mpl_pattern_again {
    uint64_t source, ids;
    int64_t created_ns;
    bool (*message_fn)(const void *arg, struct mpl_text *out);
    const void *arg;
};
bool mpl_pattern_render_again(struct mpl_pattern *p, const struct mpl_pattern_again *r, struct mpl_asctime *a,
                              struct mpl_text *out);

#endif
