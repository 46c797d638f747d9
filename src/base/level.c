/* SPDX-License-Identifier: Unlicense */
#include "base/level.h"

static const struct {
    const char *name;
    int level;
} names[] = {
    {"NOTSET", MPL_LEVEL_NOTSET},   {"DEBUG", MPL_LEVEL_DEBUG},    {"INFO", MPL_LEVEL_INFO},
    {"WARNING", MPL_LEVEL_WARNING}, {"ERROR", MPL_LEVEL_ERROR},    {"CRITICAL", MPL_LEVEL_CRITICAL},
    {"WARN", MPL_LEVEL_WARNING},    {"FATAL", MPL_LEVEL_CRITICAL},
};

#define NAME_COUNT (sizeof names / sizeof names[0])

bool mpl_level_parse(struct mpl_str text, int *level)
{
    for (size_t i = 0; i < NAME_COUNT; i++) {
        if (mpl_str_equal_caseless(text, mpl_str_from(names[i].name))) {
            *level = names[i].level;
            return true;
        }
    }
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    uint64_t value;
    if (!mpl_str_to_u64((struct mpl_str){text.ptr + is_negative, text.len - is_negative}, MPL_LEVEL_MAX, &value))
        return false;
    *level = is_negative ? -(int)value : (int)value;
    return true;
}

void mpl_level_append(struct mpl_text *out, int level)
{
    /* The first name of a number wins: WARNING before WARN. */
    for (size_t i = 0; i < NAME_COUNT; i++) {
        if (names[i].level == level) {
            mpl_text_str(out, mpl_str_from(names[i].name));
            return;
        }
    }
    mpl_text_str(out, MPL_STR("Level "));
    mpl_text_i64(out, level);
}
