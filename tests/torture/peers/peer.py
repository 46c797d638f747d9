# SPDX-License-Identifier: Unlicense
"""peer.py KIND LOG TALLY RATE WORKERS: as peer.cc, in Python.

"cookbook": the recipe of the logging cookbook, a multiprocessing.Queue and a QueueListener in the main process.
"clh": concurrent-log-handler in every process.
"""
import logging
import logging.handlers
import mmap
import multiprocessing
import os
import struct
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))

import numbered  # noqa: E402

FORM = logging.Formatter("%(asctime)s %(levelname)-8s %(name)s [%(processName)s] %(message)s")


def clh_handler(path):
    import concurrent_log_handler
    return concurrent_log_handler.ConcurrentRotatingFileHandler(path, "a", 0, 0)


def produce(kind, path, queue, tally, number, rate):
    log = logging.getLogger("peer")
    log.setLevel(logging.INFO)
    handler = logging.handlers.QueueHandler(queue) if kind == "cookbook" else clh_handler(path)
    if kind != "cookbook":
        handler.setFormatter(FORM)
    log.handlers = [handler]
    name, at, i, begin = f"p.{number}", 64 * (number + 1), 0, time.monotonic()
    tally[at:at + 48] = name.encode().ljust(48, b"\0")
    while not tally[8]:
        if rate:
            time.sleep(max(0, begin + i / rate - time.monotonic()))
        log.info(numbered.FORMAT, *numbered.arguments(name, i))
        i += 1
        tally[at + 48:at + 56] = struct.pack("<Q", i)


def main(kind, path, tally_path, rate, workers):
    with open(tally_path, "r+b") as f:
        tally = mmap.mmap(f.fileno(), 0)
    context = multiprocessing.get_context("fork")
    queue = context.Queue() if kind == "cookbook" else None
    children = [context.Process(target=produce, args=(kind, path, queue, tally, i, int(rate)))
                for i in range(int(workers))]
    for child in children:
        child.start()
    listener = None
    if kind == "cookbook":
        handler = logging.FileHandler(path)
        handler.setFormatter(FORM)
        listener = logging.handlers.QueueListener(queue, handler)
        listener.start()
    produce(kind, path, queue, tally, int(workers), int(rate))
    for child in children:
        child.join()
    if listener:
        listener.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
