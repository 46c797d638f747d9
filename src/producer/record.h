/* SPDX-License-Identifier: Unlicense
 *
 * Between mpl_space_reserve and the next record: writing a record's head and publishing it.
 */
#ifndef MPL_PRODUCER_RECORD_H
#define MPL_PRODUCER_RECORD_H

#include <string.h>

#include "base/clock.h"
#include "producer/process.h"
#include "producer/producer.h"
#include "shm/codec.h"

/* Writes head and cut count; returns the body. */
static inline char *mpl_record_start(struct mpl_producer *p, uint32_t kind, uint64_t bytes, uint64_t ids,
                                     uint64_t cut_bytes)
{
    struct mpl_record_head head = {
        .kind_words = mpl_kind_words(kind | (cut_bytes ? MPL_RECORD_CUT : 0), bytes),
        .sinks = UINT32_MAX,
        .stamp = mpl_clock_stamp(mpl_process.clock_kind),
        .ids = ids,
    };
    memcpy(p->cur, &head, sizeof head);
    if (cut_bytes)
        memcpy(p->cur + bytes - sizeof cut_bytes, &cut_bytes, sizeof cut_bytes);
    return p->cur + sizeof head;
}

static inline void mpl_record_finish(struct mpl_producer *p, uint64_t bytes)
{
    struct mpl_record_head head;
    memcpy(&head, p->cur, sizeof head);
    mpl_producer_commit(p, bytes, head.stamp);
}

#endif
