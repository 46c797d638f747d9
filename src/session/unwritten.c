/* SPDX-License-Identifier: Unlicense */
#include "session/unwritten.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "base/stderr.h"
#include "producer/process.h"
#include "session/look.h"

#define NS_PER_S UINT64_C(1000000000)
#define TELL_AGAIN_S 10u

#define LINE_MAX_BYTES 4000u /* less than a pipe takes at once */

/* A file of the session that is not written. */
struct unwritten {
    struct mpl_look_sink sink;
    uint32_t error, others; /* error 0: not known; others: further files that fail */
    uint64_t waiting, lost;
    bool is_counted;
};

/* Of sink `index`; 0: it does not fail. */
static uint32_t failure_of(uint32_t index)
{
    const _Atomic uint32_t *failure = &mpl_process.control->head.failure[index];
    return atomic_load_explicit(failure, memory_order_relaxed); /* partner: publish_failure in collector/commit.c */
}

/* A pipe, or a terminal, that nobody reads from. */
static bool is_unread(const struct mpl_look_sink *s) { return s->kind && s->kind[0] == 'p' && s->waiting_bytes > 0; }

/* Of those that fail the first, else the one for which most records wait. */
static void find(const struct mpl_look *l, struct unwritten *u)
{
    struct mpl_look_sink *s = malloc(sizeof *s);
    bool is_found = false;
    for (uint32_t i = 0; s && i < l->sink_count; i++) {
        mpl_look_sink(l, i, s);
        uint32_t error = failure_of(i);
        u->others += error != 0 && u->error != 0;
        bool is_better = !is_found || (u->error == 0 && (error != 0 || s->waiting_records > u->sink.waiting_records));
        bool is_meant = s->kind[0] == 'f' || (s->kind[0] == 'p' && error != 0) || is_unread(s);
        if (!is_meant || !is_better)
            continue;
        is_found = true;
        u->sink = *s;
        u->error = error;
    }
    u->is_counted = s != NULL;
    u->waiting = u->sink.waiting_records + mpl_look_count_in_rings(l);
    u->lost = u->error ? u->sink.account.untold : 0;
    free(s);
}

static void describe(const struct unwritten *u, struct mpl_text *t)
{
    char reason[128];
    if (u->error == ETIMEDOUT) { /* as note_absence in collector/commit.c has it; the errno's text is about networks */
        mpl_text_printf(t, "%s: cannot be written: a write has not come back; ", u->sink.path);
    } else if (u->error) {
        mpl_text_printf(t, "%s: cannot be written: %s; ", u->sink.path,
                        mpl_errno_text((int)u->error, reason, sizeof reason));
    }
    if (u->error) {
        if (u->others)
            mpl_text_printf(t, "nor can %u other %s; ", u->others, u->others == 1 ? "file" : "files");
    } else if (is_unread(&u->sink)) {
        mpl_text_printf(t, "%s: %llu bytes wait for its reader; ", u->sink.path,
                        (unsigned long long)u->sink.waiting_bytes);
    } else if (u->sink.path[0]) {
        mpl_text_printf(t, "%s: is not written yet; ", u->sink.path);
    }
    if (u->lost)
        mpl_text_printf(t, "%llu %s lost; ", (unsigned long long)u->lost, u->lost == 1 ? "record is" : "records are");
    if (u->is_counted && u->waiting == 0 && (u->lost || is_unread(&u->sink)))
        t->len -= 2; /* no "; " */
    else if (u->is_counted)
        mpl_text_printf(t, "%llu %s", (unsigned long long)u->waiting,
                        u->waiting == 1 ? "record waits" : "records wait");
    else
        mpl_text_str(t, MPL_STR("how many records wait is not known"));
}

/* Without closing anything by which others know that this process lives. */
static void look(const struct mpl_session *s, struct unwritten *u)
{
    const struct mpl_segment_writer *w = mpl_process.segment;
    struct mpl_look l;
    struct mpl_look_own own = {
        .control_fd = mpl_os_fd_is(s->control_fd, s->control_dev, s->control_ino) ? s->control_fd : -1,
        .segment_fd = mpl_os_fd_is(w->fd, w->dev, w->ino) ? w->fd : -1,
        .slot = s->slot,
    };
    if (mpl_look_from_within(&l, s->dir, &own) == 0)
        find(&l, u);
    mpl_look_close(&l);
}

/* Where the session's files are gone: its main one is the first sink. */
static void guess(const struct mpl_session *s, struct unwritten *u)
{
    struct mpl_text path = {u->sink.path, 0, sizeof u->sink.path};
    mpl_text_str(&path, mpl_str_from(s->options.o.log_file));
    mpl_text_cstr(&path);
    u->error = path.len > 0 ? failure_of(0) : 0;
}

bool mpl_unwritten_describe(const struct mpl_session *s, struct mpl_text *t, bool *is_waiting)
{
    *is_waiting = true;
    struct unwritten *u = calloc(1, sizeof *u);
    if (!u) {
        mpl_text_str(t, MPL_STR("out of memory"));
        return true;
    }
    look(s, u);
    if (!u->is_counted)
        guess(s, u);
    describe(u, t);
    *is_waiting = !u->is_counted || u->waiting > 0;
    bool is_missing = *is_waiting || is_unread(&u->sink) || u->lost > 0;
    free(u);
    return is_missing;
}

/* Has nobody told it here a moment ago? */
static bool claim_telling(struct mpl_control *c)
{
    uint64_t told = atomic_load(&c->head.told), now_s = mpl_clock_monotonic_ns() / NS_PER_S & UINT32_MAX;
    uint32_t id = mpl_stderr_id();
    if (id == 0 || (told >> 32 == id && now_s - (told & UINT32_MAX) < TELL_AGAIN_S))
        return false;
    return atomic_compare_exchange_strong(&c->head.told, &told, (uint64_t)id << 32 | now_s);
}

void mpl_unwritten_tell(const struct mpl_session *s)
{
    char line[LINE_MAX_BYTES];
    struct mpl_text t = {line, 0, sizeof line};
    const char *ring_dir = s->options.o.ring_dir;
    mpl_text_str(&t, MPL_STR("mplog: "));
    bool is_waiting;
    if (!mpl_unwritten_describe(s, &t, &is_waiting) || !claim_telling(mpl_process.control))
        return;
    if (is_waiting)
        mpl_text_printf(&t, "; once that is possible, \"mplog recover%s%s\" or the next set-up on the file writes them",
                        ring_dir ? " " : "", ring_dir ? ring_dir : "");
    mpl_text_char(&t, '\n');
    t.len = t.len < t.cap ? t.len : t.cap;
    line[t.len - 1] = '\n';
    mpl_stderr_say((struct mpl_str){line, t.len});
}
