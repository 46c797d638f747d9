/* SPDX-License-Identifier: Unlicense
 *
 * Records to bytes and back. Writing: the producer has reserved the bytes. Reading: the bytes have been copied out of
 * shared memory; everything is checked against the copy, and results are views into it.
 */
#ifndef MPL_SHM_CODEC_H
#define MPL_SHM_CODEC_H

#include "base/cformat.h"
#include "shm/abi.h"

#define MPL_ALIGN(bytes) (((uint64_t)(bytes) + 7) & ~UINT64_C(7))

/* ---- heads ---- */

/* `bytes`: a multiple of 8. */
static inline uint32_t mpl_kind_words(uint32_t kind, uint64_t bytes) { return kind | (uint32_t)bytes << 5; }
static inline uint32_t mpl_kind_of(uint32_t kind_words) { return kind_words & 0x7f; }
static inline uint64_t mpl_bytes_of(uint32_t kind_words) { return (uint64_t)(kind_words >> 8) * 8; }

static inline uint64_t mpl_ids_pack(uint64_t site_bits, uint64_t logger_bits, int level)
{
    return site_bits | logger_bits | ((uint32_t)level & 0xfffffu);
}
static inline uint64_t mpl_site_bits(uint32_t id) { return (uint64_t)id << (MPL_LEVEL_BITS + MPL_LOGGER_BITS); }
static inline uint64_t mpl_logger_bits(uint32_t id) { return (uint64_t)id << MPL_LEVEL_BITS; }
static inline uint32_t mpl_ids_site(uint64_t ids) { return (uint32_t)(ids >> (MPL_LEVEL_BITS + MPL_LOGGER_BITS)); }
static inline uint32_t mpl_ids_logger(uint64_t ids) { return (uint32_t)(ids >> MPL_LEVEL_BITS) & 0xfffff; }
static inline int32_t mpl_ids_level(uint64_t ids)
{
    return (int32_t)((uint32_t)ids << (32 - MPL_LEVEL_BITS)) >> (32 - MPL_LEVEL_BITS); /* extends the sign */
}

/* ---- writing ---- */

/* Bytes of a field of a FULL record with `len` bytes of text. */
static inline uint64_t mpl_field_bytes(uint64_t len) { return sizeof(struct mpl_field) + MPL_ALIGN(len); }

/* Writes a field at `at`; returns where the next one goes. */
char *mpl_field_put(char *at, uint32_t tag, struct mpl_str text);
char *mpl_field_put_i64(char *at, uint32_t tag, int64_t value);

/* ---- reading ---- */

/* One record, copied out. */
struct mpl_raw_record {
    struct mpl_record_head head;
    const char *body;    /* behind the head */
    uint64_t body_bytes; /* without the word of MPL_RECORD_CUT */
    uint64_t cut_bytes;
};

/* What lies behind the last string of a body is there for the alignment. If it is more than that, a damaged size has
 * taken in another record. */
static inline bool mpl_codec_is_padding(uint64_t bytes) { return bytes < 8; }

/* Checks a copy of `bytes` bytes that begins with a record of that size. False: not a record. */
bool mpl_codec_open(struct mpl_raw_record *r, const char *copy, uint64_t bytes);

/* DEFERRED: fills args[] as `f` describes them, views into the body, and *error (has_error: one more word). False: the
 * body does not fit the format, or holds more than that. */
bool mpl_codec_args(const struct mpl_raw_record *r, const struct mpl_cformat *f, bool has_error, struct mpl_arg *args,
                    int *error);

/* TEXT. False: damaged. */
bool mpl_codec_text(const struct mpl_raw_record *r, struct mpl_str *text);

/* FULL: the field at *at, then moves *at behind it. False: no more, or damaged (*at is then not the end). */
bool mpl_codec_field(const struct mpl_raw_record *r, uint64_t *at, uint32_t *tag, struct mpl_str *value);

/* A field's value as a number; 0 if it is not 8 bytes long. */
int64_t mpl_field_i64(struct mpl_str value);

/* NAMES. False: damaged. Names are views into the body, at most MPL_NAME_MAX bytes. */
bool mpl_codec_names(const struct mpl_raw_record *r, uint64_t *thread, uint32_t *process, struct mpl_str *process_name,
                     struct mpl_str *thread_name);

#endif
