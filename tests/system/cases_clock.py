# SPDX-License-Identifier: Unlicense
"""The time of day is set while programs log: what lines show follows, where they stand does not. The machine's own
clock is left alone: clock_shim.c is preloaded into programs and helper."""
import mmap
import os
import re
import signal
import time

from support import check, read_bytes, wait_until

HOUR_S, YEAR_S = 3600, 365 * 86400
# To the future, back before the beginning of the program, by what a time server corrects, by years, and to where the
# real clock is. All are far more than a busy machine can keep anybody waiting.
SET_TO_S = (HOUR_S, -2 * HOUR_S, -2 * HOUR_S + 60, 20 * YEAR_S, -30 * YEAR_S, 0)
WAITING_S = 20
# Times within a pass are counted back from one reading of both clocks, which the machine may have interrupted.
ACCURACY_S = 0.1
SHOWN = re.compile(rb"^(\d+\.\d+) (?:#|lost)", re.MULTILINE)
FORMAT = "%(created).6f %(message)s"


def with_preloaded(t, variables):
    """Environment of a program: a library of a sanitizer wants to be the first one."""
    options = ":".join(filter(None, (t.env.get("ASAN_OPTIONS"), "verify_asan_link_order=0")))
    return {**t.env, **variables, "ASAN_OPTIONS": options}


class Clock:
    """A time of day that can be set, for programs that are started with `env`."""

    def __init__(self, t):
        path = os.path.join(t.dir, "clock")
        helper = os.path.join(t.dir, "helper")
        preload = {"LD_PRELOAD": t.bench.clock_shim, "CLOCK_SHIM": path}
        with open(path, "wb") as f:
            f.write(bytes(16))
        with open(helper, "w", encoding="utf-8") as f:
            words = " ".join(f"{name}='{value}'" for name, value in preload.items())
            f.write(f"#!/bin/sh\n{words} exec '{t.bench.helper}' \"$@\"\n")
        os.chmod(helper, 0o755)
        with open(path, "r+b") as f:
            self.words = memoryview(mmap.mmap(f.fileno(), 0)).cast("q")  # whole words: no half of one is ever seen
        self.env = {**with_preloaded(t, preload), "MPLOG_HELPER": helper}
        self.wrong_by_s = 0

    def set_to(self, wrong_by_s):
        self.words[0] = int(wrong_by_s * 1e9)
        self.wrong_by_s = wrong_by_s

    def now(self):
        return time.time() + self.wrong_by_s

    @property
    def reads(self):
        return self.words[1]


def times_shown(text):
    return [float(shown) for shown in SHOWN.findall(text)]


def last_shown(t):
    """0: nothing yet."""
    with open(t.log, "rb") as f:
        f.seek(max(os.path.getsize(t.log) - 1000, 0))
        return (times_shown(f.read()) or [0])[-1]


def jumps(times):
    """Steps between neighbours that no clock makes by itself."""
    steps = (after - before for before, after in zip(times, times[1:]))
    return [step for step in steps if step < -ACCURACY_S or step > WAITING_S]


def set_again_and_again(t, clock):
    """Each time the file grows on, and soon shows the new time."""
    for wrong_by_s in SET_TO_S:
        clock.set_to(wrong_by_s)
        reads, size = clock.reads, os.path.getsize(t.log)
        wait_until(lambda: abs(clock.now() - last_shown(t)) < WAITING_S, 3, f"times, {wrong_by_s} s off")
        wait_until(lambda least=size + 20_000: os.path.getsize(t.log) > least, 3, f"lines, {wrong_by_s} s off")
        check(wrong_by_s == 0 or clock.reads > reads, "nobody has read the clock that was set to", wrong_by_s)


def check_times(t, began):
    """All times together: as many jumps as settings, and each by what was set."""
    times = times_shown(read_bytes(t.log))
    before, expected = 0, []
    for wrong_by_s in SET_TO_S:
        expected.append(wrong_by_s - before)
        before = wrong_by_s
    found = jumps(times)
    is_same = len(found) == len(expected) and all(abs(a - b) < WAITING_S for a, b in zip(found, expected))
    check(is_same, "jumps by", found, "instead of", expected)
    is_true = abs(times[0] - began) < WAITING_S and abs(times[-1] - time.time()) < WAITING_S
    check(is_true, "from", times[0], "to", times[-1])


def clock_that_is_set_changes_what_lines_show_and_not_where_they_stand(t):
    clock, began = Clock(t), time.time()
    producers = t.produce("--processes", 2, "--threads", 2, "--records", -1, "--rate", 3000, env=clock.env,
                          mplog={"format_string": FORMAT})
    t.wait_for_calls(1000)
    set_again_and_again(t, clock)
    slowest = t.slowest()
    t.tell_producers_to_stop()
    producers.wait(3)
    t.wait_until_gone()
    check(t.check_log()["lost"] == 0)
    check_times(t, began)
    check(slowest < 0.5, "a log call took", slowest, "s")
    t.note(f"{t.returned()} calls, {clock.reads} readings of a wrong clock")


def clock_that_is_set_does_not_disturb_a_hand_over(t):
    """Two processes log in turn; what one has logged before it hands over stands before what the other logs then."""
    clock, began = Clock(t), time.time()
    program = t.special("handoff", 10**9, t.tally_path, env=clock.env, mplog={"format_string": FORMAT})
    t.wait_for_calls(1000)
    set_again_and_again(t, clock)
    t.tell_producers_to_stop()
    program.wait()
    t.wait_until_gone()
    found = t.check_log("--handoffs")
    check(found["lost"] == 0, found)
    check_times(t, began)
    t.note(f"{found['payloads']} calls")


def waits_do_not_follow_a_clock_that_is_set(t):
    """A full ring's wait and the one at exit are as long as ever, wherever the clock goes meanwhile."""
    clock = Clock(t)
    producers = t.produce("--first", 1, "--threads", 2, "--records", -1, "--rate", 20_000, "--delay-ms", 200,
                          env=clock.env, mplog={"ring_max_bytes": 65536, "block_timeout_ms": 300})
    collector = t.wait_for_collector()
    os.kill(collector, signal.SIGSTOP)
    for wrong_by_s in (-HOUR_S, HOUR_S, -YEAR_S):
        time.sleep(0.3)
        clock.set_to(wrong_by_s)
    wait_until(lambda: t.slowest() > 0.25, 3, "a call that waits for room")
    calls = t.returned()
    t.wait_for_calls(calls + 1000, 1)
    os.kill(collector, signal.SIGCONT)
    t.tell_producers_to_stop()
    producers.wait(3)
    t.wait_until_gone()
    found = t.check_log()
    check(found["lost"] > 0 and 0.25 < t.slowest() < 0.6, found, "the slowest call took", t.slowest(), "s")


CLOCK_KIND_AT = 100  # in the file `control`, struct mpl_control_head
MONOTONIC, COUNTER = 1, 2


def with_source(t, source):
    """Environment of a program that is told that the kernel keeps time with `source`."""
    return with_preloaded(t, {"LD_PRELOAD": t.bench.clocksource_shim, "CLOCKSOURCE_SHIM": source})


def check_kind(t, kind):
    with open(os.path.join(t.sessions()[0], "control"), "rb") as f:
        f.seek(CLOCK_KIND_AT)
        found = int.from_bytes(f.read(4), "little")
    check(found == kind, "kind of clock", found, "instead of", kind)


def stamps_of_the_counter_lose_nothing(t):
    """Where the kernel keeps time with it. Here that may be untrue: order across processes is not looked at."""
    producers = t.produce("--processes", 2, "--threads", 2, "--records", -1, env=with_source(t, "tsc"))
    t.wait_for_calls(20_000)
    check_kind(t, COUNTER)
    t.tell_producers_to_stop()
    producers.wait(5)
    t.wait_until_gone()
    check(t.check_log()["lost"] == 0)


def stamps_of_the_clock_keep_hand_overs_in_order(t):
    """In a virtual machine the kernel may trust its host's clock alone."""
    program = t.special("handoff", 10**9, t.tally_path, env=with_source(t, "kvm-clock"))
    t.wait_for_calls(1000)
    check_kind(t, MONOTONIC)
    t.tell_producers_to_stop()
    program.wait()
    t.wait_until_gone()
    found = t.check_log("--handoffs")
    check(found["lost"] == 0, found)
    t.note(f"{found['payloads']} calls")


CASES = (
    clock_that_is_set_changes_what_lines_show_and_not_where_they_stand, clock_that_is_set_does_not_disturb_a_hand_over,
    waits_do_not_follow_a_clock_that_is_set, stamps_of_the_counter_lose_nothing,
    stamps_of_the_clock_keep_hand_overs_in_order,
)
