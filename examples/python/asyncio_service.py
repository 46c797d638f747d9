# SPDX-License-Identifier: Unlicense
"""asyncio: log calls never wait for the disk; tasks, executors and other processes write the same file, in order.

From Python 3.12 on %(taskName)s names the task.
"""
import asyncio
import logging
import sys
from concurrent.futures import ProcessPoolExecutor

import mplog

FORMAT = "%(asctime)s %(levelname)-8s %(name)s [%(processName)s %(threadName)s] %(message)s"
if sys.version_info >= (3, 12):
    FORMAT = FORMAT.replace("%(threadName)s", "%(threadName)s %(taskName)s")

log = mplog.get_logger("service")


def compute(n: int) -> int:
    mplog.get_logger("compute").info("in a process of the pool: %d", n)
    return n * n


async def handle(number: int) -> None:
    log.info("request %d", number)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, log.info, "in a thread of the loop's executor: %d", number)
    log.info("request %d is done", number)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(handle(i) for i in range(3)))
    with ProcessPoolExecutor(2) as pool:
        log.info("9 squared is %d", await loop.run_in_executor(pool, compute, 9))
    loop.call_soon(log.warning, "from a callback")
    await asyncio.sleep(0)
    task = loop.create_task(fail())
    await asyncio.wait([task])
    del task  # asyncio reports exceptions that nobody asked for through its logger, which arrives like all others


async def fail() -> None:
    raise RuntimeError("nobody asks for this")


def main() -> None:
    mplog.setup_logging(level=logging.INFO, log_file="service.log", log_to_stderr=False, format_string=FORMAT)
    asyncio.run(serve())


if __name__ == "__main__":
    main()
