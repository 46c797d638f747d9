/* SPDX-License-Identifier: Unlicense
 *
 * What the fuzz targets share: reading the input, and checks that end the program. A target has one function, which is
 * called with what libFuzzer makes up (tools/fuzz) or with the files of fuzz/corpus/ (replay.c). Inputs begin with
 * lines of text, so that a corpus can be read and written by people.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* abort, so that libFuzzer keeps the input and a debugger the stack. */
#define FUZZ_CHECK(condition)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* What stands before the first `end` in *rest, or all of it; *rest moves behind it. */
static inline struct mpl_str fuzz_until(struct mpl_str *rest, char end)
{
    const char *at = rest->len ? memchr(rest->ptr, end, rest->len) : NULL;
    struct mpl_str before = {rest->ptr, at ? (size_t)(at - rest->ptr) : rest->len};
    size_t n = before.len + (at != NULL);
    *rest = (struct mpl_str){rest->ptr + n, rest->len - n};
    return before;
}

static inline struct mpl_str fuzz_line(struct mpl_str *rest) { return fuzz_until(rest, '\n'); }
static inline struct mpl_str fuzz_word(struct mpl_str *line) { return fuzz_until(line, ' '); }

/* Decimal, with a sign, or hexadecimal after "0x"; what else it is counts as 0. */
static inline uint64_t fuzz_number(struct mpl_str s)
{
    char digits[32] = "";
    memcpy(digits, s.ptr, s.len < sizeof digits ? s.len : sizeof digits - 1);
    return digits[0] == '-' ? (uint64_t)strtoll(digits, NULL, 0) : strtoull(digits, NULL, 0);
}

static inline uint64_t fuzz_next_number(struct mpl_str *line) { return fuzz_number(fuzz_word(line)); }

/* `n` bytes into `to`, zeros where the input has ended. */
static inline void fuzz_take(struct mpl_str *rest, void *to, size_t n)
{
    size_t have = rest->len < n ? rest->len : n;
    memset(to, 0, n);
    if (have > 0)
        memcpy(to, rest->ptr, have);
    *rest = (struct mpl_str){rest->ptr + have, rest->len - have};
}

/* On the heap and exactly as long as it is: AddressSanitizer sees each byte read behind it. To be freed. */
static inline char *fuzz_copy(struct mpl_str s)
{
    char *copy = malloc(s.len ? s.len : 1);
    FUZZ_CHECK(copy);
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    return copy;
}

static inline char *fuzz_cstr(struct mpl_str s)
{
    char *copy = malloc(s.len + 1);
    FUZZ_CHECK(copy);
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

/* Characters of `s` that no line in mode strict may hold but where its pattern has them. */
struct fuzz_controls {
    size_t newlines, others;
    bool is_utf8;
};

static inline struct fuzz_controls fuzz_count_controls(struct mpl_str s)
{
    struct fuzz_controls count = {0, 0, true};
    uint32_t code;
    for (size_t at = 0, n; at < s.len; at += n) {
        n = mpl_utf8_decode(s.ptr + at, s.len - at, &code);
        count.is_utf8 = count.is_utf8 && n > 0;
        n = n ? n : 1;
        count.newlines += n == 1 && code == '\n';
        count.others += (code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7f && code < 0xa0) ||
                        code == 0x2028 || code == 0x2029;
    }
    return count;
}

#endif
