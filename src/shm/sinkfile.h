/* SPDX-License-Identifier: Unlicense
 *
 * The files of a sink in the session's directory: batch<N> and next<N> for a regular file, stream<N> for stderr, a pipe
 * or a terminal.
 */
#ifndef MPL_SHM_SINKFILE_H
#define MPL_SHM_SINKFILE_H

#include "shm/abi.h"

#define MPL_SINKFILE_NAME_MAX 32u

/* 256 KiB of lines a write: 38 ns a line against 51 with 64 KiB and 32 with 1 MiB, and it stays in the cache. */
#define MPL_BATCH_DATA_BYTES (256u << 10)
#define MPL_BATCH_ENDS 8192u /* records of a batch: 32 bytes a line fill both at the same time */

/* A file that fails has its lines in the buffer, which then grows, at most to so many bytes and records. Of the ends,
 * pages are allocated as they are needed. */
#define MPL_BATCH_WAITING_BYTES_MAX (1u << 30)
#define MPL_BATCH_ENDS_MAX (1u << 18)

/* What a slow reader of stderr may lag behind before lines for it are dropped. Allocated as it is used. */
#define MPL_STREAM_DATA_BYTES (1u << 20)
#define MPL_STREAM_HEAD_BYTES MPL_PAGE_BYTES

_Static_assert(sizeof(struct mpl_batch) <= MPL_PAGE_BYTES, "the head of a batch has a page");
_Static_assert(sizeof(struct mpl_stream) <= MPL_STREAM_HEAD_BYTES, "the head of a stream has a page");

/* The copy in force of those that a batch keeps twice: 0, 1, or -1: there is none. */
int mpl_batch_in_force(const struct mpl_batch *b, uint64_t batch_seq);

/* How far it is written: its `done`, which is older than the batch until something of that is in the file. */
uint64_t mpl_batch_done(const struct mpl_batch *b, const struct mpl_batch_progress *p);

/* The two batches of a file: one is filled while the other is written. */
#define MPL_BATCH_KIND "batch"
#define MPL_BATCH_KIND_2 "next"

/* "sink3", "batch3", "next3", "stream3". */
void mpl_sinkfile_name(char name[MPL_SINKFILE_NAME_MAX], const char *kind, uint32_t index);

/* Creates empty ones, their bytes allocated (a stream's: only its head). 0 or -errno with a sentence. */
int mpl_sinkfile_create_batches(int dir_fd, uint32_t index);
int mpl_sinkfile_create_stream(int dir_fd, uint32_t index);

/* How many of the records that end at ends[] are not in the file when `done` bytes are. Lines of our own, `own_count`
 * of them, are taken to be the last ones: they tell what happened. */
uint64_t mpl_sinkfile_waiting(const uint32_t *ends, uint32_t count, uint32_t own_count, uint64_t done);

/* Where the bytes of a batch begin: ends_max is the same in all of this version. */
#define MPL_BATCH_DATA_OFFSET (MPL_PAGE_BYTES + MPL_BATCH_ENDS_MAX * 4u)

static inline uint32_t *mpl_batch_ends(struct mpl_batch *b) { return (uint32_t *)(void *)((char *)b + MPL_PAGE_BYTES); }
static inline char *mpl_batch_data(struct mpl_batch *b) { return (char *)b + MPL_BATCH_DATA_OFFSET; }

#endif
