"""Speaking scene after scene: who stops does not wait for what is being said."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from tasks.models.narration import Narrator, Speech
from tasks.providers.storyboard.narrating import narrate
from tasks.providers.storyboard.scenes import Scene


class SlowNarrator:
    """Says its first scene at once, and is not done with any other before it is let."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.may_end, self.is_speaking = threading.Event(), threading.Event()

    def say(self, text: str) -> Speech:
        self.begun.append(text)
        if text != "one":
            self.is_speaking.set()
            self.may_end.wait(60)
        self.ended.append(text)
        return Speech(np.zeros(2400, np.float32), ())


@pytest.fixture
def narrator() -> Iterator[SlowNarrator]:
    slow = SlowNarrator()
    yield slow
    slow.may_end.set()


def test_a_stop_does_not_wait_for_scenes_that_are_being_said(narrator: SlowNarrator, tmp_path: Path) -> None:
    scenes = [Scene(text) for text in ("one", "two", "three", "four")]

    def stop(_seconds: float, _count: int) -> None:
        assert narrator.is_speaking.wait(60)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        narrate(scenes, cast(Narrator, narrator), tmp_path / "voice.wav", threads=1, least_seconds=0, on_scene=stop)

    assert narrator.ended == ["one"], "it was waited for"
    narrator.may_end.set()
    for thread in [each for each in threading.enumerate() if each.name.startswith("narrator")]:
        thread.join(60)
    assert narrator.begun == ["one", "two"], "what had not begun is not said"
