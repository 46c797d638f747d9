/* SPDX-License-Identifier: Unlicense
 *
 * A file that is written by a thread of its own while the next batch is filled: also where it fails, and where a write
 * does not come back. The collector is run by hand, pass by pass; ThreadSanitizer looks at both sides.
 */
#include "hand_files.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

/* Writes to the file with that inode stop here while it is set, and syncs of it: a file server that does not answer. */
static _Atomic uint64_t gate;
static _Atomic uint32_t waiting_at_gate;

static _Atomic uint64_t full_disk; /* to the file with that inode one write ends half-way, the next ones fail */
static _Atomic uint32_t cut_writes;

static _Atomic uint32_t syncs;
static _Atomic bool is_counted; /* then so many writes may be made by other threads than the main thread: */
static _Atomic uint32_t writes_left;
static _Atomic bool is_remote; /* all files are on NFS */
static pthread_t main_thread;
static _Atomic uint64_t main_writes_to; /* how many writes of the main thread went to the file with that inode */
static _Atomic uint32_t main_writes;

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
bool __wrap_mpl_writer_may_hang(const struct mpl_sink *s);

static void wait_at_gate(uint64_t ino)
{
    if (atomic_load(&gate) == 0 || ino != atomic_load(&gate))
        return;
    atomic_fetch_add(&waiting_at_gate, 1);
    while (atomic_load(&gate))
        usleep(100);
    atomic_fetch_sub(&waiting_at_gate, 1);
}

static uint64_t inode_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    uint64_t ino = inode_of(fd);
    bool is_main = pthread_equal(pthread_self(), main_thread);
    wait_at_gate(ino);
    if (is_main && ino == atomic_load(&main_writes_to))
        atomic_fetch_add(&main_writes, 1);
    while (!is_main && atomic_load(&is_counted) && atomic_load(&writes_left) == 0)
        usleep(100);
    if (!is_main && atomic_load(&is_counted))
        atomic_fetch_sub(&writes_left, 1);
    if (ino == atomic_load(&full_disk)) {
        len /= 2;
        errno = ENOSPC;
        if (atomic_fetch_add(&cut_writes, 1) > 0)
            return -1;
    }
    return __real_write(fd, bytes, len);
}

int __wrap_fdatasync(int fd)
{
    wait_at_gate(inode_of(fd));
    atomic_fetch_add(&syncs, 1);
    return __real_fdatasync(fd);
}

bool __wrap_mpl_writer_may_hang(const struct mpl_sink *s)
{
    (void)s;
    return atomic_load(&is_remote);
}

static void begin_apart(void)
{
    begin_with_two_files(1 << 20);
    hand_collector.writes_apart = true;
}

static bool is_written(void)
{
    return !mpl_batch_is_pending(hand_collector.sink[0]) && !mpl_batch_is_pending(hand_collector.sink[1]);
}

static void pass_until_written(void)
{
    for (int i = 0; i < 30000 && (hand_collector.is_blocked || !is_written()); i++) {
        usleep(100);
        hand_pass();
    }
}

static void log_long_numbers(int *number, int count)
{
    for (int i = 0; i < count; i++, ++*number)
        mplog_info(logger(), "%d %.80s", *number,
                   "-----------------------------------------------------------------------------------------------");
}

static void batches_are_written_in_order_while_the_next_is_filled(void)
{
    int number = 0, out = 0, filled_meanwhile = 0;
    begin_apart();
    for (int i = 0; i < 300; i++) {
        log_long_numbers(&number, 1 + i * 37 % 900);
        hand_pass();
        out += first()->out != MPL_NOT_OUT;
        filled_meanwhile += first()->out && mpl_batch_filling(first())->len > 0;
    }
    pass_until_written();
    printf("# out after %d of 300 passes, filled meanwhile %d\n", out, filled_meanwhile);
    CHECK(first()->file_writer && out > 0);
    CHECK(holds_numbers(hand_log, number));
    CHECK(holds_numbers(other_log, number));
    CHECK_INT(first()->account->records, number);
    CHECK_INT(mpl_batch_waiting(first()), 0);
    end();
}

/* Whoever flushes waits for a stamp: it must come although there is always something on its way. */
static void stamp_of_what_is_written_moves_while_something_is_out(void)
{
    int number = 0, moved = 0, behind = 0;
    begin_apart();
    uint64_t seen = hand_collector.written_until;
    for (int i = 0; i < 200; i++) {
        log_long_numbers(&number, 900);
        hand_pass();
        moved += !is_written() && hand_collector.written_until > seen;
        behind += hand_collector.written_until < hand_collector.now_stamp;
        seen = hand_collector.written_until;
    }
    printf("# moved %d times while something was out, behind %d times\n", moved, behind);
    CHECK(behind > 0 && moved > 0);
    pass_until_written();
    CHECK_INT(hand_collector.written_until, hand_collector.now_stamp);
    CHECK(holds_numbers(hand_log, number));
    end();
}

static void file_that_fails_apart_loses_nothing(void)
{
    int number = 0, failures = 0;
    begin_apart();
    for (int i = 0; i < 40; i++) {
        log_long_numbers(&number, 700);
        mpl_writer_is_back(first(), UINT64_C(60000000000)); /* we change what it works with */
        if (i % 8 == 2)
            break_first();
        if (i % 8 == 6)
            repair_first();
        hand_pass();
        failures += first()->is_failing;
    }
    mpl_writer_is_back(first(), UINT64_C(60000000000));
    repair_first();
    pass_until_written();
    CHECK(failures > 0 && first()->file_writer);
    CHECK(holds_numbers(hand_log, number));
    CHECK_INT(first()->account->lost, 0);
    end();
}

static void write_that_does_not_come_back_holds_up_no_other_file(void)
{
    int number = 0;
    begin_apart();
    hand_collector.block_timeout_ns = 300000000;
    first()->may_hang = true;
    log_numbers(&number, 10);
    hand_pass();
    pass_until_written();
    atomic_store(&gate, first()->file.ino);
    for (int i = 0; i < 5000 && !first()->is_given_up; i++) {
        log_numbers(&number, 20);
        hand_pass();
        usleep(2000);
    }
    CHECK_INT(waiting_at_gate, 1); /* it is stuck all the time */
    CHECK(first()->is_given_up && first()->is_failing);
    CHECK_INT(first()->failure, ETIMEDOUT);
    CHECK(holds_numbers(other_log, number));
    CHECK(!mpl_batch_is_pending(hand_collector.sink[1]));
    CHECK_INT(mpl_commit_given_up(&hand_collector), 1);
    CHECK_INT(first()->account->lost, 0); /* they wait */
    atomic_store(&gate, 0);
    for (int i = 0; i < 1000 && mpl_batch_is_pending(first()); i++) {
        usleep(1000);
        hand_pass();
    }
    CHECK(holds_numbers(hand_log, number));
    CHECK(!first()->is_failing);
    end();
}

static uint64_t ns_of_a_pass(void)
{
    uint64_t begin_ns = mpl_clock_monotonic_ns();
    hand_pass();
    return mpl_clock_monotonic_ns() - begin_ns;
}

/* It is waited for once, not with each decision. */
static void write_that_does_not_come_back_is_waited_for_once(void)
{
    int number = 0;
    uint64_t sum_ns = 0;
    begin_apart();
    atomic_store(&gate, first()->file.ino);
    log_long_numbers(&number, 900);
    hand_pass();
    CHECK(first()->out);
    for (int i = 0; i < 4; i++) { /* more than the other batch may hold */
        log_long_numbers(&number, 3500);
        first()->work.now_ns = mpl_clock_monotonic_ns();
        first()->out = MPL_OUT; /* however long that took */
        hand_pass();
    }
    CHECK_INT(first()->out, MPL_OUT_SLOW);
    CHECK(mpl_batch_filling(first())->data_bytes == 1 << 20);
    for (int i = 0; i < 20; i++) {
        log_numbers(&number, 1);
        sum_ns += ns_of_a_pass();
    }
    CHECK_INT(waiting_at_gate, 1);
    printf("# 20 passes took %.0f ms\n", (double)sum_ns / 1e6);
    CHECK(sum_ns < UINT64_C(2000000000)); /* each would take 200 ms */
    atomic_store(&gate, 0);
    pass_until_written();
    CHECK(holds_numbers(hand_log, number));
    CHECK(holds_numbers(other_log, number));
    end();
}

/* A collector that ends with it leaves the thread what it uses. */
static void collector_can_end_while_a_write_does_not_come_back(void)
{
    int number = 0;
    begin_apart();
    first()->may_hang = true;
    atomic_store(&gate, first()->file.ino);
    log_numbers(&number, 10);
    hand_pass();
    while (!atomic_load(&waiting_at_gate))
        usleep(100);
    struct mpl_sink *stuck = first();
    CHECK(!mpl_writer_stop(stuck));
    atomic_store(&gate, 0);
    while (atomic_load(&waiting_at_gate))
        usleep(100);
    for (int i = 0; i < 10000 && !mpl_writer_stop(stuck); i++)
        usleep(1000);
    CHECK(!stuck->file_writer); /* it does end then, and touches nothing that is gone */
    CHECK(holds_numbers(hand_log, number));
    end();
}

static void records_at_level_error_are_synced_before_anybody_is_told(void)
{
    int number = 0;
    begin_apart();
    first()->may_hang = true;
    first()->fsync = MPL_FSYNC_ERROR;
    mplog_error(logger(), "%d", number++);
    hand_pass();
    pass_until_written();
    CHECK(!first()->needs_sync && !first()->has_unsynced_error);
    CHECK(holds_numbers(hand_log, number));
    end();
}

static void write_that_ends_half_way_is_not_told_of_before_it_is_synced(void)
{
    int number = 0;
    begin_with_two_files(1 << 20);
    first()->fsync = MPL_FSYNC_ERROR;
    break_first();
    mplog_error(logger(), "%d", number++);
    hand_pass();
    uint64_t stamp = hand_collector.now_stamp;
    log_numbers(&number, 100);
    hand_pass();
    struct stat st;
    CHECK_INT(stat(hand_log, &st), 0);
    atomic_store(&cut_writes, 0);
    atomic_store(&full_disk, st.st_ino);
    repair_first();
    hand_pass();
    CHECK(first()->is_failing && mpl_batch_next(first())->done > 0); /* the error is in the file */
    CHECK(hand_collector.written_until < stamp);
    atomic_store(&full_disk, 0);
    first()->retry_ns = 0;
    hand_pass();
    CHECK(!first()->needs_sync && hand_collector.written_until > stamp);
    CHECK(holds_numbers(hand_log, number));
    end();
}

/* A predecessor has written it, and may have died before it could sync. */
static void what_a_predecessor_has_written_is_synced(void)
{
    int number = 0;
    begin_with_two_files(1 << 20);
    mplog_error(logger(), "%d", number++);
    hand_pass();
    hand_take_over();
    first()->fsync = MPL_FSYNC_ERROR;
    atomic_store(&syncs, 0);
    hand_pass();
    CHECK_INT(syncs, 1);
    hand_pass();
    CHECK_INT(syncs, 1);
    CHECK_INT(hand_collector.written_until, hand_collector.now_stamp);
    end();
}

/* What is written need not wait for a sync that nobody has asked for. */
static void sync_that_does_not_come_back_holds_up_no_flush(void)
{
    int number = 0;
    begin_apart();
    first()->may_hang = true;
    first()->fsync = MPL_FSYNC_INTERVAL;
    log_numbers(&number, 10);
    hand_pass();
    pass_until_written();
    first()->sync_due_ns = UINT64_MAX;
    mplog_info(logger(), "%d", number++);
    hand_pass();
    mpl_writer_is_back(first(), UINT64_C(60000000000));
    hand_pass();
    CHECK(first()->needs_sync && !first()->out);
    first()->sync_due_ns = 0;
    atomic_store(&gate, first()->file.ino);
    hand_pass();
    CHECK(first()->out);
    CHECK_INT(hand_collector.written_until, hand_collector.now_stamp);
    atomic_store(&gate, 0);
    pass_until_written();
    end();
}

/* Longer than block_timeout_ms, which is none here, or than the second that is the least; and never without progress.
 */
static void file_that_is_slow_and_gets_on_does_not_fail(void)
{
    int number = 0, failures = 0;
    char backup[sizeof hand_log + 2];
    begin_apart();
    hand_collector.block_timeout_ns = 0;
    hand_collector.sinks_shared = 1; /* the other one's thread would be counted */
    first()->file.max_bytes = 8192;  /* a write each */
    first()->file.backup_count = 1;
    atomic_store(&is_counted, true);
    log_long_numbers(&number, 900);
    hand_pass();
    CHECK(first()->out);
    const struct mpl_batch *b = first()->work.batch->shared;
    uint64_t now_ns = mpl_clock_monotonic_ns();
    for (int i = 0; i < 5; i++) {
        uint64_t done = atomic_load(&b->done);
        atomic_store(&writes_left, 1);
        while (atomic_load(&b->done) == done)
            usleep(100);
        now_ns += UINT64_C(600000000);
        mpl_collector_pass(&hand_collector, mpl_collector_now(&hand_collector), now_ns);
        failures += first()->is_failing;
    }
    CHECK(first()->out);
    CHECK_INT(failures, 0);
    atomic_store(&is_counted, false);
    pass_until_written();
    end();
    snprintf(backup, sizeof backup, "%s.1", hand_log);
    unlink(backup);
}

/* Its server was not there when the collector came. */
static void file_that_can_be_opened_later_is_looked_at_then(void)
{
    int number = 0;
    begin_apart();
    CHECK(!first()->may_hang);
    break_first();
    log_numbers(&number, 1);
    hand_pass();
    atomic_store(&is_remote, true);
    repair_first();
    hand_pass();
    atomic_store(&is_remote, false);
    CHECK(first()->may_hang);
    pass_until_written();
    CHECK(holds_numbers(hand_log, number));
    end();
}

/* A line of our own, here that of a process that has ended, comes behind what is decided and must wait. */
static void main_thread_writes_no_file_that_may_hang(void)
{
    int number = 0;
    begin_apart();
    struct mpl_sink *second = hand_collector.sink[1];
    second->may_hang = true;
    atomic_store(&main_writes, 0);
    atomic_store(&main_writes_to, second->file.ino);
    atomic_store(&gate, second->file.ino);
    for (int i = 0; i < 2; i++) { /* one that is out, one that waits for it */
        log_numbers(&number, 1);
        hand_pass();
    }
    CHECK(second->out && mpl_batch_filling(second)->decided_len > 0);
    CHECK(mpl_emit_notice(&hand_collector, 2, 0, NULL, NULL, ": writing %s", "is not what this is about"));
    atomic_store(&gate, 0);
    mpl_writer_is_back(second, UINT64_C(60000000000));
    hand_pass();
    pass_until_written();
    CHECK_INT(main_writes, 0);
    CHECK(holds_numbers(other_log, number));
    end();
}

int main(void)
{
    static const struct test_case cases[] = {
        TEST_CASE(batches_are_written_in_order_while_the_next_is_filled),
        TEST_CASE(stamp_of_what_is_written_moves_while_something_is_out),
        TEST_CASE(file_that_fails_apart_loses_nothing),
        TEST_CASE(write_that_does_not_come_back_holds_up_no_other_file),
        TEST_CASE(write_that_does_not_come_back_is_waited_for_once),
        TEST_CASE(collector_can_end_while_a_write_does_not_come_back),
        TEST_CASE(records_at_level_error_are_synced_before_anybody_is_told),
        TEST_CASE(write_that_ends_half_way_is_not_told_of_before_it_is_synced),
        TEST_CASE(what_a_predecessor_has_written_is_synced),
        TEST_CASE(sync_that_does_not_come_back_holds_up_no_flush),
        TEST_CASE(file_that_is_slow_and_gets_on_does_not_fail),
        TEST_CASE(file_that_can_be_opened_later_is_looked_at_then),
        TEST_CASE(main_thread_writes_no_file_that_may_hang),
    };
    main_thread = pthread_self();
    hand_directory();
    int result = test_run(cases, sizeof cases / sizeof cases[0]);
    rmdir(hand_dir);
    return result;
}
