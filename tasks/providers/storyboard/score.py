"""Composes quiet music from a seed: slow chords, a plucked figure above them and a bass, in a room. No recordings.

Everything is computed with numpy, chord by chord, so that an hour of it needs no more memory than a minute. The same
seed and duration give the same samples.
"""

import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 32_000

_CHORDS = (  # degrees of the scale for each chord: root, and what stands above it
    ((0, 2, 4, 8), (5, 7, 9, 11), (3, 5, 7, 9), (4, 6, 8, 11)),
    ((0, 4, 6, 9), (3, 5, 7, 11), (5, 7, 9, 13), (3, 5, 9, 11)),
    ((5, 7, 9, 12), (3, 5, 7, 9), (0, 4, 7, 9), (4, 6, 8, 13)),
)
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_KEYS = {"D": 50, "E flat": 51, "F": 53, "G": 43, "A": 45, "B flat": 46, "C": 48}
_ROOM_SECONDS = 2.6
_FADE_IN_SECONDS, _FADE_OUT_SECONDS = 1.2, 3.5
_PEAK = 0.5

Sound = NDArray[np.float32]
"""Samples × 2."""


@dataclass(frozen=True)
class Score:
    """What is played."""

    key: str
    beats_per_minute: int
    progression: int
    seed: int

    @staticmethod
    def of(seed: int) -> "Score":
        """Return what a seed decides."""
        draw = np.random.default_rng([seed, 3])
        key = tuple(_KEYS)[int(draw.integers(len(_KEYS)))]
        return Score(key, int(draw.integers(66, 84)), int(draw.integers(len(_CHORDS))), seed)

    @property
    def label(self) -> str:
        """Says for people and records what it is."""
        return f"composed: {self.key} major, {self.beats_per_minute} beats a minute, seed {self.seed}"

    @property
    def chord_seconds(self) -> float:
        """How long each chord lasts: eight beats."""
        return 8 * 60 / self.beats_per_minute


def write_score(score: Score, duration_seconds: float, target: Path) -> None:
    """Write the music as a WAV file (32 kHz, stereo, 16 bits), faded in and out."""
    total = round(duration_seconds * SAMPLE_RATE_HZ)
    done = 0
    with wave.open(str(target), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        for block in _blocks(score, duration_seconds):
            part = block[: total - done]
            at = (done + np.arange(len(part))) / SAMPLE_RATE_HZ
            fade = np.clip(at / _FADE_IN_SECONDS, 0, 1) * np.clip((duration_seconds - at) / _FADE_OUT_SECONDS, 0, 1)
            loud = np.tanh(part * fade[:, None]) * _PEAK
            file.writeframes((loud * 32767).astype("<i2").tobytes())
            done += len(part)
            if done >= total:
                return


def _blocks(score: Score, duration_seconds: float) -> Iterator[Sound]:
    """One chord after another, each with what still sounds of those before."""
    draw = np.random.default_rng([score.seed, 4])
    length = round(score.chord_seconds * SAMPLE_RATE_HZ)
    room = _room(np.random.default_rng([score.seed, 5]))
    size = 1 << (2 * length + len(room)).bit_length()
    room_spectrum = np.fft.rfft(room, size, axis=0)
    count = int(duration_seconds / score.chord_seconds) + 2
    tail: Sound = np.zeros((0, 2), dtype=np.float32)
    for index in range(count):
        is_last = (index + 1) * score.chord_seconds >= duration_seconds
        dry = _chord(score, index, length, draw, is_last)
        wet = np.fft.irfft(np.fft.rfft(dry, size, axis=0) * room_spectrum, size, axis=0)
        sound = wet[: 2 * length + len(room)].astype(np.float32)
        sound[: len(dry)] += 0.75 * dry
        sound[: len(tail)] += tail
        tail = sound[length:]
        yield sound[:length]


def _chord(score: Score, index: int, length: int, draw: np.random.Generator, is_last: bool) -> Sound:
    """One chord with the figure above it; sounds on into the next one, so it is twice as long."""
    progression = _CHORDS[score.progression]
    degrees = progression[0] if is_last else progression[index % len(progression)]
    root = _KEYS[score.key]
    sound = np.zeros((2 * length, 2), dtype=np.float32)
    for number, degree in enumerate(degrees):
        pan = 0.5 + 0.32 * (-1) ** number * (number + 1) / len(degrees)
        _add(sound, 0, _pad(_hertz(root + _pitch(degree)), length, draw), 0.085, pan)
    _add(sound, 0, _bass(_hertz(root + _pitch(degrees[0]) - 12), length), 0.16, 0.5)
    beat = length // 8
    notes = draw.permutation(np.array([*degrees, degrees[1] + 7, degrees[2] + 7]))
    first = 8 if index == 0 else 0  # the figure comes in after the first chord has opened
    for step in () if is_last else range(first, 16):
        _pluck_maybe(sound, step * beat // 2, root, int(notes[step % len(notes)]), step, draw)
    return sound


def _pluck_maybe(sound: Sound, start: int, root: int, degree: int, step: int, draw: np.random.Generator) -> None:
    chance = 0.85 if step % 4 == 0 else 0.5 if step % 2 == 0 else 0.28
    loud, pan = 0.07 * float(draw.uniform(0.6, 1.0)), float(draw.uniform(0.25, 0.75))
    if draw.random() < chance:
        late = int(draw.uniform(0, 0.012) * SAMPLE_RATE_HZ)
        _add(sound, start + late, _pluck(_hertz(root + _pitch(degree) + 12)), loud, pan)


def _pitch(degree: int) -> int:
    return 12 * (degree // 7) + _MAJOR[degree % 7]


def _hertz(note: int) -> float:
    return float(440.0 * 2 ** ((note - 69) / 12))


def _add(sound: Sound, start: int, part: Sound, gain: float, pan: float) -> None:
    end = min(len(sound), start + len(part))
    angle = pan * np.pi / 2
    sound[start:end, 0] += part[: end - start] * np.float32(gain * np.cos(angle))
    sound[start:end, 1] += part[: end - start] * np.float32(gain * np.sin(angle))


def _pad(hertz: float, length: int, draw: np.random.Generator) -> Sound:
    """A soft, slowly swelling tone of a few detuned voices whose upper partials come and go."""
    at = np.arange(2 * length, dtype=np.float32) / SAMPLE_RATE_HZ
    whole = length / SAMPLE_RATE_HZ
    tone = np.zeros_like(at)
    for cents in (-6.0, 0.5, 6.5):
        phase = 2 * np.pi * hertz * 2 ** (cents / 1200) * at + float(draw.uniform(0, 2 * np.pi))
        for partial in (1, 2, 3, 4):
            breath = 0.6 + 0.4 * np.sin(2 * np.pi * at / (whole * (0.9 + 0.2 * partial)) + partial)
            tone += np.sin(partial * phase) * (breath / partial**2.1)
    swell = np.clip(at / (0.38 * whole), 0, 1) ** 1.5 * np.clip((1.75 * whole - at) / (0.8 * whole), 0, 1) ** 1.5
    return np.asarray(tone * swell * 0.5, dtype=np.float32)


def _bass(hertz: float, length: int) -> Sound:
    at = np.arange(2 * length, dtype=np.float32) / SAMPLE_RATE_HZ
    whole = length / SAMPLE_RATE_HZ
    tone = np.sin(2 * np.pi * hertz * at) + 0.25 * np.sin(4 * np.pi * hertz * at)
    swell = np.clip(at / 0.25, 0, 1) * np.clip((1.15 * whole - at) / (0.4 * whole), 0, 1)
    return np.asarray(tone * swell, dtype=np.float32)


def _pluck(hertz: float) -> Sound:
    """A small bell-like string: bright at first, and quickly softer."""
    at = np.arange(int(1.9 * SAMPLE_RATE_HZ), dtype=np.float32) / SAMPLE_RATE_HZ
    tone = np.sin(2 * np.pi * hertz * at) * np.exp(-2.4 * at)
    tone += 0.32 * np.sin(2 * np.pi * 2.001 * hertz * at) * np.exp(-5 * at)
    tone += 0.12 * np.sin(2 * np.pi * 3.003 * hertz * at) * np.exp(-9 * at)
    return np.asarray(tone * np.clip(at / 0.006, 0, 1), dtype=np.float32)


def _room(draw: np.random.Generator) -> Sound:
    """What a large, soft room answers to a clap: noise that dies away, its treble first."""
    length = int(_ROOM_SECONDS * SAMPLE_RATE_HZ)
    at = np.arange(length) / SAMPLE_RATE_HZ
    noise = draw.normal(0, 1, (length, 2))
    spectrum = np.fft.rfft(noise, axis=0)
    hertz = np.fft.rfftfreq(length, 1 / SAMPLE_RATE_HZ)
    spectrum *= (1 / (1 + (hertz / 2200) ** 2) * (hertz > 120))[:, None]
    soft = np.fft.irfft(spectrum, length, axis=0) * np.exp(-2.6 * at)[:, None] * np.clip(at / 0.02, 0, 1)[:, None]
    return np.asarray(soft / np.sqrt((soft**2).sum(axis=0)) * 0.55, dtype=np.float32)
