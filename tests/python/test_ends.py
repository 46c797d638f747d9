# SPDX-License-Identifier: Unlicense
"""Ends that wait for a collector that does nothing."""
import os
import signal
import subprocess
import sys
import time

import support
from support import SETUP, Folder, equal, program, sessions_left, test, true, wait_until

def helpers(folder):
    """Pids of the collectors of a test."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if b"collect" in words and any(word.startswith(folder.rings.encode()) for word in words):
            found.append(int(pid))
    return found


WAIT_S, MORE_S = 5, 4


def end_with_stopped_helper(text, least=WAIT_S):
    """The program's end takes that long, and says once what waits."""
    with Folder() as folder:
        with open(folder.file("program.py"), "w") as f:
            f.write(SETUP + "setup()\nmplog.flush()\nopen('ready', 'w').close()\n"
                    "while not os.path.exists('go'): time.sleep(0.01)\n" + text)
        with open(folder.file(".err"), "wb") as err:
            p = subprocess.Popen([sys.executable, "program.py"], cwd=folder.path, stderr=err,
                                 env=support.environment(MPLOG_RING_DIR=folder.rings))
        wait_until(lambda: os.path.exists(folder.file("ready")), "the program does not begin")
        stopped, = helpers(folder)
        os.kill(stopped, signal.SIGSTOP)
        try:
            begin = time.monotonic()
            open(folder.file("go"), "w").close()
            p.wait(support.TIMEOUT_S)
            took = time.monotonic() - begin
        finally:
            os.kill(stopped, signal.SIGCONT)
        equal(p.returncode, 0)
        true(least - 0.1 <= took <= least + MORE_S, "it took %.1f s" % took)
        said = folder.lines(".err")
        equal(len(said), 1, "messages: %r" % said)
        true("app.log: is not written yet; 1 record waits" in said[0], said[0])
        wait_until(lambda: not helpers(folder) and not sessions_left(folder), "the session is still there")
        equal(len(folder.lines("app.log")), 1)


LOG = "get_logger('a').info('x')\n"


@test
def an_exit_waits_once_for_a_helper_that_does_nothing():
    end_with_stopped_helper(LOG)


@test
def a_shutdown_waits_once_for_a_helper_that_does_nothing():
    end_with_stopped_helper(LOG + "mplog.shutdown_logging()\n")


@test
def handlers_that_are_flushed_in_turn_wait_once_together():
    end_with_stopped_helper(LOG + "logging.getLogger().addHandler(mplog.Handler())\n")


@test
def what_a_flush_waited_in_vain_counts_at_the_end():
    end_with_stopped_helper(LOG + "assert not mplog.flush(1)\n")


@test
def a_flush_waits_each_time_as_long_as_it_was_told():
    end_with_stopped_helper(LOG + "assert not mplog.flush(1)\nassert not mplog.flush(5)\n", WAIT_S + 1)


@test
def an_exit_waits_again_after_progress():
    lines, _, _ = program("""
import signal, subprocess
setup()
mplog.flush()
session = os.environ["MPLOG_SESSION"].split(";")[0][len("dir="):]
def helper():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                words = f.read().split(b"\\0")
        except OSError:
            continue
        if b"collect" in words and session.encode() in words:
            return int(pid)
pid = helper()
os.kill(pid, signal.SIGSTOP)
get_logger("a").info("first")
logging.getLogger().handlers[0].flush()
os.kill(pid, signal.SIGCONT)
assert mplog.flush()
os.kill(pid, signal.SIGSTOP)
get_logger("a").info("second")
subprocess.Popen([sys.executable, "-S", "-c",
                  "import os, time; time.sleep(1); os.kill(%d, %d)" % (pid, signal.SIGCONT)]).returncode = 0
""")
    equal(lines, ["MainProcess first", "MainProcess second"])


if __name__ == "__main__":
    sys.exit(support.main())
