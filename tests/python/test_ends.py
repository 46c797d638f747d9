# SPDX-License-Identifier: Unlicense
"""Processes whose session has ended before they log, and ends that wait for a collector that does nothing."""
import os
import signal
import subprocess
import sys
import time

import support
from support import SETUP, Folder, collectors, equal, program, run, sessions_left, test, true, wait_until

LATE = """
import os, sys, time
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
from mplog import get_logger
get_logger("late").info("late %d", 1)
get_logger("late").warning("late %d", 2)
"""


# ---- sessions that have ended ----

def start_late_child(folder, code, change=""):
    """Lets a program set up, log and leave behind a child that waits for the file "go"."""
    with open(folder.file("late.py"), "w") as f:
        f.write(code)
    result = run(SETUP + """
import subprocess
setup(level="INFO")
get_logger("a").info("parent")
CHANGE
with open(".late", "wb") as err:
    child = subprocess.Popen([sys.executable, "late.py", "go"], stderr=err)
child.returncode = 0  # nobody waits for it
""".replace("CHANGE", change), folder)
    equal((result.status, result.err), (0, ""))
    wait_until(lambda: not collectors(folder.rings) and not sessions_left(folder), "the session is still there")


def finish(folder, lines):
    open(folder.file("go"), "w").close()
    wait_until(lambda: folder.lines("app.log")[-1:] == lines[-1:], "the child's lines are not in the file")
    equal(folder.lines("app.log"), lines)
    equal(folder.lines(".late"), [])
    wait_until(lambda: not collectors(folder.rings) and not sessions_left(folder), "the child's session is still there")


@test
def a_child_that_logs_after_its_session_has_ended_appends_to_the_file():
    with Folder() as folder:
        start_late_child(folder, LATE)
        finish(folder, ["MainProcess parent", "MainProcess late 1", "MainProcess late 2"])


@test
def loggers_of_others_reach_a_session_that_has_ended():
    with Folder() as folder:
        start_late_child(folder, LATE.replace("from mplog import get_logger", "import mplog\n"
                                              "from logging import getLogger as get_logger"))
        finish(folder, ["MainProcess parent", "MainProcess late 1", "MainProcess late 2"])


@test
def a_forked_child_of_it_belongs_to_the_same_session():
    with Folder() as folder:
        start_late_child(folder, LATE + """
if os.fork() == 0:
    get_logger("late").info("late %d", 3)
    os._exit(0)
os.wait()
""")
        finish(folder, ["MainProcess parent", "MainProcess late 1", "MainProcess late 2", "MainProcess late 3"])


@test
def children_of_it_share_the_next_session():
    with Folder() as folder:
        start_late_child(folder, LATE + """
import subprocess
code = '''
import os
from mplog import get_logger
get_logger("late").info("late %d", 3)
sessions = [name for at, below, files in os.walk(os.environ["MPLOG_RING_DIR"]) for name in below if len(name) >= 32]
assert len(sessions) == 1, sessions
'''
subprocess.run([sys.executable, "-c", code], check=True)
""")
        finish(folder, ["MainProcess parent", "MainProcess late 1", "MainProcess late 2", "MainProcess late 3"])


@test
def import_alone_does_not_create_a_session_that_has_ended():
    with Folder() as folder:
        start_late_child(folder, LATE.split("get_logger(")[0] + """
assert not [f for at, below, files in os.walk(os.environ["MPLOG_RING_DIR"]) for f in files]
get_logger("late").debug("not wanted")
assert not [f for at, below, files in os.walk(os.environ["MPLOG_RING_DIR"]) for f in files]
get_logger("late").info("late")
""")
        finish(folder, ["MainProcess parent", "MainProcess late"])


@test
def a_set_up_for_the_same_file_joins_the_session_that_has_ended():
    with Folder() as folder:
        start_late_child(folder, LATE.replace("get_logger(", "import mplog\nmplog.setup_logging(log_file='app.log', "
                                              "log_to_stderr=False)\nget_logger(", 1)
                         .replace("import get_logger", "import *"))
        finish(folder, ["MainProcess parent", "MainProcess late 1", "MainProcess late 2"])


@test
def a_child_whose_session_lost_its_directory_writes_into_the_same_file():
    lines, _, _ = program("""
import shutil, subprocess
setup(level="INFO")
get_logger("a").info("parent")
mplog.flush()
shutil.rmtree(os.environ["MPLOG_SESSION"].split(";")[0][len("dir="):])
code = "import mplog; mplog.get_logger('sub').info('info'); mplog.get_logger('sub').warning('warning')"
subprocess.run([sys.executable, "-c", code], check=True)
get_logger("a").info("end")
""")
    equal(sorted(lines), ["MainProcess end", "MainProcess info", "MainProcess parent", "MainProcess warning"])


@test
def a_session_that_cannot_be_created_again_is_replaced_and_named():
    with Folder() as folder:
        gone = "/proc/mplog-%d/%s" % (os.geteuid(), 32 * "a")
        more = {"MPLOG_SESSION": "dir=%s;level=20;log_file=%s;log_to_stderr=0;" % (gone, folder.file("app.log"))}
        result = run("import mplog\nmplog.get_logger('a').info('x')\n", folder, **more)
        equal(result.status, 0)
        true(result.err.startswith("mplog: session %s cannot be joined, this process has one of its own: " % gone) and
             result.err.count("\n") == 1, result.err)
        equal([line.split("] ")[1] for line in folder.lines("app.log")], ["x"])


@test
def a_session_that_is_not_followed_is_told_once():
    with Folder() as folder:
        result = run(SETUP + """
import subprocess
setup()
get_logger("a").info("first")
if os.fork() == 0:
    get_logger("a").info("child")
    os._exit(0)
os.wait()
setup(log_file="other.log")
get_logger("a").info("second")
subprocess.run([sys.executable, "-c", "import mplog; mplog.get_logger('a').info('sub')"], check=True)
""", folder, MPLOG_SESSION="garbage")
        equal((result.status, result.err), (0, ""))
        def messages(name):
            return [line.partition(" ")[2] for line in folder.lines(name)]
        refusal = "MPLOG_SESSION is not followed: it is damaged, for it names no directory"
        equal((messages("app.log"), messages("other.log")), ([refusal, "first", "child"], ["second", "sub"]))


# ---- ends that wait in vain ----

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
        stopped, = collectors(folder.rings)
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
        wait_until(lambda: not collectors(folder.rings) and not sessions_left(folder), "the session is still there")
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
def an_interrupt_ends_a_flush():
    """What it waited is no reason for the exit to wait less."""
    end_with_stopped_helper(LOG + """
import signal
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.2)
begin = time.monotonic()
try:
    mplog.flush(20)
    os._exit(3)
except KeyboardInterrupt:
    pass
assert time.monotonic() - begin < 10
""", WAIT_S + 0.2)


@test
def an_exit_waits_again_after_progress():
    lines, _, _ = program(support.COLLECTORS + """
import signal, subprocess
setup()
mplog.flush()
pid, = collectors(os.environ["MPLOG_RING_DIR"])
os.kill(pid, signal.SIGSTOP)
get_logger("a").info("first")
logging.getLogger().handlers[0].flush()
os.kill(pid, signal.SIGCONT)
# Another's flush, which this process does not know of.
subprocess.run([sys.executable, "-c", "import mplog; assert mplog.flush()"], check=True)
os.kill(pid, signal.SIGSTOP)
get_logger("a").info("second")
subprocess.Popen([sys.executable, "-S", "-c",
                  "import os, time; time.sleep(1); os.kill(%d, %d)" % (pid, signal.SIGCONT)]).returncode = 0
""")
    equal(lines, ["MainProcess first", "MainProcess second"])


if __name__ == "__main__":
    sys.exit(support.main())
