/* SPDX-License-Identifier: Unlicense
 *
 * A session whose files an input changes before and while a collector works on them. The files are those of a real
 * session: one member (this process) with two rings, records of all kinds of which a first collector has written some,
 * a log file, and a stream. What it is left with at the end of an input is checked, and then everything is as before.
 *
 * Commands, one a line; numbers decimal or 0x..., or log-dev, log-ino, log-size, pid, stamp:
 *
 *     <field> <number>              see the table in stage.c, for example: ring0.write_pos 13
 *     bytes <file> <offset> <hex>   files: control segment batch next stream sink0 sink1 options
 *     text <file> <text>            the whole file; log_file=@; dev=@; ino=@; stand for those of the session
 *     truncate <file> <bytes>       shorter or longer
 *     remove <file>
 *     fifo <file>                   a FIFO in the place of the file
 *     link <file>                   a symbolic link to the log there
 *     beside <name>                 another folder beside the session's, made long ago
 *     within <name>                 another file in the session's folder
 *     put <hex>                     published in ring 0, as its producer would
 *     message <text>                a TEXT record there
 *     log <text>                    somebody else writes into the log file
 *     rotate                        somebody else moves it away
 *     pass                          a pass of the collector; a new collector if there is none
 *     takeover                      the collector dies; another follows
 *     turn                          lines go into the other batch, as while one is written by a thread
 *     lives                         the collector looks who lives
 *     report                        as mplog stat
 *     recover                       all members die, and mplog recover finds the session
 */
#ifndef FUZZ_STAGE_H
#define FUZZ_STAGE_H

#include <stdbool.h>

#include "base/text.h"

/* Everything as it was when the first collector had died. */
void stage_begin(void);

void stage_run(struct mpl_str commands);

/* Another collector, in place of the last. False: the control file does not let it. */
bool stage_take_over(void);

/* Lets the collector come to rest and all members leave, and checks that both happens, that nothing was written but the
 * log file and its backups, and that what was in the log file still is. */
void stage_end(void);

#endif
