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

/* Half a place, of a fraction of 2^64. */
#define HALF (UINT64_C(1) << 63)

static inline bool is_odd(const struct mpl_fixed *fixed, unsigned precision)
{
    return (precision ? fixed->places : fixed->whole) & 1;
}

/* Behind the point stands mantissa / 2^shift without its whole part: shifted up to 64 binary places it is a fraction of
 * 2^64, and the upper half of its product with 10^precision is the decimal places. Returns 1 if the rest, half to even,
 * makes one more of them. */
static inline uint64_t multiply_short(struct mpl_fixed *fixed, uint64_t mantissa, unsigned shift, unsigned precision)
{
    const unsigned __int128 wide = (unsigned __int128)(mantissa << (64 - shift)) * powers_of_ten[precision];
    fixed->whole = mantissa >> shift;
    fixed->places = (uint64_t)(wide >> 64);
    return (uint64_t)wide >= HALF + !is_odd(fixed, precision);
}

/* The same of a value below 1 whose fraction has more binary places; beyond 117 of them the product is less than
 * 2^53 * 10^19 < 2^117: less than half a place. */
static uint64_t multiply_long(struct mpl_fixed *fixed, uint64_t mantissa, unsigned shift, unsigned precision)
{
    const unsigned __int128 one = 1, wide = (unsigned __int128)mantissa * powers_of_ten[precision];
    *fixed = (struct mpl_fixed){0, 0};
    if (shift > 117)
        return 0;
    fixed->places = (uint64_t)(wide >> shift);
    return (wide & ((one << shift) - 1)) >= (one << (shift - 1)) + !is_odd(fixed, precision);
}

/* Rounds the exact value: mantissa * 2^-shift has (mantissa mod 2^shift) / 2^shift behind the point; times
 * 10^precision that is an integer, `places`, and a rest, and nothing is lost on the way. */
static inline bool split(struct mpl_fixed *fixed, uint64_t bits, unsigned precision)
{
    const uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    const unsigned exponent = (unsigned)(bits >> 52) & 0x7ff;
    const uint64_t mantissa = exponent ? fraction | UINT64_C(1) << 52 : fraction;
    const int shift = 1075 - (int)(exponent ? exponent : 1);
    if (shift <= 0) {
        *fixed = (struct mpl_fixed){shift >= -11 ? mantissa << -shift : 0, 0};
        return shift >= -11;
    }
    const uint64_t one_more = shift < 64 ? multiply_short(fixed, mantissa, (unsigned)shift, precision)
                                         : multiply_long(fixed, mantissa, (unsigned)shift, precision);
    fixed->places += one_more;
    if (fixed->places == powers_of_ten[precision]) {
        fixed->places = 0;
        fixed->whole++;
    }
    return true;
}

bool mpl_fixed_of(struct mpl_fixed *fixed, uint64_t bits, unsigned precision) { return split(fixed, bits, precision); }

char *mpl_fixed_put(char *to, uint64_t bits, unsigned precision)
{
    struct mpl_fixed fixed;
    if (!split(&fixed, bits & INT64_MAX, precision))
        return NULL;
    *to = '-';
    to = mpl_digits_put(to + (bits >> 63), fixed.whole);
    if (precision == 0)
        return to;
    *to++ = '.';
    mpl_digits_put_padded(to, fixed.places, precision);
    return to + precision;
}
