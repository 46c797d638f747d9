# SPDX-License-Identifier: Unlicense
"""Django with mplog.Handler in LOGGING: runserver with its reloader, gunicorn, and its test client in pools."""
import os
import shutil
import sys

from hosts import APPS, LINES, Host, free_port, support, true


def check_errors(host):
    lines = host.folder.lines("errors.log")
    true(any(line.endswith("RuntimeError: this goes to errors.log, with its traceback") for line in lines), lines[-3:])
    true(any("Internal Server Error: /broken" in line and " ERROR " in line for line in lines), lines[:1])
    true(not any(" INFO " in line for line in lines), lines[:3])


def break_it(host):
    try:
        host.get("/broken")
    except support.Failure:
        pass  # status 500


@support.test
def runserver_and_its_reloader_lose_nothing():
    with Host() as host:
        host.socket = free_port()
        program = shutil.copy(os.path.join(APPS, "django_app.py"), host.folder.file("program.py"))
        server = host.start(program, "runserver", "127.0.0.1:%d" % host.socket)
        host.wait_for_answer()
        # The reloader ends the serving process amidst its threads, and starts another.
        host.load(100, may_fail=True, processes=2, meanwhile=lambda: os.utime(program))
        break_it(host)
        server.clean_up()
        host.check(50 * LINES, name="requests.log", are_killed=True, producers=2)
        check_errors(host)
        lines = host.folder.lines("requests.log")
        true(any(" django.server " in line and '"GET /log' in line for line in lines), lines[-1:])
        true(any(" django.utils.autoreload " in line and "changed, reloading" in line for line in lines), lines[:3])


def check_gunicorn(*arguments):
    with Host() as host:
        server = host.start("-m", "gunicorn", "django_app:application", "-w", "2", "-b", "unix:" + host.socket,
                            *arguments)
        host.wait_for_answer()
        answers = host.load(100, processes=2)
        break_it(host)
        server.stop()
        host.check(len(answers) * LINES, name="requests.log", producers=2)
        check_errors(host)


support.case(check_gunicorn, name="django_in_gunicorn_loses_nothing")
support.case(check_gunicorn, "--preload", name="django_preloaded_in_gunicorn_loses_nothing")


def check_clients(method):
    with Host() as host:
        host.run(os.path.join(APPS, "django_app.py"), "clients", method)
        host.check(60 * LINES, name="requests.log", producers=2)


for start_method in ("fork", "spawn", "forkserver"):
    support.case(check_clients, start_method, name="test_clients_in_a_pool_lose_nothing_" + start_method)


if __name__ == "__main__":
    sys.exit(support.main())
