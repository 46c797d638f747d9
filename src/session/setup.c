/* SPDX-License-Identifier: Unlicense
 *
 * The public calls: set-up, shutdown, flush; and what the producer asks of sessions.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "base/stderr.h"
#include "collector/thread.h"
#include "output/encoding.h"
#include "output/file.h"
#include "output/pattern.h"
#include "producer/log.h"
#include "producer/logger.h"
#include "producer/process.h"
#include "producer/producer.h"
#include "session/member.h"
#include "session/recover.h"
#include "session/session.h"
#include "session/spawn.h"
#include "session/unwritten.h"
#include "shm/control.h"
#include "shm/wake.h"

#define NS_PER_MS UINT64_C(1000000)

/* Exit, shutdown and a change of session wait this long for what was logged. */
#define EXIT_WAIT_MS 5000

/* Where that was in vain, its collector's thread has nothing to do that could be waited for. */
#define STUCK_THREAD_WAIT_MS 100

/* The session this process is, or by birth would be, a member of; and the one that a set-up is preparing. */
static struct mpl_session sessions[2] = {{.control_fd = -1, .pipe_fd = -1}, {.control_fd = -1, .pipe_fd = -1}};
static struct mpl_session *current = &sessions[0], *next = &sessions[1];
static char helper_path[1024];

/* A binding has looked for the session of a process that has logged nothing yet: `current` could not be joined. */
static bool is_expected;

static bool is_awaiting_session(void) { return is_expected && mpl_process_membership() == MPL_PROCESS_NEW; }

/* ---- what the producer asks ---- */

static void forked(void)
{
    /* The parent's descriptors were copied; ours are opened when we join. */
    if (mpl_os_fd_is(current->control_fd, current->control_dev, current->control_ino))
        close(current->control_fd);
    current->control_fd = -1;
    current->is_creator = false;
    current->vain_ms = 0;
    mpl_collector_thread_forget();
}

static void need_collector(bool is_in_handler)
{
    mpl_session_start_collector(current, is_in_handler ? MPL_START_HELPER : MPL_START_ONLY);
}

static int set_up_default(void);
static int set_up_apart(void);

/* What MPLOG_SESSION names is not ours to follow: said once, in the log if there is one. Not under the process's lock.
 */
static void tell_of_refusal(bool has_log)
{
    char line[MPL_ERROR_MAX + 64];
    struct mpl_text t = {line, 0, sizeof line};
    const char *reason = mpl_session_take_refusal();
    if (!reason)
        return;
    mpl_text_printf(&t, "MPLOG_SESSION is not followed: %s", reason);
    if (has_log)
        mpl_log_text(&mpl_logger_get("mplog")->public, MPLOG_WARNING,
                     (struct mpl_str){line, t.len < t.cap ? t.len : t.cap});
    else
        mpl_complain("%s", mpl_text_cstr(&t));
}

/* First record of a process: of one that was forked from a member, or that has not set up. */
static int join(void)
{
    bool is_new = mpl_process_membership() == MPL_PROCESS_NEW;
    bool is_found = !is_new || is_expected || mpl_session_find(current, true);
    tell_of_refusal(false); /* a log call has come here, and cannot make another one */
    if (!is_found)
        return set_up_default();
    struct mpl_entry e = {.session = current};
    int error = mpl_session_join_or_create(&e);
    if (error)
        return is_new ? set_up_apart() : error;
    mpl_member_adopt(&e);
    if (is_new)
        mpl_logger_set_level(mpl_logger_get(NULL), mpl_process.control->head.level);
    return 0;
}

static int level_by_birth(void)
{
    if (mpl_process_membership() != MPL_PROCESS_NEW)
        return MPLOG_INFO;
    if (mpl_session_find(current, true))
        return current->options.o.level;
    /* A wrong environment is complained about when a record comes. */
    return mpl_options_resolve(&next->options, NULL, true) == 0 ? next->options.o.level : MPLOG_INFO;
}

const struct mpl_process_host mpl_process_host = {
    .join_fn = join, .level_fn = level_by_birth, .forked_fn = forked, .need_collector_fn = need_collector};

/* ---- set-up ---- */

/* Formats and encodings are tried here, where somebody can be told. */
static int check_output(const struct mplog_options *o)
{
    struct mpl_pattern *pattern = NULL;
    struct mpl_asctime asctime;
    struct mpl_encoding *encoding = NULL;
    int error = mpl_pattern_compile(&pattern, o->format_string);
    if (error)
        return error;
    mpl_pattern_destroy(pattern);
    error = mpl_asctime_init(&asctime, o->date_format, NULL);
    if (error)
        return error;
    mpl_asctime_fini(&asctime);
    error = mpl_encoding_open(&encoding, o->file_encoding ? o->file_encoding : "utf-8");
    if (!error)
        mpl_encoding_close(encoding);
    return error;
}

/* Does `wanted` name the file that the session writes already, or none? A session that added sinks alone have begun
 * writes nothing by itself: who wants stderr is not served by it. */
static bool is_served_by(const struct mpl_options *wanted, const struct mpl_session *s)
{
    struct stat a, b;
    const char *theirs = s->options.o.log_file, *ours = wanted->o.log_file;
    if (!ours)
        return theirs || s->options.o.log_to_stderr || !wanted->o.log_to_stderr;
    return theirs && (strcmp(ours, theirs) == 0 ||
                      (stat(ours, &a) == 0 && stat(theirs, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino));
}

/* The log file, opened as a trial and kept open until the session stands. */
struct trial {
    struct mpl_file file;
    bool is_open, is_ours; /* is_ours: it did not exist before */
};

static int open_log_file(struct trial *t, const struct mplog_options *o)
{
    struct stat st;
    *t = (struct trial){.is_open = false};
    if (!o->log_file)
        return 0;
    t->is_ours = stat(o->log_file, &st) < 0;
    struct mpl_file_options f = {.path = o->log_file};
    int error = mpl_file_open(&t->file, &f, 0666);
    if (error)
        return error;
    t->is_open = true;
    next->pipe_fd = t->file.is_regular ? -1 : t->file.fd;
    return 0;
}

static void close_log_file(struct trial *t, bool is_failure)
{
    struct stat st;
    next->pipe_fd = -1;
    if (!t->is_open)
        return;
    if (is_failure && t->is_ours && t->file.is_regular && stat(t->file.path, &st) == 0 && st.st_size == 0)
        unlink(t->file.path); /* nothing half-done: it was not there before */
    mpl_file_close(&t->file);
}

/* A collector thread that serves the session we have left ends with it, or leaves it to its other members; only then
 * may the control file be closed, which gives up this process's lock on it. */
static void close_current(void)
{
    mpl_collector_thread_stop(current->control_dev, current->control_ino, current->control_fd,
                              current->is_behind ? STUCK_THREAD_WAIT_MS : EXIT_WAIT_MS);
    if (mpl_os_fd_is(current->control_fd, current->control_dev, current->control_ino))
        close(current->control_fd);
    current->control_fd = -1;
    mpl_session_unexport(current);
}

/* The collector is to notice that we have gone: if there is none, nobody would remove the session. */
static void depart(enum mpl_membership next_membership)
{
    mpl_member_leave(current, next_membership);
    mpl_session_start_collector(current, MPL_START_NOW);
    close_current();
}

static void leave_current(enum mpl_membership next_membership)
{
    if (current->is_behind)
        mpl_unwritten_tell(current);
    depart(next_membership);
}

/* Leaves what this process was a member of, then becomes what `e` says. */
static void switch_to(struct mpl_entry *e)
{
    if (mpl_process_membership() == MPL_PROCESS_MEMBER)
        leave_current(MPL_PROCESS_MEMBER);
    e->session->pipe_fd = -1;
    mpl_session_read_text(e->session); /* its strings then lie in the struct itself */
    /* In one step: another thread may fork now, and the child joins what it finds here. */
    mpl_os_order_stores();
    next = current;
    current = e->session;
    mpl_member_adopt(e);
}

static int start_session(struct trial *t)
{
    bool is_write_mode = next->options.o.file_mode && strcmp(next->options.o.file_mode, "w") == 0;
    struct mpl_entry e = {.session = next,
                          .to_empty = is_write_mode && t->is_open && t->file.is_regular ? &t->file : NULL};
    int error = mpl_session_write_text(next);
    error = error ? error : mpl_session_create(&e, NULL);
    if (error)
        return error;
    next->is_creator = true;
    next->is_exported = next->is_behind = false;
    next->vain_ms = 0;
    error = mpl_session_start_collector(next, MPL_START_AND_WAIT);
    if (error) {
        mpl_session_abandon(&e);
        if (mpl_os_fd_is(next->control_fd, next->control_dev, next->control_ino))
            close(next->control_fd);
        mpl_dir_delete(next->dir);
        return error;
    }
    switch_to(&e);
    return 0;
}

/* `next->options` are resolved. Writes out what was logged before, since it must not come after what is logged next. */
static int start_new(void)
{
    struct trial t;
    next->no_helper[0] = '\0';
    if (mpl_spawn_find_helper(next->options.o.helper, helper_path, sizeof helper_path) == 0)
        next->options.o.helper = helper_path;
    else if (next->options.o.helper)
        return -EINVAL; /* named, but not there: that is a mistake, and mpl_error_text says so */
    else
        strcpy(next->no_helper, mpl_error_text()); /* as long at most; sentences of what comes now go over it */
    int error = check_output(&next->options.o);
    error = error ? error : open_log_file(&t, &next->options.o);
    if (error)
        return error;
    mpl_recover_before(next->options.o.log_file, &next->options, current); /* before file_mode "w" empties the file */
    error = start_session(&t);
    close_log_file(&t, error != 0);
    if (!error)
        mpl_logger_set_level(mpl_logger_get(NULL), current->options.o.level);
    return error;
}

static int set_up_new(void) { return mpl_options_blame(&next->options, start_new()); }

static int set_up_default(void)
{
    int error = mpl_options_resolve(&next->options, NULL, true);
    error = error ? error : set_up_new();
    current->is_creator = !error;
    return error;
}

static int join_inherited(void)
{
    struct mpl_entry e = {.session = current};
    int error = mpl_session_join_or_create(&e);
    if (error)
        return error;
    bool is_new = mpl_process_membership() != MPL_PROCESS_INHERITED;
    mpl_member_adopt(&e);
    if (is_new)
        mpl_logger_set_level(mpl_logger_get(NULL), mpl_process.control->head.level);
    return 0;
}

/* Is there a session this process belongs to without having created it? */
static bool has_inherited(void)
{
    switch (mpl_process_membership()) {
    case MPL_PROCESS_MEMBER:
    case MPL_PROCESS_INHERITED: return !current->is_creator;
    case MPL_PROCESS_DETACHED: return !current->is_creator && current->dir[0];
    default: return is_awaiting_session() || mpl_session_find(current, true);
    }
}

/* The session we were born into is there and not for us: another version's, or damaged. One of our own, with its
 * options, shares its file. */
static int set_up_apart(void)
{
    mpl_complain("session %s cannot be joined, this process has one of its own: %s", current->dir, mpl_error_text());
    memcpy(next->text, current->text, sizeof next->text);
    int error = mpl_session_read_text(next);
    next->options.o.file_mode = "a";
    error = error ? error : set_up_new();
    current->is_creator = !error;
    return error ? set_up_default() : 0;
}

static int set_up(const struct mplog_options *o)
{
    int error = mpl_options_resolve(&next->options, o, true);
    if (error)
        return error;
    if (has_inherited()) {
        bool is_new = mpl_process_membership() == MPL_PROCESS_NEW, is_served = is_served_by(&next->options, current);
        if (is_served && mpl_process_membership() == MPL_PROCESS_MEMBER)
            return 0;
        error = is_served ? join_inherited() : is_new ? mpl_session_examine(current) : 0;
        if (is_served && (!error || !is_new))
            return error;
        if (error && error != -ENOENT)
            mpl_session_refuse(mpl_error_text());
    }
    if (mpl_process_membership() == MPL_PROCESS_MEMBER && current->is_creator &&
        mpl_options_equal(&next->options, &current->options))
        return 0;
    return set_up_new();
}

/* Why a session that wants a helper has none; said once, in the log. Not under the process's lock. */
static void tell_of_thread(void)
{
    char line[MPL_ERROR_MAX + 128];
    struct mpl_text t = {line, 0, sizeof line};
    const char *collector = current->options.o.collector;
    if (atomic_load(&mpl_process.control->head.collector_kind) != MPL_COLLECTOR_THREAD ||
        (collector && strcmp(collector, "thread") == 0))
        return;
    mpl_text_printf(&t, "no helper process could be started, a thread of this process writes the log: %s",
                    current->no_helper);
    mpl_log_text(&mpl_logger_get("mplog")->public, MPLOG_WARNING,
                 (struct mpl_str){line, t.len < t.cap ? t.len : t.cap});
}

int mpl_session_setup(const struct mplog_options *o)
{
    /* What was logged under former options is in the file before anything under the new ones can be. */
    if (mpl_process_membership() == MPL_PROCESS_MEMBER)
        mpl_session_flush(EXIT_WAIT_MS, NULL);
    if (!mpl_process_lock())
        return mpl_fail(EDEADLK, "set-up: called from a signal handler inside mplog, or out of memory");
    mpl_error_clear();
    mpl_stderr_note();
    int error = set_up(o);
    bool is_new = !error && current->is_creator && !current->is_exported;
    if (is_new)
        mpl_session_export(current);
    mpl_process_unlock();
    if (is_new)
        tell_of_thread();
    tell_of_refusal(!error);
    return error;
}

/* Of a process that is in no session. One that cannot be joined, as it is over, or its directory was removed, is the
 * first record's to create again. */
static int join_by_birth(bool asks_parents)
{
    struct mpl_entry e = {.session = current};
    if (!mpl_session_find(current, asks_parents))
        return -ENOENT;
    int error = mpl_session_join(&e);
    if (error == -ESHUTDOWN)
        close(current->control_fd);
    if (error) {
        current->control_fd = -1;
        is_expected = true;
    } else {
        mpl_member_adopt(&e);
    }
    mpl_logger_set_level(mpl_logger_get(NULL), error ? current->options.o.level : mpl_process.control->head.level);
    return error;
}

static int join_expected(void)
{
    int error = join();
    if (error) {
        mpl_complain("logging cannot be started: %s", mpl_error_text());
        mpl_process_set_membership(MPL_PROCESS_FAILED);
    }
    return error;
}

int mpl_session_join_only(bool asks_parents)
{
    int error = -ENOENT;
    if (!mpl_process_lock())
        return -EDEADLK;
    if (mpl_process_membership() == MPL_PROCESS_MEMBER) {
        error = 0;
    } else if (mpl_process_membership() == MPL_PROCESS_INHERITED) {
        error = join_inherited();
    } else if (is_awaiting_session()) {
        error = join_expected();
    } else {
        error = join_by_birth(asks_parents);
    }
    mpl_process_unlock();
    return error;
}

const struct mplog_options *mpl_session_options(void) { return mpl_session_is_setup() ? &current->options.o : NULL; }

int mpl_session_add_sink(const struct mplog_options *o, uint32_t *index)
{
    static struct mpl_options options; /* under the process's lock */
    int error = mpl_session_join_only(false);
    if (error)
        return error;
    if (!mpl_process_lock())
        return -EDEADLK;
    error = mpl_options_resolve(&options, o, false);
    error = error ? error : check_output(&options.o);
    error = error ? error : mpl_sinks_add(current, &options, index);
    mpl_process_unlock();
    return error;
}

bool mpl_session_is_setup(void)
{
    return mpl_process_membership() == MPL_PROCESS_MEMBER || mpl_process_membership() == MPL_PROCESS_INHERITED ||
           is_awaiting_session();
}

/* ---- flush, shutdown, exit ---- */

/* How long a flusher waits before it looks again whether the collector lives. */
#define FLUSH_LOOK_NS (50 * NS_PER_MS)

static bool need_collector_locked(void)
{
    if (!mpl_process_lock())
        return false;
    bool is_member = mpl_process_membership() == MPL_PROCESS_MEMBER;
    if (is_member)
        need_collector(false);
    mpl_process_unlock();
    return is_member;
}

/* Without a sentence. `is_over_fn` (may be NULL) is asked after each look: -EINTR if it says so. */
static int wait_until_written(int timeout_ms, bool (*is_over_fn)(void))
{
    if (!mpl_process_lock())
        return -EDEADLK;
    bool is_member = mpl_process_membership() == MPL_PROCESS_MEMBER;
    if (is_member)
        mpl_producer_report_losses();
    mpl_process_unlock();
    if (!is_member)
        return 0;
    struct mpl_control *c = mpl_process.control;
    uint64_t stamp = mpl_clock_stamp(mpl_process.clock_kind);
    uint64_t begin_ns = mpl_clock_monotonic_ns(), limit_ns = (uint64_t)timeout_ms * NS_PER_MS, spent_ns = 0;
    uint32_t session = mpl_process.sessions;
    bool is_first = true;
    while (!mpl_wake_is_flushed(c, stamp)) {
        spent_ns = mpl_clock_monotonic_ns() - begin_ns;
        if (spent_ns >= limit_ns)
            return -ETIMEDOUT;
        uint64_t left_ns = limit_ns - spent_ns;
        bool is_awake = mpl_wake_flush_wait(c, stamp, left_ns < FLUSH_LOOK_NS ? left_ns : FLUSH_LOOK_NS);
        if ((!is_awake || !is_first) && !need_collector_locked())
            return 0; /* shut down meanwhile, which has flushed */
        if (session != mpl_process.sessions)
            return 0; /* another session: the set-up has flushed this one */
        if (is_over_fn && is_over_fn())
            return -EINTR;
        is_first = false;
    }
    /* Partner: say_how_far in collector/pass.c, which stores it before the mark that ended the wait. */
    return atomic_load(&c->head.given_up_files) > 0 ? -EIO : 0;
}

/* Waited in vain, until now and since something was written last. Under the process's lock. */
static uint64_t waited_in_vain_ms(void)
{
    return current->vain_at == mpl_wake_progress(mpl_process.control) ? current->vain_ms : 0;
}

static int flush(int timeout_ms, bool (*is_over_fn)(void))
{
    int error = wait_until_written(timeout_ms, is_over_fn);
    if (error != -EINTR && mpl_process_lock()) {
        current->is_behind = error == -EIO || error == -ETIMEDOUT;
        current->vain_ms = error == -ETIMEDOUT ? waited_in_vain_ms() + (uint64_t)timeout_ms : 0;
        current->vain_at = mpl_wake_progress(mpl_process.control);
        mpl_process_unlock();
    }
    return error;
}

/* The waits at the end of a program, of which there may be several, share what one may take. */
void mpl_session_flush_at_end(void)
{
    uint64_t waited_ms = 0;
    if (mpl_process_lock()) {
        waited_ms = waited_in_vain_ms();
        mpl_process_unlock();
    }
    flush(waited_ms < EXIT_WAIT_MS ? EXIT_WAIT_MS - (int)waited_ms : 0, NULL);
}

int mpl_session_flush(int timeout_ms, bool (*is_over_fn)(void))
{
    bool is_waiting;
    char text[MPL_ERROR_MAX];
    struct mpl_text t = {text, 0, sizeof text};
    timeout_ms = timeout_ms < 0 ? EXIT_WAIT_MS : timeout_ms;
    int error = flush(timeout_ms, is_over_fn);
    if (!error || error == -EINTR || !mpl_process_lock())
        return error;
    if (mpl_process_membership() == MPL_PROCESS_MEMBER)
        mpl_unwritten_describe(current, &t, &is_waiting);
    mpl_process_unlock();
    mpl_text_cstr(&t);
    return error == -EIO ? mpl_fail(EIO, "flush: %s", text)
                         : mpl_fail(-error, "flush: not everything was written within %d ms: %s", timeout_ms, text);
}

void mpl_session_shutdown(void)
{
    mpl_session_flush_at_end();
    if (!mpl_process_lock())
        return;
    if (mpl_process_membership() == MPL_PROCESS_MEMBER)
        leave_current(MPL_PROCESS_DETACHED);
    mpl_process_set_membership(MPL_PROCESS_DETACHED);
    mpl_process_unlock();
}

int mpl_session_set_level(const char *name, int level)
{
    if (!mpl_process_lock())
        return -EDEADLK;
    int error = mpl_process_membership() == MPL_PROCESS_MEMBER
                    ? mpl_control_set_override(mpl_process.control, current->control_fd, name, level)
                    : mpl_fail(ENOTCONN, "session level of %s: this process is not in a session", name);
    if (!error)
        mpl_logger_refresh_all();
    mpl_process_unlock();
    return error;
}

/* Under the process's lock, after a flush, which may have started a collector. */
static void leave_at_exit(void)
{
    if (current->is_behind)
        mpl_unwritten_tell(current);
    /* One that was killed with nothing left to write has left the session behind. */
    mpl_session_start_collector(current, MPL_START_NOW);
    /* One that was started a moment ago has not said yet that it serves the session. */
    if (atomic_load(&mpl_process.control->head.collector_kind) == MPL_COLLECTOR_THREAD ||
        mpl_collector_thread_serves(current->control_dev, current->control_ino))
        depart(MPL_PROCESS_DETACHED); /* threads end with their processes: with the last of them, the session must */
}

/* The process ends, after all its atexit handlers. What it logged is safe already; this is for those who read the file
 * as soon as it has gone. A forked child that never logged is no member and waits for nothing. */
void mpl_session_wait_at_exit(void)
{
    static _Atomic bool has_waited;
    if (!atomic_load_explicit(&mpl_process.guard, memory_order_relaxed) || atomic_exchange(&has_waited, true))
        return;
    mpl_session_flush_at_end();
    if (mpl_process_lock()) {
        if (mpl_process_membership() == MPL_PROCESS_MEMBER)
            leave_at_exit();
        mpl_process_unlock();
    }
}

__attribute__((destructor)) static void wait_at_end(void) { mpl_session_wait_at_exit(); }
