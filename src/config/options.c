/* SPDX-License-Identifier: Unlicense */
#include "config/options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/level.h"
#include "base/os.h"
#include "config/descriptor.h"

enum option_type { TYPE_STRING, TYPE_BOOL, TYPE_INT, TYPE_LEVEL, TYPE_BYTES };

#define OPTION(type, name, least, most)                                                                                \
    {                                                                                                                  \
#name, type, offsetof(struct mplog_options, name), least, most                                                 \
    }

/* Numbers: the least and the greatest value that makes sense, and why there is an end at all. */
static const struct option {
    const char *name;
    enum option_type type;
    size_t offset;
    long long least, most;
} table[] = {
    OPTION(TYPE_LEVEL, level, MPL_LEVEL_MIN, MPL_LEVEL_MAX),
    OPTION(TYPE_STRING, log_file, 0, 0),
    OPTION(TYPE_BOOL, log_to_stderr, 0, 1),
    OPTION(TYPE_STRING, format_string, 0, 0),
    OPTION(TYPE_STRING, date_format, 0, 0),
    OPTION(TYPE_STRING, file_mode, 0, 0),
    OPTION(TYPE_STRING, file_encoding, 0, 0),
    OPTION(TYPE_BYTES, max_bytes, 0, LLONG_MAX),
    OPTION(TYPE_INT, backup_count, 0, 100000), /* each rotation renames them all */
    OPTION(TYPE_STRING, overflow, 0, 0),
    OPTION(TYPE_INT, block_timeout_ms, 0, 3600 * 1000), /* an hour: a log call never waits without bound */
    OPTION(TYPE_STRING, escape, 0, 0),
    OPTION(TYPE_STRING, ring_dir, 0, 0),
    OPTION(TYPE_BYTES, ring_max_bytes, 65536, 1LL << 30), /* from the initial size to what one record can need */
    OPTION(TYPE_BYTES, ring_budget_bytes, 65536, 1LL << 40),
    OPTION(TYPE_STRING, collector, 0, 0),
    OPTION(TYPE_STRING, fsync, 0, 0),
    OPTION(TYPE_STRING, helper, 0, 0),
    OPTION(TYPE_BOOL, utc, 0, 1),
    OPTION(TYPE_STRING, binding, 0, 0),
};

#define OPTION_COUNT (sizeof table / sizeof table[0])

_Static_assert(OPTION_COUNT <= 32, "from_environment has a bit for each");

static const struct mplog_options defaults = MPLOG_OPTIONS_INIT;

/* ---- fields by offset ---- */

static void *field(struct mplog_options *o, const struct option *option) { return (char *)o + option->offset; }

static const char *string_of(const struct mplog_options *o, const struct option *option)
{
    const char *s;
    memcpy(&s, (const char *)o + option->offset, sizeof s);
    return s;
}

static void set_string(struct mplog_options *o, const struct option *option, const char *s)
{
    memcpy(field(o, option), &s, sizeof s);
}

static long long number_of(const struct mplog_options *o, const struct option *option)
{
    struct mplog_options copy = *o;
    switch (option->type) {
    case TYPE_BOOL: return *(bool *)field(&copy, option);
    case TYPE_BYTES: return *(long long *)field(&copy, option);
    default: return *(int *)field(&copy, option);
    }
}

static void set_number(struct mplog_options *o, const struct option *option, long long value)
{
    switch (option->type) {
    case TYPE_BOOL: *(bool *)field(o, option) = value != 0; break;
    case TYPE_BYTES: *(long long *)field(o, option) = value; break;
    default: *(int *)field(o, option) = (int)value;
    }
}

static const struct option *find_option(struct mpl_str name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        size_t n = strlen(table[i].name), k = 0;
        while (k < n && k < name.len &&
               (name.ptr[k] == '-' ? '_' : name.ptr[k] | (name.ptr[k] >= 'A' && name.ptr[k] <= 'Z' ? 32 : 0)) ==
                   table[i].name[k])
            k++;
        if (k == n && name.len == n)
            return &table[i];
    }
    return NULL;
}

/* ---- values from text ---- */

static bool is_word(const char *text, const char *word)
{
    return mpl_str_equal_caseless(mpl_str_from(text), mpl_str_from(word));
}

static bool parse_bool(const char *text, long long *value)
{
    static const char *const words[2][4] = {{"0", "false", "no", "off"}, {"1", "true", "yes", "on"}};
    for (int v = 0; v < 2; v++) {
        for (int i = 0; i < 4; i++) {
            if (is_word(text, words[v][i])) {
                *value = v;
                return true;
            }
        }
    }
    return false;
}

/* A decimal, with K, M or G (times 1024) behind it where bytes are meant; "KiB" and "KB" are the same. */
static bool parse_number(const char *text, bool is_bytes, long long *value)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || errno != 0 || strchr(" \t\n\v\f\r+", text[0]))
        return false;
    if (is_bytes && *end) {
        const char *unit = strchr("kKmMgG", *end);
        int shift = unit ? (int)((unit - "kKmMgG") / 2 + 1) * 10 : 0;
        if (!unit || !(is_word(end + 1, "") || is_word(end + 1, "B") || is_word(end + 1, "iB")))
            return false;
        if (n > LLONG_MAX >> shift || n < 0)
            return false;
        n <<= shift;
        end = "";
    }
    *value = n;
    return *end == '\0';
}

static int set_value(struct mplog_options *o, const struct option *option, const char *value)
{
    static const char *const expected[] = {
        [TYPE_BOOL] = "true or false",
        [TYPE_INT] = "a whole number",
        [TYPE_LEVEL] = "a level's name or number",
        [TYPE_BYTES] = "a number of bytes such as 10485760 or 10M",
    };
    long long number = 0;
    int level = 0;
    bool is_good = true;
    switch (option->type) {
    case TYPE_STRING: set_string(o, option, value); return 0;
    case TYPE_BOOL: is_good = parse_bool(value, &number); break;
    case TYPE_LEVEL:
        is_good = mpl_level_parse(mpl_str_from(value), &level);
        number = level;
        break;
    default:
        is_good = parse_number(value, option->type == TYPE_BYTES, &number) &&
                  (option->type == TYPE_BYTES || (number >= INT_MIN && number <= INT_MAX));
    }
    if (!is_good)
        return mpl_fail(EINVAL, "%s: \"%s\" is not %s", option->name, value, expected[option->type]);
    set_number(o, option, number);
    return 0;
}

int mpl_options_set(struct mplog_options *o, const char *name, const char *value)
{
    const struct option *option = find_option(mpl_str_from(name));
    if (!option)
        return mpl_fail(ENOENT, "there is no option \"%s\"", name);
    return set_value(o, option, value);
}

/* ---- resolving ---- */

#define VARIABLE_MAX 64

static const char *variable_of(const struct option *option, char name[VARIABLE_MAX])
{
    struct mpl_text t = {name, 0, VARIABLE_MAX};
    mpl_text_str(&t, MPL_STR("MPLOG_"));
    for (const char *at = option->name; *at; at++)
        mpl_text_char(&t, *at == '_' ? '_' : (char)(*at - 32));
    return mpl_text_cstr(&t);
}

/* Set but empty is not set: that is how shells and container files switch a variable off. */
static const char *environment_value(const char *variable)
{
    const char *value = mpl_os_is_set_id() ? NULL : getenv(variable);
    return value && value[0] ? value : NULL;
}

static int read_environment(struct mpl_options *out)
{
    char name[VARIABLE_MAX];
    int error = 0;
    for (size_t i = 0; i < OPTION_COUNT && !error; i++) {
        const char *value = environment_value(variable_of(&table[i], name));
        if (!value)
            continue;
        out->from_environment |= UINT32_C(1) << i;
        error = set_value(&out->o, &table[i], value);
    }
    return error;
}

int mpl_options_blame(const struct mpl_options *o, int error)
{
    char name[VARIABLE_MAX];
    const char *text = mpl_error_text();
    for (size_t i = 0; error && i < OPTION_COUNT; i++) {
        size_t n = strlen(table[i].name);
        if ((o->from_environment >> i & 1) && strncmp(text, table[i].name, n) == 0 &&
            (text[n] == ':' || text[n] == ' '))
            return mpl_fail(-error, "environment variable %s: %s", variable_of(&table[i], name), text);
    }
    return error;
}

int mpl_options_flag(const char *variable, bool *is_set)
{
    const char *value = environment_value(variable);
    long long number = 0;
    bool is_good = !value || parse_bool(value, &number);
    *is_set = number != 0;
    return is_good ? 0 : mpl_fail(EINVAL, "environment variable %s: \"%s\" is not true or false", variable, value);
}

static int check_choice(const char *name, const char *value, const char *const *choices)
{
    char list[128];
    struct mpl_text t = {list, 0, sizeof list};
    if (!value)
        return 0;
    for (size_t i = 0; choices[i]; i++) {
        if (strcmp(value, choices[i]) == 0)
            return 0;
        mpl_text_printf(&t, "%s\"%s\"", i ? ", " : "", choices[i]);
    }
    return mpl_fail(EINVAL, "%s: \"%s\" is not one of %s", name, value, mpl_text_cstr(&t));
}

static int check_choices(const struct mplog_options *o)
{
    static const char *const file_modes[] = {"a", "w", NULL}, *const overflows[] = {"block", "drop", NULL},
                             *const escapes[] = {"control", "strict", "none", NULL},
                             *const collectors[] = {"helper", "thread", NULL},
                             *const fsyncs[] = {"never", "interval", "error", NULL};
    int error = check_choice("file_mode", o->file_mode, file_modes);
    error = error ? error : check_choice("overflow", o->overflow, overflows);
    error = error ? error : check_choice("escape", o->escape, escapes);
    error = error ? error : check_choice("collector", o->collector, collectors);
    return error ? error : check_choice("fsync", o->fsync, fsyncs);
}

static int check_numbers(const struct mplog_options *o)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (table[i].type == TYPE_STRING)
            continue;
        long long n = number_of(o, &table[i]);
        if (n < 0 && table[i].least >= 0)
            return mpl_fail(EINVAL, "%s: %lld is negative", table[i].name, n);
        if (n < table[i].least || n > table[i].most)
            return mpl_fail(EINVAL, "%s: %lld is not between %lld and %lld", table[i].name, n, table[i].least,
                            table[i].most);
    }
    return 0;
}

/* Copies a string into the options' own memory. NULL: no room. */
static const char *keep(struct mpl_options *out, const char *s)
{
    size_t n = strlen(s) + 1;
    if (n > sizeof out->text - out->text_len)
        return NULL;
    char *at = memcpy(out->text + out->text_len, s, n);
    out->text_len += n;
    return at;
}

static int keep_strings(struct mpl_options *out)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *s = table[i].type == TYPE_STRING ? string_of(&out->o, &table[i]) : NULL;
        if (!s)
            continue;
        const char *kept = keep(out, s);
        if (!kept)
            return mpl_fail(EINVAL, "%s: is too long (%zu bytes)", table[i].name, strlen(s));
        set_string(&out->o, &table[i], kept);
    }
    return 0;
}

/* What "./" and "../" at its begin mean, from a directory whose path has no links in it: left in the path, they would
 * lead nowhere as soon as that directory is removed. */
static const char *climb(char *directory, const char *path)
{
    for (;;) {
        if (strncmp(path, "./", 2) == 0) {
            path += 2;
        } else if (strncmp(path, "../", 3) == 0) {
            char *slash = strrchr(directory, '/');
            if (slash)
                *slash = '\0';
            path += 3;
        } else {
            return path;
        }
        path += strspn(path, "/");
    }
}

/* The working directory may change, and the collector's is "/". */
static int make_absolute(struct mpl_options *out, const char **path, const char *name)
{
    char absolute[PATH_MAX + 256];
    if (!*path || (*path)[0] == '/')
        return 0;
    if (!getcwd(absolute, PATH_MAX))
        return mpl_fail_errno(errno, "%s: \"%s\" is relative, and the working directory cannot be found", name, *path);
    const char *rest = climb(absolute, *path);
    struct mpl_text t = {absolute, strlen(absolute), sizeof absolute};
    mpl_text_printf(&t, "/%s", rest);
    *path = mpl_text_fits(&t) ? keep(out, mpl_text_cstr(&t)) : NULL;
    return *path ? 0 : mpl_fail(ENAMETOOLONG, "%s: the path is too long", name);
}

/* The collector has other descriptors, and no terminal. */
static int name_descriptor(struct mpl_options *out)
{
    char path[PATH_MAX + 64];
    struct mpl_text t = {path, 0, sizeof path};
    bool is_one = false;
    if (!out->o.log_file)
        return 0;
    int error = mpl_descriptor_path("log_file", out->o.log_file, &t, &is_one);
    if (error || !is_one)
        return error;
    out->o.log_file = mpl_text_fits(&t) ? keep(out, mpl_text_cstr(&t)) : NULL;
    return out->o.log_file ? 0 : mpl_fail(ENAMETOOLONG, "log_file: the path is too long");
}

/* What an empty string means: for a path nothing sensible, elsewhere the default. */
static int drop_empty(struct mplog_options *o)
{
    if (o->log_file && !o->log_file[0])
        return mpl_fail(EINVAL, "log_file: is empty");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *s = table[i].type == TYPE_STRING ? string_of(o, &table[i]) : NULL;
        if (s && !s[0])
            set_string(o, &table[i], NULL);
    }
    return 0;
}

/* `out->o` is filled in: what is in it must be possible. */
static int settle(struct mpl_options *out)
{
    int error = drop_empty(&out->o);
    error = error ? error : check_choices(&out->o);
    error = error ? error : check_numbers(&out->o);
    error = error ? error : make_absolute(out, &out->o.log_file, "log_file");
    error = error ? error : name_descriptor(out);
    error = error ? error : make_absolute(out, &out->o.ring_dir, "ring_dir");
    return error ? error : keep_strings(out);
}

int mpl_options_resolve(struct mpl_options *out, const struct mplog_options *from, bool use_environment)
{
    bool has_crash_handler;
    int error = 0;
    out->o = defaults;
    out->text_len = 0;
    out->from_environment = 0;
    if (from) {
        if (from->size < offsetof(struct mplog_options, log_file) + sizeof(char *) || from->size > sizeof *from)
            return mpl_fail(EINVAL, "size: %zu is not the size of the options; begin with MPLOG_OPTIONS_INIT",
                            from->size);
        memcpy(&out->o, from, from->size);
        out->o.size = sizeof out->o;
    }
    if (use_environment) {
        error = read_environment(out);
        error = error ? error : mpl_options_flag("MPLOG_CRASH_HANDLER", &has_crash_handler);
    }
    error = error ? error : settle(out);
    return mpl_options_blame(out, error);
}

/* ---- text form ---- */

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("/._-+:, ()[]@#", c);
}

void mpl_options_write_pair(struct mpl_text *out, const char *name, const char *value)
{
    mpl_text_printf(out, "%s=", name);
    for (; *value; value++) {
        if (is_plain(*value)) {
            mpl_text_char(out, *value);
        } else {
            mpl_text_char(out, '%');
            mpl_text_hex(out, (unsigned char)*value, 2);
        }
    }
    mpl_text_char(out, ';');
}

void mpl_options_write_number(struct mpl_text *out, const char *name, uint64_t value)
{
    mpl_text_printf(out, "%s=%llu;", name, (unsigned long long)value);
}

void mpl_options_write(const struct mplog_options *o, struct mpl_text *out)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (table[i].type != TYPE_STRING)
            mpl_text_printf(out, "%s=%lld;", table[i].name, number_of(o, &table[i]));
        else if (string_of(o, &table[i]))
            mpl_options_write_pair(out, table[i].name, string_of(o, &table[i]));
    }
}

/* The next name=value; false at the end. */
static bool next_pair(struct mpl_str text, size_t *at, struct mpl_str *name, struct mpl_str *value)
{
    const char *begin = text.ptr + *at, *end = memchr(begin, ';', text.len - *at);
    const char *equals = end ? memchr(begin, '=', (size_t)(end - begin)) : NULL;
    if (!equals)
        return false;
    *name = (struct mpl_str){begin, (size_t)(equals - begin)};
    *value = (struct mpl_str){equals + 1, (size_t)(end - equals - 1)};
    *at = (size_t)(end + 1 - text.ptr);
    return true;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Decodes into `buffer`, NUL at the end; false: too long, damaged, or with a NUL inside. */
static bool decode(struct mpl_str value, char *buffer, size_t size)
{
    size_t n = 0;
    if (size == 0)
        return false; /* values before it have filled the buffer to its last byte */
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '%') {
            if (value.len - i < 3 || hex_digit(value.ptr[i + 1]) < 0 || hex_digit(value.ptr[i + 2]) < 0)
                return false;
            c = (char)(hex_digit(value.ptr[i + 1]) * 16 + hex_digit(value.ptr[i + 2]));
            i += 2;
        }
        if (c == '\0' || n + 1 >= size)
            return false;
        buffer[n++] = c;
    }
    buffer[n] = '\0';
    return true;
}

int mpl_options_read(struct mpl_options *out, struct mpl_str text)
{
    struct mpl_str name, value;
    out->o = defaults;
    out->text_len = 0;
    out->from_environment = 0;
    for (size_t at = 0; next_pair(text, &at, &name, &value);) {
        const struct option *option = find_option(name);
        char *decoded = out->text + out->text_len;
        if (!option)
            continue;
        if (!decode(value, decoded, sizeof out->text - out->text_len))
            return mpl_fail(EINVAL, "the session's options are damaged at %s", option->name);
        out->text_len += strlen(decoded) + 1;
        if (set_value(&out->o, option, decoded) < 0)
            return -EINVAL;
    }
    int error = check_choices(&out->o);
    return error ? error : check_numbers(&out->o);
}

const char *mpl_options_find(struct mpl_str text, const char *wanted, char *buffer, size_t size)
{
    struct mpl_str name, value;
    for (size_t at = 0; next_pair(text, &at, &name, &value);) {
        if (mpl_str_equal(name, mpl_str_from(wanted)))
            return decode(value, buffer, size) ? buffer : NULL;
    }
    return NULL;
}

uint64_t mpl_options_find_number(struct mpl_str text, const char *name)
{
    char digits[24];
    uint64_t value = 0;
    if (mpl_options_find(text, name, digits, sizeof digits))
        mpl_str_to_u64(mpl_str_from(digits), UINT64_MAX, &value);
    return value;
}

bool mpl_options_equal(const struct mpl_options *a, const struct mpl_options *b)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (table[i].type != TYPE_STRING) {
            if (number_of(&a->o, &table[i]) != number_of(&b->o, &table[i]))
                return false;
            continue;
        }
        const char *x = string_of(&a->o, &table[i]), *y = string_of(&b->o, &table[i]);
        if ((x == NULL) != (y == NULL) || (x && strcmp(x, y) != 0))
            return false;
    }
    return true;
}
