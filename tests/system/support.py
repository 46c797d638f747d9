# SPDX-License-Identifier: Unlicense
"""What every system test has: folders of its own, programs to run, the oracle, and the look for what was left behind.

A test is a function that takes a Test and raises Failure. It has three folders: `dir` for anything, `log_dir`, in which
nothing but logs and their backups may appear, and `ring_dir` below /dev/shm. Every process that belongs to a test names
one of them in its command line; that is how leftovers, and the collectors of the test, are found.
"""
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback

LEFT_WITHIN = 1.5  # seconds after the last member until a session has gone
KILLED_WITHIN = 10  # on a busy machine, with all that they start while they are looked for
POLL = 0.01
# On stderr: children that were killed by the test, and what a sanitizer says about stacks of its own making.
NOISE = re.compile(r"producer: child \d+: killed by signal 9\n|==\d+==WARNING: ASan is ignoring requested "
                   r"__asan_handle_no_return.*\nFalse positive error reports may follow\nFor details see \S+\n")
LOG_NAME = re.compile(r"(app|other)\.log(\.\d+)?")
# AddressSanitizer must leave the signals of crashes to the tests, and look for leaks where nothing was killed or forked
# in the middle of something: in the unit tests.
SANITIZER = ("detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigfpe=0:handle_sigill=0:"
             "use_sigaltstack=0")
PASSED_ON = ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LD_LIBRARY_PATH")


class Failure(Exception):
    pass


class Skip(Exception):
    """This machine does not allow it."""


def check(condition, *what):
    if not condition:
        raise Failure(" ".join(str(w) for w in what))


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(POLL)
    raise Failure(f"not within {seconds} s: {what}")


def read_bytes(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def processes_naming(*paths):
    """pid -> command line of all processes whose command line names one of the paths."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        line = read_bytes(f"/proc/{pid}/cmdline")
        if int(pid) != os.getpid() and any(os.fsencode(p) in line for p in paths):
            found[int(pid)] = line.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def files_below(folder):
    return [os.path.join(at, name) for at, dirs, names in os.walk(folder) for name in dirs + names]


class Bench:
    """What all tests share: where the programs are, and how long tests may take."""

    def __init__(self, build, is_long, seed, keep):
        self.helper = os.path.join(build, "mplog")
        self.producer = os.path.join(build, "tests", "system", "producer")
        self.build = build
        self.alone = os.path.join(build, "tests", "system", "alone")
        self.special = os.path.join(build, "tests", "system", "special")
        self.crash = os.path.join(build, "tests", "system", "crash")
        self.deny = os.path.join(build, "tests", "system", "deny")
        self.places = os.path.join(build, "tests", "system", "places")
        self.signals = os.path.join(build, "tests", "system", "signals")
        self.clock_shim = os.path.join(build, "tests", "system", "clock_shim.so")
        self.clocksource_shim = os.path.join(build, "tests", "system", "clocksource_shim.so")
        self.disk_shim = os.path.join(build, "tests", "system", "disk_shim.so")
        self.oracle = os.path.join(build, "tests", "oracle", "oracle")
        for program in (self.helper, self.alone, self.producer, self.special, self.crash, self.deny, self.places,
                        self.signals, self.oracle):
            check(os.access(program, os.X_OK), program, "has not been built")
        self.is_sanitized = b"__asan_init" in read_bytes(self.producer)
        self.is_long = is_long
        self.seed = seed
        self.keep = keep
        self.root = tempfile.mkdtemp(prefix="mplog-system-")
        self.ring_root = tempfile.mkdtemp(prefix="mplog-system-", dir="/dev/shm")
        for folder in (self.root, self.ring_root):
            os.chmod(folder, 0o755)

    def new_test(self, name):
        return Test(self, name)

    def close(self):
        shutil.rmtree(self.ring_root)
        if not self.keep:
            shutil.rmtree(self.root)

    def size(self, quick, long):
        return long if self.is_long else quick


class Running:
    """A program of a test, with what it writes in files."""

    def __init__(self, test, arguments, stdout, stderr, **how):
        self.test = test
        self.stdout_path = test.new_path("out")
        self.stderr_path = test.new_path("err")
        self.may_complain = False
        self.began = time.monotonic()
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as err:
            self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=stdout or out,
                                            stderr=stderr or err, env=how.pop("env", test.env), **how)
        self.pid = self.process.pid

    def wait(self, timeout=20, status=0):
        """Waits for its end; its exit status must be `status` (None: any)."""
        try:
            self.process.stdin.close()
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired as e:
            raise Failure(f"{self.process.args} has not ended within {timeout} s") from e
        self.took = time.monotonic() - self.began
        check(status is None or code == status, self.process.args[:4], "exit status", code, "stdout:",
              self.stdout()[-1000:], "stderr:", self.stderr()[-1000:])
        return self

    def wait_for_done(self, timeout):
        """Until a program that then waits for the end of stdin has said that it is done, or has ended."""
        wait_until(lambda: "done" in self.values() or self.process.poll() is not None, timeout,
                   f"{self.process.args[:3]}")
        check("done" in self.values(), self.process.args[:3], "has ended", self.process.poll(), self.stdout(),
              self.stderr())

    def stdout(self):
        return read_bytes(self.stdout_path).decode()

    def stderr(self):
        return NOISE.sub("", read_bytes(self.stderr_path).decode(errors="replace"))

    def values(self):
        return dict(line.split("=", 1) for line in self.stdout().splitlines() if "=" in line)


class Test:
    def __init__(self, bench, name):
        self.bench = bench
        self.name = name
        self.random = random.Random(f"{bench.seed} {name}")
        self.dir = os.path.join(bench.root, name)
        self.log_dir = os.path.join(self.dir, "log")
        self.ring_dir = os.path.join(bench.ring_root, name)
        for folder in (self.dir, self.log_dir, self.ring_dir):
            os.mkdir(folder)
        self.log = os.path.join(self.log_dir, "app.log")
        self.tally_path = os.path.join(self.dir, "tally")
        self.files = 0
        self.notes = []
        self.running = []
        self.may_complain = False
        self.env = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
        # Killed as often as a test likes, a helper follows the helper.
        self.env.update(MPLOG_HELPER=bench.helper, MPLOG_RING_DIR=self.ring_dir, MPLOG_HELPER_DEATHS="0")
        if bench.is_sanitized:
            self.env.setdefault("ASAN_OPTIONS", SANITIZER)

    def size(self, quick, long):
        return self.bench.size(quick, long)

    def new_path(self, kind):
        self.files += 1
        return os.path.join(self.dir, f"{kind}{self.files}")

    # ---- programs ----

    def start(self, program, *arguments, stdout=None, stderr=None, **how):
        running = Running(self, [program, *map(str, arguments)], stdout, stderr, **how)
        self.running.append(running)
        return running

    def options(self, **options):
        """mplog options as arguments. Unless told otherwise: the test's file, no stderr, and no rotation, at the end of
        which the oldest lines are deleted."""
        chosen = {"log_file": self.log, "log_to_stderr": "false", "max_bytes": 0, **options}
        return [f"{key}={value}" for key, value in chosen.items() if value is not None]

    def produce(self, *arguments, mplog=None, **how):
        """Starts producer with the test's tally and options. What follows --spawn stays at the end."""
        arguments = list(map(str, arguments))
        at = arguments.index("--spawn") if "--spawn" in arguments else len(arguments)
        own = ["--tally", self.tally_path, *self.options(**(mplog or {}))]
        return self.start(self.bench.producer, *arguments[:at], *own, *arguments[at:], **how)

    def special(self, *arguments, mplog=None, **how):
        return self.start(self.bench.special, *arguments, *self.options(**(mplog or {})), **how)

    # ---- what there is ----

    def collectors(self):
        return [pid for pid, line in processes_naming(self.ring_dir).items() if " collect " in line]

    def wait_for_collector(self, other_than=(), seconds=5):
        """Of a session that stands: while a set-up waits for it, the death of the helper makes it start a thread."""
        wait_until(self.returned, seconds, "the first log call")
        new = wait_until(lambda: set(self.collectors()) - set(other_than), seconds, "a collector")
        return new.pop()

    def sessions(self):
        """Folders of sessions, complete ones."""
        return [path for path in files_below(self.ring_dir) if re.fullmatch(r"[0-9a-f]{32}", os.path.basename(path))]

    def tallies(self):
        """producer -> (calls that returned, the slowest in seconds)"""
        data = read_bytes(self.tally_path)
        used = struct.unpack_from("<Q", data)[0] if data else 0
        entries = (struct.unpack_from("<48sQQ", data, 64 * (i + 1)) for i in range(used))
        return {name.rstrip(b"\0").decode(): (returned, slowest / 1e9) for name, returned, slowest in entries
                if name.rstrip(b"\0")}

    def returned(self):
        return sum(returned for returned, _ in self.tallies().values())

    def slowest(self):
        return max(slowest for _, slowest in self.tallies().values())

    def tell_producers_to_stop(self, and_end=False):
        """Those that log until they are told; with `and_end` all, also those that wait after the last call."""
        with open(self.tally_path, "r+b") as f:
            f.seek(8)
            f.write(struct.pack("<Q", 2 if and_end else 1))

    def wait_for_calls(self, count, seconds=10):
        wait_until(lambda: self.returned() >= count, seconds, f"{count} log calls")

    def wait_until_gone(self, seconds=LEFT_WITHIN):
        wait_until(lambda: not processes_naming(self.dir, self.ring_dir), seconds, "no process left")

    def read_log(self, name="app.log"):
        return read_bytes(os.path.join(self.log_dir, name)).decode()

    # ---- judging ----

    def ask_oracle(self, *arguments, files=None, may_fail=False, details=10):
        """Without files: the log and its backups."""
        where = list(files) if files else ["--rotated", self.log]
        done = subprocess.run([self.bench.oracle, "--details", str(details), *map(str, arguments), *where],
                              capture_output=True, text=True, check=False)
        check(done.returncode == 0 or (may_fail and done.returncode == 1), f"oracle: exit status {done.returncode}\n",
              done.stdout + done.stderr)
        return {key: int(value) for key, value in (line.split("=") for line in done.stdout.splitlines())}

    def expectations(self, at_least=(), names=None):
        """A file for --expect-file from the tallies: as many as calls have returned. `at_least`: beginnings of names of
        producers that were killed."""
        path = self.new_path("expected")
        with open(path, "w", encoding="utf-8") as f:
            for name, (returned, _) in self.tallies().items():
                if names is None or name.startswith(tuple(names)):
                    f.write(f"{name} {'>=' if name.startswith(tuple(at_least)) else ''}{returned}\n")
        return path

    def check_log(self, *arguments, at_least=(), files=None, foreign=0):
        """All that was accepted is there, once, whole and in order."""
        found = self.ask_oracle("--expect-file", self.expectations(at_least), *arguments, files=files)
        check(found["foreign"] == foreign, "foreign lines:", found["foreign"], "instead of", foreign)
        return found

    def note(self, text):
        self.notes.append(text)

    # ---- afterwards ----

    def leftovers(self):
        left = [f"process {pid}: {line}" for pid, line in processes_naming(self.dir, self.ring_dir).items()]
        left += [f"in shared memory: {path}" for path in files_below(self.ring_dir)]
        left += [f"beside the log: {name}" for name in os.listdir(self.log_dir) if not LOG_NAME.fullmatch(name)]
        return left

    def check_nothing_left(self):
        deadline = time.monotonic() + LEFT_WITHIN
        while (left := self.leftovers()) and time.monotonic() < deadline:
            time.sleep(POLL)
        check(not left, "left behind:", *("\n" + line for line in left[:20]))

    def check_no_complaints(self):
        for running in self.running:
            complaints = running.stderr()
            check(self.may_complain or running.may_complain or not complaints, running.process.args[:2], "stderr:",
                  complaints)

    def clean_up(self):
        """After a failure too: ends what the test started, and what that has started meanwhile."""
        deadline = time.monotonic() + KILLED_WITHIN
        while (left := processes_naming(self.dir, self.ring_dir)) and time.monotonic() < deadline:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        for running in self.running:
            running.process.stdin.close()
            running.process.wait()
        shutil.rmtree(self.ring_dir)
        if not self.bench.keep:
            shutil.rmtree(self.dir)


def run_test(bench, function):
    """What TAP says of it, and why; notes; seconds."""
    test = bench.new_test(function.__name__)
    began = time.monotonic()
    verdict, reason = "ok", ""
    try:
        function(test)
        test.check_nothing_left()
        test.check_no_complaints()
    except Failure as failure:
        complaints = [x.stderr()[:2000] for x in test.running if not x.may_complain]
        complaints = "".join("\nstderr: " + text for text in complaints if text)
        verdict, reason = "not ok", str(failure) + complaints
    except Skip as skip:
        verdict, reason = "skip", str(skip)
    except Exception:
        verdict, reason = "not ok", traceback.format_exc()
    finally:
        took = time.monotonic() - began
        test.clean_up()
    return verdict, reason, test.notes, took


def run_tests(bench, functions):
    """Prints TAP; returns the number of failures."""
    failures = 0
    print(f"1..{len(functions)}", flush=True)
    for number, function in enumerate(functions, 1):
        verdict, reason, notes, took = run_test(bench, function)
        failures += verdict == "not ok"
        if verdict == "skip":
            print(f"ok {number} - {function.__name__} # SKIP {reason}", flush=True)
            continue
        print(f"{verdict} {number} - {function.__name__} ({took:.2f} s)", flush=True)
        for line in notes + reason.splitlines():
            print("# " + line, flush=True)
    sys.stdout.flush()
    return failures
