/* SPDX-License-Identifier: Unlicense */
#include "output/encoding.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/utf8.h"

#define NAME_MAX_BYTES 64u /* of an encoding; the longest of Python's aliases has 23 */

/* A piece that goes through iconv at once, and what it may become: 8 bytes for one is what ISO-2022 with a change of
 * character set at every character takes. A piece must fit: on E2BIG, musl forgets that it has replaced characters. */
#define PIECE_BYTES 256u
#define PIECE_ENCODED_BYTES (8u * PIECE_BYTES + 64u)

#define BACKSLASHED_MAX 10u /* \U0001f600 */

#define IS_BIG_ENDIAN (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

struct mpl_encoding {
    uint8_t unit_bytes; /* of a code unit; 0: see `converter` */
    bool is_utf8;
    bool is_big_endian;
    uint32_t end; /* characters below this one exist; above U+FFFF as two units where a unit has 16 bits */
    struct mpl_str bom;
    iconv_t converter; /* in its initial state between two calls */
};

enum form { UTF_8, UTF_8_SIG, UTF_16, UTF_16_LE, UTF_16_BE, UTF_32, UTF_32_LE, UTF_32_BE, LATIN_1, ASCII };

static const struct mpl_encoding forms[] = {
    [UTF_8] = {1, true, false, 0x110000, {"", 0}, NULL},
    [UTF_8_SIG] = {1, true, false, 0x110000, {"\xef\xbb\xbf", 3}, NULL},
    [UTF_16] = {2, false, IS_BIG_ENDIAN, 0x110000, {IS_BIG_ENDIAN ? "\xfe\xff" : "\xff\xfe", 2}, NULL},
    [UTF_16_LE] = {2, false, false, 0x110000, {"", 0}, NULL},
    [UTF_16_BE] = {2, false, true, 0x110000, {"", 0}, NULL},
    [UTF_32] = {4, false, IS_BIG_ENDIAN, 0x110000, {IS_BIG_ENDIAN ? "\0\0\xfe\xff" : "\xff\xfe\0\0", 4}, NULL},
    [UTF_32_LE] = {4, false, false, 0x110000, {"", 0}, NULL},
    [UTF_32_BE] = {4, false, true, 0x110000, {"", 0}, NULL},
    [LATIN_1] = {1, false, false, 0x100, {"", 0}, NULL},
    [ASCII] = {1, false, false, 0x80, {"", 0}, NULL},
};

/* Python's aliases (Lib/encodings/aliases.py), letters and digits only. */
static const struct {
    const char *name;
    enum form form;
} names[] = {
    {"utf8", UTF_8},        {"u8", UTF_8},
    {"utf", UTF_8},         {"utf8ucs2", UTF_8},
    {"utf8ucs4", UTF_8},    {"cp65001", UTF_8},
    {"utf8sig", UTF_8_SIG}, {"utf16", UTF_16},
    {"u16", UTF_16},        {"utf16le", UTF_16_LE},
    {"utf16be", UTF_16_BE}, {"unicodelittleunmarked", UTF_16_LE},
    {"utf32", UTF_32},      {"unicodebigunmarked", UTF_16_BE},
    {"u32", UTF_32},        {"utf32le", UTF_32_LE},
    {"utf32be", UTF_32_BE}, {"latin1", LATIN_1},
    {"latin", LATIN_1},     {"l1", LATIN_1},
    {"iso88591", LATIN_1},  {"iso885911987", LATIN_1},
    {"iso8859", LATIN_1},   {"8859", LATIN_1},
    {"cp819", LATIN_1},     {"ibm819", LATIN_1},
    {"isoir100", LATIN_1},  {"csisolatin1", LATIN_1},
    {"ascii", ASCII},       {"usascii", ASCII},
    {"us", ASCII},          {"646", ASCII},
    {"iso646us", ASCII},    {"iso646irv1991", ASCII},
    {"isoir6", ASCII},      {"csascii", ASCII},
    {"cp367", ASCII},       {"ibm367", ASCII},
    {"ansix341968", ASCII}, {"ansix341986", ASCII},
};

/* Python's names that iconv spells otherwise by more than case and separators. */
static const struct {
    const char *name, *iconv_name;
} iconv_names[] = {
    {"shiftjis", "SHIFT_JIS"}, {"mskanji", "CP932"}, {"korean", "EUC-KR"},  {"ksc5601", "EUC-KR"},
    {"ms949", "CP949"},        {"ms950", "CP950"},   {"chinese", "GB2312"}, {"l9", "ISO-8859-15"},
    {"kz1048", "RK1048"},      {"ptcp154", "PT154"}, {"ibm1125", "CP1125"}, {"hkscs", "BIG5-HKSCS"},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

/* Letters, in lower case, and digits of `name`. False: too long, or it has characters no name of an encoding has. To
 * iconv, a slash would begin an instruction ("//IGNORE") and the empty name means whatever the locale says. */
static bool fold_name(const char *name, char folded[NAME_MAX_BYTES])
{
    size_t n = 0;
    if (strlen(name) >= NAME_MAX_BYTES)
        return false;
    for (; *name; name++) {
        if (is_upper(*name))
            folded[n++] = (char)(*name - 'A' + 'a');
        else if (is_lower(*name) || is_digit(*name))
            folded[n++] = *name;
        else if (!strchr("-_ .:()+", *name))
            return false;
    }
    folded[n] = '\0';
    return n > 0;
}

/* `name` as iconv may spell it: upper case, `separator` for each '-', '_' and ' '; '\0': none. */
static void spell_name(struct mpl_text *out, const char *name, char separator)
{
    for (; *name; name++) {
        if (!strchr("-_ ", *name))
            mpl_text_char(out, is_lower(*name) ? (char)(*name - 'a' + 'A') : *name);
        else if (separator)
            mpl_text_char(out, separator);
    }
}

/* Python says cp1252, 1252, windows_1252, iso8859_15, koi8_r and mac_cyrillic where iconv says CP1252, ISO8859-15,
 * KOI8-R and MAC-CYRILLIC: glibc compares separators, too. */
static iconv_t open_spelled(const char *name, const char *folded)
{
    for (const char *separator = "-_";; separator++) {
        char spelling[NAME_MAX_BYTES + 3];
        struct mpl_text t = {spelling, 0, sizeof spelling};
        if (strspn(folded, "0123456789") == strlen(folded))
            mpl_text_str(&t, MPL_STR("CP"));
        spell_name(&t, name, *separator);
        iconv_t converter = iconv_open(mpl_text_cstr(&t), "UTF-8");
        if (converter != (iconv_t)-1 || *separator == '\0')
            return converter;
    }
}

static iconv_t open_converter(const char *name, const char *folded)
{
    for (size_t i = 0; i < COUNT(iconv_names); i++) {
        if (strcmp(iconv_names[i].name, folded) == 0)
            return iconv_open(iconv_names[i].iconv_name, "UTF-8");
    }
    return open_spelled(name, folded);
}

static void append_unit(const struct mpl_encoding *e, struct mpl_text *out, uint32_t unit)
{
    for (unsigned i = 0; i < e->unit_bytes; i++)
        mpl_text_char(out, (char)(unit >> 8 * (e->is_big_endian ? e->unit_bytes - 1 - i : i)));
}

/* Not for characters from e->end on. */
static void append_units(const struct mpl_encoding *e, struct mpl_text *out, uint32_t code)
{
    if (e->unit_bytes == 2 && code >= 0x10000) {
        append_unit(e, out, 0xd800 | (code - 0x10000) >> 10);
        append_unit(e, out, 0xdc00 | (code & 0x3ff));
    } else {
        append_unit(e, out, code);
    }
}

/* Converts from the front of *s on, which fits PIECE_BYTES, to its end or to a character the encoding lacks, and moves
 * *s there. False: characters came out that do not stand for those that went in; musl puts '*' for what is lacking. */
static bool convert(iconv_t converter, struct mpl_text *out, struct mpl_str *s)
{
    char bytes[PIECE_ENCODED_BYTES], *end = bytes, *in = (char *)s->ptr;
    size_t left = sizeof bytes;
    size_t result = iconv(converter, &in, &s->len, &end, &left);
    s->ptr = in;
    if (result != 0 && result != (size_t)-1)
        return false;
    mpl_text_append(out, bytes, (size_t)(end - bytes));
    return true;
}

/* Back to the initial state: each append can be decoded by itself, wherever the file is rotated or read from. */
static void reset(iconv_t converter, struct mpl_text *out)
{
    char bytes[64], *end = bytes; /* a shift sequence and one character that waited for a combining one */
    size_t left = sizeof bytes;
    iconv(converter, NULL, NULL, &end, &left);
    mpl_text_append(out, bytes, (size_t)(end - bytes));
}

/* The character as backslashreplace shows it. */
static void append_backslashed(struct mpl_encoding *e, struct mpl_text *out, uint32_t code)
{
    char text[BACKSLASHED_MAX];
    struct mpl_text t = {text, 0, sizeof text};
    unsigned digits = code < 0x100 ? 2 : code < 0x10000 ? 4 : 8;
    mpl_text_char(&t, '\\');
    mpl_text_char(&t, digits == 2 ? 'x' : digits == 4 ? 'u' : 'U');
    mpl_text_hex(&t, code, digits);
    struct mpl_str s = {text, t.len};
    if (e->converter)
        convert(e->converter, out, &s); /* mpl_encoding_open has made sure that these characters exist */
    else
        for (size_t i = 0; i < s.len; i++)
            append_unit(e, out, (unsigned char)text[i]);
}

static size_t decode(struct mpl_str s, uint32_t *code)
{
    size_t n = mpl_utf8_decode(s.ptr, s.len, code);
    if (n > 0)
        return n;
    *code = (unsigned char)s.ptr[0]; /* against the contract: shown as all other invalid bytes are */
    return 1;
}

static size_t ascii_prefix(struct mpl_str s)
{
    size_t n = 0;
    while (n < s.len && (unsigned char)s.ptr[n] < 0x80)
        n++;
    return n;
}

static void append_built_in(struct mpl_encoding *e, struct mpl_text *out, struct mpl_str s)
{
    while (s.len > 0) {
        uint32_t code;
        size_t n = e->unit_bytes == 1 ? ascii_prefix(s) : 0;
        if (n > 0) {
            mpl_text_append(out, s.ptr, n);
            s = (struct mpl_str){s.ptr + n, s.len - n};
            continue;
        }
        n = decode(s, &code);
        bool is_valid = n > 1 || code < 0x80;
        if (is_valid && code < e->end)
            append_units(e, out, code);
        else
            append_backslashed(e, out, code);
        s = (struct mpl_str){s.ptr + n, s.len - n};
    }
}

static struct mpl_str first_piece(struct mpl_str s)
{
    size_t n = s.len <= PIECE_BYTES ? s.len : PIECE_BYTES;
    while (n > PIECE_BYTES - 4 && n < s.len && ((unsigned char)s.ptr[n] & 0xc0) == 0x80)
        n--;
    return (struct mpl_str){s.ptr, n};
}

/* glibc swallows tags (U+E0000..U+E007F) without a word, and musl replaces characters: only by sending one at a time
 * can it be known which. */
static void append_one_by_one(struct mpl_encoding *e, struct mpl_text *out, struct mpl_str s)
{
    while (s.len > 0) {
        uint32_t code;
        size_t n = decode(s, &code), len_before = out->len;
        struct mpl_str rest = {s.ptr, n};
        bool is_exact = convert(e->converter, out, &rest);
        bool is_swallowed = code >> 7 == 0xe0000 >> 7 && out->len == len_before;
        if (!is_exact || rest.len > 0 || is_swallowed)
            append_backslashed(e, out, code);
        s = (struct mpl_str){s.ptr + n, s.len - n};
    }
}

/* False: the characters must go one by one; what was appended is wrong. */
static bool append_in_pieces(struct mpl_encoding *e, struct mpl_text *out, struct mpl_str s)
{
    while (s.len > 0) {
        struct mpl_str piece = first_piece(s), rest = piece;
        if (!convert(e->converter, out, &rest))
            return false;
        size_t n = piece.len - rest.len;
        if (rest.len > 0) {
            uint32_t code;
            n += decode(rest, &code);
            append_backslashed(e, out, code);
        }
        s = (struct mpl_str){s.ptr + n, s.len - n};
    }
    return true;
}

static void append_converted(struct mpl_encoding *e, struct mpl_text *out, struct mpl_str s)
{
    size_t begin = out->len;
    bool has_tags = s.len > 0 && memmem(s.ptr, s.len, "\xf3\xa0", 2) != NULL; /* or neighbours of theirs */
    if (has_tags || !append_in_pieces(e, out, s)) {
        iconv(e->converter, NULL, NULL, NULL, NULL);
        out->len = begin;
        append_one_by_one(e, out, s);
    }
    reset(e->converter, out);
}

void mpl_encoding_append(struct mpl_encoding *e, struct mpl_text *out, struct mpl_str s)
{
    if (e->is_utf8)
        mpl_text_str(out, s);
    else if (e->converter)
        append_converted(e, out, s);
    else
        append_built_in(e, out, s);
}

/* Two lines must be twice one line, without a mark or a shift sequence that only the first has, and there must be all
 * that a log cannot do without. */
static bool can_keep_log(iconv_t converter)
{
    const struct mpl_str line = MPL_STR("abc 0189\\xuU\n"), two_lines = MPL_STR("abc 0189\\xuU\nabc 0189\\xuU\n");
    char one[2 * PIECE_BYTES], two[2 * PIECE_BYTES];
    struct mpl_text ones = {one, 0, sizeof one}, twos = {two, 0, sizeof two};
    struct mpl_str rest[3] = {line, line, two_lines};
    for (int i = 0; i < 3; i++) {
        if (!convert(converter, i < 2 ? &ones : &twos, &rest[i]) || rest[i].len > 0)
            return false;
        reset(converter, i < 2 ? &ones : &twos);
    }
    return mpl_text_fits(&ones) && mpl_str_equal((struct mpl_str){one, ones.len}, (struct mpl_str){two, twos.len});
}

static int find_encoding(struct mpl_encoding *e, const char *name)
{
    char folded[NAME_MAX_BYTES];
    bool is_name = fold_name(name, folded);
    for (size_t i = 0; is_name && i < COUNT(names); i++) {
        if (strcmp(names[i].name, folded) == 0) {
            *e = forms[names[i].form];
            return 0;
        }
    }
    iconv_t converter = is_name ? open_converter(name, folded) : (iconv_t)-1;
    if (converter == (iconv_t)-1)
        return mpl_fail(EINVAL, "file_encoding: this system knows no encoding \"%.100s\"", name);
    if (!can_keep_log(converter)) {
        iconv_close(converter);
        return mpl_fail(EINVAL, "file_encoding: a log cannot be kept in \"%.100s\"", name);
    }
    *e = (struct mpl_encoding){.bom = MPL_STR(""), .converter = converter};
    return 0;
}

int mpl_encoding_open(struct mpl_encoding **out, const char *name)
{
    struct mpl_encoding found;
    int error = find_encoding(&found, name ? name : "utf-8");
    if (error)
        return error;
    *out = malloc(sizeof **out);
    if (!*out) {
        if (found.converter)
            iconv_close(found.converter);
        return mpl_fail(ENOMEM, "file_encoding: no memory");
    }
    **out = found;
    return 0;
}

void mpl_encoding_close(struct mpl_encoding *e)
{
    if (e && e->converter)
        iconv_close(e->converter);
    free(e);
}

bool mpl_encoding_is_utf8(const struct mpl_encoding *e) { return e->is_utf8; }

struct mpl_str mpl_encoding_bom(const struct mpl_encoding *e) { return e->bom; }
