# SPDX-License-Identifier: Unlicense
"""Signals, from processes and from a terminal, to `mplog run` and `mplog pipe`."""
import fcntl
import os
import signal
import subprocess
import sys
import termios
import time

from cli_support import MESSAGE, PATIENCE_S, Terminal, check_equal, python
from support import check, wait_until

# Says which signals it gets; one of ENDING ends it with 3.
TALKER = """
import os, signal, sys, time
def say(text):
    os.write(1, text.encode() + b"\\n")
def got(number, frame):
    heard.append(number)
    say("got " + signal.Signals(number).name)
    if number in ENDING:
        os._exit(3)
heard = []
for name in "INT TERM HUP QUIT USR1 USR2 ALRM WINCH CONT TSTP".split():
    signal.signal(getattr(signal, "SIG" + name), got)
"""
WAIT = """
say("ready")
while True:
    time.sleep(10)
"""
# One signal, and time for a second one.
WAIT_FOR_ONE = """
say("ready")
while not heard:
    time.sleep(0.01)
time.sleep(0.3)
os._exit(3)
"""


def talker(ending="[signal.SIGTERM]", then=WAIT):
    return python(f"{TALKER}\nENDING = {ending}\n{then}")


# ---- from processes, to run ----

def run_signals_from_a_process_are_forwarded(place):
    p = place.start_run(*talker())
    for name in ("INT", "HUP", "QUIT", "USR1", "USR2", "ALRM", "WINCH", "CONT", "TSTP", "TERM"):
        os.kill(p.pid, getattr(signal, "SIG" + name))
        place.wait_for_text(b"got SIG%s\n" % name.encode())
    p.communicate(timeout=30)
    check_equal(p.returncode, 3)
    check_equal(len(place.lines()), 11, "number of lines")


def run_timer_set_before_exec_reaches_the_command(place):
    """The timer must not run out before the command is ready."""
    p = place.start_run(*talker("[signal.SIGALRM]"), preexec_fn=lambda: signal.setitimer(signal.ITIMER_REAL, 2.0))
    p.communicate(timeout=30)
    check_equal((p.returncode, place.lines()), (3, [b"ready", b"got SIGALRM"]))


def run_stop_and_continue_from_a_process_are_forwarded(place):
    # In a process group of its own: in one that is orphaned, as ours may be, the kernel ignores SIGTSTP.
    p = place.start_run("sh", "-c", "echo $$; echo ready; read x; echo over", stdin=subprocess.PIPE,
                        preexec_fn=os.setpgrp)
    child = int(place.lines()[0])

    def are_both(state):
        return all(place.read(f"/proc/{pid}/stat").rsplit(b")", 1)[1].split()[0] == state for pid in (child, p.pid))

    os.kill(p.pid, signal.SIGTSTP)
    wait_until(lambda: are_both(b"T"), PATIENCE_S, "both are stopped")
    os.kill(p.pid, signal.SIGCONT)
    wait_until(lambda: are_both(b"S"), PATIENCE_S, "both go on")
    p.communicate(b"\n", timeout=30)
    check_equal((p.returncode, place.lines()[-1]), (0, b"over"))


def run_child_that_is_stopped_directly_does_not_stop_us(place):
    p = place.start_run("sh", "-c", "echo $$; (while [ ! -e go ]; do sleep 0.02; done; echo more)& echo ready; wait")
    child = int(place.lines()[0])
    os.kill(child, signal.SIGSTOP)
    place.script("", "go")
    place.wait_for_text(b"more\n")
    os.kill(child, signal.SIGCONT)
    p.communicate(timeout=30)
    check_equal(p.returncode, 0)


# ---- from a terminal, to run ----

def on_terminal(place, *command, **how):
    t = Terminal(place, "run", "--log-file", place.log, "--no-stderr", "--format-string", MESSAGE, "--", *command,
                 **how)
    place.wait_for_text(b"ready\n")
    return t


def run_interrupt_from_terminal_reaches_the_command_once(place):
    for with_shell in (True, False):
        t = on_terminal(place, *talker("[]", WAIT_FOR_ONE), with_shell=with_shell)
        t.type(b"\x03")
        status = t.end()
        check_equal((os.WIFEXITED(status), os.WEXITSTATUS(status)), (True, 3))
        check_equal(place.lines(), [b"ready", b"got SIGINT"])
        os.unlink(place.log)


def run_interrupt_that_kills_the_command_kills_us_too(place):
    for key, number in ((b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)):
        t = on_terminal(place, "sh", "-c", "ulimit -c 0; echo ready; exec sleep 100")
        t.type(key)
        status = t.end()
        check_equal((os.WIFSIGNALED(status), os.WTERMSIG(status), os.WCOREDUMP(status)), (True, number, False))
        os.unlink(place.log)


def run_job_is_stopped_and_continued_by_a_shell(place):
    t = on_terminal(place, "sh", "-c", "echo ready; while read x; do echo \"$x\"; done")
    for i in range(3):
        t.type(b"\x1a")
        status = t.next_status()
        check_equal((os.WIFSTOPPED(status), os.WSTOPSIG(status)), (True, signal.SIGTSTP))
        t.foreground()
        t.type(b"line %d\n" % i)
        place.wait_for_text(b"line %d\n" % i)
    t.type(b"\x04")
    check_equal(t.end(), 0)
    check_equal(place.lines(), [b"ready", b"line 0", b"line 1", b"line 2"])


def run_command_that_ignores_the_stop_key_goes_on(place):
    t = on_terminal(place, *talker(then="signal.signal(signal.SIGTSTP, signal.SIG_IGN)\nsay('ready')\nsay(input())\n"))
    t.type(b"\x1a")
    time.sleep(0.2)
    t.type(b"typed\n")
    check_equal(t.end(), 0)
    check_equal(place.lines(), [b"ready", b"typed"])


def run_hang_up_of_its_terminal_reaches_the_command(place):
    t = on_terminal(place, *talker("[signal.SIGHUP]"), with_shell=False)
    t.hang_up()
    check_equal(os.WEXITSTATUS(t.end()), 3)
    check(b"got SIGHUP" in place.lines(), place.read())


def run_change_of_window_size_reaches_the_command_once(place):
    t = on_terminal(place, *talker())
    fcntl.ioctl(t.master, termios.TIOCSWINSZ, b"\x20\0\x40\0\0\0\0\0")
    place.wait_for_text(b"got SIGWINCH\n")
    time.sleep(0.1)
    t.type(b"\x03")
    place.wait_for_text(b"got SIGINT\n")
    [command] = [p for p in place.processes() if place.read(f"/proc/{p}/cmdline").startswith(sys.executable.encode())]
    os.kill(command, signal.SIGTERM)
    t.end()
    check_equal(place.lines(), [b"ready", b"got SIGWINCH", b"got SIGINT", b"got SIGTERM"])


# ---- to pipe ----

def pipe_signal_from_a_process_comes_after_what_was_written(place):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        p = place.start_pipe()
        p.stdin.write(b"ready\n")
        p.stdin.flush()
        place.wait_for_text(b"ready\n")
        os.kill(p.pid, signal.SIGSTOP)
        p.stdin.write(b"more\n" * 10000 + b"half")
        p.stdin.flush()
        os.kill(p.pid, number)
        os.kill(p.pid, signal.SIGCONT)
        check_equal(p.wait(timeout=30), -number)
        check(place.lines() == [b"ready"] + [b"more"] * 10000 + [b"half"], "lines are lost")
        os.unlink(place.log)


def pipe_hears_last_words_after_an_interrupt_from_terminal(place):
    command = ("(trap 'sleep 0.3; echo bye; exit' INT; echo ready; sleep 100) | "
               f"\"$MPLOG\" pipe --log-file {place.log} --no-stderr --format-string '%(message)s'")
    t = Terminal(place, "run", "--no-stderr", "--log-file", "/dev/null", "sh", "-c", command)
    place.wait_for_text(b"ready\n")
    t.type(b"\x03")
    t.end()
    check_equal(place.lines(), [b"ready", b"bye"])


def pipe_typed_by_hand_ends_on_interrupt(place):
    t = Terminal(place, "pipe", "--log-file", place.log, "--no-stderr", "--format-string", MESSAGE)
    t.type(b"ready\n")
    place.wait_for_text(b"ready\n")
    t.type(b"\x03")
    status = t.end()
    check_equal((os.WIFSIGNALED(status), os.WTERMSIG(status)), (True, signal.SIGINT))


CASES = (
    run_signals_from_a_process_are_forwarded, run_timer_set_before_exec_reaches_the_command,
    run_stop_and_continue_from_a_process_are_forwarded, run_child_that_is_stopped_directly_does_not_stop_us,
    run_interrupt_from_terminal_reaches_the_command_once, run_interrupt_that_kills_the_command_kills_us_too,
    run_job_is_stopped_and_continued_by_a_shell, run_command_that_ignores_the_stop_key_goes_on,
    run_hang_up_of_its_terminal_reaches_the_command, run_change_of_window_size_reaches_the_command_once,
    pipe_signal_from_a_process_comes_after_what_was_written, pipe_hears_last_words_after_an_interrupt_from_terminal,
    pipe_typed_by_hand_ends_on_interrupt,
)
