"""Further files that an edit works with: how each is opened, and what is made of a clip before it takes part.

Every file is opened once for each role that it has, also where it has several: pictures of one decode that are needed
at two ends of a long video would have to be kept in between.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import ffmpeg
from ffmpeg.nodes import InputNode

from data.domain.assets import AudioFacts, SourceFacts
from tasks.media.edits.footage import AUDIO_RATE_HZ
from tasks.media.normalise import normalised_pictures, sound_in_step
from tasks.media.probe import SAFE_INPUT_ARGUMENTS

_SAFE = dict(
    zip((name.removeprefix("-") for name in SAFE_INPUT_ARGUMENTS[::2]), SAFE_INPUT_ARGUMENTS[1::2], strict=True)
)


@dataclass(frozen=True)
class Input:
    """A file as it lies in the workspace, and what was found out about it."""

    path: Path
    kind: Literal["clip", "picture", "sound"]
    sha256: str
    """Of the file as it was handed in."""
    facts: SourceFacts | None = None
    """Of a clip."""
    size: tuple[int, int] | None = None
    """Of a picture: width and height in pixels."""
    sound: AudioFacts | None = None
    """What is heard of a sound file or a clip, if anything."""

    @property
    def clip(self) -> SourceFacts:
        """Facts of a clip."""
        assert self.facts is not None, self.kind
        return self.facts

    def frame_count(self, frame_rate: Fraction) -> int:
        """Return how many frames a clip promises at a rate."""
        return max(1, round(self.clip.duration_seconds * frame_rate))


Inputs = Mapping[str, Input]
"""By what the recipe calls them."""


def opened(given: Input, role: str, **options: Any) -> Any:
    """Return a file as an input of its own, opened so that it can make ffmpeg open nothing else.

    Args:
        given: The file.
        role: What it is opened for: the name of the recipe's field.
        options: Further input options by ffmpeg's names.
    """
    # ffmpeg-python takes equal inputs for one; what stands among the arguments tells them apart and is not written.
    values = {"filename": str(given.path), "reinit_filter": 0, "threads": 1, **_SAFE, **options}
    return InputNode(ffmpeg.input.__name__, args=[role], kwargs=values).stream()


def clip_pictures(given: Input, role: str, frame_count: int, frame_rate: Fraction, size: tuple[int, int]) -> Any:
    """Return the first pictures of a clip at a size, exactly so many; the last one is held where the file lacks some.

    Frames are counted under the role's name on their way, so that a file that lacks too many of them is noticed
    (:func:`tasks.media.accounts.refuse_damaged_input`).
    """
    stream = opened(given, role)[str(given.clip.video.stream_index)]
    pictures = normalised_pictures(stream, given.clip, frame_rate, size)
    return held_to(pictures.filter(f"fps@{role}", fps=str(frame_rate)), frame_count)


def held_to(pictures: Any, frame_count: int) -> Any:
    """Return exactly so many pictures: further ones are dropped, and the last one is held where there are too few."""
    return pictures.filter("tpad", stop=-1, stop_mode="clone").filter("trim", end_frame=frame_count)


def clip_sound(given: Input, role: str, sample_count: int) -> Any:
    """Return the sound of a clip in step with its pictures, stereo at 48 kHz; silence where it has none."""
    audio = given.clip.audio
    if audio is None:
        return silence(role, sample_count)
    return sound_in_step(opened(given, role)[str(audio.stream_index)], given.clip, sample_count, "stereo")


def silence(role: str, sample_count: int) -> Any:
    """Return silence, stereo at 48 kHz, as an input of its own."""
    source = {"filename": f"anullsrc=r={AUDIO_RATE_HZ}:cl=stereo", "format": "lavfi"}
    endless = InputNode(ffmpeg.input.__name__, args=[role], kwargs=source).stream()["a"]
    return endless.filter("aformat", sample_fmts="fltp", channel_layouts="stereo").filter(
        "atrim", end_sample=sample_count
    )


def even(pixels: float) -> int:
    """Return the nearest even number of pixels, at least 2: 4:2:0 has one colour for two."""
    return max(2, round(pixels / 2) * 2)
