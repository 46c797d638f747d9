# SPDX-License-Identifier: Unlicense
"""How soon a line is in the file."""
from runner import column

PEERS = ("write", "spdlog", "glog", "log4cplus", "libqb", "syslog")


def delay(runner):
    """From the call until the line can be read. (wake): a helper that is woken and writes; the kernel's part."""
    names = ["(wake)", "mplog"] + runner.peers.available(*PEERS)
    programs = {"(wake)": "bench_wake", "mplog": "bench_mplog"}
    for title, more, rounds in (("10,000 a second", {"count": 10000}, 3),
                                ("first after 50 ms of silence", {"count": 30, "silence_ns": 50000000}, 3)):
        results = runner.in_turn({name: runner.runs(programs.get(name, name), "delay", **more) for name in names},
                                 rounds)
        runner.say("  %s:" % title)
        runner.table(["us", "p50", "p99", "p99.9", "most"],
                     [[name] + [column(found, key, 1e-3) for key in ("p50_ns", "p99_ns", "p999_ns", "most_ns")]
                      for name, found in results.items()])
        runner.bars("delay_silence" if "silence_ns" in more else "delay", "Call to line in the file: " + title,
                    "us, median", [(name, column(found, "p50_ns", 1e-3)) for name, found in results.items()])
        key, what, limit = (("p50_ns", "first record after silence, median", 100) if "silence_ns" in more
                            else ("p99_ns", "call to line at 10,000/s, p99", 1500))
        found = column(results["mplog"], key, 1e-3)
        runner.target(what, limit, lambda pick, cell=found: pick(cell), "us")


BENCHMARKS = {"delay": delay}
