/* SPDX-License-Identifier: Unlicense
 *
 * Bounded text: what is appended past `cap` is counted but not stored, as snprintf does, so that a caller learns in one
 * go how much room was missing. No terminating NUL, no allocation, no locale. Any thread, also in a signal handler.
 */
#ifndef MPL_BASE_TEXT_H
#define MPL_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A view; the bytes belong to somebody else. */
struct mpl_str {
    const char *ptr;
    size_t len;
};

struct mpl_text {
    char *data;
    size_t len; /* bytes appended; > cap: the rest did not fit */
    size_t cap;
};

#define MPL_STR(literal) ((struct mpl_str){(literal), sizeof(literal) - 1})

/* NULL gives the empty string. */
static inline struct mpl_str mpl_str_from(const char *text)
{
    return (struct mpl_str){text ? text : "", text ? strlen(text) : 0};
}

static inline bool mpl_str_equal(struct mpl_str a, struct mpl_str b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* The same for ASCII letters of either case. In every locale: strcasecmp finds no "info" in "INFO" where people write
 * Turkish. */
bool mpl_str_equal_caseless(struct mpl_str a, struct mpl_str b);

static inline bool mpl_text_fits(const struct mpl_text *t) { return t->len <= t->cap; }

static inline void mpl_text_append(struct mpl_text *t, const char *bytes, size_t n)
{
    if (t->len < t->cap && n > 0)
        memcpy(t->data + t->len, bytes, n <= t->cap - t->len ? n : t->cap - t->len);
    t->len += n;
}

static inline void mpl_text_str(struct mpl_text *t, struct mpl_str s) { mpl_text_append(t, s.ptr, s.len); }

static inline void mpl_text_char(struct mpl_text *t, char c)
{
    if (t->len < t->cap)
        t->data[t->len] = c;
    t->len++;
}

/* `n` times `c`. */
void mpl_text_fill(struct mpl_text *t, char c, size_t n);

/* Digits into memory that has room for them: decimal, MPL_DIGITS_MAX at most; returns the end. */
#define MPL_DIGITS_MAX 20u /* of 2^64 - 1 */
char *mpl_digits_put(char *to, uint64_t value);

/* The last `width` digits, zeros in front. */
void mpl_digits_put_padded(char *to, uint64_t value, unsigned width);

/* Decimal. */
void mpl_text_u64(struct mpl_text *t, uint64_t value);
void mpl_text_i64(struct mpl_text *t, int64_t value);

/* Decimal, at least `width` digits, zeros in front. */
void mpl_text_padded(struct mpl_text *t, uint64_t value, unsigned width);

/* Lower-case hexadecimal of exactly `digits` digits. */
void mpl_text_hex(struct mpl_text *t, uint64_t value, unsigned digits);

/* As printf, in whatever locale is in force: for sentences and file names, not for log records. A NUL follows where
 * there is room for it. */
void mpl_text_printf(struct mpl_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ends `t` with a NUL at cap - 1 at the latest and returns its data: for names and sentences. cap must be > 0. */
const char *mpl_text_cstr(struct mpl_text *t);

/* Reads an unsigned decimal of digits only. False: empty, not digits, or above `max`. */
bool mpl_str_to_u64(struct mpl_str s, uint64_t max, uint64_t *value);

#endif
