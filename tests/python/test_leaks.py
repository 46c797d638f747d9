# SPDX-License-Identifier: Unlicense
"""However often a program logs, on whichever way: no block, no byte and no reference more than before."""
import gc
import logging
import sys
import weakref

import support
from support import equal, test, true

sys.path.insert(0, support.FOLDER)
import mplog  # noqa: E402

CALLS = {"fast": 10000, "slow": 3000}
CALLS_LONG = 1000000
SLACK_KB = 512  # what grows once, not with each call: caches of the interpreter and of the C library

folder = support.Folder()
log = mplog.get_logger("leaks")
stock = logging.getLogger("leaks.stock")
null = logging.NullHandler()


@test
def callers_that_go_are_told_apart():
    """Code objects are freed, and their addresses used again: each line names its own caller. First of all: the
    file has not been rotated."""
    count = 100000 if support.IS_LONG else 2000
    mplog.flush()
    with open(folder.file("app.log")) as f:
        f.seek(0, 2)
        begin = f.tell()
        for i in range(count):
            text = "%sdef f%d():\n    log.info('%%d', %d)\nf%d()" % ("\n" * (i % 7), i, i, i)
            exec(compile(text, "<f%d>" % i, "exec"), {"log": log})
        mplog.flush()
        f.seek(begin)
        lines = f.read().splitlines()
    equal(lines, ["<f%d> %d f%d %d" % (i, i % 7 + 2, i, i) for i in range(count)])


@test
def callers_of_one_function_are_told_apart():
    """More lines than there are places for what is known of callers."""
    count = 6000
    scope = {"log": log}
    exec(compile("def f():\n" + "    log.info('%d', 1)\n" * count, "<long>", "exec"), scope)
    mplog.flush()
    with open(folder.file("app.log")) as f:
        f.seek(0, 2)
        scope["f"]()
        scope["f"]()
        mplog.flush()
        lines = f.read().splitlines()
    equal(lines, ["<long> %d f 1" % (i + 2) for i in range(count)] * 2)


class Unprintable:
    def __str__(self):
        raise ValueError("no")


class Words:
    """Objects whose references are counted."""

    message, text, wide, number, extra = "%s is %d", "a text" * 9, "\u20ac\u00e9" * 9, 10**12, {"request": "r" * 30}
    unprintable = Unprintable()


def anonymous_kb():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))


def references():
    objects = [None, True, 20, log, logging.getLogger(), Unprintable, calls_by_name.__code__]
    return [sys.getrefcount(o) for o in objects + list(vars(Words).values())]


def measure(call, count):
    for _ in range(count):
        call()
    mplog.flush()
    gc.collect()
    return sys.getallocatedblocks(), anonymous_kb(), references()


def nothing_grows(call, way):
    stats = mplog._mplog.stats()
    count = CALLS_LONG if support.IS_LONG else CALLS[way]
    slack = count // 10
    measure(call, slack)
    blocks, kb, counts = measure(call, slack)
    more_blocks, more_kb, more_counts = measure(call, count)
    stats = {name: value - stats[name] for name, value in mplog._mplog.stats().items()}
    true(more_blocks - blocks <= slack, "%d blocks more after %d calls" % (more_blocks - blocks, count))
    true(more_kb - kb <= SLACK_KB, "%d kB more after %d calls" % (more_kb - kb, count))
    true(max(abs(b - a) for a, b in zip(counts, more_counts)) <= slack,
         "references: %r, then %r" % (counts, more_counts))
    if way == "fast":
        true(stats["fast_calls"] >= count, "they did not go the short way: %r" % stats)
    else:
        true(stats["fast_calls"] <= slack, "they did not go the stock way: %r" % stats)


def raising():
    try:
        raise KeyError(Words.text)
    except KeyError:
        log.exception(Words.message, Words.text, 5)


names = iter(range(10**9))
STACKLEVEL = {"stacklevel": 2} if sys.version_info >= (3, 8) else {}


def calls_by_name():
    return {
        "deferred": ("fast", lambda: log.info(Words.message, Words.text, Words.number)),
        "constant": ("fast", lambda: log.info(Words.text)),
        "put_together": ("fast", lambda: log.info("number %d" % next(names))),
        "not_ascii": ("fast", lambda: log.info("\u00e9 %s \u20ac", Words.wide)),
        "other_arguments": ("fast", lambda: log.info("%s %r", [1], (2, Words.text))),
        "extra": ("fast", lambda: log.info(Words.message, Words.text, 5, extra=Words.extra)),
        "stacklevel": ("fast", lambda: log.info(Words.text, **STACKLEVEL)),
        "level_of_its_own": ("fast", lambda: log.log(25, Words.message, Words.text, 5)),
        "disabled": ("slow", lambda: log.debug(Words.message, Words.text, Words.number)),
        "message_no_text": ("slow", lambda: log.info(Words.number)),
        "exception": ("slow", raising),
        "stack_info": ("slow", lambda: log.info(Words.text, stack_info=True)),
        "stock_logger": ("slow", lambda: stock.info(Words.message, Words.text, 5)),
        "bad_arguments": ("slow", lambda: log.info("%d", Words.text)),
        "unprintable": ("slow", lambda: log.info("%s", Words.unprintable)),
    }


for name, (kind, function) in calls_by_name().items():
    support.case(nothing_grows, function, kind, name="calls_%s_leave_nothing" % name)


@test
def calls_with_a_handler_of_others_leave_nothing():
    logging.getLogger().addHandler(null)
    try:
        nothing_grows(lambda: log.info(Words.message, Words.text, 5), "slow")
    finally:
        logging.getLogger().removeHandler(null)


@test
def code_that_is_made_again_and_again_leaves_nothing():
    """Its callers are known, so many at a time: what is known of them is full when it is measured first."""
    count = CALLS_LONG if support.IS_LONG else 15000

    def call():
        exec("def f(log): log.info('%s is %d', 'x', 1)\nf(log)", {"log": log})
    blocks, kb, _ = measure(call, 15000)
    more_blocks, more_kb, _ = measure(call, count)
    true(more_blocks - blocks <= count // 10 and more_kb - kb <= SLACK_KB,
         "%d blocks and %d kB more" % (more_blocks - blocks, more_kb - kb))


class Local:
    pass


@test
def local_of_a_caller_goes_with_it():
    def caller(how):
        local = Local()
        how(local)
        return weakref.ref(local)

    def exception(local):
        try:
            raise ValueError(local)
        except ValueError:
            log.exception("x %s", local)

    for how in (lambda o: log.info("x %s", o), lambda o: log.info("x %d", o), lambda o: log.info(o),
                lambda o: log.info("x", extra={"request": o}), lambda o: stock.info("x %s", o), exception,
                lambda o: log.info("x", stack_info=True)):
        for _ in range(3):
            weak = caller(how)
            gc.collect()
            equal(weak(), None)


def main():
    with folder:
        mplog.setup_logging(log_file=folder.file("app.log"), log_to_stderr=False, max_bytes=1 << 26, backup_count=1,
                            format_string="%(pathname)s %(lineno)d %(funcName)s %(message)s")
        logging.raiseExceptions = False  # handleError would take a millisecond for each report of bad arguments
        try:
            return support.main()
        finally:
            mplog.shutdown_logging()


if __name__ == "__main__":
    sys.exit(main())
