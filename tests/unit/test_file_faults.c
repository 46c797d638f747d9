/* SPDX-License-Identifier: Unlicense
 *
 * Calls that fail, processes that are killed, and several processes on one file: afterwards each line is in the files
 * once, whole and in its writer's order.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/error.h"
#include "faults.h"
#include "logfiles.h"

static struct batch batch;

/* ---- a journal as a successor reads it ---- */

struct journal {
    volatile bool is_set;
    volatile uint64_t dev, ino, offset, from, until;
    volatile uint64_t position; /* the batch's first line << 32, bytes of it that are done: one word, one store */
};

static unsigned first_line(const struct journal *j) { return (unsigned)(j->position >> 32); }

static void journal_begin(void *arg, uint64_t dev, uint64_t ino, uint64_t offset, uint64_t from, uint64_t until)
{
    struct journal *j = arg;
    j->dev = dev;
    j->ino = ino;
    j->offset = offset;
    j->from = from;
    j->until = until;
    j->is_set = true;
}

static void journal_done(void *arg, uint64_t until)
{
    struct journal *j = arg;
    j->position = (j->position >> 32 << 32) + until;
    j->is_set = false;
}

static struct mpl_file_journal journal_hooks(struct journal *j)
{
    return (struct mpl_file_journal){j, journal_begin, journal_done};
}

static void *map_shared(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        files_die("no memory for", "journal");
    return p;
}

/* Where the batch is to be continued after its writer died. */
static uint64_t find_done(struct mpl_file *f, struct journal *j, const char *data)
{
    if (j->is_set)
        journal_done(j, j->from +
                            mpl_file_already_written(f, j->dev, j->ino, j->offset, data + j->from, j->until - j->from));
    return j->position & UINT32_MAX;
}

/* ---- killed or failing at each call ---- */

#define CHAIN_BACKUPS 4u
#define CHAIN_MAX_BYTES 400u
#define CHAIN_LINES 25u /* enough for three rotations */

/* What is there before: nothing; an unfinished line and all backups; an unfinished line and a hole. */
static void make_scene(int scene)
{
    files_begin();
    batch_clear(&batch);
    batch_add_lines(&batch, 0, 0, CHAIN_LINES);
    if (scene == 0)
        return;
    files_write(log_path(0), "foreign, unfinished");
    for (unsigned i = 1; i <= CHAIN_BACKUPS; i++)
        if (scene == 1 || i != 2)
            files_write(log_path(i), "foreign\n");
}

static bool all_lines_are_there(void)
{
    struct line_count c;
    line_count_begin(&c, 1, CHAIN_LINES, true);
    line_count_chain(&c, CHAIN_BACKUPS);
    return line_count_is_complete(&c) && !files_exist(log_path(CHAIN_BACKUPS + 1));
}

static int append_and_close(struct mpl_file *f, uint64_t *done, struct journal *journal)
{
    struct mpl_file_journal j = journal_hooks(journal);
    int rc = mpl_file_append(f, &batch.lines, done, &j);
    mpl_file_close(f);
    return rc;
}

/* True: the child was killed at its k-th call. */
static bool append_in_child(struct journal *j, enum fault_action action, long k)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct mpl_file f;
        uint64_t done = 0;
        umask(077); /* so that successors need fchmod */
        fault_arm(action, 0, NULL, k);
        int rc = log_open(&f, CHAIN_MAX_BYTES, CHAIN_BACKUPS);
        _exit(rc == 0 && append_and_close(&f, &done, j) == 0 ? 0 : 1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) == 1)
        files_die("no good end of", "child");
    return WEXITSTATUS(status) == FAULT_EXIT;
}

static bool successor_finishes(struct journal *j)
{
    struct mpl_file f;
    int rc = log_open(&f, CHAIN_MAX_BYTES, CHAIN_BACKUPS);
    if (rc < 0)
        return false;
    uint64_t done = find_done(&f, j, batch.data);
    return append_and_close(&f, &done, j) == 0 && all_lines_are_there();
}

static void append_killed_at_any_call_is_finished_by_a_successor(void)
{
    struct journal *j = map_shared(sizeof *j);
    unsigned kills = 0;
    for (int scene = 0; scene < 3; scene++)
        for (int action = FAULT_KILL_BEFORE; action <= FAULT_KILL_HALF; action++) {
            bool was_killed = true;
            for (long k = 1; was_killed; k++) {
                make_scene(scene);
                memset(j, 0, sizeof *j);
                was_killed = append_in_child(j, (enum fault_action)action, k);
                kills += was_killed;
                if (!successor_finishes(j)) {
                    test_fail(__FILE__, __LINE__, "scene %d, action %d, call %ld", scene, action, k);
                    return;
                }
            }
        }
    CHECK(kills > 200);
    munmap(j, sizeof *j);
}

/* As a caller does: the same call again after an error, which must have a sentence. */
static int append_stubbornly(struct mpl_file *f, uint64_t *done, unsigned *errors, unsigned *rotations)
{
    int rc = -1;
    for (int i = 0; rc < 0 && i < 4; i++) {
        uint64_t before = *done;
        mpl_error_clear();
        rc = mpl_file_append(f, &batch.lines, done, NULL);
        *errors += rc < 0;
        *rotations += rc == 0 && f->rotation_error != 0;
        if (*done < before || (rc < 0 && !strstr(mpl_error_text(), LOG_NAME)))
            return -1;
    }
    return rc;
}

struct failure {
    enum fault_action action;
    int error;
    unsigned errors_min;    /* calls of mpl_file_append that must have failed in one sweep over all k */
    unsigned rotations_min; /* and rotations, which are no errors */
};

/* Every call fails once, for k = 1 .. the number of calls. */
static bool sweep_is_survived(int scene, const struct failure *failure)
{
    unsigned errors = 0, rotations = 0;
    bool was_reached = true;
    for (long k = 1; was_reached; k++) {
        struct mpl_file f;
        uint64_t done = 0;
        make_scene(scene);
        if (log_open(&f, CHAIN_MAX_BYTES, CHAIN_BACKUPS) < 0)
            return false;
        mode_t old = umask(077);
        fault_arm(failure->action, failure->error, NULL, k);
        int rc = append_stubbornly(&f, &done, &errors, &rotations);
        was_reached = fault.calls >= k;
        fault_disarm();
        umask(old);
        mpl_file_close(&f);
        if (rc < 0 || done != batch.lines.len || !all_lines_are_there()) {
            printf("# call %ld\n", k);
            return false;
        }
    }
    return errors >= failure->errors_min && rotations >= failure->rotations_min &&
           (failure->errors_min > 0 || errors + rotations == 0);
}

static void append_failing_at_any_call_goes_on_when_called_again(void)
{
    static const struct failure failures[] = {
        {FAULT_ERROR, EIO, 6, 2},
        {FAULT_ERROR, ENOSPC, 6, 2},
        {FAULT_HALF_ERROR, ENOSPC, 6, 2},
        {FAULT_HALF, 0, 0, 0},
    };
    for (int scene = 0; scene < 3; scene++)
        for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
            if (!sweep_is_survived(scene, &failures[i])) {
                test_fail(__FILE__, __LINE__, "scene %d, failure %zu", scene, i);
                return;
            }
}

static void append_interrupted_or_delayed_needs_no_second_call(void)
{
    static const struct {
        const char *function;
        int error;
    } cases[] = {
        {"write", EINTR},
        {"write", EAGAIN},
        {"fcntl", EINTR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mpl_file f;
        uint64_t done = 0;
        make_scene(1);
        CHECK_INT(log_open(&f, CHAIN_MAX_BYTES, CHAIN_BACKUPS), 0);
        fault_arm(FAULT_ERROR, cases[i].error, cases[i].function, 1);
        int rc = mpl_file_append(&f, &batch.lines, &done, NULL);
        fault_disarm();
        mpl_file_close(&f);
        CHECK_INT(rc, 0);
        CHECK(all_lines_are_there());
    }
}

static void write_all_taken_in_halves_writes_all(void)
{
    char got[16];
    int fds[2];
    size_t written = 99;
    CHECK_INT(pipe(fds), 0);
    fault_arm(FAULT_HALF, 0, "write", 1);
    fault.is_lasting = true;
    int rc = mpl_write_all(fds[1], "abcdefghij", 10, &written);
    fault_disarm();
    CHECK_INT(rc, 0);
    CHECK_INT(written, 10);
    CHECK_INT(read(fds[0], got, sizeof got), 10);
    CHECK_BYTES(got, 10, "abcdefghij", 10);
    close(fds[0]);
    close(fds[1]);
}

static void replace_log(const char *function, const char *second_path)
{
    (void)second_path;
    if (strcmp(function, "write") != 0)
        return;
    fault.before_fn = NULL;
    rename(log_path(0), files_path("moved", 0));
    files_write(log_path(0), "other\n");
}

static void append_whose_log_is_replaced_meanwhile_does_not_rotate_the_other(void)
{
    struct mpl_file f;
    uint64_t done = 0;
    files_begin();
    CHECK_INT(log_open(&f, 9, 2), 0);
    batch_set(&batch, "aaaaaa\n");
    batch_add(&batch, "b\n", 2);
    fault.before_fn = replace_log;
    int rc = mpl_file_append(&f, &batch.lines, &done, NULL);
    fault_disarm();
    mpl_file_close(&f);
    CHECK_INT(rc, 0);
    CHECK(files_hold(files_path("moved", 0), "aaaaaa\n"));
    CHECK(files_hold(log_path(0), "other\nb\n"));
    CHECK(!files_exist(log_path(1)));
}

static void open_without_locks_is_refused(void)
{
    static const int errors[] = {ENOLCK, EINVAL, EOPNOTSUPP};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct mpl_file f;
        files_begin();
        fault_arm(FAULT_ERROR, errors[i], "fcntl", 2); /* the first clears O_NONBLOCK */
        int rc = log_open(&f, 0, 0);
        fault_disarm();
        CHECK_INT(rc, -errors[i]);
        CHECK_INT(f.fd, -1);
        CHECK(strstr(mpl_error_text(), log_path(0)) != NULL);
        CHECK(strstr(mpl_error_text(), "cannot be locked") != NULL);
    }
}

static void remove_new_file(const char *function, const char *second_path)
{
    (void)second_path;
    if (strcmp(function, "fchmod") == 0)
        remove(log_path(0));
}

static void append_to_a_file_always_taken_away_gives_up(void)
{
    struct mpl_file f;
    uint64_t done = 0;
    files_begin();
    CHECK_INT(log_open(&f, 0, 0), 0);
    CHECK_INT(unlink(log_path(0)), 0);
    mode_t old = umask(077); /* so that each new file needs fchmod */
    fault.before_fn = remove_new_file;
    batch_set(&batch, "a\n");
    int rc = mpl_file_append(&f, &batch.lines, &done, NULL);
    fault_disarm();
    umask(old);
    CHECK_INT(rc, -ESTALE);
    CHECK(strstr(mpl_error_text(), log_path(0)) != NULL);
    CHECK_INT(mpl_file_append(&f, &batch.lines, &done, NULL), 0);
    mpl_file_close(&f);
    CHECK(files_hold(log_path(0), "a\n"));
}

/* ---- several processes ---- */

struct crowd {
    unsigned writers, lines;
    uint64_t max_bytes;
    uint32_t backup_count;
    struct journal *journals; /* [writers], shared */
    unsigned moves_max;       /* > 0: the writers move the log away, each at most so often */
};

/* Appends lines from where its journal says, in batches of random size. */
static void write_lines(const struct crowd *c, unsigned writer)
{
    struct journal *j = &c->journals[writer];
    struct mpl_file_journal hooks = journal_hooks(j);
    struct mpl_file f;
    if (log_open(&f, c->max_bytes, c->backup_count) < 0)
        _exit(1);
    while (first_line(j) < c->lines) {
        uint64_t seed = first_line(j) * 100u + writer; /* the same batch again after a kill */
        unsigned left = c->lines - first_line(j), count = 1 + (unsigned)(test_random(&seed) % 20);
        count = count < left ? count : left;
        batch_clear(&batch);
        batch_add_lines(&batch, writer, first_line(j), count);
        uint64_t done = find_done(&f, j, batch.data);
        if (mpl_file_append(&f, &batch.lines, &done, &hooks) < 0) {
            printf("# %s\n", mpl_error_text());
            _exit(1);
        }
        j->position = (uint64_t)(first_line(j) + count) << 32;
    }
    _exit(0);
}

static unsigned moves, mover; /* `mover`: the number of this process's first moved file */

/* Now and then moves the log away, whatever this and the other processes are doing. */
static void move_log(const char *function, const char *second_path)
{
    static unsigned calls;
    (void)second_path;
    if (strcmp(function, "rename") == 0 || ++calls % 61 != 0)
        return;
    if (rename(log_path(0), files_path("moved", mover + moves + 1)) == 0)
        moves++;
}

static pid_t start_writer(const struct crowd *c, unsigned writer)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        mover = writer * c->moves_max;
        fault.before_fn = c->moves_max > 0 ? move_log : NULL;
        write_lines(c, writer);
    }
    return child;
}

static bool crowd_writes(struct crowd *c)
{
    pid_t writers[WRITERS_MAX];
    bool is_good = true;
    c->journals = map_shared(c->writers * sizeof *c->journals);
    for (unsigned i = 0; i < c->writers; i++)
        writers[i] = start_writer(c, i);
    for (unsigned i = 0; i < c->writers; i++) {
        int status;
        is_good = waitpid(writers[i], &status, 0) == writers[i] && status == 0 && is_good;
    }
    munmap(c->journals, c->writers * sizeof *c->journals);
    return is_good;
}

/* `moved`: highest number of a moved file. `fragments_max`: how many lines may be there in part besides: a kill can
 * cut a write between two pages, and who comes next ends that line before the successor can continue it. */
static bool crowd_lines_are_there(const struct crowd *c, bool is_ordered, unsigned moved, unsigned fragments_max)
{
    struct line_count count;
    line_count_begin(&count, c->writers, c->lines, is_ordered);
    for (unsigned i = 0; i < moved; i++)
        line_count_file(&count, files_path("moved", i + 1));
    line_count_chain(&count, c->backup_count);
    if (count.bad <= fragments_max)
        count.bad = 0;
    return line_count_is_complete(&count);
}

static void processes_appending_at_once_keep_all_lines_whole_and_in_order(void)
{
    static const struct crowd crowds[] = {
        {.writers = 2, .lines = 10000, .max_bytes = 32768, .backup_count = 40},
        {.writers = 4, .lines = 10000, .max_bytes = 65536, .backup_count = 60},
        {.writers = 4, .lines = 100, .max_bytes = 100, .backup_count = 450}, /* a rotation for nearly every line */
    };
    for (size_t i = 0; i < sizeof crowds / sizeof crowds[0]; i++) {
        struct crowd c = crowds[i];
        files_begin();
        CHECK(crowd_writes(&c));
        CHECK(files_exist(log_path(2)));
        CHECK(!files_exist(log_path(c.backup_count))); /* none was dropped */
        CHECK(crowd_lines_are_there(&c, true, 0, 0));
        for (unsigned k = 1; files_exist(log_path(k)); k++) {
            struct stat st;
            CHECK_INT(stat(log_path(k), &st), 0);
            CHECK(st.st_size > 0 && (uint64_t)st.st_size < c.max_bytes);
        }
    }
}

static void processes_appending_while_the_log_is_moved_lose_nothing(void)
{
    enum { MOVES_MAX = 1000 };
    struct crowd c = {.writers = 3, .lines = 5000, .max_bytes = 2000, .backup_count = 400, .moves_max = MOVES_MAX};
    files_begin();
    CHECK(crowd_writes(&c));
    CHECK(files_exist(files_path("moved", 1)));
    CHECK(files_exist(files_path("moved", MOVES_MAX + 1)));
    unsigned backups = 0; /* moves can leave holes among them */
    for (unsigned i = 1; i <= c.backup_count; i++)
        backups += files_exist(log_path(i));
    CHECK(backups > 0);
    CHECK(crowd_lines_are_there(&c, false, c.writers * MOVES_MAX, 0));
}

static void processes_killed_and_started_again_write_each_line_once(void)
{
    struct crowd c = {.writers = 3, .lines = 50000, .max_bytes = 1 << 18, .backup_count = 60};
    pid_t writers[3];
    unsigned running = c.writers, kills = 0;
    uint64_t seed = 7;
    files_begin();
    c.journals = map_shared(c.writers * sizeof *c.journals);
    for (unsigned i = 0; i < c.writers; i++)
        writers[i] = start_writer(&c, i);
    while (running > 0) {
        int status;
        unsigned victim = (unsigned)(test_random(&seed) % c.writers);
        usleep((unsigned)(200 + test_random(&seed) % 500));
        if (writers[victim] == 0)
            continue;
        kill(writers[victim], SIGKILL);
        waitpid(writers[victim], &status, 0);
        running -= status == 0;
        kills += status != 0;
        writers[victim] = status == 0 ? 0 : start_writer(&c, victim);
    }
    munmap(c.journals, c.writers * sizeof *c.journals);
    printf("# %u kills\n", kills);
    CHECK(kills > 0);
    CHECK(crowd_lines_are_there(&c, true, 0, kills));
}

TEST_MAIN(TEST_CASE(append_killed_at_any_call_is_finished_by_a_successor),
          TEST_CASE(append_failing_at_any_call_goes_on_when_called_again),
          TEST_CASE(append_interrupted_or_delayed_needs_no_second_call),
          TEST_CASE(write_all_taken_in_halves_writes_all),
          TEST_CASE(append_whose_log_is_replaced_meanwhile_does_not_rotate_the_other),
          TEST_CASE(open_without_locks_is_refused),
          TEST_CASE(append_to_a_file_always_taken_away_gives_up),
          TEST_CASE(processes_appending_at_once_keep_all_lines_whole_and_in_order),
          TEST_CASE(processes_appending_while_the_log_is_moved_lose_nothing),
          TEST_CASE(processes_killed_and_started_again_write_each_line_once))
