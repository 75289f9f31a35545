import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from data.domain.analysis import AnalysisOptions, Event, Zone
from data.domain.errors import DataError
from tasks.media.decoding import Clip, DecodeContext, decoded_planes
from tasks.media.probe import probe
from tasks.media.tools import find_tools
from tasks.models.analysis.analysing import analyse
from tasks.models.analysis.detections import SMALL_SIDE
from tasks.models.analysis.opening import wanted_long_side
from tasks.models.analysis.plan import Analysis, AnalysisPlan, Picture, sampled
from tasks.models.analysis.sink import ListSink
from tests.fakes.clips import clip
from tests.fakes.looks import flat, textured, with_box
from tests.fakes.vtest import vtest

TRUTH = json.loads((Path(__file__).parent / "vtest_truth.json").read_text(encoding="utf-8"))
RATE = Fraction(10)
WITHIN = 0.15
SMALL = (SMALL_SIDE, SMALL_SIDE * 3 // 4)


def analysed(
    pictures: list[Picture] | Iterator[Picture], count: int, size: tuple[int, int] = SMALL, **options: object
) -> tuple[Analysis, ListSink]:
    plan = AnalysisPlan(AnalysisOptions.model_validate(options), RATE, count, size, threads=1)
    sink = ListSink()
    return analyse(sampled(islice(pictures, 0, None, plan.step), plan), plan, sink, lambda _: None), sink


def street(scratch: Path, count: int = 795) -> Iterator[Picture]:
    video = Clip(vtest(), probe(vtest(), find_tools()))
    with decoded_planes(video, SMALL, DecodeContext(find_tools()), scratch / "decoder.log") as pictures:
        yield from islice(pictures, count)


def zones() -> list[Zone]:
    return [Zone(name=each["name"], kind=each["kind"], points=each["points"]) for each in TRUTH["zones"]]


def counted(zone: str, verb: str, before: int = 795) -> int:
    visits = next(each["visits"] for each in TRUTH["zones"] if each["name"] == zone)
    return sum(visit[verb] is not None and visit[verb] < before for visit in visits)


def crossing(count: int) -> list[Picture]:
    scene = textured()
    moving = [with_box(scene, 5 * step - 16, 90, 16, 40, (0, 0, 255)) for step in range(count - 15)]
    return [scene] * 15 + moving


def test_what_crosses_a_zone_is_told_from_beginning_to_end() -> None:
    zone = {"name": "middle", "kind": "rectangle", "points": [[0.4, 0.5], [0.6, 0.8]]}

    analysis, sink = analysed(crossing(85), 85, zones=[zone])

    assert [event.kind for event in sink.events] == ["appear", "enter", "leave", "vanish"]
    (track,) = analysis.summary.tracks
    assert track.dwell_seconds["middle"] == pytest.approx(1.0, abs=0.3)
    assert track.sample_count == len(sink.tracks)
    speeds = [row.speed for row in sink.tracks if row.at_seconds > 4 and row.left > 0.05 and row.left < 0.8]
    assert np.mean(speeds) == pytest.approx(50 / 256, rel=0.15)
    assert analysis.heat.sum() > 0
    assert analysis.clusters == {1: 1}
    assert analysis.summary.event_counts == {"appear": 1, "enter": 1, "leave": 1, "vanish": 1}


def test_each_frame_that_is_looked_at_has_a_row_after_those_of_its_tracks() -> None:
    analysis, sink = analysed(crossing(60), 60, fps=5)

    assert [row.frame for row in sink.frames] == list(range(0, 60, 2))
    assert analysis.summary.frame_count == 30
    for row in sink.frames:
        assert row.track_count == sum(track.frame == row.frame for track in sink.tracks)


@pytest.mark.parametrize(("value", "kind"), [(0, "black"), (127, "freeze")])
def test_nothing_is_invented_where_there_is_nothing(value: int, kind: str) -> None:
    whole = {"name": "all", "kind": "rectangle", "points": [[0, 0], [1, 1]]}

    analysis, sink = analysed([flat(value)] * 40, 40, zones=[whole])

    assert sink.tracks == []
    assert analysis.summary.track_count == 0
    assert sink.events == []
    assert analysis.summary.event_counts == {}
    assert analysis.summary.throughout == (kind,)
    assert analysis.heat.max() == 0


def test_cuts_are_shots_and_nothing_else() -> None:
    _, sink = analysed([textured(seed=1)] * 15 + [textured(seed=2)] * 15 + [textured(seed=3)] * 15, 45)

    assert [(event.kind, event.frame) for event in sink.events] == [("shot", 15), ("shot", 30)]


def test_half_a_black_video_is_black_for_that_half() -> None:
    analysis, sink = analysed([flat(0)] * 20 + crossing(20), 40)

    assert [(event.kind, event.value) for event in sink.events if event.kind == "black"] == [("black", 2.0)]
    assert analysis.summary.throughout == ()


def test_sound_is_listened_to_and_without_it_silence_is_not_judged() -> None:
    plan = AnalysisPlan(AnalysisOptions(), RATE, 30, SMALL)
    sink = ListSink()
    quiet = [np.zeros((48_000, 2), np.float32)] * 3

    heard = analyse(sampled(crossing(30), plan), plan, sink, lambda _: None, quiet)
    deaf, _ = analysed(crossing(30), 30, fps=5)

    assert [event.kind for event in sink.events if event.kind == "silence"] == []
    assert heard.summary.throughout == ("silence",)
    assert heard.summary.unjudged == ()
    assert deaf.summary.unjudged == ("flicker", "silence")


def test_a_simulation_is_labelled_as_one() -> None:
    analysis, sink = analysed([flat(90)] * 40, 40, detector="mock")

    assert analysis.summary.is_simulated
    assert analysis.summary.detector.startswith("SIMULATED")
    assert {row.label for row in sink.tracks} == {"simulated"}


def test_progress_is_told_handful_by_handful_to_the_last_frame() -> None:
    plan, told = AnalysisPlan(AnalysisOptions(fps=5), RATE, 80, SMALL), list[int]()

    analyse(sampled([flat(9)] * 40, plan), plan, ListSink(), told.append)

    assert told == [16, 32, plan.sample_count]


def test_a_video_without_frames_comes_to_nothing() -> None:
    analysis, sink = analysed([], 10)

    assert (analysis.summary.frame_count, sink.events, analysis.summary.motion_mean) == (0, [], None)


def test_people_in_a_street_are_followed_across_a_zone(tmp_path: Path) -> None:
    analysis, sink = analysed(street(tmp_path, 150), 150, zones=[zones()[0].model_dump()])

    (road,) = analysis.summary.zones
    assert abs(road.entered - counted("road", "entered", 150)) <= 2
    assert abs(road.left - counted("road", "left", 150)) <= 2
    assert len(sink.frames) == 150


@pytest.mark.slow
def test_people_who_enter_and_leave_are_as_many_as_one_counts_by_eye(tmp_path: Path) -> None:
    analysis, sink = analysed(street(tmp_path), 795, zones=[zone.model_dump() for zone in zones()])

    assert len(sink.frames) == 795
    for zone in analysis.summary.zones:
        assert zone.entered == pytest.approx(counted(zone.zone, "entered"), rel=WITHIN)
        assert zone.left == pytest.approx(counted(zone.zone, "left"), rel=WITHIN)
    assert _on_time(sink.events, "road") >= 0.8


def _on_time(events: list[Event], zone: str) -> float:
    """Share of the entries counted by eye that an entry was told within a second and a half of."""
    told = [event.frame for event in events if event.kind == "enter" and event.zone == zone]
    visits = next(each["visits"] for each in TRUTH["zones"] if each["name"] == zone)
    entered = [visit["entered"] for visit in visits if visit["entered"] is not None]
    return sum(any(abs(frame - each) <= 15 for frame in told) for each in entered) / len(entered)


def decoded(source: Path, scratch: Path, options: AnalysisOptions) -> tuple[AnalysisPlan, ListSink]:
    tools = find_tools()
    video = Clip(source, probe(source, tools))
    size = video.fitted(wanted_long_side(options))
    plan, sink = AnalysisPlan(options, video.frame_rate, video.frame_count, size), ListSink()
    with decoded_planes(video, size, DecodeContext(tools), scratch / "decoder.log") as pictures:
        analyse(sampled(pictures, plan), plan, sink, lambda _: None)
    return plan, sink


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bikes", "face_noface", "a", "carphone_distorted", "single_face_video"])
def test_every_frame_of_any_codec_has_a_row(name: str, tmp_path: Path) -> None:
    plan, sink = decoded(clip(name), tmp_path, AnalysisOptions())

    assert abs(len(sink.frames) - plan.sample_count) <= 1
    assert [row.frame for row in sink.frames] == list(range(len(sink.frames)))


def test_a_video_that_breaks_off_fails_with_the_decoders_error(tmp_path: Path) -> None:
    content = clip("single_face_video").read_bytes()
    whole = Clip(clip("single_face_video"), probe(clip("single_face_video"), find_tools()))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content[: len(content) // 2])
    plan = AnalysisPlan(AnalysisOptions(), whole.frame_rate, whole.frame_count, (192, 108))

    with (
        pytest.raises(DataError),
        decoded_planes(
            replace(whole, path=broken), (192, 108), DecodeContext(find_tools()), tmp_path / "decoder.log"
        ) as pictures,
    ):
        analyse(sampled(pictures, plan), plan, ListSink(), lambda _: None)
