/* SPDX-License-Identifier: Unlicense
 *
 * A sink: where lines go, how they look, and the buffer in shared memory they pass through. Regular files have a batch
 * (batch.c), everything else a stream (stream.c).
 */
#ifndef MPL_COLLECTOR_SINK_H
#define MPL_COLLECTOR_SINK_H

#include <pthread.h>

#include "base/error.h"
#include "output/encoding.h"
#include "output/file.h"
#include "output/pattern.h"
#include "shm/abi.h"
#include "shm/sinkfile.h"

/* Descriptors that may be what a stream was at set-up; told by device and inode. */
struct mpl_candidates {
    const int *fds;
    unsigned count;
};

/* What there is from the beginning: most lines, and those that tell of losses, need no memory that might be missing. */
#define MPL_LINE_BYTES_LEAST 4096u

/* One of the two batches of a file: lines are filled into one while the other is being written. What a successor needs
 * of it lies in `shared`. */
struct mpl_batch_view {
    struct mpl_batch *shared; /* NULL: not open */
    int fd;                   /* kept, should somebody delete the session's directory */
    uint64_t map_bytes, data_bytes;
    uint64_t begin;             /* position of the first byte in the buffer */
    uint64_t len;               /* bytes in the buffer: decided ones, and those that are being filled in */
    uint64_t decided_len, done; /* of these, what is decided, and what is in the file */
    uint32_t count, own_count, decided_count, decided_own_count, ends_allocated;
    uint64_t oldest_stamp;
    bool has_error_record;
    bool is_inherited; /* by a predecessor: some of it may be in the file already */
};

/* One going to the file: open it, write a batch, sync; and what came of it. */
struct mpl_work {
    struct mpl_batch_view *batch; /* NULL: none waits */
    uint64_t now_ns;              /* when it began */
    uint64_t seen_done, moved_ns; /* of the batch, while it is out; when that was seen to change: the main thread's */
    int error, sync_error;
    char reason[MPL_ERROR_MAX], sync_reason[MPL_ERROR_MAX]; /* of a rotation that failed, too */
};

/* What is told about a sink: notice.c. */
enum mpl_notice_kind {
    MPL_NOTICE_FAILS,
    MPL_NOTICE_GOES_ON,
    MPL_NOTICE_ROTATION,
    MPL_NOTICE_SYNC,
    MPL_NOTICE_END,
    MPL_NOTICE_KINDS
};

struct mpl_notice {
    uint32_t sinks; /* mask: those that do not have it yet */
    char text[512];
};

/* Is a file out, and who waits for it? */
enum mpl_out {
    MPL_NOT_OUT,
    MPL_OUT,
    MPL_OUT_WANTED, /* nothing gets on before it comes back */
    MPL_OUT_SLOW,   /* it has not come back for a while, and nobody waits any more: the other batch grows */
};

struct mpl_sink {
    uint32_t index;
    int32_t level;
    bool is_stream;
    bool is_alone; /* takes only records that name it */
    bool may_wait; /* where it has no room, nobody else could go on meanwhile: it is waited for */
    char name[64]; /* for lines about it: the path, shortened, or "stderr" */

    /* what a line looks like */
    char *format_string, *date_format;
    struct mpl_pattern *pattern;
    struct mpl_asctime asctime;
    enum mpl_escape escape;
    struct mpl_encoding *encoding;
    uint32_t like; /* index of the first sink whose lines look the same before encoding */
    char *line;    /* one line, for this sink and those that are `like` it; it lies here until it is taken */
    size_t line_cap;
    struct mpl_str rendered;
    char *encoded; /* one line in the encoding; only for other encodings than UTF-8 */
    size_t encoded_cap;
    struct mpl_str offered;

    struct mpl_sink_account *account; /* the collector's working copy */
    struct mpl_notice notice[MPL_NOTICE_KINDS];

    /* regular file */
    struct mpl_file file;
    struct mpl_file_options file_options; /* to open it again; its strings are copies of our own */
    char bom[4], newline[4];
    unsigned create_mode; /* of the file, if it has been deleted before we open it */
    struct mpl_batch_view batch[2];
    uint32_t filling;           /* the one of these that lines are filled into; the other one is older, or empty */
    uint64_t waiting_bytes_max; /* so many bytes may wait for a file that fails */
    uint64_t finished;          /* position: all before it is written, and synced as the option says */
    uint64_t mark;              /* position that written_until, of a stream streamed_until, waits for */
    enum mpl_fsync fsync;
    bool has_unsynced_error, needs_sync;
    uint64_t sync_due_ns;
    /* While it is out, the thread of writer.c has the file, the three fields above and the batch in its work. */
    enum mpl_out out;
    struct mpl_work work;
    struct mpl_file_writer *file_writer; /* NULL: not started */
    bool may_hang;   /* its file system waits for another machine or process: never written by the main thread */
    bool is_failing; /* the last write failed; the batch waits */
    bool has_told;   /* a line about it is posted for others; below: for this file, too */
    bool has_told_rotation, has_told_sync;
    bool is_given_up; /* it has failed for block_timeout_ms: nobody waits for it any more */
    int failure;      /* errno of that */
    uint64_t failing_since_ns, retry_ns, backoff_ns;

    /* stream */
    struct mpl_stream *stream;
    int stream_fd;               /* stream<N>: kept, should somebody delete the session's directory */
    uint64_t write_pos;          /* of what is being filled; in force is the writer's */
    uint64_t first_read_pos;     /* where the writer begins */
    uint64_t allocated_bytes;    /* of the data area */
    int fd;                      /* what the writer thread is to write to; -1: nowhere */
    uint64_t dev, ino;           /* what it must be */
    bool is_stderr, is_finished; /* is_finished: nobody is left who has it */
    bool is_end_noted;           /* what was not written when the writer ended is accounted for; the sink is down */
    struct mpl_stream_writer *writer;
};

enum mpl_append { MPL_APPENDED, MPL_APPEND_FULL, MPL_APPEND_WAIT, MPL_APPEND_LOST };

/* What is known of a line besides its text. */
struct mpl_line {
    int level;
    bool is_own; /* not a record that somebody logged */
    uint64_t stamp;
    uint32_t process;
};

/* Reads sink<index> and opens what it names. `account`: this sink's, as it was decided. `batch_seq`: what is decided; a
 * batch that a predecessor had decided and not finished is left pending. 0 or -errno with a sentence; then the sink
 * loses its records, and others go on. */
int mpl_sink_open(struct mpl_sink *s, int dir_fd, uint32_t index, struct mpl_sink_account *account, uint64_t batch_seq,
                  const struct mpl_candidates *candidates);
/* Frees it. False: a thread is stuck in a write and goes on using what it was given, the wake word among it, until the
 * process ends. */
bool mpl_sink_close(struct mpl_sink *s);

/* Opens the regular file if it is not open. 0 or -errno with a sentence. */
int mpl_sink_open_file(struct mpl_sink *s);

/* Is there room for a line (UTF-8, newline at its end)? MPL_APPEND_FULL: the batch must be decided and written first.
 * MPL_APPEND_WAIT: the stream's reader must catch up, or the file must work again. MPL_APPEND_LOST: this sink will not
 * take it. */
enum mpl_append mpl_sink_offer(struct mpl_sink *s, struct mpl_str line);

/* Memory for a line in UTF-8, which is good until the next line is taken or decided; where it can be, the very place it
 * belongs to. */
struct mpl_text mpl_sink_room(struct mpl_sink *s);

/* Appends the line that was offered last and found room. */
void mpl_sink_take(struct mpl_sink *s, const struct mpl_line *line);

/* Puts what is being filled under `tag`: it becomes fact when batch_seq is stored. */
void mpl_sink_prepare(struct mpl_sink *s, uint64_t tag);

/* After that: what was filled is on its way. */
void mpl_sink_decided(struct mpl_sink *s);

/* ---- batch.c ---- */

int mpl_batch_open(struct mpl_sink *s, int dir_fd, uint64_t batch_seq);
void mpl_batch_close(struct mpl_sink *s);
static inline bool mpl_batch_is_open(const struct mpl_sink *s) { return s->batch[1].shared != NULL; }
static inline struct mpl_batch_view *mpl_batch_filling(struct mpl_sink *s) { return &s->batch[s->filling]; }
enum mpl_append mpl_batch_offer(struct mpl_sink *s, uint64_t bytes);
struct mpl_text mpl_batch_room(const struct mpl_sink *s); /* cap 0: there is none */
void mpl_batch_take(struct mpl_sink *s, struct mpl_str bytes, const struct mpl_line *line);
uint32_t mpl_batch_ends_left(const struct mpl_sink *s); /* so many records at most */
/* `count` records were laid into that room, and their ends into mpl_batch_ends. */
void mpl_batch_taken(struct mpl_sink *s, uint32_t count, uint64_t bytes, bool has_error_record, uint64_t first_stamp);
void mpl_batch_prepare(struct mpl_sink *s, uint64_t tag);

/* Is there something decided that is not in the file yet, or on its way? */
bool mpl_batch_is_pending(const struct mpl_sink *s);

/* The batch that is to be written next, NULL: none. Not while one is out. */
struct mpl_batch_view *mpl_batch_next(struct mpl_sink *s);

/* Lines are filled into the other batch from now on. False: that one is not empty. */
bool mpl_batch_turn(struct mpl_sink *s);

/* Position of the first byte that waits; of the first that is not decided, if none does. Not while one is out. */
uint64_t mpl_batch_written(struct mpl_sink *s);

/* Position of the first byte that is not decided. */
uint64_t mpl_batch_decided(const struct mpl_sink *s);

/* How many records that is, lines of our own left out. */
uint64_t mpl_batch_waiting(const struct mpl_sink *s);

/* The file is open: of a batch that a predecessor has decided, finds out what it had written when it died. Once. */
void mpl_batch_resume(struct mpl_sink *s, struct mpl_batch_view *b);

/* Writes what is decided of it; the file is open. 0 or -errno with a sentence. */
int mpl_batch_write(struct mpl_sink *s, struct mpl_batch_view *b);

/* All that it holds is in the file: it is empty again. */
void mpl_batch_rewind(struct mpl_batch_view *b);

/* Gives back the memory that one huge line needed, or lines that waited. */
void mpl_batch_shrink(struct mpl_sink *s);

/* ---- writer.c ---- */

/* Is the open file on a file system that is served by another machine, or by a program? */
bool mpl_writer_may_hang(const struct mpl_sink *s);

/* Is something to be written or synced? `may_go_apart` as below. */
bool mpl_writer_is_due(struct mpl_sink *s, uint64_t now_ns, bool may_go_apart);

/* Does s->work, at once, or where `may_go_apart` and it is worth it or the file may hang, on a thread of its own; then
 * s->out. `wake_word` is how the main thread is woken when it comes back. */
void mpl_writer_begin(struct mpl_sink *s, uint64_t now_ns, bool may_go_apart, _Atomic uint32_t *wake_word);

/* What is out has come back: s->work tells. Waits for it for so long. */
bool mpl_writer_is_back(struct mpl_sink *s, uint64_t wait_ns);

/* Ends the thread; false: it is stuck, and goes on using the sink until the process ends. Waits for it only once. */
bool mpl_writer_stop(struct mpl_sink *s);

/* ---- stream.c ---- */

int mpl_stream_open(struct mpl_sink *s, int dir_fd, uint64_t batch_seq);
bool mpl_stream_close(struct mpl_sink *s); /* as mpl_sink_close */
enum mpl_append mpl_stream_offer(struct mpl_sink *s, uint64_t bytes);
void mpl_stream_take(struct mpl_sink *s, struct mpl_str bytes);
void mpl_stream_prepare(struct mpl_sink *s, uint64_t tag);
void mpl_stream_decided(struct mpl_sink *s);

/* All bytes before that position have been written, or there is nowhere to write them to, and that has been noted. */
bool mpl_stream_has_reached(const struct mpl_sink *s, uint64_t pos);

/* The same of all decided bytes. */
bool mpl_stream_is_drained(const struct mpl_sink *s);

/* The writer thread has ended, because of *error, or (0) because it was told to. */
bool mpl_stream_has_ended(const struct mpl_sink *s, int *error);

/* The writer has ended with an error: takes back what it has not written. Returns how many lines that is. */
uint64_t mpl_stream_take_back(struct mpl_sink *s);

/* The thread that writes wakes the main thread with its next progress. To be called before looking whether it is
 * needed. */
void mpl_stream_await(struct mpl_sink *s);

/* Starts the thread that writes to `fd`, which it takes over. `wake_word` is how the main thread is woken.
 * 0 or -errno. */
int mpl_stream_start(struct mpl_sink *s, int fd, _Atomic uint32_t *wake_word);

/* Forked child: closes its copies of what the writers of its parent write to, so that a reader sees the end of it when
 * the parent has ended. Async-signal-safe. */
void mpl_stream_close_in_child(void);

/* Nobody is left who could want to see more: what is there is written, for at most a second, and the descriptor closed.
 */
void mpl_stream_finish(struct mpl_sink *s);

/* Somebody else may be the collector soon, or is already: the thread ends, and leaves to that one what it has not
 * written. At most what it is just writing comes twice, if that takes longer than a second. */
void mpl_stream_stop(struct mpl_sink *s);

#endif
