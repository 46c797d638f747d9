# SPDX-License-Identifier: Unlicense
"""What is done to a program and its collector from outside: stopped processes, storms of forks, limits, another clock.
All that was accepted is in the file, or counted; nothing is left behind.

Items: "stop WHOM ROUND", "storm ROUND", "descriptors N", "memory MIB", "file KIB", "clock SECONDS ROUND".
"""
import os
import signal
import subprocess
import time

from failing_calls import forget_empty_parent
from gate import recover
import cases_death
import cases_recover
from support import Skip, check, wait_until

ROUNDS = 10
STOPS = 4


def items(_):
    found = [f"stop {whom} {turn}" for whom in ("main", "worker", "collector", "all") for turn in range(ROUNDS)]
    found += [f"storm {turn}" for turn in range(ROUNDS)]
    found += [f"descriptors {n}" for n in range(3, 25)]
    found += [f"memory {mib}" for mib in (4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 32, 48, 64, 128)]
    found += [f"file {kib}" for kib in (1100, 1500, 2000)]
    return found + [f"clock {seconds} {turn}" for seconds in (-1000, 1000, 10_000_000) for turn in range(3)]


def quick_items(t):
    return [t.random.choice([item for item in items(t) if item.startswith(kind)])
            for kind in ("stop main", "stop collector", "storm", "descriptors", "memory", "clock")]


def stop(t, whom, _):
    starter = t.produce("--first", 5, "--processes", 3, "--threads", 2, "--records", -1, "--rate", 2000)
    t.wait_for_calls(100)
    collector = t.wait_for_collector()
    workers = [pid for pid in cases_death.producers(t) if pid != starter.pid]
    for _ in range(STOPS):
        victims = {"main": [starter.pid], "worker": [t.random.choice(workers)], "collector": [collector],
                   "all": [starter.pid, collector, *workers]}[whom]
        for pid in victims:
            os.kill(pid, signal.SIGSTOP)
        before, calls = cases_recover.lines_in(t), t.returned()
        time.sleep(0.05 + t.random.random() * 0.25)
        if whom in ("main", "worker"):
            wait_until(lambda n=before: cases_recover.lines_in(t) > n, 5, "lines of the others")
        elif whom == "collector":
            check(t.returned() > calls, "calls wait for a collector that is stopped although there is room")
        check(whom != "collector" or t.collectors() == [collector], "a second collector")
        for pid in victims:
            os.kill(pid, signal.SIGCONT)
    t.tell_producers_to_stop()
    starter.wait()
    t.wait_until_gone(10)
    t.check_log()


def storm(t, _):
    t.produce("--threads", 4, "--records", 3000, "--rate", 5000, "--storm", 100, "--storm-records", 3,
              "--birth", t.random.choice(("fork", "clone"))).wait(60)
    t.wait_until_gone(10)
    check(t.check_log()["payloads"] == 4 * 3000 + 100 * 3)


def run_limited(t, limit, *arguments, **mplog):
    """Under a limit the program runs, or its set-up fails with a sentence."""
    program = t.start("prlimit", limit, t.bench.producer, "--tally", t.tally_path, *arguments, *t.options(**mplog))
    program.may_complain = True
    program.wait(30, status=None)
    t.wait_until_gone(15)
    return program.process.returncode, program.stderr()


def judge_limited(t, code, complaint):
    if code == 0:
        recover(t)
        t.ask_oracle("--expect-file", t.expectations())
    else:
        check(code in (111, 127) and complaint, "exit status", code, complaint)
        forget_empty_parent(t)


def descriptors(t, count):
    judge_limited(t, *run_limited(t, f"--nofile={count}:{count}", "--threads", 3, "--records", 300))


def memory(t, mib):
    judge_limited(t, *run_limited(t, f"--as={int(mib) << 20}", "--threads", 1, "--records", 300, "--most", 4000))


def file(t, kib):
    """The file may not grow further, and there is nobody to make room: the rest stays for recover, without a limit."""
    code, complaint = run_limited(t, f"--fsize={int(kib) << 10}", "--threads", 2, "--records", 10_000, "--rate", 20_000,
                                  "--most", 400, block_timeout_ms=200)
    check(code != 0 or os.path.getsize(t.log) > 0, "nothing was written")
    judge_limited(t, code, complaint)


def clock(t, seconds, _):
    """A member whose clocks since boot are others: a time namespace."""
    if subprocess.run(["unshare", "-T", "true"], capture_output=True, check=False).returncode != 0:
        raise Skip("no time namespaces")
    witness = t.produce("--name", "witness", "--first", 5, "--records", -1, "--rate", 2000)
    t.wait_for_calls(10)
    with open(os.path.join(t.sessions()[0], "options"), encoding="utf-8") as f:
        environment = {**t.env, "MPLOG_SESSION": f"dir={t.sessions()[0]};{f.read()}"}
    member = t.start("unshare", "-Tf", "--monotonic", seconds, "--boottime", seconds, t.bench.producer,
                     "--name", "other", "--threads", 2, "--records", 2000, "--rate", 20_000, "--tally", t.tally_path,
                     *t.options(), env=environment)
    if t.random.random() < 0.5:
        time.sleep(0.02)
        os.kill(t.wait_for_collector(), signal.SIGKILL)
    member.wait(30, status=None)
    check(member.process.returncode == 0 or int(seconds) < 0, member.stderr())
    member.may_complain = True  # a time before the boot is refused by the kernel
    t.tell_producers_to_stop()
    witness.wait()
    t.wait_until_gone(10)
    check(t.check_log()["lost"] == 0)


KINDS = {"stop": stop, "storm": storm, "descriptors": descriptors, "memory": memory, "file": file, "clock": clock}


def run(t, item):
    kind, *arguments = item.split()
    KINDS[kind](t, *arguments)
    return item  # all of them fire, or the run fails
