#!/usr/bin/python3
# SPDX-License-Identifier: Unlicense
"""asyncio_gaps.py [--runs N] [--package FOLDER] [--priority N]: how long tasks that log keep an event loop
from its next pass.

1000 tasks make 20 log calls each, at random times within two seconds. A callback that schedules itself again sees each
pass of the loop; the time between two is a gap, in the world's time and in the thread's processor time: on a machine
that has other things to do, the world's shows these. Beside it the same tasks without logging, and with the standard
library's FileHandler in the same format. One interpreter per run, in turn. FOLDER holds the package: build/python-3.X.
"""
import argparse
import asyncio
import logging
import os
import random
import subprocess
import sys
import tempfile
import time

TASKS, CALLS, SPREAD_S = 1000, 20, 0.2  # a call each 0 to 0.2 s: two seconds in all
KINDS = ("no logging", "mplog", "FileHandler")
CLOCKS = ("world", "processor")
TARGET_US = 100  # p99.9 may be that much above no logging
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


async def task(number, log, times):
    for call, pause in enumerate(times):
        await asyncio.sleep(pause)
        if log:
            log.info("task %d of %s, call %d", number, "many", call)


async def measure(log):
    """All gaps in ns: (in the world's time, in processor time)"""
    rng = random.Random(1)
    tasks = [asyncio.ensure_future(task(i, log, [rng.random() * SPREAD_S for _ in range(CALLS)])) for i in range(TASKS)]
    await asyncio.sleep(0)  # all of them have begun
    loop, world, own, is_over = asyncio.get_running_loop(), [time.perf_counter_ns()], [time.thread_time_ns()], []

    def tick():
        world.append(time.perf_counter_ns())
        own.append(time.thread_time_ns())
        if not is_over:
            loop.call_soon(tick)
    loop.call_soon(tick)
    await asyncio.gather(*tasks)
    is_over.append(True)
    return [[b - a for a, b in zip(stamps, stamps[1:])] for stamps in (world, own)]


def logger_of(kind, folder):
    if kind == "no logging":
        return None
    path = os.path.join(folder, "gaps.log")
    import mplog
    if kind == "mplog":
        mplog.setup_logging(log_file=path, log_to_stderr=False)
        return mplog.get_logger("gaps")
    from mplog._format import DEFAULT_FORMAT
    logging.basicConfig(filename=path, level="INFO", format=DEFAULT_FORMAT)
    return logging.getLogger("gaps")


def run_one(kind, priority):
    """Prints median, p99.9 and the worst in us, a line for each clock."""
    os.nice(-priority)
    with tempfile.TemporaryDirectory() as folder:
        log = logger_of(kind, folder)
        found = asyncio.run(measure(log))
        logging.shutdown()
        if log:
            with open(os.path.join(folder, "gaps.log"), "rb") as f:
                assert f.read().count(b"\n") == TASKS * CALLS, "lines are missing"
    for gaps in map(sorted, found):
        print(gaps[len(gaps) // 2] / 1e3, gaps[int(len(gaps) * 0.999)] / 1e3, gaps[-1] / 1e3)


def median(values):
    return sorted(values)[len(values) // 2]


def show(clock, found):
    print("\n%-14s %9s %9s %22s %11s %24s" % (clock + ", us", "median", "p99.9", "(least .. most)", "worst",
                                             "(least .. most)"))
    for kind in KINDS:
        p50, p999, worst = zip(*found[kind])
        print("%-14s %9.1f %9.1f %10.1f .. %8.1f %11.0f %11.0f .. %8.0f" % (
            kind, median(p50), median(p999), min(p999), max(p999), median(worst), min(worst), max(worst)))
    over = median([a[1] - b[1] for a, b in zip(found["mplog"], found["no logging"])])
    print("p99.9 with mplog above no logging, median of the pairs: %.1f us (target: %d)" % (over, TARGET_US))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--package", default=os.path.join(ROOT, "build", "python-%d.%d" % sys.version_info[:2]))
    parser.add_argument("--priority", type=int, default=0, help="20: as root, on a machine that has other things to do")
    parser.add_argument("--one", choices=KINDS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(arguments.one, arguments.priority)
        return
    environment = dict(os.environ, PYTHONPATH=os.path.abspath(arguments.package))
    found = [{kind: [] for kind in KINDS} for _ in CLOCKS]
    for _ in range(arguments.runs):
        for kind in KINDS:
            out = subprocess.run([sys.executable, __file__, "--one", kind, "--priority", str(arguments.priority)],
                                 env=environment, check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout
            for of_clock, line in zip(found, out.splitlines()):
                of_clock[kind].append([float(word) for word in line.split()])
    print("%d tasks x %d calls, %d runs, Python %s, load %.1f, priority %d" % (
        TASKS, CALLS, arguments.runs, sys.version.split()[0], os.getloadavg()[0], arguments.priority))
    for clock, of_clock in zip(CLOCKS, found):
        show(clock, of_clock)


if __name__ == "__main__":
    main()
