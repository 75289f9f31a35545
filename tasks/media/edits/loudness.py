"""Set how loud the whole is, by EBU R 128: with one gain, and a limiter only where peaks would pass their ceiling.

It takes two passes: the first decodes and edits the sound alone, which is cheap.
"""

from dataclasses import dataclass, replace
from typing import Any

from data.domain.edits import LoudnessOptions
from tasks.media.edits.footage import AUDIO_RATE_HZ, Footage, lasting

_OVERSAMPLED_HZ = 4 * AUDIO_RATE_HZ
"""Peaks between samples are seen at this rate."""
_LIMITER_MARGIN_DB = 0.2
_MOST_LIMITED_DB = 12.0
"""A limiter that takes more off the peaks than this is heard."""
_CLOSE_LU = 0.25
_LIMITER_SHARE = 1.3
"""A limiter takes some of what is added: so much has to be added for each decibel that is missing."""
_NOTHING_DB = 0.05


@dataclass(frozen=True)
class Loudness:
    """How loud a sound was found to be."""

    integrated_lufs: float | None
    """``None``: silent, or too short to tell."""
    true_peak_dbtp: float | None
    """``None`` where the loudness is, too."""


@dataclass(frozen=True)
class Gain:
    """What is done to a sound."""

    gain_db: float
    ceiling_dbtp: float | None = None
    """Where peaks are held; ``None``: they stay below by themselves."""


def measured(sound: Any) -> Any:
    """Return sound whose way through the filters measures it."""
    return sound.filter("ebur128", peak="true", framelog="quiet")


def gain(options: LoudnessOptions, found: Loudness) -> Gain:
    """Return what brings a sound to the target, before any limiter takes some of that away again."""
    if options.target_lufs is None or found.integrated_lufs is None or found.true_peak_dbtp is None:
        return Gain(0.0)
    gain_db, room_db = options.target_lufs - found.integrated_lufs, options.true_peak_dbtp - found.true_peak_dbtp
    if gain_db <= room_db:
        return Gain(gain_db)
    return Gain(min(gain_db, room_db + _MOST_LIMITED_DB), options.true_peak_dbtp)


def raised(options: LoudnessOptions, found: Loudness, change: Gain, reached: Loudness) -> Gain | None:
    """Return a larger gain where a limiter left a sound quieter than its target; ``None`` if there is none.

    Args:
        options: What is wanted.
        found: How loud the sound is without a change.
        change: What was tried.
        reached: How loud it became.
    """
    assert found.true_peak_dbtp is not None
    if change.ceiling_dbtp is None or options.target_lufs is None or reached.integrated_lufs is None:
        return None
    most = options.true_peak_dbtp - found.true_peak_dbtp + _MOST_LIMITED_DB
    missing = options.target_lufs - reached.integrated_lufs
    more = min(change.gain_db + _LIMITER_SHARE * missing, most)
    return Gain(more, change.ceiling_dbtp) if more > change.gain_db + _CLOSE_LU else None


def note(options: LoudnessOptions, found: Loudness, change: Gain, reached: Loudness) -> str:
    """Say in a sentence what was done.

    Args:
        options: What was wanted.
        found: How loud the sound was.
        change: What is done to it.
        reached: How loud it becomes.
    """
    if found.integrated_lufs is None or reached.integrated_lufs is None:
        return "The loudness was left as it is: the sound is silent, or too short to measure."
    said = f"The loudness was changed from {found.integrated_lufs:.1f} to {reached.integrated_lufs:.1f} LUFS"
    if change.ceiling_dbtp is None:
        return f"{said}."
    said += f", with peaks held at {change.ceiling_dbtp:g} dBTP"
    assert options.target_lufs is not None
    if reached.integrated_lufs < options.target_lufs - _CLOSE_LU:
        return f"{said}; {options.target_lufs:g} LUFS would have taken more than {_MOST_LIMITED_DB:g} dB off them."
    return f"{said}."


def applied(change: Gain, footage: Footage) -> Footage:
    """Change the volume."""
    sound = footage.sound
    if sound is None or (abs(change.gain_db) < _NOTHING_DB and change.ceiling_dbtp is None):
        return footage
    sound = sound.filter("volume", f"{change.gain_db:.3f}dB")
    if change.ceiling_dbtp is not None:
        limit = 10 ** ((change.ceiling_dbtp - _LIMITER_MARGIN_DB) / 20)
        sound = (
            sound.filter("aresample", _OVERSAMPLED_HZ)
            .filter("alimiter", limit=f"{limit:.6f}", level=0, latency=1)
            .filter("aresample", AUDIO_RATE_HZ)
            .filter("aformat", sample_fmts="fltp", channel_layouts="stereo")
        )
    return replace(footage, sound=lasting(sound, footage.shape.sample_count))
