/* SPDX-License-Identifier: Unlicense
 *
 * What pattern.c compiles and pattern_render.c runs: a list of operations, each of them a piece of the pattern's own
 * text and the field that follows it.
 */
#ifndef MPL_OUTPUT_PATTERN_PRIVATE_H
#define MPL_OUTPUT_PATTERN_PRIVATE_H

#include "output/pattern.h"

enum mpl_pattern_field {
    MPL_ATTRIBUTE_NONE = 0, /* after the last field of a pattern */
    MPL_ATTRIBUTE_ASCTIME,
    MPL_ATTRIBUTE_FILENAME,
    MPL_ATTRIBUTE_FUNC_NAME,
    MPL_ATTRIBUTE_LEVEL_NAME,
    MPL_ATTRIBUTE_MESSAGE,
    MPL_ATTRIBUTE_MODULE,
    MPL_ATTRIBUTE_NAME,
    MPL_ATTRIBUTE_PATHNAME,
    MPL_ATTRIBUTE_PROCESS_NAME,
    MPL_ATTRIBUTE_TASK_NAME,
    MPL_ATTRIBUTE_THREAD_NAME,
    MPL_ATTRIBUTE_LEVELNO,
    MPL_ATTRIBUTE_LINENO,
    MPL_ATTRIBUTE_PROCESS,
    MPL_ATTRIBUTE_THREAD,
    MPL_ATTRIBUTE_CREATED,
    MPL_ATTRIBUTE_MSECS,
    MPL_ATTRIBUTE_RELATIVE_CREATED,
};

enum mpl_pattern_type { MPL_TYPE_TEXT = 0, MPL_TYPE_INT, MPL_TYPE_FLOAT };

/* In the order of "-+ #0". */
enum { MPL_FLAG_LEFT = 1, MPL_FLAG_PLUS = 2, MPL_FLAG_SPACE = 4, MPL_FLAG_ALT = 8, MPL_FLAG_ZERO = 16 };

struct mpl_pattern_op {
    const char *literal; /* the pattern's own text before the field */
    size_t literal_len;
    int32_t width;     /* 0: none */
    int32_t precision; /* -1: none */
    uint8_t field;     /* enum mpl_pattern_field */
    uint8_t type;      /* enum mpl_pattern_type */
    uint8_t flags;     /* MPL_FLAG_* */
    char conversion;   /* s r a d o x X c e E f F g G; i and u are d */
    bool is_plain;     /* the value as str() shows it, and nothing else: the fast path */
};

/* Short texts are copied with a fixed length, which compiles to an instruction or two. As many bytes can be read from
 * any of a pattern's own texts on. */
#define MPL_PATTERN_SHORT 16u

/* A text that was made before and is likely to be wanted again, found by the number it stands for. */
struct mpl_pattern_ready {
    uint64_t number;
    size_t len;    /* 0: none yet */
    char text[24]; /* 2^64 - 1; "Level -2147483648" */
};

#define MPL_PATTERN_READY_COUNT 8u /* the six standard levels; the processes that are logging just now */

/* What is shown between times and messages is mostly the same from record to record, and is kept. A run is such a part
 * of the line, the pattern's own text included; run k ends where the k-th changing field begins. */
#define MPL_PATTERN_CHANGING_MAX 4u /* changing fields; patterns with more of them keep nothing */
#define MPL_PATTERN_RUNS_BYTES 224u /* of all runs of a line; longer ones are rendered each time */
#define MPL_PATTERN_PIECE 32u       /* they are copied in pieces of */
#define MPL_PATTERN_RUNS_COUNT 64u  /* sources times sites that log at the same time; placed by both */

struct mpl_pattern_runs {
    uint64_t source, ids; /* as in struct mpl_record; source 0: none */
    uint16_t end[MPL_PATTERN_CHANGING_MAX + 1];
    char text[MPL_PATTERN_RUNS_BYTES + MPL_PATTERN_PIECE];
};

struct mpl_pattern {
    uint32_t changing_count;                     /* 0: nothing is kept */
    uint32_t changing[MPL_PATTERN_CHANGING_MAX]; /* their operations */
    uint8_t changing_plain[MPL_PATTERN_CHANGING_MAX]; /* their fields; MPL_ATTRIBUTE_NONE: more than str() of one */
    struct mpl_pattern_runs runs[MPL_PATTERN_RUNS_COUNT];
    struct mpl_pattern_ready levels[MPL_PATTERN_READY_COUNT];  /* their names; placed by their tens */
    struct mpl_pattern_ready numbers[MPL_PATTERN_READY_COUNT]; /* placed by their last bits */
    char *scratch; /* messages go through it that must be seen as a whole before they are shown */
    size_t scratch_cap;
    size_t op_count;
    struct mpl_pattern_op op[];
};

/* What a message may take, in bytes, before it is escaped; longer ones are cut. "%*d" makes 2 GiB of a few bytes. Twice
 * what a record's strings may take, which are cut where they are logged. */
#define MPL_PATTERN_MESSAGE_MAX ((size_t)32 << 20)

/* Of every pattern; also what is left when memory is short. A number or the note of a cut fits. */
#define MPL_PATTERN_SCRATCH_MIN ((size_t)4096)

struct mpl_pattern_number {
    bool is_float, is_negative;
    uint64_t magnitude; /* of an int */
    double value;       /* of a float, without its sign */
};

/* Appends the number as op->conversion, which is not 'c', shows it. */
void mpl_pattern_append_number(struct mpl_text *out, const struct mpl_pattern_op *op,
                               const struct mpl_pattern_number *n);

/* Appends what Python's repr (`is_ascii`: ascii) makes of the text, at most `limit` characters of it. Returns how many.
 * The result is clean in every mode of escape. */
size_t mpl_pattern_append_repr(struct mpl_text *out, struct mpl_str s, bool is_ascii, size_t limit);

#endif
