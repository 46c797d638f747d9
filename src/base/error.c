/* SPDX-License-Identifier: Unlicense */
#include "base/error.h"

#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/text.h"

/* A page per thread that had a failure, not thread-local storage: a kilobyte of that would use up what libc keeps for
 * libraries that are loaded later. mmap rather than malloc: a forked child may come here while malloc's locks are held.
 */
static pthread_key_t key;
static _Atomic int key_state; /* 0 no key, 1 being made, 2 made, 3 refused */

/* Behind the text there is room for a sentence as long as the paths in it can make it. */
#define LONG_BYTES 16384u
#define MAP_BYTES (MPL_ERROR_MAX + LONG_BYTES)
#define REASON_MAX 128u /* what mpl_fail_errno puts behind it */

static void unmap_text(void *text) { munmap(text, MAP_BYTES); }

static bool has_key(void)
{
    int state = 0;
    if (atomic_compare_exchange_strong(&key_state, &state, 1)) {
        state = pthread_key_create(&key, unmap_text) == 0 ? 2 : 3;
        atomic_store(&key_state, state);
    }
    return state == 2;
}

__attribute__((destructor)) static void delete_key(void)
{
    int made = 2;
    if (atomic_compare_exchange_strong(&key_state, &made, 3))
        pthread_key_delete(key);
}

/* What is said instead of a sentence that there was no page for. */
static _Thread_local const char *instead;

static char *map_text(void)
{
    char *text = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (text == MAP_FAILED)
        return NULL;
    if (pthread_setspecific(key, text) == 0)
        return text;
    unmap_text(text);
    return NULL;
}

/* The thread's text, made if it is missing; NULL: there is no memory for one, the program has used up what there is of
 * keys, or another thread is just making ours. */
static char *own_text(void)
{
    bool is_possible = has_key();
    char *text = is_possible ? pthread_getspecific(key) : NULL;
    text = text || !is_possible ? text : map_text();
    instead = text ? NULL : is_possible ? "out of memory" : "the reason is not known, there was no room for it";
    return text;
}

/* What is too long loses its middle, which is a path's: the end is the reason. */
static void keep(const char *format, va_list ap)
{
    static const char gap[] = " ... ";
    const size_t max = MPL_ERROR_MAX - REASON_MAX - 4, half = (max - (sizeof gap - 1)) / 2;
    char *text = own_text();
    if (!text)
        return;
    char *whole = text + MPL_ERROR_MAX;
    int n = vsnprintf(whole, LONG_BYTES, format, ap);
    size_t len = n < 0 ? 0 : (size_t)n < LONG_BYTES ? (size_t)n : LONG_BYTES - 1;
    struct mpl_text t = {text, 0, MPL_ERROR_MAX};
    if (len <= max) {
        mpl_text_append(&t, whole, len);
    } else {
        mpl_text_append(&t, whole, half);
        mpl_text_str(&t, ((struct mpl_str){gap, sizeof gap - 1}));
        mpl_text_append(&t, whole + len - half, half);
    }
    mpl_text_cstr(&t);
}

int mpl_fail(int error, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    keep(format, ap);
    va_end(ap);
    return -error;
}

int mpl_fail_errno(int error, const char *format, ...)
{
    char reason[REASON_MAX];
    va_list ap;
    va_start(ap, format);
    keep(format, ap);
    va_end(ap);
    char *text = own_text();
    if (text) {
        struct mpl_text t = {text, strlen(text), MPL_ERROR_MAX};
        mpl_text_printf(&t, ": %s", mpl_errno_text(error, reason, sizeof reason));
    }
    return -error;
}

const char *mpl_error_text(void)
{
    const char *text = atomic_load(&key_state) == 2 ? pthread_getspecific(key) : NULL;
    return text ? text : instead ? instead : "";
}

void mpl_error_clear(void)
{
    instead = NULL;
    char *text = atomic_load(&key_state) == 2 ? pthread_getspecific(key) : NULL;
    if (text)
        text[0] = '\0';
}

void mpl_complain(const char *format, ...)
{
    char line[MPL_ERROR_MAX];
    int saved_errno = errno;
    struct mpl_text t = {line, 0, sizeof line - 1};
    mpl_text_str(&t, MPL_STR("mplog: "));
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(line + t.len, sizeof line - t.len - 1, format, ap);
    va_end(ap);
    t.len += n > 0 ? (size_t)n : 0;
    if (t.len > t.cap)
        t.len = t.cap;
    line[t.len++] = '\n';
    if (write(STDERR_FILENO, line, t.len) < 0) {
        /* nobody left to tell */
    }
    errno = saved_errno;
}

const char *mpl_errno_text(int error, char *buffer, size_t size)
{
    /* strerror_r comes in two signatures and speaks the host's language; strerror_l neither, and every libc we build on
     * has it. LC_ALL "C" needs no locale files. */
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    const char *text = c_locale ? strerror_l(error, c_locale) : NULL;
    struct mpl_text t = {buffer, 0, size};
    if (text)
        mpl_text_str(&t, mpl_str_from(text));
    else
        mpl_text_printf(&t, "error %d", error);
    if (c_locale)
        freelocale(c_locale);
    return mpl_text_cstr(&t);
}
