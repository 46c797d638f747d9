/* SPDX-License-Identifier: Unlicense
 *
 * What a session that was left behind says about itself, and what a collector of a later boot makes of it.
 */
#include "collector/watch.h"
#include "session_by_hand.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/os.h"
#include "collector/life.h"
#include "session/look.h"
#include "session/recover.h"
#include "shm/alive.h"
#include "shm/codec.h"

static mplog_logger *logger(void) { return mplog_get_logger("hand"); }

static const struct mpl_account *account(void) { return &hand_collector.account; }

/* As others see it: what is decided, in shared memory. */
static struct mpl_account decided(struct mpl_look_sink *sink)
{
    struct mpl_look l;
    struct mpl_account a = {.merged = UINT64_MAX};
    if (mpl_look_open(&l, hand_session.dir) == 0 && mpl_look_read(&l) == 0) {
        a = *mpl_look_account(&l);
        mpl_look_sink(&l, 0, sink);
    }
    mpl_look_close(&l);
    return a;
}

static uint64_t count_waiting(void)
{
    struct mpl_look l;
    uint64_t count = UINT64_MAX;
    if (mpl_look_open(&l, hand_session.dir) == 0 && mpl_look_read(&l) == 0)
        count = mpl_look_count_waiting(&l);
    mpl_look_close(&l);
    return count;
}

/* ---- the account ---- */

static void account_counts_each_record_once_across_deaths(void)
{
    struct mplog_options o = hand_options();
    static struct mpl_look_sink s;
    uint64_t accepted = 0;
    hand_begin(&o);
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 10 + round; i++, accepted++)
            mplog_info(logger(), "round %d", round);
        if (round % 5 != 2)
            hand_pass();
        if (round % 3 == 1) { /* laid down, and never decided */
            hand_collector.account.merged += 5;
            mpl_account_prepare(&hand_collector, hand_collector.batch_seq + 1);
        }
        if (round % 3 == 1 || round % 2 == 0)
            hand_take_over();
        if (round % 5 != 2)
            CHECK_INT(account()->merged, accepted);
    }
    hand_pass();
    struct mpl_account a = decided(&s);
    CHECK_INT(a.merged, accepted);
    CHECK_INT(s.account.records, accepted);
    CHECK_INT(s.account.lost, 0);
    struct stat st;
    CHECK_INT(stat(hand_log, &st), 0);
    CHECK_INT(s.account.bytes, st.st_size);
    hand_end();
}

static void undecided_account_is_not_believed(void)
{
    struct mplog_options o = hand_options();
    static struct mpl_look_sink s;
    hand_begin(&o);
    mplog_info(logger(), "one");
    hand_pass();
    hand_collector.account.merged = 77;
    hand_collector.account.sink[0].records = 77;
    mpl_account_prepare(&hand_collector, hand_collector.batch_seq + 1);
    CHECK_INT(decided(&s).merged, 1);
    CHECK_INT(s.account.records, 1);
    hand_take_over();
    CHECK_INT(account()->merged, 1);
    hand_end();
}

static void records_that_wait_for_the_file_are_not_written(void)
{
    struct mplog_options o = hand_options();
    static struct mpl_look_sink s;
    hand_begin(&o);
    mplog_info(logger(), "one");
    hand_pass();
    mplog_info(logger(), "two");
    mplog_info(logger(), "six");
    mpl_file_close(&hand_collector.sink[0]->file);
    const char *path = hand_collector.sink[0]->file_options.path;
    hand_collector.sink[0]->file_options.path = "/nowhere/app.log";
    hand_pass();
    hand_collector.sink[0]->file_options.path = path;
    decided(&s);
    CHECK_INT(s.account.records, 3);
    CHECK_INT(s.waiting_records, 2);
    CHECK_INT(s.waiting_bytes, 8);
    CHECK(s.oldest_stamp > 0);
    CHECK_INT(mpl_batch_waiting(hand_collector.sink[0]), 2);
    hand_collector.sink[0]->batch[0].done = 5; /* all of the first, and a byte of the second */
    CHECK_INT(mpl_batch_waiting(hand_collector.sink[0]), 1);
    hand_collector.sink[0]->batch[0].done = 0;
    usleep(20000); /* it is not tried again at once */
    hand_pass();
    decided(&s);
    CHECK_INT(s.waiting_records, 0);
    hand_end();
}

/* Its path is taken by something else for a while; sanitizers see what is forgotten. */
static void file_that_cannot_be_opened_again_is_opened_later(void)
{
    struct mplog_options o = hand_options();
    size_t len;
    hand_begin(&o);
    mplog_info(logger(), "one");
    hand_pass();
    CHECK_INT(unlink(hand_log), 0);
    CHECK_INT(mkdir(hand_log, 0700), 0);
    mplog_info(logger(), "two");
    hand_pass();
    CHECK_INT(hand_collector.sink[0]->file.fd, -1);
    CHECK_INT(rmdir(hand_log), 0);
    usleep(20000); /* it is not tried again at once */
    hand_pass();
    char *lines = hand_read(&len);
    CHECK(strncmp(lines, "two\n", 4) == 0);
    free(lines);
    hand_end();
}

/* A collector died after the write, and before it had noted that. */
static void waiting_lines_that_are_in_the_file_are_found_there(void)
{
    struct mplog_options o = hand_options();
    struct stat st;
    hand_begin(&o);
    mplog_info(logger(), "one");
    mplog_info(logger(), "two");
    hand_pass();
    struct mpl_batch *b = mpl_batch_filling(hand_collector.sink[0])->shared;
    CHECK_INT(stat(hand_log, &st), 0);
    atomic_store(&b->done, 0);
    b->intent = (struct mpl_intent){.dev = st.st_dev, .ino = st.st_ino, .offset = 0, .from = 0, .until = 8};
    hand_kill_collector();
    CHECK_INT(count_waiting(), 0);
    CHECK_INT(truncate(hand_log, 5), 0);
    CHECK_INT(count_waiting(), 1);
    hand_take_over();
    hand_pass();
    size_t len;
    char *lines = hand_read(&len);
    CHECK(strcmp(lines, "one\ntwo\n") == 0);
    free(lines);
    hand_end();
}

static void record_that_cannot_be_understood_is_a_loss(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    mplog_info(logger(), "first");
    hand_pass();
    mplog_info(logger(), "second");
    struct mpl_ring_map *m = mpl_thread.producer->map;
    uint64_t at = atomic_load(&m->ring->read_pos);
    m->data[at] = 0x55; /* its kind */
    hand_pass();
    CHECK_INT(account()->merged, 1);
    CHECK_INT(account()->lost[MPL_LOSS_DAMAGED], 1);
    CHECK_INT(account()->sink[0].records, 1); /* the line that says so is no record */
    CHECK_INT(account()->sink[0].lost, 0);
    hand_end();
}

/* What waits for it is bounded. */
static void records_that_find_no_room_before_a_file_that_fails_are_its_loss(void)
{
    static char text[40000];
    struct mplog_options o = hand_options();
    o.ring_max_bytes = 65536; /* 256 KiB of lines: six of these */
    hand_begin(&o);
    struct mpl_sink *s = hand_collector.sink[0];
    mpl_file_close(&s->file);
    const char *path = s->file_options.path;
    s->file_options.path = "/nowhere/app.log";
    memset(text, 'w', sizeof text);
    mplog_log_text(logger(), MPLOG_INFO, text, sizeof text);
    hand_pass();
    usleep(80000); /* block_timeout_ms: 50 */
    for (int i = 0; i < 12; i++) {
        mplog_log_text(logger(), MPLOG_INFO, text, sizeof text);
        hand_pass();
    }
    CHECK_INT(s->account->lost, 7);
    s->file_options.path = path;
    hand_take_over(); /* remembers what is to be told */
    s = hand_collector.sink[0];
    CHECK_INT(s->account->lost, 7);
    CHECK_INT(s->account->untold, 7);
    hand_pass();
    CHECK_INT(s->account->untold, 0);
    CHECK_INT(account()->merged, 13);
    CHECK_INT(s->account->records, 6);
    size_t len;
    char *lines = hand_read(&len), *notice = lines + 6 * (sizeof text + 1), expected[160];
    CHECK(len > 6 * (sizeof text + 1) + 60 && notice[-1] == '\n');
    memset(strstr(notice, "(from ") + 6, '-', 8);
    memset(strstr(notice, " to ") + 4, '-', 8);
    snprintf(expected, sizeof expected,
             "7 records were lost here: the file could not be written: No such file or directory (from -------- to "
             "--------; process %d: 7)\n",
             (int)getpid());
    CHECK_TEXT(notice, (size_t)(lines + len - notice), expected);
    free(lines);
    hand_end();
}

/* ---- looking into rings ---- */

static void waiting_records_are_counted_in_every_ring(void)
{
    static char text[9000];
    struct mplog_options o = hand_options();
    uint64_t seed = 20261122, waiting = 0;
    o.ring_max_bytes = 262144;
    hand_begin(&o);
    memset(text, 'x', sizeof text);
    for (int round = 0; round < 400; round++) {
        for (uint64_t n = test_random(&seed) % 12; n > 0; n--, waiting++)
            mplog_log_text(logger(), MPLOG_INFO, text, test_random(&seed) % (round % 7 == 0 ? sizeof text : 100));
        CHECK_INT(count_waiting(), waiting);
        if (round % 3 == 2 || round % 50 > 40)
            continue;
        hand_pass();
        waiting = 0;
    }
    hand_end();
}

static void looking_changes_nothing(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    mplog_info(logger(), "one");
    hand_pass();
    mplog_info(logger(), "two");
    struct mpl_ring before, *ring = mpl_thread.producer->ring;
    memcpy(&before, ring, sizeof before);
    CHECK_INT(count_waiting(), 1);
    CHECK(memcmp(&before, ring, sizeof before) == 0);
    hand_end();
}

/* ---- locks, and what is deleted under a member ---- */

/* Record locks are of the process: closing any descriptor of the file gives them up. */
static void looking_for_others_keeps_the_locks_of_this_process(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    mpl_recover_before(NULL, &hand_session.options, &hand_session);
    pid_t child = fork();
    if (child == 0)
        _exit(mpl_control_has_collector(hand_session.control_fd) &&
                      mpl_alive_lock_holder(hand_collector.dir_fd, 1) == getppid()
                  ? 0
                  : 1);
    int status;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    hand_end();
}

static bool join_by_hand(void)
{
    struct mpl_entry e = {.session = &hand_session};
    mpl_process_lock();
    bool has_joined = mpl_session_join(&e) == 0;
    if (has_joined)
        mpl_member_adopt(&e);
    mpl_process_unlock();
    return has_joined;
}

static void member_whose_segment_was_deleted_while_it_joined_is_heard(void)
{
    struct mplog_options o = hand_options();
    char path[MPL_DIR_MAX + 40], byte;
    int ready[2], done[2];
    size_t len;
    hand_begin(&o);
    CHECK(pipe(ready) == 0 && pipe(done) == 0);
    pid_t child = fork();
    if (child == 0) {
        if (!join_by_hand())
            _exit(1);
        mplog_info(logger(), "here");
        byte = 'r';
        _exit(write(ready[1], &byte, 1) == 1 && close(done[1]) == 0 && read(done[0], &byte, 1) == 0 ? 0 : 2);
    }
    CHECK_INT(read(ready[0], &byte, 1), 1);
    snprintf(path, sizeof path, "%s/seg2", hand_session.dir);
    CHECK_INT(unlink(path), 0);
    hand_pass();
    char *lines = hand_read(&len);
    CHECK(strcmp(lines, "here\n") == 0);
    free(lines);
    int status;
    close(done[1]);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    close(ready[0]), close(ready[1]), close(done[0]);
    hand_end();
}

/* The thread that watches is slow: the slot of who has died has been given to another, who lives. */
static void death_that_is_told_late_does_not_end_the_next_in_its_slot(void)
{
    struct mplog_options o = hand_options();
    size_t len;
    hand_begin(&o);
    hand_pass();
    uint32_t before = atomic_load(&hand_collector.control->head.wake_word);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    int pid_fd = mpl_os_pidfd_open(child);
    CHECK(pid_fd >= 0);
    mpl_watch_add(hand_collector.watch, pid_fd, 0); /* our own slot */
    for (int i = 0; i < 2000 && atomic_load(&hand_collector.control->head.wake_word) == before; i++)
        usleep(1000);
    CHECK(atomic_load(&hand_collector.control->head.wake_word) != before);
    usleep(10000);
    hand_pass();
    CHECK_INT(hand_collector.alive_count, 1);
    mplog_info(logger(), "here");
    hand_pass();
    char *lines = hand_read(&len);
    CHECK(strcmp(lines, "here\n") == 0);
    free(lines);
    waitpid(child, NULL, 0);
    close(pid_fd);
    hand_end();
}

/* A collector was killed when everything was written and nothing yet deleted. */
static void removal_is_finished_by_the_next(void)
{
    struct mplog_options o = hand_options();
    struct mpl_candidates none = {NULL, 0};
    struct mpl_life_end end = {.written = 0};
    struct mpl_life life = {.dir = hand_session.dir, .candidates = &none, .end = &end};
    struct stat st;
    hand_begin(&o);
    atomic_store(&hand_collector.control->head.state, MPL_SESSION_REMOVED);
    hand_kill_collector();
    CHECK_INT(mpl_life_run(&life), 0);
    CHECK(end.is_removed);
    CHECK(lstat(hand_session.dir, &st) < 0);
    mpl_process_lock();
    mpl_member_leave(&hand_session, MPL_PROCESS_DETACHED);
    mpl_process_unlock();
    close(hand_session.control_fd);
    unlink(hand_log);
    hand_is_begun = false;
}

/* ---- on the way out ---- */

static void *sleep_for_ever(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void process_is_exiting_when_all_its_threads_are(void)
{
    siginfo_t info;
    pthread_t thread;
    char path[64], line[512] = "";
    pid_t child = fork();
    if (child == 0) {
        pthread_create(&thread, NULL, sleep_for_ever, NULL);
        pthread_exit(NULL); /* the first thread ends, and the process lives on */
    }
    snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
    while (!strstr(line, ") Z")) {
        int fd = open(path, O_RDONLY);
        ssize_t n = read(fd, line, sizeof line - 1);
        CHECK(n > 0);
        line[n] = '\0';
        close(fd);
    }
    CHECK(!mpl_os_is_exiting(child));
    CHECK(!mpl_os_is_exiting(getpid()));
    kill(child, SIGKILL);
    do {
        CHECK(mpl_os_is_exiting(child)); /* from now on, dead or not */
        info.si_pid = 0;
        CHECK_INT(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT | WNOHANG), 0);
    } while (info.si_pid == 0);
    CHECK(mpl_os_is_exiting(child));
    CHECK_INT(waitpid(child, NULL, 0), child);
    CHECK(mpl_os_is_exiting(child));
}

/* ---- another boot ---- */

static void *log_many(void *arg)
{
    for (int i = 0; i < 300; i++) {
        mplog_info(logger(), "%s %d", (const char *)arg, i);
        usleep(50);
    }
    return NULL;
}

/* Lines of "created message" in the order of their times, which lie between `from_ns` and `until_ns`. */
static int count_in_order(const char *lines, double from, double until)
{
    int count = 0;
    double last = from;
    for (const char *at = lines; *at; at = strchr(at, '\n') + 1, count++) {
        double created = strtod(at, NULL);
        if (created < last || created > until)
            return -count;
        last = created;
    }
    return count;
}

static double now(void) { return (double)mpl_clock_wall_ns() / 1e9; }

/* The clocks have begun anew, so that all stamps lie in the future. */
static void session_of_an_earlier_boot_keeps_order_and_times(void)
{
    static char first[] = "a", second[] = "b";
    struct mplog_options o = hand_options();
    pthread_t thread;
    size_t len;
    o.format_string = "%(created)f %(message)s";
    hand_begin(&o);
    usleep(100000); /* clocks are compared over this time */
    double begin = now();
    hand_pass();
    CHECK_INT(pthread_create(&thread, NULL, log_many, second), 0);
    log_many(first);
    pthread_join(thread, NULL);
    double end = now();
    struct mpl_control_head *h = &hand_collector.control->head;
    strcpy(h->boot_id, "01234567-89ab-cdef-0123-456789abcdef");
    h->stamp_base = UINT64_MAX / 2;
    h->clock_kind = MPL_CLOCK_MONOTONIC;
    usleep(20000);
    hand_take_over();
    CHECK(hand_collector.is_other_boot);
    hand_pass();
    CHECK_INT(hand_collector.alive_count, 0);
    char *lines = hand_read(&len);
    CHECK_INT(count_in_order(lines, begin - 0.001, end + 0.001), 600);
    free(lines);
    hand_end();
}

int main(void)
{
    static const struct test_case cases[] = {
        TEST_CASE(account_counts_each_record_once_across_deaths),
        TEST_CASE(undecided_account_is_not_believed),
        TEST_CASE(records_that_wait_for_the_file_are_not_written),
        TEST_CASE(file_that_cannot_be_opened_again_is_opened_later),
        TEST_CASE(waiting_lines_that_are_in_the_file_are_found_there),
        TEST_CASE(record_that_cannot_be_understood_is_a_loss),
        TEST_CASE(records_that_find_no_room_before_a_file_that_fails_are_its_loss),
        TEST_CASE(waiting_records_are_counted_in_every_ring),
        TEST_CASE(looking_changes_nothing),
        TEST_CASE(looking_for_others_keeps_the_locks_of_this_process),
        TEST_CASE(member_whose_segment_was_deleted_while_it_joined_is_heard),
        TEST_CASE(death_that_is_told_late_does_not_end_the_next_in_its_slot),
        TEST_CASE(removal_is_finished_by_the_next),
        TEST_CASE(process_is_exiting_when_all_its_threads_are),
        TEST_CASE(session_of_an_earlier_boot_keeps_order_and_times),
    };
    hand_directory();
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    rmdir(hand_dir);
    return result;
}
