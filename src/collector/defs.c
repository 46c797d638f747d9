/* SPDX-License-Identifier: Unlicense */
#include "collector/defs.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_LEAST 256u

static uint32_t hash_bytes(uint32_t h, struct mpl_str s)
{
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.ptr[i]) * 16777619u; /* FNV-1a */
    return h;
}

static bool is_same(const struct mpl_def_view *v, const struct mpl_def *def, struct mpl_str text, struct mpl_str file,
                    struct mpl_str function)
{
    return v->kind == def->kind && v->flags == def->flags && v->line == def->line && mpl_str_equal(v->text, text) &&
           mpl_str_equal(v->file, file) && mpl_str_equal(v->function, function);
}

static bool grow(struct mpl_defs *d)
{
    if (d->count < d->capacity)
        return true;
    uint32_t capacity = d->capacity ? d->capacity * 2 : BUCKETS_LEAST;
    struct mpl_def_view **view = realloc(d->view, capacity * sizeof *view);
    uint32_t *bucket = view ? calloc(capacity, sizeof *bucket) : NULL;
    if (view)
        d->view = view;
    if (!bucket)
        return false;
    for (uint32_t i = 0; i < d->count; i++) {
        uint32_t b = view[i]->hash & (capacity - 1);
        view[i]->next = bucket[b];
        bucket[b] = i + 1;
    }
    free(d->bucket);
    d->bucket = bucket;
    d->bucket_count = d->capacity = capacity;
    return true;
}

static struct mpl_str copy_to(char **at, struct mpl_str s)
{
    struct mpl_str copy = {*at, s.len};
    if (s.len > 0)
        memcpy(*at, s.ptr, s.len);
    *at += s.len;
    return copy;
}

uint32_t mpl_defs_intern(struct mpl_defs *d, const struct mpl_def *def, struct mpl_str text, struct mpl_str file,
                         struct mpl_str function)
{
    if (!grow(d))
        return UINT32_MAX;
    uint32_t hash = hash_bytes(hash_bytes(hash_bytes(2166136261u + def->line, text), file), function);
    uint32_t *bucket = &d->bucket[hash & (d->bucket_count - 1)];
    for (uint32_t i = *bucket; i; i = d->view[i - 1]->next) {
        if (d->view[i - 1]->hash == hash && is_same(d->view[i - 1], def, text, file, function))
            return i - 1;
    }
    struct mpl_def_view *v = calloc(1, sizeof *v + text.len + file.len + function.len);
    if (!v)
        return UINT32_MAX;
    char *at = (char *)(v + 1);
    v->kind = def->kind;
    v->flags = def->flags;
    v->line = def->line;
    v->text = copy_to(&at, text);
    v->file = copy_to(&at, file);
    v->function = copy_to(&at, function);
    v->hash = hash;
    v->next = *bucket;
    d->view[d->count] = v;
    *bucket = ++d->count;
    return d->count - 1;
}

const struct mpl_cformat *mpl_defs_format(struct mpl_def_view *v, struct mpl_cformat *spare)
{
    if (v->is_parsed)
        return v->format;
    if (v->kind != MPL_DEF_SITE || (v->flags & (MPL_DEF_NOT_A_FORMAT | MPL_DEF_PYTHON)))
        return NULL;
    if (mpl_cformat_parse(spare, v->text) < 0) {
        v->is_parsed = true;
        return NULL;
    }
    v->format = malloc(sizeof *v->format);
    if (!v->format)
        return spare; /* until there is memory again */
    *v->format = *spare;
    v->is_parsed = true;
    bool has_more = v->flags & (MPL_DEF_HAS_ERROR | MPL_DEF_SHOW_ERROR);
    v->quick = has_more ? NULL : mpl_quick_of_c(v->format, v->text);
    return v->format;
}

const struct mpl_pyformat *mpl_defs_pyformat(struct mpl_def_view *v, struct mpl_pyformat *spare)
{
    if (v->is_parsed)
        return v->py_format;
    if (v->kind != MPL_DEF_SITE || !(v->flags & MPL_DEF_PYTHON))
        return NULL;
    if (!mpl_pyformat_parse(spare, v->text)) {
        v->is_parsed = true;
        return NULL;
    }
    v->py_format = malloc(sizeof *v->py_format);
    if (!v->py_format)
        return spare;
    *v->py_format = *spare;
    v->is_parsed = true;
    v->quick = mpl_quick_of_python(v->py_format, v->text);
    return v->py_format;
}

void mpl_defs_fini(struct mpl_defs *d)
{
    for (uint32_t i = 0; i < d->count; i++) {
        free(d->view[i]->format);
        free(d->view[i]->py_format);
        free(d->view[i]->quick);
        free(d->view[i]);
    }
    free(d->view);
    free(d->bucket);
}
