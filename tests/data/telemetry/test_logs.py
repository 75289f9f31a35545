"""Log lines: one each, whatever is put into them, with what they belong to."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from data.telemetry.logs import JsonConsole, LogFormat, bound, formatter, tell_whole
from data.telemetry.tracing import request_span


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logger(stream: io.StringIO) -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.logs")
    handler = JsonConsole(stream)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield logger
    logger.removeHandler(handler)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_what_it_belongs_to(logger: logging.Logger, stream: io.StringIO) -> None:
    with request_span("GET", {}), bound(request_id="r-1", job_id=None):
        logger.info("It is %s.", "done", extra={"asset_id": "a-1"})

    [line] = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("It is done.", "info", "tests.logs")
    assert (line["request_id"], line["asset_id"]) == ("r-1", "a-1")
    assert len(line["trace_id"]) == 32
    assert line["at"].endswith("Z")
    assert "job_id" not in line


def test_what_prefect_calls_a_flow_run_is_our_job(logger: logging.Logger, stream: io.StringIO) -> None:
    logger.info("x", extra={"flow_run_id": "j-1", "task_run_name": "transcode", "task_run_id": "t", "flow_name": "p"})

    [line] = lines(stream)
    assert (line["job_id"], line["step"]) == ("j-1", "transcode")
    assert "flow_run_id" not in line


@pytest.mark.parametrize(
    "nasty",
    [
        pytest.param("a\r\nERROR forged", id="a new line"),
        pytest.param("a\u2028b", id="a line separator"),
        pytest.param("\x1b[31mred", id="a colour"),
        pytest.param("broken \udcff name", id="no text"),  # as an id, it would end the test's own process
        pytest.param("nul\0", id="nul"),
    ],
)
def test_nobody_forges_a_line(nasty: str, stream: io.StringIO) -> None:
    # Past all loggers: what pytest captures goes from process to process, and is not taken if it is no text.
    JsonConsole(stream).handle(logging.LogRecord("x", logging.INFO, "x.py", 1, "name: %s", (nasty,), None))

    assert stream.getvalue().count("\n") == 1
    assert len(lines(stream)) == 1


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_line_for_people_cannot_be_forged_either(log_format: LogFormat) -> None:
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "name: %s", ("a\r\nb\x1b[2J",), None)

    text = formatter(log_format).format(record)

    assert "\n" not in text
    assert "\x1b[2J" not in text


def test_an_error_is_in_its_line(logger: logging.Logger, stream: io.StringIO) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("It failed.")

    [line] = lines(stream)
    assert "ValueError: broken" in line["exception"]


def test_a_line_that_brings_all_its_facts_is_written_like_any_other(
    logger: logging.Logger, stream: io.StringIO
) -> None:
    with bound(request_id="another"):
        tell_whole(logger, "It is done.", {"asset_id": "a-1", "request_id": "r-1"})

    [line] = lines(stream)
    assert list(line)[:4] == ["at", "level", "logger", "event"]
    assert (line["event"], line["level"], line["logger"]) == ("It is done.", "info", "tests.logs")
    assert (line["request_id"], line["asset_id"]) == ("r-1", "a-1")
    assert line["at"].endswith("Z")


def test_a_fact_forges_no_line_either() -> None:
    handler = Kept()
    logger = logging.getLogger("tests.whole")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    tell_whole(logger, "done", {"path": "/a b\r\nERROR forged\x1b[2J", "user": None, "title": 'x="1"', "job_id": "j-1"})
    logger.removeHandler(handler)

    [text] = handler.lines
    assert text.isprintable()
    assert text.endswith(
        """done [tests.whole] job_id=j-1 path='/a b\\r\\nERROR forged\\x1b[2J' title='x="1"' user=None"""
    )


class Kept(logging.Handler):
    """Keeps the lines for people."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(formatter("console"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def test_a_fact_commands_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stderr", terminal)
    record = logging.makeLogRecord({"name": "api.access", "levelname": "INFO", "msg": "GET", "path": "/\x1b[2J\x85x"})

    line = formatter("console").format(record)

    assert r"\x1b[2J\x85x" in line
    assert "\x1b[2J" not in line
