/* SPDX-License-Identifier: Unlicense
 *
 * A test program is a list of functions; each prints one TAP line. A failed CHECK ends its function, not the program.
 */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_case {
    const char *name;
    void (*run_fn)(void);
};

static bool test_has_failed;

static inline void test_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

static inline void test_fail(const char *file, int line, const char *format, ...)
{
    va_list ap;
    printf("# %s:%d: ", file, line);
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    putchar('\n');
    test_has_failed = true;
}

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            test_fail(__FILE__, __LINE__, "not true: %s", #condition);                                                 \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

#define CHECK_INT(actual, expected)                                                                                    \
    do {                                                                                                               \
        intmax_t actual_ = (intmax_t)(actual), expected_ = (intmax_t)(expected);                                       \
        if (actual_ != expected_) {                                                                                    \
            test_fail(__FILE__, __LINE__, "%s is %jd, not %jd", #actual, actual_, expected_);                          \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

/* Bytes; `actual` and `expected` need no NUL. */
#define CHECK_BYTES(actual, actual_len, expected, expected_len)                                                        \
    do {                                                                                                               \
        const char *actual_ = (actual), *expected_ = (expected);                                                       \
        size_t actual_len_ = (actual_len), expected_len_ = (expected_len);                                             \
        if (actual_len_ != expected_len_ || memcmp(actual_, expected_, actual_len_) != 0) {                            \
            test_fail(__FILE__, __LINE__, "%s is \"%.*s\" (%zu), not \"%.*s\" (%zu)", #actual, (int)actual_len_,       \
                      actual_, actual_len_, (int)expected_len_, expected_, expected_len_);                             \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

#define CHECK_TEXT(actual, actual_len, expected) CHECK_BYTES(actual, actual_len, expected, strlen(expected))

/* TEST_ONLY=name: that case alone. The plan stays that of the program: who takes one case for all of them is told. */
static inline int test_run(const struct test_case *cases, size_t count)
{
    const char *only = getenv("TEST_ONLY");
    int failures = 0, ran = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%zu\n", count);
    for (size_t i = 0; i < count; i++) {
        if (only && strcmp(only, cases[i].name) != 0)
            continue;
        test_has_failed = false;
        cases[i].run_fn();
        printf("%sok %zu - %s\n", test_has_failed ? "not " : "", i + 1, cases[i].name);
        failures += test_has_failed;
        ran++;
    }
    if (ran == 0)
        printf("Bail out! there is no case %s\n", only ? only : "at all");
    return failures != 0 || ran == 0;
}

#define TEST_CASE(function)                                                                                            \
    {                                                                                                                  \
#function, function                                                                                            \
    }
#define TEST_MAIN(...)                                                                                                 \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        static const struct test_case cases[] = {__VA_ARGS__};                                                         \
        return test_run(cases, sizeof cases / sizeof cases[0]);                                                        \
    }

/* A generator whose sequence depends on the seed alone (splitmix64, Steele, Lea and Flood 2014). */
static inline uint64_t test_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

#endif
