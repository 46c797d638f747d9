# SPDX-License-Identifier: Unlicense
"""For gunicorn: each request logs some numbered lines."""
import os
import sys

import mplog
from tally import Tally

LINES = int(os.environ["TEST_LINES"])

mplog.setup_logging(log_file=os.environ.get("TEST_LOG_FILE", "app.log"), log_to_stderr="TEST_STDERR" in os.environ,
                    format_string="%(name)s %(message)s", max_bytes=50000, backup_count=1000)
log = mplog.get_logger("app")
tally = Tally(os.environ["TEST_TALLIES"])


def app(environ, start_response):
    if environ["PATH_INFO"] == "/log":
        for _ in range(LINES):
            tally.log(log)
    elif environ["PATH_INFO"] == "/print":
        print("printed by a worker", flush=True)
        print("and on stderr", file=sys.stderr, flush=True)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % os.getpid()]
