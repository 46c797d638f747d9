/* SPDX-License-Identifier: Unlicense
 *
 * From UTF-8 to the encoding of a file, by Python's names for encodings. utf-8, utf-8-sig, utf-16, utf-32 (native
 * order, with a byte order mark at the start of a file), utf-16-le/-be, utf-32-le/-be, latin-1 and ascii are built in;
 * every other name is asked of iconv(3). Characters the encoding lacks are written as Python's
 * errors="backslashreplace" does: \xNN, \uNNNN, \UNNNNNNNN. Tables are the C library's: in East Asian encodings some
 * signs differ from Python's.
 */
#ifndef MPL_OUTPUT_ENCODING_H
#define MPL_OUTPUT_ENCODING_H

#include "base/text.h"

struct mpl_encoding;

/* Names are compared as Python does: case, '-' , '_' and ' ' alike; common aliases (utf8, latin1, iso-8859-1, us-ascii,
 * cp1252, ...). NULL: utf-8. Allocates. 0; -EINVAL with a sentence: unknown, or one in which a log cannot be kept
 * (iconv turns "abc\n" into an error, has no backslash, or begins every text with a mark); -ENOMEM. */
int mpl_encoding_open(struct mpl_encoding **out, const char *name);
void mpl_encoding_close(struct mpl_encoding *e);

/* True: text is written as it is (utf-8, utf-8-sig). */
bool mpl_encoding_is_utf8(const struct mpl_encoding *e);

/* What a file begins with; may be empty. */
struct mpl_str mpl_encoding_bom(const struct mpl_encoding *e);

/* Appends `s` (valid UTF-8) in the encoding; shift sequences of a stateful one (iso-2022-jp) begin and end in it. One
 * thread at a time. */
void mpl_encoding_append(struct mpl_encoding *e, struct mpl_text *out, struct mpl_str s);

#endif
