/* SPDX-License-Identifier: Unlicense
 *
 * Writes that end in the middle of a record, syncs, and a rotation that stops half-way.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "faults.h"
#include "logfiles.h"

static struct batch batch;

/* `is_locked`: by us. Else by somebody who may be about to write. */
static int fail_in_second_record(struct mpl_file *f, uint64_t *done, bool is_locked)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    files_begin();
    if (log_open(f, 0, 0) < 0 || log_append(f, "first\n") < 0)
        return 0;
    int other = open(log_path(0), O_RDONLY);
    if (!is_locked && fcntl(other, F_OFD_SETLK, &lock) < 0)
        files_die("cannot lock", log_path(0));
    f->is_lock_stuck = !is_locked;
    batch_set(&batch, "ab\n");
    batch_add(&batch, "cdefghi\n", 8);
    *done = 0;
    fault_arm(FAULT_HALF_ERROR, ENOSPC, "write", 1);
    int rc = mpl_file_append(f, &batch.lines, done, NULL);
    fault_disarm();
    close(other);
    return rc;
}

static void append_that_fails_in_a_record_leaves_whole_lines(void)
{
    struct mpl_file f;
    uint64_t done;
    CHECK_INT(fail_in_second_record(&f, &done, true), -ENOSPC);
    CHECK_INT(done, 3);
    CHECK(files_hold(log_path(0), "first\nab\n"));
    CHECK_INT(mpl_file_append(&f, &batch.lines, &done, NULL), 0);
    mpl_file_close(&f);
    CHECK(files_hold(log_path(0), "first\nab\ncdefghi\n"));
}

static void append_given_up_in_a_record_ends_its_line(void)
{
    struct mpl_file f;
    uint64_t done;
    CHECK_INT(fail_in_second_record(&f, &done, false), -ENOSPC);
    CHECK_INT(done, 6); /* nobody may cut what is not locked */
    CHECK(files_hold(log_path(0), "first\nab\ncde"));
    CHECK(strstr(mpl_error_text(), "cannot be written: No space left on device") != NULL);
    batch_set(&batch, "next\n");
    done = 0;
    CHECK_INT(mpl_file_append(&f, &batch.lines, &done, NULL), 0);
    mpl_file_close(&f);
    CHECK(files_hold(log_path(0), "first\nab\ncde\nnext\n"));
}

static void sync_failing_is_reported_unless_there_is_nothing_to_sync(void)
{
    static const struct {
        int error, rc;
    } cases[] = {
        {EIO, -EIO}, {ENOSPC, -ENOSPC}, {EINVAL, 0}, {EROFS, 0}, {EINTR, 0},
    };
    struct mpl_file f;
    files_begin();
    CHECK_INT(log_open(&f, 0, 0), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fault_arm(FAULT_ERROR, cases[i].error, "fdatasync", 1);
        int rc = mpl_file_sync(&f);
        long calls = fault.calls;
        fault_disarm();
        CHECK_INT(rc, cases[i].rc);
        CHECK_INT(calls, cases[i].error == EINTR ? 2 : 1);
        CHECK(rc == 0 || strstr(mpl_error_text(), log_path(0)) != NULL);
    }
    mpl_file_close(&f);
}

static void rotation_syncs_what_is_left_if_asked_to(void)
{
    for (int is_asked = 0; is_asked < 2; is_asked++) {
        struct mpl_file f;
        uint64_t done = 0;
        files_begin();
        struct mpl_file_options o = {
            .path = log_path(0), .max_bytes = 3, .backup_count = 2, .sync_when_left = is_asked};
        CHECK_INT(mpl_file_open(&f, &o, 0644), 0);
        batch_set(&batch, "a\n");
        batch_add(&batch, "b\n", 2);
        fault_arm(FAULT_ERROR, EIO, "fdatasync", 1);
        int rc = mpl_file_append(&f, &batch.lines, &done, NULL);
        CHECK_INT(rc, 0);
        CHECK_INT(f.rotation_error, is_asked ? EIO : 0); /* what was written may not be on the disk: it is not left */
        CHECK(!is_asked || files_hold(log_path(0), "a\nb\n"));
        if (is_asked)
            CHECK_INT(truncate(log_path(0), 2), 0);
        f.rotation_retry_ns = 0;
        done = is_asked ? 2 : 4;
        CHECK_INT(mpl_file_append(&f, &batch.lines, &done, NULL), 0);
        unlink(log_path(0));
        done = 2;
        CHECK_INT(mpl_file_append(&f, &batch.lines, &done, NULL), 0); /* moved away by others: left, too */
        long calls = fault.calls;
        fault_disarm();
        mpl_file_close(&f);
        CHECK_INT(calls, is_asked ? 3 : 0);
        CHECK(files_hold(log_path(1), "a\n") && files_hold(log_path(0), "b\n"));
    }
}

/* A file whose name is lost is lost; whose name is on the disk needs no second look. */
static void sync_brings_new_names_to_the_disk_once(void)
{
    struct mpl_file f;
    files_begin();
    CHECK_INT(log_open(&f, 3, 2), 0);
    for (int round = 0; round < 2; round++) {
        fault_arm(FAULT_ERROR, EIO, "fsync", 1); /* of the directory */
        CHECK_INT(mpl_file_sync(&f), -EIO);
        CHECK(strstr(mpl_error_text(), "its directory cannot be synced") != NULL);
        CHECK_INT(mpl_file_sync(&f), 0);
        CHECK_INT(mpl_file_sync(&f), 0);
        CHECK_INT(fault.calls, 2);
        fault_disarm();
        CHECK_INT(log_append(&f, "a\n"), 0);
        CHECK_INT(log_append(&f, "b\n"), 0); /* rotates */
    }
    mpl_file_close(&f);
}

/* Nothing stands at the path any more, and nothing can be put there. */
static void rotation_whose_new_file_cannot_be_opened_is_finished_later(void)
{
    struct mpl_file f;
    uint64_t done = 0;
    files_begin();
    CHECK_INT(log_open(&f, 3, 2), 0);
    CHECK_INT(log_append(&f, "a\n"), 0);
    batch_set(&batch, "b\n");
    fault_arm(FAULT_ERROR, EMFILE, "open", 1);
    fault.is_lasting = true;
    int first = mpl_file_append(&f, &batch.lines, &done, NULL);
    int second = mpl_file_append(&f, &batch.lines, &done, NULL);
    fault_disarm();
    CHECK_INT(first, -EMFILE);
    CHECK_INT(second, -EMFILE);
    CHECK(strstr(mpl_error_text(), "cannot be opened: ") != NULL);
    CHECK_INT(mpl_file_append(&f, &batch.lines, &done, NULL), 0);
    mpl_file_close(&f);
    CHECK(files_hold(log_path(1), "a\n") && files_hold(log_path(0), "b\n"));
}

TEST_MAIN(TEST_CASE(append_that_fails_in_a_record_leaves_whole_lines),
          TEST_CASE(append_given_up_in_a_record_ends_its_line),
          TEST_CASE(sync_failing_is_reported_unless_there_is_nothing_to_sync),
          TEST_CASE(rotation_syncs_what_is_left_if_asked_to),
          TEST_CASE(sync_brings_new_names_to_the_disk_once),
          TEST_CASE(rotation_whose_new_file_cannot_be_opened_is_finished_later))
