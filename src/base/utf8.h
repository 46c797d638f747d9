/* SPDX-License-Identifier: Unlicense
 *
 * UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef MPL_BASE_UTF8_H
#define MPL_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* Decodes the character that begins at `bytes` (n >= 1 bytes are there). Returns its length, 1..4, or 0 if the first
 * byte begins no valid character. */
size_t mpl_utf8_decode(const char *bytes, size_t n, uint32_t *code);

/* Writes at most 4 bytes; returns how many. `code` above U+10FFFF or a surrogate: U+FFFD. */
size_t mpl_utf8_encode(uint32_t code, char bytes[4]);

/* Characters in `s`; each byte that belongs to none counts as one. */
size_t mpl_utf8_count(struct mpl_str s);

/* Bytes that the first `characters` characters of `s` take. */
size_t mpl_utf8_prefix(struct mpl_str s, size_t characters);

/* The greatest number of bytes, at most `bytes`, at which `s` can be cut without splitting a character. */
size_t mpl_utf8_cut(struct mpl_str s, size_t bytes);

#endif
