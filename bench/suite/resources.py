# SPDX-License-Identifier: Unlicense
"""What logging takes beside time: CPU while idle, memory, start-up, size."""
import os
import subprocess
import time

from peers import LIBRARIES
from runner import Cell, column

MIB = 1.0 / (1 << 20)
PEERS = ("fprintf", "spdlog", "spdlog_async", "log4cplus", "glog", "boost", "libqb")


def idle(runner):
    """Ten seconds in which nobody logs: CPU and memory of the collector, of the rings, of the application."""
    results = runner.in_turn({
        "1 thread": runner.runs("bench_idle", threads=1, seconds=10),
        "1000 threads": runner.runs("bench_idle", threads=1000, seconds=3),
        "10000 threads": runner.runs("bench_idle", threads=10000, seconds=3),
    }, rounds=1)
    keys = (("collector_cpu_percent", 1), ("app_cpu_percent", 1), ("collector_private_bytes", MIB),
            ("session_bytes", MIB), ("app_private_growth_bytes", MIB), ("app_threads_added", 1))
    runner.table(["", "collector CPU %", "application CPU %", "collector private MiB", "shared MiB",
                  "application + MiB", "threads added"],
                 [[name] + [column(found, key, scale) for key, scale in keys] for name, found in results.items()])
    for what, limit, name, key, scale, unit in (
            ("idle: CPU of the collector", 0.05, "1 thread", "collector_cpu_percent", 1, "%"),
            ("private memory of the collector", 1, "1 thread", "collector_private_bytes", MIB, "MiB"),
            ("threads added to the application", 0, "1 thread", "app_threads_added", 1, ""),
            ("1,000 threads: shared memory", 128, "1000 threads", "session_bytes", MIB, "MiB")):
        runner.target(what, limit, lambda pick, cell=column(results[name], key, scale): pick(cell), unit)


def whole(runner, program):
    """Also the time of the whole program, as its parent sees it."""
    run = runner.runs(program, "start")

    def timed():
        began = time.monotonic_ns()
        found = run()
        if found is not None:
            found["whole_ns"] = time.monotonic_ns() - began
        return found
    return timed


def start(runner):
    """Set-up, first call, first line in the file, and the whole program from fork to exit."""
    names = runner.peers.available(*PEERS)
    what = {"(no logger)": whole(runner, "bench_none"), "mplog": whole(runner, "bench_mplog")}
    what.update((name, whole(runner, name)) for name in names)
    results = runner.in_turn(what, rounds=15)
    keys = ("set_up_ns", "first_call_ns", "until_line_ns", "whole_ns")
    runner.table(["ms", "set-up", "first call", "until the line is there", "whole program"],
                 [[name] + [column(found, key, 1e-6) for key in keys] for name, found in results.items()])


def size_of(path):
    """(bytes of code and data, bytes of the file without symbols)."""
    out = subprocess.run(["size", path], stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout
    text, data, bss = (int(word) for word in out.splitlines()[1].split()[:3])
    stripped = path + ".stripped" if os.access(os.path.dirname(path), os.W_OK) and "libmplog" in path else None
    if stripped is None:
        return text + data + bss, os.path.getsize(path)
    subprocess.run(["strip", "-o", stripped, path], check=True)
    bytes_ = os.path.getsize(stripped)
    os.unlink(stripped)
    return text + data + bss, bytes_


def size(runner):
    """Size of the libraries."""
    rows, plotted = [], []
    found = {"mplog": os.path.join(runner.build, "libmplog.so")}
    for name, library in LIBRARIES.items():
        path = os.path.join("/usr/lib/x86_64-linux-gnu", library)
        if os.path.exists(path):
            found[name] = os.path.realpath(path)
    for name, path in found.items():
        code, file_bytes = size_of(os.path.realpath(path))
        rows.append([name, os.path.basename(path), "%.0f" % (code / 1024), "%.0f" % (file_bytes / 1024)])
        plotted.append((name, Cell([file_bytes / 1024])))
    runner.data.append({"sizes": rows})
    runner.table(["", "", "code and data, KiB", "file, KiB"], rows)


BENCHMARKS = {"idle": idle, "start": start, "size": size}
