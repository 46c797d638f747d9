/* SPDX-License-Identifier: Unlicense
 *
 * What a language binding does: bodies of its own, call sites found at run time, sinks added to a running session, and
 * waiting outside.
 */
#include "session_by_hand.h"

#include "base/os.h"
#include "output/pyformat.h"
#include "producer/binding.h"
#include "shm/codec.h"

#define FORMAT "%(message)s|%(pathname)s:%(lineno)d %(funcName)s %(name)s %(thread)d"

static struct mpl_logger *logger(void) { return mpl_logger_of(mplog_get_logger("hand")); }

static bool file_is(const char *path, const char *expected)
{
    char text[4096];
    FILE *f = fopen(path, "r");
    size_t len = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[len] = '\0';
    bool is_same = strcmp(text, expected) == 0;
    if (!is_same)
        printf("# the file is \"%s\"\n", text);
    return is_same;
}

static bool log_is(const char *expected) { return file_is(hand_log, expected); }

static void begin(const char *format)
{
    struct mplog_options o = hand_options();
    o.format_string = format;
    hand_begin(&o);
    mpl_binding_set_thread_ident(77);
}

/* Writes with the short way if it is there, else with the long one. */
static enum mpl_outcome write_record(uint32_t kind, uint32_t sinks, uint64_t site_bits, struct mpl_str body)
{
    uint64_t bytes = sizeof(struct mpl_record_head) + MPL_ALIGN(body.len), stamp, largest;
    uint64_t ids = mpl_ids_pack(site_bits, mpl_binding_define_logger(logger()), MPLOG_INFO);
    struct mpl_producer *p = mpl_binding_begin(bytes);
    if (p) {
        memcpy(mpl_binding_start(p, kind, bytes, sinks, ids, &stamp), body.ptr, body.len);
        mpl_producer_commit(p, bytes, stamp);
        mpl_binding_end(p);
        return MPL_WRITTEN;
    }
    struct mpl_binding_record r = {logger(), MPLOG_INFO, kind, sinks, site_bits, body, 0};
    return mpl_binding_write(&r, MPL_WAITS_OUTSIDE, &largest);
}

static char body[512];

static struct mpl_str text_body(const char *text)
{
    uint64_t len = strlen(text);
    memcpy(body, &len, 8);
    memcpy(body + 8, text, len);
    return (struct mpl_str){body, 8 + len};
}

/* "%s %d %s": a text, an int and True. */
static struct mpl_str typed_body(const char *text, int64_t number)
{
    uint64_t types = MPL_PY_TEXT | MPL_PY_INT << 4 | MPL_PY_TRUE << 8, len = strlen(text), none = 0;
    struct mpl_text t = {body, 0, sizeof body};
    mpl_text_append(&t, (const char *)&types, 8);
    mpl_text_append(&t, (const char *)&len, 8);
    mpl_text_append(&t, (const char *)&number, 8);
    mpl_text_append(&t, (const char *)&none, 8);
    mpl_text_append(&t, text, len);
    return (struct mpl_str){t.data, t.len};
}

static uint64_t python_site(void)
{
    return mpl_binding_define_site(MPL_DEF_PYTHON, MPL_STR("%s %d %s"), MPL_STR("/a/b.py"), 12, MPL_STR("f"));
}

static void finished_text_has_the_call_site_it_names(void)
{
    begin(FORMAT);
    uint64_t site = mpl_binding_define_site(MPL_DEF_NOT_A_FORMAT, MPL_STR(""), MPL_STR("/a/b.py"), 7, MPL_STR("g"));
    CHECK(site != 0);
    for (int i = 0; i < 2; i++) /* the long way, then the short one */
        CHECK_INT(write_record(MPL_RECORD_TEXT, MPL_SINKS_SHARED, site, text_body("100%d")), MPL_WRITTEN);
    CHECK_INT(write_record(MPL_RECORD_TEXT, MPL_SINKS_SHARED, 0, text_body("no site")), MPL_WRITTEN);
    hand_pass();
    CHECK(log_is("100%d|/a/b.py:7 g hand 77\n100%d|/a/b.py:7 g hand 77\n"
                 "no site|(unknown file):0 (unknown function) hand 77\n"));
    hand_end();
}

static void typed_arguments_are_rendered_as_python_does(void)
{
    begin(FORMAT);
    uint64_t site = python_site();
    for (int i = 0; i < 2; i++)
        CHECK_INT(write_record(MPL_RECORD_DEFERRED, MPL_SINKS_SHARED, site, typed_body("h\xc3\xa9", -5)), MPL_WRITTEN);
    hand_pass();
    CHECK(log_is("h\xc3\xa9 -5 True|/a/b.py:12 f hand 77\nh\xc3\xa9 -5 True|/a/b.py:12 f hand 77\n"));
    hand_end();
}

static void full_record_carries_typed_arguments_beside_its_fields(void)
{
    begin("%(levelname)s %(taskName)s %(message)s %(lineno)d");
    char full[512];
    struct mpl_str typed = typed_body("x", 1);
    char *end = mpl_field_put(full, MPL_FIELD_LEVEL_NAME, MPL_STR("NOTICE"));
    end = mpl_field_put(end, MPL_FIELD_TASK_NAME, MPL_STR("Task-1"));
    end = mpl_field_put(end, MPL_FIELD_ARGS, typed);
    CHECK_INT(
        write_record(MPL_RECORD_FULL, MPL_SINKS_SHARED, python_site(), (struct mpl_str){full, (size_t)(end - full)}),
        MPL_WRITTEN);
    hand_pass();
    CHECK(log_is("NOTICE Task-1 x 1 True 12\n"));
    hand_end();
}

/* Whatever stands where types and lengths should: a line that says so, and the next record is whole. */
static void damaged_arguments_are_skipped(void)
{
    begin("%(message)s");
    uint64_t site = python_site();
    struct mpl_str good = typed_body("x", 1);
    CHECK_INT(write_record(MPL_RECORD_DEFERRED, MPL_SINKS_SHARED, site, (struct mpl_str){good.ptr, 24}), MPL_WRITTEN);
    good = typed_body("x", 1);
    body[8] = 100; /* a text of 100 bytes */
    CHECK_INT(write_record(MPL_RECORD_DEFERRED, MPL_SINKS_SHARED, site, good), MPL_WRITTEN);
    good = typed_body("x", 1);
    body[0] = 0xf; /* no type */
    CHECK_INT(write_record(MPL_RECORD_DEFERRED, MPL_SINKS_SHARED, site, good), MPL_WRITTEN);
    CHECK_INT(write_record(MPL_RECORD_DEFERRED, MPL_SINKS_SHARED, site, typed_body("good", 2)), MPL_WRITTEN);
    hand_pass();
    CHECK(log_is("a damaged record of 48 bytes was skipped\na damaged record of 64 bytes was skipped\n"
                 "a damaged record of 64 bytes was skipped\ngood 2 True\n"));
    hand_end();
}

static void sink_that_is_added_takes_only_records_that_name_it(void)
{
    char path[sizeof hand_dir + 16];
    static struct mpl_options options; /* 13 KiB */
    uint32_t index, again;
    begin("%(message)s");
    hand_pass();
    snprintf(path, sizeof path, "%s/own.log", hand_dir);
    struct mplog_options o = hand_options();
    o.log_file = path;
    o.format_string = "<%(message)s>";
    CHECK(mpl_options_resolve(&options, &o, false) == 0 && mpl_process_lock());
    int error = mpl_sinks_add(&hand_session, &options, &index);
    error = error ? error : mpl_sinks_add(&hand_session, &options, &again);
    mpl_process_unlock();
    CHECK_INT(error, 0);
    CHECK_INT(index, 1);
    CHECK_INT(again, 1); /* the same file with the same treatment is the same sink */
    CHECK_INT(write_record(MPL_RECORD_TEXT, 1u << index, 0, text_body("own")), MPL_WRITTEN);
    CHECK_INT(write_record(MPL_RECORD_TEXT, MPL_SINKS_SHARED, 0, text_body("shared")), MPL_WRITTEN);
    CHECK_INT(write_record(MPL_RECORD_TEXT, 3, 0, text_body("both")), MPL_WRITTEN);
    hand_pass();
    CHECK(log_is("shared\nboth\n"));
    CHECK(file_is(path, "<own>\n<both>\n"));
    hand_take_over(); /* a successor knows it, too */
    CHECK_INT(write_record(MPL_RECORD_TEXT, 1u << index, 0, text_body("later")), MPL_WRITTEN);
    hand_pass();
    CHECK(file_is(path, "<own>\n<both>\n<later>\n"));
    unlink(path);
    hand_end();
}

static void full_ring_is_refused_to_who_waits_outside_and_counted_after_that(void)
{
    struct mplog_options o = hand_options();
    uint64_t largest;
    o.ring_max_bytes = 65536;
    hand_begin(&o);
    struct mpl_binding_record r = {logger(), MPLOG_INFO, MPL_RECORD_TEXT, MPL_SINKS_SHARED, 0, text_body("x"), 0};
    enum mpl_outcome outcome = MPL_WRITTEN;
    for (int i = 0; i < 5000 && outcome == MPL_WRITTEN; i++)
        outcome = mpl_binding_write(&r, MPL_WAITS_OUTSIDE, &largest);
    CHECK_INT(outcome, MPL_MUST_WAIT);
    CHECK_INT(mpl_binding_write(&r, MPL_WAITS_OUTSIDE, &largest), MPL_MUST_WAIT);
    CHECK_INT(atomic_load(&mpl_thread.producer->ring->lost[MPL_LOST_FULL]), 0);
    uint64_t begin_ns = mpl_clock_monotonic_ns();
    CHECK_INT(mpl_binding_write(&r, MPL_HAS_WAITED, &largest), MPL_WRITTEN);
    CHECK(mpl_clock_monotonic_ns() - begin_ns < 25000000); /* half of a timeout: it has waited already */
    CHECK_INT(atomic_load(&mpl_thread.producer->ring->lost[MPL_LOST_FULL]), 1);
    CHECK_INT(mpl_binding_write(&r, MPL_WAITS_OUTSIDE, &largest), MPL_WRITTEN); /* lossy now: lost at once */
    CHECK_INT(atomic_load(&mpl_thread.producer->ring->lost[MPL_LOST_FULL]), 2);
    hand_pass();
    CHECK_INT(mpl_binding_write(&r, MPL_WAITS_OUTSIDE, &largest), MPL_WRITTEN);
    CHECK_INT(atomic_load(&mpl_thread.producer->ring->lost[MPL_LOST_FULL]), 2);
    hand_pass();
    hand_end();
}

/* In the thread of a binding that has just been told to wait. */
static void call_of_a_c_library_into_a_full_ring_is_counted(void)
{
    struct mplog_options o = hand_options();
    uint64_t largest;
    o.ring_max_bytes = 65536;
    hand_begin(&o);
    struct mpl_binding_record r = {logger(), MPLOG_INFO, MPL_RECORD_TEXT, MPL_SINKS_SHARED, 0, text_body("x"), 0};
    while (mpl_binding_write(&r, MPL_WAITS_OUTSIDE, &largest) == MPL_WRITTEN) {
    }
    mplog_info(mplog_get_logger("hand"), "%d", 1);
    CHECK_INT(atomic_load(&mpl_thread.producer->ring->lost[MPL_LOST_FULL]), 1);
    hand_pass();
    hand_end();
}

#define SETTLED_BYTES (1 << 20)
#define STUCK_MS 20

static uint64_t ring_bytes(void)
{
    const struct mpl_producer *p = mpl_thread.producer;
    return p && p->map ? p->map->data_bytes : 0;
}

/* Until it is told to wait, or the ring has become larger than SETTLED_BYTES. */
static enum mpl_outcome fill_ring(void)
{
    uint64_t largest;
    enum mpl_outcome outcome = MPL_WRITTEN;
    struct mpl_binding_record r = {logger(), MPLOG_INFO, MPL_RECORD_TEXT, MPL_SINKS_SHARED, 0, text_body("x"), 0};
    while (outcome == MPL_WRITTEN && ring_bytes() <= SETTLED_BYTES)
        outcome = mpl_binding_write(&r, MPL_WAITS_OUTSIDE, &largest);
    return outcome;
}

static void large_ring_grows_only_where_the_collector_does_not_get_on(void)
{
    struct mplog_options o = hand_options();
    o.ring_max_bytes = 4 * SETTLED_BYTES;
    hand_begin(&o);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(fill_ring(), MPL_MUST_WAIT);
        CHECK_INT(ring_bytes(), SETTLED_BYTES);
        mpl_os_sleep_ns(STUCK_MS * UINT64_C(1000000));
        hand_pass();
        hand_pass();
    }
    CHECK_INT(fill_ring(), MPL_MUST_WAIT);
    mpl_os_sleep_ns(STUCK_MS * UINT64_C(1000000));
    CHECK_INT(fill_ring(), MPL_WRITTEN);
    CHECK_INT(ring_bytes(), 4 * SETTLED_BYTES);
    hand_pass();
    hand_end();
}

static void ring_among_many_settles_when_it_is_small(void)
{
    struct mplog_options o = hand_options();
    hand_begin(&o);
    mplog_info(mplog_get_logger("hand"), "%d", 1);
    hand_pass();
    CHECK_INT(atomic_load(&mpl_process.control->head.hot_rings), 2); /* and that of handlers, which is new */
    for (int i = 0; i < 2; i++) {
        atomic_store(&mpl_process.control->head.hot_rings, i == 0 ? 100 : 10);
        CHECK_INT(fill_ring(), MPL_MUST_WAIT);
        CHECK_INT(ring_bytes(), i == 0 ? 64 << 10 : 256 << 10);
    }
    hand_pass();
    hand_end();
}

static void large_ring_grows_at_once_where_calls_must_not_wait(void)
{
    struct mplog_options o = hand_options();
    o.ring_max_bytes = 4 * SETTLED_BYTES;
    o.overflow = "drop";
    hand_begin(&o);
    CHECK_INT(fill_ring(), MPL_WRITTEN);
    CHECK_INT(ring_bytes(), 4 * SETTLED_BYTES);
    CHECK_INT(atomic_load(&mpl_thread.producer->ring->lost[MPL_LOST_DROPPED]), 0);
    hand_pass();
    hand_end();
}

static void large_ring_that_cannot_grow_waits_once(void)
{
    struct mplog_options o = hand_options();
    o.ring_max_bytes = 4 * SETTLED_BYTES;
    o.ring_budget_bytes = 4 * SETTLED_BYTES; /* half of it may be had by growth */
    hand_begin(&o);
    for (int i = 0; i < 2 * SETTLED_BYTES / 32; i++)
        mplog_info(mplog_get_logger("hand"), "%d", i);
    struct mpl_producer *p = mpl_thread.producer;
    CHECK_INT(ring_bytes(), SETTLED_BYTES);
    uint64_t before = atomic_load(&p->ring->lost[MPL_LOST_FULL]);
    CHECK(before > 0);
    atomic_fetch_add(&mpl_process.control->head.batch_seq, 1); /* others' records are written, this ring's are not */
    mplog_info(mplog_get_logger("hand"), "%d", 1);
    CHECK_INT(atomic_load(&p->ring->lost[MPL_LOST_FULL]), before + 1);
    CHECK(p->full_batch_seq != atomic_load(&mpl_process.control->head.batch_seq)); /* it was not waited for again */
    atomic_fetch_sub(&mpl_process.control->head.batch_seq, 1);
    hand_pass();
    hand_end();
}

static void large_ring_of_a_call_that_waits_grows_where_nobody_reads(void)
{
    struct mplog_options o = hand_options();
    o.ring_max_bytes = 4 * SETTLED_BYTES;
    o.block_timeout_ms = 5000;
    hand_begin(&o);
    uint64_t begin_ns = mpl_clock_monotonic_ns();
    for (int i = 0; i < 2 * SETTLED_BYTES / 32; i++)
        mplog_info(mplog_get_logger("hand"), "%d", i);
    CHECK(mpl_clock_monotonic_ns() - begin_ns >= STUCK_MS * UINT64_C(1000000));
    CHECK_INT(ring_bytes(), 4 * SETTLED_BYTES);
    CHECK_INT(atomic_load(&mpl_thread.producer->ring->lost[MPL_LOST_FULL]), 0);
    hand_pass();
    hand_end();
}

static void without_a_session_nothing_is_written_or_defined(void)
{
    uint64_t largest;
    struct mpl_binding_record r = {logger(), MPLOG_ERROR, MPL_RECORD_TEXT, MPL_SINKS_SHARED, 0, text_body("x"), 0};
    begin("%(message)s");
    hand_end();
    CHECK_INT(mpl_binding_write(&r, MPL_WAITS_OUTSIDE, &largest), MPL_NO_SESSION);
    CHECK_INT(python_site(), 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        TEST_CASE(finished_text_has_the_call_site_it_names),
        TEST_CASE(typed_arguments_are_rendered_as_python_does),
        TEST_CASE(full_record_carries_typed_arguments_beside_its_fields),
        TEST_CASE(damaged_arguments_are_skipped),
        TEST_CASE(sink_that_is_added_takes_only_records_that_name_it),
        TEST_CASE(full_ring_is_refused_to_who_waits_outside_and_counted_after_that),
        TEST_CASE(call_of_a_c_library_into_a_full_ring_is_counted),
        TEST_CASE(large_ring_grows_only_where_the_collector_does_not_get_on),
        TEST_CASE(ring_among_many_settles_when_it_is_small),
        TEST_CASE(large_ring_grows_at_once_where_calls_must_not_wait),
        TEST_CASE(large_ring_that_cannot_grow_waits_once),
        TEST_CASE(large_ring_of_a_call_that_waits_grows_where_nobody_reads),
        TEST_CASE(without_a_session_nothing_is_written_or_defined),
    };
    hand_directory();
    int status = test_run(cases, sizeof cases / sizeof cases[0]);
    rmdir(hand_dir);
    return status;
}
