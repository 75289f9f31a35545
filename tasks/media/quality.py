"""Search for the quality setting that gives a wanted VMAF: which to try next, and when it is found; pure.

What is tried and measured is :mod:`tasks.media.quality_trials`' part. Settings are on x264's scale, whatever the codec.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_TRIALS = 4
SAMPLE_COUNT = 4
SAMPLE_SECONDS = 1.5
NEAR_ENOUGH = 0.4
"""VMAF: what is nearer to the target than this is taken. Two samples of one film differ by more."""
LEAST_SIDE = 32
"""Pixels: of pictures of 16 lines libvmaf dies, and what it says of tiny ones means nothing."""
SEARCH_EFFORT = 8.0
"""How many times as long as the encode of the samples the search takes, about: for progress."""

_LOWEST_CRF, _HIGHEST_CRF = 10.0, 45.0
_CRF_STEP = 0.5
_LONGEST_LEAP = 10.0
_USUAL_SLOPE = -1.4
"""VMAF for each step of CRF, as long as only one trial is known."""
_AT_THE_CAP = 0.9
"""A trial that takes this share of its bitrate cap gains nothing from a lower CRF."""


@dataclass(frozen=True)
class Trial:
    """What one setting came to, on the samples."""

    crf: float
    """On x264's scale."""
    vmaf: float
    kbps: float


@dataclass(frozen=True)
class RungQuality:
    """The setting that was found for a rung."""

    rung: str
    crf: float
    vmaf: float
    """Of the samples, at that setting."""
    is_capped: bool
    """The bitrate cap keeps it from the target."""
    trials: tuple[Trial, ...]

    @property
    def sentence(self) -> str:
        """What was found, for a person."""
        capped = ", held down by its bitrate cap" if self.is_capped else ""
        return f"{self.rung}: CRF {self.crf:g} for a VMAF of {self.vmaf:.1f}{capped}, after {len(self.trials)} trials."


def sample_starts(duration_seconds: float) -> tuple[float, ...]:
    """Return where the samples begin (seconds): evenly spread, one from the beginning where they would touch."""
    if duration_seconds <= SAMPLE_COUNT * SAMPLE_SECONDS:
        return (0.0,)
    middle = duration_seconds / SAMPLE_COUNT
    return tuple(round((index + 0.5) * middle - SAMPLE_SECONDS / 2, 3) for index in range(SAMPLE_COUNT))


def next_crf(trials: Sequence[Trial], target: float, max_kbps: float, first: float) -> float | None:
    """Return the setting to try next; ``None`` when the best is known, or enough was tried.

    Args:
        trials: What was tried so far.
        target: The wanted VMAF.
        max_kbps: The rung's cap.
        first: Where to begin.
    """
    if not trials:
        return _stepped(first)
    nearest = nearest_trial(trials, target)
    if len(trials) >= MOST_TRIALS or abs(nearest.vmaf - target) <= NEAR_ENOUGH or is_capped(nearest, target, max_kbps):
        return None
    better = max((each for each in trials if each.vmaf >= target), key=lambda each: each.crf, default=None)
    worse = min((each for each in trials if each.vmaf < target), key=lambda each: each.crf, default=None)
    if better and worse:
        share = (better.vmaf - target) / (better.vmaf - worse.vmaf)
        wanted = better.crf + share * (worse.crf - better.crf)
    else:
        leap = (target - nearest.vmaf) / _slope(trials)
        wanted = nearest.crf + max(-_LONGEST_LEAP, min(_LONGEST_LEAP, leap))
    crf = _stepped(wanted)
    return None if any(each.crf == crf for each in trials) else crf


def nearest_trial(trials: Sequence[Trial], target: float) -> Trial:
    """Return the trial that came nearest to the target."""
    return min(trials, key=lambda each: (abs(each.vmaf - target), each.crf))


def is_capped(trial: Trial, target: float, max_kbps: float) -> bool:
    """Say whether the cap, and not the setting, kept a trial from the target."""
    return trial.vmaf < target - NEAR_ENOUGH and trial.kbps >= _AT_THE_CAP * max_kbps


def _slope(trials: Sequence[Trial]) -> float:
    first, last = min(trials, key=lambda each: each.crf), max(trials, key=lambda each: each.crf)
    if first.crf == last.crf:
        return _USUAL_SLOPE
    return min(-0.2, (last.vmaf - first.vmaf) / (last.crf - first.crf))


def _stepped(crf: float) -> float:
    return max(_LOWEST_CRF, min(_HIGHEST_CRF, round(crf / _CRF_STEP) * _CRF_STEP))
