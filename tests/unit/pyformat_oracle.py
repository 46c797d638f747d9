#!/usr/bin/env python3
# SPDX-License-Identifier: Unlicense
"""Compares deferred formats with Python's % operator: pyformat_oracle.py TEST_PYFORMAT [SEED] [COUNT]

TEST_PYFORMAT is the program built from test_pyformat.c. Speaks TAP. What the program refuses is Python's business at
run time and counts as equal; that it takes enough is checked, too.
"""
import os
import random
import struct
import shlex
import subprocess
import sys

# The emulator of a cross build, if meson runs this for one.
WRAPPER = shlex.split(os.environ.get("MESON_EXE_WRAPPER", ""))

TEXTS = ("", "a", "hello world", "h\u00e9llo", "\u20ac\u20ac\u20ac", "\U0001f600x", "%s", "tab\tnewline\n", "x" * 200)
FLOATS = (0.0, -0.0, 1.0, -1.5, 0.1, 1e16, 1e15, 123456.789, 1e-4, 1e-5, 5e-324, 1.7976931348623157e308, 999.9999,
          float("inf"), float("-inf"), float("nan"), 2.5, 0.5, 1e22, 9007199254740993.0)
INTS = (0, 1, -1, 7, 255, -255, 2**31, -2**63, 2**63 - 1, 10**18, 0x10ffff, 65, 0x20ac)


def argument(rng, conversion):
    kind = rng.random()
    if conversion == "c":
        return rng.choice(("z", "\u20ac", 65, 0x20ac, 0x1f600, 0))
    if conversion in "eEfFgG":
        return random_float(rng)
    if conversion in "oxX":
        return random_int(rng)
    if conversion in "diu":
        return rng.choice((True, False)) if kind < 0.1 else random_int(rng)
    if conversion == "s" and kind < 0.5:
        return rng.choice(TEXTS)
    return rng.choice((random_int(rng), random_float(rng), True, False, None))


def random_int(rng):
    return rng.choice(INTS) if rng.random() < 0.5 else rng.randrange(-2**63, 2**63) >> rng.randrange(64)


def random_float(rng):
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(FLOATS)
    if kind < 0.7:
        return round(rng.uniform(-1e6, 1e6), rng.randrange(8))
    return struct.unpack("<d", struct.pack("<Q", rng.randrange(2**64)))[0]


def conversion(rng):
    letter = rng.choice("ssssdddiuoxXcrreEfFgG")
    flags = "".join(rng.choice("-+ #0") for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 3))))
    width = rng.choice(("", "", "", "5", "12", "40"))
    precision = rng.choice(("", "", "", ".", ".0", ".3", ".17", ".50"))
    return "%" + flags + width + precision + rng.choice(("", "", "", "h", "l", "L")) + letter, letter


def case(rng):
    parts, args = [], []
    for _ in range(rng.randrange(1, 7)):
        parts.append(rng.choice(("", " ", "text ", "%%", "\u00fc=", "100%% ")))
        spelled, letter = conversion(rng)
        parts.append(spelled)
        args.append(argument(rng, letter))
    parts.append(rng.choice(("", ".", "%%")))
    return "".join(parts), tuple(args)


def word(value):
    if value is None or value is True or value is False:
        return str(value)[0]
    if isinstance(value, int):
        return "i%d" % value
    if isinstance(value, float):
        return "f%016x" % struct.unpack("<Q", struct.pack("<d", value))[0]
    return "x" + value.encode().hex()


def main():
    program = sys.argv[1]
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 20000
    cases = [case(rng) for _ in range(count)]
    lines = "".join(" ".join([word(f)] + [word(a) for a in args]) + "\n" for f, args in cases)
    done = subprocess.run(WRAPPER + [program, "cases"], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    answers, wrong, taken = done.stdout.decode().split("\n"), 0, 0
    for (f, args), answer in zip(cases, answers):
        if answer == "E":
            continue
        taken += 1
        got = bytes.fromhex(answer[1:]).decode()
        expected = f % args
        if got != expected:
            wrong += 1
            if wrong <= 10:
                print("# %r %% %r: %r, not %r" % (f, args, got, expected))
    print("1..2")
    print("%sok 1 - deferred_formats_equal_pythons_%d_of_%d" % ("not " if wrong else "", taken - wrong, taken))
    print("%sok 2 - nearly_all_formats_of_plain_arguments_are_taken" % ("not " if taken < 0.99 * count else ""))
    return 1 if wrong or taken < 0.99 * count else 0


if __name__ == "__main__":
    sys.exit(main())
