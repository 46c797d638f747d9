# SPDX-License-Identifier: Unlicense
"""What belongs to the program is as it was: signals, masks, locale, directory, environment, descriptors, threads,
children, errno; and a log call is nothing at which a thread can be cancelled."""
import os
import signal

from support import check, wait_until


def check_state(t, extra, **options):
    """`extra`: what may be new, until shutdown."""
    program = t.start(t.bench.alone, "state", *t.options(**options))
    wait_until(lambda: "ready" in program.values() or program.process.poll() is not None, 10, "the program")
    killed = set(t.collectors())
    for pid in killed:
        os.kill(pid, signal.SIGKILL)  # log calls, or the flush, start another
    program.process.stdin.write(b"\n")
    program.wait()
    lines = program.stdout().splitlines()
    changed = [line for line in lines if line.startswith("changed")]
    expected = [f"changed {when}: {extra}" for when in ("set-up", "calls", "another")]
    check(changed == (expected if extra else []), *("\n" + line for line in changed))
    check(len(killed) == (0 if extra else 1), "collectors that were killed:", killed)
    check([line for line in lines if line.startswith("looked")] == [f"looked={when}" for when in (
        "set-up", "calls", "another", "shutdown")], lines)
    check(lines[-1] == "fds=0 session=none", lines[-1])


def what_belongs_to_a_program_is_left_alone(t):
    check_state(t, "")


def what_belongs_to_a_program_is_left_alone_but_for_a_thread_that_it_wants(t):
    check_state(t, "threads: 1; now threads: 3", collector="thread")


def errno_is_left_alone_by_log_calls(t):
    for options in ({}, {"overflow": "drop", "ring_max_bytes": 65536}, {"collector": "thread"}):
        program = t.start(t.bench.alone, "errno", *t.options(**options))
        program.may_complain = True  # of what comes after shutdown
        program.wait()
        check(program.stdout().splitlines() == ["end=0"], options, program.stdout()[:500])


def log_call_is_no_cancellation_point(t):
    for options in ({}, {"overflow": "drop", "ring_max_bytes": 65536},
                    {"block_timeout_ms": 50, "ring_max_bytes": 65536}):
        program = t.start(t.bench.alone, "cancel", *t.options(**options)).wait()
        check(program.stdout() == "cancelled=1 back=1\n", options, program.stdout())


CASES = (
    what_belongs_to_a_program_is_left_alone, what_belongs_to_a_program_is_left_alone_but_for_a_thread_that_it_wants,
    errno_is_left_alone_by_log_calls, log_call_is_no_cancellation_point,
)
