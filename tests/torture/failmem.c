/* SPDX-License-Identifier: Unlicense
 *
 * Preloaded: lets the FAILMEM_AT-th allocation fail, and with FAILMEM_EVER all that follow. Their number is left in the
 * file FAILMEM_REPORT, and whether one has failed. glibc alone has the functions that it stands before.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *at, size_t bytes);

static _Atomic long count;
static _Atomic bool has_failed;
static long fail_at = -1; /* not read yet */
static bool is_for_ever;

static bool fails(void)
{
    if (fail_at < 0) {
        const char *at = getenv("FAILMEM_AT");
        is_for_ever = getenv("FAILMEM_EVER") != NULL;
        fail_at = at ? strtol(at, NULL, 10) : 0;
    }
    long number = atomic_fetch_add(&count, 1) + 1;
    if (fail_at == 0 || (is_for_ever ? number < fail_at : number != fail_at))
        return false;
    atomic_store(&has_failed, true);
    errno = ENOMEM;
    return true;
}

__attribute__((visibility("default"))) void *malloc(size_t bytes) { return fails() ? NULL : __libc_malloc(bytes); }

__attribute__((visibility("default"))) void *calloc(size_t n, size_t bytes)
{
    return fails() ? NULL : __libc_calloc(n, bytes);
}

__attribute__((visibility("default"))) void *realloc(void *at, size_t bytes)
{
    return fails() ? NULL : __libc_realloc(at, bytes);
}

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("FAILMEM_REPORT");
    long total = atomic_load(&count);
    bool is_fired = atomic_load(&has_failed);
    fail_at = 0;
    FILE *f = path ? fopen(path, "we") : NULL;
    if (f) {
        fprintf(f, "%ld %d\n", total, is_fired);
        fclose(f);
    }
}
