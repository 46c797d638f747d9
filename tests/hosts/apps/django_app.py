# SPDX-License-Identifier: Unlicense
"""The Django recipe with one view more, which logs some numbered lines; `clients` asks it from a pool of processes."""
import multiprocessing as mp
import os
import sys
import time

import django_site
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.test import Client
from django.urls import path

import mplog
from tally import Tally

LINES = int(os.environ["TEST_LINES"])
log = mplog.get_logger("site")
tally = Tally(os.environ["TEST_TALLIES"])
application = django_site.application


def log_lines(request):
    for _ in range(LINES):
        tally.log(log)
    return HttpResponse("%d" % os.getpid())


if not any(str(p.pattern) == "log" for p in django_site.urlpatterns):
    django_site.urlpatterns.append(path("log", log_lines))


def ask(_):
    time.sleep(0.005)  # or else one process has done it all before the others are there
    return Client().get("/log").status_code


if __name__ == "__main__":
    if sys.argv[1] == "clients":
        with mp.get_context(sys.argv[2]).Pool(3) as pool:
            assert pool.map(ask, range(60), 1) == [200] * 60
    else:
        execute_from_command_line(sys.argv)
