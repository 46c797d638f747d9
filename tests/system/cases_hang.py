# SPDX-License-Identifier: Unlicense
"""A file whose server does not answer: a write to it neither ends nor fails. The library that is preloaded into the
helper says that the file is on NFS, and keeps its writes waiting."""
import fcntl
import os
import struct
import time

from cases_disk import check_quiet_account, wait_for_all
from cases_recover import recover
from disk_support import FailingDisk, check_logs, count_payloads, own_lines
from support import check, wait_until


def start(t, disk, *arguments, **mplog):
    producer = t.produce("--threads", 2, "--records", -1, *arguments, env=disk.env, mplog=mplog)
    t.wait_for_calls(100)
    return producer


def server_that_does_not_answer_holds_up_no_other_file(t):
    """Nor its own producers: lines wait in memory, and are written when it answers again."""
    disk = FailingDisk(t, "other.log", is_remote=True)
    other = os.path.join(t.log_dir, "other.log")
    producer = start(t, disk, "--rate", 2000, "--hold-ms", 1000, "--also", other, block_timeout_ms=1000)
    disk.begin(action=disk.HANG)
    disk.wait_for_hits()
    stuck_at = count_payloads(other)
    began, calls = time.monotonic(), t.returned()
    while time.monotonic() < began + 2:
        calls += 400
        t.wait_for_calls(calls)
        wait_for_all(t, t.log, 1)
        check(count_payloads(other) == stuck_at and disk.hits == 1, "the write is not stuck: nothing was tested")
    disk.end()
    wait_for_all(t, other)
    t.tell_producers_to_stop()
    check_quiet_account(t)
    producer.wait()
    t.wait_until_gone()
    found, there = check_logs(t, t.log), check_logs(t, other)
    check(found["lost"] == 0 and there["lost"] == 0, found, there)
    check(t.slowest() < 0.9, "a call took", t.slowest())
    said = " ".join(own_lines(t.log))
    check("other.log: writing fails: it has not come back" in said and "other.log: writing goes on after" in said, said)
    t.note(f"{calls} calls, the slowest took {t.slowest() * 1000:.1f} ms")


def server_that_does_not_answer_holds_up_stderr_not_at_all(t):
    disk = FailingDisk(t, is_remote=True)
    producer = t.produce("--threads", 2, "--records", -1, "--rate", 1000, env=disk.env,
                         mplog={"log_to_stderr": "true"})
    producer.may_complain = True
    t.wait_for_calls(100)
    disk.begin(action=disk.HANG)
    disk.wait_for_hits()
    stuck_at = count_payloads(t.log)
    for calls in (700, 1400):
        t.wait_for_calls(calls)
        wait_for_all(t, producer.stderr_path, 1)
        check(count_payloads(t.log) == stuck_at, "the write is not stuck: nothing was tested")
    disk.end()
    wait_for_all(t, t.log)
    t.tell_producers_to_stop()
    producer.wait()
    t.wait_until_gone()
    check(t.check_log()["lost"] == 0, "lost")


def has_holder(control):
    """Of the collector's lock: byte 0."""
    request = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
    return struct.unpack("hhqqi4x", fcntl.fcntl(control, fcntl.F_GETLK, request))[0] != fcntl.F_UNLCK


def is_without_collector(t, control):
    """Who is stuck in a write keeps its lock for as long as the write may come: a successor would write it as well."""
    has_ended = not has_holder(control)
    check(not has_ended or not t.collectors(), "the helper has given up its lock before it has ended")
    return has_ended


def server_that_never_answers_leaves_its_records_to_recover(t):
    """The program ends after its bounded wait, the helper 5 s later; what is in no file is written by command."""
    disk = FailingDisk(t, is_remote=True)
    producer = start(t, disk, "--rate", 2000)
    disk.begin(action=disk.HANG)
    disk.wait_for_hits()
    t.wait_for_calls(t.returned() + 1000)
    t.tell_producers_to_stop()
    producer.may_complain = True
    producer.wait(8)
    with open(os.path.join(t.sessions()[0], "control"), "rb") as control:
        wait_until(lambda: is_without_collector(t, control), 8, "the helper ends")
    written = count_payloads(t.log)
    waiting = sum(recover(t, "--dry-run").values())
    check(written + waiting == t.returned() and waiting >= 1000, written, "+", waiting, "of", t.returned())
    check(sum(recover(t).values()) == waiting, "recovered")
    check(check_logs(t, t.log)["lost"] == 0 and not t.leftovers(), t.leftovers())


CASES = (server_that_does_not_answer_holds_up_no_other_file, server_that_does_not_answer_holds_up_stderr_not_at_all,
         server_that_never_answers_leaves_its_records_to_recover)
