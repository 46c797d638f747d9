/* SPDX-License-Identifier: Unlicense
 *
 * Numbered messages: "#<producer> <sequence> <length> <crc32> <filler>". The filler is `length` bytes that producer and
 * sequence determine, and the checksum covers the four other fields, so that a line which was cut, mixed with another
 * or changed is recognised by itself, and one that is missing or there twice by its number. oracle.c reads them.
 *
 * A message handed from process to process carries " token <number>" at its end.
 */
#ifndef TESTS_ORACLE_NUMBERED_H
#define TESTS_ORACLE_NUMBERED_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NUMBERED_NAME_MAX 47u                       /* of a producer; no spaces */
#define NUMBERED_HEAD_MAX (NUMBERED_NAME_MAX + 40u) /* everything before the filler */

/* ---- checksum: CRC-32 as in zip, eight bytes at a time ---- */

static uint32_t numbered_table[8][256];

/* Once, before threads are started. */
static inline void numbered_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        numbered_table[0][i] = crc;
    }
    for (int t = 1; t < 8; t++) {
        for (int i = 0; i < 256; i++) {
            uint32_t crc = numbered_table[t - 1][i];
            numbered_table[t][i] = crc >> 8 ^ numbered_table[0][crc & 0xff];
        }
    }
}

/* Continues `crc`, which is 0 for the first bytes. */
static inline uint32_t numbered_crc32(uint32_t crc, const char *bytes, size_t len)
{
    crc = ~crc;
    for (; len >= 8; bytes += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof word);
        word = le64toh(word) ^ crc;
        crc = 0;
        for (int i = 0; i < 8; i++)
            crc ^= numbered_table[7 - i][word >> (8 * i) & 0xff];
    }
    for (; len > 0; bytes++, len--)
        crc = crc >> 8 ^ numbered_table[0][(crc ^ (unsigned char)*bytes) & 0xff];
    return ~crc;
}

/* ---- filler ---- */

/* FNV-1a (Fowler, Noll, Vo) of the producer's name. */
static inline uint64_t numbered_hash(const char *producer, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)producer[i]) * 0x100000001b3u;
    return hash;
}

static inline uint64_t numbered_seed(uint64_t hash, uint32_t sequence)
{
    return hash + sequence * UINT64_C(0xff51afd7ed558ccd);
}

/* The next eight bytes: splitmix64 (Steele, Lea and Flood 2014), six bits each, shown as '0'..'o': no space, no '#'. */
static inline uint64_t numbered_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return htole64((z & 0x3f3f3f3f3f3f3f3fu) + 0x3030303030303030u);
}

static inline void numbered_fill(char *filler, const char *producer, uint32_t sequence, uint32_t len)
{
    uint64_t state = numbered_seed(numbered_hash(producer, strlen(producer)), sequence);
    for (uint32_t at = 0; at < len; at += 8) {
        uint64_t bytes = numbered_next(&state);
        memcpy(filler + at, &bytes, len - at < 8 ? len - at : 8);
    }
}

static inline bool numbered_is_filler(const char *filler, uint64_t hash, uint32_t sequence, uint32_t len)
{
    uint64_t state = numbered_seed(hash, sequence);
    for (uint32_t at = 0; at < len; at += 8) {
        uint64_t bytes = numbered_next(&state);
        if (memcmp(filler + at, &bytes, len - at < 8 ? len - at : 8) != 0)
            return false;
    }
    return true;
}

/* ---- whole messages ---- */

static inline uint32_t numbered_crc(const char *producer, uint32_t sequence, uint32_t len, const char *filler)
{
    char head[NUMBERED_HEAD_MAX];
    int n = snprintf(head, sizeof head, "%s %u %u ", producer, sequence, len);
    return numbered_crc32(numbered_crc32(0, head, (size_t)n), filler, len);
}

/* Writes the message of that number into `out`, which has room for NUMBERED_HEAD_MAX + len bytes; returns its length.
 */
static inline size_t numbered_format(char *out, const char *producer, uint32_t sequence, uint32_t len)
{
    char head[NUMBERED_HEAD_MAX];
    numbered_fill(out + NUMBERED_HEAD_MAX, producer, sequence, len);
    uint32_t crc = numbered_crc(producer, sequence, len, out + NUMBERED_HEAD_MAX);
    int n = snprintf(head, sizeof head, "#%s %u %u %08x ", producer, sequence, len, crc);
    memcpy(out, head, (size_t)n);
    memmove(out + n, out + NUMBERED_HEAD_MAX, len);
    return (size_t)n + len;
}

/* The same message through deferred arguments. `buffer` has room for len + 1 bytes. */
#define NUMBERED_LOG(logger, producer, sequence, len, buffer)                                                          \
    do {                                                                                                               \
        numbered_fill(buffer, producer, sequence, len);                                                                \
        (buffer)[len] = '\0';                                                                                          \
        mplog_info(logger, "#%s %u %u %08x %s", producer, sequence, len,                                               \
                   numbered_crc(producer, sequence, len, buffer), buffer);                                             \
    } while (0)

#define NUMBERED_LOG_TOKEN(logger, producer, sequence, len, buffer, token)                                             \
    do {                                                                                                               \
        numbered_fill(buffer, producer, sequence, len);                                                                \
        (buffer)[len] = '\0';                                                                                          \
        mplog_info(logger, "#%s %u %u %08x %s token %u", producer, sequence, len,                                      \
                   numbered_crc(producer, sequence, len, buffer), buffer, token);                                      \
    } while (0)

#endif
