"""Opaque positions in lists. A cursor names the last thing seen, never a count, so that lists may grow meanwhile."""

import base64
import binascii
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import orjson

from data.domain.errors import InvalidRequestError


class HasName(Protocol):
    """A thing that is known by its name, which no other has."""

    @property
    def name(self) -> str:
        """Its name."""


Named = TypeVar("Named", bound=HasName)


@dataclass(frozen=True)
class JobPosition:
    """The last job of a page, in the order of (when it was due, id), newest first; neither ever changes."""

    due_at: datetime
    id: uuid.UUID

    def encode(self) -> str:
        """Return the cursor's text."""
        return _encode([self.due_at.isoformat(), str(self.id)])

    @classmethod
    def decode(cls, text: str) -> "JobPosition":
        """Read a cursor.

        Raises:
            InvalidRequestError: The text is no cursor of ours.
        """
        due_at, run = _decode(text, list)
        return cls(_time(due_at), _uuid(run))


@dataclass(frozen=True)
class CreatedPosition:
    """The last thing of a page, in the order of (when it was made, id), newest first."""

    created_at: datetime
    id: str

    @property
    def key(self) -> tuple[datetime, str]:
        """Both, as the catalogue compares them."""
        return self.created_at, self.id

    def encode(self) -> str:
        """Return the cursor's text."""
        return _encode([self.created_at.isoformat(), self.id])

    @classmethod
    def decode(cls, text: str) -> "CreatedPosition":
        """Read a cursor.

        Raises:
            InvalidRequestError: The text is no cursor of ours.
        """
        created_at, last = _decode(text, list)
        return cls(_time(created_at), str(last))


def encode_row(row: int) -> str:
    """Return the cursor after a row of a manifest."""
    return _encode({"row": row})


def decode_row(text: str) -> int:
    """Read a cursor over rows.

    Raises:
        InvalidRequestError: The text is no cursor of ours.
    """
    row = _decode(text, dict).get("row")
    if not isinstance(row, int) or not 0 <= row < 2**31:
        raise _invalid()
    return row


def page_by_name(items: Iterable[Named], after: str | None, limit: int) -> tuple[tuple[Named, ...], str | None]:
    """Return a page of things that are few enough to be read whole, and the cursor after it.

    Args:
        items: All of them, in any order.
        after: The cursor after the page before; ``None`` begins.
        limit: Most of one page.

    Raises:
        InvalidRequestError: The text is no cursor of ours.
    """
    last = None if after is None else _decode(after, dict).get("name")
    if after is not None and not isinstance(last, str):
        raise _invalid()
    rest = [each for each in sorted(items, key=lambda each: each.name) if last is None or each.name > last]
    return tuple(rest[:limit]), _encode({"name": rest[limit - 1].name}) if len(rest) > limit else None


def encode_event(analysis: str, offset: int) -> str:
    """Return the cursor after an event of an analysis: how many bytes of its events were read."""
    return _encode([analysis, offset])


def decode_event(text: str, analysis: str) -> int:
    """Read a cursor over the events of an analysis; return how many bytes were read.

    Raises:
        InvalidRequestError: The text is no cursor of ours, or one of another analysis.
    """
    key, offset = _decode(text, list)
    if key != analysis or not isinstance(offset, int) or isinstance(offset, bool) or offset < 0:
        raise _invalid()
    return offset


@dataclass(frozen=True)
class LogPosition:
    """Where the reading of one run's log stands: the last time seen and the lines seen at exactly that time."""

    at: datetime
    seen: tuple[uuid.UUID, ...]


def encode_log_positions(positions: dict[uuid.UUID, LogPosition]) -> str:
    """Return the cursor over several runs' logs.

    Each run has its own position, because lines reach Prefect in order within a run but late between runs: one common
    time would lose the lines of a child that are still on their way.
    """
    return _encode(_log_document(positions))


def decode_log_positions(text: str) -> dict[uuid.UUID, LogPosition]:
    """Read a cursor over logs.

    Raises:
        InvalidRequestError: The text is no cursor of ours.
    """
    return _log_positions(_decode(text, dict))


def encode_rank(as_of: datetime, votes: int, published_at: datetime, asset_id: str) -> str:
    """Return the cursor over the ranking: when its reading began, and the last one's rank."""
    return _encode([as_of.isoformat(), [votes, published_at.isoformat(), asset_id]])


def decode_rank(text: str) -> tuple[datetime, int, datetime, str]:
    """Read a cursor over the ranking.

    Raises:
        InvalidRequestError: The text is no cursor of ours.
    """
    as_of, rank = _decode(text, list)
    if not isinstance(rank, list) or len(rank) != 3 or not isinstance(rank[0], int) or not 0 <= rank[0] < 2**31:
        raise _invalid()
    return _time(as_of), rank[0], _time(rank[1]), str(rank[2])


def encode_line(position: LogPosition) -> str:
    """Return the cursor over lines of many logs, the latest first."""
    return _encode([position.at.isoformat(), [str(line) for line in position.seen]])


def decode_line(text: str) -> LogPosition:
    """Read a cursor over lines of many logs.

    Raises:
        InvalidRequestError: The text is no cursor of ours.
    """
    at, seen = _decode(text, list)
    if not isinstance(seen, list):
        raise _invalid()
    return LogPosition(_time(at), tuple(_uuid(line) for line in seen))


def encode_stream_place(told: list[Any], positions: dict[uuid.UUID, LogPosition]) -> str:
    """Return the id of a server-sent event: what was told of the job, and how far its runs' logs."""
    return _encode([told, _log_document(positions)])


def decode_stream_place(text: str) -> tuple[tuple[datetime | None, Any, Any, Any], dict[uuid.UUID, LogPosition]]:
    """Read the id of a server-sent event: the time of the last state, three things more, and the logs.

    Raises:
        InvalidRequestError: The text is no id of ours.
    """
    told, lines = _decode(text, list)
    if not isinstance(told, list) or len(told) != 4 or not isinstance(lines, dict):
        raise _invalid()
    moved_at, *rest = told
    return (_time(moved_at) if moved_at else None, rest[0], rest[1], rest[2]), _log_positions(lines)


def _log_document(positions: dict[uuid.UUID, LogPosition]) -> dict[str, Any]:
    return {str(run): [each.at.isoformat(), [str(line) for line in each.seen]] for run, each in positions.items()}


def _log_positions(raw: dict[str, Any]) -> dict[uuid.UUID, LogPosition]:
    try:
        return {
            _uuid(run): LogPosition(_time(at), tuple(_uuid(line) for line in seen)) for run, (at, seen) in raw.items()
        }
    except (TypeError, ValueError) as error:
        raise _invalid() from error


def _encode(value: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


def _decode(text: str, kind: type) -> Any:
    try:
        value = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError) as error:
        raise _invalid() from error
    if not isinstance(value, kind) or (isinstance(value, list) and len(value) != 2):
        raise _invalid()
    return value


def _time(value: object) -> datetime:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise _invalid() from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _uuid(value: object) -> uuid.UUID:
    try:
        return uuid.UUID(str(value))
    except ValueError as error:
        raise _invalid() from error


def _invalid() -> InvalidRequestError:
    return InvalidRequestError("`after` is not a cursor of this list.", {"field": "after"})
