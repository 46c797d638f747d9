# SPDX-License-Identifier: Unlicense
"""For uvicorn: each request logs some numbered lines, and lets others run in between."""
import asyncio
import os

import mplog
from tally import Tally

LINES = int(os.environ["TEST_LINES"])

if os.environ.get("TEST_SETUP", "1") == "1":
    mplog.setup_logging(log_file="app.log", log_to_stderr=False, format_string="%(name)s %(message)s", max_bytes=50000,
                        backup_count=1000)
log = mplog.get_logger("app")
tally = Tally(os.environ["TEST_TALLIES"])


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/log":
        for _ in range(LINES):
            tally.log(log)
            await asyncio.sleep(0)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"%d" % os.getpid()})
