# SPDX-License-Identifier: Unlicense
from mplog import setup_logging, get_logger

setup_logging(
    level='DEBUG',
    log_file='custom.log',
    format_string='%(asctime)s [%(levelname)s] %(name)s: %(message)s',
    date_format='%H:%M:%S'
)

logger = get_logger('custom')
logger.debug("This uses custom formatting")
