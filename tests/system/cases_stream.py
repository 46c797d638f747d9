# SPDX-License-Identifier: Unlicense
"""stderr with readers that are slow, go away, or never read: the file must not suffer, and what stderr lost is told
there."""
import os
import threading
import time

from cases_recover import stat
from support import check, wait_until


class Reader:
    """The other end of a program's stderr."""

    def __init__(self, t):
        self.t = t
        self.path = t.new_path("stderr")
        self.end, self.writer = os.pipe()
        self.thread = None

    def start_program(self, *arguments, **mplog):
        program = self.t.produce(*arguments, mplog={"log_to_stderr": "true", **mplog}, stderr=self.writer)
        os.close(self.writer)
        return program

    def read_all(self, pause=0.0, limit=None):
        """In the background, to the end or `limit` bytes; then closes."""
        def run():
            left = limit
            with open(self.path, "wb") as f:
                while (left is None or left > 0) and (data := os.read(self.end, 16384)):
                    f.write(data)
                    left = left if left is None else left - len(data)
                    time.sleep(pause)
            os.close(self.end)
        self.thread = threading.Thread(target=run)
        self.thread.start()

    def finish(self):
        """All that came, judged: what is missing has been counted."""
        self.thread.join()
        return self.t.ask_oracle("--expect-file", self.t.expectations(), files=[self.path])


def check_file_is_complete_within(t, seconds, *arguments):
    """While the program may still be waiting for its reader."""
    def is_complete():
        found = t.ask_oracle("--expect-file", t.expectations(), *arguments, may_fail=True, details=0)
        return found["lost"] == 0 and found
    return wait_until(is_complete, seconds, "the file is complete")


def stderr_that_is_read_gets_everything(t):
    reader = Reader(t)
    program = reader.start_program("--processes", 2, "--threads", 2, "--records", 500)
    reader.read_all()
    program.wait()
    found = reader.finish()
    check(found["payloads"] == 2000 and found["counted_lost"] == 0, found)
    t.check_log()


def stderr_that_is_a_file_gets_everything(t):
    program = t.produce("--processes", 2, "--threads", 2, "--records", 5000, mplog={"log_to_stderr": "true"})
    program.wait()
    t.may_complain = True
    found = t.ask_oracle("--expect-file", t.expectations(), files=[program.stderr_path])
    t.note(f"lost on stderr and counted: {found['lost']}")
    t.check_log()


def slow_reader_of_stderr_gets_the_count_of_what_it_missed(t):
    reader = Reader(t)
    program = reader.start_program("--threads", 2, "--records", 20_000)
    reader.read_all(pause=0.003)
    t.wait_for_calls(40_000)
    check_file_is_complete_within(t, 2)
    program.wait(7)
    found = reader.finish()
    t.note(f"read {found['payloads']}, missed {found['lost']}")
    check(found["lost"] > 0, "the reader was not slow:", found)
    t.check_log()


def reader_of_stderr_that_closes_does_not_touch_the_file(t):
    reader = Reader(t)
    program = reader.start_program("--processes", 2, "--threads", 2, "--records", 8000)
    reader.read_all(limit=100_000)
    program.wait()
    reader.thread.join()
    check(program.took < 3, "the program took", program.took, "s")
    t.check_log(foreign=1)
    check("stderr: nothing is written there any more: Broken pipe" in t.read_log(), "the end of stderr is not told")


def wait_for_account_of_stderr(t, accepted):
    """Until nothing waits: accepted = written + lost. Returns what is written."""
    def sink():
        report = stat(t)[0]
        found, = (s for s in report["sinks"] if s["kind"] == "stderr")
        waiting = report["waiting"] + found["waiting"] + found["waiting_bytes"]
        is_quiet = report["accepted"] == accepted and waiting == 0
        return is_quiet and found["written"] + found["lost"] == accepted and found
    found = wait_until(sink, 10, "the account of stderr adds up")
    t.tell_producers_to_stop(and_end=True)
    check(found["lost"] > 0, found)
    return found["written"]


def stderr_that_is_full_loses_what_it_counts(t):
    with open("/dev/full", "wb") as full:
        program = t.produce("--records", 100, "--hold-ms", 20_000, mplog={"log_to_stderr": "true"}, stderr=full)
    t.wait_for_calls(100)
    check(wait_for_account_of_stderr(t, 100) == 0, "something is written there")
    program.wait()
    t.check_log(foreign=1)
    check("stderr: nothing is written there any more: No space left on device" in t.read_log(), t.read_log())


def reader_of_stderr_that_closes_loses_what_is_counted(t):
    reader = Reader(t)
    program = reader.start_program("--threads", 2, "--records", 4000, "--hold-ms", 20_000)
    reader.read_all(limit=100_000)
    t.wait_for_calls(8000)
    reader.thread.join()
    written = wait_for_account_of_stderr(t, 8000)
    with open(reader.path, "rb") as f:
        lines = f.read().count(b"\n")
    check(written >= lines > 0, "written", written, "read", lines)
    program.wait()
    t.check_log(foreign=1)


def reader_of_stderr_that_never_reads_delays_the_file_not_at_all(t):
    reader = Reader(t)
    program = reader.start_program("--threads", 2, "--records", 20_000)
    t.wait_for_calls(40_000)
    check_file_is_complete_within(t, 1)
    check(program.process.poll() is None, "the program has not waited for its reader")
    program.wait(6.5)
    t.note(f"ended after {program.took:.2f} s")
    os.close(reader.end)
    t.wait_until_gone()
    told = t.read_log().count("stderr: nothing is written there any more: Broken pipe")
    check(told <= 1, told)  # where the helper was still there when the reader went
    t.check_log(foreign=told)


def reader_of_stderr_that_comes_back_is_told_what_it_missed(t):
    reader = Reader(t)
    program = reader.start_program("--threads", 2, "--records", 20_000, "--hold-ms", 1200)
    t.wait_for_calls(40_000)
    check_file_is_complete_within(t, 1)
    reader.read_all()
    program.wait(6)
    found = reader.finish()
    check(found["lost"] > 1000 and found["counted_lost"] == found["lost"], found)
    t.check_log()


def daemon_gives_up_stderr(t):
    """The reader sees the end of the pipe although a member lives on."""
    reader = Reader(t)
    starter = reader.start_program("--first", 20, "--processes", 1, "--records", 20, "--detach", 1, "--delay-ms", 300,
                                   "--hold-ms", 1500)
    began = time.monotonic()
    reader.read_all()
    starter.wait(2)
    reader.thread.join(5)
    check(time.monotonic() - began < 1.5, "the pipe was open for", time.monotonic() - began, "s")
    t.wait_for_calls(40)
    t.wait_until_gone(4)
    t.check_log()


CASES = (
    stderr_that_is_read_gets_everything, stderr_that_is_a_file_gets_everything,
    slow_reader_of_stderr_gets_the_count_of_what_it_missed, reader_of_stderr_that_closes_does_not_touch_the_file,
    stderr_that_is_full_loses_what_it_counts, reader_of_stderr_that_closes_loses_what_is_counted,
    reader_of_stderr_that_never_reads_delays_the_file_not_at_all,
    reader_of_stderr_that_comes_back_is_told_what_it_missed, daemon_gives_up_stderr,
)
