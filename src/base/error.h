/* SPDX-License-Identifier: Unlicense
 *
 * The sentence for the last failure in this thread (mplog_last_error), and lines of our own on stderr for what happens
 * where no call can report it. Set-up paths only: a log call never comes here except when logging itself cannot work.
 */
#ifndef MPL_BASE_ERROR_H
#define MPL_BASE_ERROR_H

#include <stddef.h>

#define MPL_ERROR_MAX 1024 /* a sentence with a long path in it */

/* Keeps the sentence and returns -error, so that a caller can `return mpl_fail(EINVAL, ...)`. mpl_error_text() may be
 * among what is formatted: that is how a caller puts something before it. */
int mpl_fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As mpl_fail, with ": <strerror(error)>" at the end. */
int mpl_fail_errno(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Never NULL; "" if nothing has failed in this thread. Valid until the next failure in this thread. */
const char *mpl_error_text(void);

void mpl_error_clear(void);

/* Writes "mplog: <sentence>\n" to descriptor 2 in one write. Errors are ignored: there is nobody left to tell. */
void mpl_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* strerror without its static buffer and without the locale's language; "Unknown error N" where there is none. */
const char *mpl_errno_text(int error, char *buffer, size_t size);

#endif
