/* SPDX-License-Identifier: Unlicense
 *
 * The bytes that cross a process border: every structure in shared memory, field by field.
 *
 * A session is a directory (0700) that holds
 *
 *     control        struct mpl_control: facts, state, member slots, attention bitmap, overrides
 *     options        text; the options the session was set up with
 *     sink<N>        text; the options of sink N, complete before control.sink_count counts it
 *     batch<N>, next<N>  struct mpl_batch + bytes; a regular-file sink's lines on their way to the disk: one is filled
 *                    while the other is written; the older one is the one that begins at the lower position
 *     stream<N>      struct mpl_stream + bytes; a stderr, pipe or terminal sink's waiting lines
 *     seg<serial>    struct mpl_segment; one member process: definitions and rings
 *
 * Rules. No pointers: offsets within the file, checked at each use. Positions are u64 and only grow. "Producer writes"
 * means the thread that owns the ring; "collector writes" means the process that holds the record lock on byte 0 of
 * `control`. Fields that two sides touch at the same time are atomic, and the line that says so names the partner.
 * Integers are in host order: the directory never leaves the machine.
 */
#ifndef MPL_SHM_ABI_H
#define MPL_SHM_ABI_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

/* Raised by every change of this file. Members and collector of one session must agree on it. */
#define MPL_ABI_VERSION 7u

#define MPL_CONTROL_MAGIC 0x4c504d43u /* "CMPL" */
#define MPL_SEGMENT_MAGIC 0x4c504d53u /* "SMPL" */
#define MPL_RING_MAGIC 0x4c504d52u    /* "RMPL" */
#define MPL_BATCH_MAGIC 0x4c504d42u   /* "BMPL" */
#define MPL_STREAM_MAGIC 0x4c504d54u  /* "TMPL" */

#define MPL_CACHE_LINE 64
#define MPL_PAGE_BYTES 4096u

#define MPL_SINKS_MAX 32u         /* one bit each in a record's sink mask */
#define MPL_SLOTS_MAX 4096u       /* member processes alive at one time; 64 bytes each */
#define MPL_ATTENTION_BITS 65536u /* rings that may go cold; 8 KiB, scanned in 0.3 us */
#define MPL_OVERRIDES_MAX 64u     /* logger names with a session-wide level */
#define MPL_OVERRIDE_NAME_MAX 120u
#define MPL_DEATHS_KEPT 8u

/* ---- control ---- */

enum mpl_session_state {
    MPL_SESSION_NEW = 0,     /* no collector has run yet */
    MPL_SESSION_RUNNING = 1, /* joiners may join */
    MPL_SESSION_CLOSING = 2, /* the collector counts the members once more */
    MPL_SESSION_REMOVED = 3, /* final: the directory is gone or going */
};

enum mpl_slot_state {
    MPL_SLOT_FREE = 0,
    MPL_SLOT_JOINING = 1, /* claimed, facts not yet filled in */
    MPL_SLOT_ACTIVE = 2,
    MPL_SLOT_LEAVING = 3, /* the process has detached; its rings are still to be drained */
};

/* One member process. The word carries state, generation and pid together, so that a claim names its claimer in one
 * compare-and-swap and a collector never meets a claimed slot without a pid. */
struct mpl_slot {
    /* bits 0-7 state, 8-31 generation, 32-63 pid. Joiner: FREE -> JOINING -> ACTIVE -> LEAVING; collector: any -> FREE
     * with the next generation. Each step is a compare-and-swap: a joiner that was taken for dead notices and joins
     * again. Partners: shm/slot.c (joiner), collector/members.c. */
    _Atomic uint64_t word;
    _Atomic uint64_t segment_serial; /* seg<serial>; stored before the file is created, so that it can be deleted. By
                                        compare-and-swap from what stood there before the claim (shm/slot.c) */
    uint64_t start_time; /* /proc/PID/stat field 22, clock ticks since boot; with the pid, tells a reused pid */
    uint64_t pid_ns;     /* inode of /proc/self/ns/pid as the member sees it */
    uint64_t stderr_dev; /* what descriptor 2 was when the member joined; 0 0: closed */
    uint64_t stderr_ino;
    uint32_t flags; /* MPL_SLOT_* */
    uint32_t reserved[3];
};
_Static_assert(sizeof(struct mpl_slot) == 64, "one cache line a slot");

#define MPL_SLOT_MEMBARRIER 1u /* registered for membarrier: its rings may go cold */

struct mpl_override {
    int32_t level;
    uint32_t name_len;
    char name[MPL_OVERRIDE_NAME_MAX];
};
_Static_assert(sizeof(struct mpl_override) == 128, "two cache lines an override");

/* Session-wide levels; two copies, the one in force is level_generation % 2. Writers hold the record lock on byte 1 of
 * `control`, fill the other copy and add 1 to level_generation. */
struct mpl_overrides {
    uint32_t count;
    uint32_t reserved[15];
    struct mpl_override entry[MPL_OVERRIDES_MAX];
};

/* When the collector last lived, and how its stamps translate into time of day: what a session of an earlier boot has
 * instead of clocks. A death between two of these stores mixes two passes, which are a second apart at most. */
struct mpl_pulse {
    uint64_t stamp;
    int64_t wall_ns;
    double ns_per_tick;
};

/* What was lost and why, in records; the causes of rings and segments in their order, then the collector's own. */
enum mpl_loss {
    MPL_LOSS_FULL = 0, /* = MPL_LOST_FULL, and so on */
    MPL_LOSS_DROPPED,
    MPL_LOSS_OVERSIZE,
    MPL_LOSS_CORRUPT_BYTES, /* how many records those were, nobody knows */
    MPL_LOSS_NESTED,        /* = MPL_RING_LOSSES + MPL_LOST_NESTED */
    MPL_LOSS_NO_RING,
    MPL_LOSS_DAMAGED, /* records that could not be understood */
    MPL_LOSS_MEMORY,  /* the collector had no memory to look at them */
    MPL_LOSSES
};

/* Whose records a sink has lost. Those of further processes are told without a number of their own. */
#define MPL_LOSERS_MAX 4u

struct mpl_losers {
    int64_t first_ns, last_ns;        /* time of day of the first and the last of these losses */
    uint32_t process[MPL_LOSERS_MAX]; /* 0: none */
    int32_t error;                    /* errno; 0: not known */
    uint32_t reserved;
    uint64_t count[MPL_LOSERS_MAX];
};

/* For each record that was merged, one of the first three grows. */
struct mpl_sink_account {
    uint64_t records;         /* in lines that were laid down; those not in the file yet are told by batch and stream */
    uint64_t lost;            /* only here: this sink could not take them */
    uint64_t skipped;         /* not meant for this sink: its level, or the record's mask */
    uint64_t bytes;           /* laid down, lines of our own included */
    uint64_t untold;          /* losses that no line in this sink tells of yet */
    struct mpl_losers losers; /* of these */
};

/* Accepted by log calls: merged, plus what each cause took. Kept twice; see "what a batch decides". */
struct mpl_account {
    _Atomic uint64_t tag;
    uint64_t merged; /* records taken from rings */
    uint64_t lost[MPL_LOSSES];
    struct mpl_sink_account sink[MPL_SINKS_MAX];
};

/* First page of `control`. It is mapped at an address that stays mapped for the life of the process (logger.c reads
 * level_generation without knowing whether a session is there). */
struct mpl_control_head {
    /* facts: written before the directory gets its name, never changed */
    uint32_t magic, abi_version;
    uint64_t control_bytes;
    char session_id[40]; /* 32 hex digits, NUL */
    char boot_id[40];    /* /proc/sys/kernel/random/boot_id */
    uint32_t creator_pid;
    uint32_t clock_kind;        /* enum mpl_clock_kind (base/clock.h): every stamp of the session */
    uint64_t stamp_base;        /* one reading of the stamp clock ... */
    uint64_t monotonic_base_ns; /* ... and of CLOCK_MONOTONIC at the same moment */
    int64_t wall_base_ns;       /* ... and of the time of day */
    int32_t level;              /* the root logger's level for those who join */
    uint32_t overflow;          /* enum mpl_overflow */
    uint64_t block_timeout_ns;
    uint64_t ring_initial_bytes, ring_max_bytes, ring_budget_bytes; /* rings are the powers of two among these */

    alignas(MPL_CACHE_LINE) _Atomic uint32_t level_generation; /* changes of `overrides`. Writer: control.c, release;
                                                                  readers: logger.c and mplog.h */
    /* Bits 0-7 enum mpl_session_state, 8-31 the end of `takeovers` of the collector that wrote it, by compare-and-swap
     * from the word it knows: one that has lost its lock notices, and REMOVED stays. Joiners read after they claimed a
     * slot (slot.c), both with seq_cst. */
    alignas(MPL_CACHE_LINE) _Atomic uint32_t state;
    _Atomic uint32_t sink_count;    /* release by who adds a sink, acquire by the collector */
    _Atomic uint32_t collector_pid; /* for people and stat; never proof of life. 0: it has ended in order */
    _Atomic uint32_t takeovers; /* collectors so far; a collector that finds it changed has been replaced and stops */
    _Atomic uint32_t collector_kind; /* enum mpl_collector_kind */
    _Atomic uint64_t spawn_claim_ns; /* CLOCK_MONOTONIC; who may start a collector now (spawn.c) */
    /* When collectors were found dead, newest first; `takeovers` at the last time; starts in vain since then. By who
     * has claimed to start one. */
    _Atomic uint64_t death_ns[MPL_DEATHS_KEPT];
    _Atomic uint32_t deaths_seen, starts;
    _Atomic uint64_t segment_serial; /* next seg<serial> */
    _Atomic uint32_t slots_used;     /* no slot from this one on has ever been claimed */

    alignas(MPL_CACHE_LINE) _Atomic uint32_t wake_word; /* futex. Wakers add 1, then FUTEX_WAKE (wake.c) */
    _Atomic uint32_t sleeping; /* 1: the collector waits for wake_word, or is about to. seq_cst against attention, news
                                  and flush_wanted, which it looks at again in between */
    _Atomic uint32_t news; /* members or rings were added or closed; the collector looks at all slots when it changed */

    /* All four seq_cst: the collector stores the first two and then reads the third, a flusher the reverse (wake.c). */
    alignas(MPL_CACHE_LINE) _Atomic uint64_t written_until; /* every record stamped before this is in the files */
    _Atomic uint64_t streamed_until;                        /* the same for the streams */
    _Atomic uint64_t flush_wanted;                          /* greatest stamp anybody waits for */
    _Atomic uint32_t flush_word; /* futex; the collector adds 1 when one of the first two has moved past the third */
    _Atomic uint32_t given_up_files; /* that cannot be written, and are not waited for: what the first says leaves them
                                        out. Stored before it */
    _Atomic uint64_t told; /* who has said at its end what waits: bits 0-31 when, in seconds of CLOCK_MONOTONIC, 32-63
                              on which stderr; by compare-and-swap (session/unwritten.c) */
    _Atomic uint32_t failure[MPL_SINKS_MAX]; /* errno of a file that cannot be written just now; 0: it can. Collector,
                                                in each pass; read by who tells what was not written */

    alignas(MPL_CACHE_LINE) _Atomic uint64_t batch_seq; /* batches decided. This store (release; acquire by successors)
                                                           is the moment at which a batch becomes fact */
    struct mpl_pulse pulse;                             /* collector, in each pass; read when it has died */
    _Atomic uint32_t hot_rings; /* that were written lately. Collector, in each pass; producers whose rings are full */
};

static inline uint32_t mpl_state_of(uint32_t word) { return word & 0xff; }
static inline uint32_t mpl_state_word(uint32_t state, uint32_t takeover) { return state | takeover << 8; }

struct mpl_control {
    alignas(MPL_PAGE_BYTES) struct mpl_control_head head;
    alignas(MPL_PAGE_BYTES) _Atomic uint64_t attention[MPL_ATTENTION_BITS / 64]; /* bit i: the cold ring with index i
                                       has a record. Producer: fetch_or (wake.c); collector: exchange (pass.c) */
    alignas(MPL_PAGE_BYTES) struct mpl_overrides overrides[2];
    alignas(MPL_PAGE_BYTES) struct mpl_account account[2]; /* collector */
    alignas(MPL_PAGE_BYTES) struct mpl_slot slot[MPL_SLOTS_MAX];
};

/* ---- what a batch decides ----
 *
 * The collector's progress in a ring, a segment or a stream is kept twice, and so is its account. A batch fills the
 * copy that is not in force and gives it the tag batch_seq + 1, last and with release; storing batch_seq then brings
 * the new copies of all rings, segments, streams and the account into force at once. In force is the copy with the
 * highest tag <= batch_seq. A new collector first clears the tags above batch_seq: they are of a batch that was never
 * decided. */

/* ---- segment ---- */

/* Definitions: what records refer to by id. An append-only byte area in extents; each entry is
 * struct mpl_def, then its strings. Ids count from 1 per process in the order of the entries. */
enum mpl_def_kind { MPL_DEF_SITE = 1, MPL_DEF_LOGGER = 2 };

struct mpl_def {
    uint32_t bytes; /* of the whole entry; multiple of 8 */
    uint16_t kind;  /* enum mpl_def_kind */
    uint16_t flags; /* site: MPL_DEF_* */
    uint32_t id;
    uint32_t line;
    uint32_t text_len;     /* site: format; logger: name */
    uint32_t file_len;     /* site */
    uint32_t function_len; /* site */
    uint32_t reserved;
    /* text, file, function; without NUL */
};

#define MPL_DEF_HAS_ERROR 1u    /* records carry errno as one more word */
#define MPL_DEF_SHOW_ERROR 2u   /* ": <strerror> (errno N)" follows the message */
#define MPL_DEF_NOT_A_FORMAT 4u /* the text is shown as it is */
#define MPL_DEF_PYTHON 8u       /* a format of Python's % operator; arguments carry their types */

struct mpl_def_extent {
    _Atomic uint64_t next_offset; /* 0: none yet. Release by the process, acquire by the collector */
    uint64_t data_bytes;
    _Atomic uint64_t write_pos; /* bytes of complete entries. Release by the process, acquire by the collector */
    uint64_t reserved[5];
};

enum mpl_segment_loss {
    MPL_LOST_NESTED = 0,  /* calls from a signal handler that interrupted another log call of the thread */
    MPL_LOST_NO_RING = 1, /* calls for which no ring could be had */
    MPL_SEGMENT_LOSSES
};

struct mpl_segment_progress {
    _Atomic uint64_t tag;
    uint64_t lost_reported[MPL_SEGMENT_LOSSES]; /* how many of the losses stand in the log */
};

/* First page of a segment; the rest are extents and rings, each on a page border. */
struct mpl_segment {
    uint32_t magic, abi_version;
    uint32_t pid;
    uint32_t slot;
    uint64_t start_time;
    int64_t relative_base_ns;          /* wall clock that %(relativeCreated)d counts from */
    _Atomic uint64_t first_def_offset; /* release by the process, acquire by the collector */
    _Atomic uint64_t first_ring_offset;
    _Atomic uint64_t lost[MPL_SEGMENT_LOSSES]; /* threads of the process add; the collector reads */
    struct mpl_segment_progress progress[2];   /* collector */
};

/* ---- ring ---- */

enum mpl_ring_state {
    MPL_RING_FREE = 0,   /* may be claimed; its data pages may have been given back */
    MPL_RING_OPEN = 1,   /* a thread writes */
    MPL_RING_CLOSED = 2, /* nobody writes any more; to be drained */
};

enum mpl_ring_loss {
    MPL_LOST_FULL = 0,     /* the ring was full for longer than block_timeout_ms */
    MPL_LOST_DROPPED = 1,  /* the ring was full, and overflow is "drop" */
    MPL_LOST_OVERSIZE = 2, /* no ring could be had that holds the record, not even cut */
    MPL_LOST_CORRUPT = 3,  /* what was in the ring was no record; counted by the collector, in bytes */
    MPL_RING_LOSSES
};

struct mpl_ring_progress {
    _Atomic uint64_t tag;
    uint64_t read_pos;
    uint64_t lost_reported[MPL_RING_LOSSES];
    uint64_t reserved[2];
};
_Static_assert(sizeof(struct mpl_ring_progress) == MPL_CACHE_LINE, "one line each");

/* The names that go into the lines of a ring; kept twice like the progress, but changed only when they change. */
#define MPL_NAME_MAX 100u /* bytes of a process or thread name; longer ones are cut */

struct mpl_names {
    _Atomic uint64_t tag;
    uint64_t thread;  /* %(thread)d */
    uint32_t process; /* %(process)d: the pid as the process sees it */
    uint16_t process_len, thread_len;
    char text[2 * MPL_NAME_MAX]; /* process name, thread name */
};

#define MPL_NO_INDEX UINT32_MAX

struct mpl_ring {
    /* written under the process's lock before the ring is linked or reopened */
    uint32_t magic;
    _Atomic uint32_t state; /* enum mpl_ring_state. Process: FREE -> OPEN -> CLOSED (release, after its last record);
                               collector: CLOSED -> FREE when drained, cold and without index (release) */
    uint64_t data_offset;   /* in the segment file */
    uint64_t data_bytes;    /* power of two */
    _Atomic uint64_t claim; /* counts claims of rings in this process; ties of stamps go to the lower claim */
    _Atomic uint64_t next_offset; /* next ring of the segment, 0: none yet; set once, to a higher offset */
    uint64_t reserved[3];

    /* Three pairs of lines, since CPUs fetch them in pairs: what the collector stores in each pass must not take along
     * what each log call reads. */
    alignas(2 * MPL_CACHE_LINE) _Atomic uint64_t write_pos; /* producer: release after the record; collector: acquire */

    /* The watch promise. Collector writes (release), producer reads after publishing. >= MPL_STAMP_LEAST: "I look at
     * this ring again before that stamp"; below: the ring is cold, and this is the number of times it has become so. */
    alignas(2 * MPL_CACHE_LINE) _Atomic uint64_t watch;
    _Atomic uint32_t index; /* bit in control.attention, or MPL_NO_INDEX: tell by `news`. Collector: before `watch` */
    _Atomic uint64_t cold_count; /* the last count used, for a successor that finds a promise in `watch` */

    alignas(2 * MPL_CACHE_LINE) _Atomic uint64_t
        read_pos; /* collector: release after the batch is decided; producer: acquire */

    alignas(MPL_CACHE_LINE) _Atomic uint64_t lost[MPL_RING_LOSSES]; /* producer adds, collector reads */

    alignas(MPL_CACHE_LINE) struct mpl_ring_progress progress[2]; /* collector */
    alignas(MPL_CACHE_LINE) struct mpl_names names[2];            /* collector */
};
_Static_assert(sizeof(struct mpl_ring) <= MPL_PAGE_BYTES, "a ring's header has a page of its own");

/* ---- record ---- */

enum mpl_record_kind {
    MPL_RECORD_PAD = 0,      /* fills the end of the ring; no stamp */
    MPL_RECORD_DEFERRED = 1, /* argument words and strings for the site's format */
    MPL_RECORD_TEXT = 2,     /* u64 length, finished message */
    MPL_RECORD_FULL = 3,     /* struct mpl_field sequence: any attribute given by the caller */
    MPL_RECORD_NAMES = 4,    /* struct mpl_names_record: names for what follows in this ring */
};

/* Every record, 8-byte aligned, never wrapping. The header of a PAD is its first word alone. */
struct mpl_record_head {
    uint32_t kind_words; /* bits 0-6 kind, 7 MPL_RECORD_CUT, 8-31 size in 8-byte words, header included */
    uint32_t sinks;      /* bit N: for sink N; MPL_SINKS_SHARED: for all that do not stand alone */
    uint64_t stamp;      /* order; taken after the space was reserved */
    uint64_t ids;        /* bits 0-19 level (signed), 20-39 logger id, 40-63 site id */
};
_Static_assert(sizeof(struct mpl_record_head) == 24, "three words");

#define MPL_SINKS_SHARED UINT32_MAX

#define MPL_RECORD_CUT 0x80u /* the last word of the record tells how many bytes of the message were cut off */
#define MPL_RECORD_WORDS_MAX 0xffffffu
#define MPL_LEVEL_BITS 20
#define MPL_LOGGER_BITS 20
#define MPL_SITE_BITS 24
#define MPL_MESSAGE_MAX (16u << 20) /* bytes of message that a record carries; more is cut and the cut is named */

/* DEFERRED: one word per argument in the order of the format, then the strings back to back. A string's word is its
 * length; MPL_STRING_NULL for a null pointer. A long double takes two words. There is
 * nothing else: a record of another size than its contents, up to the next multiple of 8, is damaged.
 *
 * With MPL_DEF_PYTHON one word of types goes before: four bits an argument (enum mpl_pytype, output/pyformat.h), the
 * first one lowest. Types without a value have a word all the same. */
#define MPL_STRING_NULL 0xffffffffffffffffu

struct mpl_names_record {
    struct mpl_record_head head;
    uint64_t thread;
    uint32_t process;
    uint16_t process_len, thread_len;
    /* process name, thread name */
};

/* FULL: a field sequence. Unknown tags are skipped, so that a newer producer may send more. */
enum mpl_field_tag {
    MPL_FIELD_MESSAGE = 1, /* text */
    MPL_FIELD_LOGGER = 2,  /* text; %(name)s */
    MPL_FIELD_LEVEL_NAME = 3,
    MPL_FIELD_LEVEL = 4, /* i64 */
    MPL_FIELD_PATH = 5,
    MPL_FIELD_LINE = 6, /* i64 */
    MPL_FIELD_FUNCTION = 7,
    MPL_FIELD_CREATED = 8, /* i64, ns since the epoch: the time shown, which need not be the order stamp */
    MPL_FIELD_THREAD = 9,  /* i64 */
    MPL_FIELD_THREAD_NAME = 10,
    MPL_FIELD_PROCESS = 11, /* i64 */
    MPL_FIELD_PROCESS_NAME = 12,
    MPL_FIELD_TASK_NAME = 13,
    MPL_FIELD_EXCEPTION = 14, /* text; follows the line */
    MPL_FIELD_STACK = 15,     /* text; follows the exception */
    MPL_FIELD_LINE_TEXT = 16, /* text; the whole line, formatted by the caller for the sinks of the mask */
    MPL_FIELD_RELATIVE = 17,  /* i64, ns; %(relativeCreated)d */
    MPL_FIELD_VALUE = 18,     /* a typed key/value pair: u8 type, u8 key_len, key, value */
    MPL_FIELD_ARGS = 19,      /* instead of a message: what a DEFERRED record of the site would carry */
    MPL_FIELD_TAGS = 256,     /* none from here on: what might be the first word of another record */
};

enum mpl_value_type {
    MPL_VALUE_TEXT = 1,
    MPL_VALUE_INT = 2,
    MPL_VALUE_FLOAT = 3,
    MPL_VALUE_BOOL = 4,
    MPL_VALUE_NULL = 5
};

struct mpl_field {
    uint32_t tag;
    uint32_t len; /* bytes that follow; the next field starts at the next multiple of 8 */
};

/* ---- batch and intent (regular-file sinks) ---- */

/* Positions count all bytes that ever went through the two batches of a file, and only grow. */

/* What is about to be appended, and where. A successor compares the file from `offset` with the buffer and writes only
 * what is missing. */
struct mpl_intent {
    uint64_t dev, ino;
    uint64_t offset;      /* size of the file before the write */
    uint64_t from, until; /* positions; in force while until > done */
};

/* What lies in the buffer: kept twice; see "what a batch decides". A file that fails keeps its lines there, and those
 * of the next batches follow them: `end` and record_count grow, and `begin` stays. */
struct mpl_batch_progress {
    _Atomic uint64_t tag;
    uint64_t begin, end;   /* positions; the byte at `begin` is the first of the buffer */
    uint32_t record_count; /* ends[] in use: where each record's bytes end; rotation happens only there */
    uint32_t own_count;    /* of these, lines of our own, which are in no account; nearly always the last ones */
    uint64_t oldest_stamp; /* of the first record in it */
    uint64_t reserved[3];
};
_Static_assert(sizeof(struct mpl_batch_progress) == MPL_CACHE_LINE, "one line each");

struct mpl_batch {
    uint32_t magic, ends_max;
    uint64_t data_bytes; /* room for bytes; they begin at MPL_PAGE_BYTES + ends_max * 4 */
    alignas(MPL_CACHE_LINE) struct mpl_batch_progress progress[2]; /* collector */
    _Atomic uint64_t done;    /* all bytes before this position are known to be in the file; release after each write */
    struct mpl_intent intent; /* written whole before the write it announces */
};

/* ---- stream (stderr, pipes, terminals) ---- */

struct mpl_stream_progress {
    _Atomic uint64_t tag;
    uint64_t write_pos;
    uint64_t reserved[6];
};

struct mpl_stream {
    uint32_t magic, reserved0;
    uint64_t data_bytes;                                            /* power of two */
    alignas(MPL_CACHE_LINE) struct mpl_stream_progress progress[2]; /* collector's main thread */
    alignas(MPL_CACHE_LINE) _Atomic uint64_t write_pos;             /* in force; for people and tools */
    alignas(MPL_CACHE_LINE) _Atomic uint64_t read_pos; /* writer thread: release after write(); successor: acquire */
};

#endif
