/* SPDX-License-Identifier: Unlicense
 *
 * What a record may do to the file or terminal it is shown on. In every mode bytes that are not UTF-8 become \xNN.
 *
 *     none      nothing else
 *     control   C0 controls but newline and tab, DEL, C1 controls (U+0080..U+009F): \xNN. A colour sequence
 *               (ESC [ digits and semicolons m) passes
 *     strict    as control, and newline, colour sequences, U+2028 and U+2029 (as \u2028): no record can forge a line.
 *               Tab passes
 */
#ifndef MPL_OUTPUT_ESCAPE_H
#define MPL_OUTPUT_ESCAPE_H

#include "base/text.h"

enum mpl_escape { MPL_ESCAPE_NONE = 0, MPL_ESCAPE_CONTROL = 1, MPL_ESCAPE_STRICT = 2 };

/* True: mpl_escape_append would copy `s` unchanged. About a byte a cycle or better for plain text. */
bool mpl_escape_is_clean(struct mpl_str s, enum mpl_escape mode);

/* True: printable ASCII and nothing else, which is clean in every mode and has as many characters as bytes. */
bool mpl_escape_is_plain(struct mpl_str s);

/* Copies `s` to `to`, which has room for it, and tells whether it is plain: one pass over the bytes instead of two. */
bool mpl_escape_copy_plain(char *to, struct mpl_str s);

/* Appends `s`, escaped. At most four times as long. */
void mpl_escape_append(struct mpl_text *out, struct mpl_str s, enum mpl_escape mode);

/* How many characters (not bytes) mpl_escape_append would append: for padding. */
size_t mpl_escape_count(struct mpl_str s, enum mpl_escape mode);

#endif
