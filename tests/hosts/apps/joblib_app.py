# SPDX-License-Identifier: Unlicense
"""joblib_app.py BACKEND: numbered lines from joblib's workers."""
import os
import sys
import time

from joblib import Parallel, delayed

import mplog
import tally

LINES = int(os.environ["TEST_LINES"])


def work(_):
    import joblib_app  # functions of __main__ come by value, a module is there once a process
    for _ in range(LINES):
        joblib_app.counted.log(mplog.get_logger("app"))
    time.sleep(0.01)  # or else one worker has done it all before the others are there


if __name__ == "__main__":
    mplog.setup_logging(log_file="app.log", log_to_stderr=False, max_bytes=20000, backup_count=1000)
    Parallel(n_jobs=3, backend=sys.argv[1], batch_size=1)(delayed(work)(i) for i in range(60))
else:
    counted = tally.Tally(os.environ["TEST_TALLIES"])
