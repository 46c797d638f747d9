# SPDX-License-Identifier: Unlicense
"""Log calls in signal handlers, whatever they interrupt: recorded, or counted. Signals to a whole group of processes,
and to the collector."""
import os
import re
import resource
import signal

from support import NOISE, Skip, check, read_bytes, wait_until


def check_storm(t, kind, threads, most_lost, stderr=False, rotated=False, **mplog):
    """Of the calls that interrupted another, at most that share may be counted instead of written."""
    program = t.start(t.bench.signals, "storm", kind, threads, t.size(1000, 10000), t.tally_path,
                      *t.options(**mplog))
    program.wait(60)
    t.wait_until_gone()  # the last losses are reported when the process has ended
    files = [f"{t.log}.{i}" for i in range(1, int(program.values()["files"]))] if rotated else []
    files = [t.log, *files] + ([program.stderr_path] if stderr else [])
    program.may_complain = stderr
    noise = "".join(NOISE.findall(read_bytes(program.stderr_path).decode(errors="replace"))) if stderr else ""
    found = t.check_log(files=files, at_least=["thread"] if kind == "forks" else (), foreign=noise.count("\n"))
    interrupted = int(program.values()["interrupted"])
    t.note(f"{found['payloads']} messages, {program.values()['handled']} handlers, {interrupted} interrupted mplog, "
           f"{found['lost']} lost")
    check(interrupted > 20, "hardly any call was interrupted:", interrupted)
    check(found["lost"] <= most_lost * interrupted, found["lost"], "of", interrupted, "lost")


def handlers_that_interrupt_calls_of_one_thread_are_written(t):
    check_storm(t, "calls", 1, 0.05)


def handlers_that_interrupt_calls_of_four_threads_are_written(t):
    check_storm(t, "calls", 4, 0.25)


def handlers_on_8_kib_above_threads_of_16_kib_are_written(t):
    if t.bench.is_sanitized:
        raise Skip("AddressSanitizer needs more stack than that")
    check_storm(t, "small", 4, 0.25)


def handlers_that_interrupt_growth_and_names_are_written_or_counted(t):
    check_storm(t, "mixed", 4, 0.4)


def handlers_in_forked_children_are_written_or_counted(t):
    check_storm(t, "forks", 2, 1)


def handlers_that_interrupt_setups_are_written_or_counted(t):
    check_storm(t, "setups", 2, 0.6, rotated=True)


def handlers_that_interrupt_shutdown_are_written_or_counted(t):
    check_storm(t, "shutdown", 2, 0.1, stderr=True)


def record_of_a_handler_stands_between_the_calls_around_it(t):
    t.start(t.bench.signals, "order", t.size(200, 2000), *t.options(format_string="%(message)s")).wait()
    at, handlers = 0, 0
    for line in t.read_log().splitlines():
        kind, number = re.fullmatch(r"(main|handler after) (\d+)", line).groups()
        if kind == "main":
            check(int(number) == at + 1, line, "after", at)
            at += 1
        else:  # the call that it interrupted may have its record before or behind it
            handlers += 1
            check(at - 1 <= int(number) <= at, line, "stands behind main", at)
    t.note(f"{handlers} handlers among {at} calls")
    check(handlers > 20, "hardly any call was interrupted:", handlers)


# What mplog.h says, in bytes beyond what the kernel puts on the stack.
STACK_OF_A_CALL, STACK_OF_A_JOIN, STACK_OF_A_DOUBLE = 4096, 8192, 12288


def stack_of_a_log_call_is_as_stated(t):
    if t.bench.is_sanitized:
        raise Skip("AddressSanitizer uses more of it")
    program = t.start(t.bench.signals, "stack", *t.options())
    program.wait().may_complain = True
    used = {name: int(value) for name, value in program.values().items()}
    frame = used.pop("frame")
    used = {name: value - frame for name, value in used.items()}
    t.note(f"frame {frame}, beyond it {used}")
    larger = {"locked": STACK_OF_A_JOIN, "last_resort": STACK_OF_A_JOIN, "last_resort_double": STACK_OF_A_DOUBLE}
    wrong = {name: value for name, value in used.items() if value > larger.get(name, STACK_OF_A_CALL)}
    check(not wrong, wrong)


# ---- signals to all at once ----

def begin_group():
    """Not a session: the kernel does not stop those that nobody could continue."""
    os.setpgrp()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def start_group(t):
    """A process with two children that log until they are ended, in a process group of their own."""
    starter = t.produce("--first", 5, "--processes", 2, "--threads", 2, "--records", -1, "--rate", 5000,
                        preexec_fn=begin_group)
    t.wait_for_calls(500)
    return starter, t.wait_for_collector()


def signal_to_a_whole_group_loses_nothing(t):
    """From a terminal, a shell or `kill -9 -GROUP`. Nobody is left who could start another collector: what the first
    one does not write is missing, and if it dies the session stays behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL):
        starter, _ = start_group(t)
        os.killpg(starter.pid, number)
        starter.wait(status=-number)
        t.wait_until_gone()
        t.check_nothing_left()
        check(t.check_log(at_least=["p.0", "p.1"])["lost"] == 0, number)
        os.remove(t.log)
        os.remove(t.tally_path)


def signal_to_all_processes_does_not_end_the_collector(t):
    """A machine that is shut down sends SIGTERM to all, one by one, and they may have something to say about it."""
    starter, collector = start_group(t)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP, signal.SIGUSR1,
                   signal.SIGUSR2, signal.SIGALRM, signal.SIGPIPE, signal.SIGXFSZ):
        os.kill(collector, number)
    size = os.path.getsize(t.log)
    wait_until(lambda: os.path.getsize(t.log) > size + 100_000, 5, "lines after the signals")
    check(t.collectors() == [collector], "it was replaced")
    os.killpg(starter.pid, signal.SIGTERM)
    starter.wait(status=-signal.SIGTERM)
    t.wait_until_gone()
    check(t.check_log(at_least=["p.0", "p.1"])["lost"] == 0)


def are_stopped(group):
    """All threads of all its processes."""
    stats = [read_bytes(f"/proc/{pid}/task/{task}/stat").rpartition(b") ")[2].split()
             for pid in filter(str.isdigit, os.listdir("/proc")) if group_of(pid) == group
             for task in os.listdir(f"/proc/{pid}/task")]
    return all(stat[0] == b"T" for stat in stats)


def group_of(pid):
    try:
        return os.getpgid(int(pid))
    except ProcessLookupError:
        return None


def group_that_is_stopped_and_continued_loses_nothing(t):
    """^Z: while all stand still, what they had logged is in the file."""
    starter, collector = start_group(t)
    for _ in range(3):
        os.killpg(starter.pid, signal.SIGTSTP)
        wait_until(lambda: are_stopped(starter.pid), 5, "all are stopped")
        calls = t.returned()
        wait_until(lambda least=calls: read_bytes(t.log).count(b"] #") >= least, 5, "what was logged is in the file")
        check(t.returned() == calls, "who is stopped goes on")
        os.killpg(starter.pid, signal.SIGCONT)
        t.wait_for_calls(calls + 500)
    check(t.collectors() == [collector], "it was replaced")
    t.tell_producers_to_stop()
    starter.wait()
    check(t.check_log()["lost"] == 0)


CASES = (
    signal_to_a_whole_group_loses_nothing, signal_to_all_processes_does_not_end_the_collector,
    group_that_is_stopped_and_continued_loses_nothing,
    handlers_that_interrupt_calls_of_one_thread_are_written, handlers_that_interrupt_calls_of_four_threads_are_written,
    handlers_on_8_kib_above_threads_of_16_kib_are_written,
    handlers_that_interrupt_growth_and_names_are_written_or_counted,
    handlers_in_forked_children_are_written_or_counted, handlers_that_interrupt_setups_are_written_or_counted,
    handlers_that_interrupt_shutdown_are_written_or_counted, record_of_a_handler_stands_between_the_calls_around_it,
    stack_of_a_log_call_is_as_stated,
)
