/* SPDX-License-Identifier: Unlicense
 *
 * What the collector reads of a segment while its process goes on writing there: definitions.
 */
#include <fcntl.h>
#include <unistd.h>

#include "collector/view.h"
#include "harness.h"
#include "shm/segment.h"

static char directory[] = "/tmp/mplog-view-XXXXXX";
static int dir_fd;
static struct mpl_segment_writer writer;
static uint32_t last_id;

/* The reader looks at the definition with that id; then so many more are made. */
static uint32_t moment, more;

static bool define_next(void)
{
    struct mpl_def def = {.kind = MPL_DEF_SITE, .id = last_id + 1, .line = last_id + 1};
    if (mpl_segment_define(&writer, &def, MPL_STR("%d of %d"), MPL_STR("view.c"), MPL_STR("view")) < 0)
        return false;
    last_id++;
    return true;
}

uint32_t __real_mpl_defs_intern(struct mpl_defs *d, const struct mpl_def *def, struct mpl_str text, struct mpl_str file,
                                struct mpl_str function);
uint32_t __wrap_mpl_defs_intern(struct mpl_defs *d, const struct mpl_def *def, struct mpl_str text, struct mpl_str file,
                                struct mpl_str function);

uint32_t __wrap_mpl_defs_intern(struct mpl_defs *d, const struct mpl_def *def, struct mpl_str text, struct mpl_str file,
                                struct mpl_str function)
{
    uint32_t id = def->id;
    for (uint32_t i = id == moment ? more : 0; i > 0 && define_next(); i--)
        ;
    return __real_mpl_defs_intern(d, def, text, file, function);
}

/* How many of them there is none of, or another one; -1: it could not be tried. */
static long missing(uint32_t before, uint32_t at, uint32_t made_then)
{
    struct mpl_defs defs = {.count = 0};
    long count = 0;
    last_id = 0;
    moment = at;
    more = made_then;
    if (mpl_segment_create(&writer, directory, dir_fd, 1, 0) < 0)
        return -1;
    while (last_id < before && define_next())
        ;
    struct mpl_member_view *m = mpl_view_open(dir_fd, 1, 0, &defs);
    mpl_view_definition(m, before, MPL_DEF_SITE, dir_fd);
    for (uint32_t id = 1; id <= last_id; id++) {
        const struct mpl_def_view *v = mpl_view_definition(m, id, MPL_DEF_SITE, dir_fd);
        count += v == NULL || v->line != id;
    }
    mpl_view_close(m);
    mpl_defs_fini(&defs);
    mpl_segment_close(&writer);
    unlinkat(dir_fd, "seg1", 0);
    return last_id == before + made_then ? count : -1;
}

/* An extent may grow, and get a successor, after its end was looked at. */
static void definitions_made_while_others_are_read_are_found(void)
{
    CHECK(mkdtemp(directory));
    dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(dir_fd >= 0);
    for (uint32_t before = 1; before < 600; before += 7) {
        for (uint32_t at = 1; at <= before; at += 1 + before / 3)
            CHECK_INT(missing(before, at, 700), 0);
        CHECK_INT(missing(before, before, 1 + before % 5 * 100), 0);
    }
    close(dir_fd);
    CHECK_INT(rmdir(directory), 0);
}

TEST_MAIN(TEST_CASE(definitions_made_while_others_are_read_are_found))
