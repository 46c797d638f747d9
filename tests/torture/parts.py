# SPDX-License-Identifier: Unlicense
"""What tools/torture runs, in this order."""
import re

import disturb
import failing_calls
import failing_memory
import kill_points
import matrix


class Part:
    """`items(t)`: texts, each of which names one run; `run(t, item)`: one, which returns what it did, or None if the
    fault has not happened. `quick(t)`: the few that the default tests have. `is_alone`: two at a time would disturb
    each other."""

    def __init__(self, name, items, run, unit, quick=None, is_alone=False, sum_up=str):
        self.name = name
        self.slug = re.sub(r"\W+", "_", name)
        self.items = items
        self.run = run
        self.unit = unit
        self.quick = quick
        self.is_alone = is_alone
        self.sum_up = sum_up


def kill_part(name):
    quick = None
    if name in kill_points.QUICK:
        def quick(t):
            return kill_points.quick_items(t, name)
    return Part(f"kill: {name}", lambda t: kill_points.items(t, name), lambda t, item: kill_points.run(t, name, item),
                "points", quick)


def call_part(name):
    def quick(t):
        return t.random.sample(failing_calls.items(t, name), 5)
    return Part(f"failing calls: {name}", lambda t: failing_calls.items(t, name),
                lambda t, item: failing_calls.run(t, name, item), "failures", quick)


def memory_part(name):
    def quick(t):
        return t.random.sample([item for item in failing_memory.items(t, name) if item.endswith("once")], 5)
    return Part(f"failing memory: {name}", lambda t: failing_memory.items(t, name),
                lambda t, item: failing_memory.run(t, name, item), "failures",
                None if "thread" in name else quick)  # whose set-up waits its five seconds


PARTS = [Part("kill matrix", matrix.items, matrix.run, "rounds", is_alone=True, sum_up=matrix.sum_up)]
PARTS += [kill_part(name) for name in kill_points.NAMES]
PARTS += [Part("disturbances", disturb.items, disturb.run, "rounds", disturb.quick_items, is_alone=True)]
PARTS += [call_part(name) for name in failing_calls.TARGETS]
PARTS += [memory_part(name) for name in failing_memory.TARGETS]
