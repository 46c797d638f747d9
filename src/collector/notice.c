/* SPDX-License-Identifier: Unlicense
 *
 * Lines about a sink, mostly for others: that its file fails, and that it goes on. They are told between records, not
 * where a file is being written: there another one may have no room, and would have to be written first. Who has no
 * room even then gets the line later, and holds up nobody.
 */
#include <stdarg.h>
#include <stdio.h>

#include "collector/collector.h"

void mpl_notice_post(struct mpl_collector *c, struct mpl_sink *s, enum mpl_notice_kind kind, uint32_t sinks,
                     const char *format, ...)
{
    struct mpl_notice *n = &s->notice[kind];
    va_list ap;
    va_start(ap, format);
    vsnprintf(n->text, sizeof n->text, format, ap);
    va_end(ap);
    n->sinks = sinks;
    c->has_posted = c->has_notices = true;
}

/* The bit is away meanwhile: to make room a file may be written, and then something else be posted. */
static void tell(struct mpl_collector *c, const struct mpl_sink *s, struct mpl_notice *n, uint32_t i)
{
    char text[sizeof s->name + 2 + sizeof n->text];
    int len = snprintf(text, sizeof text, "%s: %s", s->name, n->text);
    n->sinks &= ~(UINT32_C(1) << i);
    if (!mpl_emit_about(c, c->sink[i], (struct mpl_str){text, (size_t)len}))
        n->sinks |= UINT32_C(1) << i;
}

static bool is_any_left(const struct mpl_collector *c)
{
    uint32_t sinks = 0;
    for (uint32_t i = 0; i < c->sink_count; i++) {
        for (int kind = 0; kind < MPL_NOTICE_KINDS; kind++)
            sinks |= c->sink[i]->notice[kind].sinks;
    }
    return (sinks & c->sinks_up) != 0;
}

void mpl_notice_tell(struct mpl_collector *c)
{
    if (!c->has_notices)
        return;
    c->has_posted = false;
    for (uint32_t i = 0; i < c->sink_count; i++) {
        for (int kind = 0; kind < MPL_NOTICE_KINDS; kind++) {
            struct mpl_notice *n = &c->sink[i]->notice[kind];
            for (uint32_t left = n->sinks & c->sinks_up; left; left &= left - 1)
                tell(c, c->sink[i], n, (uint32_t)__builtin_ctz(left));
        }
    }
    c->has_notices = is_any_left(c);
}
