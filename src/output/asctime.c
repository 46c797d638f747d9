/* SPDX-License-Identifier: Unlicense */
#include "output/asctime.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "base/utf8.h"

#define NS_PER_SECOND 1000000000
#define NS_PER_MILLISECOND 1000000

/* Where Python's time.strftime gives up, too. Only padding gets there: glibc pads as far as it is told ("%9999Y"). */
#define EXPANSION_MAX (MPL_DATE_FORMAT_MAX * 256u)

/* The largest distance of nanoseconds to the double that Python keeps as `created` is below this for any int64_t. */
#define ROUNDING_NS 1000

int64_t mpl_asctime_second(int64_t created_ns, unsigned *milliseconds)
{
    int64_t second = created_ns / NS_PER_SECOND, rest_ns = created_ns % NS_PER_SECOND;
    if (rest_ns < 0) {
        rest_ns += NS_PER_SECOND;
        second--;
    }
    *milliseconds = (unsigned)(rest_ns / NS_PER_MILLISECOND);
    /* The float may have been rounded up to the next second, which then is the one Python shows. */
    if (rest_ns > NS_PER_SECOND - ROUNDING_NS && (double)created_ns / NS_PER_SECOND >= (double)(second + 1)) {
        *milliseconds = 0;
        second++;
    }
    return second;
}

static bool is_utf8(struct mpl_str s)
{
    uint32_t code;
    size_t n;
    for (size_t at = 0; at < s.len; at += n) {
        n = mpl_utf8_decode(s.ptr + at, s.len - at, &code);
        if (n == 0)
            return false;
    }
    return true;
}

/* The locale whose names are wanted, or NULL. Names in another encoding than that of all other text are of no use. */
static locale_t open_time_locale(const char *lc_time)
{
    if (!lc_time || strcmp(lc_time, "C") == 0)
        return (locale_t)0;
    locale_t locale = newlocale(LC_TIME_MASK | LC_CTYPE_MASK, lc_time, (locale_t)0);
    if (locale && strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") != 0) {
        freelocale(locale);
        locale = (locale_t)0;
    }
    return locale;
}

int mpl_asctime_init(struct mpl_asctime *a, const char *date_format, const char *lc_time)
{
    struct mpl_str format = mpl_str_from(date_format);
    if (format.len >= sizeof a->format)
        return mpl_fail(EINVAL, "date_format is longer than %zu bytes", sizeof a->format - 1);
    if (!is_utf8(format))
        return mpl_fail(EINVAL, "date_format is not valid UTF-8");
    *a = (struct mpl_asctime){.second = INT64_MIN, .millisecond_ns = INT64_MIN};
    memcpy(a->format, format.ptr, format.len);
    locale_t locale = open_time_locale(lc_time);
    if (!locale)
        locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!locale)
        return mpl_fail(ENOMEM, "no memory for a locale");
    a->time_locale = locale;
    /* localtime_r need not read TZ by itself. */
    tzset();
    return 0;
}

void mpl_asctime_fini(struct mpl_asctime *a)
{
    if (a->time_locale)
        freelocale((locale_t)a->time_locale);
    a->time_locale = NULL;
}

/* Into `text` of `size` bytes; returns the length, 0 if it does not fit. */
static size_t expand(const struct mpl_asctime *a, const char *format, const struct tm *tm, char *text, size_t size)
{
    return strftime_l(text, size, format, tm, (locale_t)a->time_locale);
}

static size_t cut_len(struct mpl_str s, size_t max)
{
    size_t n = s.len <= max ? s.len : max;
    while (n > 0 && n < s.len && ((unsigned char)s.ptr[n] & 0xc0) == 0x80)
        n--;
    return n;
}

/* What strftime cannot fit it does not cut but withholds: the text is made elsewhere and cut here. */
static void expand_long(struct mpl_asctime *a, const char *format, const struct tm *tm)
{
    char *text = malloc(EXPANSION_MAX);
    size_t n = text ? expand(a, format, tm, text, EXPANSION_MAX) : 0;
    if (n > 0) {
        a->len = cut_len((struct mpl_str){text + 1, n - 1}, sizeof a->text);
        memcpy(a->text, text + 1, a->len);
    }
    free(text);
}

/* The text of a->second by the date format. A space in front tells the empty text from one that does not fit. */
static void expand_format(struct mpl_asctime *a, const struct tm *tm)
{
    char format[1 + MPL_DATE_FORMAT_MAX], text[1 + MPL_ASCTIME_MAX];
    format[0] = ' ';
    memcpy(format + 1, a->format, sizeof a->format);
    size_t n = expand(a, format, tm, text, sizeof text);
    a->len = 0;
    if (n > 0) {
        a->len = n - 1;
        memcpy(a->text, text + 1, a->len);
    } else {
        expand_long(a, format, tm);
    }
}

static void show_second(struct mpl_asctime *a, int64_t second)
{
    struct tm tm;
    time_t time = (time_t)second;
    a->second = second;
    a->millisecond_ns = INT64_MIN;
    a->len = 0;
    /* A year that int cannot hold is the only error, and 64 bits of nanoseconds do not reach it. */
    if (!localtime_r(&time, &tm))
        return;
    if (a->format[0])
        expand_format(a, &tm);
    else
        a->len = expand(a, "%Y-%m-%d %H:%M:%S,000", &tm, a->text, sizeof a->text);
}

/* A text of three digits. */
static void write_milliseconds(char *digits, unsigned milliseconds)
{
    digits[0] = (char)('0' + milliseconds / 100);
    digits[1] = (char)('0' + milliseconds / 10 % 10);
    digits[2] = (char)('0' + milliseconds % 10);
}

/* Makes a->text that of the record but for the milliseconds, and returns these. */
static unsigned show_time(struct mpl_asctime *a, int64_t created_ns)
{
    unsigned milliseconds;
    /* Nearly always it is the second of the record before, which takes a subtraction to see instead of a division. */
    uint64_t rest_ns = (uint64_t)created_ns - (uint64_t)a->second * NS_PER_SECOND;
    if (a->second != INT64_MIN && rest_ns < NS_PER_SECOND - ROUNDING_NS)
        return (unsigned)rest_ns / NS_PER_MILLISECOND;
    int64_t second = mpl_asctime_second(created_ns, &milliseconds);
    if (second != a->second)
        show_second(a, second);
    return milliseconds;
}

/* Not where rounding may have led to another second. */
static void note_millisecond(struct mpl_asctime *a, int64_t created_ns, unsigned milliseconds)
{
    uint64_t begin = (uint64_t)a->second * NS_PER_SECOND + (uint64_t)milliseconds * NS_PER_MILLISECOND;
    bool is_within = (uint64_t)created_ns - begin < NS_PER_MILLISECOND;
    a->millisecond_ns = a->len == MPL_ASCTIME_LEN && is_within && milliseconds < 999 ? (int64_t)begin : INT64_MIN;
}

struct mpl_str mpl_asctime_text(struct mpl_asctime *a, int64_t created_ns)
{
    unsigned milliseconds = show_time(a, created_ns);
    if (!a->format[0] && a->len >= 3) {
        write_milliseconds(a->text + a->len - 3, milliseconds);
        note_millisecond(a, created_ns, milliseconds);
    }
    return (struct mpl_str){a->text, a->len};
}

void mpl_asctime_append(struct mpl_asctime *a, struct mpl_text *out, int64_t created_ns)
{
    bool has_room = out->len <= out->cap && out->cap - out->len >= MPL_ASCTIME_LEN;
    if (has_room && mpl_asctime_put_again(a, out->data + out->len, created_ns))
        out->len += MPL_ASCTIME_LEN;
    else
        mpl_text_str(out, mpl_asctime_text(a, created_ns));
}
