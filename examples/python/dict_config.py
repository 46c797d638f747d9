# SPDX-License-Identifier: Unlicense
"""logging.config: several files and levels, each written in order by all processes of the program."""
import logging
import logging.config
import os
import tempfile

import mplog

folder = tempfile.mkdtemp(prefix="mplog-example-")

logging.config.dictConfig({
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"short": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        "everything": {"class": "mplog.Handler", "log_file": os.path.join(folder, "all.log"), "formatter": "short"},
        "errors": {"class": "mplog.Handler", "log_file": os.path.join(folder, "errors.log"), "level": "ERROR",
                   "formatter": "short", "backup_count": 10},
    },
    "root": {"level": "INFO", "handlers": ["everything", "errors"]},
})

log = mplog.get_logger("shop")
log.info("open on port %d", 8080)
log.error("the till is empty")
mplog.flush()
for name in ("all.log", "errors.log"):
    with open(os.path.join(folder, name), encoding="utf-8") as f:
        print(name, f.read(), sep="\n")
