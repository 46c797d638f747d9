# SPDX-License-Identifier: Unlicense
"""Numbered messages as tests/oracle/numbered.h has them: the oracle finds any that is lost, torn, doubled or
out of place.
"""
import struct
import zlib

_MASK = (1 << 64) - 1
FORMAT = "#%s %d %d %08x %s"


def _filler(producer, sequence, length):
    state = 0xcbf29ce484222325
    for byte in producer.encode():
        state = (state ^ byte) * 0x100000001b3 & _MASK
    state = state + sequence * 0xff51afd7ed558ccd & _MASK
    parts = []
    for _ in range(0, length, 8):
        state = state + 0x9e3779b97f4a7c15 & _MASK
        z = (state ^ state >> 30) * 0xbf58476d1ce4e5b9 & _MASK
        z = (z ^ z >> 27) * 0x94d049bb133111eb & _MASK
        z ^= z >> 31
        parts.append(struct.pack("<Q", (z & 0x3f3f3f3f3f3f3f3f) + 0x3030303030303030))
    return b"".join(parts)[:length].decode()


def arguments(producer, sequence, length=24):
    """For FORMAT: log.info(FORMAT, *arguments("w1", 0))."""
    filler = _filler(producer, sequence, length)
    crc = zlib.crc32(("%s %d %d %s" % (producer, sequence, length, filler)).encode())
    return producer, sequence, length, crc, filler
