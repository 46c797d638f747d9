# SPDX-License-Identifier: Unlicense
from mplog import setup_logging, get_logger

# Safe for multiprocessing and asyncio
setup_logging(level='INFO', log_file='app.log')
logger = get_logger(__name__)
