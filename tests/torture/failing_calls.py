# SPDX-License-Identifier: Unlicense
"""Lets the k-th system call of a process fail, with each error it may have, once and, from then on, for ever. The
program runs on and ends with 0; each record it has logged is in the file, or counted as lost, or on stderr; nothing is
left behind.

An item is "K VARIANT once|ever call error" (tracer.c, variants.h).
"""
import os
import re
import signal
import struct

from gate import Gate, age_leftovers, log_text, recover
from support import check, processes_naming, read_bytes

SAID_SO = re.compile(r"^mplog: logging cannot be started: .", re.M)
CUT = re.compile(r" \.\.\. \[\d+ bytes cut\]$", re.M)  # no ring could be had for all of it
FOR_A_MOMENT = ("EINTR", "EAGAIN", "EWOULDBLOCK")  # which no call says for ever
# By the C library: a program without futexes is ended by it as soon as it has to wait for a thread.
ABORTED = "The futex facility returned an unexpected error code."
NO_MEMORY = re.compile(r" mplog \[.* a record of \d+ bytes was lost: out of memory$", re.M)
GONE_WITHIN = 12  # s: a collector whose file fails tries 5 s more
SLOW = 12         # s that a program may take: a set-up that waits for its collector, an exit that waits for the file

# Whose calls fail, and what the program does.
TARGETS = {
    "program, from set-up to exit": ("victim", ("gate", "setup", "t3", "l70000", "flush", "t2", "shutdown"), {}),
    "program with collector thread": ("victim", ("gate", "setup", "t3", "l70000", "flush", "t2", "shutdown"),
                                      {"collector": "thread"}),
    "program that joins": ("victim", ("setup", "t2", "fork", "gate", "t3", "l70000", "t1"), {}),
    "collector": ("collector", ("setup", "t3", "l70000", "t2"), {}),
    "collector that rotates": ("collector", ("setup", "t8"), {"max_bytes": 300, "backup_count": 1000}),
}


def start(t, name):
    who, words, options = TARGETS[name]
    gate = Gate(t, for_collector=who == "collector")
    gate.arm()
    return gate, gate.victim(*words, mplog={"block_timeout_ms": 300, **options})


def items(t, name):
    gate, victim = start(t, name)
    calls = gate.trace("calls")["lines"]
    victim.wait()
    variants, items_all = {}, []
    for k, call, error in calls:
        variant = variants[k] = variants.get(k, -1) + 1
        hows = ("once",) if error in FOR_A_MOMENT else ("once", "ever")
        items_all += [f"{k} {variant} {how} {call} {error}" for how in hows]
    return items_all


def forget_empty_parent(t):
    """Of a set-up that failed: the next session that ends takes it away."""
    parent = os.path.join(t.ring_dir, f"mplog-{os.geteuid()}")
    if os.path.isdir(parent) and not os.listdir(parent):
        os.rmdir(parent)


def run(t, name, item):
    k, variant, how, call, error = item.split()
    gate, victim = start(t, name)
    said = gate.trace("fail", k, variant, how, call)
    victim.may_complain = True
    victim.wait(SLOW + 20, status=None)
    status = victim.process.returncode
    may_abort = (how, call, error) == ("ever", "futex", "ENOSYS") and ABORTED in victim.stderr()
    check(status == 0 or (may_abort and status == -signal.SIGABRT), "exit status", status, victim.stdout()[-1000:],
          victim.stderr()[-1000:])
    check(victim.took < SLOW, "it took", victim.took, "s")
    t.wait_until_gone(GONE_WITHIN)
    check("AddressSanitizer" not in victim.stderr(), victim.stderr())
    check_accounted(t, victim)
    age_leftovers(t)
    recover(t)
    t.wait_until_gone(GONE_WITHIN)
    forget_empty_parent(t)
    check(not processes_naming(t.ring_dir), "a process is left")
    return said["call"] if said.get("failed") else None


def setup_has_failed(t):
    """As the victim has noted it in its tally file, which needs no system call."""
    return struct.unpack_from("<Q", read_bytes(t.tally_path), 16)[0] != 1


def check_accounted(t, victim):
    """A program without a session says so, once; what it logs then is for nobody."""
    stderr = victim.stderr()
    if setup_has_failed(t) or SAID_SO.search(stderr):
        return
    recover(t)
    path = os.path.join(t.dir, "stderr-lines")
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(line + "\n" for line in stderr.splitlines() if "#victim" in line)
    backups = [os.path.join(t.log_dir, n) for n in sorted(os.listdir(t.log_dir), key=backup_number, reverse=True)]
    found = t.ask_oracle("--expect-file", t.expectations(), "--allow-doubled", files=[*backups, path], may_fail=True)
    text = log_text(t)
    cut = len(CUT.findall(text)) + len(NO_MEMORY.findall(text))
    check(found["torn"] <= cut and found["unexpected"] == 0 and
          found["lost"] <= found["counted_lost"] + found["damaged"] + cut, found,
          re.sub(r"[^ ]{200,}", "...", text)[-900:], stderr[-600:])


def backup_number(name):
    number = re.search(r"\.(\d+)$", name)
    return int(number[1]) if number else 0
