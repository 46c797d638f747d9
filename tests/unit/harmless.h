/* SPDX-License-Identifier: Unlicense
 *
 * Whether a line can do anything to a terminal or a log, by a measure that knows nothing of output/escape.c.
 */
#ifndef TESTS_HARMLESS_H
#define TESTS_HARMLESS_H

#include "base/text.h"

/* By its bytes, as a terminal would see them: no control character but the tab, no separator of lines. */
static inline bool is_one_harmless_line(struct mpl_str line)
{
    for (size_t i = 0; i < line.len; i++) {
        const unsigned char *b = (const unsigned char *)line.ptr + i;
        size_t left = line.len - i;
        if ((*b < 0x20 && *b != '\t') || *b == 0x7f || (left > 1 && *b == 0xc2 && b[1] < 0xa0) ||
            (left > 2 && *b == 0xe2 && b[1] == 0x80 && (b[2] == 0xa8 || b[2] == 0xa9)))
            return false;
    }
    return true;
}

#endif
