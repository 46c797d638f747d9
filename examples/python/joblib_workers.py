# SPDX-License-Identifier: Unlicense
"""joblib: loky's workers find the session in the environment; importing mplog, as `work` does, is all they need.

A function that only uses the logging module calls mplog.init_worker() first: it joins and listens on the root logger.
"""
import logging

from joblib import Parallel, delayed

import mplog


def work(n: int) -> int:
    mplog.get_logger("work").info("%d squared is %d", n, n * n)
    return n * n


def work_of_others(n: int) -> None:
    mplog.init_worker()
    logging.getLogger("library").warning("no mplog in here: %d", n)


def main() -> None:
    mplog.setup_logging(log_file="joblib.log")
    mplog.get_logger("main").info("sum: %d", sum(Parallel(n_jobs=2)(delayed(work)(n) for n in range(5))))
    Parallel(n_jobs=2)(delayed(work_of_others)(n) for n in range(2))


if __name__ == "__main__":
    main()
