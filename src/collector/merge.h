/* SPDX-License-Identifier: Unlicense
 *
 * A binary heap of rings by (key, claim): which record comes next. Keys are copied beside the pointers, so that
 * comparing touches no ring.
 */
#ifndef MPL_COLLECTOR_MERGE_H
#define MPL_COLLECTOR_MERGE_H

#include <stdbool.h>
#include <stdint.h>

struct mpl_ring_view;

struct mpl_heap_entry {
    uint64_t key, claim;
    struct mpl_ring_view *ring;
};

struct mpl_heap {
    struct mpl_heap_entry *entry;
    uint32_t count, capacity;
};

static inline bool mpl_heap_less(const struct mpl_heap_entry *a, const struct mpl_heap_entry *b)
{
    return a->key < b->key || (a->key == b->key && a->claim < b->claim);
}

/* Appends without order; mpl_heap_build makes a heap of it. False: out of memory. */
bool mpl_heap_add(struct mpl_heap *h, uint64_t key, uint64_t claim, struct mpl_ring_view *ring);
void mpl_heap_build(struct mpl_heap *h);

/* The first entry's key has grown: puts it where it belongs. */
void mpl_heap_sink_first(struct mpl_heap *h);

void mpl_heap_remove_first(struct mpl_heap *h);

/* The least key but for the first entry's; UINT64_MAX: there is no other. */
static inline uint64_t mpl_heap_next_key(const struct mpl_heap *h)
{
    uint64_t key = h->count > 1 ? h->entry[1].key : UINT64_MAX;
    return h->count > 2 && h->entry[2].key < key ? h->entry[2].key : key;
}

#endif
