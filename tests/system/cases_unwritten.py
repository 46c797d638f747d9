# SPDX-License-Identifier: Unlicense
"""A log that cannot be written when a program ends: it says so, and nothing is lost."""
import os
import re

from cases_recover import command
from support import check

LINE = re.compile(r"mplog: (\S+): cannot be written: No such file or directory; (\d+) records wait; once that is "
                  r"possible, \"mplog recover (\S+)\" or the next set-up on the file writes them\n")


def end_in_vain(t, *words, **options):
    """Runs a program whose log's folder has gone when it ends. Returns how many records it says are waiting."""
    program = t.produce("--records", -1, "--rate", 2000, *words, mplog={"block_timeout_ms": 300, **options})
    program.may_complain = True
    t.wait_for_calls(50)
    os.rename(t.log_dir, t.log_dir + ".moved")
    t.wait_for_calls(t.returned() + 50)
    t.tell_producers_to_stop()
    program.wait()
    said = LINE.fullmatch(program.stderr())
    check(said and said[1] == t.log and said[3] == t.ring_dir, program.stderr())
    check(program.took < 5, "it took", program.took, "s")
    os.rename(t.log_dir + ".moved", t.log_dir)
    return int(said[2])


def exit_says_what_waits_for_a_file_that_cannot_be_written(t):
    waiting = end_in_vain(t)
    check(50 <= waiting <= t.returned(), waiting, t.returned())
    t.wait_until_gone(3)  # the collector has gone on trying
    check(t.check_log()["payloads"] == t.returned())


def shutdown_says_what_waits_for_a_file_that_cannot_be_written(t):
    waiting = end_in_vain(t, "--shutdown", 1, "--processes", 2)
    check(waiting >= 50, waiting)
    t.wait_until_gone(3)
    check(t.check_log()["payloads"] == t.returned())


def exit_with_thread_says_what_recover_then_writes(t):
    waiting = end_in_vain(t, collector="thread")
    recovered = int(re.search(r": (\d+) records? written", command(t, "recover"))[1])
    check(recovered == waiting >= 50, recovered, waiting)
    check(t.check_log(foreign=1)["payloads"] == t.returned())


CASES = (
    exit_says_what_waits_for_a_file_that_cannot_be_written, shutdown_says_what_waits_for_a_file_that_cannot_be_written,
    exit_with_thread_says_what_recover_then_writes,
)
