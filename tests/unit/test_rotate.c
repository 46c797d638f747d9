/* SPDX-License-Identifier: Unlicense */
#include <sys/wait.h>

#include "base/error.h"
#include "output/rotate.h"
#include "faults.h"
#include "files.h"
#include "harness.h"

#define NAME "app.log"
#define COUNT_MAX 5u

static const char *path_of(unsigned index) { return files_path(NAME, index); }

/* Files PATH (0) .. PATH.<count>; what each holds: the digit it was made with, or 0: there is none. */
struct chain {
    unsigned count;
    char held[COUNT_MAX + 2];
};

static struct chain chain_from_mask(unsigned count, unsigned mask)
{
    struct chain c = {.count = count};
    for (unsigned i = 0; i <= count; i++)
        if (mask & 1u << i)
            c.held[i] = (char)('0' + i);
    return c;
}

/* The rule, told in another way: the files up to the first hole move one further; without a hole the oldest goes. */
static struct chain chain_rotated(struct chain c)
{
    unsigned hole = 1;
    if (!c.held[0])
        return c;
    while (hole < c.count && c.held[hole])
        hole++;
    memmove(c.held + 1, c.held, hole);
    c.held[0] = 0;
    return c;
}

static void chain_create(const struct chain *c)
{
    files_begin();
    for (unsigned i = 0; i <= c->count; i++)
        if (c->held[i])
            files_write(path_of(i), (char[]){c->held[i], '\0'});
}

static bool chain_is_there(const struct chain *c)
{
    for (unsigned i = 0; i <= c->count + 1; i++) {
        size_t len;
        char *bytes = files_read(path_of(i), &len), held = i <= c->count ? c->held[i] : 0;
        bool is_same = held ? bytes && len == 1 && bytes[0] == held : bytes == NULL;
        free(bytes);
        if (!is_same) {
            printf("# wrong: %s\n", path_of(i));
            return false;
        }
    }
    return true;
}

static void rotate_every_state_moves_files_up_to_first_hole(void)
{
    for (unsigned count = 1; count <= COUNT_MAX; count++)
        for (unsigned mask = 0; mask < 2u << count; mask++) {
            struct chain before = chain_from_mask(count, mask), after = chain_rotated(before);
            chain_create(&before);
            CHECK_INT(mpl_rotate(path_of(0), count), 0);
            CHECK(chain_is_there(&after));
        }
}

/* True: the child was killed at its k-th call. */
static bool rotate_in_child(unsigned count, enum fault_action action, long k)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        fault_arm(action, 0, NULL, k);
        _exit(mpl_rotate(path_of(0), count) == 0 ? 0 : 1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) == 1)
        files_die("no good end of", "child");
    return WEXITSTATUS(status) == FAULT_EXIT;
}

static void rotate_killed_at_any_step_is_continued(void)
{
    unsigned kills = 0;
    for (unsigned count = 1; count <= 4; count++)
        for (unsigned mask = 1; mask < 2u << count; mask += 2)
            for (int action = FAULT_KILL_BEFORE; action <= FAULT_KILL_AFTER; action++) {
                bool was_killed = true;
                for (long k = 1; was_killed; k++) {
                    struct chain before = chain_from_mask(count, mask), after = chain_rotated(before);
                    chain_create(&before);
                    was_killed = rotate_in_child(count, (enum fault_action)action, k);
                    CHECK_INT(mpl_rotate(path_of(0), count), 0);
                    CHECK(chain_is_there(&after));
                    kills += was_killed;
                }
            }
    CHECK(kills > 100);
}

static void rotate_failing_call_is_reported_and_continued(void)
{
    struct chain before = chain_from_mask(3, 15), after = chain_rotated(before);
    for (long k = 1; k <= 4; k++) { /* unlink, three renames */
        chain_create(&before);
        fault_arm(FAULT_ERROR, EIO, NULL, k);
        CHECK_INT(mpl_rotate(path_of(0), 3), -EIO);
        fault_disarm();
        CHECK(strstr(mpl_error_text(), path_of(0)) != NULL);
        CHECK(strstr(mpl_error_text(), k == 1 ? "removed" : "renamed") != NULL);
        CHECK_INT(mpl_rotate(path_of(0), 3), 0);
        CHECK(chain_is_there(&after));
    }
}

static void rotate_without_noreplace_renames_plainly(void)
{
    static const int errors[] = {EINVAL, ENOSYS};
    for (size_t i = 0; i < 2; i++) {
        struct chain before = chain_from_mask(3, 15), after = chain_rotated(before);
        chain_create(&before);
        fault_arm(FAULT_ERROR, errors[i], "renameat2", 1);
        fault.is_lasting = true;
        CHECK_INT(mpl_rotate(path_of(0), 3), 0);
        fault_disarm();
        CHECK(chain_is_there(&after));
    }
}

static int intrusions_left;

static void fill_hole(const char *function, const char *second_path)
{
    if (strcmp(function, "renameat2") == 0 && intrusions_left > 0) {
        intrusions_left--;
        files_write(second_path, "x");
    }
}

static void rotate_hole_filled_by_another_overwrites_nothing(void)
{
    struct chain before = chain_from_mask(3, 3), after = {.count = 3, .held = {0, '0', '1', 'x'}};
    chain_create(&before);
    intrusions_left = 1;
    fault.before_fn = fill_hole;
    int rc = mpl_rotate(path_of(0), 3);
    fault_disarm();
    CHECK_INT(rc, 0);
    CHECK(chain_is_there(&after));
}

static void rotate_hole_always_filled_gives_up(void)
{
    struct chain before = chain_from_mask(1, 1);
    chain_create(&before);
    intrusions_left = 1000000;
    fault.before_fn = fill_hole;
    int rc = mpl_rotate(path_of(0), 1);
    fault_disarm();
    CHECK_INT(rc, -EEXIST);
    CHECK(strstr(mpl_error_text(), path_of(0)) != NULL);
    CHECK(files_hold(path_of(0), "0"));
}

static void remove_source(const char *function, const char *second_path)
{
    if (strcmp(function, "renameat2") == 0 && strcmp(second_path, path_of(2)) == 0)
        remove(path_of(1));
}

static void rotate_file_deleted_meanwhile_goes_on(void)
{
    struct chain before = chain_from_mask(3, 3), after = {.count = 3, .held = {0, '0'}};
    chain_create(&before);
    fault.before_fn = remove_source;
    int rc = mpl_rotate(path_of(0), 3);
    fault_disarm();
    CHECK_INT(rc, 0);
    CHECK(chain_is_there(&after));
}

static void rotate_oldest_is_directory_is_an_error_that_names_it(void)
{
    files_begin();
    files_write(path_of(0), "0");
    mkdir(path_of(1), 0700);
    CHECK_INT(mpl_rotate(path_of(0), 1), -EISDIR);
    CHECK(strstr(mpl_error_text(), path_of(1)) != NULL);
    CHECK(files_hold(path_of(0), "0"));
}

static void rotate_without_backups_is_refused(void)
{
    files_begin();
    files_write(path_of(0), "0");
    CHECK_INT(mpl_rotate(path_of(0), 0), -EINVAL);
    CHECK(files_hold(path_of(0), "0"));
}

static void rotate_backup_is_dangling_link_is_not_overwritten(void)
{
    files_begin();
    files_write(path_of(0), "0");
    CHECK_INT(symlink("nowhere", path_of(1)), 0);
    CHECK_INT(mpl_rotate(path_of(0), 2), 0);
    char text[16] = "";
    CHECK_INT(readlink(path_of(2), text, sizeof text), 7);
    CHECK(files_hold(path_of(1), "0"));
}

static void name_too_long_is_refused(void)
{
    char path[PATH_MAX + 8], name[PATH_MAX];
    memset(path, 'a', sizeof path);
    path[PATH_MAX - 2] = '\0';
    CHECK_INT(mpl_rotate_name(path, 0, name), 0);
    CHECK_INT(mpl_rotate_name(path, 1, name), -ENAMETOOLONG);
    path[PATH_MAX - 2] = 'a';
    path[PATH_MAX] = '\0';
    CHECK_INT(mpl_rotate_name(path, 0, name), -ENAMETOOLONG);
    CHECK_INT(mpl_rotate_resolve(path, name), -ENAMETOOLONG);
}

static void resolve_links_gives_where_they_lead(void)
{
    char target[PATH_MAX], absolute[FILES_PATH_MAX];
    files_begin();
    snprintf(absolute, sizeof absolute, "%s/real.log", files_dir);
    CHECK_INT(mpl_rotate_resolve(path_of(0), target), 0); /* nothing there */
    CHECK_TEXT(target, strlen(target), path_of(0));
    CHECK_INT(symlink("second", path_of(0)), 0);
    CHECK_INT(symlink(absolute, files_path("second", 0)), 0);
    CHECK_INT(mpl_rotate_resolve(path_of(0), target), 0); /* leads to nothing yet */
    CHECK_TEXT(target, strlen(target), absolute);
    files_write(absolute, "");
    CHECK_INT(mpl_rotate_resolve(path_of(0), target), 0);
    CHECK_TEXT(target, strlen(target), absolute);
    CHECK_INT(mpl_rotate_resolve("plain", target), 0);
    CHECK_TEXT(target, strlen(target), "plain");
}

static void resolve_loop_is_refused(void)
{
    char target[PATH_MAX];
    files_begin();
    CHECK_INT(symlink(NAME, path_of(0)), 0);
    CHECK_INT(mpl_rotate_resolve(path_of(0), target), -ELOOP);
    CHECK(strstr(mpl_error_text(), path_of(0)) != NULL);
}

static void resolve_link_of_proc_is_told(void)
{
    char target[PATH_MAX];
    CHECK_INT(mpl_rotate_resolve("/proc/self/fd/1", target), 1);
    CHECK_INT(mpl_rotate_resolve("/dev/stdout", target), 1);
}

TEST_MAIN(TEST_CASE(rotate_every_state_moves_files_up_to_first_hole), TEST_CASE(rotate_killed_at_any_step_is_continued),
          TEST_CASE(rotate_failing_call_is_reported_and_continued), TEST_CASE(rotate_without_noreplace_renames_plainly),
          TEST_CASE(rotate_hole_filled_by_another_overwrites_nothing), TEST_CASE(rotate_hole_always_filled_gives_up),
          TEST_CASE(rotate_file_deleted_meanwhile_goes_on),
          TEST_CASE(rotate_oldest_is_directory_is_an_error_that_names_it), TEST_CASE(rotate_without_backups_is_refused),
          TEST_CASE(rotate_backup_is_dangling_link_is_not_overwritten), TEST_CASE(name_too_long_is_refused),
          TEST_CASE(resolve_links_gives_where_they_lead), TEST_CASE(resolve_loop_is_refused),
          TEST_CASE(resolve_link_of_proc_is_told))
