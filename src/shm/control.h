/* SPDX-License-Identifier: Unlicense
 *
 * The control file: creating, mapping, the lock that makes a collector, and session-wide levels.
 */
#ifndef MPL_SHM_CONTROL_H
#define MPL_SHM_CONTROL_H

#include <stdbool.h>
#include <sys/types.h>

#include "shm/abi.h"

enum mpl_overflow { MPL_OVERFLOW_BLOCK = 0, MPL_OVERFLOW_DROP = 1 };
enum mpl_collector_kind { MPL_COLLECTOR_NONE = 0, MPL_COLLECTOR_HELPER = 1, MPL_COLLECTOR_THREAD = 2 };

/* Creates and fills `control` in a directory under construction; every byte is allocated, so that no later store can
 * meet a full file system (SIGBUS). `facts`: the first fields of the head. Returns a descriptor, or -errno with a
 * sentence. */
int mpl_control_create(int dir_fd, const struct mpl_control_head *facts);

/* Opens an existing one after checking magic, version and size. -errno with a sentence: -EPROTO for another version. */
int mpl_control_open(int dir_fd);

/* The same for a descriptor of one: 0 or -errno with a sentence. */
int mpl_control_check(int fd);

/* By which the descriptor is known again after the host may have closed it and opened another with its number: 0 or
 * -errno with a sentence. */
int mpl_control_identify(int fd, uint64_t *dev, uint64_t *ino);

/* Maps it: at `where` (replacing what is there) or anywhere if that is NULL. NULL on failure, with a sentence. */
struct mpl_control *mpl_control_map(int fd, void *where);

/* The lock that makes its holder the collector: a record lock on byte 0, of the process, released by its death, and by
 * its closing any descriptor of the file. True: we have it now. */
bool mpl_control_lock(int fd);
void mpl_control_unlock(int fd);

/* Who that is: its pid as we see it; 0: nobody, or the calling process itself; -1: somebody in a pid namespace that we
 * cannot see, or not known. */
pid_t mpl_control_holder(int fd);

/* Is somebody else the collector? False: nobody is, or the calling process itself. `fd` may be any descriptor of the
 * file. */
bool mpl_control_has_collector(int fd);

#define MPL_DEATHS_WITHIN_NS UINT64_C(60000000000) /* a minute */

/* Where a collector is missing: notes that it has died, if that is news, or that its successor does not come up. By who
 * has claimed to start one. */
void mpl_control_note_death(struct mpl_control *c, uint64_t now_ns);

/* Would another helper die, too? `deaths_max` have within a minute (0: that is no reason), or none comes up. */
bool mpl_control_is_helper_doomed(struct mpl_control *c, uint64_t now_ns, unsigned deaths_max);

/* Sets (or, with MPL_LEVEL_NOTSET, ends) the override for `name`. One thread of the process at a time; other processes
 * are kept out by the record lock on byte 1. 0, -ENOSPC, -ENAMETOOLONG, or -errno of fcntl; with a sentence. */
int mpl_control_set_override(struct mpl_control *c, int fd, const char *name, int level);

/* Keeps other processes from adding sinks: the record lock on byte 2. 0 or -errno. */
int mpl_control_lock_sinks(int fd);
void mpl_control_unlock_sinks(int fd);

/* The override for `name` in the copy that was in force when `generation` was read. False: none. Bytes are taken as
 * they come: a copy that is being rewritten meanwhile gives a wrong level at worst, and the caller reads the generation
 * again. */
bool mpl_control_get_override(const struct mpl_control *c, uint32_t generation, const char *name, int *level);

#endif
