# SPDX-License-Identifier: Unlicense
"""Disks that fail: a small file system that can be filled, and a helper whose writes fail as the test wishes."""
import mmap
import os
import struct
import subprocess

from support import Skip, check, read_bytes, wait_until

KIB = 1024


class SmallDisk:
    """A tmpfs of that size in a mount namespace of its own, which takes root. From outside its files are reached by
    `path`; programs that are started inside see them below `folder`."""

    def __init__(self, t, kib, folder="disk"):
        if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
            raise Skip("no mount namespaces")
        self.t = t
        self.folder = os.path.join(t.dir, folder)
        os.makedirs(self.folder, exist_ok=True)
        mount = f"mount -t tmpfs -o size={kib * KIB},nr_inodes=200 tmpfs '{self.folder}' && echo ready && exec cat"
        self.holder = t.start("unshare", "-m", "sh", "-c", mount)
        wait_until(lambda: "ready" in self.holder.stdout(), 5, "a small file system")
        self.inside = ["nsenter", "-t", str(self.holder.pid), "-m", "--"]

    def path(self, name="app.log"):
        return f"/proc/{self.holder.pid}/root{self.folder}/{name}"

    def fill(self, leave_kib=0):
        room = os.statvfs(self.path(".")).f_bavail * os.statvfs(self.path(".")).f_frsize - leave_kib * KIB
        try:
            with open(self.path("filler"), "wb") as f:
                f.write(b"f" * max(room, 0))
        except OSError:
            pass  # the log took some of it

    def free(self):
        os.remove(self.path("filler"))

    def produce(self, *arguments, mplog=None, **how):
        own = ["--tally", self.t.tally_path, *self.t.options(**(mplog or {}))]
        return self.t.start(*self.inside, self.t.bench.producer, *arguments, *own, **how)

    def copy(self, name="app.log"):
        """Where the oracle can read it, also when the disk has gone."""
        to = os.path.join(self.t.dir, "copy-" + name)
        with open(to, "wb") as f:
            f.write(read_bytes(self.path(name)))
        return to

    def close(self):
        self.holder.wait()


class FailingDisk:
    """What disk_shim.c does to writes to one file; for programs that are started with `env`."""
    FAIL, HALF, HANG = 1, 2, 3

    def __init__(self, t, name="app.log", is_remote=False):
        path = os.path.join(t.dir, "shim")
        helper = os.path.join(t.dir, "helper")
        with open(path, "wb") as f:
            f.write(bytes(52) + name.encode().ljust(64, b"\0") + struct.pack("<I8x", is_remote))
        with open(helper, "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\nLD_PRELOAD='{t.bench.disk_shim}' DISK_SHIM='{path}' exec '{t.bench.helper}' \"$@\"\n")
        os.chmod(helper, 0o755)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)
        # A library of a sanitizer wants to be the first one.
        options = ":".join(filter(None, (t.env.get("ASAN_OPTIONS"), "verify_asan_link_order=0")))
        self.env = {**t.env, "MPLOG_HELPER": helper, "ASAN_OPTIONS": options}

    def begin(self, error=0, action=FAIL, times=-1):
        """From now on; `times` -1: until it is ended."""
        struct.pack_into("<q", self.map, 0, times)
        struct.pack_into("<II", self.map, 40, action, error)

    def end(self):
        struct.pack_into("<II", self.map, 40, 0, 0)

    def fail_syncs(self, error):
        struct.pack_into("<I", self.map, 48, error)

    def number(self, at):
        return struct.unpack_from("<Q", self.map, 8 * at)[0]

    @property
    def hits(self):
        return self.number(1)

    @property
    def syncs(self):
        return self.number(2)

    @property
    def synced_bytes(self):
        return self.number(3)

    @property
    def directory_syncs(self):
        return self.number(4)

    def wait_for_hits(self, count=1):
        wait_until(lambda: self.hits >= count, 5, f"{count} writes that fail")


def count_payloads(path):
    return read_bytes(path).count(b"] #")


def own_lines(path):
    """What mplog has said in that file."""
    return [line for line in read_bytes(path).decode().splitlines() if " WARNING  mplog " in line]


def check_logs(t, *files):
    """All that was accepted is there or counted, and what mplog has said besides is not in the way."""
    said = [line for path in files for line in own_lines(path) if " lost here: " not in line and " lost: " not in line]
    return t.check_log(files=files, foreign=len(said))


def check_account(t, report):
    """accepted = written + lost, for each sink, and it is what the producers know."""
    lost = sum(n for cause, n in report["lost"].items() if cause != "corrupt_bytes")
    check(report["accepted"] == t.returned(), "accepted", report["accepted"], "returned", t.returned())
    for sink in report["sinks"]:
        parts = sum(sink[part] for part in ("written", "waiting", "lost", "skipped"))
        check(parts + lost == report["accepted"], sink, lost, report["accepted"])
