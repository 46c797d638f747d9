/* SPDX-License-Identifier: Unlicense
 *
 * A session of this process without a collector of its own: the test is the collector, and runs it pass by pass.
 */
#ifndef TESTS_SESSION_BY_HAND_H
#define TESTS_SESSION_BY_HAND_H

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "collector/collector.h"
#include "harness.h"
#include "producer/logger.h"
#include "producer/process.h"
#include "producer/producer.h"
#include "session/member.h"
#include "session/session.h"
#include "shm/control.h"

static char hand_dir[256];
static char hand_log[sizeof hand_dir + 16];
static struct mpl_session hand_session;
static struct mpl_collector hand_collector;
static const struct mpl_candidates hand_no_candidates;

static inline void hand_die(const char *what)
{
    printf("Bail out! %s: %s\n", what, mpl_error_text());
    exit(99);
}

static inline void hand_directory(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(hand_dir, sizeof hand_dir, "%s/mplog-hand-XXXXXX", parent && parent[0] == '/' ? parent : "/tmp");
    if (!mkdtemp(hand_dir))
        hand_die("mkdtemp");
    snprintf(hand_log, sizeof hand_log, "%s/app.log", hand_dir);
}

/* Options with a plain format, a file and nothing else. */
static inline struct mplog_options hand_options(void)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = hand_log;
    o.log_to_stderr = false;
    o.format_string = "%(message)s";
    o.max_bytes = 0;
    o.block_timeout_ms = 50;
    o.ring_dir = hand_dir;
    return o;
}

/* What comes between two steps, once. */
static inline void hand_moment(void (**fn)(void))
{
    void (*do_fn)(void) = *fn;
    *fn = NULL;
    if (do_fn)
        do_fn();
}

/* Ends a collector as its death would: nothing in shared memory changes. */
static inline void hand_kill_collector(void)
{
    mpl_collector_fini(&hand_collector);
    close(hand_collector.dir_fd);
    close(hand_collector.control_fd);
    memset(&hand_collector, 0, sizeof hand_collector);
}

/* A collector that follows the one that was killed. */
static inline void hand_take_over(void)
{
    if (hand_collector.control)
        hand_kill_collector();
    int dir_fd = mpl_dir_open(hand_session.dir), control_fd = dir_fd < 0 ? -1 : mpl_control_open(dir_fd);
    /* With the lock: a child that finds none (its promise expires on a busy machine) starts a collector of its own. */
    if (control_fd < 0 || !mpl_control_lock(control_fd) ||
        mpl_collector_init(&hand_collector, hand_session.dir, dir_fd, control_fd, &hand_no_candidates) < 0)
        hand_die("collector");
    /* Or a child that finds no collector starts one, which takes over. */
    if (!mpl_control_lock(control_fd))
        hand_die("lock");
    atomic_store(&hand_collector.control->head.state, mpl_state_word(MPL_SESSION_RUNNING, hand_collector.takeover));
}

static bool hand_is_begun;

static inline void hand_end(void);

static inline void hand_begin(const struct mplog_options *o)
{
    if (hand_is_begun)
        hand_end(); /* of a test that failed */
    hand_is_begun = true;
    struct mpl_entry e = {.session = &hand_session};
    hand_session = (struct mpl_session){.control_fd = -1, .pipe_fd = -1};
    if (!mpl_process_lock())
        hand_die("lock");
    if (mpl_options_resolve(&hand_session.options, o, false) < 0 || mpl_session_write_text(&hand_session) < 0 ||
        mpl_session_create(&e, NULL) < 0)
        hand_die("session");
    mpl_member_adopt(&e);
    mpl_process_unlock();
    hand_take_over();
}

static inline void hand_pass(void)
{
    uint32_t kind = hand_collector.control->head.clock_kind;
    uint64_t stamp = mpl_clock_stamp_before_loads(kind);
    /* Records stamped in the same tick as now would have to wait for the next pass. */
    while (stamp == mpl_clock_stamp(kind))
        ;
    mpl_collector_pass(&hand_collector, mpl_collector_now(&hand_collector), mpl_clock_monotonic_ns());
}

static inline void hand_end(void)
{
    hand_is_begun = false;
    if (mpl_process_lock()) {
        mpl_member_leave(&hand_session, MPL_PROCESS_DETACHED);
        mpl_process_unlock();
    }
    hand_pass();
    hand_kill_collector();
    close(hand_session.control_fd);
    mpl_dir_delete(hand_session.dir);
    char parent[MPL_DIR_MAX];
    snprintf(parent, sizeof parent, "%s", hand_session.dir);
    *strrchr(parent, '/') = '\0';
    rmdir(parent);
    unlink(hand_log);
}

/* The whole log file; the caller frees it. */
static inline char *hand_read(size_t *len)
{
    struct stat st;
    int fd = open(hand_log, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) < 0)
        hand_die("log file");
    char *text = malloc((size_t)st.st_size + 1);
    *len = (size_t)read(fd, text, (size_t)st.st_size);
    text[*len] = '\0';
    close(fd);
    return text;
}

#endif
