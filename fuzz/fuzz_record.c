/* SPDX-License-Identifier: Unlicense
 *
 * Arbitrary bytes in a ring: looked at, copied out, decoded and rendered into a batch, as a pass of the collector does
 * it, but without any file.
 *
 *     <escape mode> <pattern> <flags of the call site>
 *     <format of the call site>
 *     <bytes of the ring, up to its end>
 */
#include "collector/collector.h"
#include "fuzz.h"

enum { SITE_ID = 1, LOGGER_ID = 2, DEF_COUNT = 2 };

#define RING_BYTES 4096u
#define BATCH_BYTES (MPL_PAGE_BYTES + MPL_BATCH_ENDS_MAX * 4 + MPL_BATCH_DATA_BYTES)

static const char *const patterns[] = {
    "%(message)s",
    MPL_DEFAULT_FORMAT,
    "%(asctime)s|%(created)f|%(filename)s|%(funcName)s|%(levelname)s|%(levelno)s|%(lineno)d|%(message)s|%(module)s|"
    "%(msecs)03d|%(name)s|%(pathname)s|%(process)d|%(processName)s|%(relativeCreated)d|%(taskName)s|%(thread)x|"
    "%(threadName)s",
    "%(message)-40.30s|%(levelname)r|%(name)a",
};

static struct mpl_collector collector;
static struct mpl_control control;
static struct mpl_sink_account account;
static struct mpl_sink sink;
static struct mpl_pattern *compiled[sizeof patterns / sizeof patterns[0]];

static void set_up(void)
{
    if (compiled[0])
        return;
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        FUZZ_CHECK(mpl_pattern_compile(&compiled[i], patterns[i]) == 0);
    sink = (struct mpl_sink){.level = INT32_MIN, .fd = -1, .file = {.fd = -1}, .account = &account};
    for (int i = 0; i < 2; i++) {
        sink.batch[i] = (struct mpl_batch_view){.fd = -1, .shared = calloc(1, BATCH_BYTES), .map_bytes = BATCH_BYTES};
        FUZZ_CHECK(sink.batch[i].shared);
        sink.batch[i].data_bytes = MPL_BATCH_DATA_BYTES;
        sink.batch[i].ends_allocated = MPL_BATCH_ENDS;
    }
    FUZZ_CHECK(mpl_asctime_init(&sink.asctime, NULL, NULL) == 0);
    FUZZ_CHECK(mpl_encoding_open(&sink.encoding, "utf-8") == 0);
    collector.dir_fd = -1;
    collector.control = &control;
    collector.sink[0] = &sink;
    collector.sink_count = 1;
    collector.sinks_up = 1;
    collector.wall = (struct mpl_clock_wall){.stamp = UINT64_C(1) << 40, .wall_ns = 1763800000000000000, 0.5};
}

static void define(struct mpl_member_view *m, uint32_t *index, uint16_t flags, struct mpl_str format)
{
    const struct mpl_def site = {.kind = MPL_DEF_SITE, .flags = flags, .line = 7}, logger = {.kind = MPL_DEF_LOGGER};
    index[SITE_ID - 1] = mpl_defs_intern(m->defs, &site, format, MPL_STR("/src/file.c"), MPL_STR("function"));
    index[LOGGER_ID - 1] = mpl_defs_intern(m->defs, &logger, MPL_STR("app.logger"), MPL_STR(""), MPL_STR(""));
    m->def_index = index;
    m->def_count = m->def_capacity = DEF_COUNT;
}

static void check_line(void)
{
    struct mpl_str line = {mpl_batch_data(sink.batch[0].shared), sink.batch[0].len};
    FUZZ_CHECK(sink.batch[0].count <= 1 && sink.batch[0].len <= MPL_BATCH_DATA_BYTES);
    if (sink.batch[0].count == 0)
        return;
    struct fuzz_controls found = fuzz_count_controls(line);
    FUZZ_CHECK(line.len > 0 && line.ptr[line.len - 1] == '\n');
    FUZZ_CHECK(found.is_utf8);
    if (sink.escape == MPL_ESCAPE_STRICT)
        FUZZ_CHECK(found.newlines == 1 && found.others == 0);
}

static void read_ring(struct mpl_ring_view *r)
{
    uint64_t corrupt_bytes, before = r->pos;
    while (mpl_view_peek(r, &corrupt_bytes)) {
        FUZZ_CHECK(r->pos >= before && r->pos + r->record_bytes <= r->head && r->record_bytes > 0);
        FUZZ_CHECK(mpl_emit_record(&collector, r));
        check_line();
        sink.batch[0].len = sink.batch[0].count = 0;
        r->pos += r->record_bytes;
        before = r->pos;
    }
    FUZZ_CHECK(r->pos == r->head && corrupt_bytes <= RING_BYTES);
}

/* Up to 32 MiB of blanks, which is the limit, take so long that little else would be tried: fuzz_cformat has them. */
static bool is_too_wide(struct mpl_str format)
{
    struct mpl_cformat f;
    bool is_format = mpl_cformat_parse(&f, format) == 0, is_wide = false;
    for (uint32_t i = 0; is_format && i < f.conversion_count; i++) {
        const struct mpl_conversion *c = &f.conversion[i];
        is_wide = is_wide || c->width > 500 || c->precision > 500 || c->width_arg >= 0 || c->precision_arg >= 0;
    }
    return is_wide;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mpl_str rest = {(const char *)data, size}, numbers = fuzz_line(&rest), format;
    uint32_t index[DEF_COUNT];
    struct mpl_defs defs = {.count = 0};
    struct mpl_member_view member = {.pid_fd = -1, .defs = &defs};
    set_up();
    sink.escape = (enum mpl_escape)(fuzz_next_number(&numbers) % 3);
    sink.pattern = compiled[fuzz_next_number(&numbers) % (sizeof patterns / sizeof patterns[0])];
    uint16_t flags = (uint16_t)fuzz_next_number(&numbers);
    format = fuzz_line(&rest);
    if (is_too_wide(format))
        return 0;
    define(&member, index, flags, format);

    /* The bytes end where the ring does, and the ring where its memory does. */
    uint64_t bytes = (rest.len < RING_BYTES ? rest.len : RING_BYTES) & ~UINT64_C(7);
    char *ring_data = malloc(RING_BYTES);
    FUZZ_CHECK(ring_data);
    memset(ring_data, 0, RING_BYTES - bytes);
    memcpy(ring_data + RING_BYTES - bytes, rest.ptr, bytes);
    struct mpl_ring_view ring = {.data = ring_data,
                                 .data_bytes = RING_BYTES,
                                 .member = &member,
                                 .pos = RING_BYTES - bytes,
                                 .head = RING_BYTES,
                                 .thread = 77,
                                 .process = 4711,
                                 .process_len = 4,
                                 .thread_len = 4,
                                 .names = "mainmain"};
    read_ring(&ring);
    free(ring_data);
    mpl_defs_fini(&defs);
    return 0;
}
