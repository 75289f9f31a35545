import pytest

from tasks.models.analysis.detections import Edges
from tasks.models.analysis.presence import Presence
from tasks.models.analysis.tracking import Tracked

LEFT_HALF: Edges = (0.0, 0.0, 0.5, 1.0)


def at(track: int, box: Edges = LEFT_HALF, confidence: float = 0.9) -> Tracked:
    return Tracked(track, "moving", box, confidence, 0.0)


def test_a_track_appears_once_and_vanishes_where_it_was_seen_last() -> None:
    presence = Presence(0.1)

    events = [event for step in range(5) for event in presence.look([at(1)], step, step / 10)]
    vanished = presence.gone(1, {"door": 0.2})

    assert [(event.kind, event.frame) for event in events] == [("appear", 0)]
    assert (vanished.kind, vanished.frame, vanished.at_seconds) == ("vanish", 4, 0.4)
    (summary,) = presence.summaries({1: 3})
    assert (summary.sample_count, summary.first_seconds, summary.last_seconds) == (5, 0.0, 0.4)
    assert (summary.confidence, summary.cluster, summary.dwell_seconds) == (0.9, 3, {"door": 0.2})


def test_the_heat_map_says_for_how_many_seconds_something_was_where() -> None:
    presence = Presence(0.1)
    for step in range(20):
        presence.look([at(1), at(2, (0.9, 0.9, 0.901, 0.901))], step, step / 10)

    assert presence.heat[:, :64] == pytest.approx(2.0)
    assert presence.heat[:, 64:].max() == pytest.approx(2.0)
    assert (presence.heat[:, 64:] > 0).sum() == 1


def test_of_very_many_tracks_the_longest_thousand_are_kept() -> None:
    presence = Presence(0.1)
    for track in range(1, 1102):
        for step in range(2 if track <= 101 else 3):
            presence.look([at(track)], step, step / 10)
        presence.gone(track, {})

    assert presence.count == 1101
    assert [summary.track for summary in presence.summaries({})] == list(range(102, 1102))
    assert presence.followed == []
