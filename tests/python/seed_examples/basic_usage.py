# SPDX-License-Identifier: Unlicense
from mplog import setup_logging, get_logger

setup_logging(level='INFO', log_file='app.log')
logger = get_logger(__name__)

logger.info("This is an info message")
logger.error("This is an error")
