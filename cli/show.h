/* SPDX-License-Identifier: Unlicense
 *
 * Text of others on stdout: names and paths that processes and directories bring along. What could drive a terminal,
 * and what is not UTF-8, is shown otherwise.
 */
#ifndef MPL_CLI_SHOW_H
#define MPL_CLI_SHOW_H

/* For people: such bytes as \xNN. Returns the number of characters, filled up with spaces to `width`. */
int mpl_show(const char *text, int width);

/* As a JSON string in quotes. Bytes that are not UTF-8 become U+FFFD. NULL gives null. */
void mpl_show_json(const char *text);

#endif
