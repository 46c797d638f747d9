/* SPDX-License-Identifier: Unlicense
 *
 * Sessions that are over but were left behind: all their processes were killed, or their file could not be written. A
 * collector that takes the lock of such a session finds the members dead, drains their rings, writes and removes it, so
 * to recover is to start one. Sessions with a collector, or with a member that lives, are not touched.
 */
#ifndef MPL_SESSION_RECOVER_H
#define MPL_SESSION_RECOVER_H

#include "session/session.h"

/* Before `log_file` (NULL: no file) is written by a session with these options: what others have left for that file is
 * written first, which is waited for, at most 2 s; sessions that write to no file are removed meanwhile. All others
 * wait for their own set-up or for `mplog recover`: this process may see other files under their paths. Costs a look at
 * each of the user's sessions, 20 us. `own`: the session this process belongs to. */
void mpl_recover_before(const char *log_file, const struct mpl_options *o, const struct mpl_session *own);

/* Everything of this user below `ring_dir` (NULL: the directories that set-up uses by default), by this process itself.
 * The number of sessions that could not be recovered, or -errno with a sentence. */
int mpl_recover_all(const char *ring_dir, bool is_dry_run,
                    void (*tell_fn)(void *arg, const struct mplog_recovery *what), void *arg);

/* The user's directories below `ring_dir`, or below the default ones, one after the other. False: there is no number
 * `i`. Those that do not exist, or were named before, are "". */
bool mpl_recover_place(unsigned i, const char *ring_dir, char parent[MPL_DIR_MAX]);

#endif
