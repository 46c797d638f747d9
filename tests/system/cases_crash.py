# SPDX-License-Identifier: Unlicense
"""The crash handler: fatal signals become a record, and take their course."""
import os
import re
import shutil
import signal
import subprocess

from support import check, processes_naming, wait_until

SEGV, BUS, FPE, ILL, ABRT = (-number for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL,
                                                    signal.SIGABRT))
RECORD = re.compile(r"CRITICAL mplog \[crash:(\d+) ([^\]]*)\] the process crashes: (.*)\n((?:  .*\n)*)")
FRAME = re.compile(r"  #(\d+) (\S+)\+0x([0-9a-f]+) \[0x[0-9a-f]+\]\n")


def crash(t, how, where, status, env=(), **options):
    """What the log says of crashes: (pid, thread, signal, frames)."""
    program = t.start(t.bench.crash, how, where, *t.options(**options), env={**t.env, **dict(env)})
    program.may_complain = True  # sanitizers
    program.wait(status=status)
    wait_until(lambda: not processes_naming(t.dir, t.ring_dir) or options.get("collector") == "thread", 2, "an end")
    return RECORD.findall(t.read_log()), program


def check_one(t, found, words, thread="main"):
    check(len(found) == 1, len(found), "records instead of one:", t.read_log())
    _, name, what, frames = found[0]
    check(re.fullmatch(words, what), what, "is not", words)
    check(re.fullmatch(thread, name), "thread", name)
    check("last words" in t.read_log().split("the process crashes")[0], "the last words are missing", t.read_log())
    return FRAME.findall(frames)


def function_of(t, frame):
    done = subprocess.run(["addr2line", "-f", "-e", t.bench.crash, "0x" + frame[2]], capture_output=True, text=True,
                          check=True)
    return done.stdout.splitlines()[0]


def check_how(t, how, status, words):
    frames = check_one(t, crash(t, how, "main", status)[0], words)
    check([int(number) for number, _, _ in frames] == list(range(len(frames))), frames)
    if how != "nowhere" and len(frames) > 1:
        own = [f for f in frames if os.path.basename(f[1]) == "crash"]
        check(own, "no frame of the program:", frames)
        if shutil.which("addr2line"):
            functions = [function_of(t, f) for f in own[:2]]
            check(any(f"do_{how}" in f or "set_and_run" in f or f == "main" for f in functions), functions)
    os.remove(t.log)


def each_fatal_signal_becomes_a_record_and_kills(t):
    for how, status, words in (
            ("segv", SEGV, r"SIGSEGV \(11\): address not mapped \(SEGV_MAPERR\) at 0x10"),
            ("bus", BUS, r"SIGBUS \(7\): nothing behind the address \(BUS_ADRERR\) at 0x[0-9a-f]+"),
            ("fpe", FPE, r"SIGFPE \(8\): integer division by zero \(FPE_INTDIV\) at 0x[0-9a-f]+"),
            ("ill", ILL, r"SIGILL \(4\): illegal op\w+ \(ILL_ILLOP.\) at 0x[0-9a-f]+"),
            ("abort", ABRT, r"SIGABRT \(6\): sent by process \d+, itself"),
            ("sent", SEGV, r"SIGSEGV \(11\): sent by process \d+, itself"),
            ("nowhere", SEGV, r"SIGSEGV \(11\): address not mapped \(SEGV_MAPERR\) at 0x10")):
        if how == "fpe" and t.bench.is_sanitized:
            t.note("fpe is left out: UndefinedBehaviorSanitizer ends the program before")
            continue
        check_how(t, how, status, words)


def overflow_of_the_stack_is_told_in_main_and_in_threads(t):
    for where in ("main", "thread"):
        found, _ = crash(t, "overflow", where, SEGV)
        check_one(t, found, r"SIGSEGV \(11\): .*", thread=r"main|thread-\d+")
        os.remove(t.log)


def threads_that_crash_at_once_make_one_record(t):
    for _ in range(t.size(5, 100)):
        found, _ = crash(t, "segv", "many", SEGV)
        check_one(t, found, r"SIGSEGV .*", thread=r"thread-\d+")
        os.remove(t.log)


def crash_inside_a_log_call_is_told(t):
    for where in ("inside", "locked"):
        for how in ("segv", "abort"):
            status = SEGV if how == "segv" else ABRT
            check_one(t, crash(t, how, where, status)[0], r"SIG(SEGV|ABRT) .*")
            os.remove(t.log)


def crash_of_a_forked_child_is_told_and_the_parent_goes_on(t):
    found, program = crash(t, "segv", "child", 0)
    check_one(t, found, r"SIGSEGV .*")
    check(int(found[0][0]) != program.pid, "the parent's pid")
    check("the child died of 11" in t.read_log(), t.read_log())


def parent_and_child_are_each_told_once(t):
    found, program = crash(t, "segv", "heirs", SEGV)
    check(len(found) == 2 and int(found[1][0]) == program.pid != int(found[0][0]), found)


def programs_own_handler_runs_afterwards(t):
    found, program = crash(t, "segv", "handler", 7)
    check_one(t, found, r"SIGSEGV .*")
    check(program.stdout() == "own handler\n", program.stdout())


def program_that_goes_on_is_not_told_of_again(t):
    """Its handler jumps back; the second crash, with the same handler, is the program's own affair."""
    program = t.start(t.bench.crash, "segv", "resume", *t.options())
    program.may_complain = True
    program.wait(timeout=10, status=7)
    t.wait_until_gone()
    log = t.read_log()
    check(log.count("the process crashes") == 1 and "resumed" in log, log)
    check(program.stdout() == 2 * "own handler\n", program.stdout())


def crash_with_a_collector_thread_is_in_the_file(t):
    """The thread writes it before the process dies."""
    found, _ = crash(t, "segv", "main", SEGV, collector="thread")
    check_one(t, found, r"SIGSEGV .*")
    subprocess.run([t.bench.helper, "recover"], env=t.env, check=True, capture_output=True)  # the session stays behind


def crash_without_session_goes_to_stderr(t):
    for where in ("unset", "shutdown"):
        found, program = crash(t, "segv", where, SEGV)
        check(not found, found)
        check(program.stderr().startswith("the process crashes: SIGSEGV (11)"), program.stderr())


def crash_without_handler_leaves_what_was_logged(t):
    found, _ = crash(t, "segv", "main", SEGV, env={"MPLOG_CRASH_HANDLER": "0"})
    check(not found and t.read_log().endswith("last words\n"), t.read_log())


def environment_installs_the_handler(t):
    check_one(t, crash(t, "segv", "main", SEGV, env={"MPLOG_CRASH_HANDLER": "1"})[0], r"SIGSEGV .*")


CASES = (
    each_fatal_signal_becomes_a_record_and_kills, overflow_of_the_stack_is_told_in_main_and_in_threads,
    threads_that_crash_at_once_make_one_record, crash_inside_a_log_call_is_told,
    crash_of_a_forked_child_is_told_and_the_parent_goes_on, parent_and_child_are_each_told_once,
    programs_own_handler_runs_afterwards, program_that_goes_on_is_not_told_of_again,
    crash_with_a_collector_thread_is_in_the_file, crash_without_session_goes_to_stderr,
    crash_without_handler_leaves_what_was_logged, environment_installs_the_handler,
)
