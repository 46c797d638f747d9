# SPDX-License-Identifier: Unlicense
"""mplog.Handler: where records enter that were not born in our call."""
import io
import logging
import os
import sys
import threading
import time

from . import _format, _mplog

_METHODS = frozenset(("emit", "handle", "format", "filter", "handleError"))

_NO_SESSION = -1


class _Guard(threading.local):
    is_writing = False


_guard = _Guard()


def stderr_of_process():
    """(stream, is the collector to write): decided when a process sets up or joins.

    The collector writes descriptor 2. Anything else that sys.stderr may be (pytest's capture, a notebook's cell) is
    written by this process, as a StreamHandler would.
    """
    stream = sys.stderr
    if stream is None:
        return None, False
    # Celery's proxy writes into a logger.
    if type(stream).__name__ == "LoggingProxy":
        stream = sys.__stderr__
    try:
        if stream is not None and stream is sys.__stderr__ and stream.fileno() == 2:
            return None, True
    except (AttributeError, ValueError, OSError, io.UnsupportedOperation):
        pass  # no descriptor: a stream like any other
    return stream, False


class Handler(_mplog.HandlerBase):
    """Puts records into shared memory, from where they are written in order with those of all other processes.

    Without log_file: into the file and stderr that setup_logging was given. With log_file (str or path): into a file
    of its own, which other handlers and processes with equal arguments share; where no session exists yet, one is
    started. The arguments are those of setup_logging; the names and the order of RotatingFileHandler's are accepted, so
    that dictConfig and fileConfig can use it. delay and errors are accepted and mean nothing: the file is tried at
    once, and what file_encoding cannot show is written as an escape.

    level, filters and formatter are honoured. An exact logging.Formatter is left to the collector where it can do the
    same, as it is with the first record: call setFormatter again after a change. A subclass formats at the call.
    close() waits until everything is written; a record after that is taken as before. A session has at most 32 files
    and streams, all there were since it began: a handler per job is not what this is for. Thread-safe and fork-safe;
    holds no lock while it waits.

    Raises ValueError or TypeError for wrong arguments, and for those of a file without log_file; OSError if log_file
    cannot be opened.
    """

    def __init__(self, log_file=None, file_mode="a", max_bytes=10 * 1024 * 1024, backup_count=5, file_encoding="utf-8",
                 delay=False, errors=None, *, filename=None, mode=None, maxBytes=None, backupCount=None, encoding=None,
                 level=logging.NOTSET, escape=None, fsync=None):
        object.__setattr__(self, "_session", _NO_SESSION)
        super().__init__(level)
        self._sinks = self._fields = 0
        self._is_fast = self._is_plain = self._is_overridden = False
        self._stream = None
        self._default = None
        self._file = self._encoding = None
        log_file = log_file if log_file is not None else filename
        if log_file is None:
            self._refuse_options_of_files(file_mode, max_bytes, backup_count, file_encoding, mode, maxBytes,
                                          backupCount, encoding, escape, fsync)
        else:
            from . import _setup
            self._file = _setup.check_options({
                "log_file": log_file,
                "log_to_stderr": False,
                "file_mode": file_mode if mode is None else mode,
                "max_bytes": max_bytes if maxBytes is None else maxBytes,
                "backup_count": backup_count if backupCount is None else backupCount,
                "file_encoding": file_encoding if encoding is None else encoding,
                "escape": escape,
                "fsync": fsync,
            })
            self._encoding = _setup.settle_encoding(self._file)
            _mplog.check(self._file)
            self._try_file()
            _setup.ensure_session()

    @staticmethod
    def _refuse_options_of_files(*given):
        if given != ("a", 10 * 1024 * 1024, 5, "utf-8") + (None,) * 6:
            raise ValueError("log_file: is missing; without it a handler writes where setup_logging says, and takes no "
                             "option of a file")

    def _try_file(self):
        """Here is somebody who can be told that the file cannot be opened. Pipes and devices may block."""
        path = os.fsdecode(self._file["log_file"])
        if os.path.isfile(path) or not os.path.exists(path) or os.path.isdir(path):
            with open(path, "ab"):
                pass

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)
        if name == "formatter":
            object.__setattr__(self, "_session", _NO_SESSION)
        elif name in _METHODS:
            object.__setattr__(self, "_is_overridden", True)
            object.__setattr__(self, "_is_fast", False)
        _mplog.touch()

    # ---- what this handler is to the session ----

    def _prepare(self):
        """Brings sinks and format up to date with the session and the formatter."""
        if not _mplog.is_setup():
            if self._file is None:
                self._sinks = 0
                return
            from . import _setup
            _setup.ensure_session()
        _mplog.join(False)  # a forked child becomes a member here
        session, options, formatter = _mplog.session_number(), _mplog.options(), self.formatter
        if options is None:
            self._sinks = 0
            return  # another thread has shut down meanwhile
        if self._file is None:
            self._prepare_shared(options)
        else:
            self._prepare_own()
        self._is_fast = self._is_plain and self._stream is None and not self._is_overridden
        object.__setattr__(self, "_session", session)
        # Another thread may have set them since they were looked at.
        if self.formatter is not formatter:
            object.__setattr__(self, "_session", _NO_SESSION)
        if self._is_overridden:
            self._is_fast = False

    def _prepare_shared(self, options):
        default, translated, self._encoding = session_format(options)
        stream, is_collectors = stderr_of_process() if options["log_to_stderr"] else (None, True)
        self._default = default
        self._stream = stream
        # By number (session/create.c): a mask that is joined with a file's of its own must name them.
        count = (options["log_file"] is not None) + (is_collectors and options["log_to_stderr"])
        self._sinks = (1 << count) - 1
        self._is_plain, self._fields = translated is not None, translated[1] if translated else 0
        if self.formatter is not None:
            wanted = self._translated()
            self._is_plain = wanted is not None and wanted == translated and \
                (self.formatter.datefmt or None) == options["date_format"] and not options["utc"]

    def _prepare_own(self):
        options = dict(self._file)
        self._default = logging.Formatter(_format.DEFAULT_FORMAT)
        translated = self._translated() if self.formatter is not None else \
            _format.translate(_format.DEFAULT_FORMAT, "%", None)
        self._is_plain = translated is not None and self._encoding is None
        if translated:
            options["format_string"], self._fields = translated
            options["date_format"] = self.formatter.datefmt if self.formatter is not None else None
        self._sinks = 1 << _mplog.add_sink(options)

    def _translated(self):
        parts = _format.parts_of(self.formatter)
        return None if parts is None else _format.translate(*parts)

    # ---- what logging calls ----

    def _handle(self, record):
        """What handle() does where it is not as simple as mostly."""
        passed = self.filter(record)
        if isinstance(passed, logging.LogRecord):
            record = passed
        if passed:
            self.emit(record)
        return passed

    def format(self, record):
        """The line of a record, as this handler's formatter or the session's format shows it."""
        formatter = self.formatter or self._default
        return formatter.format(record) if formatter is not None else super().format(record)

    def emit(self, record):
        """Takes the record over; its line is written later, in order."""
        try:
            if self._session != _mplog.session_number() or not _mplog.is_setup():
                self._prepare()
            if self._stream is not None:
                self._emit_to_stream(record)
            elif self._sinks and not (self._is_plain and _mplog.emit(record, self._sinks, self._fields)):
                self._emit_line(record, self.format(record))
        except RecursionError:
            raise
        except Exception:
            _mplog.count_format_error()
            self.handleError(record)

    def _emit_line(self, record, line):
        sinks = self._sinks
        if self._encoding is not None:
            file = sinks if self._file else 1 if _mplog.options()["log_file"] else 0
            encoded = line.encode(self._encoding, "backslashreplace").decode("latin-1")
            if file:
                _mplog.emit_line(record, file, encoded)
            sinks = 0 if self._file or sinks == file else 2 if file else sinks
        if sinks:
            _mplog.emit_line(record, sinks, line)

    def _emit_to_stream(self, record):
        line = self.format(record)
        if self._sinks:
            self._emit_line(record, line)
        if _guard.is_writing:
            return  # the stream's write has logged
        _guard.is_writing = True
        try:
            self._stream.write(line + "\n")
            if hasattr(self._stream, "flush"):
                self._stream.flush()
        finally:
            _guard.is_writing = False

    def flush(self):
        """Waits until all that any process of the session logged before now is written, at most 5 s.

        Calls that follow each other while nothing is written, as at the end of a program, wait 5 s together;
        mplog.flush waits each time.
        """
        _mplog.flush_at_end()

    def close(self):
        """Flushes. dictConfig and logging.shutdown close all handlers, and some are used after that."""
        self.flush()
        super().close()

    def __repr__(self):
        target = self._file["log_file"] if self._file else "session"
        return "<%s %s (%s)>" % (type(self).__name__, os.fsdecode(target), logging.getLevelName(self.level))


def _utc(seconds):
    """As time.gmtime, but %Z is UTC, as the collector has it, and not GMT."""
    return time.struct_time(tuple(time.gmtime(seconds)) + ("UTC", 0))


def session_format(options):
    """(a Formatter that does what the session's format says, (%-format, fields) or None, encoding or None).

    None: the collector cannot do it, and lines are made at the call.
    """
    fmt, style, date_format, encoding = options["format_string"], "%", options["date_format"], None
    binding = {}
    if options["binding"]:
        import json
        binding = json.loads(options["binding"])
    if not fmt and not binding:
        fmt = _format.DEFAULT_FORMAT
    translated = _format.translate(fmt, style, date_format) if fmt else None
    if binding and binding["translated"] == fmt:  # else the environment has the last word on the format
        fmt, style, encoding = binding["format"], binding["style"], binding["encoding"]
        date_format = date_format or binding["date_format"]
    formatter = logging.Formatter(fmt, date_format, style)
    if options["utc"]:
        formatter.converter = _utc
    return formatter, translated, encoding


_mplog.use_handler(Handler)
