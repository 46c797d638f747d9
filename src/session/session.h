/* SPDX-License-Identifier: Unlicense
 *
 * A session as its members see it: creating one, joining one, leaving it, and keeping it served by a collector. See
 * docs/design.md, "The life of a session". Everything under the process's lock unless it says otherwise.
 */
#ifndef MPL_SESSION_SESSION_H
#define MPL_SESSION_SESSION_H

#include "config/options.h"
#include "shm/dir.h"
#include "shm/segment.h"

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
};

/* What is built or joined before the process switches over to it. */
struct mpl_entry {
    struct mpl_session *session;
    struct mpl_segment_writer segment;
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

/* Finds the session this process belongs to by birth: MPLOG_SESSION, else the parents. Fills in dir, text and options.
 */
bool mpl_session_find(struct mpl_session *s);

/* MPLOG_SESSION for children that exec. */
void mpl_session_export(struct mpl_session *s);
void mpl_session_unexport(struct mpl_session *s);

/* Fills in s->text from s->options, or s->options from s->text. 0 or -errno with a sentence. */
int mpl_session_write_text(struct mpl_session *s);
int mpl_session_read_text(struct mpl_session *s);

/* ---- the collector of a session ---- */

enum mpl_start {
    MPL_START_AND_WAIT, /* returns when the collector serves the session */
    MPL_START_ONLY,     /* returns at once; at most one process of the session tries at a time */
    MPL_START_NOW,      /* returns at once */
};

/* Starts a collector if there is none and the session is not over: the helper, or a thread of this process. 0 or -errno
 * with a sentence. Any thread; needs no lock as long as *s stays as it is. */
int mpl_session_start_collector(struct mpl_session *s, enum mpl_start how);

/* Starts a collector, as `o` says what kind, for a session that is over and was left behind at `dir`. Returns at once:
 * 0 or -errno with a sentence. */
int mpl_session_start_recovery(const char *dir, const struct mpl_options *o);

/* ---- the public calls (setup.c); each takes the process's lock itself ---- */

int mpl_session_setup(const struct mplog_options *o);
void mpl_session_shutdown(void);
int mpl_session_flush(int timeout_ms);
bool mpl_session_is_setup(void);
int mpl_session_set_level(const char *name, int level);

#endif
