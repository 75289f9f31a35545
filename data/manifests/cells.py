"""What a single cell may hold. Each function returns the value as it is kept, or raises what is wrong with it.

A cell of CSV is text; one of JSONL or Parquet may be a number, a time, or JSON of any depth.
"""

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson

from data.domain.batches import PRIORITIES, Priority
from data.domain.errors import DataError, ManifestValueError
from data.domain.jobs import MAX_METADATA_BYTES, MAX_TITLE_CHARACTERS, one_line

T = TypeVar("T")

MAX_ID_CHARACTERS = 200
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True)
class Flaw:
    """What is wrong with one cell."""

    place: int
    """Of its row in the chunk."""
    column: str
    error: DataError
    value: object = ""


def check_column(
    column: str, values: Iterable[object], check: Callable[[Any], T], otherwise: T, flaws: list[Flaw]
) -> list[T]:
    """Return the values of a column as they are kept, and note what is wrong with the others.

    Args:
        column: Its name as the manifest writes it.
        values: Its cells.
        check: One of the functions below.
        otherwise: What stands in the place of a wrong value.
        flaws: Where to note.
    """
    kept = []
    for place, value in enumerate(values):
        try:
            kept.append(check(value))
        except DataError as error:
            kept.append(otherwise)
            flaws.append(Flaw(place, column, error, value))
    return kept


def is_blank(value: object) -> bool:
    """Say whether a cell says nothing: missing, white space, or the NaN that tables put for what is missing."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value or value.isspace()
    return isinstance(value, float) and math.isnan(value)


def text(value: object) -> str:
    """Return a cell as text, without space around it; a whole number will do."""
    if isinstance(value, str):
        return value.strip()
    if is_blank(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ManifestValueError(f"Text is wanted here, not {type(value).__name__}.")


def custom_id(value: object) -> str:
    """Return an id of the caller's own."""
    given = text(value)
    if len(given) > MAX_ID_CHARACTERS:
        raise ManifestValueError(f"A custom_id has at most {MAX_ID_CHARACTERS} characters, not {len(given)}.")
    if not given.isprintable():
        raise ManifestValueError("A custom_id has no control characters or line breaks.")
    return given


def title(value: object) -> str:
    """Return a title as one clean line."""
    given = one_line(text(value))
    if len(given) > MAX_TITLE_CHARACTERS:
        raise ManifestValueError(f"A title has at most {MAX_TITLE_CHARACTERS} characters, not {len(given)}.")
    return given


def long_text(value: object, max_characters: int) -> str:
    """Return a prompt or a script."""
    given = text(value)
    if len(given) > max_characters:
        raise ManifestValueError(f"At most {max_characters} characters are taken, not {len(given)}.")
    if not (given.isprintable() or all(c.isprintable() or c in "\n\r\t" for c in given)):
        raise ManifestValueError("The text has control characters other than line breaks and tabs.")
    return given


def priority(value: object) -> Priority | None:
    """Return a priority; ``None`` where the cell is blank."""
    given = text(value).lower()
    for each in PRIORITIES:
        if each == given:
            return each
    if not given:
        return None
    close = difflib.get_close_matches(given, PRIORITIES, n=1)
    hint = f"; did you mean {close[0]}?" if close else "."
    raise ManifestValueError(f"A priority is {', '.join(PRIORITIES)}{hint}")


def not_before(value: object) -> datetime | None:
    """Return a moment (UTC) that work must wait for; ``None`` where the cell is blank."""
    if is_blank(value):
        return None
    moment = value if isinstance(value, datetime) else _moment(text(value))
    if moment.tzinfo is None:
        plain = moment.isoformat()
        raise ManifestValueError(f"{plain} has no time zone: write {plain}Z for UTC, or {plain}+02:00, say.")
    try:
        utc = moment.astimezone(UTC)
    except OverflowError as error:
        raise ManifestValueError("The moment is out of range.") from error
    # Not what `value` was: Parquet gives times of pandas' own.
    return datetime.fromtimestamp(utc.timestamp(), UTC) if type(utc) is not datetime else utc


def _moment(given: str) -> datetime:
    try:
        return datetime.fromisoformat(given)
    except ValueError as error:
        raise ManifestValueError("A moment is written as 2026-01-31T22:00:00Z, or …+02:00 (RFC 3339).") from error


def override(value: object) -> Any:
    """Return what a recipe's field is replaced by; text that is a JSON list or mapping is read as one."""
    if isinstance(value, str):
        value = value.strip()
        if value[:1] in ("[", "{"):
            return _json(value)
    elif isinstance(value, bytes | datetime):
        raise ManifestValueError(f"A field of a recipe is no {type(value).__name__}.")
    return value


def metadata(whole: object, by_key: Mapping[str, object]) -> dict[str, Any]:
    """Return a row's metadata as plain JSON.

    Args:
        whole: The cell of the column ``metadata``: a JSON object, or text that is one.
        by_key: The cells of the columns ``metadata.<key>``; they win.
    """
    base = {} if is_blank(whole) else _json(whole) if isinstance(whole, str) else whole
    if not isinstance(base, dict):
        raise ManifestValueError('metadata is a JSON object, such as {"show": "News"}.')
    merged = {**base, **{key: value for key, value in by_key.items() if not is_blank(value)}}
    if not merged:
        return {}
    try:
        encoded = orjson.dumps(merged, default=_plain)
    except orjson.JSONEncodeError as error:
        raise ManifestValueError(f"metadata cannot be kept as JSON: {error}.") from error
    if len(encoded) > MAX_METADATA_BYTES:
        raise ManifestValueError(f"metadata is {len(encoded)} bytes as JSON; at most {MAX_METADATA_BYTES} are taken.")
    if _NUL.search(encoded):  # Postgres cannot keep it
        raise ManifestValueError("metadata has a NUL character.")
    kept: dict[str, Any] = orjson.loads(encoded)
    return kept


def _json(given: str) -> Any:
    try:
        return orjson.loads(given)
    except orjson.JSONDecodeError as error:
        raise ManifestValueError(f"This is no JSON: {error}.") from error


def _plain(value: object) -> str:
    """What JSON has no word for and Parquet has, as text: decimals, for one."""
    if isinstance(value, bytes):
        raise TypeError("bytes are no text")
    return str(value)
