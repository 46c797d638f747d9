/* SPDX-License-Identifier: Unlicense
 *
 * The last resort: after shutdown, or where no session could be had, WARNING and above go to descriptor 2, the bare
 * message and a newline, as Python's logging.lastResort does.
 */
#ifndef MPL_PRODUCER_DIRECT_H
#define MPL_PRODUCER_DIRECT_H

#include <mplog.h>

#include "base/cformat.h"

void mpl_direct_text(int level, struct mpl_str message);

/* `error`: the errno of the call; `show_error`: it is named behind the message. */
void mpl_direct_format(int level, const struct mpl_cformat *f, struct mpl_str format, struct mpl_arg *args, int error,
                       bool show_error);

#endif
