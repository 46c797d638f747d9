# SPDX-License-Identifier: Unlicense
from mplog import setup_logging, get_logger

setup_logging(level='INFO', log_file='errors.log')
logger = get_logger(__name__)

try:
    result = 1 / 0
except ZeroDivisionError:
    # Logs exception with full traceback
    logger.exception("Division by zero occurred")
