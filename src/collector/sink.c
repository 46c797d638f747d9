/* SPDX-License-Identifier: Unlicense */
#include "collector/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/level.h"
#include "base/os.h"
#include "config/options.h"
#include "shm/dir.h"

/* What one sink file says. Heap: 13 KiB and more. */
struct description {
    char text[32768];
    size_t len;
    char kind[16], lc_time[128];
    struct mpl_options options;
};

static int read_description(struct description *d, int dir_fd, uint32_t index)
{
    char name[MPL_SINKFILE_NAME_MAX];
    mpl_sinkfile_name(name, "sink", index);
    int fd = mpl_dir_open_file(dir_fd, name, O_RDONLY);
    if (fd < 0)
        return fd;
    ssize_t n = read(fd, d->text, sizeof d->text);
    int error = errno;
    close(fd);
    if (n < 0)
        return mpl_fail_errno(error, "session file %s: cannot be read", name);
    if (n == 0 || n == (ssize_t)sizeof d->text)
        return mpl_fail(EPROTO, "session file %s: is damaged", name);
    d->len = (size_t)n;
    struct mpl_str text = {d->text, d->len};
    if (!mpl_options_find(text, "kind", d->kind, sizeof d->kind))
        return mpl_fail(EPROTO, "session file %s: names no kind of sink", name);
    if (!mpl_options_find(text, "lc_time", d->lc_time, sizeof d->lc_time))
        d->lc_time[0] = '\0';
    return mpl_options_read(&d->options, text);
}

static char *copy_or_null(const char *s) { return s ? strdup(s) : NULL; }

static int open_looks(struct mpl_sink *s, const struct description *d)
{
    const struct mplog_options *o = &d->options.o;
    s->format_string = copy_or_null(o->format_string);
    s->date_format = copy_or_null(o->date_format);
    if ((o->format_string && !s->format_string) || (o->date_format && !s->date_format))
        return mpl_fail(ENOMEM, "sink %u: out of memory", s->index);
    s->escape = !o->escape                         ? MPL_ESCAPE_CONTROL
                : strcmp(o->escape, "strict") == 0 ? MPL_ESCAPE_STRICT
                : strcmp(o->escape, "none") == 0   ? MPL_ESCAPE_NONE
                                                   : MPL_ESCAPE_CONTROL;
    s->fsync = !o->fsync                           ? MPL_FSYNC_NEVER
               : strcmp(o->fsync, "interval") == 0 ? MPL_FSYNC_INTERVAL
               : strcmp(o->fsync, "error") == 0    ? MPL_FSYNC_ERROR
                                                   : MPL_FSYNC_NEVER;
    int error = mpl_pattern_compile(&s->pattern, o->format_string);
    error = error ? error : mpl_asctime_init(&s->asctime, o->date_format, d->lc_time[0] ? d->lc_time : NULL);
    /* A terminal or pipe is for people: UTF-8, whatever the file's encoding is. */
    return error ? error
                 : mpl_encoding_open(&s->encoding, s->is_stream || !o->file_encoding ? "utf-8" : o->file_encoding);
}

int mpl_sink_open_file(struct mpl_sink *s)
{
    int error = 0;
    if (s->file.fd < 0) {
        mpl_file_close(&s->file); /* one that could not be opened again after it was left still has its path */
        error = mpl_file_open(&s->file, &s->file_options, s->create_mode);
        if (!error)
            s->may_hang = mpl_writer_may_hang(s);
    }
    return error;
}

static int open_batch(struct mpl_sink *s, const struct description *d, int dir_fd, uint64_t batch_seq)
{
    const struct mplog_options *o = &d->options.o;
    if (!o->log_file)
        return mpl_fail(EPROTO, "session file sink%u: names no log_file", s->index);
    struct mpl_text newline = {s->newline, 0, sizeof s->newline}, bom = {s->bom, 0, sizeof s->bom};
    mpl_encoding_append(s->encoding, &newline, MPL_STR("\n"));
    mpl_text_str(&bom, mpl_encoding_bom(s->encoding));
    s->file_options = (struct mpl_file_options){
        .path = copy_or_null(o->log_file),
        .max_bytes = (uint64_t)o->max_bytes,
        .backup_count = (uint32_t)o->backup_count,
        .bom = {s->bom, bom.len},
        .newline = {s->newline, newline.len},
        .sync_when_left = s->fsync != MPL_FSYNC_NEVER,
    };
    if (!s->file_options.path)
        return mpl_fail(ENOMEM, "sink %u: out of memory", s->index);
    uint64_t mode = mpl_options_find_number((struct mpl_str){d->text, d->len}, "mode");
    s->create_mode = mode ? (unsigned)mode & 0777 : 0600;
    int error = mpl_batch_open(s, dir_fd, batch_seq);
    error = error ? error : mpl_sink_open_file(s);
    for (int i = 0; i < 2 && !error; i++) { /* before anybody asks how much waits */
        mpl_batch_resume(s, &s->batch[i]);
        mpl_batch_rewind(&s->batch[i]);
    }
    s->finished = mpl_batch_written(s);
    s->needs_sync = s->has_unsynced_error = batch_seq > 0; /* it may have died before it could sync */
    return error;
}

/* stdin may be the same file, /dev/null or a terminal, opened for reading alone. */
static bool is_writable(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

/* A descriptor of our own for the file (dev, ino) among the candidates; -1: none. */
static int duplicate_candidate(const struct mpl_sink *s, const struct mpl_candidates *candidates)
{
    for (unsigned i = 0; i < candidates->count; i++) {
        if (mpl_os_fd_is(candidates->fds[i], s->dev, s->ino) && is_writable(candidates->fds[i]))
            return fcntl(candidates->fds[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    }
    return -1;
}

/* What the stream writes to. stderr is an open file of some member's; a pipe or device may also be opened by its name.
 */
static void find_descriptor(struct mpl_sink *s, const struct description *d, const struct mpl_candidates *candidates)
{
    struct mpl_file by_name;
    struct mpl_file_options f = {.path = d->options.o.log_file};
    s->fd = duplicate_candidate(s, candidates);
    if (s->fd >= 0 || strcmp(d->kind, "pipe") != 0 || !f.path || mpl_file_open(&by_name, &f, 0666) < 0)
        return;
    if (s->ino == 0 || mpl_os_fd_is(by_name.fd, s->dev, s->ino))
        s->fd = fcntl(by_name.fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    mpl_file_close(&by_name);
}

static int open_kind(struct mpl_sink *s, const struct description *d, int dir_fd, uint64_t batch_seq,
                     const struct mpl_candidates *candidates)
{
    if (!s->is_stream)
        return open_batch(s, d, dir_fd, batch_seq);
    s->dev = mpl_options_find_number((struct mpl_str){d->text, d->len}, "dev");
    s->ino = mpl_options_find_number((struct mpl_str){d->text, d->len}, "ino");
    int error = mpl_stream_open(s, dir_fd, batch_seq);
    if (!error)
        find_descriptor(s, d, candidates);
    return error;
}

static void name_sink(struct mpl_sink *s, const struct description *d)
{
    struct mpl_text t = {s->name, 0, sizeof s->name};
    const char *path = d->options.o.log_file;
    if (strcmp(d->kind, "stderr") == 0 || !path) {
        mpl_text_str(&t, MPL_STR("stderr"));
    } else { /* the end of a long path says more than its beginning */
        size_t len = strlen(path), room = sizeof s->name - 1;
        mpl_text_str(&t, mpl_str_from(len > room ? path + len - room : path));
    }
    mpl_text_cstr(&t);
}

int mpl_sink_open(struct mpl_sink *s, int dir_fd, uint32_t index, struct mpl_sink_account *account, uint64_t batch_seq,
                  const struct mpl_candidates *candidates)
{
    struct description *d = malloc(sizeof *d);
    *s = (struct mpl_sink){.index = index,
                           .like = index,
                           .level = INT32_MIN,
                           .account = account,
                           .fd = -1,
                           .stream_fd = -1,
                           .batch = {{.fd = -1}, {.fd = -1}},
                           .file = {.fd = -1}};
    if (!d)
        return mpl_fail(ENOMEM, "sink %u: out of memory", index);
    s->line = malloc(MPL_LINE_BYTES_LEAST);
    s->line_cap = s->line ? MPL_LINE_BYTES_LEAST : 0;
    int error = s->line ? read_description(d, dir_fd, index) : mpl_fail(ENOMEM, "sink %u: out of memory", index);
    if (!error) {
        s->is_stream = strcmp(d->kind, "file") != 0;
        s->is_stderr = strcmp(d->kind, "stderr") == 0;
        s->is_alone = mpl_options_find_number((struct mpl_str){d->text, d->len}, "alone") != 0;
        name_sink(s, d);
        error = open_looks(s, d);
    }
    error = error ? error : open_kind(s, d, dir_fd, batch_seq, candidates);
    free(d);
    return error;
}

bool mpl_sink_close(struct mpl_sink *s)
{
    bool has_ended = s->is_stream ? mpl_stream_close(s) : mpl_writer_stop(s);
    if (!has_ended)
        return false;
    mpl_batch_close(s);
    if (s->file.fd >= 0)
        mpl_file_close(&s->file);
    if (s->stream_fd >= 0)
        close(s->stream_fd);
    mpl_pattern_destroy(s->pattern);
    mpl_asctime_fini(&s->asctime);
    mpl_encoding_close(s->encoding);
    free((char *)(uintptr_t)s->file_options.path);
    free(s->format_string);
    free(s->date_format);
    free(s->encoded);
    free(s->line);
    free(s);
    return true;
}

/* The line in the sink's encoding; the result is good until the next call. len 0: out of memory. */
static struct mpl_str encode(struct mpl_sink *s, struct mpl_str line)
{
    if (mpl_encoding_is_utf8(s->encoding))
        return line;
    struct mpl_text t = {s->encoded, 0, s->encoded_cap};
    mpl_encoding_append(s->encoding, &t, line);
    if (!mpl_text_fits(&t)) {
        char *larger = realloc(s->encoded, t.len * 2);
        if (!larger)
            return (struct mpl_str){NULL, 0};
        s->encoded = larger;
        s->encoded_cap = t.len * 2;
        t = (struct mpl_text){s->encoded, 0, s->encoded_cap};
        mpl_encoding_append(s->encoding, &t, line);
    }
    return (struct mpl_str){t.data, t.len};
}

struct mpl_text mpl_sink_room(struct mpl_sink *s)
{
    struct mpl_text room = {NULL, 0, 0};
    if (!s->is_stream && s->encoding && mpl_encoding_is_utf8(s->encoding))
        room = mpl_batch_room(s);
    return room.cap > 0 ? room : (struct mpl_text){s->line, 0, s->line_cap};
}

enum mpl_append mpl_sink_offer(struct mpl_sink *s, struct mpl_str line)
{
    s->offered = encode(s, line);
    if (s->offered.len == 0)
        return MPL_APPEND_LOST;
    return s->is_stream ? mpl_stream_offer(s, s->offered.len) : mpl_batch_offer(s, s->offered.len);
}

void mpl_sink_take(struct mpl_sink *s, const struct mpl_line *line)
{
    if (s->is_stream)
        mpl_stream_take(s, s->offered);
    else
        mpl_batch_take(s, s->offered, line);
    s->account->records += !line->is_own;
    s->account->bytes += s->offered.len;
}

void mpl_sink_prepare(struct mpl_sink *s, uint64_t tag)
{
    if (s->is_stream)
        mpl_stream_prepare(s, tag);
    else
        mpl_batch_prepare(s, tag);
}

void mpl_sink_decided(struct mpl_sink *s)
{
    if (s->is_stream)
        mpl_stream_decided(s);
}
