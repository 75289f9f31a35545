from collections.abc import Iterable

from data.domain.analysis import Event, Zone
from tasks.models.analysis.tracking import Tracked
from tasks.models.analysis.zones import ZoneWatch

ASPECT = 0.75
MIDDLE = Zone(name="middle", kind="rectangle", points=((0.4, 0.4), (0.6, 0.6)))
GATE = Zone(name="gate", kind="line", points=((0.5, 1.0), (0.5, 0.0)))  # drawn upwards


def at(x: float, y: float, track: int = 1) -> Tracked:
    return Tracked(track, "moving", (x - 0.02, y - 0.2, x + 0.02, y), 0.9, 0.0)


def walked(watch: ZoneWatch, places: Iterable[tuple[float, float]], since: float = 2.0) -> list[Event]:
    return [event for step, (x, y) in enumerate(places) for event in watch.look([at(x, y)], step, since + step / 10)]


def told(events: list[Event]) -> list[tuple[str, int, float | None]]:
    return [(event.kind.value, event.frame, event.value) for event in events]


def test_who_walks_through_a_zone_enters_and_leaves_it() -> None:
    watch = ZoneWatch([MIDDLE], ASPECT)

    events = walked(watch, [(0.3 + 0.02 * step, 0.5) for step in range(20)])

    assert [(event.kind, event.zone, event.track) for event in events] == [
        ("enter", "middle", 1),
        ("leave", "middle", 1),
    ]
    assert events[1].value == round(events[1].at_seconds - events[0].at_seconds, 3)
    (summary,) = watch.summaries()
    assert (summary.entered, summary.left, summary.most_at_once) == (1, 1, 1)
    assert watch.dwell_seconds(1) == {"middle": events[1].value}


def test_who_stays_is_told_of_once_a_visit() -> None:
    watch = ZoneWatch([MIDDLE.model_copy(update={"dwell_seconds": 0.5})], ASPECT)

    events = walked(watch, [(0.3, 0.5), *[(0.5, 0.5)] * 9, (0.3, 0.5), *[(0.5, 0.5)] * 3, (0.3, 0.5)])

    assert [(event.kind.value, event.frame) for event in events] == [
        ("enter", 1),
        ("dwell", 6),
        ("leave", 10),
        ("enter", 11),
        ("leave", 14),
    ]
    assert events[1].value == 0.5


def test_feet_count_and_not_heads() -> None:
    watch = ZoneWatch([MIDDLE], ASPECT)

    assert walked(watch, [(0.5, 0.62 + 0.001 * step) for step in range(20)]) == []  # the head is within


def test_who_trembles_on_the_border_enters_once() -> None:
    watch = ZoneWatch([MIDDLE], ASPECT)
    trembling = [(0.4 + 0.004 * (-1) ** step, 0.5) for step in range(30)]

    events = walked(watch, [(0.3, 0.5), (0.45, 0.5), *trembling, (0.3, 0.5)])

    assert [event.kind for event in events] == ["enter", "leave"]


def test_who_was_there_before_the_video_began_leaves_only() -> None:
    watch = ZoneWatch([MIDDLE], ASPECT)

    events = walked(watch, [(0.5 + 0.02 * step, 0.5) for step in range(10)], since=0.2)

    assert [event.kind for event in events] == ["leave"]


def test_who_is_there_when_the_video_ends_stays() -> None:
    watch = ZoneWatch([MIDDLE], ASPECT)
    events = walked(watch, [(0.3, 0.5), (0.5, 0.5), (0.5, 0.5)])

    assert [event.kind for event in events] == ["enter"]
    assert watch.end(2.3) == []
    assert watch.summaries()[0].left == 0
    assert watch.dwell_seconds(1) == {"middle": 0.1}


def test_who_is_lost_in_a_zone_has_left_it_where_it_was_seen_last() -> None:
    watch = ZoneWatch([MIDDLE], ASPECT)
    walked(watch, [(0.3, 0.5), (0.5, 0.5), (0.5, 0.5)])

    assert told(watch.gone(1)) == [("leave", 2, 0.1)]
    assert watch.gone(1) == []


def test_a_line_is_crossed_to_its_right_and_to_its_left() -> None:
    watch = ZoneWatch([GATE], ASPECT)
    to_and_fro = [0.4, 0.45, 0.55, 0.6, 0.55, 0.45]

    events = walked(watch, [(x, 0.5) for x in to_and_fro])

    assert told(events) == [("cross", 2, 1.0), ("cross", 5, -1.0)]
    (summary,) = watch.summaries()
    assert (summary.crossed_forward, summary.crossed_backward) == (1, 1)


def test_who_walks_around_the_end_of_a_line_does_not_cross_it() -> None:
    short = Zone(name="short", kind="line", points=((0.5, 0.3), (0.5, 0.1)))

    assert walked(ZoneWatch([short], ASPECT), [(0.4, 0.5), (0.45, 0.5), (0.55, 0.5), (0.6, 0.4)]) == []


def test_how_many_were_there_at_once_is_counted() -> None:
    watch = ZoneWatch([MIDDLE], ASPECT)

    watch.look([at(0.45, 0.5, 1), at(0.55, 0.5, 2), at(0.9, 0.9, 3)], 0, 2.0)
    watch.look([at(0.45, 0.5, 1)], 1, 2.1)

    assert watch.summaries()[0].most_at_once == 2
