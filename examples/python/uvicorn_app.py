# SPDX-License-Identifier: Unlicense
"""uvicorn --workers 2 --log-config uvicorn_log.json uvicorn_app:app - server, access log and application in one file.

`python uvicorn_app.py` does the same without a JSON file. uvicorn starts its workers by spawn, and each configures its
loggers from log_config; these do not propagate, so each names the handler. An application that calls setup_logging
leaves the root logger's handler out, or its lines come twice, as with any two handlers.
"""
import asyncio
import os
from typing import Any

import uvicorn

import mplog

LOG_CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)-8s %(name)s [%(process)d] %(message)s"}},
    "handlers": {"mplog": {"class": "mplog.Handler", "log_file": "uvicorn.log", "formatter": "line"}},
    "root": {"level": "INFO", "handlers": ["mplog"]},
    "loggers": {name: {"level": "INFO", "handlers": ["mplog"], "propagate": False}
                for name in ("uvicorn", "uvicorn.access")},
}

log = mplog.get_logger("app")


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    log.info("before a wait")
    await asyncio.sleep(0.01)
    log.info("after it")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello"})


if __name__ == "__main__":
    uvicorn.run("uvicorn_app:app", workers=2, port=int(os.environ.get("PORT", "8000")),
                log_config=LOG_CONFIG)
