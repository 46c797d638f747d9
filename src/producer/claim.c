/* SPDX-License-Identifier: Unlicense */
#include "producer/claim.h"

#include <stddef.h>
#include <sys/mman.h>

#include "base/os.h"
#include "producer/process.h"
#include "shm/map.h"

/* Rings of the process, in chunks that stay where they are: producers keep pointers to maps. */
#define CHUNK_MAPS 255u /* with the link, two pages */

struct chunk {
    struct chunk *next;
    struct mpl_ring_map map[CHUNK_MAPS];
};

static struct chunk *first_chunk;
static uint32_t map_count;
static uint32_t search_from; /* where the last search for a free ring stopped */

/* How many rings a claim looks at for a free one before it makes a new one: enough that a process with steady thread
 * churn finds one, few enough that 10,000 claims stay cheap. */
#define SEARCH_MAX 64u

static struct mpl_ring_map *map_at(uint32_t i)
{
    struct chunk *c = first_chunk;
    for (; i >= CHUNK_MAPS; i -= CHUNK_MAPS)
        c = c->next;
    return &c->map[i];
}

static struct mpl_ring_map *new_map(void)
{
    struct chunk **link = &first_chunk;
    for (uint32_t n = map_count; *link && n >= CHUNK_MAPS; n -= CHUNK_MAPS)
        link = &(*link)->next;
    if (!*link) {
        void *at = mmap(NULL, mpl_os_page_round(sizeof(struct chunk)), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED)
            return NULL;
        *link = at;
    }
    return &(*link)->map[map_count % CHUNK_MAPS];
}

static bool is_free(const struct mpl_ring_map *m)
{
    /* Partner: free_ring in collector/pass.c; whatever it wrote into the header is visible. */
    return atomic_load_explicit(&m->ring->state, memory_order_acquire) == MPL_RING_FREE;
}

/* Bytes in one piece that a freed ring offers: positions go on where they were, and a record does not wrap. */
static uint64_t room_in_one_piece(const struct mpl_ring_map *m)
{
    uint64_t offset = atomic_load_explicit(&m->ring->write_pos, memory_order_relaxed) & (m->data_bytes - 1);
    return offset > m->data_bytes - offset ? offset : m->data_bytes - offset;
}

static bool is_above_initial(uint64_t data_bytes) { return data_bytes > mpl_process.facts.ring_initial_bytes; }

/* Freed rings above the initial size have given their pages back and do not count. */
static uint64_t bytes_in_use(void)
{
    uint64_t sum = 0;
    for (struct chunk *c = first_chunk; c; c = c->next) {
        for (uint32_t i = 0; i < CHUNK_MAPS && c->map[i].ring; i++) {
            if (!is_above_initial(c->map[i].data_bytes) || !is_free(&c->map[i]))
                sum += c->map[i].map_bytes;
        }
    }
    return sum;
}

static bool is_within_budget(uint64_t more_bytes, enum mpl_claim purpose)
{
    uint64_t budget = mpl_process.facts.ring_budget_bytes;
    if (purpose == MPL_CLAIM_SHARED)
        return true;
    if (purpose == MPL_CLAIM_GROWTH)
        budget /= 2;
    if (mpl_process.ring_bytes + more_bytes <= budget)
        return true;
    mpl_process.ring_bytes = bytes_in_use();
    return mpl_process.ring_bytes + more_bytes <= budget;
}

static struct mpl_ring_map *find_free(enum mpl_claim purpose, uint64_t data_bytes, uint64_t record_bytes)
{
    for (uint32_t n = 0; n < SEARCH_MAX && n < map_count; n++) {
        search_from = search_from + 1 < map_count ? search_from + 1 : 0;
        struct mpl_ring_map *m = map_at(search_from);
        /* Not more than four times what is needed: a huge ring for a short message would keep its pages. */
        if (m->data_bytes < data_bytes || m->data_bytes > 4 * data_bytes || !is_free(m) ||
            room_in_one_piece(m) < record_bytes)
            continue;
        if (!is_above_initial(m->data_bytes))
            return m;
        if (is_within_budget(m->map_bytes, purpose) && mpl_segment_refill_ring(mpl_process.segment, m) == 0) {
            mpl_process.ring_bytes += m->map_bytes;
            return m;
        }
    }
    return NULL;
}

static struct mpl_ring_map *make(enum mpl_claim purpose, uint64_t data_bytes)
{
    uint64_t bytes = mpl_os_page_round(MPL_PAGE_BYTES + data_bytes);
    if (!is_within_budget(bytes, purpose))
        return NULL;
    struct mpl_ring_map *m = new_map();
    if (!m || mpl_segment_add_ring(mpl_process.segment, data_bytes, m) < 0)
        return NULL;
    map_count++;
    mpl_process.ring_bytes += bytes;
    return m;
}

struct mpl_ring_map *mpl_claim_ring(enum mpl_claim purpose, uint64_t data_bytes, uint64_t record_bytes)
{
    struct mpl_ring_map *m = find_free(purpose, data_bytes, record_bytes);
    bool is_new = !m;
    if (is_new)
        m = make(purpose, data_bytes);
    if (!m)
        return NULL;
    atomic_store_explicit(&m->ring->claim, ++mpl_process.claims, memory_order_relaxed);
    /* Release: partner is look_at_ring in collector/pass.c, which reads claim after it saw OPEN. */
    atomic_store_explicit(&m->ring->state, MPL_RING_OPEN, memory_order_release);
    if (is_new)
        mpl_segment_link_ring(mpl_process.segment, m);
    return m;
}

void mpl_claim_close(struct mpl_ring_map *map)
{
    /* Release: partner is look_at_ring in collector/pass.c, which reads write_pos after it saw CLOSED. */
    atomic_store_explicit(&map->ring->state, MPL_RING_CLOSED, memory_order_release);
}

void mpl_claim_abandon_all(void)
{
    first_chunk = NULL; /* the chunks stay mapped: producers point into them */
    map_count = search_from = 0;
    mpl_process.ring_bytes = 0;
    mpl_process.claims = 0;
}

void mpl_claim_forget_all(void)
{
    struct chunk *c = first_chunk, *next;
    mpl_claim_abandon_all();
    for (; c; c = next) {
        for (uint32_t i = 0; i < CHUNK_MAPS && c->map[i].ring; i++)
            mpl_unmap(c->map[i].ring, c->map[i].map_bytes);
        next = c->next;
        munmap(c, mpl_os_page_round(sizeof *c));
    }
}
