/* SPDX-License-Identifier: Unlicense
 *
 * What the kernel allows a group of processes, for example a container.
 */
#ifndef MPL_BASE_CGROUP_H
#define MPL_BASE_CGROUP_H

#include <stdint.h>

#include "base/text.h"

/* The least memory limit of this process's group and those above it; UINT64_MAX: none, or not to be seen. Memory above
 * it is not refused: the kernel kills somebody. Some 30 us. */
uint64_t mpl_cgroup_memory_limit(void);

/* The same for text as in /proc/self/cgroup, and hierarchies that are mounted below `mounts` as they usually are. */
uint64_t mpl_cgroup_memory_limit_of(struct mpl_str groups, const char *mounts);

#endif
