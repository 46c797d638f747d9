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

static int create(int dir_fd, const char *kind, uint32_t index, const void *head, size_t head_bytes, uint64_t allocated,
                  uint64_t size)
{
    char name[MPL_SINKFILE_NAME_MAX];
    mpl_sinkfile_name(name, kind, index);
    int fd = mpl_dir_open_file(dir_fd, name, O_RDWR | O_CREAT | O_EXCL);
    if (fd < 0)
        return fd;
    int error = ftruncate(fd, (off_t)size) < 0 ? -errno : mpl_os_allocate(fd, 0, allocated);
    if (!error && pwrite(fd, head, head_bytes, 0) != (ssize_t)head_bytes)
        error = errno ? -errno : -ENOSPC;
    close(fd);
    return error ? mpl_fail_errno(-error, "session file %s (%llu bytes)", name, (unsigned long long)allocated) : 0;
}

int mpl_sinkfile_create_batch(int dir_fd, uint32_t index)
{
    struct mpl_batch head = {
        .magic = MPL_BATCH_MAGIC, .ends_max = MPL_BATCH_ENDS_MAX, .data_bytes = MPL_BATCH_DATA_BYTES};
    uint64_t size = MPL_BATCH_DATA_OFFSET + head.data_bytes;
    return create(dir_fd, "batch", index, &head, sizeof head, size, size);
}

int mpl_sinkfile_create_stream(int dir_fd, uint32_t index)
{
    struct mpl_stream head = {.magic = MPL_STREAM_MAGIC, .data_bytes = MPL_STREAM_DATA_BYTES};
    return create(dir_fd, "stream", index, &head, sizeof head, MPL_STREAM_HEAD_BYTES,
                  MPL_STREAM_HEAD_BYTES + MPL_STREAM_DATA_BYTES);
}

uint64_t mpl_sinkfile_waiting(const uint32_t *ends, uint32_t count, uint32_t own_count, uint64_t done)
{
    uint32_t waiting = 0;
    while (waiting < count && ends[count - 1 - waiting] > done)
        waiting++;
    return waiting > own_count ? waiting - own_count : 0;
}
