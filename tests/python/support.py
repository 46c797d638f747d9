# SPDX-License-Identifier: Unlicense
"""What the Python tests share: TAP, programs run in folders of their own, and what must not be left behind.

Each test is a plain script: python3.X tests/python/test_NAME.py FOLDER [--long], where FOLDER/mplog is the package
built for that Python. It prints TAP and ends with status 1 if a check failed. TEST_ONLY=name: that
case, or the cases of that function, alone.
"""
import inspect
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""
IS_LONG = "--long" in sys.argv  # more of everything
TIMEOUT_S = 60
ONLY = os.environ.get("TEST_ONLY")
SLOW_S = 1  # tests that take longer say so

_cases = []


class Failure(Exception):
    pass


def equal(actual, expected, what=""):
    if actual != expected:
        raise Failure("%s\n  is       %r\n  expected %r" % (what, actual, expected))


def true(condition, what):
    if not condition:
        raise Failure(what)


def case(function, *args, name=None):
    """Notes a test; its name says subject, condition and result."""
    _cases.append((name or function.__name__, function, args))


def test(function):
    case(function)
    return function


def main():
    # Whoever started us in the background, or with nohup, has them ignored, and what we start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    print("1..%d" % len(_cases), flush=True)
    failures = 0
    for number, (name, function, args) in enumerate(_cases, 1):
        if ONLY and ONLY not in (name, function.__name__):
            continue  # the plan stays: who takes one case for all of them is told
        begin = time.monotonic()
        try:
            function(*args)
            took = time.monotonic() - begin
            print("ok %d - %s%s" % (number, name, " # %.1f s" % took if took >= SLOW_S else ""), flush=True)
        except BaseException as e:
            failures += 1
            text = str(e) if isinstance(e, Failure) else traceback.format_exc()
            print("".join("# %s\n" % line for line in text.splitlines()), end="")
            print("not ok %d - %s" % (number, name), flush=True)
            if isinstance(e, KeyboardInterrupt):
                raise
    return 1 if failures else 0


class Folder:
    """A folder for one test, removed at its end, and one for its shared memory."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="mplog-test-")
        self.rings = tempfile.mkdtemp(prefix="mplog-test-", dir="/dev/shm")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.rmtree(self.rings, ignore_errors=True)

    def file(self, name):
        return os.path.join(self.path, name)

    def lines(self, name):
        with open(self.file(name), encoding="utf-8") as f:
            return f.read().splitlines()


def environment(**more):
    e = {k: v for k, v in os.environ.items() if not k.startswith(("MPLOG_", "PYTHON"))}
    # Killed as often as a test likes, a helper follows the helper.
    e.update({"PYTHONPATH": FOLDER, "PYTHONDONTWRITEBYTECODE": "1", "MPLOG_HELPER_DEATHS": "0"})
    e.update(more)
    return e


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err


def run(program, folder, args=(), start_method=None, timeout=TIMEOUT_S, options=(), **more):
    """Runs a program (a path, or source text with a newline in it) with the package on its path."""
    if "\n" in program:
        path = folder.file("program.py")
        with open(path, "w", encoding="utf-8") as f:
            f.write(program)
        program = path
    e = environment(MPLOG_RING_DIR=folder.rings)
    e.update(more)
    if start_method:
        e["PYTHONPATH"] += os.pathsep + os.path.join(HERE, "starter")
        e["TEST_START_METHOD"] = start_method
    # Files, not pipes: a helper that outlives the program holds stderr open.
    with open(folder.file(".out"), "wb+") as out, open(folder.file(".err"), "wb+") as err:
        p = subprocess.Popen([sys.executable, *options, program, *map(str, args)], cwd=folder.path, env=e, stdout=out,
                             stderr=err, stdin=subprocess.DEVNULL)
        try:
            p.wait(timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
            raise Failure("still running after %d s" % timeout)
        out.seek(0)
        err.seek(0)
        return Result(p.returncode, out.read().decode(errors="replace"), err.read().decode(errors="replace"))


SETUP = """
import os, sys, time, logging, threading
import mplog
from mplog import setup_logging, get_logger
def setup(**more):
    options = dict(level="DEBUG", log_file="app.log", log_to_stderr=False, format_string="%(processName)s %(message)s",
                   max_bytes=0)
    options.update(more)
    setup_logging(**options)
"""


def program(text, **more):
    """(its lines in app.log, stderr); status 0 and an empty stderr are expected unless they are given."""
    status, err = more.pop("status", 0), more.pop("err", "")
    with Folder() as folder:
        result = run(SETUP + text, folder, **more)
        equal(result.status, status, "status; stderr: " + result.err[-3000:])
        if err is not None:
            equal(result.err, err)
        lines = folder.lines("app.log") if os.path.exists(folder.file("app.log")) else None
        return lines, result.err, result.out


def sessions_left(folder):
    """Directories of sessions of a test."""
    return [name for at, below, _ in os.walk(folder.rings) for name in below if len(name) >= 32]


def collectors(rings):
    """Pids of the collectors whose sessions lie in that folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if b"collect" in words and any(word.startswith(os.fsencode(rings)) for word in words):
            found.append(int(pid))
    return found


# For a program: collectors(os.environ["MPLOG_RING_DIR"]).
COLLECTORS = "import os\n\n" + inspect.getsource(collectors)


def wait_until(condition, what, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        true(time.monotonic() < deadline, what)
        time.sleep(0.01)
