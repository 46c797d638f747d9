#!/usr/bin/env python3
# SPDX-License-Identifier: Unlicense
"""The mplog command from outside:

    test_cli.py MPLOG [PATTERN]...

MPLOG is the command's path. Speaks TAP. PATTERN: tests whose names it matches somewhere.
"""
import re
import signal
import sys

sys.dont_write_bytecode = True  # the folder is part of the sources

import cases_cli_lines
import cases_cli_options
import cases_cli_run
import cases_cli_signals
import cli_support
import support


def stop(number, _frame):
    raise SystemExit(128 + number)  # by way of all that cleans up


def main():
    patterns = sys.argv[2:] or [""]
    modules = (cases_cli_lines, cases_cli_run, cases_cli_signals, cases_cli_options)
    cases = [case for module in modules for case in module.CASES if any(re.search(p, case.__name__) for p in patterns)]
    # nohup and background jobs have some of them ignored, and so would the processes that are tested.
    for number in (signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, stop)
    return 1 if support.run_tests(cli_support.Bench(sys.argv[1]), cases) else 0


if __name__ == "__main__":
    sys.exit(main())
