/* SPDX-License-Identifier: Unlicense
 *
 * Messages as a list of steps that need no decisions: what nearly all of them are. A format whose conversions hold
 * no surprises is compiled once into pieces of text and kinds of values; a record's message is then made
 * straight from its body. Whatever else there is (other conversions, text that must be escaped, damage) is refused, and
 * goes the long way over struct mpl_record, which decides about everything: what is made here is what is made there.
 *
 * No locks; one thread at a time per text that is appended to.
 */
#ifndef MPL_COLLECTOR_QUICK_H
#define MPL_COLLECTOR_QUICK_H

#include "base/cformat.h"
#include "output/pyformat.h"

struct mpl_quick;

/* What TEXT records are: one string. */
extern const struct mpl_quick *const mpl_quick_text;

/* Compiles; `format` is what was parsed and may be freed afterwards. NULL: the format must go the long way, or there is
 * no memory. To be freed with free(). */
struct mpl_quick *mpl_quick_of_c(const struct mpl_cformat *f, struct mpl_str format);
struct mpl_quick *mpl_quick_of_python(const struct mpl_pyformat *f, struct mpl_str format);

/* A record's body as shm/codec.h describes it, copied out of shared memory. */
struct mpl_quick_message {
    const struct mpl_quick *quick;
    const char *body;
    uint64_t body_bytes;
};

/* Appends the message, which is clean in every mode of escape. False, and out->len is as before: the long way. */
bool mpl_quick_append(const struct mpl_quick_message *m, struct mpl_text *out);

#endif
