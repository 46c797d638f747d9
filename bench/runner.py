# SPDX-License-Identifier: Unlicense
"""Runs programs in turn, keeps what they measured, and shows it as tables."""
import json
import os
import statistics
import subprocess
import sys
import time

TIMEOUT = 120  # seconds; a program that needs longer has failed


class Cell:
    """Repeated measurements of one thing."""

    def __init__(self, values):
        self.values = sorted(values)

    @property
    def median(self):
        return statistics.median(self.values)

    def text(self, scale=1.0, digits=3):
        def short(x):
            return "%.*g" % (digits, x * scale) if abs(x * scale) < 1000 else "%.0f" % (x * scale)

        if len(self.values) == 1:
            return short(self.values[0])
        return "%s (%s..%s)" % (short(self.median), short(self.values[0]), short(self.values[-1]))


def parse_output(text):
    """key=value lines; several values of one key become a list."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            try:
                found[key] = float(value) if "." in value or "e" in value else int(value)
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
        self.env = dict(os.environ, MPLOG_HELPER=os.path.join(build, "mplog"))
        self.problems = []
        self.is_terminal = sys.stderr.isatty()

    # ---- running ----

    def program(self, name):
        return os.path.join(self.build, "bench", name)

    def progress(self, text):
        if self.is_terminal:
            sys.stderr.write("\r\x1b[K" + text)
            sys.stderr.flush()

    def execute(self, command, what, env=None):
        """One program to its end; what it printed, or None if it failed."""
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=TIMEOUT, env=dict(self.env, **(env or {})), universal_newlines=True)
        except subprocess.TimeoutExpired:
            self.problem("%s: did not end within %d s" % (what, TIMEOUT))
            return None
        if done.returncode != 0:
            self.problem("%s: status %d: %s" % (what, done.returncode, done.stderr.strip()[-300:]))
            return None
        return parse_output(done.stdout)

    def in_turn(self, what, rounds=5):
        """`what`: name -> function that returns a dict or None. Each runs once per round, so that what disturbs the
        machine for a while disturbs all alike."""
        rounds = self.rounds or rounds
        results = {name: [] for name in what}
        for number in range(rounds):
            for name, function in what.items():
                self.progress("%s  round %d of %d: %s" % (self.name, number + 1, rounds, name))
                one = function()
                if one is not None:
                    results[name].append(one)
        self.progress("")
        self.data[len(self.data)] = results
        return {name: found for name, found in results.items() if found}

    # ---- showing ----

    def problem(self, text):
        self.progress("")
        self.problems.append("%s: %s" % (self.name, text))
        print("!! %s" % self.problems[-1], flush=True)

    def heading(self, text):
        print("\n%s" % text, flush=True)

    def table(self, header, rows):
        """`rows`: lists of texts; the first column to the left, the others to the right."""
        widths = [max(len(str(row[i])) for row in [header] + rows) for i in range(len(header))]
        for row in [header] + rows:
            cells = [str(row[0]).ljust(widths[0])] + [str(c).rjust(w) for c, w in zip(row[1:], widths[1:])]
            print("  " + "   ".join(cells).rstrip())
        sys.stdout.flush()

    # ---- one benchmark ----

    def run(self, name, function):
        self.name = name
        self.data = {}
        began = time.monotonic()
        self.heading("== %s: %s" % (name, function.__doc__.strip().split("\n")[0]))
        function(self)
        with open(os.path.join(self.data_dir, name + ".json"), "w", encoding="utf-8") as f:
            json.dump({"benchmark": name, "results": list(self.data.values())}, f, indent=1)
        print("  (%.0f s)" % (time.monotonic() - began), flush=True)

    def finish(self):
        if self.problems:
            print("\n%d problem%s:" % (len(self.problems), "" if len(self.problems) == 1 else "s"))
            for problem in self.problems:
                print("  " + problem)
        return 1 if self.problems else 0
