# SPDX-License-Identifier: Unlicense
from mplog import setup_logging, get_logger
import multiprocessing as mp

def worker():
    logger = get_logger(__name__)
    logger.info("Hello from worker process!")

if __name__ == '__main__':
    # Set up logging once in the main process
    setup_logging(level='INFO', log_file='app.log')

    # Use logger in main process
    logger = get_logger(__name__)
    logger.info("Starting application")

    # Spawn worker processes - they'll use the same logging setup
    p = mp.Process(target=worker)
    p.start()
    p.join()

    logger.info("Application finished")
