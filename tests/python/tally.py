# SPDX-License-Identifier: Unlicense
"""Numbered messages, and how many calls have returned: kept in mapped files, where a kill cannot reach it.

Each thread of each process is a producer with a file of its own, which holds one word: the number of its calls that
have returned. It is stored after the call, so a killed producer has logged as many or one more.
"""
import mmap
import os
import struct
import subprocess
import threading

import numbered


class _Producer:
    def __init__(self, folder, prefix):
        turn = 0
        while True:  # process ids come again
            self.name = "%s.%d.%d" % (prefix, os.getpid(), turn)
            try:
                fd = os.open(os.path.join(folder, self.name), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
                break
            except FileExistsError:
                turn += 1
        self.pid = os.getpid()
        self.sequence = 0
        os.ftruncate(fd, 8)
        self.returned = memoryview(mmap.mmap(fd, 8)).cast("Q")
        os.close(fd)


class Tally:
    """Notes below `folder` what this thread logs, and its forks."""

    def __init__(self, folder, prefix="w"):
        self.folder, self.prefix = folder, prefix
        self.local = threading.local()

    def log(self, logger, length=24):
        """One call with the producer's next number."""
        producer = getattr(self.local, "producer", None)
        if producer is None or producer.pid != os.getpid():
            producer = _Producer(self.folder, self.prefix)
        # A call that an exception ends (of a signal handler) may have logged: the next one is another producer's.
        self.local.producer = None
        logger.info(numbered.FORMAT, *numbered.arguments(producer.name, producer.sequence, length))
        producer.sequence += 1
        producer.returned[0] = producer.sequence
        self.local.producer = producer


def read(folder):
    """producer -> calls that have returned"""
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            data = f.read(8)
        found[name] = struct.unpack("Q", data)[0] if len(data) == 8 else 0
    return found


def judge(oracle, tallies, path, killed=(), options=()):
    """What the oracle says of the log at `path` and its backups, as a dict, and its complaints.

    killed: pids of producers that may have logged one message more than calls have returned.
    """
    expected = "".join("%s %s%d\n" % (name, ">=" if killed and int(name.split(".")[1]) in killed else "", count)
                       for name, count in sorted(tallies.items()))
    done = subprocess.run([oracle, *options, "--details", "10", "--expect-file", "/dev/stdin", "--rotated", path],
                          input=expected, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    found = {key: int(value) for key, value in (line.split("=") for line in done.stdout.splitlines())}
    found["status"] = done.returncode
    return found, done.stdout + done.stderr
