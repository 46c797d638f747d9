# SPDX-License-Identifier: Unlicense
"""test_instructions.py FOLDER [--update]

Counts, by valgrind, the instructions of a log call from Python, those of the interpreter included, and compares them
with bench/instructions.json, as tests/system/test_instructions.py does for C. They are those of one version of
/usr/bin/python3; with any other the test says so and compares nothing. --update writes the file, after a change that is
meant.
"""
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys

import support

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(support.HERE, "..", "system"))
from test_instructions import BASELINE, OTHER, SAME, TUNABLES, clock, judge, tools  # noqa: E402

PYTHON = "/usr/bin/python3"
SHIM = os.path.join(support.FOLDER, "..", "tests", "system", "clocksource_shim.so")
PORTIONS, PORTION = 10, 100
DEFAULT, CALLER = None, "%(asctime)s %(pathname)s:%(lineno)d %(funcName)s %(processName)s %(threadName)s %(message)s"
WHAT = {
    "disabled": ("a disabled call", DEFAULT, 'log.debug("a constant message")'),
    "constant": ("a call with a constant message", DEFAULT, 'log.info("a constant message")'),
    "values": ("a call with an int, a str and a float", DEFAULT, 'log.info("%d of %s: %f", i, "client-17", 12.5)'),
    "caller": ("a call with values and its caller", CALLER, 'log.info("%d of %s: %f", i, "client-17", 12.5)'),
}

# force_slow(False) changes nothing: its calls mark where one portion ends and the next begins.
PROGRAM = """
import sys
sys.path.insert(0, %r)
import mplog
mplog.setup_logging(log_file="app.log", log_to_stderr=False, format_string=%r)
mark = mplog._mplog.force_slow
log = mplog.get_logger("a.b")
for call in %r:
    exec("def portion(log):\\n for i in range(%d):\\n  " + call)
    for _ in range(20):
        portion(log)
    for _ in range(%d):
        mark(False)
        portion(log)
mark(False)
"""


def identity():
    return dict(tools(), python=sys.version)


def count(form, calls):
    """Instructions of each of these calls with what is around it: the median of all portions, since on a busy machine
    some call looks after the collector."""
    with support.Folder() as folder:
        program = PROGRAM % (support.FOLDER, form, calls, PORTION, PORTIONS)
        command = ["valgrind", "--tool=callgrind", "--dump-before=force_slow", "--callgrind-out-file=out", PYTHON, "-c",
                   program]
        env = dict(os.environ, GLIBC_TUNABLES=TUNABLES, PYTHONHASHSEED="0", MPLOG_RING_DIR=folder.rings,
                   **clock(SHIM, ""))
        done = subprocess.run(command, cwd=folder.path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=env, timeout=120, universal_newlines=True)
        totals = {}
        for path in glob.glob(folder.file("out.*")):
            with open(path, encoding="utf-8") as f:
                totals[int(path.rsplit(".", 1)[1])] = sum(int(l.split()[1]) for l in f if l.startswith("totals:"))
    portions = [totals[part] for part in sorted(totals)[1:]]  # the first is what came before
    if done.returncode or len(portions) < PORTIONS * len(calls):
        raise support.Failure("status %d, %d portions: %s" % (done.returncode, len(portions), done.stdout[-500:]))
    return [statistics.median(portions[i * PORTIONS:(i + 1) * PORTIONS]) / PORTION for i in range(len(calls))]


_counts = {}


def count_call(name):
    """Without the loop around it. One run for all calls with the same format: starting takes longer than counting."""
    form = WHAT[name][1]
    if name not in _counts:
        names = [other for other in WHAT if WHAT[other][1] == form]
        loop, *found = count(form, ["pass"] + [WHAT[other][2] for other in names])
        _counts.update((other, total - loop) for other, total in zip(names, found))
    return _counts[name]


def compare(name, baseline):
    allowed = SAME if all(baseline[key] == value for key, value in identity().items()) else OTHER
    problem = judge(name, count_call(name), baseline["instructions"], allowed)
    support.true(not problem, problem)


def update():
    counts = {name: round(count_call(name), 1) for name in WHAT}
    with open(BASELINE, encoding="utf-8") as f:
        whole = json.load(f)
    whole["python"] = dict(identity(), instructions=counts)
    with open(BASELINE, "w", encoding="utf-8") as f:
        json.dump(whole, f, indent=2)
        f.write("\n")
    print(json.dumps(counts, indent=2))
    return 0


def main():
    if "--update" in sys.argv:
        return update()
    with open(BASELINE, encoding="utf-8") as f:
        baseline = json.load(f)["python"]
    reason = None if sys.version == baseline["python"] else "the counts are those of Python " + baseline["python"]
    if not shutil.which("valgrind"):
        reason = "MISSING: valgrind"
    if reason:
        print("1..1\nok 1 - instructions are not compared: %s" % reason)
        return 0
    for name, (text, *_) in WHAT.items():
        support.case(compare, name, baseline, name="instructions of %s are as many as before" % text)
    return support.main()


if __name__ == "__main__":
    sys.exit(main())
