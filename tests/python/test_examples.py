# SPDX-License-Identifier: Unlicense
"""The recipes in examples/python that need nothing but Python run as they stand; tests/hosts has the others."""
import os
import re
import sys

import support
from support import Folder, equal, run, test, true

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(support.HERE)), "examples", "python")


def check(name, *args):
    folder = Folder()
    with folder:
        result = run(os.path.join(EXAMPLES, name), folder, args)
        equal(result.status, 0, result.err)
        names = [f for f in os.listdir(folder.path) if f.endswith(".log")]
        return [line for f in names for line in folder.lines(f)], result


@test
def mplog_examples_show_each_pattern():
    _, result = check("mplog_examples.py")
    for text in ("This is an info message", "Worker 3 finished", "Task 4 completed", "Task 1 completed",
                 "This uses custom formatting", "ZeroDivisionError"):
        true(text in result.err, "%r is missing in\n%s" % (text, result.err))
    true("below the level" not in result.err, result.err)


@test
def process_pool_has_the_lines_of_its_workers():
    _, result = check("process_pool.py")
    lines = result.err.splitlines()
    equal(len([line for line in lines if re.search(r" squares .* (\d) \* \1 = ", line)]), 5, result.err)
    true(lines[-1].endswith("the sum is 30"), result.err)


@test
def dict_config_writes_two_files():
    _, result = check("dict_config.py")
    equal((result.out.count("open on port 8080"), result.out.count("the till is empty")), (1, 2), result.out)


@test
def asyncio_service_has_tasks_threads_processes_and_callbacks():
    lines, result = check("asyncio_service.py")
    equal(result.err, "")
    for text in ("request 2 is done", "in a thread of the loop's executor: 1", "in a process of the pool: 9",
                 "9 squared is 81", "from a callback", "Task exception was never retrieved",
                 "RuntimeError: nobody asks for this"):
        true(any(text in line for line in lines), "%r is missing in\n%s" % (text, "\n".join(lines)))
    if sys.version_info >= (3, 12):
        true(any(re.search(r"MainThread Task-\d+\] request 1$", line) for line in lines), lines)


if __name__ == "__main__":
    sys.exit(support.main())
