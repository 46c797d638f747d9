/* SPDX-License-Identifier: Unlicense */
#include "show.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the UTF-8 character that `s` begins with, and its number; 0: it is none. */
static size_t decode(const unsigned char *s, uint32_t *character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf8 ? 4 : 0;
    *character = n > 1 ? s[0] & (0x7fu >> n) : s[0];
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        *character = *character << 6 | (s[i] & 0x3f);
    }
    if (n == 0 || *character < least[n] || *character > 0x10ffff || (*character & 0xfffff800) == 0xd800)
        return 0;
    return n;
}

static int is_control(uint32_t c) { return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029; }

int mpl_show(const char *text, int width)
{
    int shown = 0;
    uint32_t c;
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t n = decode(s, &c);
        if (n > 0 && !is_control(c)) {
            fwrite(s, 1, n, stdout);
            shown++;
            s += n;
            continue;
        }
        shown += printf("\\x%02x", *s);
        s++;
    }
    if (shown < width)
        printf("%*s", width - shown, "");
    return shown;
}

static void show_json_character(uint32_t c)
{
    if (c == '"' || c == '\\')
        printf("\\%c", (int)c);
    else
        printf("\\u%04x", (unsigned)c);
}

void mpl_show_json(const char *text)
{
    uint32_t c;
    if (!text) {
        fputs("null", stdout);
        return;
    }
    putchar('"');
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t n = decode(s, &c);
        if (n == 0)
            show_json_character(0xfffd);
        else if (is_control(c) || c == '"' || c == '\\')
            show_json_character(c);
        else
            fwrite(s, 1, n, stdout);
        s += n > 0 ? n : 1;
    }
    putchar('"');
}
