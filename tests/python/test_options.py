# SPDX-License-Identifier: Unlicense
"""Every option of set-up: what is refused, with which exception and sentence, and what formats and encodings give."""
import logging
import os
import sys
import time

import support
from support import equal, test, true

sys.path.insert(0, support.FOLDER)
import mplog  # noqa: E402

folder = support.Folder()

WRONG = [
    (ValueError, "level", dict(level="NOPE")), (TypeError, "level", dict(level=1.5)),
    (TypeError, "level", dict(level=True)),
    (FileNotFoundError, "log_file", dict(log_file="/nonexistent/x.log")),
    (IsADirectoryError, "log_file", dict(log_file="/tmp")), (TypeError, "", dict(log_file=5)),
    (ValueError, "log_file", dict(log_file="")), (ValueError, "log_file", dict(log_file="a\0b")),
    (ValueError, "max_bytes", dict(max_bytes=-1)), (TypeError, "max_bytes", dict(max_bytes="x")),
    (ValueError, "backup_count", dict(backup_count=-1)), (ValueError, "file_mode", dict(file_mode="x")),
    (ValueError, "file_encoding", dict(file_encoding="nope")),
    (ValueError, "file_encoding", dict(file_encoding="rot13")),
    (ValueError, "style", dict(style="x")), (TypeError, "format_string", dict(format_string=5)),
    (ValueError, "", dict(format_string="%(message)")),
    (ValueError, "format_string", dict(format_string="%(message)s %(name)y")),
    (ValueError, "escape", dict(escape="x")), (ValueError, "overflow", dict(overflow="x")),
    (ValueError, "fsync", dict(fsync="x")), (ValueError, "collector", dict(collector="x")),
]
if sys.version_info >= (3, 8):
    WRONG += [(ValueError, "", dict(format_string="no field")),
              (ValueError, "", dict(format_string="{message", style="{"))]


def refuse(error, words, options):
    handlers = list(logging.getLogger().handlers)
    try:
        mplog.setup_logging(log_to_stderr=False, **options)
    except error as e:
        true(words in str(e), "the sentence says nothing of %s: %s" % (words, e))
        equal(type(e), error)
    else:
        mplog.shutdown_logging()
        raise support.Failure("it was taken")
    equal(logging.getLogger().handlers, handlers)
    equal(mplog.is_logging_setup(), False)


for number, (kind, text, wrong) in enumerate(WRONG):
    support.case(refuse, kind, text, wrong, name="option_%d_%s_is_refused" % (number, "_".join(wrong)))


def logged(**options):
    """Bytes of the file after one call on each way."""
    path = folder.file("%d.log" % time.monotonic_ns() if hasattr(time, "monotonic_ns") else "x.log")
    mplog.setup_logging(log_file=path, log_to_stderr=False, **options)
    try:
        log = mplog.get_logger("k")
        log.info("h\u00e9 %d \u20ac", 1)
        logging.getLogger("stock").info("h\u00e9 %d \u20ac", 1)
        mplog.flush()
    finally:
        mplog.shutdown_logging()
    with open(path, "rb") as f:
        return f.read()


FORMATS = [
    dict(format_string="{levelname:<8}|{name}|{message}", style="{"),
    dict(format_string="${levelname} $name $$ $message", style="$"),
    dict(format_string="%(levelname)-8s %(name)5s %(message)s"), dict(format_string="%(message)r %(name)s"),
    dict(format_string="{message!r:>20} {name:^9}", style="{"), dict(format_string="100%% %(message).3s %(name)s"),
    dict(format_string="{levelno:05d} {name!a} {message}", style="{"),
]


def equals_formatter(options):
    formatter = logging.Formatter(options["format_string"], None, options.get("style", "%"))
    lines = []
    for name in ("k", "stock"):
        record = logging.LogRecord(name, 20, "", 0, "h\u00e9 1 \u20ac", None, None)
        lines.append(formatter.format(record))
    equal(logged(**options).decode().splitlines(), lines)


for number, given in enumerate(FORMATS):
    support.case(equals_formatter, given, name="format_%d_gives_what_logging_gives" % number)


def encodes(encoding):
    expected = "k h\u00e9 1 \u20ac\nstock h\u00e9 1 \u20ac\n".encode(encoding, "backslashreplace")
    equal(logged(format_string="%(name)s %(message)s", file_encoding=encoding), expected)


for codec in ("utf-8", "utf-8-sig", "utf-16-le", "latin1", "cp1252", "ascii", "koi8_t", "mac_latin2", "iso8859-15"):
    support.case(encodes, codec, name="encoding_%s_gives_what_python_gives" % codec)


@test
def utc_and_date_format_are_honoured():
    zone = os.environ.get("TZ")
    os.environ["TZ"] = "XYZ-5"
    time.tzset()
    try:
        shown = logged(format_string="%(asctime)s", date_format="%H", utc=True).split()
        local = logged(format_string="%(asctime)s", date_format="%H").split()
    finally:
        os.environ.pop("TZ") if zone is None else os.environ.update(TZ=zone)
        time.tzset()
    difference = (int(local[0]) - int(shown[0])) % 24
    true(difference in (5, 6), "local time is %d hours ahead" % difference)
    equal(len(set(shown)), 1)


@test
def missing_field_is_reported_as_in_the_standard_library():
    import io
    former, sys.stderr = sys.stderr, io.StringIO()
    try:
        data = logged(format_string="%(request)s %(message)s")
        text = sys.stderr.getvalue()
    finally:
        sys.stderr = former
    equal(data, b"")
    equal(text.count("--- Logging error ---"), 2)


@test
def environment_has_the_last_word():
    os.environ["MPLOG_FORMAT_STRING"], os.environ["MPLOG_LEVEL"] = "E %(message)s", "WARNING"
    try:
        equal(logged(format_string="%(name)s"), b"")
        os.environ["MPLOG_LEVEL"] = "INFO"
        equal(logged(format_string="%(request)s").decode().splitlines(), ["E h\u00e9 1 \u20ac"] * 2)
    finally:
        del os.environ["MPLOG_FORMAT_STRING"], os.environ["MPLOG_LEVEL"]


def main():
    with folder:
        return support.main()


if __name__ == "__main__":
    sys.exit(main())
