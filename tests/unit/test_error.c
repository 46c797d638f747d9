/* SPDX-License-Identifier: Unlicense
 *
 * Sentences for failures: there always is one.
 */
#include <errno.h>
#include <pthread.h>

#include "base/error.h"
#include "harness.h"

#define KEYS_MAX 65536 /* more than any C library has */

static pthread_key_t keys[KEYS_MAX];

static int take_all_keys(void)
{
    int count = 0;
    while (count < KEYS_MAX && pthread_key_create(&keys[count], NULL) == 0)
        count++;
    return count;
}

/* The first of all: later, the library has its key. */
static void failure_in_a_program_that_has_used_up_all_keys_has_a_reason(void)
{
    int count = take_all_keys();
    CHECK(count < KEYS_MAX);
    CHECK_INT(mpl_fail(EINVAL, "level: \"%s\" is not a level", "x"), -EINVAL);
    bool has_reason = mpl_error_text()[0] != '\0';
    mpl_error_clear();
    bool is_cleared = mpl_error_text()[0] == '\0';
    CHECK_INT(mpl_fail_errno(ENOENT, "app.log: cannot be opened"), -ENOENT);
    has_reason = has_reason && mpl_error_text()[0] != '\0';
    while (count > 0)
        pthread_key_delete(keys[--count]);
    CHECK(has_reason && is_cleared);
}

TEST_MAIN(TEST_CASE(failure_in_a_program_that_has_used_up_all_keys_has_a_reason))
