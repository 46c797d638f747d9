# SPDX-License-Identifier: Unlicense
"""Kills one process at each point at which others could tell that it has come further, and looks at what the others
make of it: each call that has returned is in the file, once, whole and in its order; nothing is left behind.

A point is "C S": after C system calls and S stores to shared memory since; or "-1 N": the N-th of all (tracer.c). For
collectors it is "C S N": where a run makes fewer calls than the one that was listed, it is repeated and stepped all the
way, as that one was, up to the N-th point.
"""
import os
import re
import signal
import time

from gate import Gate, age_leftovers, log_text, recover
from support import check, wait_until

# Lines of our own that may be there: the second where a helper is killed before the set-up has seen it serve.
EXPECTED = re.compile(r"WARNING +mplog \[[^]]*\] (?:\d+ records? of a session that ended at .* (?:was|were) recovered|"
                      r"no helper process could be started, a thread of this process writes the log: helper: \S+: "
                      r"it did not come up)")
GONE_WITHIN = 10  # s: a helper that was being stepped, on a busy machine

ROTATING = {"max_bytes": 300, "backup_count": 1000}

# ---- a program that logs ----

# Name: what it does before and in the traced part; options of mplog.
PRODUCERS = {
    "set-up": (("gate", "setup", "end", "t2"), {}),
    "set-up with collector thread": (("gate", "setup", "end", "t2"), {"collector": "thread"}),
    "first log call": (("setup", "gate", "t3", "end", "t2"), {}),
    "fast log call": (("setup", "t6", "gate", "t3", "end", "t2"), {}),
    "short log call": (("setup", "s4", "gate", "s3", "end", "t2"), {}),
    "growing ring": (("setup", "t3", "g66000", "t1", "end", "t2"), {}),
    "long message": (("setup", "t3", "g20000", "t1", "end", "t2"), {}),
    "flush": (("setup", "t3", "gate", "flush", "end", "t2"), {}),
    "shutdown": (("setup", "t3", "gate", "shutdown", "end"), {}),
    "exit": (("setup", "t3", "gate"), {}),
    "first log call of a forked child": (("setup", "t2", "fork", "gate", "t3", "end", "t2"), {}),
    "join, log, exit": (("gate", "setup", "t3"), {"join": True}),
}


def start_producer(t, gate, name):
    words, options = PRODUCERS[name]
    options = dict(options)
    if options.pop("join", False):
        witness = t.produce("--name", "witness", "--first", 5, "--records", -1, "--rate", 200)
        t.wait_for_calls(5)
        session = t.sessions()[0]
        with open(os.path.join(session, "options"), encoding="utf-8") as f:
            environment = {**t.env, "MPLOG_SESSION": f"dir={session};{f.read()}"}
        return gate.victim(*words, env=environment), witness
    return gate.victim(*words, mplog=options), None


def start_afresh(t):
    for file in os.listdir(t.log_dir):
        os.remove(os.path.join(t.log_dir, file))
    if os.path.exists(t.tally_path):
        os.remove(t.tally_path)


def check_end(t, at_least):
    """After a kill: the next set-up on the file finds what is to be found."""
    t.produce("--name", "next", "--records", 3).wait()
    t.wait_until_gone(GONE_WITHIN)
    age_leftovers(t)
    recover(t)
    t.wait_until_gone(GONE_WITHIN)
    strange = [line for line in log_text(t).splitlines() if "#" not in line and not EXPECTED.search(line)]
    check(not strange, strange)
    found = t.check_log(at_least=at_least, foreign=len(EXPECTED.findall(log_text(t))))
    check(found["lost"] == found["doubled"] == 0, found)


def producer_is_killed(t, name, point):
    gate = Gate(t, for_collector=False)
    gate.arm()
    victim, witness = start_producer(t, gate, name)
    said = gate.trace("kill", t.ring_dir, *point) if point else gate.trace("list", t.ring_dir)
    victim.wait(status=None)
    if witness:
        t.tell_producers_to_stop()
        witness.wait()
    check(said.get("ended", 0) == 0, said)
    check_end(t, ["victim"])
    return said


# ---- a collector ----

# Little for a collector that is stepped: its points would be many, and alike. Where a step takes 50 us, it is seconds
# behind when the records end. The flush waits for it: an exit gives up after 5 s, and says what is not written yet.
FLOW = ("setup", "t4", "flow50", "flush30", "t1")

MUCH = ("setup", "t4", "l70000", "t2", "l70000", "t2", "exit")  # enough at once for a file's own thread

# Where it is not the first thread of the collector that is stepped: which.
WRITE = "call 1"
THREADS = {"thread that writes": 2, "thread that writes and rotates": 2}

# Name: words of the program, whether it waits for the end of stdin, options, whether one was killed before.
COLLECTORS = {
    "collector of a program that lives on": (FLOW, True, {}, False),
    "collector of a program that has ended": (("setup", "t4", "l2000", "t2", "exit"), False, {}, False),
    "rotation": (FLOW, True, ROTATING, False),
    "rotation after the program's end": (("setup", "t6", "exit"), False, ROTATING, False),
    "thread that writes": (MUCH, False, {}, False),
    "thread that writes and rotates": (MUCH, False, ROTATING, False),
    "takeover": (FLOW, True, {}, True),
    "takeover while it rotates": (FLOW, True, {**ROTATING, "max_bytes": 600}, True),  # else too many alike
}
FLOW_S = 0.3   # for how long records come
AFTER_S = 0.08  # for how long they come after the collector's death: the next one must find work

def end_flow(victim, seconds):
    """The program ends, and with it, some time later, the collector."""
    def wait_for(tracer):
        deadline = time.monotonic() + seconds
        while tracer.poll() is None and (time.monotonic() < deadline or "setup" not in victim.values()):
            time.sleep(0.005)
        time.sleep(AFTER_S)
        victim.process.stdin.close()
    return wait_for


def collector_is_killed(t, name, point, is_first=False):
    words, flows, options, is_second = COLLECTORS[name]
    gate = Gate(t, for_collector=True)
    gate.arm()
    victim = gate.victim(*words, mplog=options)
    if is_second and not is_first:
        said = gate.trace("kill", t.ring_dir, *point[:2], meanwhile=gate.arm_again)
        for pid in () if "killed" in said else t.collectors():
            os.kill(pid, signal.SIGKILL)
        point = point[2:]
    said = gate.trace("kill" if point else "list", t.ring_dir, *point,
                      meanwhile=end_flow(victim, FLOW_S) if flows else None, thread=THREADS.get(name, 0))
    victim.wait()
    check(victim.values().get("setup") == "0", victim.stdout())
    check(said.get("ended", 0) == 0, said)
    check_end(t, [])
    return said


# ---- recovery ----

def recovery_is_killed(t, name, point):
    """All were killed; the collector that recovers what they left, for a set-up that waits for it, is killed too."""
    gate = Gate(t, for_collector=True)
    options = ROTATING if "rotat" in name else {}
    victim = gate.victim("setup", "t2", "flow", mplog=options)
    collector = t.wait_for_collector()
    os.kill(collector, signal.SIGSTOP)
    t.wait_for_calls(t.returned() + 5)
    victim.process.kill()
    victim.wait(status=None)
    os.kill(collector, signal.SIGKILL)
    wait_until(lambda: not t.collectors(), 5, "the collector is dead")
    gate.arm()
    recovery = t.produce("--name", "heir", "--records", 3, mplog=options)
    said = gate.trace("kill" if point else "list", t.ring_dir, *point)
    recovery.wait()
    t.wait_until_gone(GONE_WITHIN)
    check_end(t, ["victim"])
    return said


FIRST_POINTS = 100  # two or three batches
MORE_POINTS = 5     # that another run may have

RECOVERIES = ("recovery", "recovery that rotates")


def run_of(name):
    return (producer_is_killed if name in PRODUCERS else collector_is_killed if name in COLLECTORS
            else recovery_is_killed)


NAMES = (*PRODUCERS, *COLLECTORS, *RECOVERIES)


def items(t, name):
    """The points, as text: from a run in which nobody is killed. Programs are stepped all the way, because how often
    they wake a collector depends on time."""
    if name in COLLECTORS and COLLECTORS[name][-1]:
        return second_deaths(t, name)
    points = run_of(name)(t, name, ())["lines"]
    check(name not in THREADS or any(what == WRITE for _, _, what in points), "the thread that is stepped never writes")
    if name in PRODUCERS:
        return [f"-1 {number}" for number in range(len(points) + MORE_POINTS)]
    return with_numbers(points)


def with_numbers(points):
    return [f"{calls} {stores} {number}" for number, (calls, stores, _) in enumerate(points)]


# In the default tests, without a look at all points first: how many points there are at least, or between which calls a
# collector lays down batches and writes them.
QUICK = {"set-up": 150, "first log call": 70, "fast log call": 30,
         "collector of a program that has ended": (95, 200), "rotation": (150, 220)}
QUICK_ITEMS = 5


def quick_items(t, name):
    where = QUICK[name]
    if name in PRODUCERS:
        return [f"-1 {t.random.randrange(where)}" for _ in range(QUICK_ITEMS)]
    return [f"{t.random.randrange(*where)} {t.random.choice((0, 0, 0, 0, 3))} {where[1]}" for _ in range(QUICK_ITEMS)]


def second_deaths(t, name):
    """For each point of the second collector one of the first, while it lays down a batch, decides and writes it."""
    first = first_deaths(t, name)
    points = collector_is_killed(t, name, tuple(map(int, first[len(first) // 2].split())))["lines"]
    return [f"{t.random.choice(first)} {point}" for point in with_numbers(points)]


def first_deaths(t, name):
    lines = collector_is_killed(t, name, (), is_first=True)["lines"]
    begin = next(i for i, line in enumerate(lines) if "batch0" in line[2])
    start_afresh(t)
    return [f"{calls} {stores}" for calls, stores, _ in lines[begin:begin + FIRST_POINTS]]


def run(t, name, item):
    """What it was killed at, or None: it has gone another way this time and was not killed."""
    *point, calls, stores, number = map(int, item.split() + ([0] if name in PRODUCERS else []))
    said = run_of(name)(t, name, (*point, calls, stores))
    if "killed" not in said and name not in PRODUCERS:
        start_afresh(t)
        said = run_of(name)(t, name, (*point, -1, number))
    return said.get("at")
