# SPDX-License-Identifier: Unlicense
"""A test that has a gate: a process that comes to it is traced (gate.h, tracer.c)."""
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))

from support import check, read_bytes  # noqa: E402


class Gate:
    """In the test's folder. `for_collector`: the helper of its sessions goes through it; else the victim's own word."""

    def __init__(self, t, for_collector, environment=(), is_traced=True):
        self.t = t
        self.dir = os.path.join(t.dir, "gate")
        if os.path.isdir(self.dir):
            shutil.rmtree(self.dir)
        os.mkdir(self.dir)
        os.mkfifo(os.path.join(self.dir, "go"))
        self.programs = os.path.join(os.path.dirname(t.bench.helper), "tests", "torture")
        os.symlink(os.path.join(self.programs, "stub"), os.path.join(self.dir, "mplog"))
        if not is_traced:
            with open(os.path.join(self.dir, "alone"), "wb"):
                pass
        os.symlink(t.bench.helper, os.path.join(self.dir, "real"))
        with open(os.path.join(self.dir, "environment"), "w", encoding="utf-8") as f:
            f.writelines(line + "\n" for line in environment)
        if for_collector:
            t.env["MPLOG_HELPER"] = os.path.join(self.dir, "mplog")

    def arm_again(self, tracer):
        """As soon as that tracer has who it waits for: whoever comes next may come at once after a death."""
        while tracer.poll() is None and any(os.path.exists(os.path.join(self.dir, name)) for name in ("armed", "pid")):
            time.sleep(0.001)
        self.arm()

    def arm(self):
        """The next one that comes is for the tracer that is started next."""
        with open(os.path.join(self.dir, "armed"), "wb"):
            pass

    def victim(self, *words, mplog=None, **how):
        t = self.t
        return t.start(os.path.join(self.programs, "victim"), self.dir, t.tally_path, *t.options(**(mplog or {})), "--",
                       *words, **how)

    def trace(self, job, *arguments, meanwhile=None, thread=0):
        """What the tracer says: lines without '=' under "lines", the others by name. `meanwhile`: called before
        its end is waited for."""
        which = [f"thread={thread}"] if thread else []
        command = [os.path.join(self.programs, "tracer"), *which, job, self.dir, *map(str, arguments)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tracer:
            if meanwhile:
                meanwhile(tracer)
            out, complaints = tracer.communicate()
        check(tracer.returncode == 0, "tracer:", tracer.returncode, out[-300:], complaints)
        said = {"lines": []}
        for line in out.splitlines():
            name, equals, value = line.partition("=")
            if equals and " " not in name:
                said[name] = int(value) if value.lstrip("-").isdigit() else value
            else:
                said["lines"].append(line.split(" ", 2))
        return said


def age_leftovers(t, seconds=60):
    """What a killed set-up was building is nobody's after 10 s: as if these had passed."""
    then = time.time() - seconds
    for at, names, _ in os.walk(t.ring_dir):
        for name in names:
            if ".new-" in name or ".gone-" in name:
                os.utime(os.path.join(at, name), (then, then))


def recover(t):
    done = subprocess.run([t.bench.helper, "recover"], capture_output=True, text=True, check=False, timeout=30,
                          env=t.env)
    check(done.returncode == 0, "recover:", done.returncode, done.stdout, done.stderr)


def log_text(t):
    return b"".join(read_bytes(os.path.join(t.log_dir, name)) for name in os.listdir(t.log_dir)).decode()
