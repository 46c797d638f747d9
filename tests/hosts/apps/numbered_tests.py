# SPDX-License-Identifier: Unlicense
"""For pytest: tests that log numbered lines and look at them in caplog."""
import logging
import os
import sys

import pytest

import mplog
import numbered
import tally

LINES = int(os.environ["TEST_LINES"])
log = mplog.get_logger("app")
counted = tally.Tally(os.environ["TEST_TALLIES"])


@pytest.fixture(scope="session", autouse=True)
def one_log():
    mplog.setup_logging(log_file="app.log", log_to_stderr="TEST_STDERR" in os.environ,
                        format_string="%(name)s %(message)s", max_bytes=20000, backup_count=1000)


@pytest.mark.parametrize("turn", range(40))
def test_caplog_has_what_was_logged(turn, caplog):
    caplog.set_level(logging.INFO)
    for _ in range(LINES):
        counted.log(log)
    assert [record.msg for record in caplog.records] == [numbered.FORMAT] * LINES
    producer, first = caplog.records[0].args[:2]
    assert [record.args[:2] for record in caplog.records] == [(producer, first + i) for i in range(LINES)]
    assert {record.filename for record in caplog.records} == {"tally.py"}
    assert caplog.text.count("tally.py:") == LINES


def test_caplog_has_the_level_it_is_given(caplog):
    with caplog.at_level(logging.WARNING, "app"):
        log.info("not this")
        log.warning("this")
    assert caplog.messages == ["this"]


def test_records_are_cleared(caplog):
    log.warning("one %d", 1)
    caplog.clear()
    log.warning("two %d", 2)
    assert caplog.record_tuples == [("app", logging.WARNING, "two 2")]


def test_stderr_is_captured(capsys):
    print("printed", file=sys.stderr)
    log.warning("beside it")
    assert "printed" in capsys.readouterr().err


def test_that_fails_shows_its_lines():
    log.error("look at me")
    assert "TEST_FAILS" not in os.environ
