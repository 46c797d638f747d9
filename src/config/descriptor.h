/* SPDX-License-Identifier: Unlicense
 *
 * Paths that mean something else in every process: /dev/stdout, /dev/fd/N, /proc/self/fd/N, /dev/tty, and links to
 * them. The collector is another process.
 */
#ifndef MPL_CONFIG_DESCRIPTOR_H
#define MPL_CONFIG_DESCRIPTOR_H

#include "base/text.h"

/* Into `out` a path that means in every process what `path` means in this one: the name that the open file has, else
 * /proc/<pid>/fd/N, which lasts as long as this process. False, and nothing in it: `path` is no such path. -errno with
 * a sentence that begins with `option`: there is no such path for it. */
int mpl_descriptor_path(const char *option, const char *path, struct mpl_text *out, bool *is_one);

#endif
