/* SPDX-License-Identifier: Unlicense
 *
 * What a session has not written, for the member that waited for it in vain.
 */
#ifndef MPL_SESSION_UNWRITTEN_H
#define MPL_SESSION_UNWRITTEN_H

#include "session/session.h"

/* Appends which file cannot be written, why, and how many records wait for it or are lost; where none is known to fail,
 * how many records wait. False: none is missing in a file. *is_waiting: some may still be written. Under the process's
 * lock, in a member of `s`. Allocates. */
bool mpl_unwritten_describe(const struct mpl_session *s, struct mpl_text *t, bool *is_waiting);

/* The same as a line on stderr, with who will write them, if there are any: the process ends, or leaves. Of processes
 * that do so together, with the same stderr, one tells. */
void mpl_unwritten_tell(const struct mpl_session *s);

#endif
