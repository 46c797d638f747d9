# SPDX-License-Identifier: Unlicense
"""The standard library's own test.test_logging, once as it is, once with logging.Logger and the root logger replaced by
ours, and once with the handler that most of its tests look at replaced, too: every test has the same result.

--long: also the tests that only wait.
"""
import json
import os
import subprocess
import sys
import unittest

import support

# Seconds of waiting each, for files that come and go and for servers that are not there.
WAITING = {"HandlerTest.test_race", "SocketHandlerTest.test_noserver", "UnixSocketHandlerTest.test_noserver"}

CLASSES = """LoggerTest LoggerAdapterTest BuiltinLevelsTest CustomLevelsAndFiltersTest BasicFilterTest ChildLoggerTest
ManagerTest LogRecordFactoryTest ModuleLevelMiscTest ExceptionTest LastResortTest LogRecordTest FormatterTest
HandlerTest ConfigDictTest BasicConfigTest""".split()

STOCK, LOGGERS, HANDLER = "as it is", "with our loggers", "with our loggers and handler"

results = {}


# ---- in an interpreter of its own ----

class Results(unittest.TestResult):
    """What became of each test, by class and name."""

    def __init__(self):
        super().__init__()
        self.outcomes, self.details = {}, {}

    def note(self, test, outcome, detail=""):
        name = ".".join(test.id().split(".")[-2:])
        self.outcomes[name] = outcome
        self.details[name] = detail

    def addSuccess(self, test):
        self.note(test, "passed")

    def addError(self, test, err):
        self.note(test, "failed", self._exc_info_to_string(err, test))

    addFailure = addError

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.addError(test, err)

    def addExpectedFailure(self, test, err):
        self.note(test, "failed as expected")

    def addUnexpectedSuccess(self, test):
        self.note(test, "passed, which was not expected")

    def addSkip(self, test, reason):
        self.note(test, "skipped", reason)


def replace_loggers():
    """As if the logging module had been written with our classes."""
    import logging

    import mplog
    mplog.setup_logging(log_file="app.log", log_to_stderr=False)
    ours = mplog._mplog
    logging.Logger, logging.RootLogger = ours.Logger, ours.RootLogger
    ours.Logger.__module__ = ours.RootLogger.__module__ = "logging"  # one test asks what the module has made itself
    logging.setLoggerClass(ours.Logger)
    mplog.get_logger()
    # The tests count the root's handlers.
    logging.getLogger().handlers.clear()
    logging.getLogger().setLevel(logging.WARNING)
    return ours


class FileAsStream:
    """What the collector has written since, for tests that expect it in a StringIO."""

    def __init__(self, path, flush):
        flush()  # what tests before it have logged
        self.path, self.flush, self.begin = path, flush, os.path.getsize(path)

    def getvalue(self):
        self.flush()
        with open(self.path, encoding="utf-8") as f:
            f.seek(self.begin)
            return f.read()

    def read(self):
        return ""  # as behind the last character of a StringIO

    def close(self):
        pass


def replace_handler(base):
    """The tests' handler of the root logger becomes one of ours, so that calls may go the short way."""
    import mplog
    set_up, path = base.setUp, os.path.abspath("stream.log")

    def set_up_ours(self):
        set_up(self)
        self.root_logger.removeHandler(self.root_hdlr)
        self.root_hdlr = mplog.Handler(path)
        self.root_hdlr.setFormatter(self.root_formatter)
        self.root_logger.addHandler(self.root_hdlr)
        self.stream = FileAsStream(path, mplog.flush)
    base.setUp = set_up_ours


def selected(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from selected(item)
        elif support.IS_LONG or ".".join(item.id().split(".")[-2:]) not in WAITING:
            yield item


def run_here(which):
    ours = replace_loggers() if which != STOCK else None
    from test import test_logging  # Debian: libpython3.X-testsuite
    if which == HANDLER:
        replace_handler(test_logging.BaseTest)
    results = Results()
    suite = unittest.defaultTestLoader.loadTestsFromModule(test_logging)
    unittest.TestSuite(selected(suite)).run(results)
    with open("results.json", "w") as f:
        json.dump([results.outcomes, results.details, ours.stats() if ours else None], f)


# ---- what is compared ----

def start(which, folder):
    os.mkdir(folder.file(which))
    command = [sys.executable, "-W", "ignore", os.path.abspath(__file__), support.FOLDER, "--here", which]
    command += ["--long"] * support.IS_LONG
    with open(folder.file(which + ".out"), "wb") as out:
        return subprocess.Popen(command, cwd=folder.file(which), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                env=support.environment(MPLOG_RING_DIR=folder.rings))


def results_of(process, which, folder):
    try:
        process.wait(300)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise support.Failure("still running after 300 s, %s" % which)
    path = folder.file(which + "/results.json")
    if not os.path.exists(path):
        with open(folder.file(which + ".out"), errors="replace") as f:
            raise support.Failure("no results %s, status %d: %s" % (which, process.returncode, f.read()[-3000:]))
    with open(path) as f:
        return json.load(f)


def count(outcomes, wanted):
    return sum(outcome == wanted for outcome in outcomes.values())


def compare(which):
    (stock, _, _), (ours, details, stats) = results[STOCK], results[which]
    print("# tests passed: %d as it is, %d %s (%d fast calls, %d slow ones); failed: %d, %d; skipped: %d, %d" % (
        count(stock, "passed"), count(ours, "passed"), which, stats["fast_calls"], stats["slow_calls"],
        count(stock, "failed"), count(ours, "failed"), count(stock, "skipped"), count(ours, "skipped")))
    names = [name for name in sorted(set(stock) | set(ours)) if stock.get(name) != ours.get(name)]
    support.true(not names, "\n".join("%s: %s without, %s with ours: %s" % (
        name, stock.get(name), ours.get(name), details.get(name)) for name in names))
    missing = [c for c in CLASSES if not any(name.startswith(c + ".") for name in stock)]
    support.equal(missing, [], "classes without a test")
    support.true(stats["slow_calls"] > 100, "our methods are hardly called")
    support.true(which != HANDLER or stats["fast_calls"] > 20, "hardly a call goes the short way")


def main():
    with support.Folder() as folder:
        processes = [(which, start(which, folder)) for which in (STOCK, LOGGERS, HANDLER)]
        results.update((which, results_of(process, which, folder)) for which, process in processes)
        for which in (LOGGERS, HANDLER):
            name = "tests_of_the_standard_library_%s_have_the_same_results" % which.replace(" ", "_")
            support.case(compare, which, name=name)
        return support.main()


if __name__ == "__main__":
    if "--here" in sys.argv:
        run_here(sys.argv[sys.argv.index("--here") + 1])
        sys.exit(0)
    sys.exit(main())
