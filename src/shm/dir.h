/* SPDX-License-Identifier: Unlicense
 *
 * Where sessions live: <base>/mplog-<uid>/<id>/. Other users may own <base> and plant what they like there; nothing of
 * theirs is followed, opened or trusted: each directory is opened without following links and checked for owner and
 * mode, and what is in it is reached through its descriptor.
 *
 * Any thread; no allocation but in mpl_dir_delete and what uses it.
 */
#ifndef MPL_SHM_DIR_H
#define MPL_SHM_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MPL_DIR_MAX 1024u /* bytes of a session directory's path; a longer ring_dir is refused */
#define MPL_ID_DIGITS 32u /* hexadecimal digits of a session's id: 128 random bits */

/* The directories that may hold <uid> directories, best first: `ring_dir` alone if it is given, else /dev/shm,
 * $XDG_RUNTIME_DIR (not for set-id programs), /tmp. False: there is no candidate number `i`. */
bool mpl_dir_candidate(unsigned i, const char *ring_dir, char path[MPL_DIR_MAX]);

/* Appends the name of the user's directory to the base directory in `path`: <base>/mplog-<uid>. 0 or -ENAMETOOLONG with
 * a sentence. */
int mpl_dir_parent(char path[MPL_DIR_MAX]);

void mpl_dir_new_id(char id[MPL_ID_DIGITS + 1]);

/* Makes `parent` if it is missing, checks it, creates an empty directory <parent>/<id>.new-<random> and returns a
 * descriptor for that, its path in `path`. The descriptor holds a lock as long as it is open, by which others see that
 * the builder lives. -errno with a sentence. */
int mpl_dir_build(const char *parent, const char *id, char path[MPL_DIR_MAX]);

/* Gives the directory at `built` its final name `path`. -EEXIST: somebody else has published this id. */
int mpl_dir_publish(const char *built, const char *path);

/* Opens a session directory after checking it. -errno with a sentence; -ENOENT: it does not exist. */
int mpl_dir_open(const char *path);

enum mpl_dir_kind {
    MPL_DIR_SESSION,  /* <id> */
    MPL_DIR_LEFTOVER, /* <id>.new-<random> whose builder has died, <id>.gone-<random>, or <id> without a control file */
};

/* Visits what is in the user's directory `parent`: complete sessions, and leftovers that are at least 10 s old; younger
 * ones may be somebody's work. Nothing of it has been checked. Opens `control` of none. Allocates. 0 or -errno. */
int mpl_dir_each(const char *parent, void (*visit_fn)(void *arg, const char *path, enum mpl_dir_kind kind), void *arg);

/* Opens or creates a file in the session directory: read-write, close-on-exec, never 0..2, never through a link; must
 * be a regular file of this user. -errno with a sentence. */
int mpl_dir_open_file(int dir_fd, const char *name, int flags);

/* Moves the directory out of the way (<path>.gone-<random>) if its `control` is still file (dev, ino), deletes it, and
 * the parent if it is empty. The caller holds the record lock on that control file, so no two do this to one directory.
 * Allocates. False: the name belongs to another incarnation now, which is left alone. */
bool mpl_dir_retire(const char *path, uint64_t dev, uint64_t ino);

/* Deletes a directory with everything in it, one level deep. Allocates. */
void mpl_dir_delete(const char *path);

/* Ends what somebody else has begun: deletes the session directory if it has no `control`. Without that nobody can join
 * it, and what is in it keeps a new session from its name. Members that are left go on without it. Allocates. */
void mpl_dir_delete_remains(const char *path);

/* As mpl_dir_delete, and the parent if it is empty then. */
void mpl_dir_delete_leftover(const char *path);

#endif
