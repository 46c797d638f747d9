/* SPDX-License-Identifier: Unlicense
 *
 * Does the process behind a slot live? A lock that is free, or a start time that differs, is only a suspicion (a daemon
 * closes all its descriptors; a time namespace shifts start times), which /proc/PID/maps confirms or clears; where that
 * cannot be read, the process counts as alive.
 *
 * Opens and closes segment files, which gives up the caller's own record locks on them: not for a session that the
 * calling process is a member of, unless its own slots are left out.
 */
#ifndef MPL_SHM_ALIVE_H
#define MPL_SHM_ALIVE_H

#include <stdbool.h>
#include <sys/types.h>

#include "shm/abi.h"

/* The kernel's name of this boot: 36 characters and a NUL; "": unknown. */
void mpl_alive_boot_id(char boot_id[40]);

/* Was the session made before the machine was started last? Then none of its processes lives, and its stamps are those
 * of a clock that is no more. False where it is not known. */
bool mpl_alive_is_other_boot(const struct mpl_control_head *h);

/* Who holds the lock on the segment: its pid as we see it; 0: nobody; or one of these. */
enum {
    MPL_ALIVE_UNSEEN = -1,
    MPL_ALIVE_UNKNOWN = -2
}; /* somebody in another pid namespace; the file cannot be asked */
pid_t mpl_alive_lock_holder(int dir_fd, uint64_t serial);

/* Is the segment of the session at `dir` mapped by the process with that pid? Unknown counts as yes. */
bool mpl_alive_has_mapped(const char *dir, uint64_t serial, pid_t pid);

/* Will the process that claimed this slot write to the session, now or later? Not one that is leaving. `slot` is a
 * copy; pid_ns as mpl_os_pid_namespace. */
bool mpl_alive_is_member(const char *dir, int dir_fd, const struct mpl_slot *slot, uint64_t pid_ns, bool is_other_boot);

#endif
