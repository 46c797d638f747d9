# SPDX-License-Identifier: Unlicense
from mplog import setup_logging, get_logger
