/* SPDX-License-Identifier: Unlicense
 *
 * Options: the text form in which they travel, the environment, and one at a time.
 *
 *     text                     or   env                or   set
 *     <name=value;...>              <NAME=value>            <name> <value>
 *                                   ...                     ...
 */
#include "base/error.h"
#include "config/options.h"
#include "fuzz.h"

/* The end of the strings' memory is the end of the heap block. */
static struct mpl_options *create(void)
{
    struct mpl_options *o = malloc(sizeof *o);
    FUZZ_CHECK(o);
    return o;
}

/* What was accepted can be written and is the same when it is read again. */
static void check_round_trip(const struct mpl_options *o)
{
    size_t room = 4 * MPL_OPTIONS_TEXT_MAX;
    struct mpl_text t = {malloc(room), 0, room};
    struct mpl_options *again = create();
    FUZZ_CHECK(t.data);
    FUZZ_CHECK(o->text_len <= sizeof o->text);
    mpl_options_write(&o->o, &t);
    FUZZ_CHECK(mpl_text_fits(&t));
    FUZZ_CHECK(mpl_options_read(again, (struct mpl_str){t.data, t.len}) == 0);
    FUZZ_CHECK(mpl_options_equal(o, again) && mpl_options_equal(again, o));
    free(again);
    free(t.data);
}

static void check_failure(void) { FUZZ_CHECK(mpl_error_text()[0] != '\0'); }

static void read_text(struct mpl_str text)
{
    static const char *const names[] = {"kind", "lc_time", "tz", "dir", "log_file"};
    char *copy = fuzz_copy(text), found[128];
    struct mpl_str s = {copy, text.len};
    struct mpl_options *o = create();
    mpl_error_clear();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = mpl_options_find(s, names[i], found, sizeof found);
        FUZZ_CHECK(!value || strlen(value) < sizeof found);
    }
    mpl_options_find_number(s, "ino");
    if (mpl_options_read(o, s) == 0)
        check_round_trip(o);
    else
        check_failure();
    free(o);
    free(copy);
}

/* Variables of ours alone: what else the input names is not for the test to change. */
static void set_environment(struct mpl_str lines, bool is_set)
{
    while (lines.len > 0) {
        struct mpl_str value = fuzz_line(&lines), name = fuzz_until(&value, '=');
        char *name_text = fuzz_cstr(name), *value_text = fuzz_cstr(value);
        if (strncmp(name_text, "MPLOG_", 6) == 0) {
            if (is_set)
                setenv(name_text, value_text, 1);
            else
                unsetenv(name_text);
        }
        free(name_text);
        free(value_text);
    }
}

static void read_environment(struct mpl_str lines)
{
    struct mpl_options *o = create();
    mpl_error_clear();
    set_environment(lines, true);
    if (mpl_options_resolve(o, NULL, true) == 0) {
        FUZZ_CHECK(!o->o.log_file || o->o.log_file[0] == '/');
        FUZZ_CHECK(o->o.max_bytes >= 0 && o->o.backup_count >= 0 && o->o.block_timeout_ms >= 0);
        check_round_trip(o);
    } else {
        check_failure();
    }
    set_environment(lines, false);
    free(o);
}

static void set_each(struct mpl_str lines)
{
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    struct mpl_options *resolved = create();
    char *values[64], *name;
    size_t count = 0;
    for (; lines.len > 0 && count < 64; count++, free(name)) {
        struct mpl_str value = fuzz_line(&lines);
        name = fuzz_cstr(fuzz_word(&value));
        values[count] = fuzz_cstr(value);
        mpl_error_clear();
        if (mplog_options_set(&o, name, values[count]) < 0)
            check_failure();
    }
    if (mpl_options_resolve(resolved, &o, false) == 0)
        check_round_trip(resolved);
    free(resolved);
    while (count > 0)
        free(values[--count]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mpl_str rest = {(const char *)data, size}, way = fuzz_line(&rest);
    if (mpl_str_equal(way, MPL_STR("text")))
        read_text(rest);
    else if (mpl_str_equal(way, MPL_STR("env")))
        read_environment(rest);
    else if (mpl_str_equal(way, MPL_STR("set")))
        set_each(rest);
    return 0;
}
