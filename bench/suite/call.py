# SPDX-License-Identifier: Unlicense
"""What a log call costs the one who calls."""
from lttng import Trace
from runner import column

KINDS = {"disabled": "disabled", "constant": "constant", "values": "int + string + double", "string": "200-byte string"}
PEER_BURSTS = 300
PEERS = ("fprintf", "write", "spdlog", "spdlog_async", "log4cplus", "glog", "boost", "libqb", "syslog")


CLOCK_SOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"


def say_clock(runner):
    """mplog's stamps are the counter only where the kernel trusts it; elsewhere each costs a clock_gettime."""
    try:
        with open(CLOCK_SOURCE, encoding="ascii") as f:
            source = f.read().strip()
    except OSError:
        source = "unknown"
    if source not in ("tsc", "arch_sys_counter"):
        runner.say("  the kernel keeps time with %s: stamps are CLOCK_MONOTONIC, and not the counter" % source)


def quantiles(found, kind, how):
    return [column(found, "%s_%s_%s" % (kind, how, q)) for q in ("p50", "p99", "p999")]


def show_kinds(runner, found):
    base = column(found, "counter_burst_p50").median
    rows = []
    for kind, label in dict({"empty": "(nothing)", "counter": "(counter read)", "clock": "(clock_gettime)",
                              "memory": "(8 words in 8 pages)"}, **KINDS).items():
        burst, single = quantiles(found, kind, "burst"), quantiles(found, kind, "single")
        rows.append([label] + burst + ["%.2f" % (burst[0].median / base)] + single)
    runner.table(["ns a call", "20 as one: p50", "p99", "p99.9", "x counter", "one alone: p50", "p99", "p99.9"], rows)


def call(runner):
    """Cost of a call in bursts of 20 with pauses of 200 us, beside an empty pair of timers and a bare counter read."""
    results = runner.in_turn({
        "1 thread": runner.runs("bench_mplog", "call", bursts=1000),
        "1 thread, asleep in the pauses": runner.runs("bench_mplog", "call", bursts=500, sleep=1),
        "2 threads, asleep in the pauses": runner.runs("bench_mplog", "call", bursts=500, sleep=1, threads=2),
        "4 threads, asleep in the pauses": runner.runs("bench_mplog", "call", bursts=500, sleep=1, threads=4),
    })
    say_clock(runner)
    for name, found in results.items():
        runner.say("  %s:" % name)
        show_kinds(runner, found)
    base, values, alone, nothing = (column(results["1 thread"], key) for key in (
        "counter_burst_p50", "values_burst_p50", "values_single_p999", "empty_single_p999"))
    runner.target("call with int + string + double beside the counter", 2.0, lambda pick: pick(values) / pick(base))
    runner.target("its p99.9, alone: at most 10 medians over an empty pair of timers", 10.0,
                  lambda pick: (pick(alone) - pick(nothing)) / pick(values))


def saturate(runner):
    """Calls without pauses. room: the buffer never fills up; full: as fast as the file is written."""
    results = runner.in_turn({
        "mplog, 1 thread": runner.runs("bench_mplog", "saturate"),
        "mplog, 2 threads": runner.runs("bench_mplog", "saturate", threads=2),
        "(nothing)": runner.runs("bench_none", "saturate"),
    })
    rows = [[name] + [column(found, key) for key in ("counter_ns", "disabled_ns", "room_ns", "full_ns")]
            for name, found in results.items()]
    runner.table(["ns a call", "counter read", "disabled", "room", "full"], rows)
    counter, room, disabled = (column(results["mplog, 1 thread"], key)
                               for key in ("counter_ns", "room_ns", "disabled_ns"))
    runner.target("saturating beside the counter, with room", 4.0, lambda pick: pick(room) / pick(counter))
    runner.target("a disabled call, loop included", 1.0, lambda pick: pick(disabled), "ns")


def peers_call(runner):
    """Other loggers: cost of a call with int + string + double; bursts of 20, and saturating."""
    names = runner.peers.available(*PEERS)
    what = {"mplog": runner.runs("bench_mplog", "call", bursts=PEER_BURSTS)}
    full = {"mplog": runner.runs("bench_mplog", "saturate", calls=2000, repeats=50)}
    for name in names:
        what[name] = runner.runs(name, "call", bursts=PEER_BURSTS)
        full[name] = runner.runs(name, "saturate", calls=2000, repeats=50)
    with Trace(runner) as env:
        if env and runner.peers.available("lttng"):
            what["lttng (binary)"] = runner.runs("lttng", "call", env=env, bursts=PEER_BURSTS)
            full["lttng (binary)"] = runner.runs("lttng", "saturate", env=env, calls=2000, repeats=50)
        results = runner.in_turn(what, rounds=3)
        saturating = runner.in_turn(full, rounds=3)
    base = column(results["mplog"], "counter_burst_p50")
    rows = [["(counter read)", base, column(results["mplog"], "counter_burst_p99"), "1.00", "", "", "", "", ""]]
    plotted = [("(counter read)", base)]
    for name, found in results.items():
        burst = quantiles(found, "values", "burst")
        rows.append([name, burst[0], burst[1], "%.2f" % (burst[0].median / base.median)]
                    + [column(found, kind + "_burst_p50") for kind in ("disabled", "constant", "string")]
                    + [column(saturating[name], "full_ns") if name in saturating else ""]
                    + [quantiles(found, "values", "single")[2]])
        plotted.append((name, burst[0]))
    runner.table(["ns a call", "p50", "p99", "x counter", "disabled", "constant", "200 bytes", "saturating",
                  "alone p99.9"], rows)
    runner.bars("calls", "A call with an integer, a string and a double; bursts of 20", "ns a call, median of bursts",
                sorted(plotted, key=lambda row: row[1].median))


BENCHMARKS = {"call": call, "saturate": saturate, "peers_call": peers_call}
