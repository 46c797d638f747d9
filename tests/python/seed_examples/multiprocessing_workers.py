# SPDX-License-Identifier: Unlicense
import multiprocessing as mp
from mplog import setup_logging, get_logger

def worker(worker_id):
    logger = get_logger(f'worker_{worker_id}')
    logger.info(f"Worker {worker_id} started")
    # Do work...
    logger.info(f"Worker {worker_id} finished")

if __name__ == '__main__':
    setup_logging(level='INFO', log_file='workers.log')

    processes = [mp.Process(target=worker, args=(i,)) for i in range(4)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()
