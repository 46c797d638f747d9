# SPDX-License-Identifier: Unlicense
"""files logger=NAME [processes=4] [records=250000] - worker processes into one file, rotated at 10 MB where it can.

The time runs from the moment when all workers have logged one record and wait, until everything is in the file. Then
each line is looked at: lost: numbers that are nowhere; bad: lines that are not one whole record, or come twice;
unordered: a worker's numbers that do not grow; notices: mplog's own lines, as of a helper that a busy machine kept
from coming up.
"""
import glob
import multiprocessing
import os
import re
import time

from loggers import LOGGERS

NOTICE = re.compile(rb"\d[^\n]* WARNING  mplog \[[^]\n]*\] ")
MAX_BYTES, BACKUPS = 10 * 1024 * 1024, 60
LINE = re.compile(rb"[^\n]*request (\d+) from worker-(\d+) took 12\.5(?:0{5})? ms'?\Z")


def work(adapter, number, records, ready, go):
    adapter.begin_worker()
    call = adapter.calls["values"].replace('"client-17"', "name")
    names = {}
    exec("def work(log, numbers, name):\n    for i in numbers:\n        %s\n" % call, names)
    log, name = adapter.logger(), "worker-%d" % number
    names["work"](log, [0], name)
    ready.release()
    go.wait()
    names["work"](log, range(1, records + 1), name)


def files_in_order(folder):
    """The oldest backup first: app.log.2, app.log.1, app.log; or by their names, which hold the time."""
    def age(path):
        suffix = path.rsplit(".", 1)[-1]
        return (0 if path.endswith("app.log") else -1, -int(suffix) if suffix.isdigit() else 0, path)
    return sorted((path for path in glob.glob(os.path.join(folder, "app*")) if not path.endswith(".lock")), key=age)


def count(folder, processes, records):
    last, seen = [-1] * processes, [set() for _ in range(processes)]
    bad, unordered, notices, example = 0, 0, 0, ""
    for path in files_in_order(folder):
        with open(path, "rb") as f:
            for line in f:
                match = LINE.match(line.rstrip(b"\n"))
                number, worker = (int(group) for group in match.groups()) if match else (0, -1)
                if not 0 <= worker < processes or number in seen[worker]:
                    is_notice = NOTICE.match(line) is not None
                    notices += is_notice
                    bad += not is_notice
                    example = example or repr(line[:200])
                    continue
                seen[worker].add(number)
                unordered += number < last[worker]
                last[worker] = number
    return {"lost": processes * (records + 1) - sum(len(numbers) for numbers in seen), "bad": bad,
            "unordered": unordered, "notices": notices, "example": example}


def run(folder, logger, processes="4", records="250000"):
    processes, records = int(processes), int(records)
    fork = multiprocessing.get_context("fork")
    adapter = LOGGERS[logger]()
    adapter.open(os.path.join(folder, "app.log"), "default", MAX_BYTES, BACKUPS)
    ready, go = fork.Semaphore(0), fork.Event()
    workers = [fork.Process(target=work, args=(adapter, i, records, ready, go)) for i in range(processes)]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    begin = time.perf_counter_ns()
    go.set()
    for worker in workers:
        worker.join()
    adapter.close()
    elapsed = time.perf_counter_ns() - begin
    return dict(count(folder, processes, records), elapsed_ns=elapsed, records=processes * records)
