#!/usr/bin/env python3
# SPDX-License-Identifier: Unlicense
"""Runs whole programs against whole promises:

    test_system.py BUILD [--long] [--only PART]... [--repeat N] [--seed N] [--keep]

BUILD is the build folder. Speaks TAP. --only: tests whose names contain PART. --keep: leaves their folders in place.
"""
import argparse
import os
import random
import signal
import sys

sys.dont_write_bytecode = True  # the folder is part of the sources

import cases_alone
import cases_birth
import cases_clock
import cases_crash
import cases_death
import cases_denied
import cases_descriptor
import cases_disk
import cases_hang
import cases_load
import cases_memory
import cases_places
import cases_recover
import cases_setup
import cases_signals
import cases_space
import cases_stat
import cases_stream
import cases_trust
import cases_unwritten
import support


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--keep", action="store_true")
    return parser.parse_args()


def main():
    # Whoever started us in the background, or with nohup, has them ignored, and what we start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    arguments = parse_arguments()
    modules = (cases_load, cases_birth, cases_death, cases_stream, cases_setup, cases_signals, cases_crash,
               cases_denied, cases_space, cases_disk, cases_hang, cases_recover, cases_stat, cases_trust,
               cases_clock, cases_places, cases_memory, cases_alone, cases_unwritten, cases_descriptor)
    cases = [case for module in modules
             for case in module.CASES + (getattr(module, "LONG_CASES", ()) if arguments.long else ())
             if not arguments.only or any(part in case.__name__ for part in arguments.only)]
    if not cases:
        print("Bail out! no test's name contains", " or ".join(arguments.only))
        return 1
    bench = support.Bench(os.path.abspath(arguments.build), arguments.long, arguments.seed, arguments.keep)
    print(f"# seed {arguments.seed}", flush=True)
    try:
        failures = support.run_tests(bench, cases * arguments.repeat)
    finally:
        bench.close()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
