/* SPDX-License-Identifier: Unlicense */
#include "shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "shm/dir.h"
#include "shm/map.h"

void mpl_segment_name(char name[MPL_SEGMENT_NAME_MAX], uint64_t serial)
{
    struct mpl_text t = {name, 0, MPL_SEGMENT_NAME_MAX};
    mpl_text_str(&t, MPL_STR("seg"));
    mpl_text_u64(&t, serial);
    mpl_text_cstr(&t);
}

/* Says to the collector that this process lives and has not been replaced by exec: the descriptor is close-on-exec. */
static void lock_life(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    /* Without locks in this file system the collector relies on pidfd and /proc alone. */
    fcntl(fd, F_SETLK, &lock);
}

/* The descriptor, or, if the host has closed it, a new one. */
static int usable_fd(struct mpl_segment_writer *w)
{
    char name[MPL_SEGMENT_NAME_MAX];
    if (mpl_os_fd_is(w->fd, w->dev, w->ino))
        return w->fd;
    w->fd = -1;
    int dir_fd = mpl_dir_open(w->dir_path);
    if (dir_fd < 0)
        return dir_fd;
    mpl_segment_name(name, w->serial);
    int fd = mpl_dir_open_file(dir_fd, name, O_RDWR);
    close(dir_fd);
    if (fd < 0)
        return fd;
    if (!mpl_os_fd_is(fd, w->dev, w->ino)) {
        close(fd);
        return mpl_fail(ESTALE, "session file %s: is another one now", name);
    }
    lock_life(fd);
    w->fd = fd;
    return fd;
}

/* Allocates `bytes` more of the file, a whole number of pages, and maps them. */
static void *extend(struct mpl_segment_writer *w, uint64_t bytes, uint64_t *offset)
{
    int fd = usable_fd(w);
    if (fd < 0)
        return NULL;
    int error = mpl_os_allocate(fd, w->file_bytes, bytes);
    if (error) {
        mpl_fail_errno(-error, "shared memory for rings (%llu bytes more)", (unsigned long long)bytes);
        return NULL;
    }
    void *at = mpl_map_populated(fd, w->file_bytes, bytes);
    if (!at) {
        mpl_fail_errno(errno, "shared memory for rings (%llu bytes) cannot be mapped", (unsigned long long)bytes);
        return NULL;
    }
    *offset = w->file_bytes;
    w->file_bytes += bytes;
    return at;
}

static int add_def_extent(struct mpl_segment_writer *w, uint64_t data_bytes_least)
{
    if (w->def_count == MPL_DEF_EXTENTS_MAX)
        return -ENOSPC;
    uint64_t offset, bytes = (uint64_t)MPL_DEF_EXTENT_BYTES_LEAST << w->def_count;
    if (bytes < data_bytes_least + sizeof(struct mpl_def_extent))
        bytes = data_bytes_least + sizeof(struct mpl_def_extent);
    bytes = mpl_os_page_round(bytes);
    struct mpl_def_extent *e = extend(w, bytes, &offset);
    if (!e)
        return -ENOSPC;
    e->data_bytes = bytes - sizeof *e;
    /* Partner: next_extent in collector/view.c; the extent's header is complete when the link shows it. */
    atomic_store_explicit(w->def_count ? &w->def[w->def_count - 1].extent->next_offset : &w->head->first_def_offset,
                          offset, memory_order_release);
    w->def[w->def_count] = (struct mpl_def_map){e, bytes};
    mpl_os_order_stores(); /* a child that is forked now finds what it counts */
    w->def_count++;
    return 0;
}

int mpl_segment_create(struct mpl_segment_writer *w, const char *dir_path, int dir_fd, uint64_t serial, uint32_t slot)
{
    char name[MPL_SEGMENT_NAME_MAX];
    struct stat st;
    uint64_t offset;
    *w = (struct mpl_segment_writer){.dir_path = dir_path, .serial = serial};
    mpl_segment_name(name, serial);
    w->fd = mpl_dir_open_file(dir_fd, name, O_RDWR | O_CREAT | O_EXCL);
    if (w->fd < 0)
        return w->fd;
    lock_life(w->fd);
    if (fstat(w->fd, &st) == 0) {
        w->dev = st.st_dev;
        w->ino = st.st_ino;
    }
    w->head_bytes = mpl_os_page_round(sizeof *w->head);
    w->head = extend(w, w->head_bytes, &offset);
    if (w->head) {
        w->head->magic = MPL_SEGMENT_MAGIC;
        w->head->abi_version = MPL_ABI_VERSION;
        w->head->pid = (uint32_t)getpid();
        w->head->slot = slot;
        w->head->start_time = mpl_os_start_time(getpid());
        w->head->relative_base_ns = mpl_clock_wall_ns();
    }
    if (!w->head || add_def_extent(w, 0) < 0) {
        unlinkat(dir_fd, name, 0);
        mpl_segment_close(w);
        return -ENOSPC;
    }
    return 0;
}

/* By what we have mapped; what stands in the extent may change. */
static uint64_t data_bytes_of(const struct mpl_def_map *m) { return m->map_bytes - sizeof *m->extent; }

/* Room for one entry of `bytes` at the end of the definitions. */
static char *def_room(struct mpl_segment_writer *w, uint64_t bytes)
{
    struct mpl_def_extent *e = w->def[w->def_count - 1].extent;
    uint64_t at = atomic_load_explicit(&e->write_pos, memory_order_relaxed),
             size = data_bytes_of(&w->def[w->def_count - 1]);
    if (at > size || size - at < bytes) {
        if (add_def_extent(w, bytes) < 0)
            return NULL;
        e = w->def[w->def_count - 1].extent;
        at = 0;
    }
    return (char *)(e + 1) + at;
}

static void publish_def(struct mpl_segment_writer *w, uint64_t bytes)
{
    struct mpl_def_extent *e = w->def[w->def_count - 1].extent;
    uint64_t at = atomic_load_explicit(&e->write_pos, memory_order_relaxed);
    atomic_store_explicit(&e->write_pos, at + bytes, memory_order_release); /* partner: read_definitions */
}

int mpl_segment_define(struct mpl_segment_writer *w, const struct mpl_def *def, struct mpl_str text,
                       struct mpl_str file, struct mpl_str function)
{
    uint64_t bytes = (sizeof *def + text.len + file.len + function.len + 7) & ~UINT64_C(7);
    if (bytes > MPL_MESSAGE_MAX)
        return -ENOSPC;
    char *at = def_room(w, bytes);
    if (!at)
        return -ENOSPC;
    struct mpl_def entry = *def;
    entry.bytes = (uint32_t)bytes;
    entry.text_len = (uint32_t)text.len;
    entry.file_len = (uint32_t)file.len;
    entry.function_len = (uint32_t)function.len;
    struct mpl_text t = {at, 0, bytes};
    mpl_text_append(&t, (const char *)&entry, sizeof entry);
    mpl_text_str(&t, text);
    mpl_text_str(&t, file);
    mpl_text_str(&t, function);
    publish_def(w, bytes);
    return 0;
}

static int copy_extent(struct mpl_segment_writer *w, const struct mpl_def_map *from, uint32_t *last_id)
{
    /* Partner: publish_def, in this process before, or in a parent that goes on defining. */
    uint64_t end = atomic_load_explicit(&from->extent->write_pos, memory_order_acquire);
    const char *data = (const char *)(from->extent + 1);
    if (end > data_bytes_of(from))
        return -EPROTO;
    for (uint64_t at = 0; at < end;) {
        struct mpl_def entry;
        if (end - at < sizeof entry)
            return -EPROTO;
        memcpy(&entry, data + at, sizeof entry);
        atomic_signal_fence(memory_order_seq_cst); /* what is checked is the copy */
        if (entry.bytes < sizeof entry || entry.bytes % 8 != 0 || entry.bytes > end - at)
            return -EPROTO;
        char *room = def_room(w, entry.bytes);
        if (!room)
            return -ENOSPC;
        memcpy(room, data + at, entry.bytes);
        publish_def(w, entry.bytes);
        at += entry.bytes;
        *last_id = entry.id > *last_id ? entry.id : *last_id;
    }
    return 0;
}

/* An extent that a parent added while it was being forked: its ids may stand in our sites, but it is not among our
 * maps. */
static struct mpl_def_map map_extent(const struct mpl_segment_writer *from, uint64_t offset)
{
    struct mpl_def_extent head;
    struct mpl_def_map map = {NULL, 0};
    struct stat st;
    if (!mpl_os_fd_is(from->fd, from->dev, from->ino) || fstat(from->fd, &st) < 0 ||
        pread(from->fd, &head, sizeof head, (off_t)offset) != (ssize_t)sizeof head)
        return map;
    uint64_t size = (uint64_t)st.st_size, most = size - offset - sizeof head; /* the head was there */
    map.map_bytes = mpl_os_page_round(sizeof head + (head.data_bytes < most ? head.data_bytes : most));
    map.extent = mpl_map(from->fd, offset, map.map_bytes);
    return map;
}

int mpl_segment_copy_defs(struct mpl_segment_writer *w, const struct mpl_segment_writer *from, uint32_t *last_id)
{
    uint64_t next = 0;
    for (unsigned i = 0; i < from->def_count; i++) {
        int error = copy_extent(w, &from->def[i], last_id);
        if (error)
            return error;
        next = atomic_load_explicit(&from->def[i].extent->next_offset, memory_order_acquire);
    }
    for (unsigned i = from->def_count; next != 0 && i < MPL_DEF_EXTENTS_MAX; i++) {
        struct mpl_def_map map = map_extent(from, next);
        if (!map.extent)
            break;
        int error = copy_extent(w, &map, last_id);
        next = atomic_load_explicit(&map.extent->next_offset, memory_order_acquire);
        mpl_unmap(map.extent, map.map_bytes);
        if (error)
            return error;
    }
    return 0;
}

int mpl_segment_add_ring(struct mpl_segment_writer *w, uint64_t data_bytes, struct mpl_ring_map *map)
{
    uint64_t offset, bytes = mpl_os_page_round(MPL_PAGE_BYTES + data_bytes);
    struct mpl_ring *ring = extend(w, bytes, &offset);
    if (!ring)
        return -ENOSPC;
    ring->magic = MPL_RING_MAGIC;
    ring->data_offset = offset + MPL_PAGE_BYTES;
    ring->data_bytes = data_bytes;
    atomic_store_explicit(&ring->index, MPL_NO_INDEX, memory_order_relaxed);
    *map = (struct mpl_ring_map){ring, (char *)ring + MPL_PAGE_BYTES, offset + MPL_PAGE_BYTES, data_bytes, bytes};
    return 0;
}

int mpl_segment_refill_ring(struct mpl_segment_writer *w, const struct mpl_ring_map *map)
{
    int fd = usable_fd(w);
    return fd < 0 ? fd : mpl_os_allocate(fd, map->data_offset, map->data_bytes);
}

void mpl_segment_link_ring(struct mpl_segment_writer *w, const struct mpl_ring_map *map)
{
    /* Partner: next_ring_offset in collector/view.c; the ring's header is complete when the link shows it. */
    atomic_store_explicit(w->last_ring ? &w->last_ring->next_offset : &w->head->first_ring_offset,
                          map->data_offset - MPL_PAGE_BYTES, memory_order_release);
    w->last_ring = map->ring;
}

void mpl_segment_close_but_defs(struct mpl_segment_writer *w)
{
    if (w->head)
        mpl_unmap(w->head, w->head_bytes);
    if (mpl_os_fd_is(w->fd, w->dev, w->ino))
        close(w->fd);
    w->head = NULL;
    w->fd = -1;
    w->last_ring = NULL;
}

void mpl_segment_close(struct mpl_segment_writer *w)
{
    mpl_segment_close_but_defs(w);
    for (unsigned i = 0; i < w->def_count; i++)
        mpl_unmap(w->def[i].extent, w->def[i].map_bytes);
    w->def_count = 0;
}
