"""Speaks all scenes into one WAV file, scene after scene; how long each takes decides when it is shown."""

import wave
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tasks.models.narration import SAMPLE_RATE_HZ, Narrator, Samples, Speech
from tasks.providers.storyboard.planning import PlannedScene, ScenePace, moved, reading_words, scene_seconds
from tasks.providers.storyboard.scenes import Scene


@dataclass(frozen=True)
class Narrated:
    """The scenes with their times, and whether a voice is heard in them."""

    scenes: tuple[PlannedScene, ...]
    has_voice: bool


def narrate(
    scenes: Sequence[Scene],
    narrator: Narrator,
    target: Path,
    *,
    threads: int,
    least_seconds: float,
    on_scene: Callable[[float, int], None],
) -> Narrated:
    """Speak the scenes and plan them; only the sound of a few scenes is in memory at a time.

    Args:
        scenes: What to say, in order; at least one.
        narrator: Who says it.
        target: The new WAV file, as long as the scenes.
        threads: How many scenes are spoken at a time.
        least_seconds: The last scene is held until then.
        on_scene: Called after each with the seconds planned so far and how many scenes that are; what it raises ends
            the work.
    """
    planned: list[PlannedScene] = []
    has_voice = False
    with wave.open(str(target), "wb") as file, closing(_spoken(scenes, narrator, threads)) as spoken:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        for index, (scene, speech) in enumerate(zip(scenes, spoken, strict=True)):
            pace = ScenePace.of(scene, index, len(scenes))
            start = planned[-1].end_seconds if planned else 0.0
            if speech is not None and len(speech.samples):
                words, seconds, samples = (
                    moved(speech.words, pace.lead_seconds),
                    speech.duration_seconds,
                    speech.samples,
                )
                has_voice = True
            else:  # a title, or nothing that an English voice can say: it is read
                words, seconds = reading_words(scene.text)
                samples = np.zeros(0, dtype=np.float32)
            end = start + scene_seconds(pace, seconds)
            planned.append(PlannedScene("card", start, end, words, is_title=scene.is_title))
            _write(file, samples, start + pace.lead_seconds, end)
            on_scene(end, index + 1)
    last = planned[-1]
    planned[-1] = replace(last, end_seconds=max(last.end_seconds, least_seconds))
    return Narrated(tuple(planned), has_voice)


def _spoken(scenes: Sequence[Scene], narrator: Narrator, threads: int) -> Generator[Speech | None]:
    """Speak scene after scene, so many at a time; ``None`` for what is not said."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="narrator")  # not as a context: its end waits for all
    begun: deque[Future[Speech] | None] = deque()
    try:
        for scene in scenes:
            begun.append(pool.submit(narrator.say, scene.text) if scene.is_said else None)
            if len(begun) > threads:
                yield _result(begun.popleft())
        while begun:
            yield _result(begun.popleft())
    finally:
        # Who stops does not wait for what is being said, which takes seconds and is heard by nobody.
        pool.shutdown(wait=False, cancel_futures=True)


def _result(speech: Future[Speech] | None) -> Speech | None:
    return None if speech is None else speech.result()


def _write(file: wave.Wave_write, samples: Samples, begins_seconds: float, ends_seconds: float) -> None:
    """Write silence up to the beginning, the samples, and silence up to the end."""
    _pad(file, begins_seconds)
    file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    _pad(file, ends_seconds)


def _pad(file: wave.Wave_write, until_seconds: float) -> None:
    missing = round(until_seconds * SAMPLE_RATE_HZ) - file.tell()
    file.writeframes(b"\0\0" * max(0, missing))
