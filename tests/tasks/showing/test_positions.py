"""Between frames that were looked at, tracks are where they would be."""

import pytest

from tasks.models.analysis.sink import TrackRow
from tasks.showing.positions import Positions
from tests.fakes.sightings import rows_of


def samples(step: int, last: int) -> list[tuple[int, tuple[TrackRow, ...]]]:
    return [(frame, rows_of(frame)) for frame in range(0, last + 1, step)]


def test_between_frames_that_were_looked_at_boxes_move_evenly() -> None:
    positions = Positions(iter(samples(4, last=8)), 4)

    lefts = [positions.at(frame)[0].left for frame in range(9)]
    assert lefts == [pytest.approx(0.08 * frame) for frame in range(9)]


def test_what_was_not_seen_any_more_is_not_drawn_any_more() -> None:
    positions = Positions(iter(samples(2, last=4)), 2)

    assert [len(positions.at(frame)) for frame in range(2, 8)] == [2, 2, 2, 2, 0, 0]
