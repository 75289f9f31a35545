"""The analysis of one video: every frame that is wanted is looked at once, in order; memory does not grow with it."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

from data.domain.analysis import AnalysisSummary, Event, EventKind
from tasks.models.analysis.checks import Measures, PictureChecks
from tasks.models.analysis.clustering import Appearances
from tasks.models.analysis.detections import SMALL_SIDE, Detections, Detector, Look, looks_at, tiny_bgr
from tasks.models.analysis.flicker import LEAST_RATE, FlickerCheck
from tasks.models.analysis.opening import open_detector
from tasks.models.analysis.plan import Analysis, AnalysisPlan, Sampled
from tasks.models.analysis.presence import Presence
from tasks.models.analysis.reading import TextWatch
from tasks.models.analysis.silence import SilenceCheck
from tasks.models.analysis.sink import FrameRow, TelemetrySink, TrackRow
from tasks.models.analysis.tracking import Tracked, Tracker
from tasks.models.analysis.zones import AT_THE_EDGE_SECONDS, ZoneWatch
from tasks.models.survey import Cuts

_SURE = {"motion": 0.4, "faces": 0.6, "onnx": 0.5, "mock": 0.4}
"""Confidence that begins a track; less sure detections only continue one."""
_AHEAD = 2
"""Handfuls of frames in which is detected before they are followed."""
_HANDFUL_BYTES, _MOST_TOGETHER = 2 * 1024 * 1024, 16
"""Small frames are looked at by several at a time, by each part of an analysis in its turn: that takes less long."""

_Detected = tuple[Look, Detections]


def analyse(
    pictures: Iterable[Sampled],
    plan: AnalysisPlan,
    sink: TelemetrySink,
    on_frame: Callable[[int], None],
    sound: Iterable[NDArray[np.float32]] | None = None,
) -> Analysis:
    """Look at a video.

    Args:
        pictures: The frames to look at, in order; see :func:`tasks.models.analysis.plan.sampled`.
        plan: What is looked for.
        sink: Is told every row and event.
        on_frame: Told every now and then how many were looked at, of :attr:`AnalysisPlan.sample_count`.
        sound: Its sound in blocks of samples × channels at 48 kHz, looked at after the pictures; ``None``: it has none.

    Raises:
        ModelMissingError: A model is not there.
        DetectorInvalidError: The user's ONNX file is no detector that can be read.
    """
    detector = open_detector(plan)
    looking, count = _Looking(plan, sink, detector), 0
    with _threads(plan):
        for handful in _detected(pictures, detector, plan):
            looking.look(handful)
            count += len(handful)
            on_frame(count)
    looking.end()
    if sound is not None:
        looking.hear(sound)
    return looking.result()


@contextmanager
def _threads(plan: AnalysisPlan) -> Iterator[None]:
    """OpenCV with as many threads as pay: one for small pictures, where sharing them out takes longer than the work."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1 if max(plan.size) <= SMALL_SIDE else plan.threads or before)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _detected(pictures: Iterable[Sampled], detector: Detector, plan: AnalysisPlan) -> Iterator[list[_Detected]]:
    """Give frames by the handful, with what was detected in them.

    Where that takes long, the next are detected in while others are followed: networks need no Python meanwhile. Where
    it takes a moment, two threads would only wait for each other.
    """

    def detected(handful: list[Sampled]) -> list[_Detected]:
        return [(look, detector.detect(look)) for look in looks_at(handful)]

    frames = iter(pictures)  # read by the thread that began to decode them
    together = max(1, min(_MOST_TOGETHER, _HANDFUL_BYTES // (plan.size[0] * plan.size[1] * 3)))
    handfuls = iter(lambda: list(islice(frames, together)), [])
    if max(plan.size) <= SMALL_SIDE:
        yield from map(detected, handfuls)
        return
    with ThreadPoolExecutor(1, "detect") as pool:
        under_way: deque[Future[list[_Detected]]] = deque()
        for handful in handfuls:
            under_way.append(pool.submit(detected, handful))
            if len(under_way) > _AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


class _Looking:
    """All that looks at frames, and what is known so far; lives as long as one analysis."""

    def __init__(self, plan: AnalysisPlan, sink: TelemetrySink, detector: Detector) -> None:
        options, rate, aspect = plan.options, plan.samples_per_second, plan.size[1] / plan.size[0]
        self._plan, self._sink = plan, sink
        self._detector = detector
        sure = max(options.min_confidence, _SURE[options.detector])
        self._tracker = Tracker(rate, aspect, sure)
        self._zones = ZoneWatch(options.zones, aspect)
        self._presence = Presence(1 / rate)
        self._looks = None if options.clustering_interval is None else Appearances(options.clustering_interval)
        self._texts = None if options.ocr_interval is None else TextWatch(plan)
        self._cuts = Cuts(plan.frame_rate)
        self._told_cuts = 0
        self._checks = PictureChecks(rate)
        self._silence: SilenceCheck | None = None
        self._flicker = FlickerCheck() if rate >= LEAST_RATE else None
        self._counts: Counter[str] = Counter()
        self._frames = 0
        self._sharpness = self._motion = 0.0

    def look(self, handful: list[_Detected]) -> None:
        """Take the next frames and what was detected in each."""
        looks = [look for look, _ in handful]
        seen = [self._followed(look, found) for look, found in handful]
        self._note_cuts(looks)
        measures = [self._checked(look) for look in looks]
        if self._flicker is not None:
            for look in looks:
                self.tell(self._flicker.look(look))
        for each in zip(looks, seen, measures, strict=True):
            self._write(*each)

    def _followed(self, look: Look, found: Detections) -> list[Tracked]:
        """Return the tracks that are seen in a frame."""
        frame, now = look.frame, look.at_seconds
        seen = self._tracker.follow(found, now)
        self.tell(self._presence.look(seen, frame, now))
        self.tell(self._zones.look(seen, frame, now))
        for track in self._tracker.gone(now):
            self._end_track(track)
        if self._looks is not None and (due := self._looks.due(seen, now)):
            self._looks.look(look.bgr, due, now)
        if self._texts is not None:
            self._texts.look(look)
        return seen

    def _checked(self, look: Look) -> Measures:
        measures, events = self._checks.look(look)
        self.tell(events)
        return measures

    def end(self) -> None:
        """End the pictures: what lasted to the end, lasts to the video's end."""
        duration = self._plan.duration_seconds
        self.tell(self._zones.end(duration))
        for track in self._presence.followed:
            self._end_track(track, duration)
        self.tell(self._checks.end(duration))
        if self._flicker is not None:
            self.tell(self._flicker.end(duration))
        if self._texts is not None:
            self.tell(self._texts.end(duration))

    def hear(self, sound: Iterable[NDArray[np.float32]]) -> None:
        """Take all of the sound."""
        self._silence = SilenceCheck(float(self._plan.frame_rate))
        self.tell(self._silence.hear(sound))

    def tell(self, events: Iterable[Event]) -> None:
        """Hand events on and count them."""
        for event in events:
            self._counts[event.kind.value] += 1
            self._sink.event(event)

    def result(self) -> Analysis:
        """Sum it up."""
        groups = {} if self._looks is None else self._looks.groups()
        unjudged = [EventKind.FLICKER.value] if self._flicker is None else []
        unjudged += [EventKind.SILENCE.value] if self._silence is None else []
        is_silent = self._silence is not None and self._silence.is_throughout
        summary = AnalysisSummary(
            detector=self._detector.name,
            is_simulated=self._detector.is_simulated,
            frame_count=self._frames,
            size=self._plan.size,
            duration_seconds=round(self._plan.duration_seconds, 3),
            tracks=self._presence.summaries(groups),
            track_count=self._presence.count,
            zones=self._zones.summaries(),
            event_counts=dict(sorted(self._counts.items())),
            cluster_count=len(set(groups.values())),
            sharpness_mean=round(self._sharpness / self._frames, 3) if self._frames else None,
            motion_mean=round(self._motion / (self._frames - 1), 5) if self._frames > 1 else None,
            throughout=self._checks.throughout + ((EventKind.SILENCE,) if is_silent else ()),
            unjudged=tuple(unjudged),
        )
        return Analysis(summary, self._presence.heat, groups)

    def _end_track(self, track: int, end_seconds: float | None = None) -> None:
        """Say that a track is over; one that is seen until the video ends has not vanished, and left no zone."""
        self.tell(self._zones.gone(track) if end_seconds is None else ())
        event = self._presence.gone(track, self._zones.dwell_seconds(track))
        if end_seconds is None or end_seconds - event.at_seconds > AT_THE_EDGE_SECONDS:
            self.tell([event])

    def _note_cuts(self, looks: list[Look]) -> None:
        self._cuts.look_together([look.frame for look in looks], tiny_bgr(looks))
        new, self._told_cuts = self._cuts.found[self._told_cuts :], len(self._cuts.found)
        rate = self._plan.frame_rate
        self.tell(Event(kind=EventKind.SHOT, at_seconds=round(float(cut / rate), 3), frame=cut) for cut in new)

    def _write(self, look: Look, seen: list[Tracked], measures: Measures) -> None:
        row = FrameRow(look.frame, look.at_seconds, len(seen), *measures)
        self._sink.frame(row, [_row(each, look) for each in seen])
        self._frames += 1
        self._sharpness += measures.sharpness
        self._motion += measures.motion


def _row(each: Tracked, look: Look) -> TrackRow:
    left, top, right, bottom = each.box
    # By position: by name it takes twice as long, and there are ten a frame.
    return TrackRow(
        each.track, each.label, look.frame, look.at_seconds, left, top, right - left, bottom - top, *each[3:]
    )
