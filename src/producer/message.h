/* SPDX-License-Identifier: Unlicense
 *
 * A message that is rendered during the call: for what has no place in a ring, or comes from elsewhere.
 */
#ifndef MPL_PRODUCER_MESSAGE_H
#define MPL_PRODUCER_MESSAGE_H

#include "base/cformat.h"

/* Most messages fit this much stack, of which signal handlers may have little; longer ones get pages of their own. */
#define MPL_MESSAGE_STACK_BYTES 256u

struct mpl_message {
    struct mpl_str text; /* a newline follows it, for those who write it to a descriptor */
    char stack[MPL_MESSAGE_STACK_BYTES];
    void *pages;
    size_t page_bytes;
};

/* Renders `format` as `f` tells with `args`, whose strings have their lengths; wide ones, {pointer, 0} as they come
 * from mpl_cformat_fetch, are turned into UTF-8, and must not be used again. `show_error`: ": <text> (errno N)"
 * follows. Cut at MPL_MESSAGE_MAX, or, out of memory, at what the stack holds. errno and locale stay as they are. */
void mpl_message_render(struct mpl_message *m, const struct mpl_cformat *f, struct mpl_str format, struct mpl_arg *args,
                        int error, bool show_error);

void mpl_message_free(struct mpl_message *m);

#endif
