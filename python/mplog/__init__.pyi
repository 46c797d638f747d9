# SPDX-License-Identifier: Unlicense
import logging
import os
from typing import Any, Optional, Union

__version__: str

_Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

def setup_logging(
    level: Union[int, str] = ...,
    log_file: Optional[_Path] = ...,
    log_to_stderr: bool = ...,
    format_string: Optional[str] = ...,
    date_format: Optional[str] = ...,
    file_mode: str = ...,
    file_encoding: str = ...,
    max_bytes: int = ...,
    backup_count: int = ...,
    *,
    style: str = ...,
    force: bool = ...,
    utc: bool = ...,
    accelerate: bool = ...,
    flush_before_traceback: bool = ...,
    overflow: Optional[str] = ...,
    block_timeout_ms: Optional[int] = ...,
    escape: Optional[str] = ...,
    ring_dir: Optional[_Path] = ...,
    ring_max_bytes: Optional[int] = ...,
    ring_budget_bytes: Optional[int] = ...,
    collector: Optional[str] = ...,
    fsync: Optional[str] = ...,
    helper: Optional[_Path] = ...,
) -> None: ...
def get_logger(name: Optional[str] = ...) -> logging.Logger: ...
def shutdown_logging() -> None: ...
def is_logging_setup() -> bool: ...
def flush(timeout: float = ...) -> bool: ...
def set_level(name: Optional[str], level: Union[int, str]) -> None: ...
def init_worker() -> None: ...

class Handler(logging.Handler):
    def __init__(
        self,
        log_file: Optional[_Path] = ...,
        file_mode: str = ...,
        max_bytes: int = ...,
        backup_count: int = ...,
        file_encoding: str = ...,
        delay: Any = ...,
        errors: Any = ...,
        *,
        filename: Optional[_Path] = ...,
        mode: Optional[str] = ...,
        maxBytes: Optional[int] = ...,
        backupCount: Optional[int] = ...,
        encoding: Optional[str] = ...,
        level: Union[int, str] = ...,
        escape: Optional[str] = ...,
        fsync: Optional[str] = ...,
    ) -> None: ...
