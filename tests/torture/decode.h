/* SPDX-License-Identifier: Unlicense
 *
 * Which memory an x86-64 instruction names: enough to know where a store would go before it is executed. Whether it
 * is a store is not asked: the tracer compares the bytes before and after. Stacks and the thread's own area (fs, gs)
 * are never shared, so what only push, call and segment prefixes reach is left out, as are addresses relative to the
 * instruction: they are the program's own data.
 */
#ifndef TESTS_TORTURE_DECODE_H
#define TESTS_TORTURE_DECODE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/user.h>

#define DECODE_BYTES 16u /* no instruction is longer than 15 */

enum decode_map { MAP_ONE, MAP_0F, MAP_OTHER };

struct decode {
    const uint8_t *at;
    bool has_x, has_b; /* bits that extend the index and the base */
    uint8_t evex[3];   /* what follows 0x62, or zeros */
    enum decode_map map;
    uint8_t opcode;
};

static inline uint64_t decode_register(const struct user_regs_struct *r, unsigned number)
{
    const uint64_t all[16] = {r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
                              r->r8,  r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15};
    return all[number & 15];
}

static inline bool decode_is_prefix(uint8_t byte)
{
    return byte == 0x66 || byte == 0x67 || byte == 0xf0 || byte == 0xf2 || byte == 0xf3 || byte == 0x26 ||
           byte == 0x2e || byte == 0x36 || byte == 0x3e;
}

static inline void decode_opcode(struct decode *d)
{
    while (decode_is_prefix(*d->at))
        d->at++;
    if ((*d->at & 0xf0) == 0x40) {
        d->has_x = *d->at & 2;
        d->has_b = *d->at & 1;
        d->at++;
    }
    if (*d->at == 0xc5) { /* VEX, two bytes */
        d->at += 2;
        d->map = MAP_OTHER;
    } else if (*d->at == 0xc4 || *d->at == 0x62) { /* VEX, three bytes; EVEX: four */
        bool is_evex = *d->at == 0x62;
        d->has_x = !(d->at[1] & 0x40);
        d->has_b = !(d->at[1] & 0x20);
        if (is_evex)
            memcpy(d->evex, d->at + 1, sizeof d->evex);
        d->at += is_evex ? 4 : 3;
        d->map = MAP_OTHER;
    } else if (*d->at == 0x0f) {
        d->at++;
        d->map = MAP_0F;
        if (*d->at == 0x38 || *d->at == 0x3a) {
            d->at++;
            d->map = MAP_OTHER;
        }
    }
    d->opcode = *d->at++;
}

/* Of one-byte instructions; with 0x0f before it, nearly all have one, and an address too many does no harm. */
static inline bool decode_has_operand(const struct decode *d)
{
    uint8_t op = d->opcode;
    if (d->map == MAP_0F)
        return op != 0x05 && (op & 0xf0) != 0x80 && (op & 0xf8) != 0xc8;
    if (d->map == MAP_OTHER)
        return true;
    return (op < 0x40 && (op & 7) < 4) || op == 0x63 || op == 0x69 || op == 0x6b || (op >= 0x80 && op <= 0x8f) ||
           op == 0xc0 || op == 0xc1 || op == 0xc6 || op == 0xc7 || (op >= 0xd0 && op <= 0xd3) ||
           (op >= 0xd8 && op <= 0xdf) || op == 0xf6 || op == 0xf7 || op == 0xfe || op == 0xff;
}

static inline bool decode_is_string_store(const struct decode *d)
{
    return d->map == MAP_ONE && (d->opcode == 0xa4 || d->opcode == 0xa5 || d->opcode == 0xaa || d->opcode == 0xab);
}

static inline bool decode_is_repeated(const uint8_t code[DECODE_BYTES]) { return code[0] == 0xf2 || code[0] == 0xf3; }

static inline bool decode_is_syscall(const uint8_t code[DECODE_BYTES]) { return code[0] == 0x0f && code[1] == 0x05; }

/* What EVEX multiplies a displacement of one byte with: the vector's length for moves of whole vectors, the element's
 * for moves of one. */
static inline int64_t decode_unit(const struct decode *d)
{
    if (d->evex[0] == 0)
        return 1;
    if (d->opcode == 0x6e || d->opcode == 0x7e || d->opcode == 0xd6)
        return d->evex[1] & 0x80 ? 8 : 4;
    return 16 << (d->evex[2] >> 5 & 3);
}

static inline bool decode_address(const uint8_t code[DECODE_BYTES], const struct user_regs_struct *r, uint64_t *address)
{
    struct decode d = {.at = code};
    decode_opcode(&d);
    if (decode_is_string_store(&d)) {
        *address = r->rdi;
        return true;
    }
    if (!decode_has_operand(&d))
        return false;
    uint8_t modrm = *d.at++, mod = modrm >> 6, rm = modrm & 7;
    int32_t wide;
    if (mod == 3 || (mod == 0 && rm == 5))
        return false;
    uint64_t sum = 0;
    if (rm == 4) {
        uint8_t sib = *d.at++, index = (uint8_t)((sib >> 3 & 7) | (d.has_x ? 8 : 0)), base = sib & 7;
        if (index != 4)
            sum += decode_register(r, index) << (sib >> 6);
        if (mod == 0 && base == 5)
            mod = 2; /* no base, and 32 bits */
        else
            sum += decode_register(r, base | (d.has_b ? 8u : 0u));
    } else {
        sum += decode_register(r, rm | (d.has_b ? 8u : 0u));
    }
    memcpy(&wide, d.at, sizeof wide);
    if (mod == 1)
        sum += (uint64_t)((int8_t)*d.at * decode_unit(&d));
    else if (mod == 2)
        sum += (uint64_t)(int64_t)wide;
    *address = sum;
    return true;
}

#endif
