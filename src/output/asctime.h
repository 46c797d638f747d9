/* SPDX-License-Identifier: Unlicense
 *
 * %(asctime)s: local time as logging.Formatter.formatTime writes it: "2026-11-22 10:00:00,123", or, with a date format,
 * what strftime makes of it. Local time is that of the process's TZ; right across changes of daylight saving, in both
 * directions, also when records come out of order.
 *
 * One cache per thread that renders: localtime is asked once per second of record time, not once per record, which
 * would take 48 + 125 ns.
 */
#ifndef MPL_OUTPUT_ASCTIME_H
#define MPL_OUTPUT_ASCTIME_H

#include "base/text.h"

#define MPL_DATE_FORMAT_MAX 256u /* bytes of a date format */
#define MPL_ASCTIME_MAX 1024u    /* bytes it may expand to; longer results are cut (beyond 64 KiB: the empty text) */

struct mpl_asctime {
    int64_t second;         /* of the text in `text`; INT64_MIN: none */
    int64_t millisecond_ns; /* of the default form: where that begins which `text` shows; INT64_MIN: none */
    size_t len;
    char text[MPL_ASCTIME_MAX];       /* of the default form, the milliseconds are filled in later */
    char format[MPL_DATE_FORMAT_MAX]; /* "" : the default form with milliseconds */
    void *time_locale;                /* locale_t for month and day names */
};

/* `date_format` NULL or "": the default form. `lc_time` NULL or "C": English names. 0; -EINVAL with a sentence:
 * date_format too long, or not UTF-8; -ENOMEM. An lc_time the machine lacks, or whose text is not UTF-8, counts as
 * "C". */
int mpl_asctime_init(struct mpl_asctime *a, const char *date_format, const char *lc_time);
void mpl_asctime_fini(struct mpl_asctime *a);

void mpl_asctime_append(struct mpl_asctime *a, struct mpl_text *out, int64_t created_ns);

/* The same into MPL_ASCTIME_LEN bytes of room, if it is the default form and another record of this millisecond has
 * been shown before this one, as a second's first and last hardly ever are. Returns the end; NULL: nothing is written.
 */
#define MPL_ASCTIME_LEN 23u /* of the default form in years of four digits */
static inline char *mpl_asctime_put_again(const struct mpl_asctime *a, char *to, int64_t created_ns)
{
    if ((uint64_t)created_ns - (uint64_t)a->millisecond_ns >= 1000000 || a->millisecond_ns == INT64_MIN)
        return NULL;
    memcpy(to, a->text, MPL_ASCTIME_LEN);
    return to + MPL_ASCTIME_LEN;
}

/* The same text as a view, valid until the next call. Not escaped. */
struct mpl_str mpl_asctime_text(struct mpl_asctime *a, int64_t created_ns);

/* The whole second that is shown for `created_ns`, and the milliseconds in it, 0..999. Python 3.13's rule: the last few
 * hundred nanoseconds of a second belong to the next one if the float `created` rounds to it. */
int64_t mpl_asctime_second(int64_t created_ns, unsigned *milliseconds);

#endif
