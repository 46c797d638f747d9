# SPDX-License-Identifier: Unlicense
"""call logger=NAME [form=default] [where=main] [pause=spin] [bursts=300] [kinds=a,b] - what a call costs its caller.

Bursts of 20 calls timed as one, with pauses, so that nobody's buffer fills up. Kinds take turns, two bursts each, of
which the second counts: no kind pays for what another has thrown out of the caches. pause=spin: the caller keeps the
CPU; sleep: others may have it. At the end constant messages without a pause: what a call costs who logs all the time.
The empty loop around the calls is taken off.
"""
import json
import logging
import multiprocessing
import os
import time

import floor
from loggers import LOGGERS, NAME, PERCENT_CALLS

BURST = 20
PAUSE_NS = 200000
WARM = 15  # bursts that are not counted: threads attach, call sites are published, the interpreter specialises

BURST_SOURCE = """
def burst(log, clock=clock, twenty=range(%d), client="client-17", ms=12.5):
    begin = clock()
    for i in twenty:
        %s
    return clock() - begin
"""
EXCEPTION_SOURCE = """
def burst(log, clock=clock, twenty=range(%d)):
    try:
        raise ValueError("an error")
    except ValueError:
        begin = clock()
        for i in twenty:
            %s
        return clock() - begin
"""


class Nothing(logging.Handler):
    def emit(self, record):
        pass


def compiled(kind, call):
    names = {"clock": time.perf_counter_ns}
    exec((EXCEPTION_SOURCE if kind == "exception" else BURST_SOURCE) % (BURST, call), names)
    return names["burst"]


def stock_logger(name, *handlers):
    """A logger of the standard class with handlers of its own."""
    log = logging.Logger(name)
    log.setLevel(logging.INFO)
    for handler in handlers:
        log.addHandler(handler)
    return log


def plan(adapter, is_mplog, wanted):
    """kind -> (function, logger). Exceptions come last, and the loop in between: they fill the caches."""
    log, empty = adapter.logger(), floor.Logger()
    found = {}
    for kind, call in PERCENT_CALLS.items():
        found["floor_" + kind] = (compiled(kind, call), empty)
    found["loop"] = (compiled("loop", "pass"), log)
    for kind, call in adapter.calls.items():
        found[kind] = (compiled(kind, call), log)
    if is_mplog:
        nothing, null = stock_logger("a", Nothing()), stock_logger("a", logging.NullHandler())
        ours = stock_logger("a", *logging.getLogger().handlers)
        for kind in ("disabled", "constant", "values"):
            for who, stock in (("nothing", nothing), ("null", null), ("stock", ours)):
                found["%s_%s" % (who, kind)] = (compiled(kind, PERCENT_CALLS[kind]), stock)
    found["exception"] = found.pop("exception")
    return {kind: pair for kind, pair in found.items() if not wanted or kind in wanted or kind == "loop"}


def spin():
    until = time.perf_counter_ns() + PAUSE_NS
    while time.perf_counter_ns() < until:
        pass


def sleep():
    time.sleep(PAUSE_NS * 1e-9)


def quantiles(ns, loop_ns):
    ns = sorted(ns)
    return {"p50": (ns[len(ns) // 2] - loop_ns) / BURST, "p99": (ns[len(ns) * 99 // 100] - loop_ns) / BURST,
            "least": (ns[0] - loop_ns) / BURST}


def saturate(adapter, calls):
    """ns a call without any pause."""
    log, burst = adapter.logger(), compiled("constant", adapter.calls["constant"])
    begin = time.perf_counter_ns()
    for _ in range(calls // BURST):
        burst(log)
    return (time.perf_counter_ns() - begin) / calls


def measure(adapter, is_mplog, pause, bursts, wanted, calls):
    what = plan(adapter, is_mplog, wanted)
    ns = {kind: [] for kind in what}
    for number in range(-WARM, bursts):
        for kind, (burst, log) in what.items():
            burst(log)
            pause()
            took = burst(log)
            if number >= 0:
                ns[kind].append(took)
    loop_ns = sorted(ns["loop"])[bursts // 2]
    found = {"loop": loop_ns / BURST}
    for kind, times in ns.items():
        if kind != "loop":
            found.update(("%s_%s" % (kind, q), value) for q, value in quantiles(times, loop_ns).items())
    found["saturating"] = saturate(adapter, calls)
    return found


def run(folder, logger, form="default", where="main", pause="spin", bursts="300", kinds="", calls="20000"):
    adapter = LOGGERS[logger]()
    adapter.open(os.path.join(folder, "app.log"), form, 0, 0)
    arguments = (adapter, logger == "mplog", {"spin": spin, "sleep": sleep}[pause], int(bursts),
                 set(kinds.split(",")) if kinds else None, int(calls))
    found = in_worker(arguments) if where == "worker" else measure(*arguments)
    adapter.close()
    return found


def in_worker(arguments):
    fork = multiprocessing.get_context("fork")
    reader, writer = fork.Pipe(False)

    def work():
        arguments[0].begin_worker()
        writer.send_bytes(json.dumps(measure(*arguments)).encode())
    worker = fork.Process(target=work)
    worker.start()
    writer.close()
    found = json.loads(reader.recv_bytes().decode())
    worker.join()
    return found
