/* SPDX-License-Identifier: Unlicense */
#include "shm/codec.h"

#include <string.h>

char *mpl_field_put(char *at, uint32_t tag, struct mpl_str text)
{
    struct mpl_field f = {tag, (uint32_t)text.len};
    memcpy(at, &f, sizeof f);
    if (text.len > 0)
        memcpy(at + sizeof f, text.ptr, text.len);
    return at + mpl_field_bytes(text.len);
}

char *mpl_field_put_i64(char *at, uint32_t tag, int64_t value)
{
    return mpl_field_put(at, tag, (struct mpl_str){(const char *)&value, sizeof value});
}

bool mpl_codec_open(struct mpl_raw_record *r, const char *copy, uint64_t bytes)
{
    if (bytes < sizeof r->head)
        return false;
    memcpy(&r->head, copy, sizeof r->head);
    if (mpl_bytes_of(r->head.kind_words) != bytes)
        return false;
    r->body = copy + sizeof r->head;
    r->body_bytes = bytes - sizeof r->head;
    r->cut_bytes = 0;
    if (r->head.kind_words & MPL_RECORD_CUT) {
        if (r->body_bytes < 8)
            return false;
        r->body_bytes -= 8;
        memcpy(&r->cut_bytes, r->body + r->body_bytes, 8);
    }
    return true;
}

/* Reads words from the front of the body and string bytes from behind them. */
struct arg_cursor {
    const struct mpl_raw_record *record;
    uint64_t word_at, text_at;
};

static bool next_word(struct arg_cursor *c, uint64_t *word)
{
    if (c->record->body_bytes - c->word_at < 8)
        return false;
    memcpy(word, c->record->body + c->word_at, 8);
    c->word_at += 8;
    return true;
}

static bool next_string(struct arg_cursor *c, uint64_t len, struct mpl_str *s)
{
    if (len == MPL_STRING_NULL) {
        *s = (struct mpl_str){NULL, 0};
        return true;
    }
    if (len > c->record->body_bytes - c->text_at)
        return false;
    *s = (struct mpl_str){c->record->body + c->text_at, len};
    c->text_at += len;
    return true;
}

static uint64_t words_of(const struct mpl_cformat *f, bool has_error)
{
    uint64_t words = has_error;
    for (uint32_t i = 0; i < f->arg_count; i++)
        words += f->arg[i].class == MPL_ARG_LONG_DOUBLE ? 2 : 1;
    return words;
}

bool mpl_codec_args(const struct mpl_raw_record *r, const struct mpl_cformat *f, bool has_error, struct mpl_arg *args,
                    int *error)
{
    struct arg_cursor c = {r, 0, words_of(f, has_error) * 8};
    if (c.text_at > r->body_bytes)
        return false;
    for (uint32_t i = 0; i < f->arg_count; i++) {
        uint64_t word[2] = {0, 0};
        bool is_good = next_word(&c, &word[0]);
        switch (f->arg[i].class) {
        case MPL_ARG_STRING:
        case MPL_ARG_WIDE_STRING: is_good = is_good && next_string(&c, word[0], &args[i].str); break;
        case MPL_ARG_LONG_DOUBLE:
            is_good = is_good && next_word(&c, &word[1]);
            args[i].long_double = 0;
            memcpy(&args[i].long_double, word,
                   sizeof args[i].long_double < sizeof word ? sizeof args[i].long_double : sizeof word);
            break;
        default: args[i].word = word[0];
        }
        if (!is_good)
            return false;
    }
    uint64_t word = 0;
    if (has_error && !next_word(&c, &word))
        return false;
    *error = (int)(uint32_t)word;
    return mpl_codec_is_padding(r->body_bytes - c.text_at);
}

bool mpl_codec_text(const struct mpl_raw_record *r, struct mpl_str *text)
{
    struct arg_cursor c = {r, 0, 8};
    uint64_t len;
    return next_word(&c, &len) && len != MPL_STRING_NULL && next_string(&c, len, text) &&
           mpl_codec_is_padding(r->body_bytes - c.text_at);
}

bool mpl_codec_field(const struct mpl_raw_record *r, uint64_t *at, uint32_t *tag, struct mpl_str *value)
{
    struct mpl_field f;
    if (r->body_bytes - *at < sizeof f)
        return false;
    memcpy(&f, r->body + *at, sizeof f);
    if (f.tag >= MPL_FIELD_TAGS || f.len > r->body_bytes - *at - sizeof f ||
        mpl_field_bytes(f.len) > r->body_bytes - *at)
        return false;
    *tag = f.tag;
    *value = (struct mpl_str){r->body + *at + sizeof f, f.len};
    *at += mpl_field_bytes(f.len);
    return true;
}

int64_t mpl_field_i64(struct mpl_str value)
{
    int64_t number = 0;
    if (value.len == sizeof number)
        memcpy(&number, value.ptr, sizeof number);
    return number;
}

bool mpl_codec_names(const struct mpl_raw_record *r, uint64_t *thread, uint32_t *process, struct mpl_str *process_name,
                     struct mpl_str *thread_name)
{
    struct mpl_names_record n;
    uint64_t fixed = sizeof n - sizeof n.head;
    if (r->body_bytes < fixed)
        return false;
    memcpy((char *)&n + sizeof n.head, r->body, fixed);
    uint64_t texts = (uint64_t)n.process_len + n.thread_len, room = r->body_bytes - fixed;
    if (n.process_len > MPL_NAME_MAX || n.thread_len > MPL_NAME_MAX || texts > room ||
        !mpl_codec_is_padding(room - texts))
        return false;
    *thread = n.thread;
    *process = n.process;
    *process_name = (struct mpl_str){r->body + fixed, n.process_len};
    *thread_name = (struct mpl_str){r->body + fixed + n.process_len, n.thread_len};
    return true;
}
