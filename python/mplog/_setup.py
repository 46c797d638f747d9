# SPDX-License-Identifier: Unlicense
"""Set-up, joining and shutdown: what a process does about its session, and when."""
import codecs
import logging
import os
import sys
import threading

from . import _format, _mplog
from ._handler import Handler

VARIABLE = "MPLOG_SESSION"
EXCEPTION_FLUSH_MS = 200  # lines come before the traceback, and a stuck disk does not keep it back

# Of the session and of _Root. Who needs logging's lock, too, takes that one first, as dictConfig does when it makes our
# handlers; and what may take seconds is done without that one: levels are looked up under it, and forks wait for it.
_lock = threading.RLock()


def _after_fork():
    global _lock
    _lock = threading.RLock()  # the thread that had it is not there


os.register_at_fork(after_in_child=_after_fork)


class _Root:
    """What set-up has done to this process, to be undone by shutdown."""

    handler = None
    level_before = level_set = None
    variable = None
    hooks = None


# ---- options ----

_TYPES = {
    "log_to_stderr": bool, "utc": bool, "format_string": str, "date_format": str, "file_mode": str,
    "file_encoding": str, "max_bytes": int, "backup_count": int, "overflow": str, "block_timeout_ms": int,
    "escape": str, "ring_max_bytes": int, "ring_budget_bytes": int, "collector": str, "fsync": str,
}
_PATHS = ("log_file", "ring_dir", "helper")


def _check_level(level):
    if isinstance(level, bool) or not isinstance(level, (int, str)):
        raise TypeError("level: a level's name or number is expected, not %r" % (level,))
    if isinstance(level, int):
        return int(level)
    name = level.strip()
    number = logging.getLevelName(name)
    if not isinstance(number, int):
        number = logging.getLevelName(name.upper())
    if not isinstance(number, int):
        if not name.isdigit():
            raise ValueError("level: %r is not a level's name or number" % (level,))
        number = int(name)
    return number


def _check_encoding(name):
    try:
        found = codecs.lookup(name)
    except LookupError:
        raise ValueError("file_encoding: unknown encoding: %s" % name) from None
    if not getattr(found, "_is_text_encoding", True):
        raise ValueError("file_encoding: %s is no encoding of text" % name)
    # Python's names for what other libraries call otherwise.
    return {"iso8859-1": "latin-1"}.get(found.name, found.name)


def _make_absolute(name, path):
    try:
        return os.path.abspath(path)
    except FileNotFoundError as e:
        text = "%s: is relative, and the working directory cannot be found" % name
        raise FileNotFoundError(e.errno, text, path) from None


def check_options(options):
    """Types, and values where Python knows them under other names. Drops None, which means the default."""
    checked = {}
    for name, value in options.items():
        if value is None:
            continue
        if name in _PATHS:
            value = os.fsencode(_make_absolute(name, os.fspath(value))) if os.fspath(value) else b""
        elif name == "level":
            value = _check_level(value)
        elif name in ("log_to_stderr", "utc"):
            value = bool(value)
        else:
            wanted = _TYPES[name]
            if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
                raise TypeError("%s: %s is expected, not %r" % (name, wanted.__name__, value))
        checked[name] = value
    if "file_encoding" in checked:
        checked["file_encoding"] = _check_encoding(checked["file_encoding"])
    return checked


def settle_encoding(options):
    """An encoding that the core lacks, or None. Its bytes then travel as characters of latin-1, which are the same."""
    encoding = options.get("file_encoding")
    if encoding is None or _mplog.has_encoding(encoding):
        return None
    options["file_encoding"], options["escape"] = "latin-1", "none"
    return encoding


def _try_format(fmt, date_format, style):
    """Raises ValueError if no record can ever be shown so. A field that only some records have is no mistake."""
    formatter = logging.Formatter(fmt, date_format, style)
    try:
        formatter.format(logging.LogRecord("", logging.INFO, "", 0, "", None, None))
    except KeyError:
        pass
    except (ValueError, TypeError, IndexError, AttributeError, OverflowError) as e:
        if "field not found" not in str(e):
            raise ValueError("format_string: %r: %s" % (fmt, e)) from None


def _settle_format(options, style):
    """Leaves the format to the collector, and says in `binding` how processes of Python format what it cannot."""
    if style not in ("%", "{", "$"):
        raise ValueError("style: %r is not one of '%%', '{', '$'" % (style,))
    encoding = settle_encoding(options)
    fmt, date_format = options.get("format_string"), options.get("date_format")
    if not fmt:
        options.pop("format_string", None)
        if not encoding and (not date_format or _format.translate(_format.DEFAULT_FORMAT, "%", date_format)):
            return
        fmt, style = _format.DEFAULT_FORMAT, "%"
    _try_format(fmt, date_format, style)
    translated = _format.translate(fmt, style, date_format)
    is_collectors = translated is not None and not encoding
    options["format_string"] = translated[0] if is_collectors else None
    if is_collectors and style == "%":
        return
    if not is_collectors:
        options.pop("date_format", None)
    import json  # not at import: it takes 1.4 ms, and few formats need it
    binding = {"format": fmt, "style": style, "date_format": date_format, "encoding": encoding,
               "translated": options["format_string"]}
    options["binding"] = json.dumps(binding, sort_keys=True)


# ---- multiprocessing ----

def _process():
    module = sys.modules.get("multiprocessing.process")
    return module.current_process() if module else None


def _is_inheriting():
    """Is main being imported again, for a spawned child?"""
    return bool(getattr(_process(), "_inheriting", False))


def _is_child():
    return getattr(_process(), "_parent_pid", None) is not None


# ---- loggers ----

def born_fast(name):
    """The logger of that name, made with our class, if there is none yet; else None.

    A logger that is given its class later has its attributes in a dictionary of its own from then on (3.11 and later),
    and the interpreter looks its methods up anew at each call.
    """
    manager = logging.Logger.manager
    if type(name) is not str or isinstance(manager.loggerDict.get(name), logging.Logger):
        return None
    with logging._lock:
        if manager.loggerClass is not None or logging.getLoggerClass() is not logging.Logger:
            return None
        manager.loggerClass = _mplog.Logger
        try:
            return logging.getLogger(name)
        finally:
            manager.loggerClass = None


# ---- root ----

def _install(joins=True):
    """Our handler on the root logger, and the session's level. joins: a session that is over is created again now, not
    by the first record.
    """
    if _Root.handler is None:
        _Root.handler = Handler()
    root = logging.getLogger()
    _mplog.adopt(root)
    if _Root.handler not in root.handlers:
        root.addHandler(_Root.handler)
    if _Root.level_before is None:
        _Root.level_before = root.level
    root.setLevel(_mplog.options()["level"])
    _Root.level_set = root.level
    if joins:
        _Root.handler._prepare()


def _say(text, *args):
    """A line of our own, only to our handler: foreign ones may lead anywhere."""
    record = logging.LogRecord("mplog", logging.WARNING, "(unknown file)", 0, text, args, None, "(unknown function)")
    _Root.handler.handle(record)


def _foreign_handlers():
    return [h for h in logging.getLogger().handlers if not isinstance(h, Handler)]


def _remove_foreign_handlers():
    root = logging.getLogger()
    for handler in _foreign_handlers():
        root.removeHandler(handler)
        handler.close()


# ---- the environment ----

def _export():
    """Programs pass on copies of os.environ, which does not see what a C library sets."""
    value = _mplog.session_variable()
    if value is not None:
        os.environ[VARIABLE] = value
        _Root.variable = value


def _unexport():
    if _Root.variable is not None and os.environ.get(VARIABLE) == _Root.variable:
        del os.environ[VARIABLE]
    _Root.variable = None


def _join(asks_parents=False):
    """Joins the session this process was born into. False: it is not there (any more, if is_setup() is true then)."""
    if not (_mplog.is_setup() or asks_parents or VARIABLE in os.environ):
        return False
    return _mplog.join(asks_parents)


def _drop_stale():
    """A name in the environment that leads to no session, and never will."""
    if VARIABLE in os.environ and not (_mplog.is_setup() or _join() or _mplog.is_setup()):
        del os.environ[VARIABLE]


# ---- what comes before a traceback ----

def _begin_hooks():
    if _Root.hooks is not None:
        return

    def excepthook(kind, value, traceback):
        _mplog.flush(EXCEPTION_FLUSH_MS)
        sys.__excepthook__(kind, value, traceback)

    def displayhook(value):
        _mplog.flush(EXCEPTION_FLUSH_MS)
        sys.__displayhook__(value)

    _Root.hooks = (excepthook, displayhook)
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = excepthook
    if hasattr(sys, "ps1") and sys.displayhook is sys.__displayhook__:
        sys.displayhook = displayhook


def _end_hooks():
    if _Root.hooks is None:
        return
    if sys.excepthook is _Root.hooks[0]:
        sys.excepthook = sys.__excepthook__
    if sys.displayhook is _Root.hooks[1]:
        sys.displayhook = sys.__displayhook__
    _Root.hooks = None


# ---- the calls ----

def _differs(options):
    """Are these other options than those of the session? What the environment says goes for both."""
    session = _mplog.options()
    for name, value in options.items():
        if name in session and os.environ.get("MPLOG_" + name.upper(), "") == "":
            theirs = session[name]
            if name == "log_file":
                value = os.fsdecode(value)
            if value != theirs and not (name == "file_mode" and theirs is None):
                return True
    return False


def _has_set_up():
    """Has somebody called setup_logging in the session? Handlers with files of their own begin one that has no output
    besides these: it is no answer to a set-up, and no reason to take over the root logger.
    """
    options = _mplog.options()
    return options["log_file"] is not None or options["log_to_stderr"]


_OWN, _PARENTS, _PARENTS_WITH_OTHER_OPTIONS = 1, 2, 3


def _begin_session(options, style):
    """Brings this process into a session. Whose it is, or None: it was set up just so before."""
    if _is_inheriting() and _join(True) and _has_set_up():
        return _PARENTS
    options = check_options(options)
    _settle_format(options, style)
    if _is_child() and _join(True) and _has_set_up():
        return _PARENTS_WITH_OTHER_OPTIONS if _differs(options) else _PARENTS
    _drop_stale()
    before = _mplog.session_number(), is_setup()
    _mplog.setup(options)
    return None if before == (_mplog.session_number(), True) else _OWN


def setup(options, style, force, accelerate, flush_before_traceback):
    with _lock:
        whose = _begin_session(options, style)
    if whose is None:
        return
    with logging._lock, _lock:
        if not _mplog.is_setup():
            return  # another thread has shut down meanwhile
        is_first = _Root.handler is None
        if whose == _OWN and force:
            _remove_foreign_handlers()
        _install()
        if whose != _OWN:
            if whose == _PARENTS_WITH_OTHER_OPTIONS and not is_first:
                _say("setup_logging: the options are ignored: this process belongs to the session of its parent")
            return
        _export()
        if accelerate:
            for logger in list(logging.Logger.manager.loggerDict.values()):
                _mplog.adopt(logger)
        if flush_before_traceback:
            _begin_hooks()
        # pytest's only collect, and are there in every test.
        foreign = [h for h in _foreign_handlers() if type(h).__module__ != "_pytest.logging"]
        if foreign and is_first:
            _say("the root logger has other handlers, too: %s; setup_logging(force=True) removes them",
                 ", ".join(repr(h) for h in foreign))


def ensure_session():
    """For handlers with files of their own: a session without sinks, if there is none."""
    with _lock:
        if _mplog.is_setup() or _join():
            return
        _drop_stale()
        _mplog.setup({"log_to_stderr": False})
        _export()


def join(asks_parents):
    """Joins an inherited session, or makes ready to create it again if it is over, and, after a set-up, listens on the
    root logger.
    """
    with _lock:
        is_member = _join(asks_parents)
    if not _mplog.is_setup():
        return
    with logging._lock, _lock:
        if _mplog.is_setup() and _has_set_up():
            _install(is_member)


def _uninstall():
    if _Root.handler is not None:
        root = logging.getLogger()
        root.removeHandler(_Root.handler)
        if root.level == _Root.level_set:
            root.setLevel(_Root.level_before)
        logging.Handler.close(_Root.handler)
        _Root.handler = _Root.level_before = _Root.level_set = None


def shutdown():
    lock, is_held = _lock, False
    try:
        with logging._lock:
            is_held = lock.acquire()
            _uninstall()
        _mplog.shutdown()  # waits for the last lines
        _unexport()
        _end_hooks()
    finally:
        if is_held:
            lock.release()


def is_setup():
    return _Root.handler is not None and _mplog.is_setup() and _Root.handler in logging.getLogger().handlers


def begin():
    """At import: a process that was born into a session belongs to it."""
    base = logging._startTime
    _mplog.set_relative_base(base if isinstance(base, int) else int(base * 1e9))
    if VARIABLE in os.environ:
        join(False)
    elif _is_child():
        join(True)
