# SPDX-License-Identifier: Unlicense
"""On PYTHONPATH, this gives a program the start method that the test asks for, without a word in the program."""
import multiprocessing
import os

if os.environ.get("TEST_START_METHOD"):
    multiprocessing.set_start_method(os.environ["TEST_START_METHOD"])
