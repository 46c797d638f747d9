# SPDX-License-Identifier: Unlicense
"""celery -A celery_app worker - the worker's own lines, and those of all tasks in all its processes, in one file.

Celery asks who listens to `setup_logging` instead of replacing the root logger's handlers (worker_hijack_root_logger),
before it forks; children and their successors (--max-tasks-per-child) need nothing. A set-up at import would be undone
by Celery unless worker_hijack_root_logger is False.
"""
import os
from typing import Optional

from celery import Celery
from celery.signals import setup_logging

import mplog

log = mplog.get_logger(__name__)

os.makedirs("queue", exist_ok=True)
app = Celery("celery_app", broker="filesystem://")  # a folder; any other broker does as well
app.conf.broker_transport_options = {"data_folder_in": "queue", "data_folder_out": "queue"}


@setup_logging.connect
def set_up_logging(loglevel: Optional[str] = None, **_: object) -> None:
    mplog.setup_logging(level=loglevel or "INFO", log_file="celery.log")


@app.task
def add(x: int, y: int) -> int:
    log.info("%d + %d = %d", x, y, x + y)
    return x + y
