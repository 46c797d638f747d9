# SPDX-License-Identifier: Unlicense
"""mplog: one complete, ordered, rotated log from many processes, threads and event loops.

    from mplog import setup_logging, get_logger

    setup_logging(level="INFO", log_file="app.log")
    get_logger(__name__).info("ready")

Loggers are those of the logging module; a call copies its arguments into shared memory and returns, and a helper
process writes the records of all processes in the order in which they were logged. Child processes need no set-up,
whichever way they are started. All functions may be called from any thread.
"""
import logging
import sys

try:
    from . import _mplog
except ImportError as _error:
    if "main interpreter" not in str(_error) and "subinterpreters" not in str(_error):
        raise
    raise ImportError("mplog: only the main interpreter of a process can use it") from None

# An interpreter that can do without the GIL has just taken it, for this module's sake, unless it must not (-X gil=0).
if not getattr(sys, "_is_gil_enabled", lambda: True)():
    raise ImportError("mplog: needs the GIL, which this interpreter was told to do without")

from . import _setup
from ._handler import Handler

__all__ = ["setup_logging", "get_logger", "shutdown_logging", "is_logging_setup", "flush", "set_level", "init_worker",
           "Handler"]
__version__ = _mplog.VERSION

_WAIT_MAX_S = 10**6  # in ms it fits into a C int


def setup_logging(level="INFO", log_file=None, log_to_stderr=True, format_string=None, date_format=None, file_mode="a",
                  file_encoding="utf-8", max_bytes=10 * 1024 * 1024, backup_count=5, *, style="%", force=False,
                  utc=False, accelerate=False, flush_before_traceback=True, overflow=None, block_timeout_ms=None,
                  escape=None, ring_dir=None, ring_max_bytes=None, ring_budget_bytes=None, collector=None, fsync=None,
                  helper=None):
    """Sets up logging for this process and all it starts from now on. Call it once, before there are workers.

    level: a level's name or number; the root logger's. log_file: str or path; None: no file. log_to_stderr: bool.
    format_string, date_format, style: as logging.Formatter's fmt, datefmt and style. file_mode: "a", or "w" to empty
    the file now. file_encoding: any text encoding. max_bytes: size at which the file is rotated, in bytes; 0: never.
    backup_count: rotated files kept; 0: no rotation. Each rotation renames them all: 43 ms for 5,000 on ext4.

    force: removes other handlers of the root logger, as basicConfig does. utc: times in UTC. accelerate: also makes
    loggers fast that others have got from logging.getLogger. flush_before_traceback: an uncaught exception waits up to
    0.2 s for what was logged before it. The others are the core's (see the manual, mplog.h): overflow "block" or
    "drop", block_timeout_ms, escape "control", "strict" or "none", ring_dir, ring_max_bytes and ring_budget_bytes,
    collector "helper" or "thread", fsync "never", "interval" or "error", helper.

    The environment (MPLOG_LEVEL, MPLOG_LOG_FILE ...) has the last word. Called again: the same options do nothing,
    others write out what was logged and begin anew. In a child of multiprocessing the session of the parent goes on,
    and the options are ignored.

    Raises ValueError or TypeError for a wrong value, OSError if log_file cannot be opened; then nothing has changed.
    Where only a last step fails, as the start of a collector, a file of mode "w" has been emptied.
    Not to be called while another thread forks.
    """
    _setup.setup({
        "level": level, "log_file": log_file, "log_to_stderr": log_to_stderr, "format_string": format_string,
        "date_format": date_format, "file_mode": file_mode, "file_encoding": file_encoding, "max_bytes": max_bytes,
        "backup_count": backup_count, "utc": utc, "overflow": overflow, "block_timeout_ms": block_timeout_ms,
        "escape": escape, "ring_dir": ring_dir, "ring_max_bytes": ring_max_bytes,
        "ring_budget_bytes": ring_budget_bytes, "collector": collector, "fsync": fsync, "helper": helper,
    }, style, force, accelerate, flush_before_traceback)


def get_logger(name=None):
    """The logger of that name (str; None: the root logger): the very object of logging.getLogger(name), made fast.

    A logger of another class than logging.Logger is returned as it is, and arrives through the root logger's handler.
    Raises TypeError if name is no str. Thread-safe.
    """
    logger = _setup.born_fast(name) or logging.getLogger(name)
    _mplog.adopt(logger)
    return logger


def shutdown_logging():
    """Writes out what was logged (at most 5 s) and leaves the session; other processes go on. Not needed at exit.

    What could not be written waits; a line on stderr (descriptor 2) then says for which file, why, and what writes it.
    So does the end of the process.
    """
    _setup.shutdown()


def is_logging_setup():
    """True between set-up (or joining, in a child) and shutdown, as long as the root logger has our handler."""
    return _setup.is_setup()


def flush(timeout=5.0):
    """Waits until all records that any process of the session logged before now are written.

    timeout: seconds, int or float. Returns False if it has expired, or if a file cannot be written for so long that it
    is not waited for; True at once where logging is not set up. Signal handlers run meanwhile; what they raise, as
    Ctrl-C does, ends the wait. Raises TypeError or ValueError if timeout is no number of seconds.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError("timeout: seconds are expected, not %r" % (timeout,))
    if timeout != timeout:
        raise ValueError("timeout: nan is no number of seconds")
    return _mplog.flush(int(min(max(timeout, 0), _WAIT_MAX_S) * 1000))


def set_level(name, level):
    """Overrides the level of the logger of that name (None or "": root) in all processes of the session.

    level: a level's name or number; logging.NOTSET ends the override. A process notices with its next call of a logger
    of ours; loggers of other classes do not. Raises OSError without a session, ValueError or TypeError for a wrong
    value.
    """
    _mplog.set_level(name if name != "" else None, _setup._check_level(level))


def init_worker():
    """Initializer for pools whose workers do not import mplog themselves: ProcessPoolExecutor(initializer=init_worker).

    Joins the session of the parent; does nothing where there is none.
    """
    _setup.join(True)


_setup.begin()
