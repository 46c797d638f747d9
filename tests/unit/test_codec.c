/* SPDX-License-Identifier: Unlicense */
#include "shm/codec.h"

#include "harness.h"

static char bytes[4096];

static struct mpl_raw_record raw;

/* Lays a record of that body down in bytes[]. */
static uint64_t lay_down(uint32_t kind, const void *body, uint64_t body_bytes)
{
    uint64_t total = sizeof(struct mpl_record_head) + MPL_ALIGN(body_bytes);
    struct mpl_record_head head = {mpl_kind_words(kind, total), UINT32_MAX, 1, 2};
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, &head, sizeof head);
    memcpy(bytes + sizeof head, body, body_bytes);
    return total;
}

static void ids_of_all_sizes_come_back(void)
{
    uint64_t seed = 3;
    for (int i = 0; i < 100000; i++) {
        uint32_t site = (uint32_t)test_random(&seed) & 0xffffff, logger = (uint32_t)test_random(&seed) & 0xfffff;
        int level = (int)(test_random(&seed) % (1 << 20)) - (1 << 19);
        uint64_t ids = mpl_ids_pack(mpl_site_bits(site), mpl_logger_bits(logger), level);
        CHECK_INT(mpl_ids_site(ids), site);
        CHECK_INT(mpl_ids_logger(ids), logger);
        CHECK_INT(mpl_ids_level(ids), level);
    }
}

static void arguments_of_all_classes_come_back(void)
{
    struct mpl_cformat f;
    struct mpl_arg args[MPL_CFORMAT_ARGS_MAX];
    int error;
    CHECK_INT(mpl_cformat_parse(&f, MPL_STR("%d %s %Lf %f %s %m")), 0);
    char body[200] = {0};
    struct mpl_text t = {body, 0, sizeof body};
    uint64_t minus_one = UINT64_MAX, five = 5, null_string = MPL_STRING_NULL, errno_word = 2;
    long double pi = 3.14159L;
    char bits[16] = {0};
    double half = 0.5;
    memcpy(bits, &pi, sizeof pi < sizeof bits ? sizeof pi : sizeof bits);
    mpl_text_append(&t, (char *)&minus_one, 8);
    mpl_text_append(&t, (char *)&five, 8);
    mpl_text_append(&t, bits, 16);
    mpl_text_append(&t, (char *)&half, 8);
    mpl_text_append(&t, (char *)&null_string, 8);
    mpl_text_append(&t, (char *)&errno_word, 8);
    mpl_text_str(&t, MPL_STR("hello"));
    uint64_t total = lay_down(MPL_RECORD_DEFERRED, body, t.len);
    CHECK(mpl_codec_open(&raw, bytes, total));
    CHECK(mpl_codec_args(&raw, &f, true, args, &error));
    CHECK(args[0].word == UINT64_MAX && args[3].word != 0 && args[2].long_double == pi);
    CHECK_TEXT(args[1].str.ptr, args[1].str.len, "hello");
    CHECK(args[4].str.ptr == NULL);
    CHECK_INT(error, 2);
    /* One byte less of text, one word less: no longer a record of that format. */
    CHECK(mpl_codec_open(&raw, bytes, lay_down(MPL_RECORD_DEFERRED, body, t.len - 8)));
    CHECK(!mpl_codec_args(&raw, &f, true, args, &error));
}

static void fields_come_back_in_order(void)
{
    char body[500], *at = body;
    at = mpl_field_put(at, MPL_FIELD_MESSAGE, MPL_STR("text"));
    at = mpl_field_put_i64(at, MPL_FIELD_LINE, -7);
    at = mpl_field_put(at, 99, MPL_STR("of the future"));
    at = mpl_field_put(at, MPL_FIELD_STACK, MPL_STR(""));
    uint64_t total = lay_down(MPL_RECORD_FULL, body, (uint64_t)(at - body)), position = 0;
    uint32_t tag;
    struct mpl_str value;
    CHECK(mpl_codec_open(&raw, bytes, total));
    CHECK(mpl_codec_field(&raw, &position, &tag, &value) && tag == MPL_FIELD_MESSAGE);
    CHECK_TEXT(value.ptr, value.len, "text");
    CHECK(mpl_codec_field(&raw, &position, &tag, &value) && tag == MPL_FIELD_LINE);
    CHECK_INT(mpl_field_i64(value), -7);
    CHECK(mpl_codec_field(&raw, &position, &tag, &value) && tag == 99);
    CHECK(mpl_codec_field(&raw, &position, &tag, &value) && tag == MPL_FIELD_STACK && value.len == 0);
    CHECK(!mpl_codec_field(&raw, &position, &tag, &value));
    CHECK_INT(position, raw.body_bytes);
}

/* A body of `len` bytes, and then one with the head of another record behind it. */
static bool is_good_alone_only(uint32_t kind, const char *body, uint64_t len, bool (*is_good)(void))
{
    char longer[500] = {0};
    struct mpl_record_head next = {mpl_kind_words(MPL_RECORD_TEXT, 40), 1, 3, 4};
    memcpy(longer, body, len);
    memcpy(longer + MPL_ALIGN(len), &next, sizeof next);
    bool is_good_alone = mpl_codec_open(&raw, bytes, lay_down(kind, body, len)) && is_good();
    return is_good_alone && mpl_codec_open(&raw, bytes, lay_down(kind, longer, MPL_ALIGN(len) + sizeof next)) &&
           !is_good();
}

static bool has_arguments(void)
{
    struct mpl_cformat f;
    struct mpl_arg args[MPL_CFORMAT_ARGS_MAX];
    int error;
    return mpl_cformat_parse(&f, MPL_STR("%s")) == 0 && mpl_codec_args(&raw, &f, false, args, &error);
}

static bool has_text(void)
{
    struct mpl_str text;
    return mpl_codec_text(&raw, &text);
}

static bool has_fields(void)
{
    uint64_t at = 0;
    uint32_t tag;
    struct mpl_str value;
    while (at < raw.body_bytes) {
        if (!mpl_codec_field(&raw, &at, &tag, &value))
            return false;
    }
    return true;
}

static bool has_names(void)
{
    uint64_t thread;
    uint32_t process;
    struct mpl_str process_name, thread_name;
    return mpl_codec_names(&raw, &thread, &process, &process_name, &thread_name);
}

static void body_with_another_record_behind_it_is_refused(void)
{
    static const char texts[] = "maintext";
    for (uint64_t len = 0; len < sizeof texts; len++) {
        char body[100];
        memcpy(body, &len, sizeof len);
        memcpy(body + sizeof len, texts, len);
        CHECK(is_good_alone_only(MPL_RECORD_DEFERRED, body, sizeof len + len, has_arguments));
        CHECK(is_good_alone_only(MPL_RECORD_TEXT, body, sizeof len + len, has_text));
        char *end = mpl_field_put(body, MPL_FIELD_MESSAGE, (struct mpl_str){texts, len});
        CHECK(is_good_alone_only(MPL_RECORD_FULL, body, (uint64_t)(end - body), has_fields));
        struct mpl_names_record n = {.process_len = (uint16_t)(len / 2), .thread_len = (uint16_t)(len - len / 2)};
        memcpy(body, (char *)&n + sizeof n.head, sizeof n - sizeof n.head);
        memcpy(body + sizeof n - sizeof n.head, texts, len);
        CHECK(is_good_alone_only(MPL_RECORD_NAMES, body, sizeof n - sizeof n.head + len, has_names));
    }
}

static const char *copy;
static uint64_t total;
static volatile unsigned seen;
static bool has_led_out;

/* Reads every byte, for the address sanitizer to object, too. */
static void look_at(struct mpl_str s)
{
    uint64_t from = (uint64_t)((uintptr_t)s.ptr - (uintptr_t)copy);
    if (s.len > 0 && (from > total || s.len > total - from)) {
        has_led_out = true;
        return;
    }
    for (size_t i = 0; i < s.len; i++)
        seen += (unsigned char)s.ptr[i];
}

/* Whatever the bytes are, no view leads out of them. */
static void random_bytes_never_lead_out_of_the_record(void)
{
    static const char *const formats[] = {"%s", "%d %s %s %Lf", "%s%s%s%s%s%s%s%s", "%.*s %ls %p", ""};
    uint64_t seed = 4;
    for (int round = 0; round < 200000; round++) {
        total = 8 * (3 + test_random(&seed) % 30);
        char *made = malloc(total); /* of exactly that size, for the address sanitizer */
        copy = made;
        for (uint64_t i = 0; i < total; i += 8) {
            uint64_t word = test_random(&seed);
            if (word % 3 == 0)
                word %= 64; /* numbers that could be lengths */
            memcpy(made + i, &word, 8);
        }
        uint32_t kind = (uint32_t)test_random(&seed) % 6 | (round % 5 == 0 ? MPL_RECORD_CUT : 0);
        uint32_t kind_words = mpl_kind_words(kind, total);
        memcpy(made, &kind_words, sizeof kind_words);
        struct mpl_cformat f;
        struct mpl_arg args[MPL_CFORMAT_ARGS_MAX];
        struct mpl_str text, other;
        uint64_t at = 0, thread;
        uint32_t tag, process;
        int error;
        mpl_cformat_parse(&f, mpl_str_from(formats[round % 5]));
        if (mpl_codec_open(&raw, copy, total)) {
            if (mpl_codec_args(&raw, &f, round % 2, args, &error)) {
                for (uint32_t i = 0; i < f.arg_count; i++) {
                    bool is_string = f.arg[i].class == MPL_ARG_STRING || f.arg[i].class == MPL_ARG_WIDE_STRING;
                    if (is_string)
                        look_at(args[i].str);
                }
            }
            if (mpl_codec_text(&raw, &text))
                look_at(text);
            while (mpl_codec_field(&raw, &at, &tag, &text))
                look_at(text);
            if (mpl_codec_names(&raw, &thread, &process, &text, &other)) {
                look_at(text);
                look_at(other);
            }
        }
        free(made);
        CHECK(!has_led_out);
    }
}

TEST_MAIN(TEST_CASE(ids_of_all_sizes_come_back), TEST_CASE(arguments_of_all_classes_come_back),
          TEST_CASE(fields_come_back_in_order), TEST_CASE(body_with_another_record_behind_it_is_refused),
          TEST_CASE(random_bytes_never_lead_out_of_the_record))
