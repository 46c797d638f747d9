# SPDX-License-Identifier: Unlicense
"""program.py TALLIES METHOD ENDING RATE: a main process and three workers log numbered lines until they are told to
stop, or are killed.

METHOD: how workers start. ENDING of a worker: return, exit (os._exit), kill (SIGKILL, by itself), terminate (SIGTERM)
or pool (Pool.terminate). RATE: calls a second of all four together; 0: as fast as they can. The file TALLIES.stop tells
them to stop.
"""
import multiprocessing as mp
import os
import signal
import sys
import time

import mplog
from tally import Tally

PROCESSES = 4
TALLIES, METHOD, ENDING = sys.argv[1:4]
RATE = int(sys.argv[4])
BURST = 5 if RATE else 50  # calls between two looks at the clock


# Who is ended from outside is deaf, so that it happens amidst its calls. It must: where workers of a Pool finish their
# tasks meanwhile, Pool.terminate hangs now and then, with the standard library alone, too (twice in 120 times).
def log_until_told(is_deaf=False):
    log, tally = mplog.get_logger("killed"), Tally(TALLIES)
    begin, calls = time.monotonic(), 0
    while is_deaf or not os.path.exists(TALLIES + ".stop"):
        for _ in range(BURST):
            tally.log(log, 0 if calls & 7 else 60)
            calls += 1
        ahead = begin + calls * PROCESSES / RATE - time.monotonic() if RATE else 0
        if ahead > 0:
            time.sleep(ahead)


def work(_=None):
    log_until_told(ENDING in ("terminate", "pool"))
    if ENDING == "exit":
        os._exit(0)
    if ENDING == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


def main():
    mplog.setup_logging(log_file="app.log", log_to_stderr=False, max_bytes=500000, backup_count=10000)
    context = mp.get_context(METHOD)
    if ENDING == "pool":
        with context.Pool(PROCESSES - 1) as pool:
            pool.map_async(work, range(PROCESSES - 1), 1)
            log_until_told()
        return  # the pool was terminated
    workers = [context.Process(target=work) for _ in range(PROCESSES - 1)]
    for worker in workers:
        worker.start()
    log_until_told()
    for worker in workers:
        if ENDING == "terminate":
            worker.terminate()
        worker.join()


if __name__ == "__main__":
    main()
