# SPDX-License-Identifier: Unlicense
"""greenlet_app.py LIBRARY WAY: numbered lines from greenlets, with the standard library replaced by gevent's or
eventlet's. Says how often greenlets were switched, and how often inside a log call."""
import os
import sys

if sys.argv[1] == "gevent":
    import gevent.monkey
    gevent.monkey.patch_all()
else:
    import eventlet
    eventlet.monkey_patch()

import signal
import threading
import time

import greenlet

import mplog
from tally import Tally

WAY, LINES, GREENLETS = sys.argv[2], int(os.environ["TEST_LINES"]), 50
switches, switched_inside, inside = 0, 0, False


def count_switch(event, _):
    global switches, switched_inside
    switches += 1
    switched_inside += inside


def say(log, tally):
    global inside
    inside = True
    tally.log(log)
    inside = False


def work(log, tally, rounds=1):
    for _ in range(rounds):
        for _ in range(LINES):
            say(log, tally)
            time.sleep(0)  # of the library: others run


def collectors():
    mark = os.fsencode(os.environ["MPLOG_RING_DIR"])
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                command = f.read()
        except OSError:
            continue
        if b"collect" in command and mark in command:
            yield int(pid)


def main():
    options = dict(ring_max_bytes=65536, block_timeout_ms=100, max_bytes=0) if WAY == "full" else dict(
        max_bytes=20000, backup_count=1000)
    mplog.setup_logging(log_file="app.log", log_to_stderr=False, format_string="%(threadName)s %(message)s", **options)
    log, tally = mplog.get_logger("app"), Tally(os.environ["TEST_TALLIES"], "g")
    # Threads of the patched module are greenlets.
    threads = [threading.Thread(target=work, args=(log, tally, 20 if WAY == "full" else 1), name="T%d" % i)
               for i in range(GREENLETS)]
    greenlet.settrace(count_switch)
    if WAY == "full":
        stopped = list(collectors())
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if WAY == "full":
        print("stopped %d" % len(stopped))
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    if WAY == "fork":
        child = os.fork()
        work(log, tally)
        if child == 0:
            sys.exit(0)
        os.waitpid(child, 0)
    if WAY == "unfinished":  # they are dropped where they stand
        for i in range(GREENLETS):
            threading.Thread(target=work, args=(log, tally, 10**9), daemon=True, name="U%d" % i).start()
        time.sleep(0.1)
    greenlet.settrace(None)
    print("switches %d inside %d" % (switches, switched_inside), flush=True)


if __name__ == "__main__":
    main()
