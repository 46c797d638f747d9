/* SPDX-License-Identifier: Unlicense
 *
 * A session as its members see it: creating one, joining one, leaving it, and keeping it served by a collector. See
 * docs/design.md, "The life of a session". Everything under the process's lock unless it says otherwise.
 */
#ifndef MPL_SESSION_SESSION_H
#define MPL_SESSION_SESSION_H

#include "base/error.h"
#include "config/options.h"
#include "shm/dir.h"
#include "shm/segment.h"

struct mpl_file;

#define MPL_SESSION_TEXT_MAX (2 * MPL_OPTIONS_TEXT_MAX) /* options with everything in them escaped once */

struct mpl_session {
    char dir[MPL_DIR_MAX]; /* "": none known */
    struct mpl_options options;
    char text[MPL_SESSION_TEXT_MAX]; /* the options' text form, NUL-terminated */
    int control_fd;                  /* -1: not open. Checked by dev and ino before each use */
    uint64_t control_dev, control_ino;
    uint32_t slot;
    uint64_t slot_word;
    int pipe_fd;      /* log_file that is no regular file, open while the first collector starts; else -1 */
    bool is_creator;  /* this process set it up */
    bool is_exported; /* MPLOG_SESSION is ours */
    /* why it has no helper; "": it has one, or wants none. Of the process that set it up */
    char no_helper[MPL_ERROR_MAX];
    bool is_behind;            /* the last wait for its files was in vain: who leaves it says so */
    uint64_t vain_ms, vain_at; /* waited in vain since its files were that far (mpl_wake_progress) */
};

/* What is built or joined before the process switches over to it. */
struct mpl_entry {
    struct mpl_session *session;
    struct mpl_segment_writer segment;
    struct mpl_control *control; /* mapped until the process has switched over, which cannot fail then */
    struct mpl_file *to_empty;   /* before anybody else can join and log into it; NULL: none */
};

/* Builds a session from session->options under `id` (NULL: a new one), with this process as its first member, and
 * publishes it. 0; -EEXIST: somebody else has published this id; else -errno with a sentence. Nothing is left on
 * failure. */
int mpl_session_create(struct mpl_entry *e, const char *id);

/* Becomes a member of the session at session->dir. 0; -ENOENT: there is none; else -errno with a sentence. Waits while
 * the session is closing, at most 5 s. */
int mpl_session_join(struct mpl_entry *e);

/* Joins it, or creates it again under its name if it is gone. */
int mpl_session_join_or_create(struct mpl_entry *e);

/* Gives back what an entry holds that is not to be used: slot, segment, descriptor. */
void mpl_session_abandon(struct mpl_entry *e);

/* Finds the session this process belongs to by birth: MPLOG_SESSION, else, with `asks_parents`, theirs. Fills in dir,
 * text and options. */
bool mpl_session_find(struct mpl_session *s, bool asks_parents);

/* Is what s->dir names there, this user's, whole, and of this version? 0; -ENOENT: it is over; else -errno with a
 * sentence. For processes that are no members. */
int mpl_session_examine(const struct mpl_session *s);

/* Notes why MPLOG_SESSION is not followed, and returns false. */
bool mpl_session_refuse(const char *reason);

/* That reason, if it is to be told now: NULL: there is none, or it was taken before. */
const char *mpl_session_take_refusal(void);

/* MPLOG_SESSION for children that exec. */
void mpl_session_export(struct mpl_session *s);
void mpl_session_unexport(struct mpl_session *s);

/* Fills in s->text from s->options, or s->options from s->text. 0 or -errno with a sentence. */
int mpl_session_write_text(struct mpl_session *s);
int mpl_session_read_text(struct mpl_session *s);

/* ---- sinks (create.c, sinks.c) ---- */

/* Appends the contents of a sink's file: its kind, what `fd` (-1: nothing) is, and its options as text. 0 or -EINVAL.
 */
int mpl_sink_describe(struct mpl_text *out, const char *kind, int fd, const char *options);

/* sink<index> and the buffer its lines go through. 0 or -errno with a sentence. */
int mpl_sink_create(int dir_fd, uint32_t index, bool is_stream, struct mpl_str description);

/* Adds a sink for o->log_file to the session that s describes, or finds the one that is described alike. It stands
 * alone: only records that name it go there. *index: its bit in a record's mask. 0 or -errno with a sentence. */
int mpl_sinks_add(struct mpl_session *s, const struct mpl_options *options, uint32_t *index);

/* ---- the collector of a session ---- */

enum mpl_start {
    MPL_START_AND_WAIT, /* returns when the collector serves the session */
    MPL_START_ONLY,     /* returns at once; at most one process of the session tries at a time */
    MPL_START_HELPER,   /* the same, but no thread. Async-signal-safe */
    MPL_START_NOW,      /* returns at once */
};

/* Starts a collector if there is none and the session is not over: the helper, or a thread of this process, and
 * no_helper says why. 0 or -errno with a sentence. Any thread; needs no lock as long as *s stays as it is. */
int mpl_session_start_collector(struct mpl_session *s, enum mpl_start how);

/* Starts a collector, as `o` says what kind, for a session that is over and was left behind at `dir`. Returns at once:
 * 0 or -errno with a sentence. */
int mpl_session_start_recovery(const char *dir, const struct mpl_options *o);

/* ---- the public calls (setup.c); each takes the process's lock itself ---- */

int mpl_session_setup(const struct mplog_options *o);
void mpl_session_shutdown(void);
/* `is_over_fn` (NULL: nobody) is asked every 50 ms, without a lock; -EINTR, without a sentence, if it says so. */
int mpl_session_flush(int timeout_ms, bool (*is_over_fn)(void));
bool mpl_session_is_setup(void);
int mpl_session_set_level(const char *name, int level);

/* For bindings. */

/* A wait that others may follow, of which each does not know the next: for all of them together 5 s, as long as nothing
 * is written. For what an interpreter flushes when it ends. */
void mpl_session_flush_at_end(void);

/* What the end of the process does, if nobody has called it before: waits, at most 5 s, until what was logged is
 * written. For interpreters whose threads must not find the process alive for long after the interpreter has gone. */
void mpl_session_wait_at_exit(void);

/* Joins the session this process was born into, if it is still there; starts none. `asks_parents`: where the
 * environment names none, its ancestors are asked, which takes about 0.1 ms each. 0; -ENOENT: there is none. If there
 * is one that cannot be joined, mostly since it is over, mpl_session_is_setup is true after that, and the first record,
 * or a second call, does what the first record of any process does then. */
int mpl_session_join_only(bool asks_parents);

/* The options of the session, NULL: none. Valid until the next change of session. */
const struct mplog_options *mpl_session_options(void);

/* Adds a sink (mpl_sinks_add) to the session this process is a member of. */
int mpl_session_add_sink(const struct mplog_options *o, uint32_t *index);

#endif
