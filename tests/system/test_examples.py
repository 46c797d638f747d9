#!/usr/bin/python3
# SPDX-License-Identifier: Unlicense
"""test_examples.py BUILD PROGRAM...: runs each C example and compares what it wrote, without times and process ids."""
import os
import re
import subprocess
import sys
import tempfile

# What stands in file and on stderr, after the time and without what differs from run to run.
EXPECTED = {
    "basic": ("app.log", False, [
        r"INFO     app \[example_basic:\d+ main\] This is an info message",
        r"ERROR    app \[example_basic:\d+ main\] This is an error",
        r"INFO     app \[example_basic:\d+ main\] 3 of 4 tasks done, 75.0 %",
    ]),
    "workers": ("workers.log", True, [
        r"INFO     worker_%d \[example_workers:\d+ main\] Worker %d %s" % (i, i, what)
        for i in range(4) for what in ("started", "finished")
    ] + [r"INFO     root \[example_workers:\d+ main\] All workers are done"]),
    "threads": ("threads.log", True, [
        r"INFO     threads \[example_threads:\d+ %s\] step %d" % (name, i)
        for name in ("reader", "parser", "writer") for i in range(3)
    ]),
    "custom_format": ("custom.log", False, [r"\[DEBUG\] custom: This uses custom formatting \(custom_format.c:\d+\)"]),
    "error_with_errno": ("errors.log", False, [
        r"ERROR    files \[example_error_with_errno:\d+ main\] open /does/not/exist: "
        r"No such file or directory \(errno 2\)",
    ]),
    "event_loop": ("loop.log", False, [
        r"INFO     loop \[example_event_loop:\d+ main\] turn %d, \d+ expirations" % i for i in range(1, 6)
    ]),
}
STAMP = re.compile(r"^(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d(,\d{3})? ")


def problem_with(lines, expected, in_any_order):
    rest = [STAMP.sub("", line, count=1) for line in lines]
    if len(rest) != len(expected):
        return "%d lines, not %d: %r" % (len(rest), len(expected), lines)
    if not all(STAMP.match(line) for line in lines):
        return "a line without a time: %r" % lines
    for pattern, line in zip(expected, rest):
        if in_any_order:
            match = next((r for r in rest if re.fullmatch(pattern, r)), None)
        else:
            match = line if re.fullmatch(pattern, line) else None
        if match is None:
            return "no line is %r: %r" % (pattern, lines)
    return None


def run(program, build):
    name = os.path.basename(program).replace("example_", "", 1)
    log, in_any_order, expected = EXPECTED[name]
    environment = dict(os.environ, MPLOG_HELPER=os.path.join(build, "mplog"))
    with tempfile.TemporaryDirectory(prefix="mplog-example-") as folder:
        done = subprocess.run([program], cwd=folder, env=environment, timeout=30, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True)
        if done.returncode != 0:
            return "status %d: %s" % (done.returncode, done.stderr)
        with open(os.path.join(folder, log), encoding="utf-8") as f:
            in_file = f.read().splitlines()
        if name == "custom_format" and "levelnmae" not in done.stdout:
            return "the mistake was not named: %r" % done.stdout
        if os.listdir(folder) != [log]:
            return "left behind: %r" % os.listdir(folder)
    return (problem_with(in_file, expected, in_any_order) or
            problem_with(done.stderr.splitlines(), expected, in_any_order))


def main():
    build, *programs = map(os.path.abspath, sys.argv[1:])
    print("1..%d" % len(programs))
    failures = 0
    for number, program in enumerate(programs, 1):
        problem = run(program, build)
        if problem:
            failures += 1
            print("# " + problem.replace("\n", "\n# "))
        print("%sok %d - %s" % ("not " if problem else "", number, os.path.basename(program)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
