/* SPDX-License-Identifier: Unlicense */
#include "shm/sinkfile.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/os.h"
#include "base/text.h"
#include "shm/dir.h"

void mpl_sinkfile_name(char name[MPL_SINKFILE_NAME_MAX], const char *kind, uint32_t index)
{
    struct mpl_text t = {name, 0, MPL_SINKFILE_NAME_MAX};
    mpl_text_str(&t, mpl_str_from(kind));
    mpl_text_u64(&t, index);
    mpl_text_cstr(&t);
}

struct range {
    uint64_t offset, bytes;
};

/* `used`: what is allocated. */
static int create(int dir_fd, const char *kind, uint32_t index, struct mpl_str head, const struct range *used,
                  unsigned count, uint64_t size)
{
    char name[MPL_SINKFILE_NAME_MAX];
    mpl_sinkfile_name(name, kind, index);
    int fd = mpl_dir_open_file(dir_fd, name, O_RDWR | O_CREAT | O_EXCL);
    if (fd < 0)
        return fd;
    int error = mpl_os_set_size(fd, size);
    for (unsigned i = 0; !error && i < count; i++)
        error = mpl_os_allocate(fd, used[i].offset, used[i].bytes);
    if (!error && pwrite(fd, head.ptr, head.len, 0) != (ssize_t)head.len)
        error = errno ? -errno : -ENOSPC;
    close(fd);
    return error ? mpl_fail_errno(-error, "session file %s (%llu bytes)", name, (unsigned long long)size) : 0;
}

int mpl_sinkfile_create_batches(int dir_fd, uint32_t index)
{
    struct mpl_batch head = {
        .magic = MPL_BATCH_MAGIC, .ends_max = MPL_BATCH_ENDS_MAX, .data_bytes = MPL_BATCH_DATA_BYTES};
    const struct range used[] = {{0, MPL_PAGE_BYTES + MPL_BATCH_ENDS * 4}, {MPL_BATCH_DATA_OFFSET, head.data_bytes}};
    const struct mpl_str bytes = {(const char *)&head, sizeof head};
    uint64_t size = MPL_BATCH_DATA_OFFSET + head.data_bytes;
    int error = create(dir_fd, MPL_BATCH_KIND, index, bytes, used, 2, size);
    return error ? error : create(dir_fd, MPL_BATCH_KIND_2, index, bytes, used, 2, size);
}

int mpl_sinkfile_create_stream(int dir_fd, uint32_t index)
{
    struct mpl_stream head = {.magic = MPL_STREAM_MAGIC, .data_bytes = MPL_STREAM_DATA_BYTES};
    const struct range used[] = {{0, MPL_STREAM_HEAD_BYTES}};
    return create(dir_fd, "stream", index, (struct mpl_str){(const char *)&head, sizeof head}, used, 1,
                  MPL_STREAM_HEAD_BYTES + MPL_STREAM_DATA_BYTES);
}

int mpl_batch_in_force(const struct mpl_batch *b, uint64_t batch_seq)
{
    uint64_t best = 0;
    int found = -1;
    for (int i = 0; i < 2; i++) {
        /* Acquire: partner is mpl_batch_prepare. */
        uint64_t tag = atomic_load_explicit(&b->progress[i].tag, memory_order_acquire);
        if (tag > best && tag <= batch_seq) {
            best = tag;
            found = i;
        }
    }
    return found;
}

uint64_t mpl_batch_done(const struct mpl_batch *b, const struct mpl_batch_progress *p)
{
    uint64_t done = atomic_load_explicit(&b->done, memory_order_acquire); /* partner: done_write in batch.c */
    return done > p->begin ? done : p->begin;
}

uint64_t mpl_sinkfile_waiting(const uint32_t *ends, uint32_t count, uint32_t own_count, uint64_t done)
{
    uint32_t waiting = 0;
    while (waiting < count && ends[count - 1 - waiting] > done)
        waiting++;
    return waiting > own_count ? waiting - own_count : 0;
}
