#!/usr/bin/python3
# SPDX-License-Identifier: Unlicense
"""run.py [--long] [MODEL ...]: checks the models of this folder with spin; the output is TAP.

Each model must verify, with its whole state space searched, in each of its configurations; each mutant that its header
names must be found out; and no statement may be out of reach in all configurations. Without --long, configurations that
take minutes or gigabytes are left out; those that remain are complete for what they say.
"""
import collections
import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
WORKERS = 2
MEMORY_MB, LONG_MEMORY_MB = 1400, 6000

# what: part of the test's name. formula: check the LTL formula, with weak fairness, instead of the assertions.
Check = collections.namedtuple("Check", "model what macros formula is_mutant is_long")

# Longest paths, as the search goes; each level costs memory.
DEPTH = {"ring": 100000, "file": 10000, "waiting": 10000, "batches": 10000, "join": 2000, "watch": 3000000,
         "elect": 100000}


def verify(model, what, macros="", formula=False, is_long=False):
    return Check(model, what, macros.split(), formula, False, is_long)


def mutants(model, names, macros="", formula=False):
    return [Check(model, name, macros.split() + [name], formula, True, False) for name in names.split()]


ONE_DIES = "DEATHS=1 STOPS=0"
LOCKS_LOST = "NO_JOINER_DIES DEATHS=0 STOPS=0 MISTAKES=0 LOSSES=2"
TWO_SESSIONS = "SESSIONS=2 BATCHES=1 DEATHS=2"
LOSING = "LOSING NOBODY_DIES RECORDS_0=1 RECORDS_1=0"

CHECKS = [
    verify("ring", "two threads, rings of one record", "CELLS=1 RECORDS_0=2 RECORDS_1=1"),
    verify("ring", "one thread, rings of two records", "RECORDS_0=3 RECORDS_1=0"),
    verify("ring", "two threads, rings of two records", is_long=True),
    verify("ring", "two threads, rings of one record, used again", "CELLS=1 RECORDS_0=3 RECORDS_1=1", is_long=True),
    *mutants("ring", "PUBLISH_FIRST POSITION_BEFORE_STATE STAMPS_AFTER_LOOK RELEASE_BEFORE_DECISION FREE_UNDRAINED "
             "LOOK_BEFORE_DEATH SPACE_UNSEEN"),

    verify("file", "one session, six deaths", "DEATHS=6"),
    verify("file", "two sessions, two deaths", TWO_SESSIONS),
    verify("file", "two sessions whose lines are alike, two deaths", "ALIKE " + TWO_SESSIONS),
    verify("file", "two sessions, four deaths", "SESSIONS=2 BATCHES=1 DEATHS=4", is_long=True),
    verify("file", "two sessions, two batches each, three deaths", "SESSIONS=2 BATCHES=2 DEATHS=3", is_long=True),
    *mutants("file", "DONE_BEFORE_WRITE NO_INTENT YOUNGEST_FIRST"),
    *mutants("file", "NO_LOCK PATH_ONLY SIZE_BEFORE_LOCK BLIND_CONTINUE NO_END_LINE", TWO_SESSIONS),

    verify("waiting", "writes fail, three deaths"),
    *mutants("waiting", "ONE_COPY KEEP_TAGS UNDECIDED_COUNTS DONE_GOES_BACK NO_INTENT DONE_BEFORE_WRITE EARLY_REWIND"),

    verify("batches", "writes fail, two deaths"),
    *mutants("batches", "NEWER_FIRST REWIND_WHILE_OUT OLD_DONE_IS_DAMAGE TURN_KEEPS_BEGIN"),

    verify("join", "joiners and a collector may be killed", ONE_DIES),
    verify("join", "a collector may be killed, one told to stop", "NO_JOINER_DIES DEATHS=1 MISTAKES=0"),
    verify("join", "nobody is killed, two are told to stop: nothing is left behind", "ORDERLY STOPS=2"),
    verify("join", "two collectors may lose their lock", LOCKS_LOST),
    verify("join", "nobody is killed: it settles", "ORDERLY STOPS=0", formula=True),
    verify("join", "two collectors may be killed", "DEATHS=2 STOPS=0", is_long=True),
    verify("join", "joiners and a collector may be killed, one told to stop", "DEATHS=1 MISTAKES=0", is_long=True),
    verify("join", "nobody is killed, one is told to stop: it settles", "ORDERLY", formula=True, is_long=True),
    verify("join", "a collector may be killed: it settles", "NO_JOINER_DIES MISTAKES=0 " + ONE_DIES, formula=True,
           is_long=True),
    verify("join", "joiners may be killed: it settles", "DEATHS=0 STOPS=0", formula=True, is_long=True),
    *mutants("join", "NO_RESCAN READ_BEFORE_CLAIM OLD_BOUND NO_IDENTITY KEEP_CLOSING PARENT_MUST_STAY", ONE_DIES),
    *mutants("join", "BLIND_STATE BLIND_RETIRE", LOCKS_LOST),
    *mutants("join", "LOOK_BEFORE_UNLOCK LEAVING_COUNTS", "ORDERLY"),
    *mutants("join", "NO_CLEARING", "NO_JOINER_DIES MISTAKES=0 " + ONE_DIES, formula=True),

    verify("watch", "one producer, collectors may be killed", "PRODUCERS=1"),
    verify("watch", "one producer, collectors may be killed, one is replaced", "PRODUCERS=1 REPLACED"),
    verify("watch", "two producers, nobody is killed", "PRODUCERS=2 NOBODY_DIES"),
    verify("watch", "two producers, collectors may be killed", "PRODUCERS=2", is_long=True),
    *mutants("watch", "NO_MEMBARRIER LOOK_BEFORE_COLD SLEEP_WITHOUT_LOOK WAIT_WITHOUT_VALUE TELL_ONCE ONE_LAST_CALL",
             "PRODUCERS=1"),
    *mutants("watch", "EXPIRED_IS_NOT_TOLD", "PRODUCERS=1 REPLACED"),

    verify("elect", "anybody may be killed"),
    verify("elect", "one loses its lock", LOSING),
    verify("elect", "anybody may be killed, TAG_FIRST", "TAG_FIRST", is_long=True),
    verify("elect", "one loses its lock, anybody may be killed", "LOSING RECORDS_0=1 RECORDS_1=0", is_long=True),
    verify("elect", "one loses its lock, two records", "LOSING NOBODY_DIES RECORDS_0=2 RECORDS_1=0", is_long=True),
    *mutants("elect", "POSITION_AFTER_DECISION KEEP_TAGS ZERO_TAG_COUNTS LATE_RING CLAIM_FOR_EVER"),
    *mutants("elect", "STORE_SEQ EXACT_WHEN_LOSING", LOSING),
]

# What a search says about itself when it was a complete one, and what when it was not.
COMPLETE = "Full statespace search for:"
INCOMPLETE = re.compile("max search depth too small|out of memory|MEMLIM bound|Search not completed")

running = set()


def stop(number, _frame):
    """The temporary folders are removed on the way out; that waits for the searches."""
    for process in list(running):
        process.kill()
    sys.exit(128 + number)


def run(command, folder):
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True) as process:
        running.add(process)
        output = process.communicate()[0]
        running.discard(process)
        return process.returncode, output


def commands(check):
    options = ["-DNFAIR=3"] if check.formula else ["-DSAFETY", "-DNOCLAIM"]
    options.append("-DMEMLIM=%d" % (LONG_MEMORY_MB if check.is_long else MEMORY_MB))
    depth = DEPTH[check.model] * (2 if check.is_long else 1)
    # A mutant dies young: optimizing it would take longer than its search.
    options.append("-O0" if check.is_mutant and not check.formula else "-O2")
    return [["spin", "-a"] + ["-D" + macro for macro in check.macros] + [check.model + ".pml"],
            ["gcc", "-w", *options, "-o", "pan", "pan.c"],
            ["./pan", "-m%d" % depth] + (["-a", "-f"] if check.formula else [])]


def statements(folder):
    """The lines of the statements of each process type, by their numbers: {process type: [line, ...]}."""
    with open(os.path.join(folder, "pan.h"), encoding="utf-8") as f:
        names = dict(re.findall(r"#define _nstates(\d+)\s+\d+\s+/\* (\S+) \*/", f.read()))
    with open(os.path.join(folder, "pan.c"), encoding="utf-8") as f:
        tables = re.findall(r"^short src_ln(\d+) \[\] = \{([^}]*)\}", f.read(), re.M)
    return {names[number]: re.findall(r"\d+", lines) for number, lines in tables if number in names}


def unreached(output):
    """{(process type, line, number, text)} of what the search says it has not reached; ends of processes aside."""
    found, process = set(), None
    for line in output.splitlines():
        m = re.match(r"unreached in (proctype|init|claim) ?(\S*)", line)
        if m:
            process = {"init": ":init:", "claim": None}.get(m.group(1), m.group(2))
        m = re.match(r'\t\S+\.pml:(\d+), state (\d+), "(.*)"', line)
        if m and process and m.group(3) != "-end-":
            found.add((process,) + m.groups())
    return found


class Result:
    """What came out of a check: `problem` is None if it is as it should be."""

    def __init__(self, check, output, folder):
        self.note = self.output = output
        self.problem = "the search did not run"
        errors = re.search(r"errors: (\d+)", output)
        states = re.search(r"(\d+) states, stored", output)
        if errors and states:
            self.judge(check, int(errors.group(1)), int(states.group(1)))
            self.unreached, self.statements = unreached(output), statements(folder)

    def judge(self, check, errors, states):
        seconds = re.search(r"elapsed time (\S+) seconds", self.output)
        finding = re.search(r"^pan:\d+: (assertion violated|acceptance cycle|invalid end state)", self.output, re.M)
        is_complete = COMPLETE in self.output and not INCOMPLETE.search(self.output)
        self.note = "%d states, %s s" % (states, seconds.group(1) if seconds else "0")
        if check.is_mutant:
            self.problem = None if errors and finding else "it was not found out"
            self.note += ", " + finding.group(1) if finding else ""
        elif errors or finding:
            self.problem = "it does not verify"
        else:
            self.problem = None if is_complete else "the search was not complete"


def carry_out(check):
    with tempfile.TemporaryDirectory(prefix="mplog-models-") as folder:
        shutil.copy(os.path.join(HERE, check.model + ".pml"), folder)
        output = ""
        for command in commands(check):
            status, output = run(command, folder)
            if status and command[0] != "./pan":
                break
        return Result(check, output, folder)


def reaches(result, other, statement):
    """Has the configuration `other` the same statement, and reached it? If its macros have given the process other
    statements, their numbers differ: then the line must at least have as many as here."""
    process, line, _, text = statement
    ours, theirs = result.statements[process], other.statements.get(process, [])
    if ours == theirs:
        return statement not in other.unreached
    return ours.count(line) == theirs.count(line) and \
        not any((s[0], s[1], s[3]) == (process, line, text) for s in other.unreached)


def never_reached(results):
    """Statements that no configuration reached."""
    return sorted({"line %s: %s" % (statement[1], statement[3]) for result in results for statement in result.unreached
                   if not any(reaches(result, other, statement) for other in results)})


def misnamed(model, checks):
    """Mutants that the header names and the table above does not, or the reverse."""
    with open(os.path.join(HERE, model + ".pml"), encoding="utf-8") as f:
        header = re.search(r"\* Mutants \(-D\): (.*?)\*/", f.read(), re.S).group(1)
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b|\bREPLACED\b|\bLOSING\b|\bORDERLY\b", header))
    tested = {check.what for check in checks if check.is_mutant}
    conditions = {macro for check in checks for macro in check.macros} - tested
    return sorted((named - conditions) ^ tested)


class Tap:
    def __init__(self, count):
        self.number = self.failures = 0
        print("1..%d" % count, flush=True)

    def line(self, is_ok, name, notes):
        self.number += 1
        self.failures += not is_ok
        for note in notes:
            print("# " + note)
        print("%sok %d - %s" % ("" if is_ok else "not ", self.number, name), flush=True)


def report(tap, check, result):
    name = "%s: %s" % (check.model, check.what + " is caught" if check.is_mutant else check.what)
    tap.line(result.problem is None, name, [result.note] if result.problem is None else
             [result.problem] + result.output.splitlines()[:40])


def main():
    arguments = sys.argv[1:]
    is_long = "--long" in arguments
    models = [re.sub(r"\.pml$", "", a) for a in arguments if a != "--long"] or sorted(DEPTH)
    unknown = [model for model in models if model not in DEPTH]
    if unknown:
        print("Bail out! no model %s; there are %s" % (unknown[0], " ".join(sorted(DEPTH))))
        return 1
    checks = [c for c in CHECKS if c.model in models and (is_long or not c.is_long)]
    for tool in ("spin", "gcc"):
        if not shutil.which(tool):
            print("Bail out! %s is not installed" % tool)
            return 1
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    tap = Tap(len(checks) + 2 * len(models))
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        results = dict(zip(map(id, checks), pool.map(carry_out, checks)))
    for check in checks:
        report(tap, check, results[id(check)])
    for model in models:
        complete = [results[id(c)] for c in checks if c.model == model and not c.is_mutant and not c.formula]
        is_known = all(hasattr(result, "unreached") for result in complete)
        never = never_reached(complete) if is_known else ["not known"]
        tap.line(not never, model + ": every statement is reached", never)
        wrong = misnamed(model, [c for c in CHECKS if c.model == model])
        tap.line(not wrong, model + ": its header names the mutants", wrong)
    if not is_long:
        for check in CHECKS:
            if check.is_long and check.model in models:
                print("# left out without --long: %s: %s" % (check.model, check.what))
    return 1 if tap.failures else 0


if __name__ == "__main__":
    sys.exit(main())
