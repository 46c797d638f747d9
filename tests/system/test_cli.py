#!/usr/bin/env python3
# SPDX-License-Identifier: Unlicense
"""The mplog command from outside: test_cli.py PATH_OF_MPLOG. Speaks TAP."""

import fcntl
import os
import random
import re
import resource
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time

MPLOG = os.path.abspath(sys.argv[1])
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAN_PAGE = os.path.join(SOURCE, 'docs', 'mplog.1')

# Everything that a record says about its origin, then the message.
ORIGIN = '%(levelname)s %(name)s %(processName)s %(threadName)s %(process)d|%(message)s'
MESSAGE = '%(message)s'

MIB = 1 << 20
LINE_MAX = 16 * MIB

# A session that is over is gone within a second. Where that is not the subject, a busy machine gets more.
GONE_S = 1.0
PATIENCE_S = 10.0


# ---- what a test has around it ----

class Failure(Exception):
    pass


def check(condition, *facts):
    if not condition:
        raise Failure(' '.join(str(f)[:2000] for f in facts) or 'not true')


def check_equal(actual, expected, what='value'):
    check(actual == expected, f'{what} is {actual!r:.400}, not {expected!r:.400}')


def wait_until(condition, what, limit_s=PATIENCE_S):
    deadline = time.monotonic() + limit_s
    while not condition():
        check(time.monotonic() < deadline, f'not within {limit_s} s: {what}')
        time.sleep(0.005)


class Place:
    """A directory for one test, and one for shared memory, by which its processes are known."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix='mplog-test-')
        self.ring_dir = tempfile.mkdtemp(prefix='mplog-test-', dir='/dev/shm' if os.path.isdir('/dev/shm') else None)
        self.log = os.path.join(self.dir, 'x.log')
        self.env = {k: v for k, v in os.environ.items() if not k.startswith('MPLOG_')}
        self.env.update(MPLOG_RING_DIR=self.ring_dir, MPLOG=MPLOG)
        self.reports = os.path.join(self.ring_dir, 'sanitizer')
        for variable in ('ASAN_OPTIONS', 'UBSAN_OPTIONS'):
            self.env[variable] = f'{os.environ.get(variable, "")}:log_path={self.reports}:print_stacktrace=1'

    def processes(self, only_collectors=False):
        """Ours: the collectors name the directory in their arguments, all others in their environment."""
        found = []
        for pid in filter(str.isdigit, os.listdir('/proc')):
            for name in ('cmdline',) if only_collectors else ('cmdline', 'environ'):
                try:
                    with open(f'/proc/{pid}/{name}', 'rb') as f:
                        if self.ring_dir.encode() + b'/' in f.read().replace(b'\0', b'/\n') and int(pid) != os.getpid():
                            found.append(int(pid))
                            break
                except OSError:
                    pass  # ended meanwhile, or somebody else's
        return found

    def sessions(self):
        parent = os.path.join(self.ring_dir, f'mplog-{os.geteuid()}')
        return os.listdir(parent) if os.path.isdir(parent) else []

    def wait_until_gone(self, limit_s=PATIENCE_S):
        wait_until(lambda: not self.processes() and not self.sessions(),
                   f'processes {self.processes()} and sessions {self.sessions()} are gone', limit_s)

    def check_reports(self):
        """Of a build with sanitizers, which would else be mixed with what a test looks at."""
        for name in os.listdir(self.ring_dir):
            path = os.path.join(self.ring_dir, name)
            if os.path.isfile(path):
                report = self.read(path).decode(errors='replace')
                check('ERROR' not in report and 'runtime error' not in report, report)

    def remove(self):
        for pid in self.processes():  # of a test that has failed
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.dir)
        shutil.rmtree(self.ring_dir)

    def start(self, *args, env=None, **more):
        more.setdefault('stdin', subprocess.DEVNULL)
        more.setdefault('stdout', subprocess.PIPE)
        more.setdefault('stderr', subprocess.PIPE)
        return subprocess.Popen([MPLOG, *args], env={**self.env, **(env or {})}, cwd=self.dir, **more)

    def mplog(self, *args, input=None, **more):
        """(status as Python shows it, stdout, stderr)"""
        if input is not None:
            more['stdin'] = subprocess.PIPE
        p = self.start(*args, **more)
        out, err = p.communicate(input, timeout=60)
        return p.returncode, out, err

    def read(self, path=None):
        with open(path or self.log, 'rb') as f:
            return f.read()

    def lines(self, path=None):
        return self.read(path).split(b'\n')[:-1]

    def read_rotated(self):
        backups = [n for n in os.listdir(self.dir) if n.startswith('x.log.')]
        order = sorted(backups, key=lambda n: -int(n.rsplit('.', 1)[1]))
        return b''.join(self.read(os.path.join(self.dir, n)) for n in [*order, 'x.log']), len(backups)

    def wait_for_text(self, text):
        wait_until(lambda: os.path.exists(self.log) and text in self.read(), f'{text!r} in the log')

    def pipe(self, data, *options):
        """The messages that `mplog pipe` makes of `data`."""
        status, out, err = self.mplog('pipe', '--log-file', self.log, '--no-stderr', '--format-string', MESSAGE, *options,
                                      input=data)
        check_equal((status, out, err), (0, b'', b''))
        return self.lines()

    def run(self, *command, options=(), **more):
        """(status, stderr) of a command that logs to the file only."""
        status, out, err = self.mplog('run', '--log-file', self.log, '--no-stderr', '--format-string', ORIGIN, *options,
                                      '--', *command, **more)
        check_equal(out, b'', 'stdout')
        return status, err

    def script(self, text, name='script'):
        path = os.path.join(self.dir, name)
        with open(path, 'w') as f:
            f.write(text)
        os.chmod(path, 0o755)
        return path


TESTS = []


def test(function):
    TESTS.append(function)
    return function


def python(text):
    return sys.executable, '-c', text


# ---- lines ----

@test
def pipe_lines_become_records(place):
    status, out, err = place.mplog('pipe', '--format-string', ORIGIN, '--name', 'a.b', '--record-level', 'error',
                                   input=b'one\n\n two \n')
    check_equal((status, out), (0, b''))
    check_equal([re.sub(rb' \d+\|', b'|', x) for x in err.split(b'\n')],
                [b'ERROR a.b mplog main|one', b'ERROR a.b mplog main|', b'ERROR a.b mplog main| two ', b''])


@test
def pipe_defaults_are_info_and_stdin(place):
    err = place.mplog('pipe', '--format-string', ORIGIN, input=b'x\n')[2]
    check(err.startswith(b'INFO stdin '), err)


@test
def pipe_last_line_without_newline_is_logged(place):
    check_equal(place.pipe(b'a\nb'), [b'a', b'b'])


@test
def pipe_without_input_logs_nothing(place):
    check_equal(place.pipe(b''), [])


@test
def pipe_carriage_return_only_before_newline_is_stripped(place):
    check_equal(place.pipe(b'a\r\nb\rc\r\r\n\r\nd\r', '--escape', 'control'),
                [b'a', b'b\\x0dc\\x0d', b'', b'd\\x0d'])


@test
def pipe_nul_and_binary_bytes_are_kept(place):
    check_equal(place.pipe(b'a\0b\xff\n\0\n'), [b'a\\x00b\\xff', b'\\x00'])
    os.unlink(place.log)
    check_equal(place.pipe(b'a\0b\x1b\n', '--escape', 'none'), [b'a\0b\x1b'])


@test
def pipe_line_end_in_two_reads_is_one_line_end(place):
    p = place.start('pipe', '--log-file', place.log, '--no-stderr', '--format-string', MESSAGE, stdin=subprocess.PIPE)
    for part in (b'o', b'ne\r', b'\ntw', b'o\r\n', b'\r', b'\n'):
        p.stdin.write(part)
        p.stdin.flush()
        time.sleep(0.02)
    p.communicate(timeout=30)
    check_equal(place.lines(), [b'one', b'two', b''])


@test
def pipe_lines_of_any_length_are_whole(place):
    rng = random.Random(1)
    lengths = [MIB, MIB - 1, MIB + 1, 65535, 65536, 65537, 262143, 262144, 262145, 196607, 196608, 3 * MIB // 2]
    lengths += [rng.randrange(200) for _ in range(2000)] + [rng.randrange(400000) for _ in range(40)]
    rng.shuffle(lengths)
    expected = [bytes([97 + i % 26]) * n for i, n in enumerate(lengths)]
    check_equal(place.pipe(b''.join(x + (b'\n', b'\r\n')[i % 2] for i, x in enumerate(expected)), '--max-bytes', '0')
                == expected, True, 'equality')


@test
def pipe_line_of_16_mib_is_whole(place):
    line = b'0123456789abcdef' * MIB
    got = place.pipe(line + b'\r\nend', '--max-bytes', '0')
    check_equal([len(x) for x in got], [LINE_MAX, 3])
    check(got[0] == line, 'the line has changed')


# Memory for more than one of them at a time.
ROOM = ('--max-bytes', '0', '--ring-max-bytes', '64M', '--ring-budget-bytes', '512M')


@test
def pipe_line_of_16_mib_may_have_its_end_in_other_reads(place):
    p = place.start('pipe', '--log-file', place.log, '--no-stderr', '--format-string', MESSAGE, *ROOM, stdin=subprocess.PIPE)
    for part in (b'x' * LINE_MAX, b'\r', b'\nend\n'):
        p.stdin.write(part)
        p.stdin.flush()
        time.sleep(0.1)
    p.communicate(timeout=30)
    check_equal([len(x) for x in place.lines()], [LINE_MAX, 3])


@test
def pipe_longer_line_comes_in_pieces(place):
    for extra, end in ((1, b'\n'), (1, b'\r\n'), (1, b''), (2, b'\n'), (2, b''), (70000, b'\n'), (LINE_MAX + 5, b'\n')):
        data = b'x' * (LINE_MAX - 1) + b'y' + b'z' * extra
        got = place.pipe(b'a\n' + data + end + b'b' * (end != b''), *ROOM)
        check_equal(got[0], b'a')
        text, rest = (got[1:-1], got[-1]) if end else (got[1:], b'b')
        check_equal([len(t) for t in text], [LINE_MAX, *[LINE_MAX] * (extra // LINE_MAX), extra % LINE_MAX])
        check(b''.join(text) == data and rest == b'b', 'text was changed')
        os.unlink(place.log)


@test
def pipe_longer_line_is_cut_between_characters(place):
    for shift in range(4):
        data = b'-' * shift + '\U0001f600'.encode() * (LINE_MAX // 4 + 1)
        got = place.pipe(data, *ROOM)
        check_equal(len(got[0]), LINE_MAX - (4 - shift) % 4 if shift else LINE_MAX)
        check(len(got) == 2 and b''.join(got) == data and b'\\x' not in got[0] and got[1].decode(), 'cut in a character')
        os.unlink(place.log)


@test
def pipe_short_of_memory_cuts_lines_but_loses_nothing(place):
    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (4 * MIB, resource.RLIM_INFINITY))

    if subprocess.run([MPLOG, '--version'], preexec_fn=limit, capture_output=True).returncode != 0:
        return  # a build that needs more than that to start at all
    data = random.Random(2).randbytes(6 * MIB).hex().encode()
    status, _, err = place.mplog('pipe', '--log-file', place.log, '--no-stderr', '--format-string', MESSAGE, *ROOM,
                                 input=data + b'\nend\n', preexec_fn=limit)
    check_equal((status, err), (0, b''))
    got = place.lines()
    check(b''.join(got[:-1]) == data and got[-1] == b'end', 'text was lost')
    check(len(got) > 2, 'memory was not short')


ROTATED = ('--max-bytes', '1M', '--backup-count', '100')


@test
def pipe_200000_lines_with_rotation_are_all_there(place):
    expected = b''.join(b'%d of pipe\n' % i for i in range(200000))
    place.pipe(expected, *ROTATED)
    text, backups = place.read_rotated()
    check(text == expected, f'{text.count(10)} lines')
    check(backups >= 2, 'no rotation')


@test
def run_200000_lines_with_rotation_are_all_there(place):
    writer = python('import os\n'
                    'for k in range(100):\n'
                    '    for fd in 1, 2:\n'
                    '        data = b"".join(b"%d of %d\\n" % (i, fd) for i in range(k * 1000, k * 1000 + 1000))\n'
                    '        while data:\n'
                    '            data = data[os.write(fd, data[:997]):]\n')
    check_equal(place.run(*writer, options=ROTATED), (0, b''))
    text, backups = place.read_rotated()
    lines = text.split(b'\n')[:-1]
    check(backups >= 2, 'no rotation')
    check_equal(len(lines), 200000, 'number of lines')
    for stream, level, fd in ((b'stdout', b'INFO', 1), (b'stderr', b'WARNING', 2)):
        own = [x.split(b'|')[1] for x in lines if x.startswith(level + b' ') and b' ' + stream + b' ' in x]
        check(own == [b'%d of %d' % (i, fd) for i in range(100000)], f'{stream} is not as written')


# ---- run: records and status ----

@test
def run_records_look_like_those_of_the_command(place):
    path = place.script('#!/bin/sh\necho $$; echo err >&2; printf end\n', 'some.thing')
    check_equal(place.run(path), (0, b''))
    lines = place.lines()
    pid = next(x for x in lines if b'stdout' in x).split(b'|')[1]
    check_equal(sorted(lines), sorted([b'INFO some.thing.stdout some.thing stdout %s|%s' % (pid, pid),
                                       b'INFO some.thing.stdout some.thing stdout %s|end' % pid,
                                       b'WARNING some.thing.stderr some.thing stderr %s|err' % pid]))


@test
def run_without_log_file_logs_to_stderr(place):
    status, out, err = place.mplog('run', 'sh', '-c', 'echo hi')
    check_equal((status, out), (0, b''))
    check(re.fullmatch(rb'[-0-9]+ [:0-9]+,\d+ INFO +sh\.stdout \[sh:\d+ stdout\] hi\n', err), err)


@test
def run_status_is_passed_on(place):
    for status in (0, 1, 3, 100, 111, 127, 255):
        check_equal(place.run('sh', '-c', f'exit {status}'), (status, b''))


@test
def run_death_by_signal_is_passed_on(place):
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGSEGV, signal.SIGUSR1, signal.SIGALRM):
        check_equal(place.run('sh', '-c', f'echo dying; kill -{int(number)} $$'), (-number, b''))
        check(place.lines()[-1].endswith(b'|dying'), 'the last line is not there')
    check_equal([n for n in os.listdir(place.dir) if n.startswith('core')], [], 'cores')


@test
def run_death_by_signal_comes_after_all_lines(place):
    text = 'for i in range(20000): print(i)\nimport os; os.sys.stdout.flush(); os.kill(os.getpid(), 9)'
    for collector in ('helper', 'thread'):
        check_equal(place.run(*python(text), options=['--collector', collector]), (-9, b''))
        check_equal(len(place.lines()), 20000, 'number of lines')
        os.unlink(place.log)


@test
def run_by_shell_shows_128_plus_signal(place):
    got = subprocess.run(['sh', '-c', '"$MPLOG" run --no-stderr -- sh -c \'kill -TERM $$\'; echo $?'], env=place.env,
                         capture_output=True)
    check_equal(got.stdout, b'143\n')


@test
def run_command_not_found_is_127(place):
    for name, reason in (('mplog-no-such-command', b'No such file or directory'), ('/nowhere/x', b'No such file or directory')):
        check_equal(place.run(name), (127, b'mplog: fatal: unable to run %s: %s\n' % (name.encode(), reason)))


@test
def run_command_not_executable_is_126(place):
    path = place.script('x', 'data')
    os.chmod(path, 0o644)
    for name in (path, '/'):
        check_equal(place.run(name), (126, b'mplog: fatal: unable to run %s: Permission denied\n' % name.encode()))


@test
def run_script_without_interpreter_is_run_by_sh(place):
    check_equal(place.run(place.script('echo ran\n')), (0, b''))
    check(place.lines()[-1].endswith(b'|ran'), place.read())


@test
def run_stdin_is_inherited(place):
    check_equal(place.run('cat', input=b'from above\n'), (0, b''))
    check(place.lines()[-1].endswith(b'|from above'), place.read())


@test
def run_options_after_the_command_are_its_own(place):
    check_equal(place.mplog('run', '--no-stderr', '--log-file', place.log, 'echo', '--level', '--', 'x')[0], 0)
    check(place.lines()[-1].endswith(b' --level -- x'), place.read())


@test
def run_waits_for_a_command_without_output(place):
    begin = time.monotonic()
    check_equal(place.run('sh', '-c', 'exec >&- 2>&-; sleep 0.3; exit 5'), (5, b''))
    check(time.monotonic() - begin >= 0.3, 'it did not wait')


@test
def run_with_closed_descriptors_logs_all(place):
    command = (f'"$MPLOG" run --log-file {shlex.quote(place.log)} --format-string "%(message)s" -- '
               'sh -c "echo out; echo err >&2; cat" <&- >&- 2>&-')
    check_equal(subprocess.run(['sh', '-c', command], env=place.env).returncode, 0)
    check_equal(sorted(place.lines()), [b'err', b'out'])


@test
def run_command_has_a_clean_state(place):
    def prepare():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGUSR1])

    check_equal(place.run('sh', '-c', 'exit 4', preexec_fn=prepare), (4, b''))
    for command in (['grep', '-E', 'Sig(Blk|Ign)', '/proc/self/status'], ['ls', '/proc/self/fd']):
        direct = subprocess.run(command, preexec_fn=prepare, capture_output=True, stdin=subprocess.DEVNULL)
        check_equal(place.run(*command, preexec_fn=prepare), (0, b''))
        check_equal([x.split(b'|')[1] for x in place.lines()], direct.stdout.split(b'\n')[:-1])
        os.unlink(place.log)


# ---- run: signals from processes ----

# Says what it gets, and ends with 3 after TERM.
TALKER = '''
import os, signal, sys, time
def say(text):
    os.write(1, text.encode() + b'\\n')
def got(number, frame):
    say('got ' + signal.Signals(number).name)
    if number in ENDING:
        os._exit(3)
ENDING = [signal.SIGTERM]
for name in 'INT TERM HUP QUIT USR1 USR2 ALRM WINCH CONT TSTP'.split():
    signal.signal(getattr(signal, 'SIG' + name), got)
'''
WAIT = '''
say('ready')
while True:
    time.sleep(10)
'''


def talker(extra='', wait=WAIT):
    return python(f'{TALKER}\n{extra}\n{wait}')


def start_run(place, *command, **more):
    p = place.start('run', '--log-file', place.log, '--no-stderr', '--format-string', MESSAGE, '--', *command, **more)
    place.wait_for_text(b'ready\n')
    return p


@test
def run_signals_from_a_process_are_forwarded(place):
    p = start_run(place, *talker())
    for name in ('INT', 'HUP', 'QUIT', 'USR1', 'USR2', 'ALRM', 'WINCH', 'CONT', 'TSTP', 'TERM'):
        os.kill(p.pid, getattr(signal, 'SIG' + name))
        place.wait_for_text(b'got SIG%s\n' % name.encode())
    p.communicate(timeout=30)
    check_equal(p.returncode, 3)
    check_equal(len(place.lines()), 11, 'number of lines')


@test
def run_timer_set_before_exec_reaches_the_command(place):
    p = start_run(place, *talker('ENDING = [signal.SIGALRM]'),
                  preexec_fn=lambda: signal.setitimer(signal.ITIMER_REAL, 1.0))
    p.communicate(timeout=30)
    check_equal((p.returncode, place.lines()), (3, [b'ready', b'got SIGALRM']))


@test
def run_stop_and_continue_from_a_process_are_forwarded(place):
    p = start_run(place, 'sh', '-c', 'echo $$; echo ready; read x; echo over', stdin=subprocess.PIPE)
    child = int(place.lines()[0])

    def state(pid):
        with open(f'/proc/{pid}/stat') as f:
            return f.read().rsplit(')', 1)[1].split()[0]

    os.kill(p.pid, signal.SIGTSTP)
    wait_until(lambda: state(child) == 'T' and state(p.pid) == 'T', 'both are stopped')
    os.kill(p.pid, signal.SIGCONT)
    wait_until(lambda: state(child) == 'S' and state(p.pid) == 'S', 'both go on')
    p.communicate(b'\n', timeout=30)
    check_equal((p.returncode, place.lines()[-1]), (0, b'over'))


@test
def run_child_that_is_stopped_directly_does_not_stop_us(place):
    p = start_run(place, 'sh', '-c', 'echo $$; (sleep 0.4; echo more)& echo ready; wait', stdin=subprocess.PIPE)
    child = int(place.lines()[0])
    os.kill(child, signal.SIGSTOP)
    place.wait_for_text(b'more\n')
    os.kill(child, signal.SIGCONT)
    p.communicate(timeout=30)
    check_equal(p.returncode, 0)


# ---- run: signals from a terminal ----

class Terminal:
    """A terminal, and on it either the command as leader of its session, or a shell with job control."""

    def __init__(self, place, *args, with_shell):
        self.master, slave = os.openpty()
        self.events, events_fd = os.pipe()
        command_fd, self.commands = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.chdir(place.dir)
                os.close(self.master)
                os.setsid()
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
                for fd in range(3):
                    os.dup2(slave, fd)
                self.argv, self.env = [MPLOG, *args], place.env
                if with_shell:
                    self.be_shell(command_fd, events_fd)
                os.execve(MPLOG, self.argv, self.env)
            finally:
                os._exit(99)
        for fd in (slave, events_fd, command_fd):
            os.close(fd)

    def be_job(self):
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.setpgid(0, 0)
        while os.tcgetpgrp(0) != os.getpgrp():
            time.sleep(0.001)
        os.execve(MPLOG, self.argv, self.env)

    def be_shell(self, command_fd, events_fd):
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        job = os.fork()
        if job == 0:
            self.be_job()
        wait_until(lambda: os.getpgid(job) == job, 'the job has its group')
        while True:
            os.tcsetpgrp(0, job)
            status = os.waitpid(job, os.WUNTRACED)[1]
            os.tcsetpgrp(0, os.getpgrp())
            os.write(events_fd, b'%d\n' % status)
            if not os.WIFSTOPPED(status):
                os._exit(0)
            os.read(command_fd, 1)
            os.tcsetpgrp(0, job)
            os.killpg(job, signal.SIGCONT)

    def type(self, data):
        os.write(self.master, data)

    def next_status(self):
        check(select.select([self.events], [], [], PATIENCE_S)[0], 'the job goes on')
        return int(os.read(self.events, 100))

    def foreground(self):
        os.write(self.commands, b'f')

    def wait(self):
        done = []

        def has_ended():
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            done.append(status)
            return pid != 0

        wait_until(has_ended, 'the command has ended')
        for fd in (self.events, self.commands):
            os.close(fd)
        return done[-1]

    def hang_up(self):
        os.close(self.master)


def on_terminal(place, *command, with_shell=True, ready=b'ready\n'):
    t = Terminal(place, 'run', '--log-file', place.log, '--no-stderr', '--format-string', MESSAGE, '--', *command,
                 with_shell=with_shell)
    place.wait_for_text(ready)
    return t


@test
def run_interrupt_from_terminal_reaches_the_command_once(place):
    for with_shell in (True, False):
        t = on_terminal(place, *talker('ENDING = []', 'say("ready")\ntime.sleep(0.1)\ntime.sleep(0.5)\nos._exit(3)\n'),
                        with_shell=with_shell)
        t.type(b'\x03')
        status = t.next_status() if with_shell else None
        status = t.wait() if status is None else (t.wait(), status)[1]
        t.hang_up()
        check_equal((os.WIFEXITED(status), os.WEXITSTATUS(status)), (True, 3))
        check_equal(place.lines(), [b'ready', b'got SIGINT'])
        os.unlink(place.log)


@test
def run_interrupt_that_kills_the_command_kills_us_too(place):
    for key, number in ((b'\x03', signal.SIGINT), (b'\x1c', signal.SIGQUIT)):
        t = on_terminal(place, 'sh', '-c', 'ulimit -c 0; echo ready; exec sleep 100')
        t.type(key)
        status = t.next_status()
        t.wait()
        t.hang_up()
        check_equal((os.WIFSIGNALED(status), os.WTERMSIG(status), os.WCOREDUMP(status)), (True, number, False))
        os.unlink(place.log)


@test
def run_job_is_stopped_and_continued_by_a_shell(place):
    t = on_terminal(place, 'sh', '-c', 'echo ready; while read x; do echo "$x"; done')
    for i in range(3):
        t.type(b'\x1a')
        status = t.next_status()
        check_equal((os.WIFSTOPPED(status), os.WSTOPSIG(status)), (True, signal.SIGTSTP))
        t.foreground()
        t.type(b'line %d\n' % i)
        place.wait_for_text(b'line %d\n' % i)
    t.type(b'\x04')
    check_equal(t.next_status(), 0)
    t.wait()
    t.hang_up()
    check_equal(place.lines(), [b'ready', b'line 0', b'line 1', b'line 2'])


@test
def run_command_that_ignores_the_stop_key_goes_on(place):
    t = on_terminal(place, *talker('signal.signal(signal.SIGTSTP, signal.SIG_IGN)',
                                   'say("ready")\nsay(input())\n'))
    t.type(b'\x1a')
    time.sleep(0.2)
    t.type(b'typed\n')
    check_equal(t.next_status(), 0)
    t.wait()
    t.hang_up()
    check_equal(place.lines(), [b'ready', b'typed'])


@test
def run_hang_up_of_its_terminal_reaches_the_command(place):
    t = on_terminal(place, *talker('ENDING = [signal.SIGHUP]'), with_shell=False)
    t.hang_up()
    status = t.wait()
    check_equal(os.WEXITSTATUS(status), 3)
    check(b'got SIGHUP' in place.lines(), place.read())


@test
def run_change_of_window_size_reaches_the_command_once(place):
    t = on_terminal(place, *talker('ENDING = [signal.SIGTERM]'))
    fcntl.ioctl(t.master, termios.TIOCSWINSZ, b'\x20\0\x40\0\0\0\0\0')
    place.wait_for_text(b'got SIGWINCH\n')
    time.sleep(0.1)
    t.type(b'\x03')
    place.wait_for_text(b'got SIGINT\n')
    children = [p for p in place.processes() if b'-c\0' in place.read(f'/proc/{p}/cmdline') and p != t.pid]
    os.kill(max(children), signal.SIGTERM)
    t.wait()
    t.hang_up()
    check_equal(place.lines(), [b'ready', b'got SIGWINCH', b'got SIGINT', b'got SIGTERM'])


# ---- pipe: signals ----

@test
def pipe_signal_from_a_process_comes_after_what_was_written(place):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        p = place.start('pipe', '--log-file', place.log, '--no-stderr', '--format-string', MESSAGE, stdin=subprocess.PIPE)
        p.stdin.write(b'ready\n')
        p.stdin.flush()
        place.wait_for_text(b'ready\n')
        os.kill(p.pid, signal.SIGSTOP)
        p.stdin.write(b'more\n' * 10000 + b'half')
        p.stdin.flush()
        os.kill(p.pid, number)
        os.kill(p.pid, signal.SIGCONT)
        check_equal(p.wait(timeout=30), -number)
        for f in (p.stdin, p.stdout, p.stderr):
            f.close()
        check_equal(place.lines() == [b'ready'] + [b'more'] * 10000 + [b'half'], True, 'completeness')
        os.unlink(place.log)


@test
def pipe_hears_last_words_after_an_interrupt_from_terminal(place):
    sh = '(trap "sleep 0.3; echo bye; exit" INT; echo ready; sleep 100) | "$MPLOG" pipe --log-file ' + place.log
    t = Terminal(place, 'run', '--no-stderr', 'sh', '-c', sh + ' --no-stderr --format-string "%(message)s"', with_shell=True)
    place.wait_for_text(b'ready\n')
    t.type(b'\x03')
    t.next_status()
    t.wait()
    t.hang_up()
    check_equal(place.lines(), [b'ready', b'bye'])


@test
def pipe_typed_by_hand_ends_on_interrupt(place):
    t = Terminal(place, 'pipe', '--log-file', place.log, '--no-stderr', '--format-string', MESSAGE, with_shell=True)
    t.type(b'ready\n')
    place.wait_for_text(b'ready\n')
    t.type(b'\x03')
    status = t.next_status()
    t.wait()
    t.hang_up()
    check_equal((os.WIFSIGNALED(status), os.WTERMSIG(status)), (True, signal.SIGINT))


@test
def pipe_read_that_fails_is_111(place):
    fd = os.open('/', os.O_RDONLY)
    status, _, err = place.mplog('pipe', '--no-stderr', stdin=fd)
    os.close(fd)
    check_equal((status, err), (111, b'mplog: fatal: unable to read standard input: Is a directory\n'))


@test
def pipe_input_that_does_not_block_is_waited_for(place):
    r, w = os.pipe()
    os.set_blocking(r, False)
    p = place.start('pipe', '--log-file', place.log, '--no-stderr', '--format-string', MESSAGE, stdin=r)
    time.sleep(0.1)
    os.write(w, b'late\n')
    os.close(w)
    os.close(r)
    p.communicate(timeout=30)
    check_equal((p.returncode, place.lines()), (0, [b'late']))


# ---- run: background processes ----

def run_with_background(place, background, more='echo hi'):
    """How long until nobody holds stdout and stderr of `mplog run` any more, and its stderr."""
    begin = time.monotonic()
    p = place.start('run', '--log-file', place.log, '--format-string', MESSAGE, '--', 'sh', '-c',
                    f'{background} & {more}; exit 6')
    err = p.communicate(timeout=60)[1]
    check_equal(p.returncode, 6)
    return time.monotonic() - begin, err


@test
def run_background_process_is_not_waited_for_but_logged(place):
    for _ in range(3):
        took_s, err = run_with_background(place, '(sleep 0.8; echo later; echo half >&2; sleep 0.1; printf end)')
        check(took_s < 0.7, f'took {took_s} s')
        check_equal(err, b'hi\n', 'stderr')
        place.wait_for_text(b'end')
        place.wait_until_gone()
        check_equal(place.lines(), [b'hi', b'later', b'half', b'end'])
        os.unlink(place.log)


@test
def run_background_half_line_is_one_line(place):
    took_s, _ = run_with_background(place, '(sleep 0.7; echo " line")', 'printf half')
    check(took_s < 0.65, f'took {took_s} s')
    place.wait_for_text(b'line\n')
    check_equal(place.lines(), [b'half line'])


@test
def run_background_process_that_never_pauses_is_not_waited_for(place):
    took_s, _ = run_with_background(place, '(i=0; while [ $i -lt 125 ]; do i=$((i+1)); echo $i; sleep 0.02; done)')
    check(0.9 < took_s < 2.0, f'took {took_s} s')
    place.wait_until_gone()
    lines = place.lines()
    lines.remove(b'hi')
    check_equal(lines, [b'%d' % (i + 1) for i in range(125)])


@test
def run_background_process_writes_on_to_a_file_as_stderr(place):
    path = os.path.join(place.dir, 'err')
    for _ in range(6):
        with open(path, 'wb') as f:
            p = place.start('run', '--format-string', MESSAGE, '--', 'sh', '-c', '(sleep 0.2; echo later) & echo hi', stderr=f)
            p.communicate(timeout=30)
        wait_until(lambda: place.read(path) == b'hi\nlater\n', 'the later line is in the file', 2)


@test
def run_keeper_outlives_a_terminating_signal(place):
    run_with_background(place, '(trap "echo last words; exit" TERM; while :; do sleep 0.05; done)')
    rest = set(place.processes()) - set(place.processes(only_collectors=True))
    sessions = []
    for pid in rest:
        try:
            sessions.append(os.getsid(pid) == pid)
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass  # one of the sleeps
    check(any(sessions), 'the keeper is in our session')
    place.wait_until_gone()
    check(b'last words' in place.lines(), place.read())


# ---- sessions ----

@test
def run_mplog_below_joins_its_session(place):
    show = f'{shlex.quote(sys.executable)} -c "import os; print(os.environ[\'MPLOG_SESSION\'].split(\';\')[0])"'
    count = f'ls -d /proc/[0-9]* >/dev/null; cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n" | grep -c "^{place.ring_dir}/mplog-"'
    command = f'{show}; echo a | "$MPLOG" pipe --name below; {show} | "$MPLOG" pipe --name below; {count}'
    check_equal(place.run('sh', '-c', command), (0, b''))
    lines = place.lines()
    messages = [x.split(b'|')[1] for x in lines]
    session = messages[0]
    check(session.startswith(b'dir=') and place.ring_dir.encode() in session, session)
    check_equal(sorted(messages[1:]), sorted([b'a', session, b'1']))
    check_equal(sum(x.startswith(b'INFO below mplog main ') for x in lines), 2, 'lines of the inner one')


@test
def run_inside_run_is_one_log(place):
    status, out, err = place.mplog('run', '--log-file', place.log, '--format-string', ORIGIN, '--', MPLOG, 'run', '--', 'sh',
                                   '-c', 'echo inner; exit 9')
    check_equal((status, out), (9, b''))
    check_equal(len(place.lines()), 1, 'number of lines')
    check(place.lines()[0].startswith(b'INFO sh.stdout sh stdout '), place.read())
    check_equal(err, place.read(), 'stderr')


@test
def run_in_another_directory_still_joins(place):
    status, _, err = place.mplog('run', '--log-file', 'x.log', '--no-stderr', '--format-string', MESSAGE, '--', 'sh', '-c',
                                 'mkdir d; cd d; echo a | "$MPLOG" pipe; ls')
    check_equal((status, err, place.lines()), (0, b'', [b'a']))


@test
def pipe_with_another_file_has_a_session_of_its_own(place):
    other = os.path.join(place.dir, 'other.log')
    check_equal(place.run('sh', '-c', f'echo a | "$MPLOG" pipe --log-file {shlex.quote(other)}; echo b'), (0, b''))
    check_equal((len(place.lines()), len(place.lines(other))), (1, 1), 'lines')


@test
def sessions_are_gone_within_a_second(place):
    place.run('sh', '-c', 'echo a; echo b | "$MPLOG" pipe')
    place.wait_until_gone(GONE_S)
    place.pipe(b'a\n')
    place.wait_until_gone(GONE_S)
    place.run('mplog-no-such-command')
    place.wait_until_gone(GONE_S)
    place.run('sh', '-c', 'kill -9 $$')
    place.wait_until_gone(GONE_S)


# ---- options ----

def fields():
    """name -> type, of struct mplog_options."""
    with open(os.path.join(SOURCE, 'include', 'mplog.h')) as f:
        body = re.search(r'struct mplog_options \{(.*?)\n\};', f.read(), re.S).group(1)
    found = re.findall(r'^    (const char\s+\*|int |bool |long long )(\w+);', body, re.M)
    return {name: kind.strip() for kind, name in found}


VALUES = {'log_file': 'y.log', 'format_string': '%(message)s', 'date_format': '%H', 'file_mode': 'w', 'level': 'debug',
          'file_encoding': 'latin-1', 'overflow': 'drop', 'escape': 'strict', 'collector': 'thread', 'fsync': 'error',
          'helper': MPLOG, 'max_bytes': '3M', 'ring_max_bytes': '1M', 'ring_budget_bytes': '2M', 'backup_count': '2',
          'block_timeout_ms': '7'}


@test
def options_are_all_fields_in_two_spellings(place):
    names = fields()
    check(len(names) >= 18, names)
    for name, kind in names.items():
        option = '--' + name.replace('_', '-')
        value = VALUES.get(name, place.ring_dir)
        spellings = [[option, value], [f'{option}={value}']]
        if kind == 'bool':
            spellings = [[option], [option + '=yes'], ['--no-' + option[2:]], [option + '=false'], ['--no-stderr']]
        for words in spellings:
            for command in (['pipe'], ['run']):
                got = place.mplog(*command, *words, *(['true'] if command == ['run'] else []))
                check_equal(got, (0, b'', b''), f'{words}')


@test
def options_are_all_in_help_and_man_page(place):
    status, out, err = place.mplog('--help')
    check_equal((status, err), (0, b''))
    page = place.read(MAN_PAGE).decode().replace('\\-', '-')
    for name in [*fields(), 'name', 'record_level', 'no_stderr']:
        option = '--' + name.replace('_', '-')
        check(re.search(re.escape(option) + r'\b', out.decode()), f'{option} is not in the help')
        check(re.search(re.escape(option) + r'\b', page), f'{option} is not in the man page')
    check(all(len(line) < 80 for line in out.decode().split('\n')), 'the help has long lines')
    check(b'collect ' not in out, 'the help shows what is internal')
    for words in (['-h'], ['run', '--help'], ['pipe', '-h'], ['run', '--level', 'INFO', '--help', 'x']):
        check_equal(place.mplog(*words), (0, out, b''))


@test
def options_have_an_effect(place):
    place.pipe(b'x' * 100 + b'\n' + b'y' * 100 + b'\n', '--max-bytes=150')
    check_equal(place.read_rotated()[1], 1, 'backups')
    place.pipe(b'z\n', '--file-mode=w')
    check_equal(place.lines(), [b'z'])
    place.pipe(b'z\n', '--level', 'WARNING')
    check_equal(place.lines(), [b'z'])
    check_equal(place.mplog('pipe', '--no-log-to-stderr', input=b'x\n')[2], b'')
    check_equal(place.mplog('pipe', '--log-to-stderr=off', input=b'x\n')[2], b'')
    check(place.mplog('pipe', '--no-stderr', '--log-to-stderr', input=b'x\n')[2], 'the last one does not win')


@test
def run_level_selects_the_stream(place):
    check_equal(place.run('sh', '-c', 'echo out; echo err >&2', options=['--level', 'WARNING']), (0, b''))
    check_equal([x.split(b'|')[1] for x in place.lines()], [b'err'])


WRONG = [
    ([], 'what to do?'),
    (['--bogus'], 'there is no option --bogus'),
    (['jog'], 'there is no command jog'),
    (['run'], 'run needs a command'),
    (['run', '--'], 'run needs a command'),
    (['run', '--no-stderr'], 'run needs a command'),
    (['run', '--bogus', 'x'], 'there is no option --bogus'),
    (['run', '--bogus=3', 'x'], 'there is no option --bogus=3'),
    (['run', '-x', 'true'], 'there is no option -x'),
    (['run', '--name', 'x', 'true'], 'there is no option --name'),
    (['run', '--no-level', 'true'], 'there is no option --no-level'),
    (['run', '--no-stderr=1', 'true'], '--no-stderr=1'),
    (['run', '--max-bytes'], '--max-bytes needs a value'),
    (['run', '--max-bytes', '10X', 'true'], 'max_bytes: "10X"'),
    (['run', '--max-bytes=', 'true'], 'max_bytes: ""'),
    (['run', '--max-bytes=-1', 'true'], 'max_bytes: -1'),
    (['run', '--backup-count', 'many', 'true'], 'backup_count: "many"'),
    (['run', '--log-to-stderr=perhaps', 'true'], 'log_to_stderr: "perhaps"'),
    (['run', '--level', 'LOUD', 'true'], 'level: "LOUD"'),
    (['run', '--overflow', 'explode', 'true'], 'overflow: "explode"'),
    (['run', '--log-file', '', 'true'], 'log_file'),
    (['run', '--log-file', '/nowhere/x.log', 'true'], '/nowhere/x.log'),
    (['run', '--format-string', '%(nothing)s', 'true'], 'nothing'),
    (['run', '--helper', '/nowhere/mplog', 'true'], '/nowhere/mplog'),
    (['pipe', 'x'], 'pipe takes no arguments: x'),
    (['pipe', '--record-level', 'LOUD'], 'record_level: "LOUD"'),
    (['pipe', '--name'], '--name needs a value'),
]


@test
def options_that_are_wrong_are_named(place):
    for words, sentence in WRONG:
        status, out, err = place.mplog(*words)
        lines = err.decode().split('\n')
        check_equal((status, out, len(lines)), (100, b'', 3), f'{words} {err}')
        check(lines[0].startswith('mplog: ') and sentence in lines[0], f'{words}: {lines[0]}')
        check('mplog --help' in lines[1], lines[1])


@test
def options_that_the_system_refuses_are_111(place):
    status, _, err = place.mplog('run', '--log-file', place.dir, 'true')
    check_equal(status, 111)
    check(re.fullmatch(r'mplog: fatal: unable to set up logging: .*' + re.escape(place.dir) + '.*\n', err.decode()), err)
    with open('/dev/full', 'w') as full:
        for word in ('--help', '--version'):
            p = place.start(word, stdout=full)
            err = p.communicate()[1]
            check_equal(p.returncode, 111, word)
            check(b'No space left' in err, err)


@test
def version_is_shown(place):
    with open(os.path.join(SOURCE, 'include', 'mplog.h')) as f:
        version = re.search(r'MPLOG_VERSION "(.*)"', f.read()).group(1)
    check_equal(place.mplog('--version'), (0, b'mplog %s\n' % version.encode(), b''))


@test
def environment_holds_where_the_command_line_is_silent(place):
    env = {'MPLOG_LOG_FILE': place.log, 'MPLOG_LOG_TO_STDERR': '0', 'MPLOG_FORMAT_STRING': 'env %(message)s'}
    check_equal(place.mplog('pipe', input=b'x\n', env=env), (0, b'', b''))
    check_equal(place.lines(), [b'env x'])


@test
def environment_is_overruled_by_the_command_line(place):
    env = {'MPLOG_LOG_FILE': '/nowhere/x', 'MPLOG_LOG_TO_STDERR': '1', 'MPLOG_FORMAT_STRING': 'env %(message)s',
           'MPLOG_MAX_BYTES': 'wrong', 'MPLOG_LEVEL': 'CRITICAL'}
    check_equal(place.mplog('pipe', '--log-file', 'x.log', '--no-stderr', '--format-string', 'typed %(message)s', '--max-bytes',
                            '1M', '--level=INFO', input=b'x\n', env=env), (0, b'', b''))
    check_equal(place.lines(), [b'typed x'])


@test
def environment_shows_children_what_was_typed(place):
    check_equal(place.run('sh', '-c', 'echo $MPLOG_MAX_BYTES $MPLOG_LOG_TO_STDERR $MPLOG_LOG_FILE',
                          options=['--max-bytes', '5M']), (0, b''))
    check_equal(place.lines()[0].split(b'|')[1], b'5M false ' + place.log.encode())


@test
def environment_that_is_wrong_is_named(place):
    status, _, err = place.mplog('run', 'true', env={'MPLOG_MAX_BYTES': 'wrong'})
    check_equal(status, 100)
    check(b'MPLOG_MAX_BYTES' in err and b'wrong' in err, err)


@test
def man_page_has_no_warnings(place):
    for tool, command in (('man', ['man', '--warnings', '-l', MAN_PAGE]), ('groff', ['groff', '-ww', '-man', '-Tutf8', MAN_PAGE])):
        if shutil.which(tool):
            got = subprocess.run(command, capture_output=True, env={**os.environ, 'MANPAGER': 'cat', 'LC_ALL': 'C.UTF-8'},
                                 stdin=subprocess.DEVNULL)
            check_equal((got.returncode, got.stderr), (0, b''), tool)
    page = place.read(MAN_PAGE)
    for section in (b'OPTIONS', b'ENVIRONMENT', b'"EXIT STATUS"', b'EXAMPLES', b'FILES', b'INTERNALS'):
        check(b'\n.SH ' + section.replace(b'"', b'') + b'\n' in page, f'{section} is missing')


# ---- running them ----

def run_test(function):
    place = Place()
    try:
        function(place)
        place.wait_until_gone()
        place.check_reports()
        return None
    except (Failure, OSError, subprocess.SubprocessError, ValueError) as e:
        return f'{type(e).__name__}: {e}'
    finally:
        place.remove()


def main():
    chosen = [t for t in TESTS if len(sys.argv) < 3 or any(re.search(a, t.__name__) for a in sys.argv[2:])]
    failures = 0
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)  # nohup and background jobs have some of them ignored, as their children have
    print(f'1..{len(chosen)}', flush=True)
    for i, function in enumerate(chosen):
        begin = time.monotonic()
        problem = run_test(function)
        if problem:
            failures += 1
            print('# ' + problem.replace('\n', '\n# '))
        print(f'{"not " if problem else ""}ok {i + 1} - {function.__name__} # {time.monotonic() - begin:.2f} s', flush=True)
    return failures != 0


sys.exit(main())
