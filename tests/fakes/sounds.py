"""Sounds for tests: made ones, and cut from real clips."""

import wave
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.models.audio import SAMPLE_RATE_HZ, read_blocks

Samples = NDArray[np.float32]


def samples_of(path: Path, start_seconds: float = 0, seconds: float | None = None) -> Samples:
    """Read a stretch of a file as mono samples at 16 kHz."""
    samples = _decoded(path)
    start = int(start_seconds * SAMPLE_RATE_HZ)
    return samples[start : None if seconds is None else start + int(seconds * SAMPLE_RATE_HZ)]


@lru_cache(maxsize=4)
def _decoded(path: Path) -> Samples:
    samples = np.concatenate([block.samples for block in read_blocks(path)])
    samples.flags.writeable = False
    return samples


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * SAMPLE_RATE_HZ), dtype=np.float32)


def noise(seconds: float, level: float = 0.1) -> Samples:
    return (np.random.default_rng(7).standard_normal(len(silence(seconds))) * level).astype(np.float32)


def tone(seconds: float, hertz: float = 440) -> Samples:
    times = np.arange(len(silence(seconds))) / SAMPLE_RATE_HZ
    return (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def write_wav(path: Path, samples: Samples) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path
