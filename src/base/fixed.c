/* SPDX-License-Identifier: Unlicense */
#include "base/fixed.h"

#include "base/text.h"

/* 10^19 is the largest power of ten in 64 bits; times 53 bits of a double it still fits 128. */
static const uint64_t powers_of_ten[MPL_FIXED_PRECISION_MAX + 1] = {
    1u,
    10u,
    100u,
    1000u,
    10000u,
    100000u,
    1000000u,
    10000000u,
    100000000u,
    1000000000u,
    10000000000u,
    100000000000u,
    1000000000000u,
    10000000000000u,
    100000000000000u,
    1000000000000000u,
    10000000000000000u,
    100000000000000000u,
    1000000000000000000u,
    10000000000000000000u,
};

static inline int compare_half(unsigned __int128 rest, unsigned __int128 half) { return (rest > half) - (rest < half); }

/* Rounds the exact value: mantissa * 2^-shift has (mantissa mod 2^shift) / 2^shift behind the point; times
 * 10^precision that is an integer, `places`, and a rest, and nothing is lost on the way. */
bool mpl_fixed_of(struct mpl_fixed *fixed, uint64_t bits, unsigned precision)
{
    const uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    const unsigned exponent = (unsigned)(bits >> 52) & 0x7ff;
    const uint64_t mantissa = exponent ? fraction | UINT64_C(1) << 52 : fraction;
    const int shift = 1075 - (int)(exponent ? exponent : 1);
    if (shift <= 0) {
        *fixed = (struct mpl_fixed){shift >= -11 ? mantissa << -shift : 0, 0};
        return shift >= -11;
    }
    fixed->whole = shift < 64 ? mantissa >> shift : 0;
    fixed->places = 0;
    if (shift > 117) /* the product below is less than 2^53 * 10^19 < 2^117: less than half a place */
        return true;
    const uint64_t low = shift < 64 ? mantissa & ((UINT64_C(1) << shift) - 1) : mantissa;
    int rounding; /* the rest compared with half a place: below 0, 0, above 0 */
    uint64_t product;
    if (shift < 64 && !__builtin_mul_overflow(low, powers_of_ten[precision], &product)) {
        fixed->places = product >> shift;
        rounding = compare_half(product & ((UINT64_C(1) << shift) - 1), UINT64_C(1) << (shift - 1));
    } else {
        const unsigned __int128 one = 1, wide = (unsigned __int128)low * powers_of_ten[precision];
        fixed->places = (uint64_t)(wide >> shift);
        rounding = compare_half(wide & ((one << shift) - 1), one << (shift - 1));
    }
    const bool is_odd = (precision ? fixed->places : fixed->whole) & 1;
    if (rounding > 0 || (rounding == 0 && is_odd))
        fixed->places++;
    if (fixed->places == powers_of_ten[precision]) {
        fixed->places = 0;
        fixed->whole++;
    }
    return true;
}

char *mpl_fixed_put(char *to, uint64_t bits, unsigned precision)
{
    struct mpl_fixed fixed;
    if (!mpl_fixed_of(&fixed, bits & INT64_MAX, precision))
        return NULL;
    *to = '-';
    to = mpl_digits_put(to + (bits >> 63), fixed.whole);
    if (precision == 0)
        return to;
    *to++ = '.';
    mpl_digits_put_padded(to, fixed.places, precision);
    return to + precision;
}
