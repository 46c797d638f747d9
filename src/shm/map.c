/* SPDX-License-Identifier: Unlicense */
#include "shm/map.h"

#include <stddef.h>
#include <sys/mman.h>
#include <sys/types.h>

static void *map(void *where, int fd, uint64_t offset, uint64_t bytes, int flags)
{
    void *at = mmap(where, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, (off_t)offset);
    return at == MAP_FAILED ? NULL : at;
}

void *mpl_map(int fd, uint64_t offset, uint64_t bytes) { return map(NULL, fd, offset, bytes, 0); }

void *mpl_map_populated(int fd, uint64_t offset, uint64_t bytes) { return map(NULL, fd, offset, bytes, MAP_POPULATE); }

void *mpl_map_at(void *where, int fd, uint64_t offset, uint64_t bytes)
{
    return map(where, fd, offset, bytes, MAP_FIXED);
}

void mpl_unmap(void *at, uint64_t bytes) { munmap(at, bytes); }

void mpl_map_zeros_at(void *where, uint64_t bytes)
{
    mmap(where, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}
