/* SPDX-License-Identifier: Unlicense
 *
 * Log calls of signal handlers that interrupt another log call, or anything else of ours, in the same thread. They must
 * not touch what was interrupted: they write into side rings of the process, which handlers take by a lock that is only
 * tried. Everything here is async-signal-safe.
 */
#ifndef MPL_PRODUCER_NESTED_H
#define MPL_PRODUCER_NESTED_H

#include "producer/producer.h"

/* Makes sure that there is a side ring for the session, so that a handler finds it whatever it interrupts, and that all
 * there are are up to date. Under the process's lock, after the epoch has changed. */
void mpl_nested_prepare(void);

/* A side ring's producer, busy; NULL: none is to be had. */
struct mpl_producer *mpl_nested_begin(void);
void mpl_nested_end(struct mpl_producer *p);

/* Forked child: those of the parent are forgotten. */
void mpl_nested_forget(void);

#endif
