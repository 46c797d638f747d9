#!/usr/bin/env python3
# SPDX-License-Identifier: Unlicense
"""Compares patterns with Python's logging.Formatter: pattern_oracle.py TEST_PATTERN [SEED] [COUNT]

TEST_PATTERN is the program built from test_pattern.c. Speaks TAP. Formats and records are random, the expected lines
are Python's own; only what Python has no word for is added here: escaping, and the LogRecord times of Python 3.13.
"""
import logging
import os
import random
import re
import shlex
import subprocess
import sys
import time
import unicodedata

# The emulator of a cross build, if meson runs this for one.
WRAPPER = shlex.split(os.environ.get("MESON_EXE_WRAPPER", ""))

TEXT_FIELDS = ("name", "levelname", "pathname", "filename", "module", "funcName", "asctime", "threadName",
               "processName", "taskName", "message")
INT_FIELDS = ("levelno", "lineno", "process", "thread")
FLOAT_FIELDS = ("created", "msecs", "relativeCreated")
FIELDS = TEXT_FIELDS + INT_FIELDS + FLOAT_FIELDS

SKIP = object()

WIDTH_MAX = 1000  # the one limit of ours that Python lacks

SPEC = re.compile(r"%%|%\(([^)]*)\)([-+ #0]*)(\d*)(\.\d*)?[hlL]?(.)", re.S)

# What passes in each mode comes first: a colour sequence is left as it is.
ESCAPED = {
    0: re.compile(r"(?!)"),
    1: re.compile(r"\x1b\[[0-9;]*m|[\x00-\x08\x0b-\x1f\x7f-\x9f]"),
    2: re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]"),
}


def escape(text, mode):
    def show(match):
        text = match.group()
        if len(text) > 1:
            return text
        return "\\x%02x" % ord(text) if ord(text) < 256 else "\\u%04x" % ord(text)

    return ESCAPED[mode].sub(show, text)


class Values(dict):
    """A record's attributes that cannot be shown as a whole, as "%s" without a name would."""

    def refuse(self):
        raise TypeError("a conversion needs a name")

    __str__ = __repr__ = refuse


class Record(logging.LogRecord):
    def __init__(self, rng, text):
        ns = random_time(rng)
        base = rng.choice((0, ns - rng.randrange(10**rng.randrange(1, 14)), ns + rng.randrange(10**12)))
        super().__init__(text(), rng.choice((0, 10, 20, 30, 40, 50, 25, -7, rng.randrange(-2**19, 2**19))),
                         random_path(rng, text), rng.choice((0, 1, 42, rng.randrange(2**32))), "", None, None, text(),
                         rng.choice((None, None, text())))
        self.__dict__ = Values(self.__dict__)
        self.ns, self.base = ns, base
        self.created = ns / 1e9
        # Python 3.13. Where int() and // round differently, it would call 999 ms 0 before 1970.
        self.msecs = ns % 10**9 // 10**6 + 0.0
        if self.msecs == 999.0 and self.created // 1 != ns // 10**9:
            self.msecs = 0.0
        self.relativeCreated = (ns - base) / 1e6
        self.msg = text()
        self.exc_text = rng.choice((None, None, text(), "Traceback:\n  x\n", "\n"))
        self.process = rng.choice((1, 4711, 27, 0xe9, 0x20ac, rng.randrange(0x110000), rng.randrange(2**32)))
        self.thread = rng.choice((1, 139871234567890, 2**53 + 1, 2**64 - 1, rng.randrange(2**64)))
        self.threadName, self.processName = text(), text()
        self.taskName = rng.choice((None, text()))
        self.has_level_name = rng.random() < 0.3
        if self.has_level_name:
            self.levelname = text()


def random_time(rng):
    """Before 2116: from there on Python's float may fall into the second before."""
    second = rng.choice((rng.randrange(1_600_000_000, 1_900_000_000), rng.randrange(-4_600_000_000, 4_600_000_000),
                         0, -1, 2**30, 1_774_746_000 + rng.randrange(-5, 5)))
    fraction = rng.choice((0, rng.randrange(10**9), 999_999_000 + rng.randrange(1000), 10**9 - 1, 500_000_000,
                           rng.randrange(10**6) * 1000, rng.randrange(10), rng.randrange(1000) * 10**6))
    return second * 10**9 + fraction


def random_path(rng, text):
    return rng.choice(("/srv/app/main.py", "main", "", ".profile", "a/..b.c", "a.b/c", "/", "x/", "tar.tar.gz", "..",
                       "a/.b.", text(), text() + "/" + text() + "." + text()))


def assigned(rng, last):
    """A character that this Python knows."""
    while True:
        c = chr(rng.randrange(0x80, last))
        if unicodedata.category(c) not in ("Cn", "Cs"):
            return c


def clean_text(rng):
    pieces = ("", "app", "app.db", "Grüße", "日本語", "\U0001f600", "it's", '"quoted"', "both ' and \"", "back\\slash",
              "a b", "Traceback (most recent call last):", "x" * 30, "e\u0301", "100%", "%(name)s",
              "\u00a0\u00ad\u200b\ue000")
    choice = rng.random()
    if choice < 0.1:
        return assigned(rng, 0x800) if rng.random() < 0.5 else assigned(rng, 0x110000)
    return "".join(rng.choice(pieces) for _ in range(1 if choice < 0.7 else rng.randrange(4)))


def rough_text(rng):
    """With what is escaped, and what looks like it."""
    pieces = ("\n", "\t", "\r", "\x1b[31m", "\x1b[0m", "\x1b[", "\x1b", "[2J", "m", "\x7f", "\x85", "\x9b", "\u2028",
              "\u2029", "\x00", "\x01", "a", "bc", "ü", "'", '"', "\\", "\\x0a")
    return "".join(rng.choice(pieces) for _ in range(rng.randrange(7)))


def random_spec(rng):
    field = rng.choice(FIELDS)
    flags = "".join(rng.choice("-+ #0") for _ in range(rng.choice((0, 0, 1, 1, 2, 3))))
    width = rng.choice(("", "", "", str(rng.randrange(1, 30)), "5", "12", "1000"))
    precision = rng.choice(("", "", "", ".", ".0", ".%d" % rng.randrange(25), ".3", ".17"))
    if field in TEXT_FIELDS:
        conversion = rng.choice("ssssra")
    elif field in INT_FIELDS:
        conversion = rng.choice("dddiuoxXeEfFgGsra" + "c" * (field == "process"))
    else:
        conversion = rng.choice("fffeEgGFdiusra")
    if rng.random() < 0.4:
        flags = width = precision = ""
    return "%(" + field + ")" + flags + width + precision + rng.choice(("", "", "", "l", "h", "L")) + conversion


def damaged_spec(rng):
    """Mostly invalid, but it is Python that decides."""
    spec = random_spec(rng)
    choice = rng.randrange(8)
    if choice == 0:
        return rng.choice(("%", "%s", "%d", "%5", "%*d", "%(", "%()s", "%(name", "%(name)", "%(name)*s", "%(name).*s",
                           "% ", "%.", "%(name)5%", "%-5%", "%5.3%", "%.%", "%(nmae)%", "%l%", "%(name)ll%", "%()%",
                           "%(lineno)5.2.1d", "%(name)5-s", "%(name).-5s", "%(name)+-s", "%((name))s", "%(name))s",
                           "%( name)s", "%(NAME)s"))
    if choice == 1:
        return spec[:rng.randrange(len(spec))]
    if choice == 2:
        return spec[:-1] + rng.choice("abcdefghijklmnopqrstuvwxyzACDEFGHIOPRSUXZ!*$(){}é")
    if choice == 3:
        at = rng.randrange(len(spec))
        return spec[:at] + rng.choice("%()*.-+ #0123hlLsdx\u00e9\u0663") + spec[at:]
    if choice == 4:
        at = rng.randrange(len(spec))
        return spec[:at] + spec[at + 1:]
    if choice == 5:
        return "%(" + rng.choice(("nmae", "names", "Name", "", "nam", "process name", "é")) + ")s"
    if choice == 6:
        return "%" + spec
    return spec


def random_format(rng, damage):
    parts = []
    for _ in range(rng.choice((1, 1, 2, 3, 5, 9))):
        if rng.random() < 0.6:
            parts.append(rng.choice((" ", "", "[", "] ", "%%", "text", "ü€", "\t", ": ", "%%(name)s", "\n", "50%%%%")))
        parts.append(damaged_spec(rng) if rng.random() < damage else random_spec(rng))
    if rng.random() < 0.3:
        parts.append(rng.choice(("|", "\n", "%%", ".")))
    return "".join(parts)


def is_beyond_limits(format):
    return any(int(n) > WIDTH_MAX for n in re.findall(r"\d+", format) if n.isascii())


def has_field(format):
    """A field that is one, and not the end of a "%%(name)s"."""
    return any(m.group(1) is not None for m in SPEC.finditer(format))


def python_line(format, date_format, record):
    """None: Python refuses the format. SKIP: it fails only for this record. Python's check of formats beforehand is
    stricter about sizes (h, l) than the language, and satisfied with "%%(name)s"; has_field stands for it."""
    try:
        line = logging.Formatter(format, date_format, validate=False).format(record)
    except OverflowError:  # %c of what is no character
        return SKIP
    except (ValueError, TypeError, KeyError):
        return None
    if re.search("[\ud800-\udfff]", line):  # %c of a surrogate, which no file can have
        return SKIP
    if any(m.group(1) in TEXT_FIELDS and m.group(5) == "c" for m in SPEC.finditer(format)):  # a text of one character
        return None
    return line if has_field(format) else None


def show_value(match, record, mode):
    """One conversion as Python shows it, of a text that is cut first, then escaped and then padded. Returns that, and
    what it ends in before it is escaped."""
    name, flags, width, precision, conversion = match.groups()
    if not name:
        return "%", "%"
    value = record.__dict__[name]
    if conversion == "c":
        value, precision = "%c" % value, ""
    elif conversion != "s" or not isinstance(value, str):
        shown = match.group().replace("(" + name + ")", "") % (value,)
        return shown, shown
    cut = ("%" + (precision or "") + "s") % value
    escaped = escape(cut, mode)
    shown = ("%" + flags + width + "s") % escaped
    ends_in_padding = shown != escaped and ("-" in flags or not cut)
    return shown, shown if ends_in_padding else cut


def escaped_line(format, record, mode):
    """As logging.Formatter.format puts it together. The record was formatted before: it has asctime and message."""
    line = raw_end = ""
    for match in re.finditer(SPEC.pattern + "|[^%]+", format, re.S):
        if match.group().startswith("%"):
            shown, raw = show_value(match, record, mode)
        else:
            shown = raw = match.group()
        line += shown
        raw_end = raw or raw_end
    for block in (record.exc_text, record.stack_info):
        if block:
            if raw_end[-1:] != "\n":
                line += escape("\n", mode)
            line += escape(block, mode)
            raw_end = block
    return line


def encode(text):
    return "-" if text is None else "x" + text.encode("utf-8").hex()


def case_of(format, date_format, mode, r):
    words = [encode(format), encode(date_format), mode, r.ns, r.base, r.levelno, r.lineno, r.thread, r.process]
    words += [encode(text) for text in (r.name, r.pathname, r.funcName, r.processName, r.threadName, r.taskName,
                                        r.levelname if r.has_level_name else None, r.msg, r.exc_text, r.stack_info)]
    return " ".join(str(word) for word in words)


class Group:
    """Cases that make one TAP line."""

    def __init__(self, program, zone):
        self.program, self.zone = program, zone
        self.cases, self.expected, self.descriptions = [], [], []

    def add(self, format, date_format, mode, record, line):
        self.cases.append(case_of(format, date_format, mode, record))
        self.expected.append(None if line is None else line.encode("utf-8"))
        attributes = {name: value for name, value in vars(record).items() if value is not None}
        self.descriptions.append("%r in mode %d, %r" % (format, mode, attributes))

    def run(self):
        """The failures, as texts."""
        done = subprocess.run(WRAPPER + [self.program, "cases"], input="\n".join(self.cases) + "\n",
                              capture_output=True, text=True, env=dict(os.environ, TZ=self.zone),
                              timeout=300, check=False)
        answers = done.stdout.splitlines()
        failures = [answer for answer in answers if answer.startswith("#")] + done.stderr.splitlines()[:20]
        answers = [answer for answer in answers if not answer.startswith("#")]
        if done.returncode or len(answers) != len(self.cases):
            failures.append("exit code %d, %d answers to %d cases" % (done.returncode, len(answers), len(self.cases)))
        for answer, expected, description in zip(answers, self.expected, self.descriptions):
            if expected is None:
                is_right = answer.startswith("E -22 format_string")
            else:
                is_right = answer.startswith("x") and bytes.fromhex(answer[1:]) == expected
            if not is_right:
                shown = repr(bytes.fromhex(answer[1:])) if answer.startswith("x") else answer
                failures.append("%s: %s, not %r" % (description, shown, expected))
        return failures


def valid_cases(rng, group, count, text=clean_text, damage=0.0):
    refused = 0
    for _ in range(count):
        format = random_format(rng, damage)
        if is_beyond_limits(format) or not format:
            continue
        record = Record(rng, lambda: text(rng))
        date_format = rng.choice((None, None, None, "%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%A %d %B %Z", "%j %s", "%%"))
        line = python_line(format, date_format, record)
        if line is SKIP:
            continue
        if text is rough_text and line is not None:
            mode = rng.randrange(3)
            line = escaped_line(format, record, mode)
        else:
            # Clean texts have C1 and separators only as %c and assigned characters; the plain oracle escapes nothing.
            mode = 0
        refused += line is None
        group.add(format, date_format, mode, record, line)
    return refused


def random_formats_match(rng, program, count):
    failures = []
    for zone in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"):
        os.environ["TZ"] = zone
        time.tzset()
        group = Group(program, zone)
        valid_cases(rng, group, count // 4)
        failures += group.run()
    return failures


def random_texts_with_controls_match(rng, program, count):
    group = Group(program, os.environ["TZ"])
    valid_cases(rng, group, count, text=rough_text)
    return group.run()


def damaged_formats_are_refused_as_python_does(rng, program, count):
    group = Group(program, os.environ["TZ"])
    refused = valid_cases(rng, group, count, damage=0.6)
    failures = group.run()
    if not count // 10 < refused < count:
        failures.append("%d of %d formats are invalid" % (refused, count))
    return failures


def created_is_repr_of_float(rng, program, count):
    group = Group(program, os.environ["TZ"])
    format = "%(created)s %(relativeCreated)s %(created)r %(msecs)s %(msecs)03d %(created).17s %(relativeCreated)g"
    for i in range(count):
        record = Record(rng, lambda: "x")
        if i % 2:
            record.ns = record.base + rng.randrange(10**rng.randrange(1, 17))
            record.created, record.relativeCreated = record.ns / 1e9, (record.ns - record.base) / 1e6
            record.msecs = 0.0 if record.created // 1 != record.ns // 10**9 else record.ns % 10**9 // 10**6 + 0.0
        group.add(format, None, 0, record, python_line(format, None, record))
    return group.run()


def repr_of_each_assigned_character_matches(_rng, program, _count):
    """In texts of 64 characters. Planes 4 to 13 are empty; of 15 and 16, which are for private use, some."""
    group = Group(program, os.environ["TZ"])
    record = Record(random.Random(1), lambda: "")
    format = "%(message)r %(message)a"
    characters = [c for c in map(chr, [*range(0x40000), *range(0xe0000, 0xf1000), *range(0x10ff00, 0x10fffe)])
                  if unicodedata.category(c) not in ("Cn", "Cs")]
    for at in range(0, len(characters), 64):
        record.msg = "".join(characters[at:at + 64])
        group.add(format, None, 1, record, python_line(format, None, record))
    return group.run()


def main():
    program = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 3000
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    tests = (random_formats_match, random_texts_with_controls_match, damaged_formats_are_refused_as_python_does,
             created_is_repr_of_float, repr_of_each_assigned_character_matches)
    print("1..%d" % len(tests))
    has_failed = False
    for number, test in enumerate(tests, 1):
        failures = test(random.Random("%d %s" % (seed, test.__name__)), program, count)
        for failure in failures[:10]:
            print("# " + re.sub(" {20,}", " ... ", failure.replace("\n", "\\n"))[:2000])
        print("%sok %d - %s" % ("not " if failures else "", number, test.__name__), flush=True)
        has_failed |= bool(failures)
    return has_failed


if __name__ == "__main__":
    sys.exit(main())
