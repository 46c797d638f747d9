# SPDX-License-Identifier: Unlicense
import asyncio
import multiprocessing as mp
from mplog import setup_logging, get_logger

async def async_worker(worker_id):
    logger = get_logger(f'async_worker_{worker_id}')
    logger.info(f"Async worker {worker_id} started")
    await asyncio.sleep(1)
    logger.info(f"Async worker {worker_id} finished")

def run_async_worker(worker_id):
    asyncio.run(async_worker(worker_id))

if __name__ == '__main__':
    setup_logging(level='INFO', log_file='combined.log')

    # Each process runs its own asyncio event loop
    processes = [mp.Process(target=run_async_worker, args=(i,)) for i in range(3)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()
