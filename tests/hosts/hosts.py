# SPDX-License-Identifier: Unlicense
"""What the tests inside real hosts share: servers, requests, and the judgement of numbered lines.

Each test is a plain script: /usr/bin/python3 tests/hosts/test_NAME.py BUILD/python-3.11. The programs that run in the
hosts lie in apps/; they log numbered messages through tests/python/tally.py.
"""
import http.client
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
APPS = os.path.join(HERE, "apps")
EXAMPLES = os.path.join(ROOT, "examples", "python")
sys.path[:0] = [os.path.join(ROOT, "tests", "python"), EXAMPLES]

import support  # noqa: E402
sys.path.insert(0, support.FOLDER)
import tally  # noqa: E402
from support import Failure, equal, true  # noqa: E402

ORACLE = os.path.join(os.path.dirname(support.FOLDER), "tests", "oracle", "oracle")
LINES = 20  # that one request, task or message logs
END_WITHIN_S = 20


class Server:
    """A program of a test, in a process group of its own."""

    def __init__(self, host, arguments, **more):
        self.host = host
        self.err = host.folder.file("err%d" % len(host.servers))
        with open(self.err, "wb") as err:
            self.process = subprocess.Popen([sys.executable, *arguments], cwd=host.folder.path,
                                            env=host.environment(**more), stdin=subprocess.DEVNULL, stdout=err,
                                            stderr=err, start_new_session=True)
        self.pid = self.process.pid

    def said(self):
        with open(self.err, errors="replace") as f:
            return f.read()

    def stop(self, number=signal.SIGTERM, status=0):
        """Waits for the end. status None: any."""
        if number:
            self.process.send_signal(number)
        try:
            code = self.process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise Failure("still running after %d s\n%s" % (END_WITHIN_S, self.said()[-3000:]))
        true(status is None or code == status, "status %d\n%s" % (code, self.said()[-3000:]))

    def clean_up(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Host:
    """One test: its folder, its servers, its tally."""

    def __enter__(self):
        self.folder = support.Folder().__enter__()
        self.tallies = self.folder.file("tallies")
        self.socket = self.folder.file("socket")
        self.servers = []
        os.mkdir(self.tallies)
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.clean_up()
        self.folder.__exit__()

    def environment(self, **more):
        e = support.environment(MPLOG_RING_DIR=self.folder.rings, TEST_TALLIES=self.tallies, TEST_LINES=str(LINES))
        e["PYTHONPATH"] = os.pathsep.join([support.FOLDER, APPS, os.path.join(ROOT, "tests", "python"), EXAMPLES])
        e.update(more)
        return e

    def start(self, *arguments, **more):
        server = Server(self, list(map(str, arguments)), **more)
        self.servers.append(server)
        return server

    def run(self, *arguments, status=0, **more):
        server = self.start(*arguments, **more)
        server.stop(0, status)
        return server.said()

    # ---- requests ----

    def get(self, path="/"):
        """The answer's text; OSError or HTTPException if there is none."""
        connection = http.client.HTTPConnection("localhost", timeout=10)
        if isinstance(self.socket, int):
            connection.sock = socket.create_connection(("127.0.0.1", self.socket), 10)
        else:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(10)
            try:
                connection.sock.connect(self.socket)
            except OSError:
                connection.sock.close()
                raise
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            text = answer.read().decode()
            equal(answer.status, 200, text[:2000])
            return text
        finally:
            connection.close()

    def wait_for_answer(self, path="/hello"):
        """Until the server is up."""
        def answers():
            for server in self.servers:
                true(server.process.poll() is None, "the server has ended: " + server.said()[-3000:])
            try:
                return self.get(path)
            except (OSError, http.client.HTTPException):
                return None
        support.wait_until(answers, "no answer: " + self.servers[-1].said()[-3000:], END_WITHIN_S)

    def load(self, requests, threads=4, may_fail=False, meanwhile=None, processes=1):
        """That many requests, some at a time, and more until so many processes have answered; the answers.

        meanwhile: called when half of them are done.
        """
        numbers, answers, errors = itertools.count(), [], []
        deadline = time.monotonic() + END_WITHIN_S

        def ask():
            for number in numbers:
                is_enough = len(set(answers)) >= processes or time.monotonic() > deadline
                if errors and not may_fail or number >= requests and is_enough:
                    return
                if meanwhile and number == requests // 2:
                    meanwhile()
                try:
                    answers.append(self.get("/log"))
                except (OSError, http.client.HTTPException, Failure) as e:
                    errors.append(e)
        askers = [threading.Thread(target=ask) for _ in range(threads)]
        for t in askers:
            t.start()
        for t in askers:
            t.join()
        true(len(set(answers)) >= processes, "not enough processes: %s" % set(answers))
        true(may_fail or not errors, "%d requests failed: %r\n%s" % (len(errors), errors[:3],
                                                                     self.servers[-1].said()[-2000:]))
        return answers

    # ---- judging ----

    def returned(self):
        return sum(tally.read(self.tallies).values())

    def producers(self):
        return len(tally.read(self.tallies))

    def wait_for_calls(self, count):
        try:
            support.wait_until(lambda: self.returned() >= count, "", END_WITHIN_S)
        except Failure:
            raise Failure("%d of %d log calls\n%s" % (self.returned(), count, self.servers[-1].said()[-3000:]))

    def check(self, calls, name="app.log", are_killed=False, producers=1):
        """All that was logged is in the log: once, whole, in order; nothing is left in memory. The oracle's counts."""
        support.wait_until(lambda: not support.sessions_left(self.folder), "sessions are left", END_WITHIN_S)
        tallies = tally.read(self.tallies)
        killed = {int(producer.split(".")[1]) for producer in tallies} if are_killed else ()
        found, text = tally.judge(ORACLE, tallies, self.folder.file(name), killed)
        equal(found["status"], 0, text)
        equal(found["lost"], 0, text)
        total = sum(tallies.values())
        true(total >= calls if are_killed else total == calls, "%d calls, not %d" % (total, calls))
        true(len(tallies) >= producers, "%d producers only: %s" % (len(tallies), sorted(tallies)))
        return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def children_of(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(child) for child in f.read().split()]
