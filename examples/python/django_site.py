# SPDX-License-Identifier: Unlicense
"""python django_site.py runserver - a Django site in one file: LOGGING with mplog.Handler.

Django's own loggers, those of the site and of all its processes (the reloader's, gunicorn's workers, management
commands that start some) write requests.log and errors.log in order. `django.server` does not propagate, so it names
the handler itself.
"""
import os
import sys

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

import mplog

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)-8s %(name)s [%(process)d] %(message)s"}},
    "handlers": {
        "all": {"class": "mplog.Handler", "log_file": "requests.log", "formatter": "line"},
        "errors": {"class": "mplog.Handler", "log_file": "errors.log", "level": "ERROR", "formatter": "line"},
    },
    "root": {"level": "INFO", "handlers": ["all", "errors"]},
    "loggers": {"django.server": {"level": "INFO", "handlers": ["all"], "propagate": False}},
}


def hello(request: HttpRequest) -> HttpResponse:
    mplog.get_logger("site").info("hello, %s", request.META.get("REMOTE_ADDR"))
    return HttpResponse("hello")


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("this goes to errors.log, with its traceback")


urlpatterns = [path("hello", hello), path("broken", broken)]

if not settings.configured:
    settings.configure(DEBUG=True, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY=os.urandom(16).hex(),
                       LOGGING=LOGGING, USE_TZ=True)
    django.setup()
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
