import base64
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from api.cursors import JobPosition, LogPosition, decode_log_positions, encode_log_positions, page_by_name
from data.domain.errors import InvalidRequestError

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_a_job_position_survives_its_text_to_the_microsecond() -> None:
    position = JobPosition(AT, uuid.uuid4())

    assert JobPosition.decode(position.encode()) == position


def test_log_positions_survive_their_text() -> None:
    positions = {uuid.uuid4(): LogPosition(AT, (uuid.uuid4(), uuid.uuid4())), uuid.uuid4(): LogPosition(AT, ())}

    assert decode_log_positions(encode_log_positions(positions)) == positions


@dataclass(frozen=True)
class Thing:
    name: str


def test_things_that_are_few_come_by_name_page_by_page() -> None:
    things = [Thing(name) for name in "dbca"]

    first, following = page_by_name(things, None, 2)
    things.remove(Thing("b"))  # a cursor names what was seen, which may be gone
    second, end = page_by_name([*things, Thing("bb")], following, 3)

    assert ("".join(each.name for each in first), [each.name for each in second]) == ("ab", ["bb", "c", "d"])
    assert end is None
    with pytest.raises(InvalidRequestError):
        page_by_name(things, encode_log_positions({}), 2)


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b"[1]", b'["x","y"]', b"[1,2,3]", b"null", b'{"a":1}', b'{"a":["b",["c"]]}', b"\xff"]
)
def test_what_is_no_cursor_is_refused(raw: bytes) -> None:
    text = base64.urlsafe_b64encode(raw).decode()

    with pytest.raises(InvalidRequestError):
        JobPosition.decode(text)
    if raw != b"{}":
        with pytest.raises(InvalidRequestError):
            decode_log_positions(text)


@pytest.mark.parametrize("text", ["%%%", "a", "ä", "e30"])
def test_text_that_is_not_even_encoded_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        JobPosition.decode(text)
