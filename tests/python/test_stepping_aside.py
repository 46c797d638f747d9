# SPDX-License-Identifier: Unlicense
"""Whatever a program does to the logging tree: the very next call behaves as the stock one, and is fast again when it
is undone."""
import gc
import io
import logging
import multiprocessing
import sys
import threading
import time
import weakref

import support
from support import equal, test, true

sys.path.insert(0, support.FOLDER)
import mplog  # noqa: E402

FORMAT = "%(name)s|%(levelname)s|%(threadName)s|%(processName)s|%(message)s"
METHODS = ("callHandlers", "makeRecord", "handle", "findCaller", "_log", "isEnabledFor", "info", "filter",
           "getEffectiveLevel")

folder = support.Folder()
log = mplog.get_logger("m.a.b")
parent, root = logging.getLogger("m.a"), logging.getLogger()
FAST, SLOW, NOT_AT_ALL = (1, 0), (0, 1), (0, 0)


class Capture(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


capture = Capture()


def way_of(call=None):
    """How one call went: (fast, slow)."""
    before = mplog._mplog.stats()
    (call or (lambda: log.info("x %d", 1)))()
    after = mplog._mplog.stats()
    return after["fast_calls"] - before["fast_calls"], after["slow_calls"] - before["slow_calls"]


def lines():
    mplog.flush()
    return folder.lines("app.log")


def tail(count):
    return lines()[-count:]


def change(do, undo, way=SLOW, captured=None):
    log.info("before")
    equal(way_of(), FAST, "before")
    records = len(capture.records)
    do()
    try:
        equal(way_of(), way, "changed")
        if captured is not None:
            equal(len(capture.records) - records, captured, "records that the other handler got")
    finally:
        undo()
    equal(way_of(), FAST, "undone")


def assign(owner, name, value):
    """(do, undo) of an assignment."""
    own = name in vars(owner)
    former = getattr(owner, name)

    def undo():
        if own:
            setattr(owner, name, former)
        else:
            delattr(owner, name)
    return lambda: setattr(owner, name, value), undo


@test
def handler_added_anywhere_on_the_path_is_called():
    for logger in (log, parent, root):
        change(lambda: logger.addHandler(capture), lambda: logger.removeHandler(capture), captured=1)
        change(lambda: logger.handlers.append(capture), lambda: logger.handlers.remove(capture), captured=1)
        change(lambda: logger.handlers.insert(0, capture), lambda: logger.handlers.remove(capture), captured=1)


@test
def list_of_handlers_that_is_assigned_counts():
    for logger in (log, parent, root):
        change(*assign(logger, "handlers", [capture]), captured=1)


@test
def propagate_parent_and_disabled_count():
    change(*assign(parent, "propagate", False))
    other = logging.Logger("other")
    other.addHandler(capture)
    change(*assign(log, "parent", other), captured=1)
    do, undo = assign(log, "disabled", True)
    change(do, undo, SLOW if sys.version_info < (3, 8) else NOT_AT_ALL)


@test
def filters_count():
    nothing = logging.Filter("nothing")
    ours = root.handlers[0]
    for owner in (log, ours):
        change(lambda: owner.addFilter(nothing), lambda: owner.removeFilter(nothing))
        change(lambda: owner.filters.append(nothing), lambda: owner.filters.clear())


@test
def level_of_our_handler_counts():
    ours = root.handlers[0]
    count = len(lines())
    change(lambda: ours.setLevel(100), lambda: ours.setLevel(0), NOT_AT_ALL)
    equal(len(lines()), count + 3)


def method_of_the_class_is_called(name):
    original, calls = getattr(logging.Logger, name), []

    def patched(self, *args, **kwargs):
        calls.append(1)
        return original(self, *args, **kwargs)
    do, undo = assign(logging.Logger, name, patched)

    def do_and_forget():
        do()
        log.manager._clear_cache() if hasattr(log.manager, "_clear_cache") else log._cache.clear()
    change(do_and_forget, undo)
    true(calls, "it was not called")


def method_of_the_object_is_called(name):
    calls = []

    def patched(*args, **kwargs):
        calls.append(1)
        return getattr(type(log), name)(log, *args, **kwargs)

    def do():
        setattr(log, name, patched)
        log._cache.clear()
    change(do, lambda: delattr(log, name), FAST if name == "info" else SLOW)
    true(calls, "it was not called")


for method in METHODS:
    support.case(method_of_the_class_is_called, method, name="class_patched_%s_is_called" % method)
    support.case(method_of_the_object_is_called, method, name="object_patched_%s_is_called" % method)


@test
def record_factory_and_switches_count():
    change(lambda: logging.setLogRecordFactory(lambda *a, **k: logging.LogRecord(*a, **k)),
           lambda: logging.setLogRecordFactory(logging.LogRecord))
    for name in ("logThreads", "logMultiprocessing", "logProcesses") + \
            (("logAsyncioTasks",) if sys.version_info >= (3, 12) else ()):
        change(*assign(logging, name, False))
    change(*assign(logging, "_srcfile", None))


@test
def patched_records_and_formatters_count():
    change(*assign(logging.Formatter, "converter", time.gmtime))
    change(*assign(logging.Formatter, "default_msec_format", "%s.%03d"))
    change(*assign(logging.LogRecord, "getMessage", lambda self: "PATCHED"))
    true("m.a.b|INFO|MainThread|MainProcess|PATCHED" in lines(), "the patched message is missing")


@test
def levels_are_those_of_the_moment():
    log.info("x")
    change(lambda: log.setLevel("ERROR"), lambda: log.setLevel(0), NOT_AT_ALL)
    change(lambda: root.setLevel(50), lambda: root.setLevel(10), NOT_AT_ALL)
    change(lambda: logging.disable(50), lambda: logging.disable(0), NOT_AT_ALL)
    change(lambda: mplog.set_level("m", "CRITICAL"), lambda: mplog.set_level("m", logging.NOTSET), NOT_AT_ALL)
    log._cache[20] = False
    equal(way_of(), NOT_AT_ALL, "what _cache says")
    log._cache.clear()
    equal(way_of(), FAST)


@test
def names_are_those_of_the_moment():
    thread, process = threading.current_thread(), multiprocessing.current_process()
    expected = []
    for name in ("Renamed", "L" * 150, "N\0ul", "\u00e9\u20ac", "MainThread"):
        thread.name = name
        log.info("x %d", 1)
        expected.append("m.a.b|INFO|%s|MainProcess|x 1" % name.replace("\0", "\\x00"))
    for name in ("Process one", "MainProcess"):
        process.name = name
        log.info("text")
        expected.append("m.a.b|INFO|MainThread|%s|text" % name)
    equal(tail(len(expected)), expected)


class Shouting(threading._MainThread):
    name = property(lambda self: self._name.upper())

    def __init__(self):
        raise NotImplementedError


def rename_behind_its_back(who, how):
    """Each way changes the name to another one; undo with the function that is returned."""
    attributes, former = vars(who), who._name
    if how == "entry":
        attributes["_name"] = "By entry"
        return lambda: attributes.__setitem__("_name", former)
    if how == "dictionary":
        who.__dict__ = dict(attributes, _name="By dictionary")
        return lambda: setattr(who, "__dict__", attributes)
    if how == "class":
        who.__class__ = Shouting
        return lambda: setattr(who, "__class__", threading._MainThread)
    threading._active[threading.get_ident()] = threading.Thread(name="By registry")
    return lambda: threading._active.__setitem__(threading.get_ident(), who)


@test
def names_changed_in_unusual_ways_are_seen():
    thread, process = threading.current_thread(), multiprocessing.current_process()
    expected = []

    def log_twice(thread_name, process_name="MainProcess"):
        for _ in range(2):
            log.info("x")
            expected.append("m.a.b|INFO|%s|%s|x" % (thread_name, process_name))
    log_twice("MainThread")
    for how, name in (("entry", "By entry"), ("dictionary", "By dictionary"), ("class", "MAINTHREAD"),
                      ("registry", "By registry")):
        undo = rename_behind_its_back(thread, how)
        log_twice(name)
        undo()
        log_twice("MainThread")
    for how in ("entry", "dictionary"):
        undo = rename_behind_its_back(process, how)
        log_twice("MainThread", "By " + how)
        undo()
        log_twice("MainThread")
    multiprocessing.process._current_process = multiprocessing.Process(name="Another")
    log_twice("MainThread", "Another")
    multiprocessing.process._current_process = process
    log_twice("MainThread")
    equal(tail(len(expected)), expected)


@test
def logger_that_is_new_is_born_with_our_class():
    logger = mplog.get_logger("m.born")
    equal(type(logger), mplog._mplog.Logger)
    equal(logging.getLogger("m.born") is logger, True, "the same logger")
    equal(type(logging.getLogger("m.stock")), logging.Logger, "loggers of others")
    equal(logging.Logger.manager.loggerClass, None, "the manager's class")


@test
def class_that_the_program_has_set_is_used():
    class Own(logging.Logger):
        pass
    logging.setLoggerClass(Own)
    try:
        equal(type(mplog.get_logger("m.own")), Own)
    finally:
        logging.setLoggerClass(logging.Logger)
    logging.Logger.manager.setLoggerClass(Own)
    try:
        equal(type(mplog.get_logger("m.own2")), Own)
    finally:
        logging.Logger.manager.loggerClass = None


@test
def names_of_levels_are_those_of_the_moment():
    logging.addLevelName(20, "INFORM")
    logging.addLevelName(25, "NOTICE")
    try:
        log.info("x")
        log.log(25, "x")
        log.log(26, "x")
    finally:
        logging.addLevelName(20, "INFO")
        del logging._levelToName[25], logging._nameToLevel["NOTICE"]
    log.info("x")
    equal([line.split("|")[1] for line in tail(4)], ["INFORM", "NOTICE", "Level 26", "INFO"])


@test
def mistakes_raise_as_in_the_standard_library():
    for call, error in ((lambda: log.info(), TypeError), (lambda: log.info("x", foo=1), TypeError),
                        (lambda: log.log("INFO", "x"), TypeError), (lambda: log.info("x", extra={"name": 1}), KeyError),
                        (lambda: log.info("x", extra={"message": 1}), KeyError)):
        try:
            call()
        except error:
            continue
        raise support.Failure("no %s" % error.__name__)


class Unprintable:
    def __str__(self):
        raise ValueError("no")


@test
def bad_arguments_are_reported_as_in_the_standard_library():
    count, errors, former = len(lines()), mplog._mplog.stats()["format_errors"], sys.stderr
    sys.stderr = io.StringIO()
    try:
        for _ in range(3):
            log.info("bad %d", "x")
            log.info("%s %s", 1)
            log.info("%s", Unprintable())
            log.info(Unprintable())
        text = sys.stderr.getvalue()
    finally:
        sys.stderr = former
    equal(text.count("--- Logging error ---"), 12)
    equal(mplog._mplog.stats()["format_errors"] - errors, 12)
    equal(len(lines()), count)


@test
def bad_arguments_are_passed_over_without_raise_exceptions():
    count, former = len(lines()), sys.stderr
    sys.stderr, logging.raiseExceptions = io.StringIO(), False
    try:
        log.info("bad %d", "x")
        log.info("%s %s", 1)
        log.log("level", "x")
        text = sys.stderr.getvalue()
    finally:
        sys.stderr, logging.raiseExceptions = former, True
    equal(text, "")
    equal(len(lines()), count)


@test
def calls_that_the_standard_library_refuses_raise_what_it_raises():
    for call in (lambda: log.info("x", unknown=1), lambda: log.log("level", "x"), lambda: log.info()):
        try:
            call()
        except TypeError:
            continue
        true(False, "nothing was raised")


@test
def logger_without_references_goes_away():
    logger = mplog.get_logger("passing")
    logger.info("x")
    weak = weakref.ref(logger)
    del logging.Logger.manager.loggerDict["passing"], logger
    gc.collect()
    equal(weak(), None)


def main():
    with folder:
        mplog.setup_logging(level="DEBUG", log_file=folder.file("app.log"), log_to_stderr=False, format_string=FORMAT)
        try:
            return support.main()
        finally:
            mplog.shutdown_logging()


if __name__ == "__main__":
    sys.exit(main())
