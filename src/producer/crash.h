/* SPDX-License-Identifier: Unlicense
 *
 * The crash handler: a fatal signal becomes a record, then it takes the course it would have taken without us.
 */
#ifndef MPL_PRODUCER_CRASH_H
#define MPL_PRODUCER_CRASH_H

#include <signal.h>
#include <stdbool.h>

#include "base/text.h"

/* Takes over the fatal signals of this process, once; children that it forks inherit that. 0 or -errno with a sentence.
 * Under the process's lock. */
int mpl_crash_install(void);

/* Gives the calling thread an alternate stack, where the handler is installed and the thread has none: a handler cannot
 * run on a stack that has overflowed. And takes it away at the thread's end. */
void mpl_crash_begin_thread(void);
void mpl_crash_end_thread(void);

/* Is a crash being told? Then nothing may be called that takes a lock of the C library. */
bool mpl_crash_is_underway(void);

/* ---- crash_report.c: all async-signal-safe ---- */

/* Loads now what unwinding a stack needs later. */
void mpl_crash_report_prepare(void);

/* "SIGSEGV (11): address not mapped (SEGV_MAPERR) at 0x10" */
void mpl_crash_put_signal(struct mpl_text *t, int number, const siginfo_t *info);

/* The calling stack, from where the signal came: a line a frame. May crash itself, on a stack that was overwritten. */
void mpl_crash_put_stack(struct mpl_text *t, const void *context);

#endif
