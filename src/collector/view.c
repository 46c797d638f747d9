/* SPDX-License-Identifier: Unlicense */
#include "collector/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "shm/codec.h"
#include "shm/dir.h"
#include "shm/map.h"
#include "shm/segment.h"

/* What is checked must be what is used: from here on the compiler may not look at the original again, which others can
 * change at any time. */
static void copy_out(void *to, const volatile void *from, size_t n)
{
    memcpy(to, (const void *)from, n);
    atomic_signal_fence(memory_order_seq_cst);
}

/* ---- the file ---- */

/* The descriptor is kept, so that what a member adds is found although somebody has deleted the session's directory.
 * But most descriptors are for something else: in thread mode they are the host's. */
static bool may_be_kept(int fd)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)fd < limit.rlim_cur / 4;
}

static int open_segment(struct mpl_member_view *m, int dir_fd, uint64_t *size)
{
    char name[MPL_SEGMENT_NAME_MAX];
    struct stat st;
    int fd = m->segment_fd;
    if (fd < 0) {
        mpl_segment_name(name, m->serial);
        fd = mpl_dir_open_file(dir_fd, name, O_RDWR);
    }
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0) {
        int error = errno;
        if (fd != m->segment_fd)
            close(fd);
        return -error;
    }
    if (may_be_kept(fd))
        m->segment_fd = fd;
    *size = (uint64_t)st.st_size;
    return fd;
}

/* Of a segment that could not be opened. True: it is not there, or not ours; what else there is may be over soon. */
static bool is_lasting(int error) { return error == -ENOENT || error == -EPERM; }

static void close_segment(const struct mpl_member_view *m, int fd)
{
    if (fd != m->segment_fd)
        close(fd);
}

/* Maps [offset, offset + bytes) if that lies in the file. */
static void *map_range(int fd, uint64_t size, uint64_t offset, uint64_t bytes)
{
    if (offset > size || bytes > size - offset || offset != mpl_os_page_round(offset))
        return NULL;
    return mpl_map(fd, offset, bytes);
}

/* ---- progress ---- */

/* What is in force, after tags of a batch that was never decided are cleared; NULL: nothing yet. A copy without a tag
 * may have been filled for such a batch. models/elect.pml. */
static const struct mpl_ring_progress *ring_progress(struct mpl_ring *ring, uint64_t batch_seq)
{
    const struct mpl_ring_progress *best = NULL;
    for (int i = 0; i < 2; i++) {
        struct mpl_ring_progress *p = &ring->progress[i];
        uint64_t tag = atomic_load_explicit(&p->tag, memory_order_acquire);
        if (tag > batch_seq)
            atomic_store_explicit(&p->tag, 0, memory_order_release);
        else if (tag > 0 && (!best || tag > atomic_load_explicit(&best->tag, memory_order_relaxed)))
            best = p;
    }
    return best;
}

static void take_names(struct mpl_ring_view *r, uint64_t batch_seq)
{
    const struct mpl_names *best = NULL;
    for (int i = 0; i < 2; i++) {
        struct mpl_names *n = &r->ring->names[i];
        uint64_t tag = atomic_load_explicit(&n->tag, memory_order_acquire);
        if (tag > batch_seq)
            atomic_store_explicit(&n->tag, 0, memory_order_release);
        else if (tag > 0 && (!best || tag > atomic_load_explicit(&best->tag, memory_order_relaxed)))
            best = n;
    }
    if (!best)
        return;
    struct mpl_names copy;
    copy_out(&copy, best, sizeof copy);
    r->thread = copy.thread;
    r->process = copy.process;
    r->process_len = copy.process_len <= MPL_NAME_MAX ? copy.process_len : 0;
    r->thread_len = copy.thread_len <= MPL_NAME_MAX ? copy.thread_len : 0;
    memcpy(r->names, copy.text, sizeof r->names);
}

static void take_ring_progress(struct mpl_ring_view *r, uint64_t batch_seq)
{
    const struct mpl_ring_progress *p = ring_progress(r->ring, batch_seq);
    uint64_t read_pos = atomic_load_explicit(&r->ring->read_pos, memory_order_relaxed);
    uint64_t decided_pos = p ? p->read_pos : 0;
    r->pos = (decided_pos > read_pos ? decided_pos : read_pos) & ~UINT64_C(7); /* as mpl_view_write_pos */
    r->seen = r->pos;
    if (p)
        memcpy(r->lost_reported, p->lost_reported, sizeof r->lost_reported);
    /* A predecessor may have died between deciding and telling. */
    atomic_store_explicit(&r->ring->read_pos, r->pos, memory_order_release);
    take_names(r, batch_seq);
}

static void take_segment_progress(struct mpl_member_view *m, uint64_t batch_seq)
{
    const struct mpl_segment_progress *best = NULL;
    for (int i = 0; i < 2; i++) {
        struct mpl_segment_progress *p = &m->head->progress[i];
        uint64_t tag = atomic_load_explicit(&p->tag, memory_order_acquire);
        if (tag > batch_seq)
            atomic_store_explicit(&p->tag, 0, memory_order_release);
        else if (tag > 0 && (!best || tag > atomic_load_explicit(&best->tag, memory_order_relaxed)))
            best = p;
    }
    if (best)
        memcpy(m->lost_reported, best->lost_reported, sizeof m->lost_reported);
}

/* ---- rings ---- */

static bool is_power_of_two(uint64_t n) { return n != 0 && (n & (n - 1)) == 0; }

static struct mpl_ring_view *open_ring(struct mpl_member_view *m, int fd, uint64_t size, uint64_t offset,
                                       uint64_t batch_seq)
{
    struct mpl_ring_view *r = calloc(1, sizeof *r);
    struct mpl_ring *ring = r ? map_range(fd, size, offset, MPL_PAGE_BYTES) : NULL;
    if (!ring) {
        free(r);
        return NULL;
    }
    struct mpl_ring head;
    copy_out(&head, ring, sizeof head);
    mpl_unmap(ring, MPL_PAGE_BYTES);
    uint64_t data_bytes = head.data_bytes, bytes = mpl_os_page_round(MPL_PAGE_BYTES + data_bytes);
    bool is_sound = head.magic == MPL_RING_MAGIC && head.data_offset == offset + MPL_PAGE_BYTES &&
                    is_power_of_two(data_bytes) && data_bytes >= MPL_PAGE_BYTES && data_bytes < UINT64_C(1) << 40;
    ring = is_sound ? map_range(fd, size, offset, bytes) : NULL;
    if (!ring) {
        free(r);
        return NULL;
    }
    *r = (struct mpl_ring_view){
        .ring = ring,
        .data = (char *)ring + MPL_PAGE_BYTES,
        .data_offset = head.data_offset,
        .data_bytes = data_bytes,
        .map_bytes = bytes,
        .member = m,
        .index = MPL_NO_INDEX,
    };
    take_ring_progress(r, batch_seq);
    return r;
}

static void close_ring(struct mpl_ring_view *r)
{
    mpl_unmap(r->ring, r->map_bytes);
    free(r);
}

/* False: out of memory; then `r` is closed. */
static bool add_ring(struct mpl_member_view *m, struct mpl_ring_view *r)
{
    if (m->ring_count == m->ring_capacity) {
        uint32_t capacity = m->ring_capacity ? m->ring_capacity * 2 : 8;
        struct mpl_ring_view **ring = realloc(m->ring, capacity * sizeof *ring);
        if (!ring) {
            close_ring(r);
            return false;
        }
        m->ring = ring;
        m->ring_capacity = capacity;
    }
    m->ring[m->ring_count++] = r;
    return true;
}

static uint64_t next_ring_offset(const struct mpl_member_view *m)
{
    /* Acquire: partner is mpl_segment_link_ring; the ring's header is complete. */
    if (m->ring_count == 0)
        return atomic_load_explicit(&m->head->first_ring_offset, memory_order_acquire);
    return atomic_load_explicit(&m->ring[m->ring_count - 1]->ring->next_offset, memory_order_acquire);
}

uint32_t mpl_view_read_rings(struct mpl_member_view *m, int dir_fd, uint64_t batch_seq)
{
    uint64_t offset = m->head ? next_ring_offset(m) : 0, size;
    uint32_t before = m->ring_count;
    m->is_short = false;
    if (offset == 0)
        return 0;
    int fd = open_segment(m, dir_fd, &size);
    if (fd < 0) {
        m->is_short = !is_lasting(fd);
        return 0;
    }
    /* Each lies behind the one before: a chain that does not is damaged, and could be endless, or map every page of the
     * file a thousand times. */
    while (offset != 0 && offset >= m->rings_end) {
        errno = 0;
        struct mpl_ring_view *r = open_ring(m, fd, size, offset, batch_seq);
        if (!r || !add_ring(m, r)) {
            m->is_short = mpl_os_is_shortage(errno); /* else damaged */
            break;
        }
        m->rings_end = offset + r->map_bytes;
        offset = next_ring_offset(m);
    }
    close_segment(m, fd);
    return m->ring_count - before;
}

/* ---- definitions ---- */

static uint64_t next_extent_offset(const struct mpl_member_view *m)
{
    /* Acquire: partner is add_def_extent in shm/segment.c. */
    return atomic_load_explicit(m->def.extent ? &m->def.extent->next_offset : &m->head->first_def_offset,
                                memory_order_acquire);
}

static bool next_extent(struct mpl_member_view *m, int dir_fd, uint64_t offset)
{
    struct mpl_def_reader *d = &m->def;
    uint64_t size;
    if (offset == 0 || offset < d->offset + d->map_bytes) /* as rings */
        return false;
    int fd = open_segment(m, dir_fd, &size);
    if (fd < 0) {
        errno = -fd;
        return false;
    }
    uint64_t bytes = 0, page = mpl_os_page_round(sizeof(struct mpl_def_extent));
    struct mpl_def_extent *e = map_range(fd, size, offset, page);
    if (e) {
        bytes = e->data_bytes;
        mpl_unmap(e, page);
        e = bytes < size ? map_range(fd, size, offset, mpl_os_page_round(sizeof *e + bytes)) : NULL;
    }
    close_segment(m, fd);
    if (!e)
        return false;
    if (d->extent)
        mpl_unmap((void *)(uintptr_t)d->extent, d->map_bytes);
    *d = (struct mpl_def_reader){e, offset, mpl_os_page_round(sizeof *e + bytes), bytes, 0};
    return true;
}

#define SHORTAGE_TRIES 4
#define SHORTAGE_PAUSE_NS UINT64_C(1000000)

/* What is short of descriptors or memory for a moment had better wait: without its definition a record is lost. */
static bool next_extent_at_last(struct mpl_member_view *m, int dir_fd, uint64_t offset)
{
    for (unsigned i = 0; i < SHORTAGE_TRIES; i++) {
        errno = 0;
        if (next_extent(m, dir_fd, offset))
            return true;
        if (!mpl_os_is_shortage(errno))
            return false;
        mpl_os_sleep_ns(SHORTAGE_PAUSE_NS << i);
    }
    return false;
}

static bool note_definition(struct mpl_member_view *m, uint32_t id, uint32_t index)
{
    if (id == 0 || id >= UINT32_C(1) << MPL_LOGGER_BITS) /* sites and loggers count together, and no further */
        return false;
    if (id > m->def_capacity) {
        uint32_t capacity = id < 64 ? 64 : id * 2;
        uint32_t *grown = realloc(m->def_index, capacity * sizeof *grown);
        if (!grown)
            return false;
        memset(grown + m->def_capacity, 0xff, (capacity - m->def_capacity) * sizeof *grown);
        m->def_index = grown;
        m->def_capacity = capacity;
    }
    m->def_index[id - 1] = index;
    if (id > m->def_count)
        m->def_count = id;
    return true;
}

/* The entry at d->pos, of which `room` bytes may be looked at. 0: it is not one. */
static uint64_t read_definition(struct mpl_member_view *m, uint64_t room)
{
    struct mpl_def def;
    const char *at = (const char *)(m->def.extent + 1) + m->def.pos;
    if (room < sizeof def)
        return 0;
    copy_out(&def, at, sizeof def);
    uint64_t texts = (uint64_t)def.text_len + def.file_len + def.function_len;
    if (def.bytes % 8 != 0 || def.bytes > room || sizeof def + texts > def.bytes)
        return 0;
    const char *text = at + sizeof def;
    uint32_t index = mpl_defs_intern(m->defs, &def, (struct mpl_str){text, def.text_len},
                                     (struct mpl_str){text + def.text_len, def.file_len},
                                     (struct mpl_str){text + def.text_len + def.file_len, def.function_len});
    return note_definition(m, def.id, index) ? def.bytes : 0;
}

static void read_definitions(struct mpl_member_view *m, int dir_fd)
{
    struct mpl_def_reader *d = &m->def;
    uint64_t next;
    do {
        /* First the link, then the end: an extent with a successor grows no more, one that was read to its end may have
         * grown before it got one. */
        next = next_extent_offset(m);
        /* Acquire: partner is publish_def in shm/segment.c. */
        uint64_t end = d->extent ? atomic_load_explicit(&d->extent->write_pos, memory_order_acquire) : 0;
        if (end > d->data_bytes)
            end = d->data_bytes;
        while (d->pos < end) {
            uint64_t bytes = read_definition(m, end - d->pos);
            if (bytes == 0)
                return; /* damaged from here on: its records are shown without their format */
            d->pos += bytes;
        }
    } while (next_extent_at_last(m, dir_fd, next));
}

struct mpl_def_view *mpl_view_definition(struct mpl_member_view *m, uint32_t id, uint16_t kind, int dir_fd)
{
    if (id == 0)
        return NULL;
    if (id > m->def_count && m->head)
        read_definitions(m, dir_fd);
    struct mpl_def_view *v = mpl_view_known(m, id);
    return v && v->kind == kind ? v : NULL;
}

/* ---- the whole ---- */

/* False: descriptors or memory are missing. */
static bool map_head(struct mpl_member_view *m, int dir_fd, uint64_t batch_seq)
{
    struct stat st;
    uint64_t size;
    int fd = open_segment(m, dir_fd, &size);
    if (fd < 0)
        return is_lasting(fd);
    m->head_bytes = mpl_os_page_round(sizeof *m->head);
    errno = 0;
    m->head = map_range(fd, size, 0, m->head_bytes);
    bool is_short = !m->head && mpl_os_is_shortage(errno);
    if (m->head && (m->head->magic != MPL_SEGMENT_MAGIC || m->head->abi_version != MPL_ABI_VERSION)) {
        mpl_unmap(m->head, m->head_bytes);
        m->head = NULL;
    }
    if (m->head && fstat(fd, &st) < 0) {
        mpl_unmap(m->head, m->head_bytes);
        m->head = NULL;
        is_short = true;
    }
    if (m->head) {
        m->file_dev = st.st_dev;
        m->file_ino = st.st_ino;
        take_segment_progress(m, batch_seq);
    }
    close_segment(m, fd);
    return !is_short;
}

struct mpl_member_view *mpl_view_open(int dir_fd, uint64_t serial, uint64_t batch_seq, struct mpl_defs *defs)
{
    struct mpl_member_view *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->pid_fd = m->segment_fd = -1;
    m->serial = serial;
    m->defs = defs;
    if (map_head(m, dir_fd, batch_seq))
        return m;
    free(m);
    return NULL;
}

void mpl_view_adopt(struct mpl_member_view *m, int segment_fd, uint64_t batch_seq)
{
    m->segment_fd = segment_fd;
    map_head(m, -1, batch_seq);
}

void mpl_view_close(struct mpl_member_view *m)
{
    for (uint32_t i = 0; i < m->ring_count; i++)
        close_ring(m->ring[i]);
    if (m->def.extent)
        mpl_unmap((void *)(uintptr_t)m->def.extent, m->def.map_bytes);
    if (m->head)
        mpl_unmap(m->head, m->head_bytes);
    if (m->pid_fd >= 0)
        close(m->pid_fd);
    if (m->segment_fd >= 0)
        close(m->segment_fd);
    free(m->def_index);
    free(m->ring);
    free(m);
}

/* ---- records ---- */

bool mpl_view_peek(struct mpl_ring_view *r, uint64_t *corrupt_bytes)
{
    *corrupt_bytes = 0;
    while (r->pos < r->head) {
        uint64_t offset = r->pos & (r->data_bytes - 1), room = r->data_bytes - offset, left = r->head - r->pos;
        struct mpl_record_head head;
        copy_out(&head.kind_words, r->data + offset, sizeof head.kind_words); /* 8 bytes are there: all sizes are */
        uint64_t bytes = mpl_bytes_of(head.kind_words);
        bool is_pad = mpl_kind_of(head.kind_words) == MPL_RECORD_PAD;
        if (bytes == 0 || bytes > room || bytes > left || (is_pad ? bytes != room : bytes < sizeof head)) {
            *corrupt_bytes = left;
            r->pos = r->head;
            return false;
        }
        if (!is_pad) {
            memcpy(&head, r->data + offset, sizeof head);
            r->record_bytes = (uint32_t)bytes;
            r->key = head.stamp > r->key ? head.stamp : r->key;
            return true;
        }
        r->pos += bytes;
    }
    return false;
}

void mpl_view_copy(const struct mpl_ring_view *r, char *copy)
{
    memcpy(copy, r->data + (r->pos & (r->data_bytes - 1)), r->record_bytes);
}
