# SPDX-License-Identifier: Unlicense
"""For Celery: a task that logs some numbered lines. TEST_MODE says who configures logging."""
import os
import sys

from celery_app import app, set_up_logging
from celery.signals import after_setup_logger, setup_logging

import mplog
from tally import Tally

LINES = int(os.environ["TEST_LINES"])
MODE = os.environ.get("TEST_MODE", "recipe")
OPTIONS = dict(log_file="celery.log", format_string="%(processName)s %(name)s %(message)s", max_bytes=50000,
               backup_count=1000)

app.conf.broker_transport_options["polling_interval"] = 0.05
if MODE != "recipe":
    setup_logging.disconnect(set_up_logging)
if MODE == "hijack off":
    app.conf.worker_hijack_root_logger = False
    mplog.setup_logging(**OPTIONS)
elif MODE == "hijack on":
    @after_setup_logger.connect
    def add_ours(**_):
        mplog.setup_logging(log_to_stderr=False, **OPTIONS)
elif MODE == "handler":
    @after_setup_logger.connect
    def add_handler(logger=None, **_):
        logger.addHandler(mplog.Handler(log_file="celery.log", max_bytes=50000, backup_count=1000))
elif MODE == "undone":
    mplog.setup_logging(**OPTIONS)

log = mplog.get_logger("tasks")
tally = Tally(os.environ["TEST_TALLIES"])


@app.task
def work():
    for _ in range(LINES):
        tally.log(log)


@app.task
def speak():
    print("printed in a task")
    print("and on its stderr", file=sys.stderr)

