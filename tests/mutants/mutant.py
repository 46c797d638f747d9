# SPDX-License-Identifier: Unlicense
"""What a mutant is: a mistake that somebody might make in the code, and the tests that must fail with it.

`faults`: rows of docs/faults.md, a number or several. `find` stands once in `file`, and `replace` takes its place.
`tests`: named as in that table, a bare name for tests/system, `unit:`, `py:`, or `torture:` with a part of
tools/torture and perhaps `#` and an item of it; each of them must fail. `hangs`: a test that does not end is one that
fails. `more`: further (file, find, replace), where several guards stand behind each other and each alone is enough.
"""
import collections
import functools
import glob
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIELDS = "name faults edits tests hangs"


class Mutant(collections.namedtuple("Mutant", FIELDS)):
    def __new__(cls, faults, name, file, find, replace, *tests, hangs=False, more=()):
        rows = (faults,) if isinstance(faults, int) else tuple(faults)
        return super().__new__(cls, name, rows, ((file, find, replace), *more), tests, hangs)

    def applied(self, root):
        """path -> text, of all files that it changes."""
        changed = {}
        for file, find, replace in self.edits:
            path = os.path.join(root, file)
            text = changed.get(path) or read(path)
            if text.count(find) != 1:
                raise ValueError(f"its text stands {text.count(find)} times in {file}: {find[:60]!r}")
            changed[path] = text.replace(find, replace)
        return changed


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


@functools.lru_cache(maxsize=None)
def texts(*patterns):
    return {path: read(path) for pattern in patterns for path in sorted(glob.glob(os.path.join(ROOT, pattern)))}


# Where tests of each kind are, and what of a file shows that one is there.
KINDS = {
    "unit": (("tests/unit/test_*.c", "tests/threads/test_*.c"), r"TEST_CASE\({}\)"),
    "py": (("tests/python/test_*.py",), r"^def {}\(|name=\"{}\""),
    "": (("tests/system/cases_*.py",), r"^def {}\("),
}


def program_of(test):
    """The file that has a test, below the root; None for a part of tools/torture."""
    kind, _, name = test.rpartition(":")
    if kind.startswith("torture"):
        return None
    patterns, shown_by = KINDS[kind]
    found = [path for path, text in texts(*patterns).items()
             if re.search(shown_by.replace("{}", re.escape(name)), text, re.M)]
    if len(found) != 1:
        raise ValueError(f"{len(found)} files have a test {test}")
    return os.path.relpath(found[0], ROOT)
