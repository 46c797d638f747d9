# SPDX-License-Identifier: Unlicense
"""Runs programs in turn, keeps what they measured, and shows it as tables and plots."""
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time

import plot
from peers import Peers

TIMEOUT = 120  # seconds; a program that needs longer has failed


def short(x):
    """Three digits that mean something."""
    if x == 0:
        return "0"
    if abs(x) >= 1000:
        return "{:,.0f}".format(x)
    return "%.*f" % (2 if abs(x) < 10 else 1 if abs(x) < 100 else 0, x) if abs(x) >= 0.1 else "%.2g" % x


class Cell:
    """Repeated measurements of one thing."""

    def __init__(self, values):
        self.values = sorted(values)

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def least(self):
        return self.values[0]

    def __str__(self):
        if len(self.values) == 1:
            return short(self.values[0])
        return "%s (%s..%s)" % (short(self.median), short(self.values[0]), short(self.values[-1]))


def column(found, key, scale=1.0):
    return Cell([one[key] * scale for one in found if key in one])


def parse_output(text):
    """key=value lines."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            try:
                found[key] = float(value) if "." in value else int(value)
            except ValueError:
                found[key] = value
    return found


class Runner:
    def __init__(self, root, build, rounds):
        self.root = root
        self.build = build
        self.rounds = rounds
        self.data_dir = os.path.join(build, "bench", "data")
        os.makedirs(self.data_dir, exist_ok=True)
        self.env = dict({k: v for k, v in os.environ.items() if not k.startswith("MPLOG_")},
                        MPLOG_HELPER=os.path.join(build, "mplog"))
        self.peers = Peers(self)
        self.problems = []
        self.targets = []
        self.plots = []
        self.name = ""
        self.busiest = os.getloadavg()[0]

    # ---- running ----

    def program(self, name):
        return os.path.join(self.build, "bench", name)

    def progress(self, text):
        """One line that is written over; a line of its own now and then where the output is a file."""
        if sys.stdout.isatty():
            sys.stdout.write("\r\x1b[K" + text)
            sys.stdout.flush()

    def execute(self, command, env=None):
        """One program to its end; what it printed, or None if it failed."""
        what = " ".join([os.path.basename(command[0])] + command[1:])
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=dict(self.env, **(env or {})), universal_newlines=True, start_new_session=True)
        try:
            output, errors = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its children too
            process.communicate()
            self.problem("%s: did not end within %d s" % (what, TIMEOUT))
            return None
        if process.returncode != 0:
            self.problem("%s: status %d: %s" % (what, process.returncode, errors.strip()[-300:]))
            return None
        return parse_output(output)

    def runs(self, program, *words, env=None, **options):
        """A function for in_turn: runs that program of ours, or that peer's, with the options as name=value."""
        path = self.program(program) if os.path.exists(self.program(program)) else self.peers.program(program)
        command = [path] + list(words) + ["%s=%s" % item for item in options.items()]
        return lambda: self.execute(command, env)

    def in_turn(self, what, rounds=5):
        """`what`: name -> function that returns a dict or None. Each runs once per round, so that what disturbs the
        machine for a while disturbs all alike."""
        rounds = self.rounds or rounds
        results = {name: [] for name in what}
        for number in range(rounds):
            for name, function in what.items():
                self.progress("  %s: round %d of %d: %s" % (self.name, number + 1, rounds, name))
                one = function()
                if one is not None:
                    results[name].append(one)
        self.progress("")
        self.data.append({"rounds": rounds, "results": results})
        return {name: found for name, found in results.items() if found}

    # ---- showing ----

    def problem(self, text):
        self.progress("")
        self.problems.append("%s: %s" % (self.name, text) if self.name else text)
        print("!! %s" % self.problems[-1], flush=True)

    def say(self, text):
        self.progress("")
        print(text, flush=True)

    def table(self, header, rows):
        """`rows`: lists; the first column stands to the left, the others to the right."""
        rows = [[str(cell) for cell in row] for row in rows]
        widths = [max(len(row[i]) for row in [header] + rows) for i in range(len(header))]
        for row in [header] + rows:
            cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
            print("  " + "   ".join(cells).rstrip())
        sys.stdout.flush()

    def target(self, what, limit, value, unit="x"):
        """`value`: a function of how to pick a number from a cell. By the least of each, what others do on the machine
        at the same time matters less."""
        self.targets.append((what, value(lambda cell: cell.median), value(lambda cell: cell.least), limit, unit, False))

    def at_least(self, what, limit, value, unit="x"):
        """The same where more is better."""
        self.targets.append((what, value(lambda cell: cell.median), value(lambda cell: cell.least), limit, unit, True))

    def bars(self, name, title, unit, rows, is_logarithmic=True):
        """A plot of (label, Cell) rows."""
        path = os.path.join(self.data_dir, name + ".svg")
        plot.bars(path, title, unit, [(label, cell.median, cell.values[0], cell.values[-1]) for label, cell in rows],
                  is_logarithmic)
        self.plots.append(path)

    def lines(self, name, title, x_unit, y_unit, series):
        """A plot of series: name -> list of (x, Cell)."""
        path = os.path.join(self.data_dir, name + ".svg")
        plot.lines(path, title, x_unit, y_unit, {label: [(x, cell.median, cell.values[0], cell.values[-1])
                                                         for x, cell in points] for label, points in series.items()})
        self.plots.append(path)

    # ---- one benchmark, and the end ----

    def run(self, name, function):
        self.name = name
        self.data = []
        self.busiest = max(self.busiest, os.getloadavg()[0])
        began = time.monotonic()
        self.say("\n%s: %s" % (name, " ".join(function.__doc__.split())))
        function(self)
        machine = {"cpu": cpu_name(), "kernel": platform.release(), "cpus": os.cpu_count(),
                   "load": os.getloadavg(), "when": time.strftime("%Y-%m-%d %H:%M:%S")}
        with open(os.path.join(self.data_dir, name + ".json"), "w", encoding="utf-8") as f:
            json.dump({"benchmark": name, "machine": machine, "measurements": self.data}, f, indent=1)
        self.say("  (%.0f s)" % (time.monotonic() - began))

    def finish(self):
        self.name = ""
        if self.targets:
            self.say("\ntargets:")
            self.table(["", "by medians", "by the least", "target", ""],
                       [[what, "%s %s" % (short(median), unit), "%s %s" % (short(least), unit),
                         "%s %s %s" % (">=" if is_least else "<=", short(limit), unit),
                         "met" if (median >= limit if is_least else median <= limit) else "NOT met"]
                        for what, median, least, limit, unit, is_least in self.targets])
        self.say("\nraw data and plots: %s" % self.data_dir)
        if self.busiest > os.cpu_count():
            self.say("!! the machine was busy: load %.1f with %d CPUs; times are those of a busy machine"
                     % (self.busiest, os.cpu_count()))
        if self.problems:
            self.say("\n%d problem%s:" % (len(self.problems), "" if len(self.problems) == 1 else "s"))
            for problem in self.problems:
                self.say("!! " + problem)
        return 1 if self.problems else 0


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown")
