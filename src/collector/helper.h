/* SPDX-License-Identifier: Unlicense */
#ifndef MPL_COLLECTOR_HELPER_H
#define MPL_COLLECTOR_HELPER_H

/* The main of the helper process. argv[1]: directory of the session; then descriptors that its streams may lead to.
 * Returns the exit status: 0, 100 (usage), 111 (it could not begin). */
int mpl_helper_main(int argc, char **argv);

/* From now on a mapped file that somebody truncates reads as zeros where it has ended, which is no record, instead of
 * ending this process. The whole process's: only for one that is ours. */
void mpl_helper_survive_truncation(void);

#endif
