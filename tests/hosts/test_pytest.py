# SPDX-License-Identifier: Unlicense
"""pytest: caplog sees what is logged, and the file has it, too; alone and under xdist."""
import os
import sys

from hosts import APPS, EXAMPLES, LINES, Host, support, true

PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
TESTS = 40


def check(arguments, producers, **more):
    with Host() as host:
        said = host.run(*PYTEST, *arguments, os.path.join(APPS, "numbered_tests.py"), **more)
        true("%d passed" % (TESTS + 4) in said, said)
        true("Error" not in said and "rror in sys.excepthook" not in said, said)
        host.check(TESTS * LINES, producers=producers)
        true(os.path.exists(host.folder.file("app.log.1")), "the log was never rotated")


support.case(check, (), 1, name="caplog_and_the_file_have_everything")
support.case(check, ("-n", 3), 3, name="caplog_and_the_file_have_everything_under_xdist")
support.case(check, ("-s",), 1, name="caplog_and_the_file_have_everything_uncaptured")


@support.test
def failing_test_shows_its_lines_as_log_and_stderr():
    for stderr in ("", "1"):
        with Host() as host:
            more = {"TEST_STDERR": "1"} if stderr else {}
            said = host.run(*PYTEST, os.path.join(APPS, "numbered_tests.py"), "-k", "fails", status=1, TEST_FAILS="1",
                            **more)
            log = said.partition("Captured log call")[2]
            true("ERROR " in log and "look at me" in log, said)
            captured = said.partition("Captured stderr call")[2].partition("Captured log call")[0]
            true(("app look at me" in captured) == bool(stderr), said)


def check_recipe(*arguments):
    with Host() as host:
        said = host.run(*PYTEST, *arguments, os.path.join(EXAMPLES, "pytest_example.py"))
        true("3 passed" in said, said)


support.case(check_recipe, name="recipe_runs")
support.case(check_recipe, "-n", 2, name="recipe_runs_under_xdist")


if __name__ == "__main__":
    sys.exit(support.main())
