# SPDX-License-Identifier: Unlicense
"""mplog from Python beside what else there is, all on Debian's Python, which is built for speed."""
import functools
import os
import subprocess

from runner import Cell, column

PYTHON = "/usr/bin/python3"
# Label; module; Debian package.
PEERS = {
    "filehandler": ("logging, FileHandler", "logging", "python3"),
    "rotating": ("RotatingFileHandler, shared", "logging.handlers", "python3"),
    "structlog": ("structlog", "structlog", "python3-structlog"),
    "logbook": ("logbook", "logbook", "python3-logbook"),
    "mpqueue": ("QueueHandler, multiprocessing.Queue", "multiprocessing", "python3"),
    "clh": ("concurrent-log-handler", "concurrent_log_handler", "python3-concurrent-log-handler, python3-portalocker"),
    "loguru": ("loguru, enqueue", "loguru", "python3-loguru"),
    "manager": ("QueueHandler, Manager().Queue()", "multiprocessing", "python3"),
}
KINDS = {"disabled": "debug(), disabled", "constant": "constant", "values": "int + str + float", "fstring": "f-string",
         "extra": "constant with extra", "exception": "exception()"}
MANAGER_BURSTS = 20  # 100 us a call
FILES_RECORDS = {"mplog": 250000, "structlog": 25000, "rotating": 25000, "logbook": 10000, "mpqueue": 5000, "clh": 5000,
                 "loguru": 2500, "manager": 1000}  # of each of four processes: they differ by a factor of 500
UNROTATED = {"structlog"}
START_LIMIT_MS = 5


def output_of(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)


class Python:
    """Runs bench/python/run.py with the package that was built for PYTHON; compiles the floor at first need."""

    def __init__(self, runner):
        self.runner = runner
        self.folder = os.path.join(runner.root, "bench", "python")
        version, include = output_of(PYTHON, "-c", "import sys, sysconfig; print('%d.%d' % sys.version_info[:2], "
                                     "sysconfig.get_paths()['include'])").stdout.split()
        package = os.path.join(runner.build, "python-" + version)
        self.is_good = os.path.isdir(os.path.join(package, "mplog")) and self.compile_floor(include)
        if not os.path.isdir(os.path.join(package, "mplog")):
            runner.problem("Python is not measured: no package in %s (make python)" % package)
        self.env = {"PYTHONPATH": package + ":" + os.path.join(runner.build, "bench"),
                    "PYTHONDONTWRITEBYTECODE": ""}  # who uses a package has it compiled

    def compile_floor(self, include):
        done = output_of("cc", "-O2", "-w", "-shared", "-fPIC", "-I" + include, os.path.join(self.folder, "floor.c"),
                         "-o", os.path.join(self.runner.build, "bench", "floor.so"))
        if done.returncode:
            self.runner.problem("Python is not measured: floor.c does not compile: " + done.stdout[-1000:])
        return done.returncode == 0

    def runs(self, scenario, **options):
        command = [PYTHON, os.path.join(self.folder, "run.py"), scenario] + ["%s=%s" % item for item in options.items()]
        return lambda: self.runner.execute(command, self.env)

    def available(self, names=PEERS):
        """Those that can be imported; a complaint about each of the others."""
        found = []
        for name in names:
            label, module, package = PEERS[name]
            if output_of(PYTHON, "-c", "import " + module).returncode == 0:
                found.append(name)
            else:
                self.runner.problem("%s is not measured: %s has no module %s (Debian package %s)"
                                    % (label, PYTHON, module, package))
        return found


def benchmark(function):
    """Gives it the Python to measure with, if there is one."""
    @functools.wraps(function)
    def run(runner):
        python = Python(runner)
        if python.is_good:
            function(runner, python)
    return run


def of(found, kind, q="p50"):
    return column(found, "%s_%s" % (kind, q))


@benchmark
def python_call(runner, python):
    """Cost of a call from Python by kind; bursts of 20 with pauses of 200 us, the empty loop taken off. floor: the same
    call of a method in C that does nothing."""
    places = {"main, default format": {"form": "default"}, "main, with caller": {"form": "caller"},
              "main, plain format": {"form": "plain"}, "worker, default format": {"form": "default", "where": "worker"},
              "main, default, asleep in the pauses": {"form": "default", "pause": "sleep"}}
    what = {name: python.runs("call", logger="mplog", **options) for name, options in places.items()}
    for form in ("default", "plain"):
        what["FileHandler, " + form] = python.runs("call", logger="filehandler", form=form)
    what["Manager().Queue(), plain"] = python.runs("call", logger="manager", form="plain", bursts=MANAGER_BURSTS,
                                                   calls=1000)
    results = runner.in_turn(what, rounds=3)
    rows = [["floor"] + [of(results["main, plain format"], "floor_" + kind) for kind in KINDS] + [""]]
    for name, found in results.items():
        rows.append([("mplog, " if name in places else "") + name] + [of(found, kind) for kind in KINDS]
                    + [column(found, "saturating")])
    runner.table(["ns a call"] + list(KINDS.values()) + ["saturating"], rows)
    main = results["main, default format"]
    runner.table(["ns a call", "disabled", "constant", "int + str + float"],
                 [[label] + [of(main, "%s_%s" % (who, kind)) for kind in ("disabled", "constant", "values")]
                  for who, label in (("null", "stock logger, NullHandler"), ("nothing", "stock logger, empty emit()"),
                                     ("stock", "stock logger, mplog's handler"))])
    targets_of_calls(runner, results)


def targets_of_calls(runner, results):
    plain, default, caller = (results["main, %s" % form] for form in ("plain format", "default format", "with caller"))
    for kind in ("constant", "values"):
        for ours, form, limit in ((plain, "plain", 100), (default, "default", 60)):
            theirs = results["FileHandler, " + form]
            runner.at_least("Python: logging's FileHandler / mplog, %s, %s" % (KINDS[kind], form), limit,
                            lambda pick, a=of(theirs, kind), b=of(ours, kind): pick(a) / pick(b))
    for kind in ("constant", "values"):
        runner.target("Python: what caller information adds, " + KINDS[kind], 60,
                      lambda pick, a=of(caller, kind), b=of(default, kind): pick(a) - pick(b), "ns")
    runner.at_least("Python: the predecessor's design / mplog, constant, plain", 1000,
                    lambda pick, a=of(results["Manager().Queue(), plain"], "constant"), b=of(plain, "constant"):
                    pick(a) / pick(b))
    runner.target("Python: disabled debug() beside a stock logger's", 0.25,
                  lambda pick, a=of(default, "disabled"), b=of(default, "null_disabled"): pick(a) / pick(b))
    for kind in ("constant", "values"):
        runner.target("Python: stock logger, mplog's handler / empty emit(), " + KINDS[kind], 1.1,
                      lambda pick, a=of(default, "stock_" + kind), b=of(default, "nothing_" + kind): pick(a) / pick(b))


@benchmark
def python_peers(runner, python):
    """Other loggers of Python: cost of a call, default format, asleep in the pauses; in main and in a worker."""
    names = [name for name in python.available() if name != "rotating"]
    what, plotted = {}, []
    for where in ("main", "worker"):
        for name in ["mplog"] + names:
            few = {"bursts": MANAGER_BURSTS, "calls": 1000} if name == "manager" else {"bursts": 100, "calls": 5000}
            what[name, where] = python.runs("call", logger=name, where=where, pause="sleep", **few)
    results = runner.in_turn({"%s, %s" % pair: function for pair, function in what.items()}, rounds=3)
    rows = []
    for name in ["mplog"] + names:
        label = label_of(name)
        main, worker = (results.get("%s, %s" % (name, where)) for where in ("main", "worker"))
        if main and worker:
            rows.append([label] + [of(main, kind) for kind in ("disabled", "constant", "values", "exception")]
                        + [column(main, "saturating"), of(worker, "values"), of(worker, "values", "p99"),
                           column(worker, "saturating")])
            plotted.append((label, of(worker, "values")))
    runner.table(["ns a call, main:", "disabled", "constant", "int + str + float", "exception()", "saturating",
                  "worker: int + str + float", "p99", "saturating"], rows)
    runner.bars("python_calls", "Python: a call with an int, a str and a float, in a worker; bursts of 20",
                "ns a call, median of bursts", sorted(plotted, key=lambda row: row[1].median))


def label_of(name):
    return (PEERS[name][0] if name in PEERS else name) + (", no rotation" if name in UNROTATED else "")


@benchmark
def python_files(runner, python):
    """4 processes into one file, rotated at 10 MB where the logger can; until all is in the file. Lost: not in the
    file; bad: torn, mixed or doubled lines; unordered: lines of a process that come too late; of all rounds."""
    names = ["mplog"] + [name for name in python.available() if name != "filehandler"]
    results = runner.in_turn({name: python.runs("files", logger=name, records=FILES_RECORDS[name]) for name in names},
                             rounds=3)
    rows, lines = [], {}
    for name, found in results.items():
        lines[name] = Cell([one["records"] / one["elapsed_ns"] * 1e9 for one in found])
        wrong = [sum(one[key] for one in found) for key in ("lost", "bad", "unordered")]
        rows.append([label_of(name), lines[name], Cell([one["elapsed_ns"] / one["records"] for one in found])]
                    + ["%d of %d" % (wrong[0], sum(one["records"] for one in found))] + wrong[1:])
        if name == "mplog" and any(wrong):
            examples = " ".join(one["example"] for one in found)
            runner.problem("mplog: %d lines lost, %d bad, %d unordered: %s" % (*wrong, examples))
    runner.table(["", "lines/s", "ns a line", "lost", "bad", "unordered"], rows)
    runner.bars("python_files", "Python: 4 processes into one file, 10 MB rotation", "lines a second",
                sorted(((label_of(name), cell) for name, cell in lines.items()), key=lambda row: -row[1].median))
    if "manager" in lines:
        runner.at_least("Python: 4 processes, one file: mplog / the predecessor's design", 500,
                        lambda pick: pick(lines["mplog"]) / pick(lines["manager"]))


@benchmark
def python_start(runner, python):
    """From a program's first statement until its first line is in the file, imports included; and the whole program."""
    names = [name for name in python.available() if name not in ("rotating", "mpqueue")]
    labels = {"nothing": "(bare interpreter)", "import_logging": "(import logging)"}
    results = runner.in_turn({name: python.runs("start", logger=name) for name in list(labels) + ["mplog"] + names},
                             rounds=15)
    runner.table(["ms", "first line", "whole program"],
                 [[labels.get(name) or label_of(name), column(found, "line_ns", 1e-6), column(found, "whole_ns", 1e-6)]
                  for name, found in results.items()])
    runner.target("Python: import, set-up and first line, beyond import logging", START_LIMIT_MS,
                  lambda pick, a=column(results["mplog"], "line_ns", 1e-6),
                  b=column(results["import_logging"], "line_ns", 1e-6): pick(a) - pick(b), "ms")


@benchmark
def python_memory(runner, python):
    """Memory of all processes while 2 workers log for 4 s what the disk takes at 2 MB a second."""
    names = ["mplog"] + python.available(("filehandler", "mpqueue", "loguru", "manager"))
    results = runner.in_turn({name: python.runs("memory", logger=name) for name in names}, rounds=1)
    runner.table(["", "before, MiB", "growth, MiB", "calls/s"],
                 [[label_of(name)] + [column(found, key) for key in ("before_mib", "growth_mib", "calls_per_s")]
                  for name, found in results.items()])


def gaps(runner, python, kind):
    """One run of asyncio_gaps.py: clock_quantile -> us."""
    done = subprocess.run([PYTHON, os.path.join(python.folder, "asyncio_gaps.py"), "--one", kind],
                          env=dict(runner.env, **python.env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, universal_newlines=True)
    words = done.stdout.split()
    if done.returncode or len(words) != 6:
        runner.problem("asyncio_gaps.py --one %s: status %d: %s" % (kind, done.returncode, done.stdout[-300:]))
        return None
    return dict(zip(("world_p50", "world_p999", "world_most", "own_p50", "own_p999", "own_most"), map(float, words)))


@benchmark
def python_asyncio(runner, python):
    """1000 asyncio tasks that log 20 lines each: how long the loop is kept from its next pass, in the world's time and
    in that of the thread."""
    kinds = ("no logging", "mplog", "FileHandler")
    results = runner.in_turn({kind: functools.partial(gaps, runner, python, kind) for kind in kinds}, rounds=10)
    keys = ("world_p50", "world_p999", "world_most", "own_p50", "own_p999", "own_most")
    runner.table(["us", "p50", "p99.9", "most", "thread's time: p50", "p99.9", "most"],
                 [[kind] + [column(found, key) for key in keys] for kind, found in results.items()])
    runner.target("Python: asyncio, p99.9 of the loop's gap beyond no logging", 100,
                  lambda pick, a=column(results["mplog"], "world_p999"), b=column(results["no logging"], "world_p999"):
                  pick(a) - pick(b), "us")


BENCHMARKS = {"python_call": python_call, "python_peers": python_peers, "python_files": python_files,
              "python_start": python_start, "python_memory": python_memory, "python_asyncio": python_asyncio}
