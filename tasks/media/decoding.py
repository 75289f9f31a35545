"""Decode a source into pictures or sound that Python looks at, one piece at a time; memory does not grow with length.

The decoder is a child of the thread that reads from it, and gone when the block is left, however that happens.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from data.domain.assets import SourceFacts
from data.domain.edits import WHOLE, TrimOptions
from tasks.media.decoder import PIPE_BYTES, Reader, reading
from tasks.media.edits import trim
from tasks.media.edits.editing import is_seekable
from tasks.media.edits.footage import AUDIO_RATE_HZ, Footage, Shape
from tasks.media.frames import Picture, Planes
from tasks.media.normalise import every, glanced_pictures, normalised_pictures
from tasks.media.opening import Opener, paired
from tasks.media.probe import SAFE_INPUT_ARGUMENTS
from tasks.media.tools import Toolset

_FROM_BT709 = {"in_color_matrix": "bt709", "in_range": "tv", "flags": "bicubic+accurate_rnd+full_chroma_int"}


@dataclass(frozen=True)
class Clip:
    """A source as it is worked on: constant rate, from the first picture on, an even number of pixels each way."""

    path: Path
    facts: SourceFacts
    """Of the whole file."""
    kept: TrimOptions = WHOLE
    """The part that is worked on; everything below is said of that."""

    @property
    def frame_rate(self) -> Fraction:
        """Frames a second."""
        return self.facts.video.frame_rate

    @property
    def frame_count(self) -> int:
        """Frames that the source promises."""
        return self._part.frame_count

    @property
    def begins_at_seconds(self) -> float:
        """When it begins, by the clock of the whole."""
        return float(self._part.first_frame / self.frame_rate)

    @property
    def kept_facts(self) -> SourceFacts:
        """Facts as if the file held no more than the part."""
        if not self.kept.is_wanted:
            return self.facts
        return self.facts.model_copy(update={"duration_seconds": self.duration_seconds})

    @property
    def unseen_seconds(self) -> float:
        """How much is decoded ahead of it."""
        return float((self._part.first_frame - self._skipped_frames) / self.frame_rate)

    def refuse_impossible_part(self) -> None:
        """Do nothing if the file holds such a part.

        Raises:
            EditImpossibleError: It begins or ends after the end of the file.
        """
        trim.part(self.kept, self._whole)

    def footage(self, size: tuple[int, int], layouts: str = "stereo", threads: int = 0) -> Footage:
        """Return its pictures at a size in pixels, and its sound, in the filter graph.

        Args:
            size: Width and height, both even.
            layouts: Which channels the sound may have, in ffmpeg's words.
            threads: Of the decoder; 0 lets ffmpeg choose.
        """
        opener = Opener(SAFE_INPUT_ARGUMENTS, threads)
        shape = replace(self._whole, size=size)
        opened = opener.from_frame(self.path, self.facts, shape, self._skipped_frames, layouts=layouts)
        return trim.applied(self.kept, opened, self._skipped_frames)

    @property
    def _whole(self) -> Shape:
        frames = max(1, round(self.facts.duration_seconds * self.frame_rate))
        return Shape(self.size, self.frame_rate, frames, self.facts.audio is not None)

    @property
    def _part(self) -> trim.Part:
        return trim.part(self.kept, self._whole)

    @property
    def _skipped_frames(self) -> int:
        return self._part.skipped_frames if is_seekable(self.facts) else 0

    @property
    def duration_seconds(self) -> float:
        """Exact time of the promised frames."""
        return float(self.frame_count / self.frame_rate)

    @property
    def sample_count(self) -> int:
        """Sound samples at 48 kHz that last as long as the picture."""
        return max(1, round(self.frame_count / self.frame_rate * AUDIO_RATE_HZ))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.fitted(max(self.facts.video.width, self.facts.video.height))

    def fitted(self, long_side: int) -> tuple[int, int]:
        """Return (width, height), both even, with the longer side at most ``long_side`` pixels, never larger."""
        width, height = self.facts.video.width, self.facts.video.height
        scale = min(1.0, long_side / max(width, height))
        return max(2, round(width * scale) // 2 * 2), max(2, round(height * scale) // 2 * 2)


@dataclass(frozen=True)
class DecodeContext:
    """What decoding works with."""

    tools: Toolset
    stall_seconds: float = 120.0
    run_id: str = ""
    threads: int = 0
    """Of the decoder; 0 lets ffmpeg choose."""


def pictures_arguments(clip: Clip, size: tuple[int, int], threads: int = 0, step: int = 1) -> list[str]:
    """Return the arguments, without the program, that write a clip's frames to standard output as raw BGR."""
    pictures = _pictures(clip, size, threads, step).filter("scale", **_FROM_BT709).filter("format", "bgr24")
    return _compiled(ffmpeg.output(pictures, "pipe:1", f="rawvideo", fps_mode="passthrough"))


def planes_arguments(clip: Clip, size: tuple[int, int], threads: int = 0, step: int = 1) -> list[str]:
    """Return the arguments, without the program, that write a whole file's frames to standard output as raw I420."""
    assert not clip.kept.is_wanted
    pictures = glanced_pictures(_opened(clip, threads), clip.facts, clip.frame_rate, size, step)
    # Sharing the rows of a small picture out to threads takes longer than making it.
    made = {"f": "rawvideo", "fps_mode": "passthrough", "filter_complex_threads": 1}
    return _compiled(ffmpeg.output(pictures, "pipe:1", **made))


def sound_arguments(clip: Clip, layout: str) -> list[str]:
    """Return the arguments, without the program, that write a clip's sound to standard output: floats at 48 kHz."""
    assert clip.facts.audio is not None
    return _compiled(ffmpeg.output(clip.footage(clip.size, layout).sound, "pipe:1", f="f32le"))


@contextmanager
def decoded_pictures(
    clip: Clip, size: tuple[int, int], context: DecodeContext, log_path: Path, step: int = 1
) -> Iterator[Iterator[Picture]]:
    """Give the frames of a clip at a size, one after the other; each may be written to.

    Args:
        clip: The source.
        size: Width and height in pixels, both even.
        context: What decoding works with.
        log_path: File for what ffmpeg says.
        step: Of every so many frames only the first is given.

    Raises:
        CorruptInputError: It cannot be decoded.
        EncodeFailedError: The decoder failed otherwise.
        EncoderStalledError: It gave nothing for too long.
    """
    width, height = size
    with _decoder(pictures_arguments(clip, size, context.threads, step), context, log_path) as reader:
        yield (
            np.frombuffer(frame, dtype=np.uint8).reshape(height, width, 3)
            for frame in reader.pieces(width * height * 3)
            if len(frame) == width * height * 3
        )


@contextmanager
def decoded_planes(
    clip: Clip, size: tuple[int, int], context: DecodeContext, log_path: Path, step: int = 1
) -> Iterator[Iterator[Planes]]:
    """Give the frames of a clip small and cheaply: as they are coded, by several at a time.

    Args:
        clip: The source, as a whole.
        size: Width and height in pixels, both even.
        context: What decoding works with.
        log_path: File for what ffmpeg says.
        step: Of every so many frames only the first is given.

    Raises:
        CorruptInputError: It cannot be decoded.
        EncodeFailedError: The decoder failed otherwise.
        EncoderStalledError: It gave nothing for too long.
    """
    width, height = size
    frame_bytes = width * height * 3 // 2
    together = max(1, PIPE_BYTES // 2 // frame_bytes)
    with _decoder(planes_arguments(clip, size, context.threads, step), context, log_path) as reader:
        yield (
            np.frombuffer(piece, dtype=np.uint8, count=frame_bytes, offset=start).reshape(height * 3 // 2, width)
            for piece in reader.pieces(together * frame_bytes)
            for start in range(0, len(piece) - frame_bytes + 1, frame_bytes)
        )


@contextmanager
def decoded_sound(
    clip: Clip, channels: int, block_samples: int, context: DecodeContext, log_path: Path
) -> Iterator[Iterator[NDArray[np.float32]]]:
    """Give the sound of a clip in blocks of samples × channels (1 or 2) at 48 kHz, the last one perhaps shorter.

    Raises:
        CorruptInputError: It cannot be decoded.
        EncodeFailedError: The decoder failed otherwise.
        EncoderStalledError: It gave nothing for too long.
    """
    layout = "mono" if channels == 1 else "stereo"
    with _decoder(sound_arguments(clip, layout), context, log_path) as reader:
        yield (
            np.frombuffer(block, dtype=np.float32).reshape(-1, channels)
            for block in reader.pieces(block_samples * channels * 4)
        )


def _pictures(clip: Clip, size: tuple[int, int], threads: int, step: int) -> Any:
    if not clip.kept.is_wanted:
        return normalised_pictures(_opened(clip, threads), clip.facts, clip.frame_rate, size, step=step)
    return every(step, clip.footage(size, threads=threads).picture)


def _opened(clip: Clip, threads: int) -> Any:
    opened = ffmpeg.input(str(clip.path), reinit_filter=0, threads=threads, **paired(SAFE_INPUT_ARGUMENTS))
    return opened[str(clip.facts.video.stream_index)]


def _decoder(arguments: list[str], context: DecodeContext, log_path: Path) -> AbstractContextManager[Reader]:
    argv: list[str | Path] = [context.tools.ffmpeg, *arguments]
    return reading(argv, log_path, stall_seconds=context.stall_seconds, run_id=context.run_id)


def _compiled(output: Any) -> list[str]:
    command: list[str] = output.compile()
    return ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "verbose", *command[1:]]
