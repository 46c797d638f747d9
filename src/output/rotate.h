/* SPDX-License-Identifier: Unlicense
 *
 * PATH -> PATH.1 -> PATH.2 ... as a chain of steps each of which can be repeated: a chain that was interrupted at any
 * point is continued by running it again, and no file is ever overwritten. A rename goes only into a hole (renaming
 * onto a file makes ext4 flush it: +0.06 s for nine rotations); if there is no hole up to PATH.N, the oldest, PATH.N,
 * is unlinked to make one. The caller holds the lock on the file at PATH.
 */
#ifndef MPL_OUTPUT_ROTATE_H
#define MPL_OUTPUT_ROTATE_H

#include <limits.h>
#include <stdint.h>

/* Where the last component of `path` leads if it is a symbolic link (also one that leads to nothing yet), else `path`.
 * 0; 1: through a link in /proc (/dev/stdout, /dev/fd/3), which follows an open file to whatever name it gets, so that
 * it cannot be rotated away; -ELOOP or -ENAMETOOLONG with a sentence. */
int mpl_rotate_resolve(const char *path, char target[PATH_MAX]);

/* PATH.<index>; PATH itself for 0. 0, or -ENAMETOOLONG with a sentence. */
int mpl_rotate_name(const char *path, uint32_t index, char name[PATH_MAX]);

/* Moves PATH to PATH.1 and makes room for it. Afterwards nothing is at PATH; if nothing was there, nothing is moved.
 * Symbolic links are not followed in the last component of `path`: the caller resolves them. 0, or -errno with a
 * sentence that names the file. */
int mpl_rotate(const char *path, uint32_t backup_count);

#endif
