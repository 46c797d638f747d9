/* SPDX-License-Identifier: Unlicense
 *
 * Takes the place of shm/map.c: behind each mapping lies a page that nobody may touch. AddressSanitizer does not watch
 * the ends of mapped files.
 */
#include "shm/map.h"

#include <stddef.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "base/os.h"
#include "shm/abi.h"

static void *map(void *where, int fd, uint64_t offset, uint64_t bytes)
{
    void *at = mmap(where, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, (off_t)offset);
    return at == MAP_FAILED ? NULL : at;
}

static uint64_t with_guard(uint64_t bytes) { return mpl_os_page_round(bytes) + MPL_PAGE_BYTES; }

void *mpl_map(int fd, uint64_t offset, uint64_t bytes)
{
    void *place = mmap(NULL, with_guard(bytes), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED)
        return NULL;
    void *at = map(place, fd, offset, bytes);
    if (!at)
        munmap(place, with_guard(bytes));
    return at;
}

void *mpl_map_populated(int fd, uint64_t offset, uint64_t bytes) { return mpl_map(fd, offset, bytes); }

/* In a place that somebody else has reserved. */
void *mpl_map_at(void *where, int fd, uint64_t offset, uint64_t bytes) { return map(where, fd, offset, bytes); }

void mpl_unmap(void *at, uint64_t bytes) { munmap(at, with_guard(bytes)); }

void mpl_map_zeros_at(void *where, uint64_t bytes)
{
    mmap(where, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}
