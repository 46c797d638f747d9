/* SPDX-License-Identifier: Unlicense */
#include "session/recover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "collector/helper.h"
#include "collector/life.h"
#include "collector/thread.h"
#include "session/look.h"
#include "shm/control.h"

#define NS_PER_MS UINT64_C(1000000)

/* A set-up waits this long for what a former session left: a hundred megabytes are written in that time. */
#define SETUP_WAIT_NS (2000 * NS_PER_MS)

/* Processes that were killed a moment ago may be on their way out still: for milliseconds, or on a machine that is busy
 * for some tens of them. */
#define DYING_WAIT_NS (200 * NS_PER_MS)

/* Sessions that one set-up looks after. Each crash leaves one, and the next set-up takes it. */
#define SETUP_SESSIONS_MAX 16u

struct stale {
    char dir[MPL_DIR_MAX];
    int64_t born_ns; /* time of day: sessions of one file are recovered in their order */
    bool has_file;
};

struct search {
    /* of a set-up; own NULL: everything */
    const struct mpl_session *own;
    const char *log_file;
    /* of a command; NULL: nobody wants to know */
    void (*tell_fn)(void *arg, const struct mplog_recovery *what);
    void *arg;
    bool is_dry_run;

    struct stale *found;
    size_t count, capacity, failures;
};

/* ---- finding ---- */

static void tell(struct search *s, const char *dir, const char *log_file, enum mplog_recovery_outcome outcome,
                 uint64_t records, const char *reason)
{
    struct mplog_recovery what = {dir, log_file, outcome, records, reason};
    s->failures += outcome == MPLOG_RECOVERY_FAILED;
    if (s->tell_fn)
        s->tell_fn(s->arg, &what);
}

static void add(struct search *s, const struct mpl_look *l, bool has_file)
{
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 4;
        struct stale *found = realloc(s->found, capacity * sizeof *found);
        if (!found)
            return; /* left for the next time */
        s->found = found;
        s->capacity = capacity;
    }
    struct stale *one = &s->found[s->count++];
    memcpy(one->dir, l->dir, sizeof one->dir);
    one->born_ns = l->control->head.wall_base_ns;
    one->has_file = has_file;
}

/* This process's own locks must not be given up by opening and closing its sessions. */
static bool is_own(const struct search *s, const char *path)
{
    char control[MPL_DIR_MAX + 16];
    struct stat st;
    struct mpl_text t = {control, 0, sizeof control};
    mpl_text_printf(&t, "%s/control", path);
    if (!s->own || lstat(control, &st) < 0)
        return false;
    return (st.st_dev == s->own->control_dev && st.st_ino == s->own->control_ino) ||
           mpl_collector_thread_serves(st.st_dev, st.st_ino);
}

/* A collector without members is just ending, or being killed with them; so are members without a collector, but for
 * the rare ones that go on until one of them needs one. */
static int wait_for_dying(struct mpl_look *l, const char *path)
{
    uint64_t deadline_ns = mpl_clock_monotonic_ns() + DYING_WAIT_NS;
    int error = 0;
    while (!error && l->has_collector != l->has_members && mpl_clock_monotonic_ns() < deadline_ns) {
        mpl_os_sleep_ns(NS_PER_MS);
        mpl_look_close(l);
        error = mpl_look_open(l, path);
        error = error ? error : mpl_look_read(l);
    }
    return error;
}

/* At set-up, those with a collector are looked into only if they write the file that is to be written now. */
static int look_into(struct search *s, struct mpl_look *l, const char *path, bool *is_wanted)
{
    int error = mpl_look_open(l, path);
    *is_wanted = !error && (!s->own || (s->log_file && strcmp(l->log_file, s->log_file) == 0));
    if (error || (l->has_collector && !*is_wanted))
        return error;
    error = mpl_look_read(l);
    *is_wanted = *is_wanted || (!error && s->log_file && mpl_look_writes_to(l, s->log_file));
    return error || !*is_wanted ? error : wait_for_dying(l, path);
}

static void consider_session(struct search *s, const char *path)
{
    struct mpl_look l;
    bool is_wanted;
    int error = look_into(s, &l, path, &is_wanted);
    bool is_stale = !error && l.is_stale, has_file = is_stale && mpl_look_writes_to(&l, NULL);
    if (is_stale && (is_wanted || !has_file))
        add(s, &l, has_file);
    if (error && error != -ENOENT && !l.has_collector)
        tell(s, path, l.log_file, MPLOG_RECOVERY_FAILED, 0, mpl_error_text());
    mpl_look_close(&l);
}

static void consider(void *arg, const char *path, enum mpl_dir_kind kind)
{
    struct search *s = arg;
    if (is_own(s, path))
        return;
    if (kind == MPL_DIR_SESSION) {
        consider_session(s, path);
        return;
    }
    if (!s->is_dry_run)
        mpl_dir_delete_leftover(path);
    tell(s, path, "", MPLOG_RECOVERY_SWEPT, 0, "");
}

static int by_birth(const void *a, const void *b)
{
    const struct stale *x = a, *y = b;
    return x->born_ns < y->born_ns ? -1 : x->born_ns > y->born_ns;
}

bool mpl_recover_place(unsigned i, const char *ring_dir, char parent[MPL_DIR_MAX])
{
    char other[MPL_DIR_MAX];
    struct stat st, other_st;
    if (!mpl_dir_candidate(i, ring_dir, parent))
        return false;
    bool is_new = mpl_dir_parent(parent) == 0 && lstat(parent, &st) == 0;
    for (unsigned k = 0; k < i && is_new; k++) {
        is_new = !mpl_dir_candidate(k, ring_dir, other) || mpl_dir_parent(other) < 0 || lstat(other, &other_st) < 0 ||
                 st.st_dev != other_st.st_dev || st.st_ino != other_st.st_ino;
    }
    if (!is_new)
        parent[0] = '\0';
    return true;
}

static int find(struct search *s, const char *ring_dir)
{
    char parent[MPL_DIR_MAX];
    int error = 0;
    for (unsigned i = 0; mpl_recover_place(i, ring_dir, parent); i++) {
        int result = parent[0] ? mpl_dir_each(parent, consider, s) : 0;
        error = error ? error : result;
    }
    if (s->count > 1)
        qsort(s->found, s->count, sizeof *s->found, by_birth);
    return error;
}

/* ---- at set-up ---- */

/* The helper removes the directory when everything is written. */
static void wait_until_gone(const char *dir, uint64_t deadline_ns)
{
    struct stat st;
    uint64_t pause_ns = NS_PER_MS / 4;
    while (lstat(dir, &st) == 0 && mpl_clock_monotonic_ns() < deadline_ns) {
        mpl_os_sleep_ns(pause_ns);
        pause_ns = pause_ns * 2 < 5 * NS_PER_MS ? pause_ns * 2 : 5 * NS_PER_MS;
    }
}

void mpl_recover_before(const char *log_file, const struct mpl_options *o, const struct mpl_session *own)
{
    struct search s = {.log_file = log_file, .own = own};
    uint64_t deadline_ns = mpl_clock_monotonic_ns() + SETUP_WAIT_NS;
    find(&s, o->o.ring_dir); /* what cannot be looked into is for `mplog recover` to complain about */
    for (size_t i = 0; i < s.count && i < SETUP_SESSIONS_MAX; i++) {
        if (mpl_session_start_recovery(s.found[i].dir, o) == 0 && s.found[i].has_file)
            wait_until_gone(s.found[i].dir, deadline_ns);
    }
    free(s.found);
}

/* ---- by command ---- */

/* A pipe, or a terminal, that takes nothing. A file that fails has said so itself. */
static bool describe_unread(const struct mpl_look *l, struct mpl_text *reason)
{
    struct mpl_look_sink *s = malloc(sizeof *s);
    bool is_unread = false;
    for (uint32_t i = 0; s && i < l->sink_count && !is_unread; i++) {
        mpl_look_sink(l, i, s);
        is_unread = strcmp(s->kind, "pipe") == 0 && s->waiting_bytes > 0;
    }
    if (is_unread)
        mpl_text_printf(reason, "%s: %llu bytes wait for its reader", s->path, (unsigned long long)s->waiting_bytes);
    free(s);
    return is_unread;
}

/* Why a session is still there that nothing kept from being served. */
static void explain(const char *dir, char text[MPL_ERROR_MAX])
{
    struct mpl_look l;
    struct mpl_text reason = {text, 0, MPL_ERROR_MAX};
    char failure[MPL_ERROR_MAX];
    strcpy(failure, mpl_error_text()); /* as long at most; looking may fail, too */
    bool is_known = mpl_look_open(&l, dir) == 0 && mpl_look_read(&l) == 0;
    if (is_known && l.has_members)
        mpl_text_str(&reason, MPL_STR("a process has joined it"));
    else if (!is_known || !describe_unread(&l, &reason))
        mpl_text_str(&reason, failure[0] ? mpl_str_from(failure) : MPL_STR("another process has taken it over"));
    mpl_text_cstr(&reason);
    mpl_look_close(&l);
}

static void recover(struct search *s, const struct stale *one, const char *log_file)
{
    struct mpl_candidates none = {NULL, 0};
    struct mpl_life_end end = {.written = 0};
    char reason[MPL_ERROR_MAX];
    _Atomic uint32_t must_stop = 1; /* as soon as somebody lives there after all */
    struct mpl_life life = {.dir = one->dir,
                            .candidates = &none,
                            .kind = MPL_COLLECTOR_HELPER,
                            .is_recovery = true,
                            .end = &end,
                            .must_stop = &must_stop};
    mpl_helper_take_time_zone(one->dir);
    mpl_error_clear();
    int error = mpl_life_run(&life);
    if (!error && !end.has_led)
        return; /* somebody else was faster */
    if (end.is_removed) {
        tell(s, one->dir, log_file, MPLOG_RECOVERY_DONE, end.written, "");
        return;
    }
    if (!error)
        explain(one->dir, reason);
    tell(s, one->dir, log_file, MPLOG_RECOVERY_FAILED, end.written, error ? mpl_error_text() : reason);
}

static void look_again(struct search *s, const struct stale *one)
{
    struct mpl_look l;
    if (mpl_look_open(&l, one->dir) == 0 && mpl_look_read(&l) == 0 && l.is_stale) {
        if (s->is_dry_run)
            tell(s, one->dir, l.log_file, MPLOG_RECOVERY_WAITS, mpl_look_count_waiting(&l), "");
        else
            recover(s, one, l.log_file);
    }
    mpl_look_close(&l);
}

/* One who was killed between the end of the last session and that of its folder has left it empty. */
static void delete_empty_places(const char *ring_dir)
{
    char parent[MPL_DIR_MAX];
    for (unsigned i = 0; mpl_recover_place(i, ring_dir, parent); i++) {
        if (parent[0])
            rmdir(parent); /* fails, as it should, while anything is in it */
    }
}

int mpl_recover_all(const char *ring_dir, bool is_dry_run,
                    void (*tell_fn)(void *arg, const struct mplog_recovery *what), void *arg)
{
    struct stat st;
    struct search s = {.tell_fn = tell_fn, .arg = arg, .is_dry_run = is_dry_run};
    if (ring_dir && stat(ring_dir, &st) < 0)
        return mpl_fail_errno(errno, "%s: cannot be looked into", ring_dir);
    mpl_helper_survive();
    int error = find(&s, ring_dir);
    for (size_t i = 0; i < s.count; i++)
        look_again(&s, &s.found[i]);
    if (!is_dry_run)
        delete_empty_places(ring_dir);
    free(s.found);
    return error ? error : (int)s.failures;
}
