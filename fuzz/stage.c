/* SPDX-License-Identifier: Unlicense */
#include "stage_private.h"

#include <dirent.h>
#include <limits.h>
#include <pthread.h>

#include "base/os.h"
#include "collector/helper.h"
#include "fuzz.h"
#include "session/recover.h"
#include "session/report.h"
#include "session_by_hand.h"
#include "shm/codec.h"
#include "shm/slot.h"

/* The stream's data is not part of it: a hole of 1 MiB. */
static struct snapshot {
    char *bytes;
    size_t len, file_bytes;
} snapshots[FILE_COUNT];

int stage_dir_fd = -1, stage_log_fd = -1, stage_err_fd = -1;
const char *stage_log_path = hand_log;
static const struct mpl_candidates candidates = {&stage_err_fd, 1};
static const struct mpl_str log_begin = MPL_STR("begun by another\n");
uint64_t stage_ring_offset[2], stage_def_offset;

/* ---- files ---- */

static void take_snapshot(enum stage_file f)
{
    struct stat st;
    int fd = stage_open(f, O_RDONLY);
    FUZZ_CHECK(fd >= 0 && fstat(fd, &st) == 0);
    struct snapshot *s = &snapshots[f];
    s->file_bytes = (size_t)st.st_size;
    s->len = f == STREAM ? MPL_STREAM_HEAD_BYTES : s->file_bytes;
    s->bytes = malloc(s->len);
    FUZZ_CHECK(s->bytes && read(fd, s->bytes, s->len) == (ssize_t)s->len);
    close(fd);
}

static void restore(enum stage_file f)
{
    const struct snapshot *s = &snapshots[f];
    struct stat st;
    if (fstatat(stage_dir_fd, stage_names[f], &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
        unlinkat(stage_dir_fd, stage_names[f], 0);
    int fd = stage_open(f, O_RDWR | O_CREAT);
    FUZZ_CHECK(fd >= 0 && fstat(fd, &st) == 0);
    FUZZ_CHECK((size_t)st.st_size <= s->file_bytes || ftruncate(fd, (off_t)s->file_bytes) == 0);
    FUZZ_CHECK(pwrite(fd, s->bytes, s->len, 0) == (ssize_t)s->len);
    FUZZ_CHECK((size_t)st.st_size >= s->file_bytes || ftruncate(fd, (off_t)s->file_bytes) == 0);
    close(fd);
}

static bool is_log(const char *name) { return strncmp(name, "app.log", 7) == 0; }

static void remove_logs(void)
{
    DIR *d = opendir(hand_dir);
    FUZZ_CHECK(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (is_log(e->d_name))
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
}

static void begin_log(void)
{
    remove_logs();
    if (stage_log_fd >= 0)
        close(stage_log_fd);
    stage_log_fd = open(hand_log, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    FUZZ_CHECK(stage_log_fd >= 0 && write(stage_log_fd, log_begin.ptr, log_begin.len) == (ssize_t)log_begin.len);
}

/* ---- set-up ---- */

static void *log_from_thread(void *arg)
{
    (void)arg;
    mplog_set_thread_name("second");
    mplog_warning(mplog_get_logger("thread"), "from a thread: %s", "text");
    return NULL;
}

static void log_some(void)
{
    mplog_logger *log = mplog_get_logger("stage");
    struct mplog_record full = MPLOG_RECORD_INIT;
    full.message = "full";
    full.message_len = 4;
    full.path = "/a/b.c";
    full.exception_text = "Traceback";
    mplog_info(log, "deferred %d %s %5.2f", 1, "string", 2.5);
    mplog_error_errno(log, "with errno");
    mplog_log_text(log, MPLOG_WARNING, "text", 4);
    mplog_log_record(log, &full);
}

static struct mplog_options stage_options(void)
{
    struct mplog_options o = hand_options();
    o.log_to_stderr = true;
    o.format_string = NULL;
    o.max_bytes = 4096; /* rotates now and then */
    o.block_timeout_ms = 2;
    o.escape = "strict";
    return o;
}

#define STREAM_MORE_MS 4000

static void finish_streams(void)
{
    for (uint32_t i = 0; i < hand_collector.sink_count; i++) {
        struct mpl_sink *s = hand_collector.sink[i];
        if (!s->is_stream || !s->writer)
            continue;
        int error;
        mpl_stream_finish(s);
        /* On a busy machine its thread may not have had its turn within that second. */
        for (int ms = 0; ms < STREAM_MORE_MS && !mpl_stream_has_ended(s, &error); ms++)
            mpl_os_sleep_ns(1000000);
        /* The reader is a file, which is never slow: what is left to write is too much. */
        FUZZ_CHECK(mpl_stream_has_ended(s, &error));
    }
}

static void remove_all(void)
{
    char parent[MPL_DIR_MAX], path[sizeof hand_dir + 16];
    mpl_dir_delete(hand_session.dir);
    snprintf(parent, sizeof parent, "%s", hand_session.dir);
    *strrchr(parent, '/') = '\0';
    rmdir(parent);
    remove_logs();
    snprintf(path, sizeof path, "%s/err", hand_dir);
    unlink(path);
    rmdir(hand_dir);
}

static void find_offsets(void)
{
    const struct mpl_segment *head = (const void *)snapshots[SEGMENT].bytes;
    stage_def_offset = atomic_load(&head->first_def_offset);
    stage_ring_offset[0] = atomic_load(&head->first_ring_offset);
    const struct mpl_ring *ring = (const void *)(snapshots[SEGMENT].bytes + stage_ring_offset[0]);
    stage_ring_offset[1] = atomic_load(&ring->next_offset);
    FUZZ_CHECK(stage_ring_offset[1] > stage_ring_offset[0] && stage_ring_offset[1] < snapshots[SEGMENT].file_bytes);
}

/* A first collector writes the first records and dies; its successor has the others to write. */
static void create_session(void)
{
    struct mplog_options o = stage_options();
    pthread_t thread;
    hand_begin(&o);
    log_some();
    FUZZ_CHECK(pthread_create(&thread, NULL, log_from_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
    hand_pass();
    log_some();
    finish_streams();
    hand_kill_collector();
    stage_dir_fd = mpl_dir_open(hand_session.dir);
    FUZZ_CHECK(stage_dir_fd >= 0);
    for (enum stage_file f = 0; f < FILE_COUNT; f++)
        take_snapshot(f);
    find_offsets();
    FUZZ_CHECK(mpl_process_lock());
    mpl_member_leave(&hand_session, MPL_PROCESS_DETACHED);
    mpl_process_unlock();
    close(hand_session.control_fd);
}

static void set_up(void)
{
    char path[sizeof hand_dir + 16];
    if (stage_dir_fd >= 0)
        return;
    hand_directory();
    atexit(remove_all);
    snprintf(path, sizeof path, "%s/err", hand_dir);
    stage_err_fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    FUZZ_CHECK(stage_err_fd >= 0 && kept >= 0);
    dup2(stage_err_fd, STDERR_FILENO); /* the session's stderr */
    create_session();
    dup2(kept, STDERR_FILENO);
    close(kept);
    mpl_helper_survive();
}

/* A recovery that succeeds removes it, and its parent. */
static void restore_directory(void)
{
    char parent[MPL_DIR_MAX];
    struct stat st;
    if (lstat(hand_session.dir, &st) == 0)
        return;
    snprintf(parent, sizeof parent, "%s", hand_session.dir);
    *strrchr(parent, '/') = '\0';
    mkdir(parent, 0700);
    FUZZ_CHECK(mkdir(hand_session.dir, 0700) == 0);
    close(stage_dir_fd);
    stage_dir_fd = mpl_dir_open(hand_session.dir);
    FUZZ_CHECK(stage_dir_fd >= 0);
}

void stage_begin(void)
{
    set_up();
    restore_directory();
    for (enum stage_file f = 0; f < FILE_COUNT; f++)
        restore(f);
    FUZZ_CHECK(ftruncate(stage_err_fd, 0) == 0);
    begin_log();
}

/* ---- the collector ---- */

static void kill_collector(void)
{
    if (!hand_collector.control)
        return;
    finish_streams();
    hand_kill_collector();
}

bool stage_take_over(void)
{
    struct mpl_collector *c = &hand_collector;
    kill_collector();
    int fd = mpl_dir_open(hand_session.dir), control_fd = fd < 0 ? -1 : mpl_control_open(fd);
    if (control_fd >= 0 && mpl_collector_init(c, hand_session.dir, fd, control_fd, &candidates) == 0)
        return true;
    if (control_fd >= 0) {
        mpl_collector_fini(c);
        *c = (struct mpl_collector){0};
        close(control_fd);
    }
    if (fd >= 0)
        close(fd);
    c->control = NULL;
    return false;
}

/* As life.c asks before each pass. */
static bool is_ours(const struct mpl_collector *c)
{
    return c->control && !c->is_replaced && atomic_load(&c->control->head.takeovers) == c->takeover;
}

bool stage_pass(void)
{
    if (!is_ours(&hand_collector) && !stage_take_over())
        return false;
    hand_pass();
    return true;
}

void stage_turn(void)
{
    if (hand_collector.control && hand_collector.sink_count > 0 && !hand_collector.sink[0]->is_stream &&
        mpl_batch_is_open(hand_collector.sink[0]))
        mpl_batch_turn(hand_collector.sink[0]);
}

void stage_check_lives(void)
{
    if (hand_collector.control)
        mpl_members_check_lives(&hand_collector);
}

/* ---- names of others ---- */

#define OTHERS_MAX 8u

static char others[OTHERS_MAX][NAME_MAX + 1], others_parent[MPL_DIR_MAX];
static bool is_folder[OTHERS_MAX];
static unsigned others_count;

static const char *parent_path(void)
{
    snprintf(others_parent, sizeof others_parent, "%s", hand_session.dir);
    *strrchr(others_parent, '/') = '\0';
    return others_parent;
}

/* NULL: it cannot be one, or there are too many. */
static const char *add_other(struct mpl_str name)
{
    char *other = others[others_count];
    if (others_count == OTHERS_MAX || name.len == 0 || name.len > NAME_MAX || memchr(name.ptr, '/', name.len) ||
        memchr(name.ptr, '\0', name.len))
        return NULL;
    memcpy(other, name.ptr, name.len);
    other[name.len] = '\0';
    return other;
}

void stage_put_beside(struct mpl_str name)
{
    static const struct timespec long_ago[2] = {{1, 0}, {1, 0}};
    const char *other = add_other(name);
    int fd = other ? open(parent_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0 && mkdirat(fd, other, 0700) == 0) {
        utimensat(fd, other, long_ago, 0);
        is_folder[others_count++] = true;
    }
    if (fd >= 0)
        close(fd);
}

void stage_put_within(struct mpl_str name)
{
    const char *other = add_other(name);
    int fd = other ? openat(stage_dir_fd, other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) {
        close(fd);
        is_folder[others_count++] = false;
    }
}

/* Only what is called as sessions are, and has been left half-built or half-deleted, is swept away. */
static bool is_called_as_a_session(const char *name)
{
    size_t n = 0;
    while ((name[n] >= '0' && name[n] <= '9') || (name[n] >= 'a' && name[n] <= 'f'))
        n++;
    return n == MPL_ID_DIGITS && (name[n] == '\0' || name[n] == '.');
}

static void check_folders_of_others(void)
{
    int fd = open(parent_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (unsigned i = 0; i < others_count; i++)
        FUZZ_CHECK(!is_folder[i] || is_called_as_a_session(others[i]) || faccessat(fd, others[i], F_OK, 0) == 0);
    if (fd >= 0)
        close(fd);
}

static bool is_other(const char *name)
{
    for (unsigned i = 0; i < others_count; i++) {
        if (strcmp(name, others[i]) == 0)
            return true;
    }
    return false;
}

static void remove_others(void)
{
    int fd = open(parent_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (unsigned i = 0; i < others_count; i++) {
        unlinkat(stage_dir_fd, others[i], 0);
        if (fd >= 0)
            unlinkat(fd, others[i], AT_REMOVEDIR);
    }
    others_count = 0;
    if (fd >= 0)
        close(fd);
    rmdir(others_parent); /* what a recovery would have removed; fails while the session is there */
}

/* ---- from outside ---- */

static void read_texts(const char *text) { FUZZ_CHECK(!text || strlen(text) < 65536); }

static void check_report(void *arg, const struct mplog_session_report *r)
{
    (void)arg;
    read_texts(r->dir);
    read_texts(r->log_file);
    read_texts(r->state);
    read_texts(r->problem);
    for (size_t i = 0; i < r->member_count; i++) {
        read_texts(r->members[i].name);
        read_texts(r->members[i].state);
    }
    for (size_t i = 0; i < r->sink_count; i++)
        read_texts(r->sinks[i].name);
}

void stage_report(void) { mpl_report_all(hand_dir, NULL, check_report, NULL); }

static void check_recovery(void *arg, const struct mplog_recovery *what)
{
    (void)arg;
    read_texts(what->dir);
    read_texts(what->log_file);
    read_texts(what->reason);
}

static void let_members_die(void)
{
    uint64_t word;
    for (uint32_t i = 0; i < MPL_SLOTS_MAX; i++) {
        uint64_t at = offsetof(struct mpl_control, slot) + i * sizeof(struct mpl_slot);
        if (!stage_peek(CONTROL, at, &word, sizeof word))
            return;
        word |= UINT64_C(0x40000000) << 32; /* a pid that no process can have */
        if (mpl_slot_state(word) != MPL_SLOT_FREE)
            stage_poke(CONTROL, at, &word, sizeof word);
        else if (i > 8)
            return; /* inputs write further at times, but thousands of slots take milliseconds */
    }
}

void stage_recover(void)
{
    kill_collector();
    let_members_die();
    mpl_recover_all(hand_dir, true, check_recovery, NULL);
    mpl_recover_all(hand_dir, false, check_recovery, NULL);
    check_folders_of_others();
}

/* ---- the end ---- */

#define PASSES_MAX 60 /* what is damaged is found and told in a few; a file that fails is given up after 2 ms */

/* Passes until nothing is decided any more: twice, since a record with a stamp that is still to come waits for the
 * second pass that sees it. False: there can be no collector. */
static bool come_to_rest(void)
{
    unsigned quiet = 0;
    for (int i = 0; i < PASSES_MAX && quiet < 2; i++) {
        uint64_t batch_seq = hand_collector.batch_seq;
        bool was_ours = is_ours(&hand_collector);
        if (!stage_pass())
            return false;
        bool is_quiet = was_ours && batch_seq == hand_collector.batch_seq && !hand_collector.is_blocked;
        quiet = is_quiet ? quiet + 1 : 0;
        if (hand_collector.is_blocked)
            mpl_os_sleep_ns(500000);
    }
    FUZZ_CHECK(quiet == 2);
    return true;
}

static void let_members_leave(void)
{
    struct mpl_collector *c = &hand_collector;
    for (uint32_t i = 0; i < MPL_SLOTS_MAX; i++) {
        if (c->member[i])
            atomic_store(&c->control->slot[i].word, mpl_slot_word(0, MPL_SLOT_LEAVING, getpid()));
    }
    atomic_fetch_add(&c->control->head.news, 1);
}

static void check_log(void)
{
    char begin[64];
    FUZZ_CHECK(pread(stage_log_fd, begin, log_begin.len, 0) == (ssize_t)log_begin.len);
    FUZZ_CHECK(memcmp(begin, log_begin.ptr, log_begin.len) == 0);
}

static bool is_known(const char *name, const char *const *known, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, known[i]) == 0)
            return true;
    }
    return false;
}

static void check_folder(const char *path, const char *const *known, size_t count, bool has_logs)
{
    DIR *d = opendir(path);
    FUZZ_CHECK(d || errno == ENOENT); /* recovered */
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        FUZZ_CHECK(is_known(e->d_name, known, count) || is_other(e->d_name) || (has_logs && is_log(e->d_name)));
    if (d)
        closedir(d);
}

static void check_folders(void)
{
    char parent[MPL_DIR_MAX], *id;
    snprintf(parent, sizeof parent, "%s", hand_session.dir);
    id = strrchr(parent, '/');
    *id++ = '\0';
    const char *outside[] = {".", "..", "err", strrchr(parent, '/') + 1}, *below[] = {".", "..", id};
    const char *inside[2 + FILE_COUNT] = {".", ".."};
    memcpy(inside + 2, stage_names, sizeof stage_names);
    check_folder(hand_dir, outside, sizeof outside / sizeof outside[0], true);
    check_folder(parent, below, sizeof below / sizeof below[0], false);
    check_folder(hand_session.dir, inside, sizeof inside / sizeof inside[0], false);
}

void stage_end(void)
{
    struct mpl_collector *c = &hand_collector;
    if (come_to_rest()) {
        let_members_leave();
        if (come_to_rest())
            FUZZ_CHECK(c->alive_count == 0 && c->ending_count == 0);
    }
    kill_collector();
    check_log();
    check_folders();
    remove_others();
}
