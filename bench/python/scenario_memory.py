# SPDX-License-Identifier: Unlicense
"""memory logger=NAME [seconds=4] [workers=2] - memory while workers log faster than the disk takes it.

The file is a pipe that is read at 2 MB a second. What counts is the most memory that all processes had at the same time
(PSS: shared pages are divided among those who share them), beyond what they had when they began.
"""
import logging
import multiprocessing
import os
import threading
import time

from loggers import LOGGERS

LEAVES_AT_ONCE = True  # what still waits in a queue would take minutes
BYTES_A_SECOND = 2000000
MIB = 1.0 / (1 << 20)


def read_slowly(path, is_over):
    with open(path, "rb", buffering=0) as f:
        while f.read(BYTES_A_SECOND if is_over.is_set() else BYTES_A_SECOND // 100):
            if not is_over.is_set():
                time.sleep(0.01)


def work(adapter, seconds, ready, go, count):
    adapter.begin_worker()
    log = adapter.logger()
    log.info("ready")
    ready.release()
    go.wait()
    until, calls = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        log.info("a message of some length, as they are found in the log files of this world: no 1234567")
        calls += 1
    count.value = calls
    ready.release()
    os._exit(0)


def text_of(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""  # it has ended


def family():
    """This process, all that descend from it, and the collector of its session."""
    found, session = {os.getpid()}, os.environ.get("MPLOG_SESSION", "no session").split(":")[0].encode()
    stats = {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        stat = text_of("/proc/%d/stat" % pid)
        if stat:
            stats[pid] = int(stat.rsplit(b")", 1)[1].split()[1])
            command = text_of("/proc/%d/cmdline" % pid)
            if b"\0collect\0" in command and session in command:
                found.add(pid)
    size = 0
    while len(found) > size:
        size = len(found)
        found.update(pid for pid, parent in stats.items() if parent in found)
    return found


def pss_bytes(pids):
    total = 0
    for pid in pids:
        for line in text_of("/proc/%d/smaps_rollup" % pid).splitlines():
            if line.startswith(b"Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def run(folder, logger, seconds="4", workers="2"):
    seconds, workers = float(seconds), int(workers)
    fork = multiprocessing.get_context("fork")
    path, is_over = os.path.join(folder, "app.log"), fork.Event()
    os.mkfifo(path)
    reader = fork.Process(target=read_slowly, args=(path, is_over))
    reader.start()
    adapter = LOGGERS[logger]()
    adapter.open(path, "default", 0, 0)
    ready, go = fork.Semaphore(0), fork.Event()
    counts = [fork.Value("q", 0) for _ in range(workers)]
    started = [fork.Process(target=work, args=(adapter, seconds, ready, go, counts[i])) for i in range(workers)]
    for worker in started:
        worker.start()
    for _ in started:
        ready.acquire()
    time.sleep(0.3)
    pids = family() - {reader.pid}
    before = most = pss_bytes(pids)
    go.set()
    for _ in range(int(seconds * 5)):
        time.sleep(0.2)
        most = max(most, pss_bytes(pids))
    for _ in started:
        ready.acquire()
    is_over.set()
    finish(adapter, reader)
    return {"before_mib": before * MIB, "growth_mib": (most - before) * MIB,
            "calls_per_s": sum(count.value for count in counts) / seconds}


def finish(adapter, reader):
    """Ten seconds, then never mind."""
    logging.raiseExceptions = False
    closing = threading.Thread(target=adapter.close, daemon=True)
    closing.start()
    closing.join(10)
    reader.terminate()
    reader.join()
    if closing.is_alive():
        for child in multiprocessing.active_children():
            child.terminate()
