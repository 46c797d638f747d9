# SPDX-License-Identifier: Unlicense
"""The part of `make demo` in Python: an event loop, workers under each start method and a child in C, in one file.

    demo.py ACCEPTED LOG_FILE DEMO        what was accepted is appended to ACCEPTED; DEMO is the program of demo.c
"""
import asyncio
import multiprocessing as mp
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "python"))

import numbered  # noqa: E402
from mplog import get_logger, setup_logging  # noqa: E402

RECORDS = 25


def note_accepted(path, producer, count):
    with open(path, "a") as f:
        f.write("%s %d\n" % (producer, count))


def log_one(logger, producer, i):
    logger.info(numbered.FORMAT, *numbered.arguments(producer, i))


def work_in_thread(accepted, method, number):
    producer, logger = "py.%s.t%d" % (method, number), get_logger("py_%s" % method)
    for i in range(RECORDS):
        log_one(logger, producer, i)
        time.sleep(0.05)
    note_accepted(accepted, producer, RECORDS)


def work(accepted, method):
    threads = [threading.Thread(target=work_in_thread, args=(accepted, method, i), name="thread-%d" % i) for i in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


async def task(accepted, number):
    producer, logger = "py.task%d" % number, get_logger("py_asyncio")
    for i in range(RECORDS):
        log_one(logger, producer, i)
        await asyncio.sleep(0.06)
    note_accepted(accepted, producer, RECORDS)


async def tasks(accepted):
    await asyncio.gather(*(task(accepted, i) for i in range(3)))


def main():
    accepted, log_file, demo = sys.argv[1:]
    setup_logging(log_file=log_file, max_bytes=20 << 10, backup_count=1000)
    processes = [mp.get_context(method).Process(target=work, args=(accepted, method), name="py_" + method)
                 for method in ("fork", "spawn", "forkserver")]
    for p in processes:
        p.start()
    child = subprocess.Popen([demo, accepted, log_file, "--executed"])
    asyncio.run(tasks(accepted))
    for p in processes:
        p.join()
    child.wait()


if __name__ == "__main__":
    main()
