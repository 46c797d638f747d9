# SPDX-License-Identifier: Unlicense
"""logging.config: several files and levels, each written in order by all processes of the program.

fileConfig takes the same class: `class=mplog.Handler` and `args=("all.log", "a", 10000000, 5)`.
"""
import logging
import logging.config

import mplog

logging.config.dictConfig({
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"short": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        "everything": {"class": "mplog.Handler", "log_file": "all.log", "formatter": "short"},
        "errors": {"class": "mplog.Handler", "log_file": "errors.log", "level": "ERROR",
                   "formatter": "short", "backup_count": 10},
    },
    "root": {"level": "INFO", "handlers": ["everything", "errors"]},
})

log = mplog.get_logger("shop")
log.info("open on port %d", 8080)
log.error("the till is empty")
mplog.flush()
for name in ("all.log", "errors.log"):
    with open(name, encoding="utf-8") as f:
        print(name, f.read(), sep="\n")
