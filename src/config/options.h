/* SPDX-License-Identifier: Unlicense
 *
 * Options: one table names every field of struct mplog_options, and everything that reads or writes options goes by it:
 * the environment, the command line, checking, and the text form in which they travel to the collector and to children.
 */
#ifndef MPL_CONFIG_OPTIONS_H
#define MPL_CONFIG_OPTIONS_H

#include <mplog.h>

#include "base/text.h"

/* Resolved options with the memory their strings lie in. About 13 KiB: static or heap, never on a stack. */
#define MPL_OPTIONS_TEXT_MAX 12288u

struct mpl_options {
    struct mplog_options o;
    uint32_t from_environment; /* by the table's order: options that a variable has set */
    size_t text_len;
    char text[MPL_OPTIONS_TEXT_MAX];
};

/* Sets one field from text; `name` as in struct mplog_options, '-' or '_' , any case. The value must outlive *o. 0;
 * -ENOENT: no such option; -EINVAL: not a value for it; with a sentence. */
int mpl_options_set(struct mplog_options *o, const char *name, const char *value);

/* Defaults, then `from` (NULL: nothing), then, if `use_environment`, MPLOG_<NAME> for each option; then everything is
 * checked, log_file becomes absolute, and all strings are copied. 0 or -errno with a sentence. */
int mpl_options_resolve(struct mpl_options *out, const struct mplog_options *from, bool use_environment);

/* `error` is what an attempt to use *o has come to, or 0. Where its sentence begins with the name of an option that the
 * environment has set, it is made to name the variable. Returns `error`. */
int mpl_options_blame(const struct mpl_options *o, int error);

/* What a variable that is no option says, true or false; not set: false. 0 or -EINVAL with a sentence. */
int mpl_options_flag(const char *variable, bool *is_set);

/* Text form: name=value, separated by ';', with %XX for what could be mistaken. Appends. */
void mpl_options_write(const struct mplog_options *o, struct mpl_text *out);

/* Reads the text form into *out, whose strings then lie in out->text. Unknown names are skipped. 0 or -EINVAL with a
 * sentence. */
int mpl_options_read(struct mpl_options *out, struct mpl_str text);

/* One value of a text of name=value; pairs, decoded into `buffer`; NULL: not there, or too long. For what is not an
 * option. */
const char *mpl_options_find(struct mpl_str text, const char *name, char *buffer, size_t size);
void mpl_options_write_pair(struct mpl_text *out, const char *name, const char *value);
void mpl_options_write_number(struct mpl_text *out, const char *name, uint64_t value);
uint64_t mpl_options_find_number(struct mpl_str text, const char *name);

/* Do both name the same log with the same treatment? Compares the resolved forms. */
bool mpl_options_equal(const struct mpl_options *a, const struct mpl_options *b);

#endif
