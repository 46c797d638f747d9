/* SPDX-License-Identifier: Unlicense
 *
 * Building a session's directory, with its creator as first member, and publishing it in one rename.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/level.h"
#include "base/os.h"
#include "output/file.h"
#include "session/member.h"
#include "session/session.h"
#include "shm/alive.h"
#include "shm/control.h"
#include "shm/sinkfile.h"

#define RING_INITIAL_BYTES 65536u /* a thousand records; larger ones cost 1.2 us a thread and KiB at the first call */

/* A process may have this part of what its cgroup allows: the program and others like it need the rest. */
#define GROUP_SHARE 8

/* Where the program has not said what it may be. Of memory above a cgroup's limit nobody says that it is missing: the
 * kernel kills. A full tmpfs says so, and is left to that. */
static uint64_t ring_budget(const struct mplog_options *o)
{
    const struct mplog_options defaults = MPLOG_OPTIONS_INIT;
    uint64_t budget = (uint64_t)o->ring_budget_bytes;
    if (o->ring_budget_bytes != defaults.ring_budget_bytes)
        return budget;
    uint64_t share = mpl_cgroup_memory_limit() / GROUP_SHARE;
    return share < budget ? share : budget;
}

static void fill_facts(struct mpl_control_head *h, const struct mplog_options *o, const char *id, uint32_t sink_count)
{
    memset(h, 0, sizeof *h);
    snprintf(h->session_id, sizeof h->session_id, "%s", id);
    mpl_alive_boot_id(h->boot_id); /* unknown: then a reboot is told by the tmpfs being empty */
    h->creator_pid = (uint32_t)getpid();
    h->clock_kind = mpl_clock_detect();
    struct mpl_clock_reading now = mpl_clock_read_all(h->clock_kind);
    h->stamp_base = now.stamp;
    h->monotonic_base_ns = now.monotonic_ns;
    h->wall_base_ns = now.wall_ns;
    h->pulse = (struct mpl_pulse){h->stamp_base, h->wall_base_ns, h->clock_kind == MPL_CLOCK_MONOTONIC ? 1.0 : 0.0};
    h->level = o->level;
    h->overflow = o->overflow && strcmp(o->overflow, "drop") == 0 ? MPL_OVERFLOW_DROP : MPL_OVERFLOW_BLOCK;
    h->block_timeout_ns = (uint64_t)o->block_timeout_ms * 1000000;
    h->ring_initial_bytes = RING_INITIAL_BYTES;
    h->ring_max_bytes = (uint64_t)o->ring_max_bytes;
    h->ring_budget_bytes = ring_budget(o);
    atomic_init(&h->sink_count, sink_count);
    atomic_init(&h->segment_serial, 1);
}

static int write_file(int dir_fd, const char *name, struct mpl_str text)
{
    int fd = mpl_dir_open_file(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL);
    if (fd < 0)
        return fd;
    ssize_t n = write(fd, text.ptr, text.len);
    int error = n == (ssize_t)text.len ? 0 : n < 0 ? errno : ENOSPC;
    close(fd);
    return error ? mpl_fail_errno(error, "session file %s: cannot be written", name) : 0;
}

int mpl_sink_describe(struct mpl_text *out, const char *kind, int fd, const char *options)
{
    struct stat st;
    mpl_options_write_pair(out, "kind", kind);
    if (fd >= 0 && fstat(fd, &st) == 0) {
        mpl_options_write_number(out, "dev", st.st_dev);
        mpl_options_write_number(out, "ino", st.st_ino);
    }
    const char *lc_time = setlocale(LC_TIME, NULL);
    if (lc_time)
        mpl_options_write_pair(out, "lc_time", lc_time);
    mpl_text_str(out, mpl_str_from(options));
    return mpl_text_fits(out) ? 0 : mpl_fail(EINVAL, "options: are too long");
}

int mpl_sink_create(int dir_fd, uint32_t index, bool is_stream, struct mpl_str description)
{
    char name[MPL_SINKFILE_NAME_MAX];
    mpl_sinkfile_name(name, "sink", index);
    int error = write_file(dir_fd, name, description);
    if (!error)
        error = is_stream ? mpl_sinkfile_create_stream(dir_fd, index) : mpl_sinkfile_create_batches(dir_fd, index);
    return error;
}

/* sink<N> and the buffer its lines go through. */
static int add_sink(int dir_fd, uint32_t index, const char *kind, int fd, const struct mpl_session *s)
{
    static char buffer[MPL_SESSION_TEXT_MAX + 1024]; /* under the process's lock */
    struct mpl_text t = {buffer, 0, sizeof buffer};
    struct stat st;
    int error = mpl_sink_describe(&t, kind, fd, s->text);
    if (!error && s->options.o.log_file && stat(s->options.o.log_file, &st) == 0)
        mpl_options_write_number(&t, "mode", st.st_mode & 0777);
    if (!mpl_text_fits(&t))
        error = mpl_fail(EINVAL, "options: are too long");
    return error ? error : mpl_sink_create(dir_fd, index, strcmp(kind, "file") != 0, (struct mpl_str){buffer, t.len});
}

static bool is_regular(const char *path)
{
    struct stat st;
    return stat(path, &st) < 0 || S_ISREG(st.st_mode);
}

static int add_sinks(int dir_fd, const struct mpl_session *s, uint32_t *count)
{
    struct stat st;
    const struct mplog_options *o = &s->options.o;
    int error = 0;
    /* A descriptor of a process that ends is another file then: which one is meant must be known. */
    int fd = o->log_file && strncmp(o->log_file, "/proc/", 6) == 0 ? s->pipe_fd : -1;
    if (o->log_file)
        error = add_sink(dir_fd, (*count)++, is_regular(o->log_file) ? "file" : "pipe", fd, s);
    if (!error && o->log_to_stderr && fstat(STDERR_FILENO, &st) == 0)
        error = add_sink(dir_fd, (*count)++, "stderr", STDERR_FILENO, s);
    return error;
}

/* The options, and what the collector must know of this process's surroundings, since it has none of its own. */
static int write_options(int dir_fd, const struct mpl_session *s)
{
    static char buffer[MPL_SESSION_TEXT_MAX + 1024]; /* under the process's lock */
    const char *tz = s->options.o.utc ? "UTC" : getenv("TZ");
    struct mpl_text t = {buffer, 0, sizeof buffer};
    if (tz)
        mpl_options_write_pair(&t, "tz", tz);
    mpl_text_str(&t, mpl_str_from(s->text));
    if (!mpl_text_fits(&t))
        return mpl_fail(EINVAL, "options: are too long");
    return write_file(dir_fd, "options", (struct mpl_str){buffer, t.len});
}

/* Everything that goes into the directory but the member. */
static int fill_directory(struct mpl_session *s, int dir_fd, const char *id)
{
    struct mpl_control_head facts;
    uint32_t sink_count = 0;
    int error = write_options(dir_fd, s);
    error = error ? error : add_sinks(dir_fd, s, &sink_count);
    if (error)
        return error;
    fill_facts(&facts, &s->options.o, id, sink_count);
    s->control_fd = mpl_control_create(dir_fd, &facts);
    return s->control_fd < 0 ? s->control_fd : 0;
}

static void close_control(struct mpl_session *s)
{
    if (mpl_os_fd_is(s->control_fd, s->control_dev, s->control_ino))
        close(s->control_fd);
    s->control_fd = -1;
}

static int build(struct mpl_entry *e, int dir_fd, const char *id)
{
    struct mpl_session *s = e->session;
    int error = fill_directory(s, dir_fd, id);
    if (error)
        return error;
    error = mpl_control_identify(s->control_fd, &s->control_dev, &s->control_ino);
    if (error) {
        close(s->control_fd);
        s->control_fd = -1;
        return error;
    }
    error = mpl_member_enter(e, dir_fd);
    if (error)
        close_control(s);
    return error;
}

/* Puts it before the sentence, unless that is about options that can be had nowhere. */
static void name_place(int error, const char *place)
{
    if (error != -EINVAL)
        mpl_fail(-error, "%s: %s", place, mpl_error_text());
}

static int create_below(struct mpl_entry *e, const char *parent, const char *id)
{
    char built[MPL_DIR_MAX];
    struct mpl_text t = {e->session->dir, 0, MPL_DIR_MAX};
    mpl_text_printf(&t, "%s/%s", parent, id);
    if (!mpl_text_fits(&t))
        return mpl_fail(ENAMETOOLONG, "%s: path is too long", parent);
    int dir_fd = mpl_dir_build(parent, id, built);
    if (dir_fd < 0)
        return dir_fd;
    int error = build(e, dir_fd, id);
    if (error) {
        name_place(error, parent);
    } else {
        /* Children find the session as soon as it has its name: what they log is not to be emptied away. */
        error = e->to_empty ? mpl_file_truncate(e->to_empty) : 0;
        error = error ? error : mpl_dir_publish(built, e->session->dir);
        if (error)
            mpl_session_abandon(e);
    }
    close(dir_fd);
    if (error) {
        mpl_dir_delete(built);
        rmdir(parent); /* if nobody else is there */
    }
    return error;
}

/* A session that is created again goes where it was; a new one to the first place that works. */
int mpl_session_create(struct mpl_entry *e, const char *id)
{
    char parent[MPL_DIR_MAX], fresh[MPL_ID_DIGITS + 1], *slash = NULL;
    e->session->control_fd = -1;
    if (id) {
        snprintf(parent, sizeof parent, "%s", e->session->dir);
        slash = strrchr(parent, '/');
        snprintf(fresh, sizeof fresh, "%s", id);
        if (slash) {
            /* <base>/mplog-<uid>: the last part is made again, for it went with the last session in it. */
            *slash = '\0';
            slash = strrchr(parent, '/');
        }
        if (!slash)
            return mpl_fail(EINVAL, "session directory %s: is not one", e->session->dir);
        *slash = '\0';
        int error = mpl_dir_parent(parent);
        return error ? error : create_below(e, parent, fresh);
    }
    int error = -ENOENT;
    mpl_dir_new_id(fresh);
    for (unsigned i = 0; mpl_dir_candidate(i, e->session->options.o.ring_dir, parent); i++) {
        error = mpl_dir_parent(parent);
        error = error ? error : create_below(e, parent, fresh);
        if (!error)
            return 0;
    }
    if (e->session->options.o.ring_dir)
        name_place(error, "ring_dir");
    return error;
}
