# SPDX-License-Identifier: Unlicense
"""Every example of the package's first description, under each start method: file, stderr, and nothing else."""
import concurrent.futures
import os
import re
import sys

import support

DEFAULT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (\w+) +(\S+) \[(\S+?):(\d+) (\S+)\] (.*)\Z")
CUSTOM = re.compile(r"\d\d:\d\d:\d\d \[(\w+)\] (\S+): ()()()(.*)\Z")

MAIN, INFO = "MainProcess", "INFO"


def of(process, *messages, logger="__main__", level=INFO):
    return [(process, level, logger, m) for m in messages]


def workers(name, count, first, last):
    """What each of some processes logs; a process is told by its number."""
    return [of("Process-%d" % (i + 1), first % i, last % i, logger="%s_%d" % (name, i)) for i in range(count)]


# File (None: none), then one list for each process.
EXAMPLES = {
    "installation": (None, [], 0),
    "quick_start": ("app.log", [of(MAIN, "Starting application", "Application finished"),
                                of("Process-1", "Hello from worker process!", logger="MAIN_OF_CHILD")], 0),
    "setup_logging": ("app.log", [], 0),
    "get_logger": (None, [of(MAIN, "This is safe in any process or coroutine!")], 0),
    "basic_usage": ("app.log", [of(MAIN, "This is an info message") + of(MAIN, "This is an error", level="ERROR")], 0),
    "multiprocessing_workers": ("workers.log", workers("worker", 4, "Worker %d started", "Worker %d finished"), 0),
    "asyncio_tasks": ("async.log", [[line for i in range(5) for line in of(MAIN, "Task %d starting" % i,
                                                                            logger="task_%d" % i)] +
                                    [line for i in range(5) for line in of(MAIN, "Task %d completed" % i,
                                                                            logger="task_%d" % i)]], 0),
    "multiprocessing_asyncio": ("combined.log", workers("async_worker", 3, "Async worker %d started",
                                                        "Async worker %d finished"), 0),
    "custom_formatting": ("custom.log", [of("", "This uses custom formatting", logger="custom", level="DEBUG")], 0),
    "exception_logging": ("errors.log", [of(MAIN, "Division by zero occurred", level="ERROR")], 1),
    "differences": ("app.log", [], 0),
}


def parse(lines, pattern):
    """(records by process, lines that are none)."""
    records, others = {}, []
    for line in lines:
        match = pattern.match(line)
        if match is None:
            others.append(line)
            continue
        level, logger, process, _, _, message = match.groups()
        records.setdefault(process, []).append((process, level, logger, message))
    return records, others


def check_traceback(lines, others):
    if not others:
        return
    support.equal(others[0], "Traceback (most recent call last):")
    support.true(others[-1] == "ZeroDivisionError: division by zero", "the traceback is not whole: %r" % others)
    support.true(any("result = 1 / 0" in line for line in others), "the traceback shows no source")
    at = lines.index(others[0])
    support.equal(lines[at:at + len(others)], others, "the traceback is torn")


def check(lines, name, method):
    _, expected, tracebacks = EXAMPLES[name]
    records, others = parse(lines, CUSTOM if name == "custom_formatting" else DEFAULT)
    main_of_child = "__main__" if method == "fork" else "__mp_main__"
    wanted = {}
    for process in expected:
        wanted[process[0][0]] = [tuple(main_of_child if x == "MAIN_OF_CHILD" else x for x in r) for r in process]
    if name == "asyncio_tasks":  # tasks that sleep equally long wake in any order
        records = {k: sorted(v) for k, v in records.items()}
        wanted = {k: sorted(v) for k, v in wanted.items()}
    support.equal(records, wanted)
    support.true(bool(others) == bool(tracebacks), "lines that are no records: %r" % others)
    check_traceback(lines, others)
    if name == "quick_start":
        order = [DEFAULT.match(line).group(6) for line in lines]
        support.equal(order, ["Starting application", "Hello from worker process!", "Application finished"])


def run_example(name, method):
    log_file = EXAMPLES[name][0]
    with support.Folder() as folder:
        result = support.run(os.path.join(support.HERE, "seed_examples", name + ".py"), folder, start_method=method)
        support.equal(result.status, 0, "status; stderr: " + result.err)
        support.equal(result.out, "")
        err = result.err.splitlines()
        check(err, name, method)
        files = [f for f in os.listdir(folder.path) if not f.startswith(".")]
        support.equal(files, [log_file] if log_file else [])
        if log_file:
            check(folder.lines(log_file), name, method)
            support.equal(folder.lines(log_file), err, "the file says something else than stderr")
        support.wait_until(lambda: not support.sessions_left(folder), "a session is left behind", 5)


def main():
    # They mostly wait: for each other, for interpreters that start, and for a second of sleep.
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for example in EXAMPLES:
            for method in ("fork", "spawn", "forkserver"):
                done = pool.submit(run_example, example, method)
                support.case(done.result, name="seed_example_%s_%s" % (example, method))
        return support.main()


if __name__ == "__main__":
    sys.exit(main())
