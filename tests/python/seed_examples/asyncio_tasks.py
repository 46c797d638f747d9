# SPDX-License-Identifier: Unlicense
import asyncio
from mplog import setup_logging, get_logger

async def async_task(task_id):
    logger = get_logger(f'task_{task_id}')
    logger.info(f"Task {task_id} starting")
    await asyncio.sleep(1)
    logger.info(f"Task {task_id} completed")

async def main():
    tasks = [async_task(i) for i in range(5)]
    await asyncio.gather(*tasks)

if __name__ == '__main__':
    setup_logging(level='INFO', log_file='async.log')
    asyncio.run(main())
