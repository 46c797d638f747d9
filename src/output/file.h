/* SPDX-License-Identifier: Unlicense
 *
 * A file that several processes may append to and that rotates by size. Lines of a batch are appended under an OFD
 * lock on the open file; after locking, the file is checked to be still the one at the path. One thread at a time per
 * object.
 *
 * Rotation, as RotatingFileHandler names things: PATH, PATH.1 (youngest backup) .. PATH.N. Before a record when
 * size > 0 && size + line >= max_bytes (Python 3.13's rule), counted in bytes of the file; never in the middle of a
 * record. max_bytes 0, backup_count 0, or not a regular file: never. A file that cannot be moved to PATH.1 (a directory
 * stands in its way, the folder may not be written) grows on: lines are worth more than the rule.
 */
#ifndef MPL_OUTPUT_FILE_H
#define MPL_OUTPUT_FILE_H

#include <sys/stat.h>

#include "base/text.h"

enum mpl_fsync { MPL_FSYNC_NEVER = 0, MPL_FSYNC_INTERVAL = 1, MPL_FSYNC_ERROR = 2 };

struct mpl_file_options {
    const char *path; /* absolute; copied */
    uint64_t max_bytes;
    uint32_t backup_count;
    struct mpl_str bom;     /* written when the file is empty; a file of only this is empty too. Copied, <= 4 bytes */
    struct mpl_str newline; /* "\n" in the file's encoding; empty: one byte, 0x0a. Copied, <= 4 bytes */
    bool sync_when_left;    /* fdatasync a file before it is rotated or left: mpl_file_sync reaches only the open one */
};

struct mpl_file {
    char *path;
    int fd;            /* -1: not open */
    uint64_t dev, ino; /* of the open file */
    bool is_regular;
    uint32_t mode, uid, gid; /* of the open file, as stat(2) gives them: what its successor gets */
    bool is_locked;          /* while lines are appended */
    bool is_lock_stuck;      /* somebody held the lock for too long: it is not waited for until it is free again */
    uint64_t clean_size;     /* the size at which we left it with a whole line at its end; UINT64_MAX: look */
    uint64_t max_bytes;
    uint32_t backup_count;
    bool sync_when_left;
    bool is_name_unsynced;      /* its directory has not been synced since it was opened */
    int rotation_error;         /* of the last rotation; 0: it worked. The file has grown on */
    uint64_t rotation_retry_ns; /* CLOCK_MONOTONIC: not tried again before that */
    char bom[4], newline[4];
    size_t bom_len, newline_len;
};

/* Lines to be appended: bytes [0, len), of which record i ends at ends[i]; ends[count - 1] == len. */
struct mpl_lines {
    const char *data;
    uint64_t len;
    const uint32_t *ends;
    uint32_t count;
};

/* Told before and after each write, so that somebody else could finish it. Either may be NULL. */
struct mpl_file_journal {
    void *arg;
    /* bytes [from, until) are about to be written at `offset` of the regular file (dev, ino) */
    void (*begin_fn)(void *arg, uint64_t dev, uint64_t ino, uint64_t offset, uint64_t from, uint64_t until);
    /* all bytes before `until` are in the file; also after a write that failed, so that no intent is left in force */
    void (*done_fn)(void *arg, uint64_t until);
};

/* Opens for appending and creates with `create_mode` & ~umask if missing. No truncation. 0, or -errno with a sentence
 * that names the path. On failure nothing is left open. */
int mpl_file_open(struct mpl_file *f, const struct mpl_file_options *o, unsigned create_mode);

/* As mpl_file_open on an open descriptor, which it takes over, also on failure: for pipes and /dev/stdout, which
 * cannot be opened by name. Whatever it is, it counts as not regular: never locked, rotated or opened again; no BOM. */
int mpl_file_adopt(struct mpl_file *f, const struct mpl_file_options *o, int fd);

void mpl_file_close(struct mpl_file *f);

/* Empties a regular file under its lock; of others there is nothing to empty. 0 or -errno with a sentence. */
int mpl_file_truncate(struct mpl_file *f);

/* Waits for the lock for at most a second, then appends without it and without rotating: a reader that locks the file,
 * or a process that was stopped while it held the lock, must not stop the log. Lines stay whole: they are appended.
 *
 * Appends lines->data[*done ..]; *done moves with every write, so that after an error the call can be made again. A
 * part of a record that could not be finished is taken back, if nobody has written behind it and the file is locked;
 * else *done points into that record, and its part ends the file. If somebody wrote behind that part or rotated,
 * *done goes back to the start of the record, which is then whole, and the part stays where it is. Opens the file
 * again if it was moved or deleted (same mode and owner), rotates where the rule says so, writes the BOM into an
 * empty file, ends a line that somebody else left unfinished (with a newline that is not journaled but counts for the
 * size), continues short and interrupted writes. 0, or -errno (ENOSPC, EIO, EFBIG, EDQUOT, EROFS, ENOLCK, ESTALE:
 * moved away again and again ...) with a sentence. A rotation that failed is told by f->rotation_error and, after
 * success, by the sentence.
 */
int mpl_file_append(struct mpl_file *f, const struct mpl_lines *lines, uint64_t *done,
                    const struct mpl_file_journal *j);

/* After another process died in the middle of mpl_file_append: how many of the bytes data[from, until) it had
 * announced at `offset` of file (dev, ino) are in that file? Looks at PATH and at the backups. Compares bytes. If the
 * file ends inside the announced bytes, the caller goes on from there. If foreign text follows, only the whole lines
 * before it count: it may begin like ours by chance. */
uint64_t mpl_file_already_written(struct mpl_file *f, uint64_t dev, uint64_t ino, uint64_t offset, const char *data,
                                  uint64_t len);

/* How many bytes of data[0, len) stand at `offset` of an open file, and whether it ends behind them. -1: it cannot be
 * read. */
int64_t mpl_file_count_equal(int fd, uint64_t offset, const char *data, uint64_t len, bool *has_ended);

/* fdatasync, and fsync of the directory where the name is new; 0 or -errno with a sentence. EINVAL and EROFS (pipes,
 * terminals) count as success. */
int mpl_file_sync(struct mpl_file *f);

/* write(2) until everything is written or an error comes; EINTR continues, EAGAIN waits with poll(2). *written is the
 * count also on error. 0 or -errno. */
int mpl_write_all(int fd, const char *data, size_t len, size_t *written);

#endif
