# SPDX-License-Identifier: Unlicense
from mplog import get_logger, setup_logging

setup_logging()
logger = get_logger(__name__)
logger.info("This is safe in any process or coroutine!")
