/* SPDX-License-Identifier: Unlicense
 *
 * All mapping of session files goes through here, so that a test can give every party of one process the same mapping
 * of the same bytes: ThreadSanitizer sees races only within one mapping (tests/unit/one_mapping.c).
 */
#ifndef MPL_SHM_MAP_H
#define MPL_SHM_MAP_H

#include <stdint.h>

/* Shared, readable and writable. `offset` on a page border. NULL with errno on failure. */
void *mpl_map(int fd, uint64_t offset, uint64_t bytes);

/* The same, its pages made present at once: a page fault costs 1.5 us in the middle of a log call. */
void *mpl_map_populated(int fd, uint64_t offset, uint64_t bytes);

/* The same, in the place of what is mapped at `where`. */
void *mpl_map_at(void *where, int fd, uint64_t offset, uint64_t bytes);

void mpl_unmap(void *at, uint64_t bytes);

/* Private zeros in the place of what is mapped at `where`. */
void mpl_map_zeros_at(void *where, uint64_t bytes);

#endif
