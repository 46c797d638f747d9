# SPDX-License-Identifier: Unlicense
"""uvicorn (on uvloop, where it is installed): one process, spawned workers, its own loggers in the same file."""
import json
import os
import sys

from hosts import EXAMPLES, LINES, Host, free_port, support, true

UVICORN = ("-m", "uvicorn", "asgi_app:app", "--loop", "uvloop")


def start(host, *arguments, **more):
    host.socket = free_port()
    host.start(*UVICORN, "--port", host.socket, *arguments, **more)
    host.wait_for_answer()
    return host.servers[-1]


def check_load(arguments, processes):
    with Host() as host:
        server = start(host, *arguments)
        answers = host.load(200, processes=processes)
        server.stop(status=None)  # 0, or ended by the signal, as the server likes
        host.check(len(answers) * LINES, producers=processes)
        true(os.path.exists(host.folder.file("app.log.1")), "the log was never rotated")


support.case(check_load, (), 1, name="one_process_on_uvloop_loses_nothing")
support.case(check_load, ("--workers", 2), 2, name="workers_on_uvloop_lose_nothing")


def check_recipe(has_set_up, name):
    """The application's lines through the root logger's handler, or through its own set-up."""
    from uvicorn_app import LOG_CONFIG
    config = dict(LOG_CONFIG, root={"level": "INFO", "handlers": []}) if has_set_up else LOG_CONFIG
    with Host() as host:
        with open(host.folder.file("log.json"), "w") as f:
            json.dump(config, f)
        server = start(host, "--workers", 2, "--log-config", "log.json", TEST_SETUP="1" if has_set_up else "0")
        answers = host.load(100, processes=2)
        server.stop(status=None)
        host.check(len(answers) * LINES, name=name, producers=2)
        lines = host.folder.lines("uvicorn.log")
        accesses = [line for line in lines if " uvicorn.access " in line and "GET /log" in line]
        true(len(accesses) == len(answers), "%d lines of the access log" % len(accesses))
        true(any(" uvicorn.error " in line and "Started parent process" in line for line in lines), lines[:5])
        true(any(" uvicorn.error " in line and "Finished server process" in line for line in lines), lines[-5:])


support.case(check_recipe, False, "uvicorn.log", name="recipe_puts_server_and_application_into_one_file")
support.case(check_recipe, True, "app.log", name="application_that_sets_up_by_itself_has_a_file_of_its_own")


@support.test
def recipe_runs_by_itself():
    with Host() as host:
        host.socket = free_port()
        server = host.start(os.path.join(EXAMPLES, "uvicorn_app.py"), PORT=str(host.socket))
        host.wait_for_answer()
        server.stop(status=None)
        lines = host.folder.lines("uvicorn.log")
        true(any(line.endswith(" before a wait") for line in lines), lines)


if __name__ == "__main__":
    sys.exit(support.main())
