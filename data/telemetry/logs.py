"""Log lines of every process alike: for people, or as JSON, each with what it belongs to.

The standard library's logging stays the door (uvicorn, Prefect, SQLAlchemy and we write to it); structlog makes the
lines. What a line belongs to — request, trace, job, asset — comes from where it is written: :func:`bound` says so for
a block, and :func:`tell_facts` lets a package say what it knows by itself (the run that is under way). What is written
at every request brings all of it along (:func:`tell_whole`), since looking for it takes longer than writing it.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, Any, Literal

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

from data.telemetry.tracing import current_trace_id

LogFormat = Literal["console", "json"]
_QUIET = ("httpx", "httpcore", "botocore", "aiobotocore", "urllib3", "opentelemetry.exporter")
"""They log every call, which says nothing, and at DEBUG its headers: signatures and keys among them."""
_OF_PREFECT = {"flow_run_id": "job_id", "task_run_name": "step"}
_DROPPED = ("flow_run_name", "task_run_id", "flow_name", "task_name", "color_message", "message", "taskName")

_LINE_ENDS = {number: f"\\u{number:04x}" for number in (0x7F, 0x85, 0x2028, 0x2029)}
"""JSON lets them stand in texts; many a reader of lines does not."""

_WHOLE = "dailies_facts"
"""Of a record: its facts, all of them."""
_PLAIN = re.compile(r"[!#-&(-<>-~]+")
"""What needs no quotes: visible ASCII but for quotes and the equals sign."""

_LONG = ("exception", "stack")
"""They have lines of their own."""

_facts: list[Callable[[], Mapping[str, str]]] = []


def configure_logs(log_format: LogFormat, level: str) -> None:
    """Have this process write its log to standard error.

    Args:
        log_format: ``json`` for machines, ``console`` for people.
        level: Of our own lines and of others'.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(log_format))
    root = logging.getLogger()
    # What others put there for purposes of their own (a test's capture) stays.
    root.handlers[:] = [each for each in root.handlers if type(each) is not logging.StreamHandler]
    root.addHandler(handler)
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


def formatter(log_format: LogFormat) -> logging.Formatter:
    """Return what makes lines of records: JSON; or for people, on a terminal with colours and whole tracebacks."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _add_facts,
    ]
    if log_format == "json":
        return _Lines(shared, [structlog.processors.format_exc_info, _as_json])
    if sys.stderr.isatty():
        return _Lines(shared, [_one_line, _visible, structlog.dev.ConsoleRenderer(timestamp_key="at", pad_event_to=0)])
    return _Lines(shared, [structlog.processors.format_exc_info, _one_line, _as_text])


class _Lines(structlog.stdlib.ProcessorFormatter):
    """Makes a line of a record.

    Args:
        shared: Find out what a record belongs to; passed over for one that brings it along.
        end: Make a line of what is known.
    """

    def __init__(self, shared: list[Any], end: list[Any]) -> None:
        remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
        super().__init__(foreign_pre_chain=shared, processors=[remove_meta, *end])
        self._end = end

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts: Mapping[str, Any] | None = record.__dict__.get(_WHOLE)
        if facts is None:
            return super().format(record)
        at = datetime.fromtimestamp(record.created, UTC).isoformat()
        line: Any = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.msg,
            **facts,
        }
        for make in self._end:
            line = make(None, "", line)
        return str(line)


class JsonConsole(logging.StreamHandler[IO[str]]):
    """Prefect's console, as JSON: ``PREFECT_LOGGING_HANDLERS_CONSOLE_CLASS`` names it. Takes what Prefect's takes."""

    def __init__(self, stream: IO[str] | None = None, **_of_prefect: object) -> None:
        super().__init__(stream or sys.stderr)
        self.setFormatter(formatter("json"))

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802
        """Keep our own: Prefect's configuration names its formatter for every handler."""
        if isinstance(fmt, structlog.stdlib.ProcessorFormatter):
            super().setFormatter(fmt)


@contextmanager
def bound(**facts: str | None) -> Iterator[None]:
    """Have every line that is written while the block runs, in this thread or task, carry facts."""
    with structlog.contextvars.bound_contextvars(**{name: value for name, value in facts.items() if value}):
        yield


def tell_whole(logger: logging.Logger, event: str, facts: Mapping[str, Any]) -> None:
    """Write a line at level INFO that belongs to what its facts say, and to nothing else.

    Args:
        logger: Who writes.
        event: What happened.
        facts: All of them: those that are bound, and the trace, are not added.
    """
    if logger.isEnabledFor(logging.INFO):
        about = {"name": logger.name, "levelno": logging.INFO, "levelname": "INFO", "msg": event, _WHOLE: facts}
        logger.handle(logging.makeLogRecord({**facts, **about}))


def tell_facts(source: Callable[[], Mapping[str, str]]) -> None:
    """Have every line ask a function what it belongs to; what is bound or said in the line itself wins."""
    if source not in _facts:
        _facts.append(source)


def _add_facts(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for theirs, ours in _OF_PREFECT.items():
        if value := event.pop(theirs, None):
            event.setdefault(ours, str(value))
    for name in _DROPPED:
        event.pop(name, None)
    for source in _facts:
        for name, value in source().items():
            event.setdefault(name, value)
    if trace_id := current_trace_id():
        event.setdefault("trace_id", trace_id)
    return event


def _one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Let nobody end a line and begin another by what they put into it."""
    event["event"] = _printable(str(event.get("event", "")))
    return event


def _visible(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Let nobody command a terminal by what they put into a fact: structlog writes texts as they are."""
    facts = {name: value for name, value in event.items() if isinstance(value, str) and name not in _LONG}
    event.update({name: _printable(value) for name, value in facts.items()})
    return event


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\t" else repr(each)[1:-1] for each in text)


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    ordered = {name: event.pop(name) for name in ("at", "level", "logger", "event") if name in event}
    # Broken characters of file names are no reason to lose a line.
    line = orjson.dumps(_whole({**ordered, **event}), default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    return line.translate(_LINE_ENDS)


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return {key: _whole(each) for key, each in value.items()} if isinstance(value, dict) else value


def _as_text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    at, level, text, logger = (str(event.pop(name, "")) for name in ("at", "level", "event", "logger"))
    head = f"{at} [{level:<8}] {text} [{logger}]"
    error = event.pop("exception", None)
    facts = "".join(f" {name}={_readable(event[name])}" for name in sorted(event))
    return f"{head}{facts}\n{error}" if error else head + facts


def _readable(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if _PLAIN.fullmatch(text) or not isinstance(value, str) else repr(text)
