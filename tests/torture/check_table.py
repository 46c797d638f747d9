#!/usr/bin/env python3
# SPDX-License-Identifier: Unlicense
"""The table of faults in docs/faults.md names tests that exist, and each of the 65 first faults once. Speaks TAP."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FAULTS = 65
ROW = re.compile(r"\| *(\d+) *\|")
NAME = re.compile(r"`([A-Za-z][A-Za-z0-9_.]+)`")


def rows():
    """(number, the column that names tests)"""
    with open(os.path.join(ROOT, "docs", "faults.md"), encoding="utf-8") as f:
        return [(int(ROW.match(line)[1]), line.split("|")[4]) for line in f if ROW.match(line)]


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


def main():
    table, words = rows(), words_of_tests()
    numbers = [number for number, _ in table]
    wrong = [n for n in set(range(1, FAULTS + 1)) | set(numbers) if numbers.count(n) != 1]
    unknown = [f"{number}: {name}" for number, shown in table for name in NAME.findall(shown) if name not in words]
    bare = [number for number, shown in table if not NAME.search(shown) and "**no test yet**" not in shown]
    results = (("each_fault_has_one_row", wrong), ("tests_that_are_named_exist", unknown),
               ("rows_without_a_test_say_so", bare))
    print(f"1..{len(results)}")
    for at, (name, problems) in enumerate(results, 1):
        print(f"{'not ok' if problems else 'ok'} {at} - {name}")
        if problems:
            print("#", *problems)
    return 1 if any(problems for _, problems in results) else 0


if __name__ == "__main__":
    sys.exit(main())
