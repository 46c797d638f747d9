# SPDX-License-Identifier: Unlicense
"""Kills the main process, a worker, the collector, or all of them, under load, and counts: of the calls that had
returned, how many are missing, torn or there twice; and the time from the collector's death to the next line in the
file.

An item is "VICTIM RATE ROUND"; rate 0 is as fast as possible.
"""
import os
import select
import signal
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))

import cases_death  # noqa: E402
import cases_recover  # noqa: E402
from support import check, processes_naming, wait_until  # noqa: E402

VICTIMS = ("main", "worker", "collector", "all")
RATES = (0, 10_000)  # messages a second and worker
ROUNDS = 100
WORKERS = 3
FIRST = 10
AFTER_S = 0.05  # for how long the others go on


def items(_):
    return [f"{victim} {rate} {turn}" for victim in VICTIMS for rate in RATES for turn in range(ROUNDS)]


def size_of(path):
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def kill_collector(t):
    """Milliseconds until the file has grown again."""
    collector = t.wait_for_collector()
    fd = os.pidfd_open(collector)
    os.kill(collector, signal.SIGKILL)
    killed = time.monotonic()
    wait_until(lambda: is_dead(fd), 5, "the collector is dead")
    size, deadline = size_of(t.log), killed + 5
    while size_of(t.log) <= size:
        check(time.monotonic() < deadline, "no line after the collector's death")
        time.sleep(0.0005)
    os.close(fd)
    return (time.monotonic() - killed) * 1000


def is_dead(pid_fd):
    return bool(select.select([pid_fd], [], [], 0)[0])


def kill_one(t, victim, starter):
    if victim == "main":
        os.kill(starter.pid, signal.SIGKILL)
    elif victim == "worker":
        workers = [pid for pid in cases_death.producers(t) if pid != starter.pid]
        os.kill(t.random.choice(workers), signal.SIGKILL)
    elif victim == "collector":
        return kill_collector(t)
    else:
        cases_recover.kill_everything(t)
    return None


def run(t, item):
    victim, rate, turn = item.split()
    starter = t.produce("--first", FIRST, "--processes", WORKERS, "--records", -1, "--rate", rate)
    t.wait_for_calls(FIRST + t.random.choice((WORKERS, 100, 2000)))
    time.sleep(t.random.random() * 0.05)
    next_line_ms = kill_one(t, victim, starter)
    if victim == "all":
        cases_recover.recover(t)
    else:
        time.sleep(AFTER_S)
        t.tell_producers_to_stop()
    starter.wait(status=None)
    t.wait_until_gone(10)
    # Whoever was killed may have logged one more than it could note down.
    found = t.check_log(at_least=["p."], foreign=len(cases_recover.recovered_in(t)))
    check(found["lost"] == found["doubled"] == found["torn"] == 0, found)
    check(not processes_naming(t.dir, t.ring_dir))
    return {"calls": t.returned(), "of": f"{victim} {rate}", "next_ms": next_line_ms, "turn": int(turn)}


def sum_up(answers):
    texts = [f"{sum(a['calls'] for a in answers)} calls"]
    for victim in VICTIMS:
        for rate in RATES:
            mine = [a for a in answers if a["of"] == f"{victim} {rate}"]
            times = sorted(a["next_ms"] for a in mine if a["next_ms"] is not None)
            if times:
                texts.append(f"collector's death to the next line at {rate or 'full'} rate: median "
                             f"{statistics.median(times):.1f} ms, 95 % {times[int(len(times) * 0.95) - 1]:.1f}, "
                             f"at most {times[-1]:.1f}")
            if mine:
                texts.append(f"{victim} {rate or 'full'}: {len(mine)} rounds, {sum(a['calls'] for a in mine)} calls")
    return "; ".join(texts)
