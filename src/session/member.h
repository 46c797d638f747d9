/* SPDX-License-Identifier: Unlicense
 *
 * Becoming a member: slot, segment, and switching the process over. Under the process's lock.
 */
#ifndef MPL_SESSION_MEMBER_H
#define MPL_SESSION_MEMBER_H

#include "producer/process.h"
#include "session/session.h"

/* Claims a slot in the control file at session->control_fd, creates the segment in `dir_fd` and declares the slot
 * active. 0; -ESHUTDOWN: the session is over; else -errno with a sentence. */
int mpl_member_enter(struct mpl_entry *e, int dir_fd);

/* Gives up what mpl_member_enter took, before anything was logged. */
void mpl_member_withdraw(struct mpl_entry *e);

/* The process writes to this session from now on. What it was a member of before must have been left. Cannot fail. */
void mpl_member_adopt(struct mpl_entry *e);

/* Detaches from the session the process is a member of: no thread writes there any more, the slot says LEAVING, and the
 * collector drains the rest. The control file stays open. `next`: DETACHED, from the beginning, so that calls of signal
 * handlers go to stderr; or MEMBER, of another session at once. */
void mpl_member_leave(struct mpl_session *s, enum mpl_membership next);

#endif
