/* SPDX-License-Identifier: Unlicense
 *
 * Descriptor 2 of the host, for a line that it has not asked for. The host may have closed it, and what it has opened
 * since may be its database: only what was there at the beginning is written to, or a pipe or a terminal.
 */
#ifndef MPL_BASE_STDERR_H
#define MPL_BASE_STDERR_H

#include "base/text.h"

/* Descriptor 2 is the host's stderr now: at set-up. Until then, what it was when the library was loaded. */
void mpl_stderr_note(void);

/* A number for what descriptor 2 is, for who would not say the same twice; 0: nothing would be written there. */
uint32_t mpl_stderr_id(void);

/* Writes the line, if that is for its stderr; never waits for its reader, and raises no signal. A line that is longer
 * than a pipe takes at once may be cut. */
void mpl_stderr_say(struct mpl_str line);

#endif
