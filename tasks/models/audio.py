"""Reads a sound file as blocks of 16 kHz mono samples, so that memory does not grow with the length of a recording."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from data.domain.errors import CorruptInputError, UnsupportedInputError

SAMPLE_RATE_HZ = 16_000

_CUT_SEARCH_SECONDS = 30.0
_CUT_WINDOW_SECONDS = 0.25

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class AudioBlock:
    """A stretch of sound: mono samples in −1…1 at 16 kHz, and where they start in the file."""

    start_seconds: float
    samples: Samples

    @property
    def duration_seconds(self) -> float:
        """How long the block is."""
        return len(self.samples) / SAMPLE_RATE_HZ


def read_blocks(path: Path, block_seconds: float = 600.0) -> Iterator[AudioBlock]:
    """Decode the first audio stream of a file in blocks that end where it is quietest, not within a word.

    Raises:
        UnsupportedInputError: The file has no sound.
        CorruptInputError: It cannot be decoded.
    """
    limit = int(block_seconds * SAMPLE_RATE_HZ)
    pending: list[Samples] = []
    count = 0
    start_seconds: float | None = None
    for piece_start, piece in _decode(path):
        start_seconds = piece_start if start_seconds is None else start_seconds
        pending.append(piece)
        count += len(piece)
        if count >= limit:
            samples = np.concatenate(pending)
            cut = _quietest_point(samples)
            yield AudioBlock(start_seconds, samples[:cut])
            start_seconds += cut / SAMPLE_RATE_HZ
            pending, count = [samples[cut:]], len(samples) - cut
    if count and start_seconds is not None:
        yield AudioBlock(start_seconds, np.concatenate(pending))


def sound_seconds(path: Path) -> float | None:
    """Return the duration that the container claims, in seconds; ``None`` when it says nothing.

    Raises:
        CorruptInputError: It cannot be opened.
    """
    with _readable(path) as container:
        return container.duration / av.time_base if container.duration else None


@contextmanager
def _readable(path: Path) -> Iterator[InputContainer]:
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            yield container
    except av.FFmpegError as error:
        raise CorruptInputError(f"The sound of {path.name} cannot be decoded: {error.strerror}.") from error


def _decode(path: Path) -> Iterator[tuple[float, Samples]]:
    with _readable(path) as container:
        if not container.streams.audio:
            raise UnsupportedInputError(f"{path.name} has no sound.", {"name": path.name})
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
        start_seconds = None
        for frame in container.decode(audio=0):
            # Sound may start after the picture; before it (encoder priming) counts as 0.
            start_seconds = max(0.0, frame.time or 0.0) if start_seconds is None else start_seconds
            for resampled in resampler.resample(frame):
                yield start_seconds, resampled.to_ndarray()[0]
        for resampled in resampler.resample(None):
            yield start_seconds or 0.0, resampled.to_ndarray()[0]


def _quietest_point(samples: Samples) -> int:
    """Return the index of the middle of the quietest moment near the end."""
    window = int(_CUT_WINDOW_SECONDS * SAMPLE_RATE_HZ)
    tail = samples[-min(len(samples), int(_CUT_SEARCH_SECONDS * SAMPLE_RATE_HZ)) :]
    count = len(tail) // window
    if count < 2:
        return len(samples)
    energies = np.square(tail[: count * window].reshape(count, window)).mean(axis=1)
    return len(samples) - len(tail) + int(energies.argmin()) * window + window // 2
