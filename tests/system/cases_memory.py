# SPDX-License-Identifier: Unlicense
"""Memory cgroups: what happens in a container that is too small. Takes root and a memory controller, of version 1 or 2;
without them these tests are skipped, and say which of them is missing."""
import os
import signal
import subprocess
import time

from support import Skip, check, read_bytes, wait_until

MIB = 1 << 20
LIMIT = 32 * MIB  # of which ring_budget_bytes is to become an eighth
CALLS = 300_000  # together 70 MiB
PROCESSES = 4


class MemoryGroup:
    """A cgroup with a limit."""

    def __init__(self, t, name, limit):
        root, self.is_v2 = find_hierarchy()
        self.path = os.path.join(root, f"mplog-{os.path.basename(t.bench.root)}-{t.name[:40]}-{name}")
        os.mkdir(self.path)
        self.limit(limit)

    def limit(self, limit):
        self.write("memory.max" if self.is_v2 else "memory.limit_in_bytes", limit)
        if self.is_v2 and os.path.exists(os.path.join(self.path, "memory.swap.max")):
            self.write("memory.swap.max", 0)

    def write(self, name, value):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as f:
            f.write(str(value))

    def enter(self):
        """For preexec_fn: the program and its children."""
        self.write("cgroup.procs", 0)

    def add(self, pid):
        self.write("cgroup.procs", pid)

    def number(self, name, key=None):
        text = read_bytes(os.path.join(self.path, name)).decode()
        return int(text) if key is None else int(dict(line.split() for line in text.splitlines())[key])

    @property
    def kills(self):
        """Processes that the kernel has killed because there was no memory."""
        return self.number("memory.events" if self.is_v2 else "memory.oom_control", "oom_kill")

    @property
    def peak(self):
        return self.number("memory.peak" if self.is_v2 else "memory.max_usage_in_bytes")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """When its last process has gone; memory of files that are left goes to the group above."""
        for pid in read_bytes(os.path.join(self.path, "cgroup.procs")).split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        deadline = time.monotonic() + 5
        while True:
            try:
                return os.rmdir(self.path)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def find_hierarchy():
    """(where groups with memory limits may be made, is it version 2)"""
    if os.geteuid() != 0:
        raise Skip("only root may make memory cgroups")
    mounts = [line.split()[1:4] for line in read_bytes("/proc/mounts").decode().splitlines()]
    for path, kind, options in mounts:
        if kind == "cgroup" and "memory" in options.split(","):
            return path, False
    for path, kind, _ in mounts:
        if kind == "cgroup2" and b"memory" in read_bytes(os.path.join(path, "cgroup.controllers")).split():
            if b"memory" not in read_bytes(os.path.join(path, "cgroup.subtree_control")).split():
                raise Skip(f"{path}: groups below it have no memory limits (cgroup.subtree_control)")
            return path, True
    raise Skip("no memory controller is mounted: " + " ".join(path for path, kind, _ in mounts if "cgroup" in kind))


def flood(t, group, processes, **options):
    """100 threads whose rings are full and grow, for the collector stands still: as much memory as they can get."""
    program = t.produce("--first", 1, "--processes", processes, "--threads", 100 // max(processes, 1), "--records",
                        CALLS // 100, "--delay-ms", 200, "--most", 400, mplog={"block_timeout_ms": 300, **options},
                        preexec_fn=group.enter)
    collector = t.wait_for_collector()
    os.kill(collector, signal.SIGSTOP)
    return program, collector


def program_in_a_small_cgroup_is_not_killed_through_our_memory(t):
    with MemoryGroup(t, "host", LIMIT) as group:
        program, collector = flood(t, group, PROCESSES)
        t.wait_for_calls(CALLS, 20)
        rings = sum(os.stat(path).st_blocks * 512 for path in segments(t))
        os.kill(collector, signal.SIGCONT)
        program.wait()
        t.wait_until_gone()
        found = t.check_log()
        t.note(f"{rings / MIB:.1f} MiB of rings, {found['lost']} of {t.returned()} lost while nobody wrote; peak "
               f"{group.peak / MIB:.1f} MiB")
        check(group.kills == 0, group.kills, "processes were killed")
        check(PROCESSES * LIMIT // 16 < rings < PROCESSES * LIMIT // 8 + MIB, "bytes of rings:", rings)


def segments(t):
    return [os.path.join(t.sessions()[0], name) for name in os.listdir(t.sessions()[0]) if name.startswith("seg")]


def program_that_wants_more_than_its_cgroup_has_loses_its_life_and_no_records(t):
    """The same with a budget that the program has asked for by itself: this is what it is spared otherwise."""
    with MemoryGroup(t, "host", LIMIT) as group:
        program, collector = flood(t, group, 0, ring_budget_bytes=90 * MIB)
        program.wait(status=None)
        check(program.process.returncode == -signal.SIGKILL and group.kills > 0, program.process.returncode,
              group.kills)
        t.note(f"{group.kills} killed, {t.returned()} calls had returned")
        group.limit(1024 * MIB)
        if collector in t.collectors():
            os.kill(collector, signal.SIGCONT)
        else:  # it was killed as well, and nobody is left who could miss it
            subprocess.run([t.bench.helper, "recover"], env=t.env, check=True, capture_output=True)
        t.wait_until_gone(10)
    found = t.check_log(at_least=["p."])
    check(found["lost"] == 0, found)


def helper_that_the_kernel_kills_for_want_of_memory_is_replaced(t):
    """It alone has come into a group without any memory, three times: what it writes next is a page too many."""
    program = t.produce("--first", 1, "--processes", 2, "--threads", 2, "--records", -1, "--rate", 3000)
    t.wait_for_calls(100)
    killed = set()
    for turn in range(3):
        collector = t.wait_for_collector(other_than=killed)
        killed.add(collector)
        check(score_of(collector) <= score_of(program.pid), "the kernel is told to kill it rather than its host")
        with MemoryGroup(t, f"helper{turn}", 0) as group:
            group.add(collector)
            wait_until(lambda at=group: at.kills == 1, 10, "the kernel kills it")
            wait_until(lambda pid=collector: pid not in t.collectors(), 5, "it has gone")
        calls = t.returned()
        t.wait_for_calls(calls + 1000)
    t.tell_producers_to_stop()
    program.wait()
    t.wait_until_gone()
    found = t.check_log()
    check(found["lost"] == 0, found)
    t.note(f"{found['payloads']} calls")


def score_of(pid):
    return int(read_bytes(f"/proc/{pid}/oom_score_adj"))


CASES = (
    program_in_a_small_cgroup_is_not_killed_through_our_memory,
    program_that_wants_more_than_its_cgroup_has_loses_its_life_and_no_records,
    helper_that_the_kernel_kills_for_want_of_memory_is_replaced,
)
