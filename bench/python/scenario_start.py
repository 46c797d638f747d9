# SPDX-License-Identifier: Unlicense
"""start logger=NAME - from the beginning of a program until its first line is in the file; see start.py, which is run
in a fresh interpreter each time, since importing is part of it.
"""
import os
import subprocess
import sys
import time


def run(folder, logger):
    path = os.path.join(folder, "app.log")
    command = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "start.py"), logger, path]
    begin = time.perf_counter_ns()
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
    whole = time.perf_counter_ns() - begin
    return {"line_ns": int(output), "whole_ns": whole}
