# SPDX-License-Identifier: Unlicense
"""Deaths without warning, of each process and of all at once: what calls had returned is in the file, once and whole.

A call has returned when the caller has counted it, in memory that outlives it (tally.py). With --long: 100 rounds each.
"""
import os
import random
import signal
import subprocess
import sys
import time

import support
import tally
from support import Folder, case, equal, true

# One in versions that differ in nothing that matters here.
ROUNDS = 100 if support.IS_LONG else 3 if sys.executable.startswith("/usr/bin/") else 1
METHODS = ("fork", "spawn", "forkserver")
PROGRAM = os.path.join(support.HERE, "killed", "program.py")
ORACLE = os.path.join(os.path.dirname(support.FOLDER), "tests", "oracle", "oracle")
SEED = random.randrange(2**32)
LEFT_WITHIN_S = 10  # what is left then stays; an end takes long on a machine that has other things to do

rng = random.Random(SEED)


def read_bytes(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:  # it has ended
        return b""


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Round:
    """One run of the program."""

    def __init__(self, folder, method, ending, rate):
        self.folder, self.killed = folder, []
        self.tallies = folder.file("tallies")
        os.mkdir(self.tallies)
        environment = support.environment(MPLOG_RING_DIR=folder.rings)
        environment["PYTHONPATH"] += os.pathsep + support.HERE
        self.environment = environment
        command = [sys.executable, PROGRAM, self.tallies, method, ending, str(rate)]
        with open(folder.file("err"), "wb") as err:
            self.main = subprocess.Popen(command, env=environment, cwd=folder.path, stdin=subprocess.DEVNULL,
                                         stdout=err, stderr=err)

    def processes(self):
        """pid -> command line of all that belong to this round: they name its folder, or have it from their parents."""
        mark, found = os.fsencode(self.folder.rings), {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            command = read_bytes("/proc/%s/cmdline" % pid)
            if int(pid) != os.getpid() and (mark in command or mark in read_bytes("/proc/%s/environ" % pid)):
                found[int(pid)] = command.replace(b"\0", b" ").decode(errors="replace")
        return found

    def collectors(self):
        return [pid for pid, command in self.processes().items() if " collect " in command]

    def producers(self):
        """pids of those that have logged, the main process first."""
        pids = {int(name.split(".")[1]) for name in tally.read(self.tallies)}
        return [self.main.pid] + sorted(pids - {self.main.pid})

    def wait_for_all(self):
        support.wait_until(lambda: len([n for n in tally.read(self.tallies).values() if n > 0]) == 4,
                           "four processes that log: " + read_bytes(self.folder.file("err")).decode()[-2000:], 30)

    def tell_to_stop(self):
        with open(self.tallies + ".stop", "w"):
            pass

    def wait_for_end(self):
        """Nothing is left but what recovery needs."""
        try:
            self.main.wait(30)
        finally:
            kill(self.main.pid)
            self.main.wait()
        left = [0]

        def is_none_left():
            left[0] = self.processes()
            return not left[0]
        try:
            support.wait_until(is_none_left, "", LEFT_WITHIN_S)
        except support.Failure:
            raise support.Failure("processes left: %s" % left)
        finally:
            for pid in self.processes():
                kill(pid)

    def judge(self):
        """Nothing lost, torn, doubled, out of order; no session left. Calls that had returned."""
        equal(support.sessions_left(self.folder), [], "sessions that are left")
        tallies = tally.read(self.tallies)
        found, text = tally.judge(ORACLE, tallies, self.folder.file("app.log"), self.killed)
        equal([found[key] for key in ("status", "lost", "counted_lost", "torn", "doubled")], [0] * 5, text)
        equal(read_bytes(self.folder.file("err")), b"", "on stderr")
        return sum(tallies.values())


def size_of(path):
    try:
        found = os.stat(path)
        return found.st_ino, found.st_size
    except OSError:
        return None


def kill_one(r, target):
    """Seconds until the file grows again, after the collector's death."""
    pids = {"main": lambda: r.main.pid, "worker": lambda: rng.choice(r.producers()[1:]),
            "collector": lambda: r.collectors()[0]}
    pid = pids[target]()
    kill(pid)
    began = time.monotonic()
    r.killed.append(pid)
    if target == "collector":
        log = r.folder.file("app.log")
        support.wait_until(lambda: not os.path.exists("/proc/%d/maps" % pid) or not read_bytes("/proc/%d/maps" % pid),
                           "the end of the collector")
        before = size_of(log)
        while size_of(log) == before and time.monotonic() < began + 10:
            time.sleep(0.0005)
    took = time.monotonic() - began
    time.sleep(rng.random() * 0.1)
    r.tell_to_stop()
    return took


def kill_all(r, turn):
    """... and then what is left is written by the next set-up on the same file, or by mplog recover."""
    pids = list(r.processes())
    rng.shuffle(pids)
    for pid in pids:
        kill(pid)
    r.killed = pids
    r.main.wait()
    r.wait_for_end()
    if turn % 2:
        done = subprocess.run([os.path.join(support.FOLDER, "mplog", "mplog"), "recover"], env=r.environment,
                              stdout=subprocess.DEVNULL)
    else:
        code = "import mplog; mplog.setup_logging(log_file='app.log', log_to_stderr=False, backup_count=10000)"
        done = subprocess.run([sys.executable, "-c", code], env=r.environment, cwd=r.folder.path)
    equal(done.returncode, 0)
    return 0


def run_round(target, rate, turn):
    """(calls returned, seconds)"""
    with Folder() as folder:
        r = Round(folder, METHODS[(SEED + turn) % len(METHODS)], "return", rate)
        try:
            r.wait_for_all()
            time.sleep(rng.random() * 0.1)
            took = kill_all(r, turn) if target == "all" else kill_one(r, target)
        finally:
            r.tell_to_stop()
            r.wait_for_end()
        support.wait_until(lambda: not support.sessions_left(folder), "a session is left", LEFT_WITHIN_S)
        return r.judge(), took


def check_target(target, rate):
    calls, times = 0, []
    for turn in range(ROUNDS):
        try:
            more, took = run_round(target, rate, turn)
        except BaseException:
            print("# seed %d, round %d, %s" % (SEED, turn, METHODS[(SEED + turn) % len(METHODS)]))
            raise
        calls += more
        times.append(took)
    next_line = ""
    if target == "collector":
        times.sort()
        next_line = "; the file grew again after %.0f ms, at most %.0f" % (times[len(times) // 2] * 1000,
                                                                         times[-1] * 1000)
    print("# %s, %s: %d rounds, %d calls returned; missing, torn, doubled, processes left: 0%s" %
          (target, "%d/s" % rate if rate else "flat out", ROUNDS, calls, next_line))


for kill_target in ("main", "worker", "collector", "all"):
    for calls_per_s in (0, 10000):
        case(check_target, kill_target, calls_per_s,
             name="killed_%s_%s_loses_nothing" % (kill_target, "paced" if calls_per_s else "flat_out"))


def check_ending(method, ending):
    with Folder() as folder:
        r = Round(folder, method, ending, 10000)
        try:
            r.wait_for_all()
            if ending in ("terminate", "pool"):
                r.killed = r.producers()[1:]
        finally:
            r.tell_to_stop()
            r.wait_for_end()
        support.wait_until(lambda: not support.sessions_left(folder), "a session is left", LEFT_WITHIN_S)
        r.judge()


for start_method in METHODS:
    for way in ("return", "exit", "kill", "terminate", "pool"):
        case(check_ending, start_method, way, name="worker_%s_that_ends_by_%s_loses_nothing" % (start_method, way))


if __name__ == "__main__":
    sys.exit(support.main())
