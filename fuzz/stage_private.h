/* SPDX-License-Identifier: Unlicense
 *
 * Between stage_commands.c, which changes the files of a session, and who has that session: stage.c, fuzz_producer.c.
 */
#ifndef FUZZ_STAGE_PRIVATE_H
#define FUZZ_STAGE_PRIVATE_H

#include "stage.h"

enum stage_file { CONTROL, SEGMENT, BATCH, NEXT, STREAM, SINK0, SINK1, OPTIONS, FILE_COUNT };

/* As they are called in the session's directory. */
extern const char *const stage_names[FILE_COUNT];

/* The session's directory, the log file as it was at the beginning of the input, what the stream leads to. */
extern int stage_dir_fd, stage_log_fd, stage_err_fd;
extern const char *stage_log_path;

/* Where these begin in the segment. */
extern uint64_t stage_ring_offset[2], stage_def_offset;

#define STAGE_FILE_BYTES_MAX (2u << 20) /* what a command may make a file: rings and records of half of it fit */

int stage_open(enum stage_file f, int flags);

/* Bytes of a session file; nothing happens to what is no regular file. */
void stage_poke(enum stage_file f, uint64_t offset, const void *bytes, size_t n);
bool stage_peek(enum stage_file f, uint64_t offset, void *bytes, size_t n);

/* A pass of the collector that is in charge, or of a new one. False: there can be none. */
bool stage_pass(void);

/* The collector looks who lives. */
void stage_turn(void);
void stage_check_lives(void);

/* Names that are not ours, in the two folders. */
void stage_put_beside(struct mpl_str name);
void stage_put_within(struct mpl_str name);

/* What `mplog stat` would say, and what `mplog recover` does when all members have died. */
void stage_report(void);
void stage_recover(void);

#endif
