# SPDX-License-Identifier: Unlicense
"""Lets the k-th allocation of a process fail, once and, from then on, for ever. What must hold is what must hold when
system calls fail. An item is "K once|ever".
"""
import os

from failing_calls import GONE_WITHIN, SLOW, check_accounted, forget_empty_parent
from gate import Gate, age_leftovers, recover
from support import check, read_bytes

WORDS = ("setup", "t3", "l70000", "t2", "flush", "t2")
TARGETS = {
    "program": (False, {}),
    "program with collector thread": (False, {"collector": "thread"}),
    "collector": (True, {}),
    "collector that rotates": (True, {"max_bytes": 300, "backup_count": 1000}),
}


def start(t, name, k, how):
    of_collector, options = TARGETS[name]
    report = os.path.join(t.dir, "allocations")
    library = os.path.join(os.path.dirname(t.bench.helper), "tests", "torture", "libfailmem.so")
    variables = {"LD_PRELOAD": library, "FAILMEM_AT": str(k), "FAILMEM_REPORT": report}
    if how == "ever":
        variables["FAILMEM_EVER"] = "1"
    gate = Gate(t, of_collector, [f"{key}={value}" for key, value in variables.items()], is_traced=False)
    if of_collector:
        gate.arm()
    environment = t.env if of_collector else {**t.env, **variables}
    victim = gate.victim(*WORDS, mplog={"block_timeout_ms": 300, **options}, env=environment)
    victim.may_complain = True
    victim.wait(SLOW + 20)
    t.wait_until_gone(GONE_WITHIN)
    return victim, tuple(map(int, read_bytes(report).split())) or (0, 1)


def items(t, name):
    _, (count, _) = start(t, name, 0, "once")
    return [f"{k} {how}" for k in range(1, count + 1) for how in ("once", "ever")]


def run(t, name, item):
    k, how = item.split()
    victim, (_, has_failed) = start(t, name, k, how)
    check(victim.took < SLOW, "it took", victim.took, "s")
    check_accounted(t, victim)
    age_leftovers(t)
    recover(t)
    t.wait_until_gone(GONE_WITHIN)
    forget_empty_parent(t)
    return "failed" if has_failed else None
