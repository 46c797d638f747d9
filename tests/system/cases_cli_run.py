# SPDX-License-Identifier: Unlicense
"""What `mplog run` makes of a command and of its end, of background processes, and of mplog commands below."""
import os
import re
import select
import shlex
import signal
import subprocess
import time

from cli_support import MESSAGE, ORIGIN, PATIENCE_S, check_equal, python
from support import check, wait_until

GONE_S = 1.0  # a session that is over


# ---- records and status ----

def run_records_look_like_those_of_the_command(place):
    path = place.script("#!/bin/sh\necho $$; echo err >&2; printf end\n", "some.thing")
    check_equal(place.run(path), (0, b""))
    lines = place.lines()
    pid = next(x for x in lines if b"stdout" in x).split(b"|")[1]
    check_equal(sorted(lines), sorted([b"INFO some.thing.stdout some.thing stdout %s|%s" % (pid, pid),
                                       b"INFO some.thing.stdout some.thing stdout %s|end" % pid,
                                       b"WARNING some.thing.stderr some.thing stderr %s|err" % pid]))


def run_without_log_file_logs_to_stderr(place):
    status, out, err = place.mplog("run", "sh", "-c", "echo hi")
    check_equal((status, out), (0, b""))
    check(re.fullmatch(rb"[-0-9]+ [:0-9]+,\d+ INFO +sh\.stdout \[sh:\d+ stdout\] hi\n", err), err)


def run_status_is_passed_on(place):
    for status in (0, 1, 3, 100, 111, 127, 255):
        check_equal(place.run("sh", "-c", f"exit {status}"), (status, b""))


def run_death_by_signal_is_passed_on(place):
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGSEGV, signal.SIGUSR1, signal.SIGALRM):
        check_equal(place.run("sh", "-c", f"echo dying; kill -{int(number)} $$"), (-number, b""))
        check_equal(place.messages()[-1], b"dying")
    check_equal([n for n in os.listdir(place.dir) if n.startswith("core")], [], "cores")


def run_death_by_signal_comes_after_all_lines(place):
    text = "for i in range(20000): print(i)\nimport os; os.sys.stdout.flush(); os.kill(os.getpid(), 9)"
    for collector in ("helper", "thread"):
        check_equal(place.run(*python(text), options=["--collector", collector]), (-9, b""))
        check_equal(len(place.lines()), 20000, "number of lines")
        os.unlink(place.log)


def run_by_shell_shows_128_plus_signal(place):
    script = f"\"$MPLOG\" run --no-stderr --log-file {place.log} -- sh -c 'kill -TERM $$'; echo $?"
    got = subprocess.run(["sh", "-c", script], env=place.env, capture_output=True, check=True)
    check_equal(got.stdout, b"143\n")


def run_command_not_found_is_127(place):
    for name in ("mplog-no-such-command", "/nowhere/x"):
        sentence = f"mplog: fatal: unable to run {name}: No such file or directory\n"
        check_equal(place.run(name), (127, sentence.encode()))


def run_command_not_executable_is_126(place):
    path = place.script("x", "data")
    os.chmod(path, 0o644)
    for name in (path, "/"):
        check_equal(place.run(name), (126, f"mplog: fatal: unable to run {name}: Permission denied\n".encode()))


def run_script_without_interpreter_runs_or_is_126(place):
    status, err = place.run(place.script("echo ran\n"))
    by_sh, refused = (0, b"", [b"ran"]), (126, True, [])  # glibc, musl
    check((status, err and b"Exec format error" in err, place.messages()) in (by_sh, refused), status, err)


def run_stdin_is_inherited(place):
    check_equal(place.run("cat", text=b"from above\n"), (0, b""))
    check_equal(place.messages(), [b"from above"])


def run_options_after_the_command_are_its_own(place):
    check_equal(place.mplog("run", "--no-stderr", "--log-file", place.log, "echo", "--level", "--", "x")[0], 0)
    check(place.lines()[-1].endswith(b" --level -- x"), place.read())


def run_waits_for_a_command_without_output(place):
    begin = time.monotonic()
    check_equal(place.run("sh", "-c", "exec >&- 2>&-; sleep 0.3; exit 5"), (5, b""))
    check(time.monotonic() - begin >= 0.3, "it did not wait")


def run_with_closed_descriptors_logs_all(place):
    command = (f"\"$MPLOG\" run --log-file {shlex.quote(place.log)} --format-string '%(message)s' -- "
               "sh -c 'echo out; echo err >&2; cat' <&- >&- 2>&-")
    check_equal(subprocess.run(["sh", "-c", command], env=place.env, check=False).returncode, 0)
    check_equal(sorted(place.lines()), [b"err", b"out"])


def run_command_has_a_clean_state(place):
    def prepare():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGUSR1])

    check_equal(place.run("sh", "-c", "exit 4", preexec_fn=prepare), (4, b""))
    for command in (["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"], ["ls", "/proc/self/fd"]):
        direct = subprocess.run(command, preexec_fn=prepare, capture_output=True, stdin=subprocess.DEVNULL, check=True)
        check_equal(place.run(*command, preexec_fn=prepare), (0, b""))
        check_equal(place.messages(), direct.stdout.split(b"\n")[:-1])
        os.unlink(place.log)


# ---- background processes ----

UNTIL_GO = "while [ ! -e go ]; do sleep 0.02; done"


def go(place):
    place.script("", "go")


def run_with_background(place, background, more="echo hi", options=(), status=6, **how):
    """Returns what it wrote to stderr when `mplog run` has ended and nobody holds its stdout and stderr any more."""
    p = place.start("run", "--log-file", place.log, "--format-string", MESSAGE, *options, "--", "sh", "-c",
                    f"({background}) & {more}; exit {status}", **how)
    err = p.communicate(timeout=PATIENCE_S)[1]
    check_equal(p.returncode, status)
    return err


def run_background_process_is_not_waited_for_but_logged(place):
    for _ in range(3):
        err = run_with_background(place, f"{UNTIL_GO}; echo later; echo half >&2; sleep 0.1; printf end")
        check_equal((err, place.lines()), (b"hi\n", [b"hi"]))
        go(place)
        place.wait_until_gone()
        check_equal(place.lines(), [b"hi", b"later", b"half", b"end"])
        os.unlink(place.log)
        os.unlink(os.path.join(place.dir, "go"))


def run_background_process_that_is_silent_leaves_nothing(place):
    for collector in ("helper", "thread"):
        run_with_background(place, UNTIL_GO, options=["--collector", collector])
        go(place)
        place.wait_until_gone()
        check_equal(place.lines(), [b"hi"])
        os.unlink(place.log)
        os.unlink(os.path.join(place.dir, "go"))


def run_background_process_with_collector_thread_is_logged(place):
    err = run_with_background(place, f"{UNTIL_GO}; echo later", options=["--collector", "thread"])
    check_equal(err, b"hi\n")
    go(place)
    place.wait_until_gone()
    check_equal(place.lines(), [b"hi", b"later"])


def run_background_half_line_is_one_line(place):
    run_with_background(place, f"{UNTIL_GO}; echo ' line'", "printf half")
    check_equal(place.lines(), [])
    go(place)
    place.wait_until_gone()
    check_equal(place.lines(), [b"half line"])


def run_background_process_that_never_pauses_is_not_waited_for(place):
    run_with_background(place, "i=0; while [ ! -e go ]; do i=$((i+1)); echo $i; sleep 0.01; done")
    count = len(place.lines())
    wait_until(lambda: len(place.lines()) > count + 20, PATIENCE_S, "twenty more lines")
    go(place)
    place.wait_until_gone()
    lines = place.lines()
    lines.remove(b"hi")
    check_equal(lines, [b"%d" % (i + 1) for i in range(len(lines))])


def run_background_process_that_floods_is_not_waited_for(place):
    run_with_background(place, "exec timeout 0.5 yes", options=["--backup-count", "99"])
    check(place.processes(), "it had ended before: nothing was tested")
    place.wait_until_gone()
    text = place.read_rotated()[0].replace(b"hi\n", b"", 1)
    check(len(text) > 10000 and text == b"y\n" * (len(text) // 2), "lines are lost")


def run_background_process_writes_on_to_a_file_as_stderr(place):
    path = os.path.join(place.dir, "err")
    for _ in range(6):
        with open(path, "wb") as f:
            run_with_background(place, "sleep 0.2; echo later", stderr=f)
        wait_until(lambda: place.read(path) == b"hi\nlater\n", PATIENCE_S, "the later line is in the file")


def run_keeper_outlives_a_terminating_signal(place):
    run_with_background(place, "trap 'echo last words; exit' TERM; echo ready; while :; do sleep 0.05; done")
    place.wait_for_text(b"ready\n")
    leads_session = []
    for pid in set(place.processes()) - set(place.collectors()):
        try:
            leads_session.append(os.getsid(pid) == pid)
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass  # one of the sleeps
    check(any(leads_session), "the keeper is in our session")
    place.wait_until_gone()
    check(b"last words" in place.lines(), place.read())


def run_keeper_holds_nothing_of_others(place):
    """Descriptor 7 leads to somebody who waits for its end; the background process has closed it."""
    reader, writer = os.pipe()
    run_with_background(place, f"exec 7>&-; {UNTIL_GO}", preexec_fn=lambda: os.dup2(writer, 7), close_fds=False)
    os.close(writer)
    check_equal(select.select([reader], [], [], PATIENCE_S)[0], [reader], "what has ended")
    check_equal(os.read(reader, 1), b"")
    os.close(reader)
    go(place)


# ---- sessions ----

def run_mplog_below_joins_its_session(place):
    show = "echo \"${MPLOG_SESSION%%;*}\""
    count = f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -c '^{place.ring_dir}/mplog-'"
    command = f"{show}; echo a | \"$MPLOG\" pipe --name below; {show} | \"$MPLOG\" pipe --name below; {count}"
    check_equal(place.run("sh", "-c", command), (0, b""))
    messages = place.messages()
    session = messages[0]
    check(session.startswith(b"dir=") and place.ring_dir.encode() in session, session)
    check_equal(sorted(messages[1:]), sorted([b"a", session, b"1"]))
    check_equal(sum(x.startswith(b"INFO below mplog main ") for x in place.lines()), 2, "lines of the inner one")


def run_inside_run_is_one_log(place):
    status, out, err = place.mplog("run", "--log-file", place.log, "--format-string", ORIGIN, "--",
                                   place.command, "run", "--", "sh", "-c", "echo inner; exit 9")
    check_equal((status, out), (9, b""))
    check_equal(len(place.lines()), 1, "number of lines")
    check(place.lines()[0].startswith(b"INFO sh.stdout sh stdout "), place.read())
    check_equal(err, place.read(), "stderr")


def run_in_another_directory_still_joins(place):
    status, _, err = place.mplog("run", "--log-file", "x.log", "--no-stderr", "--format-string", MESSAGE, "--",
                                 "sh", "-c", "mkdir d; cd d; echo a | \"$MPLOG\" pipe; ls")
    check_equal((status, err, place.lines()), (0, b"", [b"a"]))


def pipe_with_another_file_has_a_session_of_its_own(place):
    other = os.path.join(place.dir, "other.log")
    check_equal(place.run("sh", "-c", f"echo a | \"$MPLOG\" pipe --log-file {shlex.quote(other)}; echo b"), (0, b""))
    check_equal((len(place.lines()), len(place.lines(other))), (1, 1), "lines")


def sessions_are_gone_within_a_second(place):
    place.run("sh", "-c", "echo a; echo b | \"$MPLOG\" pipe")
    place.wait_until_gone(GONE_S)
    place.pipe(b"a\n")
    place.wait_until_gone(GONE_S)
    place.run("mplog-no-such-command")
    place.wait_until_gone(GONE_S)
    place.run("sh", "-c", "kill -9 $$")
    place.wait_until_gone(GONE_S)


CASES = (
    run_records_look_like_those_of_the_command, run_without_log_file_logs_to_stderr, run_status_is_passed_on,
    run_death_by_signal_is_passed_on, run_death_by_signal_comes_after_all_lines, run_by_shell_shows_128_plus_signal,
    run_command_not_found_is_127, run_command_not_executable_is_126, run_script_without_interpreter_runs_or_is_126,
    run_stdin_is_inherited, run_options_after_the_command_are_its_own, run_waits_for_a_command_without_output,
    run_with_closed_descriptors_logs_all, run_command_has_a_clean_state,
    run_background_process_is_not_waited_for_but_logged, run_background_process_that_is_silent_leaves_nothing,
    run_background_process_with_collector_thread_is_logged, run_background_half_line_is_one_line,
    run_background_process_that_never_pauses_is_not_waited_for,
    run_background_process_that_floods_is_not_waited_for, run_background_process_writes_on_to_a_file_as_stderr,
    run_keeper_outlives_a_terminating_signal, run_keeper_holds_nothing_of_others, run_mplog_below_joins_its_session,
    run_inside_run_is_one_log, run_in_another_directory_still_joins,
    pipe_with_another_file_has_a_session_of_its_own, sessions_are_gone_within_a_second,
)
