/* SPDX-License-Identifier: Unlicense
 *
 * Adding sinks to a session that is running, for handlers that have files of their own.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "output/file.h"
#include "producer/process.h"
#include "session/recover.h"
#include "session/session.h"
#include "shm/control.h"
#include "shm/sinkfile.h"
#include "shm/wake.h"

/* All under the process's lock. */
static char wanted[MPL_SESSION_TEXT_MAX + 1024], found[MPL_SESSION_TEXT_MAX + 1024];
static char options_text[MPL_SESSION_TEXT_MAX];

/* Is sink<index> described by these bytes? */
static bool is_described_by(int dir_fd, uint32_t index, struct mpl_str description)
{
    char name[MPL_SINKFILE_NAME_MAX];
    mpl_sinkfile_name(name, "sink", index);
    int fd = mpl_dir_open_file(dir_fd, name, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, found, sizeof found);
    if (fd >= 0)
        close(fd);
    return n >= 0 && mpl_str_equal((struct mpl_str){found, (size_t)n}, description);
}

/* Of one who failed, or was killed, before the sink counted. */
static void delete_remains(int dir_fd, uint32_t index)
{
    static const char *const kinds[] = {"sink", MPL_BATCH_KIND, MPL_BATCH_KIND_2, "stream"};
    char name[MPL_SINKFILE_NAME_MAX];
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        mpl_sinkfile_name(name, kinds[i], index);
        unlinkat(dir_fd, name, 0);
    }
}

/* Under the sinks' lock. A sink that was not there before begins with an empty file, if there is one `to_empty`: others
 * find it, and log into it, as soon as it counts. */
static int find_or_create(int dir_fd, bool is_stream, struct mpl_str description, struct mpl_file *to_empty,
                          uint32_t *index)
{
    _Atomic uint32_t *sink_count = &mpl_process.control->head.sink_count;
    uint32_t count = atomic_load_explicit(sink_count, memory_order_acquire);
    for (*index = 0; *index < count && *index < MPL_SINKS_MAX; (*index)++) {
        if (is_described_by(dir_fd, *index, description))
            return 0;
    }
    if (count >= MPL_SINKS_MAX)
        return mpl_fail(ENOSPC, "log_file: the session has %u sinks already", MPL_SINKS_MAX);
    delete_remains(dir_fd, count);
    int error = mpl_sink_create(dir_fd, count, is_stream, description);
    error = error || !to_empty ? error : mpl_file_truncate(to_empty);
    if (error)
        return error;
    /* Partner: mpl_collector_open_sinks, acquire: the file is complete. */
    atomic_store_explicit(sink_count, count + 1, memory_order_release);
    mpl_wake_for_news(mpl_process.control);
    return 0;
}

static int describe(const struct mpl_options *options, const struct mpl_file *file, struct mpl_text *out)
{
    struct mpl_text t = {options_text, 0, sizeof options_text};
    mpl_options_write(&options->o, &t);
    mpl_text_cstr(&t);
    if (t.len >= t.cap)
        return mpl_fail(EINVAL, "options: are too long");
    mpl_options_write_number(out, "alone", 1);
    return mpl_sink_describe(out, file->is_regular ? "file" : "pipe", file->is_regular ? -1 : file->fd, options_text);
}

static int add(struct mpl_session *s, const struct mpl_options *options, struct mpl_file *file, uint32_t *index)
{
    struct mpl_text t = {wanted, 0, sizeof wanted};
    bool is_write_mode = options->o.file_mode && strcmp(options->o.file_mode, "w") == 0;
    int error = describe(options, file, &t);
    int dir_fd = error ? error : mpl_dir_open(s->dir);
    if (dir_fd < 0)
        return dir_fd;
    error = mpl_control_lock_sinks(s->control_fd);
    if (!error) {
        error = find_or_create(dir_fd, !file->is_regular, (struct mpl_str){wanted, t.len},
                               is_write_mode && file->is_regular ? file : NULL, index);
        mpl_control_unlock_sinks(s->control_fd);
    }
    close(dir_fd);
    return error;
}

int mpl_sinks_add(struct mpl_session *s, const struct mpl_options *options, uint32_t *index)
{
    struct mpl_file file;
    struct mpl_file_options f = {.path = options->o.log_file};
    if (!options->o.log_file)
        return mpl_fail(EINVAL, "log_file: a sink of its own needs one");
    int error = mpl_file_open(&file, &f, 0666);
    if (error)
        return error;
    mpl_recover_before(options->o.log_file, &s->options, s);
    error = add(s, options, &file, index);
    mpl_file_close(&file);
    return error;
}
