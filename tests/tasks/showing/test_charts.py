"""Charts show what there is, and nothing where there is nothing."""

from pathlib import Path

import numpy as np
from PIL import Image

from data.domain.analysis import Event, EventKind
from tasks.showing.charts import events_chart, heat_map, write_png
from tasks.showing.recording import Course
from tests.fakes.sightings import EVENTS, record

GREY = np.full((90, 160, 3), 90, np.uint8)


def colours_at(image: Image.Image, share: float) -> set[tuple[int, ...]]:
    """The colours of a column of the chart, at a share (0-1) of the time."""
    x = round(214 + (image.width - 214 - 40) * share) + 1
    return {image.getpixel((x, y)) for y in range(280, image.height)}  # type: ignore[misc]


def test_an_event_is_marked_at_its_time_in_the_lane_of_its_kind(tmp_path: Path) -> None:
    chart = events_chart(EVENTS, record(tmp_path).course, "Test")

    lane = (6, 214, 160)  # of what enters
    assert lane in colours_at(chart, 0.5)
    assert lane not in colours_at(chart, 0.25)


def test_there_is_a_lane_for_each_kind_that_happened_and_no_other() -> None:
    none, one = (events_chart(EVENTS[:count], Course(1.0), "Test").height for count in (0, 1))
    lasting = [Event(kind=EventKind.BLACK, at_seconds=0.2, frame=2, value=0.5)]

    assert one - none == events_chart([*EVENTS[:1], *lasting], Course(1.0), "Test").height - one > 0
    assert (255, 107, 92) in colours_at(events_chart(lasting, Course(1.0), "Test"), 0.6)


def test_heat_lies_where_tracks_were(tmp_path: Path) -> None:
    heat = np.zeros((72, 128), np.float32)
    heat[30:40, 90:100] = 2.0

    picture = heat_map(GREY, heat, "Test")
    write_png(picture, tmp_path / "heat.png")

    height, width = picture.shape[:2]
    hot, cold = (picture[round(height * 35 / 72), round(width * column / 128)].astype(int) for column in (95, 40))
    assert hot[2] - hot[0] > 60
    assert np.ptp(cold) < 5
    assert Image.open(tmp_path / "heat.png").size == (width, height)


def test_where_nothing_was_the_picture_stays_as_grey_as_it_was() -> None:
    middle = heat_map(GREY, np.zeros((72, 128), np.float32), "Test")[200:300, 200:400]

    assert np.ptp(middle.astype(int)) < 3
