/* SPDX-License-Identifier: Unlicense
 *
 * How a process finds the session it was born into: MPLOG_SESSION names directory and options; where the environment
 * was replaced, the parents are asked: a member has the session's control file mapped, and /proc shows its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/os.h"
#include "session/session.h"
#include "shm/control.h"

#define VARIABLE "MPLOG_SESSION"
#define GENERATIONS_MAX 64 /* parents asked: shells in shells, supervisors; a bound, not a limit anybody meets */

int mpl_session_write_text(struct mpl_session *s)
{
    struct mpl_text t = {s->text, 0, sizeof s->text};
    mpl_options_write(&s->options.o, &t);
    mpl_text_cstr(&t);
    return mpl_text_fits(&t) && t.len < t.cap ? 0 : mpl_fail(EINVAL, "options: are too long");
}

int mpl_session_read_text(struct mpl_session *s) { return mpl_options_read(&s->options, mpl_str_from(s->text)); }

void mpl_session_export(struct mpl_session *s)
{
    static char value[MPL_SESSION_TEXT_MAX + 3 * MPL_DIR_MAX]; /* under the process's lock */
    struct mpl_text t = {value, 0, sizeof value};
    mpl_options_write_pair(&t, "dir", s->dir);
    mpl_text_str(&t, mpl_str_from(s->text));
    s->is_exported = mpl_text_fits(&t) && setenv(VARIABLE, mpl_text_cstr(&t), 1) == 0;
}

void mpl_session_unexport(struct mpl_session *s)
{
    char dir[MPL_DIR_MAX];
    const char *value = getenv(VARIABLE);
    if (s->is_exported && value && mpl_options_find(mpl_str_from(value), "dir", dir, sizeof dir) &&
        strcmp(dir, s->dir) == 0)
        unsetenv(VARIABLE);
    s->is_exported = false;
}

/* Why MPLOG_SESSION is not followed; under the process's lock. */
static struct {
    char reason[MPL_ERROR_MAX];
    bool is_told;
} refusal;

bool mpl_session_refuse(const char *reason)
{
    struct mpl_text t = {refusal.reason, 0, sizeof refusal.reason};
    mpl_text_str(&t, mpl_str_from(reason));
    mpl_text_cstr(&t);
    return false;
}

const char *mpl_session_take_refusal(void)
{
    if (!refusal.reason[0] || refusal.is_told)
        return NULL;
    refusal.is_told = true;
    return refusal.reason;
}

enum owner { NOBODY, THIS_USER, ANOTHER_USER };

/* <something>/mplog-<uid>/<32 hex digits>: whose? NOBODY: it is no such path. */
static enum owner owner_of(struct mpl_str path)
{
    static const char prefix[] = "/mplog-";
    char ours[16];
    struct mpl_text t = {ours, 0, sizeof ours};
    mpl_text_u64(&t, geteuid());
    if (path.len < sizeof prefix + 1 + MPL_ID_DIGITS || path.len >= MPL_DIR_MAX || path.ptr[0] != '/')
        return NOBODY;
    const char *id = path.ptr + path.len - MPL_ID_DIGITS, *digits = id - 1;
    for (size_t i = 0; i < MPL_ID_DIGITS; i++) {
        if (!strchr("0123456789abcdef", id[i]))
            return NOBODY;
    }
    while (digits > path.ptr && digits[-1] >= '0' && digits[-1] <= '9')
        digits--;
    struct mpl_str uid = {digits, (size_t)(id - 1 - digits)};
    size_t before = (size_t)(digits - path.ptr), n = sizeof prefix - 1;
    if (id[-1] != '/' || uid.len == 0 || before < n || memcmp(digits - n, prefix, n) != 0)
        return NOBODY;
    return mpl_str_equal(uid, (struct mpl_str){ours, t.len}) ? THIS_USER : ANOTHER_USER;
}

static bool is_session_path(struct mpl_str path) { return owner_of(path) == THIS_USER; }

/* A session that is over is no reason for a word: its variable outlives it everywhere. */
static bool is_place_ours(const char *dir)
{
    struct stat st;
    switch (owner_of(mpl_str_from(dir))) {
    case THIS_USER: return true;
    case ANOTHER_USER:
        return lstat(dir, &st) < 0 && errno == ENOENT ? false
                                                      : mpl_session_refuse("it names a session of another user");
    default: return mpl_session_refuse("it is damaged, for what it names is not the directory of a session");
    }
}

static bool find_in_environment(struct mpl_session *s)
{
    const char *value = mpl_os_is_set_id() ? NULL : getenv(VARIABLE);
    if (!value || !value[0])
        return false;
    if (strlen(value) >= sizeof s->text || !mpl_options_find(mpl_str_from(value), "dir", s->dir, sizeof s->dir))
        return mpl_session_refuse("it is damaged, for it names no directory");
    if (!is_place_ours(s->dir))
        return false;
    return (mpl_options_read(&s->options, mpl_str_from(value)) == 0 && mpl_session_write_text(s) == 0) ||
           mpl_session_refuse(mpl_error_text());
}

/* The path of a mapped control file in one line of /proc/PID/maps. A deleted one does not count. */
static bool path_in_line(struct mpl_str line, char dir[MPL_DIR_MAX])
{
    static const char tail[] = "/control";
    const char *slash = memchr(line.ptr, '/', line.len);
    size_t len = slash ? line.len - (size_t)(slash - line.ptr) : 0;
    if (len < sizeof tail || memcmp(slash + len - (sizeof tail - 1), tail, sizeof tail - 1) != 0)
        return false;
    struct mpl_str path = {slash, len - (sizeof tail - 1)};
    if (!is_session_path(path))
        return false;
    memcpy(dir, path.ptr, path.len);
    dir[path.len] = '\0';
    return true;
}

static bool find_in_maps(int fd, char dir[MPL_DIR_MAX])
{
    static char buffer[16384]; /* under the process's lock; longer lines than this are no paths of ours */
    size_t have = 0;
    for (;;) {
        ssize_t n = read(fd, buffer + have, sizeof buffer - have);
        if (n <= 0)
            return false;
        have += (size_t)n;
        char *begin = buffer, *end;
        while ((end = memchr(begin, '\n', have - (size_t)(begin - buffer))) != NULL) {
            if (path_in_line((struct mpl_str){begin, (size_t)(end - begin)}, dir))
                return true;
            begin = end + 1;
        }
        have -= (size_t)(begin - buffer);
        if (have == sizeof buffer)
            have = 0;
        memmove(buffer, begin, have);
    }
}

static bool find_in_process(pid_t pid, char dir[MPL_DIR_MAX])
{
    char path[32];
    struct mpl_text t = {path, 0, sizeof path};
    mpl_text_str(&t, MPL_STR("/proc/"));
    mpl_text_u64(&t, (uint64_t)pid);
    mpl_text_str(&t, MPL_STR("/maps"));
    int fd = open(mpl_text_cstr(&t), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false; /* another user's, or hidden */
    bool is_found = find_in_maps(fd, dir);
    close(fd);
    return is_found;
}

/* The options of a session that exists. */
static bool read_options_file(struct mpl_session *s)
{
    int dir_fd = mpl_dir_open(s->dir);
    int fd = dir_fd < 0 ? -1 : mpl_dir_open_file(dir_fd, "options", O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, s->text, sizeof s->text - 1);
    if (fd >= 0)
        close(fd);
    if (dir_fd >= 0)
        close(dir_fd);
    s->text[n > 0 ? n : 0] = '\0';
    return n > 0 && mpl_session_read_text(s) == 0;
}

static bool find_at_parents(struct mpl_session *s)
{
    pid_t pid = mpl_os_is_set_id() ? 0 : getppid();
    for (int i = 0; i < GENERATIONS_MAX && pid > 1; i++) {
        if (find_in_process(pid, s->dir) && read_options_file(s))
            return true;
        pid = mpl_os_parent(pid);
    }
    return false;
}

bool mpl_session_find(struct mpl_session *s, bool asks_parents)
{
    if (find_in_environment(s) || (asks_parents && find_at_parents(s)))
        return true;
    s->dir[0] = '\0';
    return false;
}

int mpl_session_examine(const struct mpl_session *s)
{
    int dir_fd = mpl_dir_open(s->dir);
    if (dir_fd < 0)
        return dir_fd;
    int fd = mpl_control_open(dir_fd);
    close(dir_fd);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? fd : 0;
}
