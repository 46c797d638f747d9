/* SPDX-License-Identifier: Unlicense
 *
 * Joining a session that exists, or that existed and is created again under its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/os.h"
#include "session/member.h"
#include "session/session.h"
#include "session/spawn.h"
#include "shm/control.h"
#include "shm/dir.h"

/* Each turn of joining and creating means that somebody else has removed or published the session in between, or
 * deleted what was being built. */
#define TURNS_MAX 50
#define NS_PER_MS UINT64_C(1000000)

int mpl_session_join(struct mpl_entry *e)
{
    struct mpl_session *s = e->session;
    int dir_fd = mpl_dir_open(s->dir);
    if (dir_fd < 0)
        return dir_fd;
    s->control_fd = mpl_control_open(dir_fd);
    int error = s->control_fd < 0 ? s->control_fd : 0;
    if (!error) {
        error = mpl_control_identify(s->control_fd, &s->control_dev, &s->control_ino);
        error = error ? error : mpl_member_enter(e, dir_fd);
        if (error && error != -ESHUTDOWN) {
            close(s->control_fd);
            s->control_fd = -1;
        }
    }
    close(dir_fd);
    if (!error && !mpl_control_has_collector(s->control_fd))
        mpl_session_start_collector(s, MPL_START_ONLY); /* its collector has died; a failure shows at the next need */
    return error;
}

void mpl_session_abandon(struct mpl_entry *e)
{
    mpl_member_withdraw(e);
    if (mpl_os_fd_is(e->session->control_fd, e->session->control_dev, e->session->control_ino))
        close(e->session->control_fd);
    e->session->control_fd = -1;
}

/* The session at this name is over, but its directory is still there: its collector is about to remove it, or was
 * killed on the way. Whoever gets the lock of that control file may finish the removal. */
static void clear_the_name(struct mpl_session *s)
{
    if (mpl_control_lock(s->control_fd))
        mpl_dir_retire(s->dir, s->control_dev, s->control_ino);
    else
        mpl_os_sleep_ns(NS_PER_MS);
    close(s->control_fd);
    s->control_fd = -1;
}

/* Whoever wrote MPLOG_SESSION may have had no helper, or named none; this process may have one all the same. */
static int find_helper(struct mpl_session *s)
{
    static char path[1024]; /* under the process's lock */
    if (s->options.o.helper || mpl_spawn_find_helper(NULL, path, sizeof path) < 0)
        return 0;
    s->options.o.helper = path;
    return mpl_session_write_text(s);
}

static int create_again(struct mpl_entry *e)
{
    const char *id = strrchr(e->session->dir, '/');
    char copy[MPL_ID_DIGITS + 1];
    if (!id || strlen(id + 1) != MPL_ID_DIGITS)
        return mpl_fail(EINVAL, "session directory %s: is not one", e->session->dir);
    memcpy(copy, id + 1, sizeof copy);
    int error = find_helper(e->session);
    error = error ? error : mpl_session_create(e, copy);
    if (error)
        return error;
    error = mpl_session_start_collector(e->session, MPL_START_ONLY);
    if (error)
        mpl_session_abandon(e);
    return error;
}

int mpl_session_join_or_create(struct mpl_entry *e)
{
    int error = -ENOENT;
    for (int turn = 0; turn < TURNS_MAX; turn++) {
        error = mpl_session_join(e);
        if (error == -ESHUTDOWN)
            clear_the_name(e->session);
        else if (error != -ENOENT)
            return error;
        error = create_again(e);
        if (error != -EEXIST && error != -ENOENT)
            return error;
        if (error == -EEXIST)
            mpl_dir_delete_remains(e->session->dir); /* a segment was added while the directory was being deleted */
    }
    return error;
}
