# SPDX-License-Identifier: Unlicense
"""pytest pytest_example.py [-n 4] - caplog, and one log of all test processes.

While a test runs, pytest's own handlers listen beside ours: caplog has the records of this process as it always has,
and the file those of all processes. With pytest-xdist (-n 4) each worker's session writes the same file; lines stay
whole.
"""
import logging
import multiprocessing as mp
from typing import Iterator

import pytest

import mplog

log = mplog.get_logger("shop")


@pytest.fixture(scope="session", autouse=True)
def one_log() -> Iterator[None]:
    """In a project this stands in conftest.py."""
    mplog.setup_logging(log_file="tests.log", log_to_stderr=False)
    yield
    mplog.flush()


def order(count: int) -> None:
    log.info("%d ordered", count)
    if count > 100:
        log.warning("that is a lot: %d", count)


def test_order_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "shop"):
        order(200)
    assert caplog.messages == ["200 ordered", "that is a lot: 200"]
    assert caplog.records[0].name == "shop" and caplog.records[0].funcName == "order"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_orders_of_other_processes_are_in_the_file(method: str) -> None:
    with mp.get_context(method).Pool(2) as pool:
        pool.map(order, [7001, 7002])
    mplog.flush()
    with open("tests.log", encoding="utf-8") as f:
        text = f.read()
    assert "that is a lot: 7001" in text and "that is a lot: 7002" in text
