# SPDX-License-Identifier: Unlicense
"""Every way to make a call, on the short way and forced onto the stock one: the same lines, the caller included."""
import functools
import logging
import os
import sys
import threading

import support

sys.path.insert(0, support.FOLDER)
import mplog  # noqa: E402

FORMAT = ("%(levelname)s|%(name)s|%(pathname)s|%(filename)s|%(module)s|%(lineno)d|%(funcName)s|%(processName)s|"
          "%(threadName)s|%(process)d|%(levelno)d|%(message)s")
NEW = sys.version_info >= (3, 11)
HAS_STACKLEVEL = sys.version_info >= (3, 8)

log = mplog.get_logger("shapes.one")
root = mplog.get_logger()
adapter = logging.LoggerAdapter(log, {"who": "x"})


def helper(*args, **kwargs):
    log.info(*args, **kwargs)


def level_helper(self, msg, *args, **kwargs):
    if self.isEnabledFor(25):
        self._log(25, msg, args, **kwargs)


class Thing:
    def method(self):
        log.warning("in a method %s", "m")

    @property
    def value(self):
        log.info("in a property")
        return 1

    def __str__(self):
        log.info("in __str__")
        return "thing"

    def __del__(self):
        log.info("in __del__")


class Text(str):
    def __str__(self):
        return "subclass"


class Number(int):
    def __str__(self):
        return "N"


def generator():
    log.info("in a generator")
    yield 1
    log.info("again in it %d", 2)


def raising():
    try:
        raise KeyError("k")
    except KeyError:
        try:
            raise ValueError("v")
        except ValueError:
            log.exception("two %d", 2)
            log.error("with exc_info", exc_info=True)
            log.error("without", exc_info=False)
            log.error("a tuple", exc_info=sys.exc_info())
            log.error("an exception", exc_info=sys.exc_info()[1])


def many_lines():
    log.info(
        "over %s lines",
        "three")
    (log
     .info("chained"))


def warned():
    import warnings
    logging.captureWarnings(True)
    try:
        warnings.simplefilter("always")
        warnings.warn("captured")
        log.warn("deprecated %d", 1)
    finally:
        logging.captureWarnings(False)
        warnings.simplefilter("default")


def levels():
    for level in (10, 20, 30, 40, 50, 25, 5, 0, 35):
        log.log(level, "at %d", level)
    logging.addLevelName(35, "CUSTOM")
    log.log(35, "named")
    del logging._levelToName[35], logging._nameToLevel["CUSTOM"]


def arguments():
    for i in range(3):
        log.info("%d %s %r %5.2f|%-8s|%08.3d|%x %X %o %c %%", i, "s", None, 0.5, "left", 7, 255, -255, 8, 65)
        log.info("%s %s %s %s", True, None, 1.5, 10**30)
        log.info("%s %s", [1, {"a": 2}], (1, 2))
        log.info("%(a)s %(b)d", {"a": "x", "b": i})
        log.info("%s", {})
        log.info("%s", {"not": "empty"})
        log.info("\u00e9 %s \u20ac %5s| %.2s|", "\u00fc", "\u00e9\u00e9", "\U0001f600ab")
        log.info("surrogate \ud800 %s %4s|", "\udcff", "\ud800")
        log.info("%s %d %s", Text("t"), Number(5), Number(6))
        log.info("%e %g %f %G", 1.5, 3, float("inf"), float("nan"))
        log.info("%5d|%-5d|%+d|% d|%05d", i, i, i, i, i)
        log.info("%c%c", "x", 0x20ac)
        log.info("100%% sure")
        log.info("%d%%", i)
        log.info("%a", "\u00e9")
        log.info("%*d", 5, 3)
        log.info("f-string %s" % i)


def messages():
    for message in (42, None, 1.5, ["a"], ValueError("e"), b"bytes", Text("t"), object):
        log.info(message)
    log.info(Text("text"))
    log.info("")
    log.info("new\nline %s", "x\ny")
    log.info("tab\t\x1b[31mred\x1b[0m")


def keywords():
    log.info("extra", extra={"request": 1})
    log.info("extra %d", 1, extra={"request": 1})
    log.info("none", extra=None, stack_info=False, exc_info=None)
    log.info(msg="by name")
    adapter.info("adapted %d", 1)
    adapter.log(25, "adapted")
    adapter.warning("adapted", extra={"more": 2})


def stack_levels():
    for n in range(1, 7):
        helper("level %d" % n, stacklevel=n)
        log.info("here %d", n, stacklevel=n)
        adapter.info("adapted %d", n, stacklevel=n)
        level_helper(log, "helper %d", n, stacklevel=n)
    log.info("beyond", stacklevel=500)


def called_from_c():
    list(map(log.info, ["mapped", "twice"]))
    functools.partial(log.info, "partial %d")(3)
    sorted([3, 1], key=lambda x: log.info("key %d", x) or x)
    exec("log.info('in exec')", {"log": log})
    eval("log.info('in eval')", {"log": log})
    exec(compile("def f():\n  log.info('made %d', 1)\nf()", "<made>", "exec"), {"log": log})


def stock_functions():
    logging.info("module function %d", 1)
    logging.log(25, "module log")
    logging.getLogger("stock.child").warning("stock %s", "x")
    logging.getLogger("stock.child").error("stock error", stack_info=False)
    root.info("root %d", 1)


def from_a_thread():
    t = threading.Thread(target=helper, args=("in a thread %d", 1), name="T\u00e9")
    t.start()
    t.join()


def many_formats_at_one_line():
    for _ in range(3):
        for i in range(12):
            helper("format %d of many: %%d" % i, i)


SHAPES = [helper, raising, many_lines, warned, levels, arguments, messages, keywords, called_from_c, stock_functions,
          from_a_thread, many_formats_at_one_line]
if HAS_STACKLEVEL:
    SHAPES.append(stack_levels)


def run_shape(shape):
    if shape is helper:
        helper("plain")
        level_helper(log, "level %d", 25)
        Thing().method()
        Thing().value
        log.info("%s", Thing())
        list(generator())
        (lambda: log.info("in a lambda"))()
        [log.info("in a comprehension %d", i) for i in range(2)]
    else:
        shape()


def lines_of(path, action):
    mplog.flush()
    begin = os.path.getsize(path)
    action()
    mplog.flush()
    with open(path, encoding="utf-8") as f:
        f.seek(begin)
        return f.read().split("\n")


def compare(shape, path):
    stats = mplog._mplog.stats
    results = []
    for is_slow in (True, False, False):
        mplog._mplog.force_slow(is_slow)
        before = stats()
        results.append(lines_of(path, functools.partial(run_shape, shape)))
        after = stats()
        fast, slow = after["fast_calls"] - before["fast_calls"], after["slow_calls"] - before["slow_calls"]
        if is_slow:
            support.equal(fast, 0, "calls that went the short way when none should")
        elif shape in (helper, arguments, levels, many_lines):
            support.true(fast >= slow, "%d fast, %d slow" % (fast, slow))
    for result in results[1:]:
        for number, (expected, actual) in enumerate(zip(results[0], result)):
            support.equal(actual, expected, "line %d" % number)
        support.equal(len(result), len(results[0]))


def main():
    with support.Folder() as folder:
        path = folder.file("shapes.log")
        mplog.setup_logging(level=1, log_file=path, log_to_stderr=False, format_string=FORMAT, max_bytes=0)
        for shape in SHAPES:
            support.case(compare, shape, path, name="shape_%s_gives_the_same_lines_on_both_ways" % shape.__name__)
        try:
            return support.main()
        finally:
            mplog.shutdown_logging()


if __name__ == "__main__":
    sys.exit(main())
