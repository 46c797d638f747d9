/* SPDX-License-Identifier: Unlicense */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "logfiles.h"

static struct batch batch;

/* ---- open ---- */

static void open_missing_file_creates_it_with_mode_and_umask(void)
{
    struct mpl_file f;
    struct stat st;
    files_begin();
    mode_t old = umask(027);
    int rc = log_open(&f, 0, 0);
    umask(old);
    CHECK_INT(rc, 0);
    CHECK_INT(stat(log_path(0), &st), 0);
    CHECK_INT(st.st_mode & 07777, 0640);
    CHECK_INT(fcntl(f.fd, F_GETFD), FD_CLOEXEC);
    CHECK_INT(fcntl(f.fd, F_GETFL) & (O_APPEND | O_NONBLOCK), O_APPEND);
    mpl_file_close(&f);
    CHECK_INT(f.fd, -1);
    mpl_file_close(&f);
}

static void open_existing_file_keeps_its_text(void)
{
    struct mpl_file f;
    files_begin();
    files_write(log_path(0), "old\n");
    CHECK_INT(log_open(&f, 0, 0), 0);
    CHECK_INT(log_append_and_close(&f, "new\n"), 0);
    CHECK(files_hold(log_path(0), "old\nnew\n"));
}

static void open_in_missing_directory_fails_with_sentence(void)
{
    struct mpl_file f;
    files_begin();
    struct mpl_file_options o = {.path = files_path("no/app.log", 0)};
    CHECK_INT(mpl_file_open(&f, &o, 0644), -ENOENT);
    CHECK(log_error_names(o.path, "directory cannot be found"));
    CHECK_INT(f.fd, -1);
}

static void open_directory_fails_with_sentence(void)
{
    struct mpl_file f;
    files_begin();
    mkdir(log_path(0), 0700);
    CHECK_INT(log_open(&f, 0, 0), -EISDIR);
    CHECK(log_error_names(log_path(0), "Is a directory"));
}

static void open_without_permission_fails_with_sentence(void)
{
    struct mpl_file f;
    files_begin();
    files_write(log_path(0), "");
    chmod(log_path(0), 0444);
    chmod(files_dir, 0555);
    bool was_root = geteuid() == 0 && seteuid(FILES_NOBODY) == 0;
    int rc_file = log_open(&f, 0, 0);
    bool is_file_named = log_error_names(log_path(0), "cannot be opened for writing: Permission denied");
    struct mpl_file_options o = {.path = files_path("other.log", 0)};
    int rc_dir = mpl_file_open(&f, &o, 0644);
    bool is_dir_named = log_error_names(o.path, "cannot be created in its directory: Permission denied");
    if (was_root && seteuid(0) < 0)
        files_die("cannot become", "root");
    CHECK_INT(rc_file, -EACCES);
    CHECK(is_file_named);
    CHECK_INT(rc_dir, -EACCES);
    CHECK(is_dir_named);
}

static void open_write_only_file_appends(void)
{
    struct mpl_file f;
    files_begin();
    files_write(log_path(0), "old\n");
    chmod(log_path(0), 0222);
    bool was_root = geteuid() == 0 && seteuid(FILES_NOBODY) == 0;
    int rc = log_open(&f, 0, 0);
    if (rc == 0)
        rc = log_append_and_close(&f, "new\n");
    if (was_root && seteuid(0) < 0)
        files_die("cannot become", "root");
    chmod(log_path(0), 0644);
    CHECK_INT(rc, 0);
    CHECK(files_hold(log_path(0), "old\nnew\n"));
}

static void open_dangling_link_creates_its_target(void)
{
    struct mpl_file f;
    files_begin();
    CHECK_INT(symlink("real.log", log_path(0)), 0);
    CHECK_INT(log_open(&f, 0, 0), 0);
    CHECK_INT(log_append_and_close(&f, "a\n"), 0);
    CHECK(files_hold(files_path("real.log", 0), "a\n"));
}

static void open_encoding_out_of_bounds_is_refused(void)
{
    struct mpl_file f;
    files_begin();
    struct mpl_file_options o = {.path = log_path(0), .newline = MPL_STR("12345")};
    CHECK_INT(mpl_file_open(&f, &o, 0644), -EINVAL);
    o = (struct mpl_file_options){.path = log_path(0), .bom = MPL_STR("12345")};
    CHECK_INT(mpl_file_open(&f, &o, 0644), -EINVAL);
    CHECK_INT(f.fd, -1);
}

/* ---- moved, deleted, rotated ---- */

static void file_moved_or_deleted_is_opened_again(void)
{
    struct mpl_file f;
    files_begin();
    CHECK_INT(log_open(&f, 0, 0), 0);
    CHECK_INT(log_append(&f, "a\n"), 0);
    CHECK_INT(rename(log_path(0), files_path("moved", 0)), 0);
    CHECK_INT(log_append(&f, "b\n"), 0);
    CHECK_INT(unlink(log_path(0)), 0);
    CHECK_INT(log_append(&f, "c\n"), 0);
    CHECK_INT(log_append(&f, "d\n"), 0);
    CHECK(files_hold(files_path("moved", 0), "a\n"));
    CHECK(files_hold(log_path(0), "c\nd\n"));
    CHECK_INT(rename(log_path(0), files_path("moved", 0)), 0);
    files_write(log_path(0), "new\n"); /* as logrotate's `create` does */
    CHECK_INT(log_append_and_close(&f, "e\n"), 0);
    CHECK(files_hold(files_path("moved", 0), "c\nd\n"));
    CHECK(files_hold(log_path(0), "new\ne\n"));
}

static bool is_locked(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(log_path(0), O_RDWR), rc = fcntl(fd, F_OFD_SETLK, &lock);
    close(fd);
    return rc < 0;
}

static void lock_is_released_after_each_call(void)
{
    struct mpl_file f;
    files_begin();
    CHECK_INT(log_open(&f, 3, 1), 0);
    CHECK(!is_locked());
    CHECK_INT(log_append(&f, "a\n"), 0);
    CHECK(!is_locked());
    CHECK_INT(log_append(&f, "b\n"), 0); /* rotates */
    CHECK(!is_locked());
    CHECK_INT(unlink(log_path(1)), 0);
    mkdir(log_path(1), 0700);
    CHECK_INT(log_append(&f, "c\n"), 0);
    CHECK_INT(f.rotation_error, EISDIR);
    CHECK(!is_locked());
    CHECK_INT(mpl_file_truncate(&f), 0);
    CHECK(!is_locked());
    mpl_file_close(&f);
}

/* A reader may hold a lock for as long as it likes. It costs one wait of a second, and rotation. */
static void lock_held_by_a_reader_stops_rotation_only(void)
{
    struct mpl_file f;
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    files_begin();
    CHECK_INT(log_open(&f, 3, 1), 0);
    CHECK_INT(log_append(&f, "a\n"), 0);
    int fd = open(log_path(0), O_RDONLY);
    CHECK_INT(fcntl(fd, F_OFD_SETLK, &lock), 0);
    CHECK_INT(log_append(&f, "b\n"), 0);
    CHECK(f.is_lock_stuck);
    CHECK_INT(log_append(&f, "c\n"), 0); /* without another wait: the harness would not survive a hundred of them */
    CHECK(files_hold(log_path(0), "a\nb\nc\n"));
    close(fd);
    CHECK_INT(log_append_and_close(&f, "d\n"), 0);
    CHECK(!f.is_lock_stuck);
    CHECK(files_hold(log_path(1), "a\nb\nc\n"));
    CHECK(files_hold(log_path(0), "d\n"));
}

static void directory_closed_to_us_keeps_the_open_file(void)
{
    struct mpl_file f;
    files_begin();
    CHECK_INT(log_open(&f, 0, 0), 0);
    CHECK_INT(log_append(&f, "a\n"), 0);
    chmod(files_dir, 0);
    bool was_root = geteuid() == 0 && seteuid(FILES_NOBODY) == 0;
    int rc = log_append(&f, "b\n");
    if (was_root && seteuid(0) < 0)
        files_die("cannot become", "root");
    chmod(files_dir, 0777);
    mpl_file_close(&f);
    CHECK_INT(rc, 0);
    CHECK(files_hold(log_path(0), "a\nb\n"));
}

static void rotation_of_linked_log_happens_at_the_target(void)
{
    struct mpl_file f;
    files_begin();
    mkdir(files_path("real", 0), 0700);
    CHECK_INT(symlink("real/data.log", log_path(0)), 0);
    CHECK_INT(log_open(&f, 3, 1), 0);
    CHECK_INT(log_append(&f, "a\n"), 0);
    CHECK_INT(log_append_and_close(&f, "b\n"), 0);
    CHECK(files_hold(log_path(0), "b\n"));
    CHECK(files_hold(files_path("real/data.log", 0), "b\n"));
    CHECK(files_hold(files_path("real/data.log", 1), "a\n"));
    CHECK(!files_exist(log_path(1)));
}

static void rotation_keeps_mode_and_owner(void)
{
    struct mpl_file f;
    struct stat st;
    bool is_root = geteuid() == 0;
    uid_t uid = is_root ? 4321 : geteuid();
    gid_t gid = is_root ? 1234 : getegid();
    files_begin();
    CHECK_INT(log_open(&f, 3, 2), 0);
    CHECK_INT(log_append(&f, "a\n"), 0);
    CHECK_INT(chown(log_path(0), uid, gid), 0); /* both are seen although the file is open */
    CHECK_INT(chmod(log_path(0), 0666), 0);
    mode_t old = umask(077);
    int rc = log_append(&f, "b\n");
    umask(old);
    CHECK_INT(rc, 0);
    CHECK_INT(stat(log_path(0), &st), 0);
    CHECK_INT(st.st_mode & 07777, 0666);
    CHECK_INT(st.st_uid, uid);
    CHECK_INT(st.st_gid, gid);
    CHECK_INT(unlink(log_path(0)), 0);
    CHECK_INT(log_append_and_close(&f, "c\n"), 0);
    CHECK_INT(stat(log_path(0), &st), 0);
    CHECK_INT(st.st_mode & 07777, 0666);
    CHECK_INT(st.st_gid, gid);
}

static void rotation_that_loses_the_group_closes_the_file_to_it(void)
{
    struct mpl_file f;
    struct stat st;
    if (geteuid() != 0)
        return; /* needs a file of a group that the writer is not in */
    files_begin();
    files_write(log_path(0), "a\n");
    CHECK_INT(chown(log_path(0), FILES_NOBODY, 1234), 0);
    CHECK_INT(chmod(log_path(0), 0664), 0);
    CHECK(setegid(FILES_NOBODY) == 0 && seteuid(FILES_NOBODY) == 0);
    int rc = log_open(&f, 3, 1);
    if (rc == 0)
        rc = log_append_and_close(&f, "b\n");
    if (seteuid(0) < 0 || setegid(0) < 0)
        files_die("cannot become", "root");
    CHECK_INT(rc, 0);
    CHECK_INT(stat(log_path(0), &st), 0);
    CHECK_INT(st.st_mode & 07777, 0604);
}

static void rotation_that_cannot_be_done_lets_the_file_grow_and_is_tried_again(void)
{
    struct mpl_file f;
    files_begin();
    CHECK_INT(log_open(&f, 3, 1), 0);
    CHECK_INT(log_append(&f, "a\n"), 0);
    mkdir(log_path(1), 0700);
    mpl_error_clear();
    CHECK_INT(log_append(&f, "b\n"), 0);
    CHECK_INT(f.rotation_error, EISDIR);
    CHECK(log_error_names(log_path(1), "cannot be removed"));
    rmdir(log_path(1));
    CHECK_INT(log_append(&f, "c\n"), 0); /* not at once */
    CHECK(files_hold(log_path(0), "a\nb\nc\n"));
    f.rotation_retry_ns = 0;
    CHECK_INT(log_append(&f, "d\n"), 0);
    CHECK_INT(f.rotation_error, 0);
    mpl_file_close(&f);
    CHECK(files_hold(log_path(1), "a\nb\nc\n"));
    CHECK(files_hold(log_path(0), "d\n"));
}

static void rotation_off_grows_one_file(void)
{
    static const struct {
        uint64_t max_bytes;
        uint32_t backup_count;
    } cases[] = {{0, 3}, {3, 0}};
    for (size_t i = 0; i < 2; i++) {
        struct mpl_file f;
        files_begin();
        CHECK_INT(log_open(&f, cases[i].max_bytes, cases[i].backup_count), 0);
        CHECK_INT(log_append(&f, "aaaa\n"), 0);
        CHECK_INT(log_append_and_close(&f, "bbbb\n"), 0);
        CHECK(files_hold(log_path(0), "aaaa\nbbbb\n"));
        CHECK(!files_exist(log_path(1)));
    }
}

/* ---- the end of the file ---- */

static void unfinished_line_of_another_is_ended(void)
{
    struct mpl_file f;
    files_begin();
    files_write(log_path(0), "foreign");
    CHECK_INT(log_open(&f, 0, 0), 0);
    CHECK_INT(log_append(&f, "a\n"), 0);
    CHECK_INT(log_append(&f, "b\n"), 0);
    files_append(log_path(0), "more");
    CHECK_INT(log_append_and_close(&f, "c\n"), 0);
    CHECK(files_hold(log_path(0), "foreign\na\nb\nmore\nc\n"));
}

static void unfinished_utf16_is_filled_up_and_ended(void)
{
    static const char expected[] = "x\0\0\0\n\0y\0\n";
    struct mpl_file f;
    size_t len;
    uint64_t done = 0;
    files_begin();
    struct mpl_file_options o = {.path = log_path(0), .newline = {"\n\0", 2}};
    files_put(log_path(0), "w", "x\0", 3); /* with the NUL after it: one byte too many */
    CHECK_INT(mpl_file_open(&f, &o, 0644), 0);
    batch_clear(&batch);
    batch_add(&batch, "y\0\n", 4);
    CHECK_INT(mpl_file_append(&f, &batch.lines, &done, NULL), 0);
    mpl_file_close(&f);
    char *bytes = files_read(log_path(0), &len);
    CHECK_BYTES(bytes, len, expected, sizeof expected);
    free(bytes);
}

static void bom_is_written_into_empty_files_alone(void)
{
    struct mpl_file f;
    files_begin();
    struct mpl_file_options o = {
        .path = log_path(0), .max_bytes = 6, .backup_count = 2, .bom = MPL_STR("\xef\xbb\xbf")};
    files_write(log_path(0), "\xef\xbb"); /* whoever began it died */
    CHECK_INT(mpl_file_open(&f, &o, 0644), 0);
    CHECK_INT(log_append(&f, "aaaaaaaa\n"), 0);
    CHECK(files_hold(log_path(0), "\xef\xbb\xbf"
                                  "aaaaaaaa\n"));
    files_write(log_path(0), "\xef\xbb\xbf");
    CHECK_INT(log_append(&f, "bbbbbbbb\n"), 0); /* a file that holds only a BOM is empty: no rotation */
    CHECK(files_hold(log_path(0), "\xef\xbb\xbf"
                                  "bbbbbbbb\n"));
    CHECK_INT(log_append(&f, "c\n"), 0);
    CHECK(files_hold(log_path(1), "\xef\xbb\xbf"
                                  "bbbbbbbb\n"));
    files_write(log_path(0), "x\n"); /* as long as a part of it, but another text */
    CHECK_INT(log_append_and_close(&f, "d\n"), 0);
    CHECK(files_hold(log_path(0), "x\nd\n"));
}

static void truncate_empties_and_next_line_is_first(void)
{
    struct mpl_file f;
    files_begin();
    struct mpl_file_options o = {.path = log_path(0), .bom = MPL_STR("B")};
    CHECK_INT(mpl_file_open(&f, &o, 0644), 0);
    CHECK_INT(log_append(&f, "a\n"), 0);
    CHECK_INT(mpl_file_truncate(&f), 0);
    CHECK(files_hold(log_path(0), ""));
    CHECK_INT(log_append_and_close(&f, "b\n"), 0);
    CHECK(files_hold(log_path(0), "Bb\n"));
}

/* ---- batches ---- */

static void append_from_the_middle_continues_without_newline(void)
{
    struct mpl_file f;
    uint64_t done = 6; /* "one\n" and "tw" are in the file */
    batch_set(&batch, "one\n");
    batch_add(&batch, "two\n", 4);
    files_begin();
    files_write(log_path(0), "one\ntw");
    CHECK_INT(log_open(&f, 3, 1), 0); /* nor is it rotated in the middle of a record */
    CHECK_INT(mpl_file_append(&f, &batch.lines, &done, NULL), 0);
    CHECK_INT(done, 8);
    CHECK(files_hold(log_path(0), "one\ntwo\n"));
    CHECK_INT(mpl_file_append(&f, &batch.lines, &done, NULL), 0); /* nothing left to do */
    mpl_file_close(&f);
    CHECK(files_hold(log_path(0), "one\ntwo\n"));
}

static void append_from_the_middle_behind_another_begins_the_record_again(void)
{
    struct mpl_file f;
    uint64_t done = 2;
    batch_set(&batch, "two\n");
    files_begin();
    files_write(log_path(0), "tw\nforeign");
    CHECK_INT(log_open(&f, 0, 0), 0);
    CHECK_INT(mpl_file_append(&f, &batch.lines, &done, NULL), 0);
    mpl_file_close(&f);
    CHECK(files_hold(log_path(0), "tw\nforeign\ntwo\n"));
    done = 2;
    files_write(log_path(1), "tw"); /* rotated by another */
    unlink(log_path(0));
    CHECK_INT(log_open(&f, 0, 0), 0);
    CHECK_INT(mpl_file_append(&f, &batch.lines, &done, NULL), 0);
    mpl_file_close(&f);
    CHECK(files_hold(log_path(0), "two\n"));
}

static void append_past_the_size_limit_goes_on_when_it_is_lifted(void)
{
    struct mpl_file f;
    struct rlimit old, limit;
    uint64_t done = 0;
    files_begin();
    batch_set(&batch, "one\n");
    batch_add(&batch, "two\n", 4);
    CHECK_INT(log_open(&f, 0, 0), 0);
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = (struct rlimit){.rlim_cur = 6, .rlim_max = old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    int rc = mpl_file_append(&f, &batch.lines, &done, NULL);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    CHECK_INT(rc, -EFBIG);
    CHECK_INT(done, 4);
    CHECK(files_hold(log_path(0), "one\n")); /* the two bytes that had room were taken back */
    CHECK(log_error_names(log_path(0), "File too large"));
    CHECK_INT(mpl_file_append(&f, &batch.lines, &done, NULL), 0);
    mpl_file_close(&f);
    CHECK(files_hold(log_path(0), "one\ntwo\n"));
}

static void append_with_ends_out_of_range_stays_inside(void)
{
    struct mpl_file f;
    char *data = malloc(8); /* of its own, so that a sanitizer sees its end */
    uint32_t ends[] = {4, 3, 4000000000u, 2};
    struct mpl_lines lines = {.data = data, .len = 8, .ends = ends, .count = 4};
    uint64_t done = 0;
    files_begin();
    memcpy(data, "abcdefg\n", 8);
    CHECK_INT(log_open(&f, 0, 0), 0);
    int rc = mpl_file_append(&f, &lines, &done, NULL);
    mpl_file_close(&f);
    free(data);
    CHECK_INT(rc, 0);
    CHECK(files_hold(log_path(0), "abcdefg\n"));
}

TEST_MAIN(TEST_CASE(open_missing_file_creates_it_with_mode_and_umask), TEST_CASE(open_existing_file_keeps_its_text),
          TEST_CASE(open_in_missing_directory_fails_with_sentence), TEST_CASE(open_directory_fails_with_sentence),
          TEST_CASE(open_without_permission_fails_with_sentence), TEST_CASE(open_write_only_file_appends),
          TEST_CASE(open_dangling_link_creates_its_target), TEST_CASE(open_encoding_out_of_bounds_is_refused),

          TEST_CASE(file_moved_or_deleted_is_opened_again), TEST_CASE(directory_closed_to_us_keeps_the_open_file),
          TEST_CASE(lock_is_released_after_each_call), TEST_CASE(lock_held_by_a_reader_stops_rotation_only),
          TEST_CASE(rotation_of_linked_log_happens_at_the_target), TEST_CASE(rotation_keeps_mode_and_owner),
          TEST_CASE(rotation_that_loses_the_group_closes_the_file_to_it),
          TEST_CASE(rotation_that_cannot_be_done_lets_the_file_grow_and_is_tried_again),
          TEST_CASE(rotation_off_grows_one_file),
          TEST_CASE(unfinished_line_of_another_is_ended), TEST_CASE(unfinished_utf16_is_filled_up_and_ended),
          TEST_CASE(bom_is_written_into_empty_files_alone), TEST_CASE(truncate_empties_and_next_line_is_first),
          TEST_CASE(append_from_the_middle_continues_without_newline),
          TEST_CASE(append_from_the_middle_behind_another_begins_the_record_again),
          TEST_CASE(append_past_the_size_limit_goes_on_when_it_is_lifted),
          TEST_CASE(append_with_ends_out_of_range_stays_inside))
