#!/usr/bin/env python3
# SPDX-License-Identifier: Unlicense
"""The table of faults in docs/faults.md names tests that exist, each of the 65 first faults once, and mutants that
tests/mutants/ has, whose texts still stand in the sources. Speaks TAP. Nothing is built or run: tools/mutants does it.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests", "mutants"))

import mutant as mutants  # noqa: E402
import table as mutant_table  # noqa: E402

FAULTS = 65
ROW = re.compile(r"\| *(\d+) *\|")
NAME = re.compile(r"`([A-Za-z][A-Za-z0-9_.]+)`")


def rows():
    """(number, the column that names tests, that which names mutants)"""
    with open(os.path.join(ROOT, "docs", "faults.md"), encoding="utf-8") as f:
        cells = [line.split("|") for line in f if ROW.match(line)]
    return [(int(cell[1]), cell[4], cell[6].strip()) for cell in cells]


def words_of_tests():
    found = set()
    for folder in ("tests", "models", "fuzz"):
        for at, _, names in os.walk(os.path.join(ROOT, folder)):
            for name in names:
                found.update((name, re.sub(r"^fuzz_|\.c$", "", name)))
                if name.endswith((".c", ".py", ".cc")):
                    with open(os.path.join(at, name), encoding="utf-8") as f:
                        found.update(re.findall(r"\w+", f.read()))
    return found


def misplaced_mutants(table):
    """Names that stand where they should not, or do not stand where they should."""
    in_rows = {(number, name) for number, _, cell in table for name in re.findall(r"`(\w+)`", cell)}
    in_table = {(number, m.name) for m in mutant_table.MUTANTS for number in m.faults}
    return [f"{number}: {name}" for number, name in sorted(in_rows ^ in_table)]


def stale_mutants(table):
    """Those that could not be planted, or whose row or tests do not name each other."""
    shown, wrong = {number: shown for number, shown, _ in table}, []
    for m in mutant_table.MUTANTS:
        tests = [test.partition("#")[0].rpartition(":")[2] for test in m.tests]
        try:
            m.applied(ROOT)
            for test in m.tests:
                mutants.program_of(test)
        except (OSError, ValueError) as e:
            wrong.append(f"{m.name}: {e};")
        wrong += [f"{m.name}: row {number} names none of its tests;" for number in m.faults
                  if not any(re.search(r"(?<!\w)%s(?!\w)" % re.escape(test.strip()), shown.get(number, ""))
                             for test in tests)]
    return wrong


def main():
    full_table, words = rows(), words_of_tests()
    table = [(number, shown) for number, shown, _ in full_table]
    numbers = [number for number, _ in table]
    wrong = [n for n in set(range(1, FAULTS + 1)) | set(numbers) if numbers.count(n) != 1]
    unknown = [f"{number}: {name}" for number, shown in table for name in NAME.findall(shown) if name not in words]
    bare = [number for number, shown in table if not NAME.search(shown) and "**no test yet**" not in shown]
    unproved = [number for number, shown, cell in full_table if not cell and "**no test yet**" not in shown]
    results = (("each_fault_has_one_row", wrong), ("tests_that_are_named_exist", unknown),
               ("rows_without_a_test_say_so", bare), ("mutants_stand_in_their_rows", misplaced_mutants(full_table)),
               ("mutants_fit_the_sources_and_their_rows", stale_mutants(full_table)),
               ("rows_without_a_mutant_say_why", unproved))
    print(f"1..{len(results)}")
    for at, (name, problems) in enumerate(results, 1):
        print(f"{'not ok' if problems else 'ok'} {at} - {name}")
        if problems:
            print("#", *problems)
    return 1 if any(problems for _, problems in results) else 0


if __name__ == "__main__":
    sys.exit(main())
