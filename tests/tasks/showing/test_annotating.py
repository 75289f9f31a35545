"""What is drawn lies where it was found, frame by frame."""

from fractions import Fraction

import numpy as np

from tasks.media.frames import Picture
from tasks.models.analysis.sink import TrackRow
from tasks.showing.annotating import PALETTE, Annotator, Scene
from tasks.showing.positions import Positions
from tests.fakes.sightings import EVENTS, RATE, ZONES, rows_of

SIZE = (640, 360)


def samples(step: int, last: int = 9) -> list[tuple[int, tuple[TrackRow, ...]]]:
    return [(frame, rows_of(frame)) for frame in range(0, last + 1, step)]


def drawn(number: int, **changes: object) -> Picture:
    """Return a frame of a grey video, drawn on like all before it."""
    scene = Scene(SIZE, Fraction(RATE), **{"zones": (), "events": (), "detector": "by hand", **changes})
    annotator = Annotator(scene, Positions(iter(samples(1)), 1))
    for each in range(number):
        annotator.draw(each, np.full((SIZE[1], SIZE[0], 3), 90, np.uint8))
    return annotator.draw(number, np.full((SIZE[1], SIZE[0], 3), 90, np.uint8))


def is_coloured(picture: Picture, x: int, y: int, colour: tuple[int, int, int]) -> bool:
    """Say whether a colour is to be found within two pixels of a place."""
    patch = picture[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].astype(int)
    return bool((np.abs(patch - colour).max(axis=2) < 25).any())


def test_a_box_lies_around_what_was_found() -> None:
    picture = drawn(5)

    left, top, right, bottom = 256, 72, 320, 216
    for x, y in ((left, 140), (right, 140), (290, bottom), (290, top)):
        assert is_coloured(picture, x, y, PALETTE[1]), (x, y)
    assert not is_coloured(picture, 290, 130, PALETTE[1])


def test_a_trail_fades() -> None:
    picture = drawn(9).astype(int)

    foot = 216
    near, far = (np.abs(picture[foot - 2 : foot + 3, x] - 90).max() for x in (420, 120))
    assert near > far > 0


def test_a_zone_is_filled_more_strongly_while_something_is_in_it() -> None:
    empty, busy = (drawn(number, zones=ZONES[:1], events=EVENTS)[300, 500].astype(int) for number in (4, 6))

    assert np.abs(busy - 90).sum() > np.abs(empty - 90).sum() > 0


def test_a_simulation_says_so_in_each_frame() -> None:
    corner = (slice(0, 60), slice(480, 640))

    assert np.array_equal(drawn(0)[corner], np.full((60, 160, 3), 90))
    assert is_coloured(drawn(0, is_simulated=True), 630, 20, (60, 60, 235))


def test_a_box_beyond_the_edge_and_an_endless_text_do_no_harm() -> None:
    row = TrackRow(7, "x" * 300, 0, 0.0, -0.2, -0.1, 2.0, 1.5, 1.0, 0.0)
    scene = Scene(SIZE, Fraction(RATE), ZONES, (), "d" * 200)

    Annotator(scene, Positions(iter([(0, (row,))]), 1)).draw(0, np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
