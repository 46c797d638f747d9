/* SPDX-License-Identifier: Unlicense
 *
 * A member's segment as the collector sees it. Everything in it is another process's and may be wrong: offsets and
 * sizes are checked when they are read, kept privately, and not read again.
 */
#ifndef MPL_COLLECTOR_VIEW_H
#define MPL_COLLECTOR_VIEW_H

#include "collector/defs.h"
#include "shm/abi.h"

struct mpl_member_view;

struct mpl_ring_view {
    struct mpl_ring *ring;
    const char *data;
    uint64_t data_offset, data_bytes, map_bytes;
    struct mpl_member_view *member;

    /* reading */
    uint64_t pos;          /* next record to be merged; ahead of ring->read_pos by what is not decided yet */
    uint64_t head;         /* write_pos as this pass saw it */
    uint64_t seen;         /* ... as the pass before saw it: records below it are merged whatever their stamps */
    uint64_t key;          /* order key of the record at pos: its stamp, but never less than the one before */
    uint64_t claim;        /* ties: the lower claim goes first */
    uint32_t record_bytes; /* of the record at pos */

    /* hot or cold */
    bool is_hot, is_closing; /* is_closing: nobody writes any more; freed when it is drained */
    bool is_touched;         /* in the batch that is being filled */
    uint64_t active_stamp;   /* of the last pass that found records */
    uint64_t cold_count;
    uint32_t index; /* in the attention bitmap; MPL_NO_INDEX: none */

    /* what its records' lines say */
    uint64_t thread;
    uint32_t process;
    uint16_t process_len, thread_len;
    char names[2 * MPL_NAME_MAX];
    uint64_t source;    /* a number for what the names are now; 0: none yet */
    bool names_changed; /* since the last batch was decided */

    uint64_t lost_reported[MPL_RING_LOSSES]; /* as of the batch that is being filled */
};

struct mpl_def_reader {
    const struct mpl_def_extent *extent;
    uint64_t offset, map_bytes, data_bytes, pos;
};

struct mpl_member_view {
    uint32_t slot;
    uint64_t word, serial, start_time;
    int32_t pid;
    int pid_fd;                          /* -1: none; then its life is told by the record lock on its segment */
    int segment_fd;                      /* -1: to be opened by name */
    bool is_dead, is_leaving, is_ending; /* is_ending: one of the two, and taken note of */
    bool is_foreign;                     /* in another pid namespace than ours */
    bool can_be_cold;                    /* MPL_SLOT_MEMBARRIER */
    uint64_t stderr_dev, stderr_ino;

    struct mpl_segment *head; /* NULL: it could not be mapped */
    uint64_t head_bytes, file_dev, file_ino;

    struct mpl_def_reader def;
    struct mpl_defs *defs; /* the collector's */
    uint32_t *def_index;   /* by id - 1: index in defs, UINT32_MAX: none */
    uint32_t def_count, def_capacity;

    bool is_short; /* not all rings that are linked could be opened: descriptors or memory were missing */
    struct mpl_ring_view **ring;
    uint32_t ring_count, ring_capacity;
    uint64_t rings_end; /* in the file: the next one lies behind it */

    bool is_touched; /* losses of the segment in the batch that is being filled */
    uint64_t lost_reported[MPL_SEGMENT_LOSSES];
};

/* Maps a member's segment, or as much of it as is sound. `batch_seq`: what is decided; tags above it are cleared. NULL:
 * out of memory or descriptors. A segment that is not there, or damaged, gives a view without rings. */
struct mpl_member_view *mpl_view_open(int dir_fd, uint64_t serial, uint64_t batch_seq, struct mpl_defs *defs);
void mpl_view_close(struct mpl_member_view *m);

/* For one that could not be opened: the same with a descriptor of the segment, which it takes over. */
void mpl_view_adopt(struct mpl_member_view *m, int segment_fd, uint64_t batch_seq);

/* Takes in rings that were linked since the last time; returns how many. The new ones are the last of m->ring. Sets or
 * clears is_short. */
uint32_t mpl_view_read_rings(struct mpl_member_view *m, int dir_fd, uint64_t batch_seq);

/* The definition with that id; NULL: there is none. */
struct mpl_def_view *mpl_view_definition(struct mpl_member_view *m, uint32_t id, uint16_t kind, int dir_fd);

/* The same, as far as it has been read before. */
static inline struct mpl_def_view *mpl_view_known(const struct mpl_member_view *m, uint32_t id)
{
    uint32_t index = id - 1 < m->def_count ? m->def_index[id - 1] : UINT32_MAX;
    return index < m->defs->count ? m->defs->view[index] : NULL;
}

/* Looks at the record at r->pos: fills in key and record_bytes and passes over padding. False: r->pos has reached
 * r->head. What is no record makes the rest of the ring up to head count as corrupt (*corrupt_bytes). */
bool mpl_view_peek(struct mpl_ring_view *r, uint64_t *corrupt_bytes);

/* How far the ring is written. Producers store multiples of 8: what is in the other bits is nobody's. Acquire: partner
 * is mpl_producer_commit; the records are there. */
static inline uint64_t mpl_view_write_pos(const struct mpl_ring_view *r)
{
    return atomic_load_explicit(&r->ring->write_pos, memory_order_acquire) & ~UINT64_C(7);
}

/* Copies the record at r->pos out. */
void mpl_view_copy(const struct mpl_ring_view *r, char *copy);

#endif
