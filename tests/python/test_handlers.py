# SPDX-License-Identifier: Unlicense
"""Handlers with files of their own, alone and beside a set-up, in one process and many."""
import sys

from support import Folder, case, equal, main, run, test

SETUP = """
import os, sys, time, logging, logging.config
import multiprocessing as mp
import mplog
from mplog import setup_logging, get_logger
"""


def check_child_of_handlers(options, where):
    """The parent has files of its own handlers alone; a child's set-up is the first one."""
    with Folder() as folder:
        result = run(SETUP + """
def work():
    setup_logging(level="DEBUG", format_string="%%(message)s", %s)
    get_logger("w").debug("in the child %%d", 1)
    logging.getLogger("stock").info("stock")
""" % options + """
if __name__ == "__main__":
    get_logger("own").addHandler(mplog.Handler("own.log"))
    p = mp.get_context(sys.argv[1]).Process(target=work)
    p.start(); p.join()
""", folder, ["spawn" if "file" in options else "fork"])
        equal(result.status, 0, result.err)
        lines = result.err.splitlines() if where == "stderr" else folder.lines("app.log")
        equal(lines, ["in the child 1", "stock"])
        equal(result.err if where != "stderr" else "", "")


case(check_child_of_handlers, "log_file='app.log', log_to_stderr=False", "app.log",
     name="set_up_in_a_child_of_a_program_with_handlers_alone_is_honoured")
case(check_child_of_handlers, "log_to_stderr=True", "stderr",
     name="set_up_of_stderr_in_a_child_of_a_program_with_handlers_alone_is_honoured")


@test
def child_of_a_program_with_handlers_alone_has_the_root_logger_as_it_was():
    with Folder() as folder:
        result = run(SETUP + """
def work():
    root = logging.getLogger()
    print(root.handlers, root.level, mplog.is_logging_setup())
    root.warning("last resort")

if __name__ == "__main__":
    get_logger("own").addHandler(mplog.Handler("own.log"))
    p = mp.get_context("spawn").Process(target=work)
    p.start(); p.join()
""", folder)
        equal((result.status, result.out, result.err), (0, "[] 30 False\n", "last resort\n"))


if __name__ == "__main__":
    sys.exit(main())
