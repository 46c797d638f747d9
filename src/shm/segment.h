/* SPDX-License-Identifier: Unlicense
 *
 * The writing side of a member's segment: creating it, appending definitions, adding rings. All calls under the
 * process's lock (producer/process.h); none allocates from the heap, so that a forked child of a multithreaded parent
 * may call them.
 */
#ifndef MPL_SHM_SEGMENT_H
#define MPL_SHM_SEGMENT_H

#include <stdbool.h>

#include "base/text.h"
#include "shm/abi.h"

#define MPL_DEF_EXTENTS_MAX 12u           /* 16 KiB, doubling: 64 MiB of definitions, then text records */
#define MPL_DEF_EXTENT_BYTES_LEAST 16384u /* about 100 call sites */

struct mpl_def_map {
    struct mpl_def_extent *extent;
    uint64_t map_bytes;
};

struct mpl_segment_writer {
    struct mpl_segment *head; /* NULL: no segment */
    uint64_t head_bytes;
    int fd; /* kept for the record lock and for growing; checked by dev and ino before each use */
    uint64_t dev, ino, serial;
    const char *dir_path; /* to open it again if the host closed fd; owned by the caller */
    uint64_t file_bytes;  /* allocated so far; new extents and rings go there */
    struct mpl_def_map def[MPL_DEF_EXTENTS_MAX];
    unsigned def_count;
    struct mpl_ring *last_ring;
};

/* A ring as its process sees it. */
struct mpl_ring_map {
    struct mpl_ring *ring;
    char *data;
    uint64_t data_offset, data_bytes, map_bytes; /* our own: what stands in the ring may change */
};

/* Creates seg<serial> with room for definitions, holding a record lock on byte 0 for as long as the process lives and
 * does not exec. 0 or -errno with a sentence; nothing is left then. */
int mpl_segment_create(struct mpl_segment_writer *w, const char *dir_path, int dir_fd, uint64_t serial, uint32_t slot);

/* The name of a segment file. */
#define MPL_SEGMENT_NAME_MAX 32u
void mpl_segment_name(char name[MPL_SEGMENT_NAME_MAX], uint64_t serial);

/* Appends a definition: complete in memory before write_pos covers it. -ENOSPC: no room, or ids used up. */
int mpl_segment_define(struct mpl_segment_writer *w, const struct mpl_def *def, struct mpl_str text,
                       struct mpl_str file, struct mpl_str function);

/* Appends what stands in `from` (the segment of a parent, or of this process's former session), so that ids stay valid.
 * The bytes come from shared memory: also what a parent published while it was forking. *last_id becomes the highest
 * id. 0, -ENOSPC, or -EPROTO: what follows is damaged. */
int mpl_segment_copy_defs(struct mpl_segment_writer *w, const struct mpl_segment_writer *from, uint32_t *last_id);

/* Adds a ring of `data_bytes` (a power of two), state FREE, not yet linked. 0 or -errno (-ENOSPC) with a sentence. */
int mpl_segment_add_ring(struct mpl_segment_writer *w, uint64_t data_bytes, struct mpl_ring_map *map);

/* Makes the data pages of a FREE ring exist again after the collector gave them back. 0 or -ENOSPC. */
int mpl_segment_refill_ring(struct mpl_segment_writer *w, const struct mpl_ring_map *map);

/* Lets the collector find the ring. */
void mpl_segment_link_ring(struct mpl_segment_writer *w, const struct mpl_ring_map *map);

/* Unmaps head and definitions and closes the file. The rings' maps are the caller's. In a forked child this touches
 * only the child's own maps and descriptor. */
void mpl_segment_close(struct mpl_segment_writer *w);

/* Unmaps all but the definitions, which a later segment will copy. */
void mpl_segment_close_but_defs(struct mpl_segment_writer *w);

#endif
