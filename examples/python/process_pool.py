# SPDX-License-Identifier: Unlicense
"""ProcessPoolExecutor: workers log as the parent does.

Workers whose code imports mplog need nothing. init_worker is for those that only use the logging module: it joins the
parent's session, whichever way the workers are started.
"""
import logging
import multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor

import mplog


def square(n: int) -> int:
    logging.getLogger("squares").info("%d * %d = %d", n, n, n * n)
    return n * n


def main() -> None:
    mplog.setup_logging(level="INFO")
    with ProcessPoolExecutor(2, mp_context=mp.get_context("spawn"), initializer=mplog.init_worker) as pool:
        mplog.get_logger("main").info("the sum is %d", sum(pool.map(square, range(5))))


if __name__ == "__main__":
    main()
