# SPDX-License-Identifier: Unlicense
"""What every test of the mplog command has: a place of its own, the command in it, and a terminal.

A test is a function that takes a Place. Its processes are known by the place's directory for shared memory: collectors
name it in their arguments, all others in their environment.
"""
import fcntl
import glob
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time

from support import check, read_bytes, wait_until

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Everything that a record says about its origin, then the message.
ORIGIN = "%(levelname)s %(name)s %(processName)s %(threadName)s %(process)d|%(message)s"
MESSAGE = "%(message)s"

MIB = 1 << 20

# For what is to happen at once: a busy machine gets this long. Only the failure of a test takes as much.
PATIENCE_S = 10.0


def check_equal(actual, expected, what="value"):
    check(actual == expected, f"{what} is {actual!r:.400}, not {expected!r:.400}")


def python(text):
    return sys.executable, "-c", text


class Bench:
    def __init__(self, mplog):
        self.mplog = os.path.abspath(mplog)

    def new_test(self, name):
        return Place(self.mplog, name)


class Place:
    running = ()  # programs whose complaints are shown when a test fails: here a test looks at them itself

    def __init__(self, command, name):
        self.command = command
        self.notes = []
        self.started = []
        self.dir = tempfile.mkdtemp(prefix=f"mplog-{name[:40]}-")
        self.ring_dir = tempfile.mkdtemp(prefix="mplog-cli-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.log = os.path.join(self.dir, "x.log")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("MPLOG_")}
        self.env.update(MPLOG_RING_DIR=self.ring_dir, MPLOG=command)
        # Reports of sanitizers would else be mixed with what a test looks at.
        for variable in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            self.env[variable] = f"{os.environ.get(variable, '')}:log_path={self.ring_dir}/report:print_stacktrace=1"

    # ---- what there is ----

    def processes(self, where=("cmdline", "environ")):
        name, found = os.fsencode(self.ring_dir), []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for file in where:
                try:
                    text = read_bytes(f"/proc/{pid}/{file}")
                except PermissionError:
                    continue  # somebody else's
                if name + b"/" in text or name + b"\0" in text:
                    found.append(int(pid))
                    break
        return found

    def collectors(self):
        return self.processes(where=("cmdline",))

    def sessions(self):
        return glob.glob(os.path.join(self.ring_dir, "mplog-*", "*"))

    def wait_until_gone(self, seconds=PATIENCE_S):
        wait_until(lambda: not self.sessions() and not self.processes(), seconds, "no session and no process left")

    def read(self, path=None):
        return read_bytes(path or self.log)

    def lines(self, path=None):
        return self.read(path).split(b"\n")[:-1]

    def messages(self):
        """Of lines in the format ORIGIN."""
        return [line.split(b"|", 1)[1] for line in self.lines()]

    def read_rotated(self):
        """The log with its backups; their number."""
        backups = [n for n in os.listdir(self.dir) if n.startswith("x.log.")]
        order = sorted(backups, key=lambda n: -int(n.rsplit(".", 1)[1]))
        return b"".join(self.read(os.path.join(self.dir, n)) for n in [*order, "x.log"]), len(backups)

    def wait_for_text(self, text):
        wait_until(lambda: text in self.read(), PATIENCE_S, f"{text!r} in the log")

    # ---- the command ----

    def start(self, *arguments, env=None, **more):
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        p = subprocess.Popen([self.command, *arguments], env={**self.env, **(env or {})}, cwd=self.dir, **more)
        self.started.append(p)
        return p

    def start_pipe(self, *options, stdin=subprocess.PIPE):
        """`mplog pipe` that logs messages to the file only."""
        return self.start("pipe", "--log-file", self.log, "--no-stderr", "--format-string", MESSAGE, *options,
                          stdin=stdin)

    def start_run(self, *command, **more):
        """`mplog run` that logs messages to the file only; returns when the command has written "ready"."""
        p = self.start("run", "--log-file", self.log, "--no-stderr", "--format-string", MESSAGE, "--", *command, **more)
        self.wait_for_text(b"ready\n")
        return p

    def mplog(self, *arguments, text=None, **more):
        """(status as Python shows it, stdout, stderr)"""
        if text is not None:
            more["stdin"] = subprocess.PIPE
        p = self.start(*arguments, **more)
        out, err = p.communicate(text, timeout=60)
        return p.returncode, out, err

    def pipe(self, data, *options):
        """The messages that `mplog pipe` makes of `data`."""
        p = self.start_pipe(*options)
        out, err = p.communicate(data, timeout=60)
        check_equal((p.returncode, out, err), (0, b"", b""))
        return self.lines()

    def run(self, *command, options=(), **more):
        """(status, stderr) of a command that logs to the file only, in the format ORIGIN."""
        status, out, err = self.mplog("run", "--log-file", self.log, "--no-stderr", "--format-string", ORIGIN, *options,
                                      "--", *command, **more)
        check_equal(out, b"", "stdout")
        return status, err

    def script(self, text, name="script"):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o755)
        return path

    # ---- afterwards ----

    def check_nothing_left(self):
        self.wait_until_gone()

    def check_no_complaints(self):
        """Of sanitizers."""
        for name in os.listdir(self.ring_dir):
            path = os.path.join(self.ring_dir, name)
            report = "" if os.path.isdir(path) else self.read(path).decode(errors="replace")
            check("ERROR" not in report and "runtime error" not in report, report)

    def clean_up(self):
        for pid in self.processes():  # of a test that has failed
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for p in self.started:
            for f in filter(None, (p.stdin, p.stdout, p.stderr)):
                f.close()
            p.wait()
        shutil.rmtree(self.dir)
        shutil.rmtree(self.ring_dir)


class Terminal:
    """A terminal, and on it the command: as leader of its session, or as the job of a shell with job control."""

    def __init__(self, place, *arguments, with_shell=True):
        self.master, slave = os.openpty()
        self.events, events_fd = os.pipe()
        command_fd, self.commands = os.pipe()
        self.argv, self.env = [place.command, *arguments], place.env
        self.has_shell = with_shell
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.chdir(place.dir)
                os.close(self.master)
                os.setsid()
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
                for fd in range(3):
                    os.dup2(slave, fd)
                if with_shell:
                    self.be_shell(command_fd, events_fd)
                os.execve(self.argv[0], self.argv, self.env)
            finally:
                os._exit(99)
        for fd in (slave, events_fd, command_fd):
            os.close(fd)

    def be_job(self):
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.setpgid(0, 0)
        while os.tcgetpgrp(0) != os.getpgrp():
            time.sleep(0.001)
        os.execve(self.argv[0], self.argv, self.env)

    def be_shell(self, command_fd, events_fd):
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        job = os.fork()
        if job == 0:
            self.be_job()
        wait_until(lambda: os.getpgid(job) == job, PATIENCE_S, "the job has its group")
        while True:
            os.tcsetpgrp(0, job)
            status = os.waitpid(job, os.WUNTRACED)[1]
            os.tcsetpgrp(0, os.getpgrp())
            os.write(events_fd, b"%d\n" % status)
            if not os.WIFSTOPPED(status):
                os._exit(0)
            os.read(command_fd, 1)
            os.tcsetpgrp(0, job)
            os.killpg(job, signal.SIGCONT)

    def type(self, data):
        os.write(self.master, data)

    def next_status(self):
        """The shell: how its job has ended or stopped."""
        check(select.select([self.events], [], [], PATIENCE_S)[0], "the job goes on")
        return int(os.read(self.events, 100))

    def foreground(self):
        os.write(self.commands, b"f")

    def hang_up(self):
        os.close(self.master)
        self.master = None

    def end(self):
        """How the command ends; then the terminal is gone."""
        job_status = self.next_status() if self.has_shell else None
        leader_status = wait_until(self.end_of_leader, PATIENCE_S, "the leader of the session has ended")[1]
        for fd in filter(None, (self.events, self.commands, self.master)):
            os.close(fd)
        return job_status if self.has_shell else leader_status

    def end_of_leader(self):
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return pid and (pid, status)
