/* SPDX-License-Identifier: Unlicense
 *
 * What others do between two steps of a set-up, or of the end of a collector. Nobody dies here.
 */
#include "hand_log.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include "collector/life.h"
#include "collector/thread.h"
#include "output/file.h"
#include "shm/map.h"
#include "shm/slot.h"

static char other_log[sizeof hand_dir + 16];

/* ---- moments ---- */

static void (*at_truncate_fn)(void), (*at_unlock_fn)(void);

int __real_mpl_file_truncate(struct mpl_file *f);
int __wrap_mpl_file_truncate(struct mpl_file *f);
int __wrap_mpl_file_truncate(struct mpl_file *f)
{
    hand_moment(&at_truncate_fn);
    return __real_mpl_file_truncate(f);
}

void __real_mpl_control_unlock(int fd);
void __wrap_mpl_control_unlock(int fd);
void __wrap_mpl_control_unlock(int fd)
{
    __real_mpl_control_unlock(fd);
    hand_moment(&at_unlock_fn);
}

/* ---- files that are emptied ---- */

static int sessions_seen;

/* Sessions that have their names. */
static void count_sessions(void)
{
    char parent[sizeof hand_dir + 32];
    snprintf(parent, sizeof parent, "%s/mplog-%ld", hand_dir, (long)geteuid());
    DIR *dir = opendir(parent);
    sessions_seen = dir ? 0 : -1;
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;)
        sessions_seen += strlen(e->d_name) == MPL_ID_DIGITS;
    if (dir)
        closedir(dir);
}

static void file_is_emptied_before_others_can_find_the_session(void)
{
    struct mplog_options o = hand_options();
    o.file_mode = "w";
    o.collector = "thread";
    at_truncate_fn = count_sessions;
    sessions_seen = -2;
    CHECK_INT(mplog_setup_logging(&o), 0);
    mplog_shutdown_logging();
    unlink(hand_log);
    CHECK_INT(sessions_seen, 0);
}

static uint32_t sinks_seen;

static void count_sinks(void) { sinks_seen = atomic_load(&hand_collector.control->head.sink_count); }

static int add_other(uint32_t *index)
{
    static struct mpl_options options;
    struct mplog_options o = hand_options();
    snprintf(other_log, sizeof other_log, "%s/other.log", hand_dir);
    o.log_file = other_log;
    o.file_mode = "w";
    int error = mpl_options_resolve(&options, &o, false);
    return error ? error : mpl_sinks_add(&hand_session, &options, index);
}

static void file_of_a_handler_is_emptied_before_others_can_find_it(void)
{
    struct mplog_options o = hand_options();
    uint32_t index;
    hand_begin(&o);
    at_truncate_fn = count_sinks;
    sinks_seen = 99;
    CHECK_INT(add_other(&index), 0);
    CHECK_INT(sinks_seen, 1);
    hand_end();
    unlink(other_log);
}

static void sink_that_was_begun_and_not_finished_is_in_nobodys_way(void)
{
    struct mplog_options o = hand_options();
    char path[MPL_DIR_MAX + 16];
    uint32_t index = 99;
    hand_begin(&o);
    snprintf(path, sizeof path, "%s/sink1", hand_session.dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0);
    close(fd);
    CHECK_INT(add_other(&index), 0);
    CHECK_INT(index, 1);
    hand_end();
    unlink(other_log);
}

/* ---- streams ---- */

#define PIPE_BYTES 16384
#define LINE_BYTES 3001

static int ends[2];

/* A session whose stderr is a pipe that nobody reads. */
static void begin_with_pipe(void)
{
    struct mplog_options o = hand_options();
    int kept = dup(STDERR_FILENO);
    if (pipe(ends) < 0 || kept < 0 || fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) < 0)
        hand_die("pipe");
    o.log_to_stderr = true;
    dup2(ends[1], STDERR_FILENO);
    hand_begin(&o);
    dup2(kept, STDERR_FILENO);
    close(kept);
}

static void log_line(void)
{
    static char text[LINE_BYTES - 1];
    memset(text, 'a', sizeof text);
    mplog_log_text(logger(), MPLOG_INFO, text, sizeof text);
}

static struct mpl_stream *stream(void) { return hand_collector.sink[1]->stream; }

static uint64_t read_line(void)
{
    static char text[LINE_BYTES];
    size_t len = 0;
    for (ssize_t n; len < sizeof text && (n = read(ends[0], text + len, sizeof text - len)) > 0;)
        len += (size_t)n;
    return len;
}

/* Whoever flushes waits for a stamp: it must come although the stream always has something to write. */
static void stamp_of_what_is_streamed_moves_while_something_waits(void)
{
    begin_with_pipe();
    for (int i = 0; i < 10; i++)
        log_line();
    hand_pass();
    uint64_t first = hand_collector.now_stamp;
    for (int i = 0; i < 30; i++) {
        uint64_t read_pos = atomic_load(&stream()->read_pos);
        log_line();
        hand_pass();
        CHECK(!mpl_stream_is_drained(hand_collector.sink[1]));
        CHECK_INT(read_line(), LINE_BYTES);
        for (int k = 0; k < 5000 && atomic_load(&stream()->read_pos) == read_pos; k++)
            usleep(1000);
    }
    CHECK(hand_collector.streamed_until >= first);
    CHECK(hand_collector.streamed_until < hand_collector.now_stamp);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    for (int k = 0; k < 1000 && !mpl_stream_is_drained(hand_collector.sink[1]); k++) {
        read_line();
        usleep(1000);
    }
    hand_end();
    close(ends[0]);
    close(ends[1]);
}

static _Atomic uint32_t must_stop = 1;

static int lead(const struct mpl_candidates *candidates)
{
    struct mpl_candidates none = {NULL, 0};
    struct mpl_life life = {.dir = hand_session.dir,
                            .candidates = candidates ? (struct mpl_candidates *)(uintptr_t)candidates : &none,
                            .kind = MPL_COLLECTOR_THREAD,
                            .must_stop = &must_stop};
    return mpl_life_run(&life);
}

static struct mpl_stream *shared;
static uint64_t written, read_pos_then;

/* The lock is anybody's: who reads now gets nothing more from the one that had it. */
static void read_all(void)
{
    char text[4096];
    read_pos_then = atomic_load(&shared->read_pos);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 300; i++) {
        ssize_t n = read(ends[0], text, sizeof text);
        written += n > 0 ? (uint64_t)n : 0;
        if (n <= 0)
            usleep(1000);
    }
}

static void collector_that_gives_up_its_lock_writes_to_no_stream(void)
{
    begin_with_pipe();
    for (int i = 0; i < 20; i++)
        log_line();
    hand_kill_collector();
    char path[MPL_DIR_MAX + 16];
    snprintf(path, sizeof path, "%s/stream1", hand_session.dir);
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0);
    shared = mmap(NULL, MPL_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(shared != MAP_FAILED);
    close(fd);
    written = 0;
    int fds[] = {dup(ends[1])};
    const struct mpl_candidates candidates = {fds, 1};
    struct mpl_candidates c = candidates;
    at_unlock_fn = read_all;
    /* Some member has it as its stderr still. */
    int kept = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    int error = lead(&c);
    dup2(kept, STDERR_FILENO);
    close(kept);
    CHECK_INT(error, 0);
    CHECK(!at_unlock_fn);
    CHECK(read_pos_then > 0 && read_pos_then < 20 * LINE_BYTES);
    CHECK_INT(written, read_pos_then);
    munmap(shared, MPL_PAGE_BYTES);
    hand_take_over();
    hand_end();
    close(ends[0]);
    close(ends[1]);
}

static void what_stderr_does_not_take_at_its_end_is_counted(void)
{
    size_t len;
    begin_with_pipe();
    log_line();
    close(ends[0]);
    hand_kill_collector();
    int fds[] = {dup(ends[1])};
    struct mpl_candidates c = {fds, 1};
    CHECK_INT(lead(&c), 0);
    char *text = hand_read(&len);
    bool is_told = strstr(text, "stderr: nothing is written there any more: Broken pipe\n") != NULL;
    free(text);
    CHECK(is_told);
    hand_take_over();
    CHECK_INT(hand_collector.account.sink[1].lost, 1);
    CHECK_INT(hand_collector.account.sink[1].records, 0);
    hand_end();
    close(ends[1]);
}

/* ---- a collector that sleeps ---- */

static struct mpl_control *control;

/* 50 ms long: then it sleeps for a second. */
static bool is_asleep(void)
{
    int sleeping = 0;
    for (int i = 0; i < 5000 && sleeping < 50; i++) {
        usleep(1000);
        sleeping = atomic_load(&control->head.sleeping) ? sleeping + 1 : 0;
    }
    return sleeping == 50;
}

static void begin_with_thread(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    hand_kill_collector();
    control = mpl_control_map(hand_session.control_fd, NULL);
    if (!control || mpl_collector_thread_start(hand_session.dir, NULL, 0) < 0)
        hand_die("thread");
}

static uint64_t stop_thread(void)
{
    uint64_t begin_ns = mpl_clock_monotonic_ns();
    mpl_collector_thread_stop(hand_session.control_dev, hand_session.control_ino, hand_session.control_fd, 5000);
    return mpl_clock_monotonic_ns() - begin_ns;
}

static void end_with_thread(void)
{
    mpl_unmap(control, sizeof *control);
    hand_take_over();
    hand_end();
}

static void thread_that_sleeps_is_woken_to_stop(void)
{
    begin_with_thread();
    CHECK(is_asleep());
    uint64_t took_ns = stop_thread();
    end_with_thread();
    printf("# %.0f ms\n", (double)took_ns / 1e6);
    CHECK(took_ns < UINT64_C(600000000));
}

int main(void)
{
    static const struct test_case cases[] = {
        TEST_CASE(file_is_emptied_before_others_can_find_the_session),
        TEST_CASE(file_of_a_handler_is_emptied_before_others_can_find_it),
        TEST_CASE(sink_that_was_begun_and_not_finished_is_in_nobodys_way),
        TEST_CASE(stamp_of_what_is_streamed_moves_while_something_waits),
        TEST_CASE(collector_that_gives_up_its_lock_writes_to_no_stream),
        TEST_CASE(what_stderr_does_not_take_at_its_end_is_counted),
        TEST_CASE(thread_that_sleeps_is_woken_to_stop),
    };
    hand_directory();
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    rmdir(hand_dir);
    return result;
}
