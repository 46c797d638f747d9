# SPDX-License-Identifier: Unlicense
"""Random formats, records and arguments: each line, on the short way and forced onto the stock one, is what
logging.Formatter makes of the stock record.

The environment variable TEST_SEED repeats a run. Half of all calls that are not forced go the short way.
"""
import asyncio
import copy
import io
import logging
import multiprocessing
import os
import random
import sys
import threading
import time

import support

sys.path.insert(0, support.FOLDER)
import mplog  # noqa: E402

SECONDS = 60 if support.IS_LONG else 2.5
SEED = int(os.environ.get("TEST_SEED") or random.SystemRandom().getrandbits(32))
V = sys.version_info
SIDE = "\x01side "
RELATIVE = "%(relativeCreated)s" if V >= (3, 13) else "0"  # up to 3.12 it follows from created

rng = random.Random(SEED)
folder = support.Folder()
tally = {"cases": 0, "calls": 0, "fast": 0, "deferred": 0}


# ---- formats ----

FIELDS = ["asctime", "created", "filename", "funcName", "levelname", "levelno", "lineno", "message", "module", "msecs",
          "name", "pathname", "process", "processName", "relativeCreated", "thread", "threadName"]
if V >= (3, 12):
    FIELDS.append("taskName")
NUMBERS = {"levelno", "lineno", "process", "thread"}
FLOATS = {"created", "msecs", "relativeCreated"}
# Always floats with a fraction then, which are not the collector's.
AT_THE_CALL = ["relativeCreated"] * (V < (3, 13)) + ["msecs"] * (V < (3, 10))
TEXTS = ["", " ", "|", ": ", "[", "]", "%%", "{{", "}}", "$$", "\t", "\u00e9", "\u20ac ", "\U0001f600", "\n", "a b",
         "\x07", "\x1b[1m"]
DATES = [None, None, None, "", "%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%d.%m.%y %j %U %w", "%a %A %b %B %p %I",
         "%c|%x|%X|%Z", "%%Y %e %s", "no time", "%Y\u5e74%m", "%f %Q %", "%5Y %-d %^a", "x" * 300 + "%S"]


def literal(style):
    text = rng.choice(TEXTS)
    if style == "{":
        return text if text in ("{{", "}}") else text.replace("%%", "%")
    if style == "$":
        return text if text == "$$" else text.replace("%%", "%")
    return text


def percent_field(name):
    flags = "".join(rng.sample("-0+ #", rng.choice((0, 0, 0, 1, 2))))
    width = rng.choice(("", "", "", "1", "8", "20", "08"))
    precision = rng.choice(("", "", "", "", ".0", ".2", ".", ".12"))
    common = "s" if name not in NUMBERS | FLOATS else "sd" if name in NUMBERS else "sdf"
    kind = rng.choice(common) if rng.random() < 0.985 else rng.choice("srdiouxXeEfFgGc")
    return "%%(%s)%s%s%s%s" % (name, flags, width, precision, kind)


def brace_field(name):
    if rng.random() < 0.025:
        rare = ("!r", "!s:>9", ":^9", ":*<8", ":x", ":n", ":,", ":=+8d", ":_d", ":12", ":.4")
        return "{%s%s}" % (name, rng.choice(rare))
    specs = ("", "", "", ":<10", ":>12", ":8", ":.3", ":<8.2")
    if name in NUMBERS:
        specs = ("", "", ":8", ":08", ":<8", ":+", ": ", ":>5", ":d", ":05d", ":<6d", ":<08", ":>+5")
    if name in FLOATS:
        specs = ("", "", ":.3f", ":08.2f", ":<12.1f", ":e", ":g", ":+.0f", ":>08.2f", ":<+9.1f")
    return "{%s%s}" % (name, rng.choice(specs))


def dollar_field(name):
    return rng.choice(("$%s " % name, "${%s}" % name))


def random_format():
    """(format, style)."""
    style = rng.choice("%%%{$")
    field = {"%": percent_field, "{": brace_field, "$": dollar_field}[style]
    names = rng.sample(FIELDS, rng.randint(1, 6)) + ["message"] * (rng.random() < 0.8)
    if rng.random() < 0.8:
        names = [name for name in names if name not in AT_THE_CALL] or ["name"]
    if rng.random() < 0.04:
        names.append(rng.choice(("request", "missing")))
    rng.shuffle(names)
    return "".join(literal(style) + field(name) for name in names) + literal(style), style


# ---- calls ----

def texts():
    return rng.choice(("", "x", "text", "\u00e9\u00e8", "\u20ac", "\U0001f600", "a\nb", "\x1b[31m", "\udcff", "100%",
                       "x" * 500, "nul\0", "\x80", "more", "words", "z"))


class Text(str):
    def __str__(self):
        return "subclass"


class Number(int):
    def __str__(self):
        return "N"


class Unprintable:
    is_shown = False  # in the description of a case

    def __str__(self):
        if not Unprintable.is_shown:
            raise ValueError("no")
        return "Unprintable()"

    __repr__ = __str__


class Index:
    def __index__(self):
        return 7

    def __str__(self):
        return "index"


class Mapping(dict):
    pass


def value():
    return rng.choice((
        texts, lambda: rng.randint(-200, 200), lambda: rng.choice((2**31, -2**63, 2**63, 10**30, 2**53 + 1, -2**53)),
        lambda: rng.choice((0.0, -0.0, 1.5, 1e300, -2.5e-9, float("inf"), float("nan"), 1e16, 123456789.125)),
        rng.random, lambda: rng.choice((True, False, None)),
        lambda: rng.choice(([1, "a"], (1, 2), {"a": 1}, {}, b"bytes", Text("t"), Number(5), Index(), 1j, object)),
    ))()


FITTING = {
    "s": value, "r": value, "a": value, "d": lambda: rng.choice((0, 7, -7, 10**12, True, 3.7, Number(9))),
    "i": lambda: rng.randint(-9, 9), "u": lambda: rng.randint(-9, 9), "x": lambda: rng.choice((0, 255, -255, 2**40)),
    "X": lambda: rng.choice((0, 255, -255)), "o": lambda: rng.choice((0, 8, -8)),
    "c": lambda: rng.choice(("x", "\u20ac", 65, 0x1f600)),
    "e": lambda: rng.choice((1.5, 0, 3, -2.5, float("inf"), float("nan"))),
}
for kind in "EfFgG":
    FITTING[kind] = FITTING["e"]


def conversion():
    """(text, argument or nothing that fits)."""
    kind = rng.choice("sssssddddrixXoucfffeEFgGa")
    flags = "".join(rng.sample("-0+ #", rng.choice((0, 0, 0, 0, 1, 2, 3))))
    width = rng.choice(("", "", "", "", "5", "12", "1"))
    precision = rng.choice(("", "", "", ".3", ".0", ".", ".10"))
    return "%" + flags + width + precision + rng.choice(("", "", "", "l")) + kind, FITTING[kind]()


def arguments():
    """(message, arguments), most of which fit."""
    parts, args = [], []
    for _ in range(rng.choice((0, 0, 1, 1, 1, 2, 3, 5, 12))):
        text, arg = conversion()
        parts += [rng.choice(("", " ", "m\u00e9ssage ", "%%" if rng.random() < 0.2 else "=")), text]
        args.append(arg if rng.random() < 0.97 else value())
    message = "".join(parts) + rng.choice(("", "", " end", "\u20ac"))
    if not args:
        message = rng.choice((message, texts(), "plain text", "50% off", "%d", "%%"))
    if rng.random() < 0.04:
        args.append(value())
    if rng.random() < 0.03:
        message, args = "%(a)s %(b)5d %%", [{"a": value(), "b": 3}]
    return message, args


def record():
    """(method, positional arguments, keywords)."""
    message, args = arguments()
    if rng.random() < 0.04:
        message = rng.choice((42, None, 1.5, ["%s"], ValueError("e"), b"b", Text("%s"), object, Unprintable()))
    if rng.random() < 0.02 and args:
        args[-1] = Unprintable()
    keywords = {}
    if rng.random() < 0.06:
        keywords["exc_info"] = rng.choice((True, False, None, 1, ValueError("given"), (None, None, None)))
    if rng.random() < 0.04:
        keywords["stack_info"] = rng.choice((True, False))
    if rng.random() < 0.15 and V >= (3, 8):
        keywords["stacklevel"] = rng.choice((1, 2, 3, 4, 1, 2, 3, 4, 7, 100, True, 0, -1))
    if rng.random() < 0.15:
        keywords["extra"] = rng.choice(({}, None, {"request": 5}, {"request": "\u00e9", "other": [1]}))
    method = rng.choice(("debug", "info", "warning", "error", "critical", "log", "log", "_log") * 2 + ("exception",))
    if method == "log":
        return method, [rng.choice((10, 20, 25, 30, 35, 7, 50, 1000, 10**7, True)), message] + args, keywords
    if method == "_log":
        return method, [rng.choice((20, 25)), message, tuple(args)], keywords
    return method, [message] + args, keywords


# ---- places that calls come from ----

def plain(logger, method, args, keywords):
    getattr(logger, method)(*args, **keywords)


class Place:
    def in_method(self, logger, method, args, keywords):
        plain(logger, method, args, keywords)

    def __call__(self, logger, method, args, keywords):
        return [getattr(logger, method)(*args, **keywords) for _ in (1,)]


def in_handler(logger, method, args, keywords):
    try:
        try:
            {}["missing \u00e9"]
        except KeyError as e:
            raise ValueError("chained") from (e if len(args) % 2 else None)
    except ValueError:
        getattr(logger, method)(*args, **keywords)


def in_generator(logger, method, args, keywords):
    def generator():
        yield getattr(logger, method)(*args, **keywords)
    list(generator())


def in_task(logger, method, args, keywords):
    async def work():
        await asyncio.sleep(0)
        getattr(logger, method)(*args, **keywords)

    async def both():
        task = asyncio.get_running_loop().create_task(work()) if V >= (3, 7) else None
        if hasattr(task, "set_name"):
            task.set_name("t\u00e4sk one")
        await task
    loop.run_until_complete(both())


def in_made_code(logger, method, args, keywords):
    made[rng_place % len(made)](logger, method, args, keywords)


def in_c_code(logger, method, args, keywords):
    list(map(lambda name: getattr(logger, name)(*args, **keywords), [method]))


MADE = "def f(logger, method, args, keywords):\n\n    getattr(logger, method)(*args, **keywords)\n"
FILES = ["<made>", "/a/b/\u00fc.py", "/a/.hidden.py", "noext", "/x/a.tar.gz", "", "/", "a/", "/tmp/x\udcff.py", "..py",
         "/a/...", "c:\\x\\y.py", ".profile", "a b.PY"]


def make(filename):
    names = {}
    name = rng.choice(("f", "\u00fcmlaut", "g" * 200))
    exec(compile(MADE.replace("def f", "def " + name), filename, "exec"), names)
    return names[name]


made = [make(name) for name in FILES]
loop = asyncio.new_event_loop()
rng_place = 0
PLACES = [plain, plain, Place().in_method, Place(), in_handler, in_generator, in_task, in_made_code, in_made_code,
          in_c_code]


# ---- what is expected ----

class Capture(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


def restamp(record, created, relative):
    """The record as if it had been made at that time."""
    if V >= (3, 13):
        ns = round(relative * 1e6) + logging._startTime
        now = lambda: ns  # noqa: E731
        former, time.time_ns = time.time_ns, now
    else:
        now = lambda: created  # noqa: E731
        former, time.time = time.time, now
    try:
        fresh = logging.LogRecord("", 0, "", 0, "", None, None)
    finally:
        if V >= (3, 13):
            time.time_ns = former
        else:
            time.time = former
    support.equal(fresh.created, created, "created, as it follows from relativeCreated")
    record.created, record.msecs, record.relativeCreated = fresh.created, fresh.msecs, fresh.relativeCreated
    record.exc_text = None


def is_near_border(created):
    """Up to 3.12 LogRecord takes the millisecond from a float, which is up to 0.12 us off; the collector does not."""
    return V < (3, 13) and abs((created * 1e3 + 0.5) % 1 - 0.5) < 0.0003


def expected_text(record, formatter, times):
    text = ""
    for created, relative in times:
        restamp(record, created, relative)
        try:
            text += formatter.format(record) + "\n"
        except Exception:
            pass  # reported by handleError, and no line
    return text


# ---- one format ----

NAMES = ["a", "a.b.c", "\u00fcn\u00ef.x", "x" * 300, "sp ace", "new\nline", "root"] * 4 + ["nul\0x", "sur\ud800"]
THREADS = ["MainThread", "T \u00e9", "", "x" * 150, "n\0ul"] * 4 + ["s\udcff"]
PROCESSES = ["MainProcess", "P \u20ac", "y" * 101, "two\nlines"]


class Round:
    """A session with a random format, and what is logged in it."""

    def __init__(self):
        self.format, self.style = random_format()
        self.date_format, self.is_utc = rng.choice(DATES), rng.random() < 0.2
        if self.is_utc and "%s" in (self.date_format or ""):
            self.date_format = None  # the C library takes it for local time
        os.environ["TZ"] = rng.choice(("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "XYZ-5:30"))
        time.tzset()
        self.paths = [folder.file(name) for name in ("main.log", "side.log")]
        for path in self.paths:
            open(path, "w").close()

    def begin(self):
        """False: logging.Formatter refuses the format, too, or no record can be shown so."""
        try:
            self.formatter = logging.Formatter(self.format, self.date_format, self.style)
            if self.is_utc:
                self.formatter.converter = lambda seconds: time.struct_time(tuple(time.gmtime(seconds)) + ("UTC", 0))
            mplog.setup_logging(1, self.paths[0], False, self.format, self.date_format, style=self.style,
                                utc=self.is_utc, escape="none", max_bytes=0)
        except ValueError:
            return False
        self.side = mplog.Handler(self.paths[1], max_bytes=0, escape="none")
        self.side.setFormatter(logging.Formatter(SIDE + ("%(created)s " + RELATIVE)))
        logging.getLogger().addHandler(self.side)
        logging.getLogger().info("the first record makes the handlers ready")
        mplog.flush()
        threading.current_thread().name = rng.choice(THREADS)
        multiprocessing.current_process().name = rng.choice(PROCESSES)
        return True

    def end(self):
        logging.getLogger().removeHandler(self.side)
        self.side.close()
        mplog.shutdown_logging()

    def tails(self, begins):
        mplog.flush()
        tails = []
        for path, begin in zip(self.paths, begins):
            with open(path, "rb") as f:
                f.seek(begin)
                tails.append(f.read())
        return tails

    def describe(self, name, place, call):
        Unprintable.is_shown = True
        at = getattr(place, "__name__", "Place"), rng_place
        text = "%r %r utc=%r: %s %r at %s(%d), logger %r" % (
            (self.format, self.date_format, self.is_utc, call[0], call[1:]) + at + (name,))
        Unprintable.is_shown = False
        return text

    def case(self):
        global rng_place
        name, place, call = rng.choice(NAMES), rng.choice(PLACES), record()
        rng_place = rng.randrange(100)
        begins = [os.path.getsize(path) for path in self.paths]
        # A format is known at its third sight; then once more the stock way; then a stock logger.
        ours, stock, capture = mplog.get_logger(name), logging.Logger(name), Capture()
        stock.addHandler(capture)
        errors = []
        for logger, is_slow in ((ours, False), (ours, False), (ours, False), (ours, True), (stock, True)):
            errors.append(error_of(logger, place, call, is_slow))
        main, side = self.tails(begins)
        what = self.describe(name, place, call)
        support.equal(errors, errors[4:] * 5, what)
        times = [tuple(map(float, line.split()[1:3])) for line in side.decode().split("\n") if line.startswith(SIDE)]
        support.true(len(times) in (0, 4), what)
        if any(is_near_border(created) for created, _ in times):
            return
        text = expected_text(capture.records[0], self.formatter, times) if capture.records else ""
        same_text(main.decode("utf-8", "replace"), text.encode("utf-8", "backslashreplace").decode(), what)


    def foreign_case(self):
        """A record from elsewhere, of which anything may be different from what LogRecord makes."""
        changes = random_changes()
        record, gone = made_record(changes), rng.choice(FIELDS + ["msg", "args", "exc_text", "stack_info"])
        if rng.random() < 0.1:
            changes["missing"] = gone
            record.__dict__.pop(gone, None)
        begins = [os.path.getsize(path) for path in self.paths]
        twin = copy.copy(record)
        logging.getLogger().handlers[0].handle(record)
        main, _ = self.tails(begins)
        try:
            text = self.formatter.format(twin) + "\n"
        except Exception:
            text = ""
        same_text(main.decode("utf-8", "replace"), text.encode("utf-8", "backslashreplace").decode(),
                  "%r %r: a record with %r" % (self.format, self.date_format, changes))


def random_changes():
    """Attributes of a record that come from elsewhere."""
    kinds = {
        "name": texts, "levelname": texts, "processName": texts, "threadName": texts, "taskName": texts,
        "funcName": texts, "module": texts, "pathname": lambda: rng.choice(FILES),
        "filename": lambda: rng.choice(FILES), "levelno": lambda: rng.choice((10, 25, 50, 0, -5, 10**6, 2**70)),
        "lineno": lambda: rng.choice((0, 7, -1, 2**63)),
        "process": lambda: rng.choice((0, 1, 2**40, -3)), "thread": lambda: rng.choice((0, 1, 2**64 - 1, -3)),
        "created": lambda: rng.choice((0.0, 1e9, 1.5e9 + rng.random(), 4e9, 1e-7, 951782399.9999999, 3999999999.5)),
        "msecs": lambda: rng.choice((0.0, 999.0, 12.0, 500.25)), "relativeCreated": rng.random,
        "exc_text": lambda: rng.choice(("", "text", "two\nlines\n")), "stack_info": lambda: rng.choice(("", "stack\n")),
    }
    changes = {}
    for name in rng.sample(sorted(kinds), rng.choice((0, 1, 1, 2, 4))):
        changes[name] = kinds[name]() if rng.random() < 0.8 else value()
    return changes


def made_record(changes):
    message, args = arguments()
    record = logging.LogRecord("made", 20, "/a/b.py", 5, message, tuple(args), None, "f")
    record.__dict__.update(changes)
    return record


def error_of(logger, place, call, is_slow):
    """The class of what the call raises, or None."""
    mplog._mplog.force_slow(is_slow)
    before = mplog._mplog.stats()
    try:
        place(logger, *call)
        return None
    except Exception as e:
        return type(e)
    finally:
        after = mplog._mplog.stats()
        if is_slow:
            support.equal(after["fast_calls"], before["fast_calls"], "calls on the short way when none should be")
        else:
            tally["calls"] += 1
            tally["fast"] += after["fast_calls"] - before["fast_calls"]
            tally["deferred"] += after["deferred_calls"] - before["deferred_calls"]


def same_text(actual, expected, what):
    if actual == expected:
        return
    at = len(os.path.commonprefix([actual, expected]))
    support.equal(actual[max(0, at - 100):at + 60], expected[max(0, at - 100):at + 60],
                  "%s\n  from character %d of %d on" % (what, at, len(actual)))


def lines_are_those_of_the_formatter():
    logging.addLevelName(25, "N\u00d6TE")
    logging.addLevelName(35, "two\nlines")
    former, sys.stderr = sys.stderr, io.StringIO()
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end:
            r = Round()
            if not r.begin():
                continue
            try:
                # Formats that are not the collector's take the stock way whatever is logged.
                for _ in range(10 if all(h._is_fast for h in logging.getLogger().handlers) else 3):
                    r.case()
                    r.foreign_case()
                    tally["cases"] += 1
                    sys.stderr.seek(0)
                    sys.stderr.truncate()
            finally:
                r.end()
    finally:
        sys.stderr = former


def half_of_the_calls_go_the_short_way():
    print("# %(cases)d cases; of %(calls)d calls not forced %(fast)d went the short way, "
          "%(deferred)d of them with their arguments as they were" % tally)
    support.true(tally["fast"] * 2 >= tally["calls"], "too few")


def main():
    print("# seed %d" % SEED)
    support.case(lines_are_those_of_the_formatter, name="random_records_on_both_ways_equal_logging_formatter")
    support.case(half_of_the_calls_go_the_short_way)
    with folder:
        return support.main()


if __name__ == "__main__":
    sys.exit(main())
