# SPDX-License-Identifier: Unlicense
"""Handlers with files of their own, alone and beside a set-up, in one process and many."""
import re
import sys

import support
from support import Folder, case, equal, main, run, test, true

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
    mplog.flush()  # the parent is in another session, and does not wait for this one
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


def check_losses_are_told(files, setup):
    """Nobody knows where a record would have gone that found no room: each file tells of it."""
    with Folder() as folder:
        result = run(SETUP + support.COLLECTORS + """
import signal
%s
log = get_logger("a")  # one record for both files
log.warning("first")
mplog.flush()
pid, = collectors(os.environ["MPLOG_RING_DIR"])
os.kill(pid, signal.SIGSTOP)
for i in range(3000):
    log.warning("%%d %%s", i, "x" * 100)
os.kill(pid, signal.SIGCONT)
mplog.flush()
""" % setup, folder, MPLOG_OVERFLOW="drop", MPLOG_RING_MAX_BYTES="65536")
        equal((result.status, result.err), (0, ""))
        for file in files:
            lines = folder.lines(file)
            told = [re.search(r"(\d+) records were lost: the ring was full$", line) for line in lines]
            lost = sum(int(found.group(1)) for found in told if found)
            true(lost > 0, "%s does not tell of a loss" % file)
            equal(lost + sum(not found for found in told), 3001)


OWN = "logging.getLogger().addHandler(mplog.Handler('own.log'))"
case(check_losses_are_told, ["own.log"], OWN, name="losses_are_told_where_there_are_handlers_alone")
case(check_losses_are_told, ["app.log", "own.log"], "setup_logging(log_file='app.log', log_to_stderr=False)\n" + OWN,
     name="losses_are_told_in_each_file")


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


def refuse(arguments, error, words):
    with Folder() as folder:
        result = run("import mplog\ntry:\n    mplog.Handler(%s)\nexcept Exception as e:\n"
                     "    print(type(e).__name__, e)\n" % arguments, folder)
        equal((result.status, result.err), (0, ""))
        true(result.out.startswith(error + " ") and words in result.out, result.out)


WRONG = [
    ("'/nonexistent/a.log'", "FileNotFoundError", ": '/nonexistent/a.log'"), ("'.'", "IsADirectoryError", ""),
    ("max_bytes=5", "ValueError", "log_file: is missing"), ("maxBytes=5", "ValueError", "log_file: is missing"),
    ("'x.log', max_bytes='5M'", "TypeError", "max_bytes: int is expected, not '5M'"),
    ("'x.log', level='LOUD'", "ValueError", "'LOUD'"), ("'x.log', encoding='klingon'", "ValueError", "klingon"),
    ("'x.log', fsync='often'", "ValueError", "fsync"),
    ("'x.log', escape='some'", "ValueError", "escape"), ("'x.log', mode='x'", "ValueError", "file_mode"),
    ("'x.log', max_bytes=-1", "ValueError", "max_bytes"), ("'x.log', backup_count=-1", "ValueError", "backup_count"),
    ("''", "ValueError", "log_file: is empty"), ("5", "TypeError", "int"),
]
for given, name_of_error, text in WRONG:
    case(refuse, given, name_of_error, text, name="handler_with_%s_is_refused" % given)


@test
def flush_takes_numbers_of_seconds():
    with Folder() as folder:
        result = run("""
import mplog
for timeout in (-1, 0, 1, 0.5, 1e300, float("inf"), "x", None, True, float("nan")):
    try:
        print(mplog.flush(timeout))
    except (TypeError, ValueError) as e:
        print(type(e).__name__, str(e)[:8])
""", folder)
        equal(result.out.splitlines(), ["True"] * 6 + ["TypeError timeout:"] * 3 + ["ValueError timeout:"])


FILE_CONFIG = """
[loggers]
keys=root,db
[handlers]
keys=all,errors
[formatters]
keys=line
[logger_root]
level=INFO
handlers=all
[logger_db]
level=DEBUG
handlers=errors
qualname=db
[handler_all]
class=mplog.Handler
formatter=line
args=("all.log", "a", 100000, 3)
[handler_errors]
class=mplog.Handler
formatter=line
level=ERROR
kwargs={"log_file": "errors.log", "max_bytes": 0}
[formatter_line]
format=%(name)s %(levelname)s %(message)s
"""


def check_file_config(method):
    """Two files of a configuration file, in all processes; a level is changed while they run."""
    with Folder() as folder:
        with open(folder.file("log.ini"), "w") as f:
            f.write(FILE_CONFIG)
        result = run(SETUP + """
def configure():
    logging.config.fileConfig("log.ini", disable_existing_loggers=False)

def work(asked, done):
    configure()
    log = get_logger("db.pool")
    for level in iter(asked.get, None):
        log.debug("debug at %s", level)
        log.error("error at %s", level)
        logging.getLogger("stock").info("info at %s", level)
        done.put(1)

if __name__ == "__main__":
    configure()
    context = mp.get_context(sys.argv[1])
    asked, done = context.Queue(), context.Queue()
    p = context.Process(target=work, args=(asked, done))
    p.start()
    for level in ("INFO", "DEBUG", "ERROR"):
        mplog.set_level("db", level)
        asked.put(level)
        done.get()
    asked.put(None)
    p.join()
    print(mplog.flush())
""", folder, [method])
        equal((result.status, result.err, result.out), (0, "", "True\n"))
        errors = ["db.pool ERROR error at %s" % level for level in ("INFO", "DEBUG", "ERROR")]
        equal(folder.lines("errors.log"), errors)
        stock = ["stock INFO info at %s" % level for level in ("INFO", "DEBUG", "ERROR")]
        equal(folder.lines("all.log"), [errors[0], stock[0], "db.pool DEBUG debug at DEBUG", errors[1], stock[1],
                                        errors[2], stock[2]])


for start_method in ("fork", "spawn", "forkserver"):
    case(check_file_config, start_method, name="file_config_and_set_level_reach_children_" + start_method)


if __name__ == "__main__":
    sys.exit(main())
