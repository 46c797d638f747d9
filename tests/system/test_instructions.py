#!/usr/bin/python3
# SPDX-License-Identifier: Unlicense
"""test_instructions.py PROGRAM [--update]

Counts, by valgrind, the instructions of a log call and of a collected record, and compares them with those in
bench/instructions.json: times are too noisy on a shared machine to show that something has become 10 % slower. The
counts depend on compiler and C library; with others than those the file was made with, more deviation is allowed.
--update writes the file, after a change that is meant.
"""
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BASELINE = os.path.join(ROOT, "bench", "instructions.json")
PORTIONS, PORTION = 10, 100  # PORTION: as in instructions.c
WHAT = {
    "disabled": "a disabled call",
    "constant": "a call with a constant message",
    "values": "a call with an integer, a string and a double",
    "string": "a call with a string of 200 bytes",
    "constant_clock": "a call with a constant message, stamped by clock_gettime",
    "values_clock": "a call with an integer, a string and a double, stamped by clock_gettime",
    "collect": "a record from one ring to the file",
    "merge": "a record from four rings to the file",
}
SAME, OTHER = 0.05, 0.35  # allowed deviation with the same compiler and C library, and with others
# memcpy and strlen as every x86-64 has them: the counts do not depend on the CPU then.
TUNABLES = "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-BMI2,-AVX_Fast_Unaligned_Load"


def clock(shim, name):
    """Environment in which stamps are the CPU's counter, or CLOCK_MONOTONIC, whatever this machine's kernel uses."""
    return {"LD_PRELOAD": shim, "CLOCKSOURCE_SHIM": "kvm-clock" if name.endswith("_clock") else "tsc"}


def first_line(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout.splitlines()[0]


def tools():
    return {"compiler": first_line("cc", "--version"), "libc": first_line("ldd", "--version").rsplit(" ", 1)[-1]}


def count(program, what):
    """Instructions for one of `what`, and what went wrong. The median of all portions: on a busy machine the
    collector's promise may run out within one, and one of its calls then looks after the collector."""
    with tempfile.TemporaryDirectory(prefix="mplog-instructions-") as folder:
        out = os.path.join(folder, "out")
        function = "measured_pass" if what in ("collect", "merge") else "measured_calls"
        command = ["valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=" + function,
                   "--dump-after=" + function, "--callgrind-out-file=" + out, program, what.replace("_clock", ""),
                   str(PORTIONS * PORTION)]
        shim = os.path.join(os.path.dirname(os.path.abspath(program)), "clocksource_shim.so")
        env = dict(os.environ, GLIBC_TUNABLES=TUNABLES, **clock(shim, what))
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=env, timeout=60, universal_newlines=True)
        totals = []
        for path in glob.glob(out + ".*"):
            with open(path, encoding="utf-8") as f:
                totals += [int(line.split()[1]) for line in f if line.startswith("totals:")]
    totals = [total for total in totals if total > 0]
    if done.returncode != 0 or len(totals) < PORTIONS:
        return None, "status %d, %d of %d portions: %s" % (done.returncode, len(totals), PORTIONS, done.stdout[-500:])
    return statistics.median(totals) / PORTION, None


def judge(name, measured, baseline, allowed):
    """What is to be said against it, or None."""
    if measured is None:
        return None
    before = baseline[name]
    if measured > before * (1 + allowed):
        return "%.0f instructions, %.0f before: %+.0f %%" % (measured, before, 100 * (measured / before - 1))
    if measured < before * (1 - allowed):
        return "%.0f instructions, %.0f before: better; write it down with --update" % (measured, before)
    return None


def main():
    program = sys.argv[1]
    if "--update" in sys.argv:
        counts = {name: round(count(program, name)[0], 1) for name in WHAT}
        with open(BASELINE, encoding="utf-8") as f:
            others = json.load(f)  # tests/python/test_instructions.py keeps its own there
        with open(BASELINE, "w", encoding="utf-8") as f:
            json.dump(dict(others, **tools(), instructions=counts), f, indent=2)
            f.write("\n")
        print(json.dumps(counts, indent=2))
        return 0
    print("1..%d" % len(WHAT))
    with open(BASELINE, encoding="utf-8") as f:
        baseline = json.load(f)
    is_same = all(baseline[key] == value for key, value in tools().items())
    failures = 0
    for number, (name, text) in enumerate(WHAT.items(), 1):
        if not shutil.which("valgrind"):
            print("ok %d - %s # SKIP valgrind is missing" % (number, text))
            continue
        allowed = SAME if is_same else OTHER
        measured, problem = count(program, name)
        problem = problem or judge(name, measured, baseline["instructions"], allowed)
        if problem:
            failures += 1
            print("# " + problem.replace("\n", "\n# "))
        verdict = "not ok" if problem else "ok"
        print("%s %d - instructions of %s are as many as before" % (verdict, number, text), flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
