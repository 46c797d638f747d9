# SPDX-License-Identifier: Unlicense
"""joblib: loky's workers, those of multiprocessing, and threads."""
import os
import sys

from hosts import APPS, EXAMPLES, LINES, Host, support, true


def check(backend, producers):
    with Host() as host:
        host.run(os.path.join(APPS, "joblib_app.py"), backend)
        host.check(60 * LINES, producers=producers)
        true(os.path.exists(host.folder.file("app.log.1")), "the log was never rotated")


for name in ("loky", "multiprocessing", "threading"):
    support.case(check, name, 2, name="workers_of_%s_lose_nothing" % name)


@support.test
def recipe_shows_loggers_of_the_logging_module_too():
    with Host() as host:
        host.run(os.path.join(EXAMPLES, "joblib_workers.py"))
        lines = host.folder.lines("joblib.log")
        true(len([line for line in lines if " work " in line and " squared is " in line]) == 5, lines)
        true(len([line for line in lines if " library " in line]) == 2, lines)


if __name__ == "__main__":
    sys.exit(support.main())
