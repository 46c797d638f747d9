# SPDX-License-Identifier: Unlicense
"""gunicorn -c gunicorn_conf.py app:app - the server's own lines, and those of the workers, in one file.

gunicorn's loggers do not propagate, so each is given a handler. The application calls setup_logging as ever; with
another log_file it gets a file of its own, with the same one both share it.
"""
workers = 2
accesslog = "-"  # switches the access log on; where it goes is said below
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s [%(process)d] %(message)s"}},
    "handlers": {"mplog": {"class": "mplog.Handler", "log_file": "gunicorn.log", "formatter": "line"}},
    "root": {"level": "INFO", "handlers": []},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["mplog"], "propagate": False},
        "gunicorn.access": {"level": "INFO", "handlers": ["mplog"], "propagate": False},
    },
}
