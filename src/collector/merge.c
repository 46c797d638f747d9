/* SPDX-License-Identifier: Unlicense */
#include "collector/merge.h"

#include <stdlib.h>

bool mpl_heap_add(struct mpl_heap *h, uint64_t key, uint64_t claim, struct mpl_ring_view *ring)
{
    if (h->count == h->capacity) {
        uint32_t capacity = h->capacity ? h->capacity * 2 : 64;
        struct mpl_heap_entry *entry = realloc(h->entry, capacity * sizeof *entry);
        if (!entry)
            return false;
        h->entry = entry;
        h->capacity = capacity;
    }
    h->entry[h->count++] = (struct mpl_heap_entry){key, claim, ring};
    return true;
}

static void sift_down(struct mpl_heap *h, uint32_t at)
{
    struct mpl_heap_entry moving = h->entry[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && mpl_heap_less(&h->entry[child + 1], &h->entry[child]))
            child++;
        if (!mpl_heap_less(&h->entry[child], &moving))
            break;
        h->entry[at] = h->entry[child];
        at = child;
    }
    h->entry[at] = moving;
}

void mpl_heap_build(struct mpl_heap *h)
{
    for (uint32_t i = h->count / 2; i-- > 0;)
        sift_down(h, i);
}

void mpl_heap_sink_first(struct mpl_heap *h) { sift_down(h, 0); }

void mpl_heap_remove_first(struct mpl_heap *h)
{
    h->entry[0] = h->entry[--h->count];
    if (h->count > 0)
        sift_down(h, 0);
}
