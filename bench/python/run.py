#!/usr/bin/python3
# SPDX-License-Identifier: Unlicense
"""run.py SCENARIO name=value ... - one measurement of one logger in this process; prints name=value lines."""
import importlib
import os
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True  # the folder is part of the sources


def main():
    scenario = importlib.import_module("scenario_" + sys.argv[1])
    options = dict(argument.split("=", 1) for argument in sys.argv[2:])
    folder = tempfile.mkdtemp(prefix="mplog-bench-")  # below TMPDIR: on the disk that a log would be on
    try:
        for name, value in scenario.run(folder, **options).items():
            print("%s=%.2f" % (name, value) if isinstance(value, float) else "%s=%s" % (name, value))
    finally:
        shutil.rmtree(folder)
    if getattr(scenario, "LEAVES_AT_ONCE", False):
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
