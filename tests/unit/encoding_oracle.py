#!/usr/bin/env python3
# SPDX-License-Identifier: Unlicense
"""Compares encodings with Python's, errors="backslashreplace": encoding_oracle.py TEST_ENCODING [SEED]

TEST_ENCODING is the program built from test_encoding.c. Speaks TAP. An encoding that the C library lacks counts as
passed: it must be refused in a sentence, and no more can be asked. glibc has all of ICONV.
"""
import codecs
import encodings.aliases
import os
import random
import shlex
import subprocess
import sys
import unicodedata

# The emulator of a cross build, if meson runs this for one.
WRAPPER = shlex.split(os.environ.get("MESON_EXE_WRAPPER", ""))

BUILT_IN = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "latin-1",
            "ascii")

ICONV = ("cp1252", "koi8-r", "shift_jis", "euc-jp", "gb18030", "cp437", "iso-8859-15", "iso-2022-jp", "cp1251", "cp850",
         "cp037", "iso-8859-2", "gbk")

# Pieces of Unicode from which texts are made, the more likely ones first.
RANGES = ((0x20, 0x7f), (0x00, 0x80), (0xa0, 0x100), (0x80, 0x250), (0x370, 0x530), (0x2010, 0x2600), (0x3041, 0x30f7),
          (0x4e00, 0x9fa6), (0xac00, 0xd7a4), (0x1f300, 0x1f650), (0xe0020, 0xe0080), (0x10000, 0x10ffff))

# Here C libraries and Python have some signs and compatibility characters at different places, each by a table.
TABLES_DIFFER = ("shift_jis", "euc-jp", "iso-2022-jp", "gbk", "gb18030")


def random_text(rng):
    text = ""
    for _ in range(rng.choice((0, 1, 5, 30, 300))):
        low, high = RANGES[min(int(rng.expovariate(0.4)), len(RANGES) - 1)]
        c = chr(rng.randrange(low, high))
        if not 0xd800 <= ord(c) < 0xe000:
            text += c
    return text


def ask(program, cases):
    """Answers to (name, text): bytes, or the sentence why the name is refused."""
    lines = "".join("%s|x%s\n" % (name, text.encode("utf-8").hex()) for name, text in cases)
    done = subprocess.run(WRAPPER + [program, "cases"], input=lines, capture_output=True, text=True, timeout=300,
                          check=False)
    answers = done.stdout.splitlines()
    problems = [answer for answer in answers if answer.startswith("#")] + done.stderr.splitlines()[:20]
    if done.returncode or problems or len(answers) != len(cases):
        raise RuntimeError("exit code %d, %d answers to %d cases %s" % (done.returncode, len(answers), len(cases),
                                                                        problems[:5]))
    return [bytes.fromhex(answer[1:]) if answer.startswith("x") else answer[2:] for answer in answers]


def expected(name, text):
    return text.encode(name, "backslashreplace")


def is_same_table(name, character):
    """In a table that has rivals, a character counts if it is plain, or if Python takes it back as it was."""
    return ord(character) < 0x80 or (character.encode(name, "ignore").decode(name, "ignore") == character
                                     and unicodedata.category(character) in ("Lo", "Ll", "Lu"))


def is_readable(name, encoded, text):
    """Each character is there, as itself or escaped. Other libraries have smaller tables and more shift sequences."""
    decoded, at = encoded.decode(name, "replace"), 0
    for c in text:
        escaped = c.encode("ascii", "backslashreplace").decode("ascii")
        if decoded.startswith(c, at):
            at += len(c)
        elif decoded.startswith(escaped, at):
            at += len(escaped)
        else:
            return False
    return at == len(decoded)


def texts_match(rng, program, name, is_glibc):
    """A list of failures, or None: the C library lacks the encoding."""
    texts = [random_text(rng) for _ in range(300)] + ["line\n", "", "x" * 600, "\u20ac" * 200]
    if name in TABLES_DIFFER:
        texts = ["".join(c for c in text if is_same_table(name, c) or ord(c) >= 0x1f300) for text in texts]
        texts = [text.replace("\x1b", "") for text in texts]  # it would be a shift sequence to who reads it back
    answers = ask(program, [(name, text) for text in texts])
    if not isinstance(answers[0], bytes):
        return None
    return ["%r: %r, not %r" % (text, answer, expected(name, text)) for text, answer in zip(texts, answers)
            if answer != expected(name, text)
            and (is_glibc or name not in TABLES_DIFFER or not is_readable(name, answer, text))]


def each_character_matches(program, name):
    """Each character by itself, of the part of Unicode in which single-byte encodings have theirs."""
    characters = [chr(c) for c in range(0x3000)]
    answers = ask(program, [(name, c) for c in characters])
    if not isinstance(answers[0], bytes):
        return None
    return ["%r: %r, not %r" % (c, answer, expected(name, c)) for c, answer in zip(characters, answers)
            if answer != expected(name, c)]


def aliases_mean_the_same(program):
    """Each of Python's names of text encodings either means what Python means, by a sample, or is refused."""
    failures, known = [], 0
    sample = "log line 42: ok\n"
    names = sorted(set(encodings.aliases.aliases) | set(encodings.aliases.aliases.values()))
    names += [name.replace("_", "-").upper() for name in names]
    for name in names:
        try:
            # pylint: disable=protected-access
            if not codecs.lookup(name)._is_text_encoding:
                continue
            wanted = expected(name, sample)
        except (LookupError, UnicodeError):
            continue
        answer = ask(program, [(name, sample)])[0]
        if isinstance(answer, bytes):
            known += 1
            if answer != wanted:
                failures.append("%s: %r, not %r" % (name, answer, wanted))
    print("# %d of %d names are known" % (known, len(names)))
    return failures


def main():
    program = sys.argv[1]
    seed = sys.argv[2] if len(sys.argv) > 2 else "1"
    single_byte = ("latin-1", "ascii", "cp1252", "koi8-r", "cp437", "iso-8859-15", "cp037")
    is_glibc = isinstance(ask(program, [("gb18030", "x")])[0], bytes)
    tests = [("texts in %s match" % name,
              lambda name=name: texts_match(random.Random(seed + name), program, name, is_glibc))
             for name in BUILT_IN + ICONV]
    tests += [("each character in %s matches" % name, lambda name=name: each_character_matches(program, name))
              for name in single_byte]
    tests.append(("aliases mean the same", lambda: aliases_mean_the_same(program)))
    print("1..%d" % len(tests))
    has_failed = False
    for number, (title, run_test) in enumerate(tests, 1):
        failures = run_test()
        if failures is None:
            failures = ["is refused"] if is_glibc or title.split()[2] in BUILT_IN else []
            title += " (refused: the C library lacks it)" if not failures else ""
        for failure in failures[:5]:
            print("# " + failure[:1000])
        print("%sok %d - %s" % ("not " if failures else "", number, title), flush=True)
        has_failed |= bool(failures)
    return has_failed


if __name__ == "__main__":
    sys.exit(main())
