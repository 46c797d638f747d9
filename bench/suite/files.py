# SPDX-License-Identifier: Unlicense
"""Many writers, one file: from an attach barrier until everything is in the file."""
from runner import Cell, column

RECORDS = 1000000
PEER_RECORDS = 400000  # they are up to forty times slower
LINE_BYTES = 113       # of the default format; the floor writes as many
UNROTATED = {"fprintf", "write", "boost", "libqb", "syslog"}


def writers(runner, processes, threads=1, records=RECORDS, program="bench_mplog", **more):
    return runner.runs(program, "files", processes=processes, threads=threads,
                       records=records // (processes * threads), **more)


def floor(runner, records=RECORDS, **more):
    return runner.runs("bench_floor", records=records, line_bytes=LINE_BYTES, **more)


def per_line(found):
    return Cell([one["elapsed_ns"] / one["records"] for one in found])


def show(runner, results, base):
    rows = []
    for name, found in results.items():
        cell = per_line(found)
        lost, bad = (sum(one.get(key, 0) for one in found) for key in ("lost", "bad"))
        rows.append([name, cell, "%.2f M" % (1e3 / cell.median), "%.2f" % (cell.median / base),
                     lost if "lost" in found[0] else "", bad if "bad" in found[0] else ""])
        if name.startswith("mplog") and (lost or bad):
            runner.problem("%s: %d lines lost, %d bad" % (name, lost, bad))
    runner.table(["", "ns a line", "lines/s", "x floor", "lost", "bad"], rows)


def files(runner):
    """Processes into one file, rotated at 10 MB; floor: the same bytes copied and written with the same rotations."""
    results = runner.in_turn({
        "floor": floor(runner),
        "mplog, 1 process": writers(runner, 1),
        "mplog, 1 process, no rotation": writers(runner, 1, max_bytes=0),
        "mplog, 4 processes": writers(runner, 4),
        "mplog, 16 processes": writers(runner, 16),
        "mplog, 256 processes": writers(runner, 256, records=256 * 4000),
    }, rounds=7)
    base = per_line(results["floor"]).median
    show(runner, results, base)
    ns = {name: per_line(found) for name, found in results.items()}
    for what, limit, name, beside in (
            ("1 process, rotated file, beside the floor", 2.5, "mplog, 1 process", "floor"),
            ("4 processes, rotated file, beside the floor", 2.5, "mplog, 4 processes", "floor"),
            ("16 processes beside 4", 1.2, "mplog, 16 processes", "mplog, 4 processes"),
            ("256 processes beside 4", 2.0, "mplog, 256 processes", "mplog, 4 processes")):
        runner.target(what, limit, lambda pick, a=ns[name], b=ns[beside]: pick(a) / pick(b))


def peers_files(runner):
    """Other loggers: 4 processes into one file, rotated at 10 MB where they can, and one process. Lost: not in the
    file; bad: torn or mixed lines; of all rounds. glog cannot share a file, and is measured alone."""
    names = runner.peers.available("fprintf", "write", "spdlog", "spdlog_async", "log4cplus", "glog", "boost", "libqb",
                                   "syslog")
    for processes in (4, 1):
        what = {"floor": floor(runner, PEER_RECORDS), "mplog": writers(runner, processes, records=PEER_RECORDS)}
        for name in names:
            if name == "glog" and processes > 1:
                continue  # it locks its file; what the others log is gone
            label = name + (", no rotation" if name in UNROTATED else "")
            what[label] = writers(runner, processes, records=PEER_RECORDS, program=name)
        runner.say("  %d process%s:" % (processes, "" if processes == 1 else "es"))
        results = runner.in_turn(what, rounds=3)
        show(runner, results, per_line(results["floor"]).median)
        rows = sorted(((name, per_line(found)) for name, found in results.items()), key=lambda row: row[1].median)
        runner.bars("files_%d" % processes, "%d process%s into one file, 10 MB rotation" %
                    (processes, "" if processes == 1 else "es"), "ns a line", rows)


def growth(runner):
    """How cost grows with the number of processes and threads; a million records in all, from an attach barrier."""
    processes, threads = [1, 4, 16, 64, 256, 1000], [1, 10, 100, 1000, 10000]
    what = {}
    for n in processes:
        what["%d processes" % n] = writers(runner, n)
    for n in threads:
        what["%d threads" % n] = writers(runner, 1, threads=n)
    what["10 processes x 1000 threads"] = writers(runner, 10, threads=1000)
    results = runner.in_turn(what, rounds=3)
    rows = []
    for name, found in results.items():
        logged = Cell([one["logged_ns"] / one["records"] for one in found])
        lost, bad = (sum(one[key] for one in found) for key in ("lost", "bad"))
        rows.append([name, per_line(found), logged, lost, bad])
        if lost or bad:
            runner.problem("%s: %d lines lost, %d bad" % (name, lost, bad))
    runner.table(["", "ns a line", "until all have logged", "lost", "bad"], rows)
    series = {"processes": [(n, per_line(results["%d processes" % n])) for n in processes],
              "threads of one process": [(n, per_line(results["%d threads" % n])) for n in threads]}
    runner.lines("growth", "A million records by N writers into one file", "writers", "ns a line", series)
    passes(runner)


def passes(runner):
    """Passes of the collector by hand: over idle rings, and merging."""
    what = {"10000 idle rings": runner.runs("bench_pass", rings=10000, repeats=1000),
            "1 idle ring": runner.runs("bench_pass", rings=1, repeats=1000)}
    for n in (1, 4, 16, 256, 1000):
        what["%d rings, records one by one" % n] = runner.runs("bench_pass", rings=n, records=2000, repeats=20)
    for n in (4, 256):
        what["%d rings, runs of 20" % n] = runner.runs("bench_pass", rings=n, records=2 * 20 * n if n > 50 else 2000,
                                                       run=20, repeats=20)
    results = runner.in_turn(what, rounds=3)
    rows = []
    for name, found in results.items():
        each = Cell([one["pass_p50_ns"] / max(one["records"], 1) for one in found])
        rows.append([name, Cell([one["pass_p50_ns"] / 1000 for one in found]),
                     each if found[0]["records"] else "", found[0]["hot"]])
    runner.table(["one pass", "us", "ns a record", "hot rings"], rows)
    idle = column(results["10000 idle rings"], "pass_p50_ns", 1e-3)
    runner.target("a pass over 10,000 idle rings", 10, lambda pick: pick(idle), "us")


BENCHMARKS = {"files": files, "growth": growth, "peers_files": peers_files}
