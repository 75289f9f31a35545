"""When each scene is shown and each word of it said."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from data.domain.generations import Reference
from tasks.media.captions import Word
from tasks.providers.storyboard.clips import PreparedClip
from tasks.providers.storyboard.scenes import Scene

FADE_SECONDS = 0.5
"""How long one scene passes into the next."""
_LEAD_SECONDS = 0.35
_FIRST_LEAD_SECONDS = 0.8
_TAIL_SECONDS = 0.3
_SENTENCE_TAIL_SECONDS = 0.45
_LAST_TAIL_SECONDS = 1.6
_SHORTEST_SECONDS = 2.2
_READING_CHARACTERS_PER_SECOND = 15.0
_SHORTEST_READING_SECONDS = 2.5


@dataclass(frozen=True)
class PlannedScene:
    """A scene with its place in the video."""

    kind: Literal["card", "image", "video", "bumper"]
    start_seconds: float
    end_seconds: float
    words: tuple[Word, ...] = ()
    """What is said and read, in seconds from ``start_seconds``."""
    is_title: bool = False
    reference: Reference | None = None
    path: Path | None = field(default=None, compare=False)
    clip: PreparedClip | None = field(default=None, compare=False)

    @property
    def duration_seconds(self) -> float:
        """How long it lasts, half of each cross-fade included."""
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True)
class ScenePace:
    """How a scene's time is divided."""

    lead_seconds: float
    tail_seconds: float

    @staticmethod
    def of(scene: Scene, index: int, count: int) -> "ScenePace":
        """Return what comes before and after a scene's words."""
        lead = _FIRST_LEAD_SECONDS if index == 0 else _LEAD_SECONDS
        if index == count - 1:
            return ScenePace(lead, _LAST_TAIL_SECONDS)
        return ScenePace(lead, _SENTENCE_TAIL_SECONDS if scene.ends_sentence else _TAIL_SECONDS)


def scene_seconds(pace: ScenePace, speech_seconds: float) -> float:
    """Return how long a scene lasts whose words take so long."""
    return max(_SHORTEST_SECONDS, pace.lead_seconds + speech_seconds + pace.tail_seconds)


def reading_words(text: str) -> tuple[tuple[Word, ...], float]:
    """Return the words of what is read but not said, and how long that takes.

    Their times all lie before the scene's beginning: nothing lights up, everything is lit.
    """
    seconds = max(_SHORTEST_READING_SECONDS, len(text) / _READING_CHARACTERS_PER_SECOND)
    return tuple(Word(word, -1.0, -1.0) for word in text.split()), seconds


def moved(words: Sequence[Word], seconds: float) -> tuple[Word, ...]:
    """Return words whose times are later by so many seconds."""
    return tuple(Word(word.text, word.start_seconds + seconds, word.end_seconds + seconds) for word in words)
