/* SPDX-License-Identifier: Unlicense */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/options.h"
#include "fuzz.h"
#include "shm/codec.h"
#include "shm/slot.h"
#include "stage_private.h"

const char *const stage_names[FILE_COUNT] = {"control", "seg1",  "batch0", "next0",
                                             "stream1", "sink0", "sink1",  "options"};

static const char *const words[FILE_COUNT] = {"control", "segment", "batch", "next",
                                              "stream",  "sink0",   "sink1", "options"};

/* ---- files ---- */

int stage_open(enum stage_file f, int flags)
{
    return openat(stage_dir_fd, stage_names[f], flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

void stage_poke(enum stage_file f, uint64_t offset, const void *bytes, size_t n)
{
    int fd = stage_open(f, O_RDWR | O_NONBLOCK);
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && offset < STAGE_FILE_BYTES_MAX)
        FUZZ_CHECK(pwrite(fd, bytes, n, (off_t)offset) == (ssize_t)n);
    if (fd >= 0)
        close(fd);
}

bool stage_peek(enum stage_file f, uint64_t offset, void *bytes, size_t n)
{
    int fd = stage_open(f, O_RDONLY | O_NONBLOCK);
    bool is_read = fd >= 0 && pread(fd, bytes, n, (off_t)offset) == (ssize_t)n;
    if (fd >= 0)
        close(fd);
    return is_read;
}

/* ---- fields ---- */

enum anchor {
    AT_CONTROL,
    AT_OVERRIDES0,
    AT_OVERRIDES1,
    AT_ACCOUNT0,
    AT_ACCOUNT1,
    AT_SLOT,
    AT_SEGMENT,
    AT_DEF,
    AT_RING0,
    AT_RING1,
    AT_BATCH,
    AT_NEXT,
    AT_STREAM
};

static enum stage_file file_of(enum anchor a)
{
    static const enum stage_file sinkfiles[] = {BATCH, NEXT, STREAM};
    return a <= AT_SLOT ? CONTROL : a <= AT_RING1 ? SEGMENT : sinkfiles[a - AT_BATCH];
}

static uint64_t offset_of(enum anchor a)
{
    switch (a) {
    case AT_OVERRIDES0: return offsetof(struct mpl_control, overrides[0]);
    case AT_OVERRIDES1: return offsetof(struct mpl_control, overrides[1]);
    case AT_ACCOUNT0: return offsetof(struct mpl_control, account[0]);
    case AT_ACCOUNT1: return offsetof(struct mpl_control, account[1]);
    case AT_SLOT: return offsetof(struct mpl_control, slot);
    case AT_DEF: return stage_def_offset;
    case AT_RING0: return stage_ring_offset[0];
    case AT_RING1: return stage_ring_offset[1];
    default: return 0;
    }
}

#define FIELD(prefix, anchor, type, member)                                                                            \
    {                                                                                                                  \
        prefix "." #member, anchor, offsetof(struct type, member), sizeof(((struct type *)0)->member)                  \
    }
#define CONTROL_FIELD(member) FIELD("control", AT_CONTROL, mpl_control_head, member)
#define OVERRIDES_FIELD(member)                                                                                        \
    FIELD("overrides0", AT_OVERRIDES0, mpl_overrides, member), FIELD("overrides1", AT_OVERRIDES1, mpl_overrides, member)
#define ACCOUNT_FIELD(member)                                                                                          \
    FIELD("account0", AT_ACCOUNT0, mpl_account, member), FIELD("account1", AT_ACCOUNT1, mpl_account, member)
#define SLOT_FIELD(member) FIELD("slot", AT_SLOT, mpl_slot, member)
#define SEGMENT_FIELD(member) FIELD("segment", AT_SEGMENT, mpl_segment, member)
#define DEF_FIELD(member) FIELD("def", AT_DEF, mpl_def_extent, member)
#define RING_FIELD(member) FIELD("ring0", AT_RING0, mpl_ring, member), FIELD("ring1", AT_RING1, mpl_ring, member)
#define BATCH_FIELD(member) FIELD("batch", AT_BATCH, mpl_batch, member), FIELD("next", AT_NEXT, mpl_batch, member)
#define BATCH_PROGRESS_FIELD(member) BATCH_FIELD(progress[0].member), BATCH_FIELD(progress[1].member)
#define STREAM_FIELD(member) FIELD("stream", AT_STREAM, mpl_stream, member)

static const struct field {
    const char *name;
    enum anchor anchor;
    size_t offset, bytes;
} fields[] = {
    CONTROL_FIELD(magic),
    CONTROL_FIELD(abi_version),
    CONTROL_FIELD(control_bytes),
    CONTROL_FIELD(clock_kind),
    CONTROL_FIELD(stamp_base),
    CONTROL_FIELD(monotonic_base_ns),
    CONTROL_FIELD(level),
    CONTROL_FIELD(overflow),
    CONTROL_FIELD(block_timeout_ns),
    CONTROL_FIELD(ring_initial_bytes),
    CONTROL_FIELD(ring_max_bytes),
    CONTROL_FIELD(ring_budget_bytes),
    CONTROL_FIELD(level_generation),
    CONTROL_FIELD(state),
    CONTROL_FIELD(sink_count),
    CONTROL_FIELD(takeovers),
    CONTROL_FIELD(slots_used),
    CONTROL_FIELD(wake_word),
    CONTROL_FIELD(sleeping),
    CONTROL_FIELD(news),
    CONTROL_FIELD(written_until),
    CONTROL_FIELD(streamed_until),
    CONTROL_FIELD(flush_wanted),
    CONTROL_FIELD(batch_seq),
    CONTROL_FIELD(boot_id[0]),
    CONTROL_FIELD(wall_base_ns),
    CONTROL_FIELD(pulse.stamp),
    CONTROL_FIELD(pulse.wall_ns),
    CONTROL_FIELD(pulse.ns_per_tick),
    OVERRIDES_FIELD(count),
    OVERRIDES_FIELD(entry[0].level),
    OVERRIDES_FIELD(entry[0].name_len),
    ACCOUNT_FIELD(tag),
    ACCOUNT_FIELD(merged),
    ACCOUNT_FIELD(lost[0]),
    ACCOUNT_FIELD(sink[0].records),
    ACCOUNT_FIELD(sink[0].lost),
    ACCOUNT_FIELD(sink[0].untold),
    ACCOUNT_FIELD(sink[1].untold),
    SLOT_FIELD(word),
    SLOT_FIELD(segment_serial),
    SLOT_FIELD(start_time),
    SLOT_FIELD(pid_ns),
    SLOT_FIELD(stderr_dev),
    SLOT_FIELD(stderr_ino),
    SLOT_FIELD(flags),
    SEGMENT_FIELD(magic),
    SEGMENT_FIELD(abi_version),
    SEGMENT_FIELD(relative_base_ns),
    SEGMENT_FIELD(first_def_offset),
    SEGMENT_FIELD(first_ring_offset),
    SEGMENT_FIELD(lost[0]),
    SEGMENT_FIELD(lost[1]),
    SEGMENT_FIELD(progress[0].tag),
    SEGMENT_FIELD(progress[0].lost_reported[0]),
    SEGMENT_FIELD(progress[1].tag),
    DEF_FIELD(next_offset),
    DEF_FIELD(data_bytes),
    DEF_FIELD(write_pos),
    RING_FIELD(magic),
    RING_FIELD(state),
    RING_FIELD(data_offset),
    RING_FIELD(data_bytes),
    RING_FIELD(claim),
    RING_FIELD(next_offset),
    RING_FIELD(write_pos),
    RING_FIELD(read_pos),
    RING_FIELD(watch),
    RING_FIELD(index),
    RING_FIELD(cold_count),
    RING_FIELD(lost[0]),
    RING_FIELD(lost[3]),
    RING_FIELD(progress[0].tag),
    RING_FIELD(progress[0].read_pos),
    RING_FIELD(progress[0].lost_reported[0]),
    RING_FIELD(progress[1].tag),
    RING_FIELD(progress[1].read_pos),
    RING_FIELD(names[0].tag),
    RING_FIELD(names[0].process_len),
    RING_FIELD(names[0].thread_len),
    RING_FIELD(names[1].tag),
    RING_FIELD(names[1].process_len),
    BATCH_FIELD(magic),
    BATCH_FIELD(ends_max),
    BATCH_FIELD(data_bytes),
    BATCH_PROGRESS_FIELD(tag),
    BATCH_PROGRESS_FIELD(begin),
    BATCH_PROGRESS_FIELD(end),
    BATCH_PROGRESS_FIELD(record_count),
    BATCH_PROGRESS_FIELD(own_count),
    BATCH_PROGRESS_FIELD(oldest_stamp),
    BATCH_FIELD(done),
    BATCH_FIELD(intent.dev),
    BATCH_FIELD(intent.ino),
    BATCH_FIELD(intent.offset),
    BATCH_FIELD(intent.from),
    BATCH_FIELD(intent.until),
    STREAM_FIELD(magic),
    STREAM_FIELD(data_bytes),
    STREAM_FIELD(progress[0].tag),
    STREAM_FIELD(progress[0].write_pos),
    STREAM_FIELD(progress[1].tag),
    STREAM_FIELD(progress[1].write_pos),
    STREAM_FIELD(write_pos),
    STREAM_FIELD(read_pos),
};

/* The collector asks the kernel about the processes in slots. Those of others on this machine are left alone: a pid
 * that is not ours becomes one that no process can have. */
static void hide_others(uint64_t from, uint64_t until)
{
    uint64_t word, first = offsetof(struct mpl_control, slot);
    for (uint32_t i = 0; i < MPL_SLOTS_MAX; i++) {
        uint64_t at = first + i * sizeof(struct mpl_slot);
        if (at >= until || at + sizeof word <= from || !stage_peek(CONTROL, at, &word, sizeof word))
            continue;
        pid_t pid = mpl_slot_pid(word);
        if (pid > 0 && pid != getpid()) {
            word |= UINT64_C(0x40000000) << 32;
            stage_poke(CONTROL, at, &word, sizeof word);
        }
    }
}

static void change(enum stage_file f, uint64_t offset, const void *bytes, size_t n)
{
    stage_poke(f, offset, bytes, n);
    if (f == CONTROL && offset + n > offsetof(struct mpl_control, slot))
        hide_others(offset, offset + n);
}

static uint64_t number_of(struct mpl_str s)
{
    struct stat st = {.st_size = 0};
    if (mpl_str_equal(s, MPL_STR("pid")))
        return (uint64_t)getpid();
    if (mpl_str_equal(s, MPL_STR("stamp")))
        return mpl_clock_stamp(mpl_clock_detect());
    if (s.len < 7 || memcmp(s.ptr, "log-", 4) != 0)
        return fuzz_number(s);
    fstat(stage_log_fd, &st);
    return s.ptr[4] == 'd' ? st.st_dev : s.ptr[4] == 'i' ? st.st_ino : (uint64_t)st.st_size;
}

static bool set_field(struct mpl_str name, struct mpl_str line)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const struct field *f = &fields[i];
        if (!mpl_str_equal(name, mpl_str_from(f->name)))
            continue;
        uint64_t value = number_of(fuzz_word(&line));
        change(file_of(f->anchor), offset_of(f->anchor) + f->offset, &value, f->bytes);
        return true;
    }
    return false;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* As many bytes as pairs of digits. */
static size_t decode_hex(struct mpl_str hex, char *bytes, size_t room)
{
    size_t n = 0;
    while (n < room && hex.len - 2 * n >= 2 && digit(hex.ptr[2 * n]) >= 0 && digit(hex.ptr[2 * n + 1]) >= 0) {
        bytes[n] = (char)(digit(hex.ptr[2 * n]) * 16 + digit(hex.ptr[2 * n + 1]));
        n++;
    }
    return n;
}

static bool find_file(struct mpl_str word, enum stage_file *f)
{
    for (int i = 0; i < FILE_COUNT; i++) {
        if (mpl_str_equal(word, mpl_str_from(words[i]))) {
            *f = (enum stage_file)i;
            return true;
        }
    }
    return false;
}

static char fold(char c) { return c == '-' ? '_' : c >= 'A' && c <= 'Z' ? (char)(c | 32) : c; }

/* Another path than the session's would be another test's business, or somebody's file. */
static bool names_other_file(struct mpl_str text)
{
    for (size_t i = 0; i + 8 <= text.len; i++) {
        char folded[8];
        for (size_t k = 0; k < 8; k++)
            folded[k] = fold(text.ptr[i + k]);
        bool is_ours = text.len - i >= 11 && memcmp(text.ptr + i, "log_file=@;", 11) == 0;
        if (memcmp(folded, "log_file", 8) == 0 && !is_ours)
            return true;
    }
    return false;
}

/* Replaces "<key>=@;". */
static void append_expanded(struct mpl_text *t, struct mpl_str text)
{
    struct stat st;
    FUZZ_CHECK(fstat(stage_err_fd, &st) == 0);
    while (text.len > 0) {
        struct mpl_str pair = fuzz_until(&text, ';'), rest = pair, key = fuzz_until(&rest, '=');
        bool is_ours = mpl_str_equal(rest, MPL_STR("@"));
        if (is_ours && mpl_str_equal(key, MPL_STR("log_file")))
            mpl_options_write_pair(t, "log_file", stage_log_path);
        else if (is_ours && mpl_str_equal(key, MPL_STR("dev")))
            mpl_options_write_number(t, "dev", st.st_dev);
        else if (is_ours && mpl_str_equal(key, MPL_STR("ino")))
            mpl_options_write_number(t, "ino", st.st_ino);
        else
            mpl_text_str(t, pair), mpl_text_char(t, ';');
    }
}

static void replace(enum stage_file f, struct mpl_str text)
{
    static char buffer[65536];
    struct mpl_text t = {buffer, 0, sizeof buffer};
    int fd = stage_open(f, O_RDWR | O_NONBLOCK);
    if (fd >= 0 && !names_other_file(text)) {
        append_expanded(&t, text);
        if (ftruncate(fd, 0) == 0 && mpl_text_fits(&t))
            FUZZ_CHECK(pwrite(fd, buffer, t.len, 0) == (ssize_t)t.len);
    }
    if (fd >= 0)
        close(fd);
}

static void truncate_file(enum stage_file f, uint64_t bytes)
{
    int fd = stage_open(f, O_RDWR | O_NONBLOCK);
    if (fd >= 0) {
        (void)!ftruncate(fd, (off_t)(bytes % STAGE_FILE_BYTES_MAX)); /* a FIFO has no size */
        close(fd);
    }
}

/* Its producer would wrap; where the ring ends, so does this. */
static void publish(const char *bytes, size_t n)
{
    uint64_t pos, data_bytes, at = stage_ring_offset[0];
    if (!stage_peek(SEGMENT, at + offsetof(struct mpl_ring, write_pos), &pos, 8) ||
        !stage_peek(SEGMENT, at + offsetof(struct mpl_ring, data_bytes), &data_bytes, 8))
        return;
    uint64_t until = pos + MPL_ALIGN(n);
    stage_poke(SEGMENT, at + MPL_PAGE_BYTES + (pos & (data_bytes - 1)), bytes, n);
    stage_poke(SEGMENT, at + offsetof(struct mpl_ring, write_pos), &until, 8);
}

static void put_message(struct mpl_str text)
{
    char record[512] = {0};
    uint64_t len = text.len < 256 ? text.len : 256, bytes = sizeof(struct mpl_record_head) + 8 + MPL_ALIGN(len);
    struct mpl_record_head head = {mpl_kind_words(MPL_RECORD_TEXT, bytes), UINT32_MAX,
                                   mpl_clock_stamp(mpl_clock_detect()), mpl_ids_pack(0, 0, 20)};
    memcpy(record, &head, sizeof head);
    memcpy(record + sizeof head, &len, 8);
    memcpy(record + sizeof head + 8, text.ptr, len);
    publish(record, bytes);
}

static void change_log(struct mpl_str line, bool is_rotation)
{
    char to[512];
    snprintf(to, sizeof to, "%s.1", stage_log_path);
    int fd = is_rotation ? -1 : open(stage_log_path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (is_rotation)
        rename(stage_log_path, to);
    if (fd >= 0) {
        FUZZ_CHECK(write(fd, line.ptr, line.len) == (ssize_t)line.len);
        close(fd);
    }
}

static void run_on_file(struct mpl_str command, struct mpl_str line)
{
    enum stage_file f;
    char bytes[2048];
    if (!find_file(fuzz_word(&line), &f))
        return;
    if (mpl_str_equal(command, MPL_STR("bytes"))) {
        uint64_t offset = fuzz_next_number(&line);
        change(f, offset, bytes, decode_hex(line, bytes, sizeof bytes));
    } else if (mpl_str_equal(command, MPL_STR("text"))) {
        if (f >= SINK0)
            replace(f, line);
    } else if (mpl_str_equal(command, MPL_STR("truncate"))) {
        truncate_file(f, fuzz_next_number(&line));
    } else if (mpl_str_equal(command, MPL_STR("remove"))) {
        unlinkat(stage_dir_fd, stage_names[f], 0);
    } else if (mpl_str_equal(command, MPL_STR("fifo"))) {
        unlinkat(stage_dir_fd, stage_names[f], 0);
        FUZZ_CHECK(mkfifoat(stage_dir_fd, stage_names[f], 0600) == 0 || errno == ENOENT);
    } else if (mpl_str_equal(command, MPL_STR("link"))) {
        unlinkat(stage_dir_fd, stage_names[f], 0);
        /* Not where the directory has been removed. */
        FUZZ_CHECK(symlinkat(stage_log_path, stage_dir_fd, stage_names[f]) == 0 || errno == ENOENT);
    }
}

static void run_command(struct mpl_str line)
{
    char bytes[2048];
    struct mpl_str whole = line, command = fuzz_word(&line);
    if (set_field(command, line))
        return;
    if (mpl_str_equal(whole, MPL_STR("pass")))
        stage_pass();
    else if (mpl_str_equal(whole, MPL_STR("takeover")))
        stage_take_over();
    else if (mpl_str_equal(whole, MPL_STR("rotate")))
        change_log(line, true);
    else if (mpl_str_equal(whole, MPL_STR("turn")))
        stage_turn();
    else if (mpl_str_equal(whole, MPL_STR("lives")))
        stage_check_lives();
    else if (mpl_str_equal(whole, MPL_STR("report")))
        stage_report();
    else if (mpl_str_equal(whole, MPL_STR("recover")))
        stage_recover();
    else if (mpl_str_equal(command, MPL_STR("log")))
        change_log(line, false);
    else if (mpl_str_equal(command, MPL_STR("put")))
        publish(bytes, decode_hex(line, bytes, sizeof bytes));
    else if (mpl_str_equal(command, MPL_STR("beside")))
        stage_put_beside(line);
    else if (mpl_str_equal(command, MPL_STR("within")))
        stage_put_within(line);
    else if (mpl_str_equal(command, MPL_STR("message")))
        put_message(line);
    else
        run_on_file(command, line);
}

void stage_run(struct mpl_str commands)
{
    while (commands.len > 0)
        run_command(fuzz_line(&commands));
}
