# SPDX-License-Identifier: Unlicense
"""gunicorn: workers of both kinds, loaded before the fork and after it, reloaded, recycled, killed, captured."""
import os
import signal
import sys

from hosts import EXAMPLES, LINES, Host, children_of, equal, support, true

GUNICORN = ("-m", "gunicorn", "wsgi_app:app", "--graceful-timeout", "5")


def start(host, *arguments, **more):
    server = host.start(*GUNICORN, "-b", "unix:" + host.socket, *arguments, **more)
    host.wait_for_answer()
    return server


def check_load(arguments, processes=2):
    with Host() as host:
        server = start(host, *arguments)
        answers = host.load(200, processes=processes)
        server.stop()
        host.check(len(answers) * LINES, producers=processes)
        true(os.path.exists(host.folder.file("app.log.1")), "the log was never rotated")


KINDS = {"sync": ("-w", 2), "gthread": ("-w", 2, "-k", "gthread", "--threads", 4)}
for kind, kind_arguments in KINDS.items():
    for is_preload in (False, True):
        support.case(check_load, kind_arguments + (("--preload",) if is_preload else ()),
                     name="workers_%s_%s_lose_nothing" % (kind, "preloaded" if is_preload else "loaded_on_their_own"))
    support.case(check_load, kind_arguments + ("--preload", "--max-requests", 10), 10,
                 name="workers_%s_that_are_recycled_lose_nothing" % kind)


def check_reload(arguments):
    with Host() as host:
        server = start(host, *arguments)
        answers = host.load(200, meanwhile=lambda: os.kill(server.pid, signal.SIGHUP), processes=3)
        server.stop()
        host.check(len(answers) * LINES, producers=3)


support.case(check_reload, ("-w", 2), name="a_reload_by_hup_loses_nothing")
support.case(check_reload, ("-w", 2, "--preload"), name="a_reload_by_hup_of_preloaded_workers_loses_nothing")


@support.test
def workers_that_are_killed_lose_nothing_they_logged():
    with Host() as host:
        server = start(host, "-w", 2, "--preload")
        host.load(200, may_fail=True, processes=3,
                  meanwhile=lambda: [os.kill(pid, signal.SIGKILL) for pid in children_of(server.pid)])
        server.stop()
        host.check(190 * LINES, are_killed=True, producers=3)  # those that were at work have not answered


@support.test
def captured_output_and_stderr_of_the_log_are_both_in_the_error_log():
    with Host() as host:
        server = start(host, "-w", 2, "--preload", "--capture-output", "--error-logfile", "gunicorn.err",
                       TEST_STDERR="1")
        host.load(50)
        host.get("/print")
        server.stop()
        host.check(50 * LINES)
        host.check(50 * LINES, name="gunicorn.err")
        lines = host.folder.lines("gunicorn.err")
        true("printed by a worker" in lines and "and on stderr" in lines, lines[-20:])
        equal([line for line in server.said().splitlines() if "#" in line], [])


def check_recipe(*arguments):
    """The server's own loggers and the application's in one file."""
    with Host() as host:
        server = start(host, "-c", os.path.join(EXAMPLES, "gunicorn_conf.py"), *arguments, TEST_LOG_FILE="gunicorn.log")
        answers = host.load(100, processes=2)
        server.stop()
        host.check(len(answers) * LINES, name="gunicorn.log", producers=2)
        lines = [line for name in os.listdir(host.folder.path) if name.startswith("gunicorn.log")
                 for line in host.folder.lines(name)]
        equal(len([line for line in lines if "gunicorn.access" in line and "GET /log" in line]), len(answers))
        true(any("gunicorn.error" in line and "Booting worker" in line for line in lines), lines[:5])


support.case(check_recipe, name="recipe_puts_server_and_application_into_one_file")
support.case(check_recipe, "--preload", name="recipe_with_preload_puts_server_and_application_into_one_file")


if __name__ == "__main__":
    sys.exit(support.main())
