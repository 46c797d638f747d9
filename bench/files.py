# SPDX-License-Identifier: Unlicense
"""Many writers, one file: from an attach barrier until everything is in the file."""
from runner import Cell

RECORDS = 1000000
LINE_BYTES = 113  # of the default format; the floor writes as many


def shape(runner, processes, threads=1, records=RECORDS, program="bench_files", **more):
    each = records // (processes * threads)
    options = ["%s=%s" % item for item in dict(processes=processes, threads=threads, records=each, **more).items()]
    what = "%s %s" % (program, " ".join(options))
    return lambda: runner.execute([runner.program(program)] + options, what)


def floor(runner, records=RECORDS, **more):
    options = ["records=%d" % records, "line_bytes=%d" % LINE_BYTES] + ["%s=%s" % item for item in more.items()]
    return lambda: runner.execute([runner.program("bench_floor")] + options, "bench_floor")


def show(runner, results, floor_name="floor"):
    base = Cell([r["elapsed_ns"] / r["records"] for r in results[floor_name]]).median
    rows = []
    for name, found in results.items():
        cell = Cell([r["elapsed_ns"] / r["records"] for r in found])
        lost = sum(r.get("lost", 0) for r in found)
        bad = sum(r.get("bad", 0) for r in found)
        rows.append([name, cell.text(), "%.2f M" % (1e3 / cell.median), "%.2f" % (cell.median / base),
                     "%d" % lost if name != floor_name else "", "%d" % bad if name != floor_name else ""])
        if name.startswith("mplog") and (lost or bad):
            runner.problem("%s: %d lines lost, %d bad" % (name, lost, bad))
    runner.table(["", "ns a line", "lines/s", "x floor", "lost", "bad"], rows)


def files(runner):
    """Processes into one file, rotated at 10 MB; floor: the same bytes and rotations, memcpy and write alone."""
    results = runner.in_turn({
        "floor": floor(runner),
        "mplog, 1 process": shape(runner, 1),
        "mplog, 4 processes": shape(runner, 4),
        "mplog, 16 processes": shape(runner, 16),
        "mplog, 256 processes": shape(runner, 256, records=256 * 4000),
    })
    show(runner, results)


BENCHMARKS = {"files": files}
