# SPDX-License-Identifier: Unlicense
from mplog import setup_logging

setup_logging(
    level='DEBUG',
    log_file='app.log',
    max_bytes=5 * 1024 * 1024,  # 5MB
    backup_count=3
)
