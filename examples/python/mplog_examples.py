# SPDX-License-Identifier: Unlicense
"""Usage patterns of mplog: python mplog_examples.py [basic|multiprocessing|asyncio|combined|custom|exceptions]

Without an argument all of them run, one after the other, each with a log file of its own in a folder that is removed at
the end. What you see is stderr; the files say the same.
"""
import asyncio
import logging
import multiprocessing as mp
import os
import sys
import tempfile
from typing import Callable, Dict

from mplog import flush, get_logger, setup_logging, shutdown_logging


def basic() -> None:
    setup_logging(level="INFO", log_file="app.log")
    logger = get_logger(__name__)
    logger.debug("This is below the level, and costs next to nothing")
    logger.info("This is an info message")
    logger.warning("%d of %d disks are %.1f %% full", 1, 4, 91.5)
    logger.error("This is an error")
    logging.getLogger("some.library").info("Loggers of libraries arrive, too")


def worker(worker_id: int) -> None:
    logger = get_logger(f"worker_{worker_id}")
    logger.info("Worker %d started", worker_id)
    logger.info("Worker %d finished", worker_id)


def multiprocessing() -> None:
    setup_logging(level="INFO", log_file="workers.log")
    processes = [mp.Process(target=worker, args=(i,)) for i in range(4)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()
    get_logger(__name__).info("All workers are done, and what they logged stands above this line")


async def task(task_id: int) -> None:
    logger = get_logger(f"task_{task_id}")
    logger.info("Task %d starting", task_id)
    await asyncio.sleep(0.1)
    logger.info("Task %d completed", task_id)


async def tasks(count: int) -> None:
    await asyncio.gather(*(task(i) for i in range(count)))


def run_asyncio() -> None:
    setup_logging(level="INFO", log_file="async.log")
    asyncio.run(tasks(5))


def run_loop(count: int) -> None:
    asyncio.run(tasks(count))


def combined() -> None:
    setup_logging(level="INFO", log_file="combined.log")
    processes = [mp.Process(target=run_loop, args=(2,)) for _ in range(3)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()


def custom() -> None:
    setup_logging(
        level="DEBUG",
        log_file="custom.log",
        format_string="%(asctime)s [%(levelname)s] %(name)s: %(message)s",
        date_format="%H:%M:%S",
    )
    get_logger("custom").debug("This uses custom formatting")


def exceptions() -> None:
    setup_logging(level="INFO", log_file="errors.log")
    try:
        print(1 // 0)
    except ZeroDivisionError:
        get_logger(__name__).exception("Division by zero occurred")


EXAMPLES: Dict[str, Callable[[], None]] = {
    "basic": basic,
    "multiprocessing": multiprocessing,
    "asyncio": run_asyncio,
    "combined": combined,
    "custom": custom,
    "exceptions": exceptions,
}


def main() -> None:
    names = sys.argv[1:] or list(EXAMPLES)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in names:
            print(f"---- {name}", file=sys.stderr, flush=True)
            EXAMPLES[name]()
            flush()
            shutdown_logging()
        os.chdir("/")


if __name__ == "__main__":
    main()
