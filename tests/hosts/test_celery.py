# SPDX-License-Identifier: Unlicense
"""Celery's prefork workers, with and without its grip on the root logger, recycled and killed; tasks in a folder."""
import os
import signal
import sys

from hosts import LINES, Host, children_of, support, true

TASKS = 60
WORKER = ("-m", "celery", "-A", "celery_tasks", "worker", "-c", "2", "-P", "prefork", "--loglevel", "INFO",
          "--without-gossip", "--without-mingle", "--without-heartbeat")


def send(host):
    host.run("-c", "import celery_tasks as t; t.speak.delay(); [t.work.delay() for _ in range(%d)]" % TASKS)


def work(host, mode, *arguments):
    send(host)
    worker = host.start(*WORKER, *arguments, TEST_MODE=mode)
    host.wait_for_calls(TASKS * LINES)
    worker.stop()
    return worker


def all_lines(host):
    names = [name for name in os.listdir(host.folder.path) if name.startswith("celery.log")]
    return [line for name in names for line in host.folder.lines(name)]


def check_mode(mode, processes, *arguments):
    with Host() as host:
        worker = work(host, mode, *arguments)
        host.check(TASKS * LINES, name="celery.log", producers=processes)
        lines = all_lines(host)
        numbered = [line for line in lines if "#w." in line]
        true(all("ForkPoolWorker-" in line for line in numbered), numbered[:3])
        if mode != "handler":
            true(any("celery_tasks.work" in line and "succeeded" in line for line in lines), "no line of Celery's")
        for text in ("printed in a task", "and on its stderr"):
            true(any(text in line for line in lines) == (mode != "recipe"), (text, lines[-5:]))
        if mode in ("recipe", "hijack off"):  # stderr is written by the collector, once
            host.check(TASKS * LINES, name=os.path.basename(worker.err))


for mode in ("recipe", "hijack on", "hijack off", "handler"):
    support.case(check_mode, mode, 2, name="workers_%s_lose_nothing" % mode.replace(" ", "_"))
support.case(check_mode, "recipe", 6, "--max-tasks-per-child", 10, name="workers_that_are_recycled_lose_nothing")


@support.test
def worker_that_is_killed_loses_nothing_it_logged():
    """Celery replaces it with brokers that have an event loop; a folder has none, and the other worker goes on."""
    with Host() as host:
        send(host)
        worker = host.start(*WORKER)
        support.wait_until(lambda: host.producers() == 2, "two workers at work", 10)
        os.kill(min(children_of(worker.pid)), signal.SIGKILL)
        host.wait_for_calls(TASKS * LINES // 2)
        worker.stop()
        host.check(TASKS * LINES // 2, name="celery.log", are_killed=True, producers=2)


if __name__ == "__main__":
    sys.exit(support.main())
