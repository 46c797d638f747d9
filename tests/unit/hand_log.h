/* SPDX-License-Identifier: Unlicense
 *
 * What tests of a session by hand log with, and what they ask of its file.
 */
#ifndef UNIT_HAND_LOG_H
#define UNIT_HAND_LOG_H

#include "session_by_hand.h"

static inline mplog_logger *logger(void) { return mplog_get_logger("hand"); }

static inline struct mpl_producer *own(void) { return mpl_thread.producer; }

static inline bool log_is(const char *expected)
{
    size_t len;
    char *text = hand_read(&len);
    bool is_same = strcmp(text, expected) == 0;
    if (!is_same)
        printf("# the log is \"%.300s\"\n", text);
    free(text);
    return is_same;
}

#endif
