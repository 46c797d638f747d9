/* SPDX-License-Identifier: Unlicense */
#ifndef MPL_COLLECTOR_HELPER_H
#define MPL_COLLECTOR_HELPER_H

/* Before the directory: its processes have died and left records behind (life.h). */
#define MPL_HELPER_RECOVER "--recover"

/* The main of the helper process. argv[1]: directory of the session; then descriptors that its streams may lead to.
 * Returns the exit status: 0, 100 (usage), 111 (it could not begin). */
int mpl_helper_main(int argc, char **argv);

/* What a command needs that does the same work: local time as in the session at `dir`, and a process that survives
 * truncated files, readers that go away, and limits on the size of files. */
void mpl_helper_take_time_zone(const char *dir);
void mpl_helper_survive(void);

#endif
