"""What a technician would see: black, frozen, blurred and badly exposed pictures, with from when to when."""

from math import log1p
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from data.domain.analysis import Event, EventKind
from tasks.models.analysis.detections import Look
from tasks.models.analysis.plan import Picture
from tasks.models.analysis.spells import Spell
from tasks.models.analysis.stillness import Stillness

_BLACK, _BLACK_SHARE = 26, 0.98
_MOVED = 12  # of 255: more than what coding changes
_MOVED_SHARE = 5e-5
_MOTION = 18
_CLIPPED, _CLIPPED_SHARE, _BRIGHT = 250, 0.3, 0.7
_DARK, _DARK_SHARE, _DIM = 40, 0.85, 0.14
_LIT, _LIT_SHARE = 120, 0.005
"""Where more is lit, the rest is meant to be dark."""
_BLURRED = 0.55
_LEAST_CONTRAST = 12.0
_BLUR_EVERY_SECONDS, _SHARPNESS_EVERY_SECONDS = 0.5, 0.2
_WINDOW = 9
"""Pixels in a row of which a blurred one is the mean."""
_REACH = _WINDOW // 2


class Measures(NamedTuple):
    """Numbers of one frame; see :class:`tasks.models.analysis.sink.FrameRow`."""

    motion: float
    sharpness: float
    brightness: float


class PictureChecks:
    """Measures every frame and notes what lasts; lives as long as one analysis."""

    def __init__(self, rate: float) -> None:
        self._black = Spell(EventKind.BLACK, 0.5)
        self._freeze = Spell(EventKind.FREEZE, 2.0)
        self._blur = Spell(EventKind.BLUR, 1.0)
        self._over = Spell(EventKind.OVEREXPOSED, 1.0)
        self._under = Spell(EventKind.UNDEREXPOSED, 1.0)
        self._stillness = Stillness()
        self._before: Picture | None = None
        self._resting: Picture | None = None
        self._blur_frames = max(1, round(_BLUR_EVERY_SECONDS * rate))
        self._count = 0
        self._is_blurred = False
        self._sharpness_frames = max(1, round(_SHARPNESS_EVERY_SECONDS * rate))
        self._sharpness = 0.0
        self._states: tuple[bool | None, ...] = (None,) * len(self._spells)
        """Of each spell, whether it was so in the last frame; ``None`` before the first that counts."""

    def look(self, look: Look) -> tuple[Measures, list[Event]]:
        """Take the next frame and return its measures, and what is over."""
        grey, frame, now = look.grey, look.frame, look.at_seconds
        mean = float(cv2.mean(grey)[0]) / 255
        is_black = mean < _DIM and _share(grey <= _BLACK) >= _BLACK_SHARE
        changes = None if self._before is None else cv2.absdiff(self._before, grey)
        motion = 0.0 if changes is None else _changed(changes, _MOTION)
        is_frozen = not is_black and self._is_frozen(grey, changes, motion)
        # The first picture may be the first of a rest, or not: what lasts throughout is frozen in all others.
        is_open = self._count == 0 and not is_black
        if self._count % self._blur_frames == 0:
            self._is_blurred = blur(grey) > _BLURRED
        is_over = mean > _BRIGHT and _share(grey >= _CLIPPED) > _CLIPPED_SHARE
        is_dark = not is_black and mean < _DIM and _share(grey < _DARK) > _DARK_SHARE
        is_dark = is_dark and _share(grey > _LIT) < _LIT_SHARE
        is_blurred = self._is_blurred and not is_black
        events = self._noted((is_black, None if is_open else is_frozen, is_blurred, is_over, is_dark), frame, now)
        if self._count % self._sharpness_frames == 0:
            self._sharpness = sharpness(grey)
        measures = Measures(motion, self._sharpness, mean)
        self._before = grey
        self._count += 1
        return measures, self._stillness.look(look.cells, now, events)

    def _noted(self, states: tuple[bool | None, ...], frame: int, at_seconds: float) -> list[Event]:
        """Tell spells what has changed for them and return what is over."""
        before, self._states = self._states, states
        if states == before:
            return []
        told = zip(self._spells, before, states, strict=True)
        return [
            event
            for spell, was_so, is_so in told
            if is_so is not None and is_so is not was_so
            for event in spell.look(is_so, frame, at_seconds)
        ]

    def end(self, at_seconds: float) -> list[Event]:
        """End the video and return what lasted to its end."""
        events = [event for spell in self._spells for event in spell.end(at_seconds)]
        return self._stillness.end(events, at_seconds, is_frozen=self._freeze.is_throughout)

    @property
    def throughout(self) -> tuple[EventKind, ...]:
        """What was so from the first to the last frame; known at the end."""
        still = self._stillness.kinds
        return tuple(spell.kind for spell in self._spells if spell.is_throughout or spell.kind in still)

    @property
    def _spells(self) -> tuple[Spell, ...]:
        return self._black, self._freeze, self._blur, self._over, self._under

    def _is_frozen(self, grey: Picture, changes: Any, motion: float) -> bool:
        """Say whether the picture is the one that it began to rest with; so that what moves slowly is not frozen."""
        if self._resting is not None:
            is_before = self._resting is self._before
            # What differs by much, differs.
            if not (is_before and motion > _MOVED_SHARE):
                differences = changes if is_before else cv2.absdiff(self._resting, grey)
                if _changed(differences, _MOVED) <= _MOVED_SHARE:
                    return True
        self._resting = grey
        return False


def sharpness(grey: Picture) -> float:
    """Return the natural logarithm of 1 + the variance of the Laplacian of a grey picture."""
    return log1p(_variance(cv2.Laplacian(grey, cv2.CV_16S)))


def _variance(values: Any) -> float:
    """Return what ``cv2.meanStdDev`` takes twenty times as long for."""
    return max(0.0, cv2.norm(values, cv2.NORM_L2SQR) / int(values.size) - cv2.mean(values)[0] ** 2)


def blur(grey: Picture) -> float:
    """Return how blurred a picture is, 0–1; 0 where there is too little in it to tell.

    A picture that is blurred already hardly loses detail when it is blurred again (Crete et al., 2007).
    """
    if _variance(grey) < _LEAST_CONTRAST**2:
        return 0.0
    framed = cv2.copyMakeBorder(grey, *(_REACH,) * 4, cv2.BORDER_REFLECT_101)
    across, down = framed[_REACH:-_REACH], framed[:, _REACH:-_REACH]
    return max(
        _kept(cv2.absdiff(grey[:, 1:], grey[:, :-1]), cv2.absdiff(across[:, _WINDOW:], across[:, :-_WINDOW])),
        _kept(cv2.absdiff(grey[1:], grey[:-1]), cv2.absdiff(down[_WINDOW:], down[:-_WINDOW])),
    )


def _kept(steps: Any, blurred_steps: Any) -> float:
    """Return the share that is left of the steps from pixel to pixel.

    Args:
        steps: Of the picture.
        blurred_steps: The same, nine times as large, of the blurred one: two means of nine pixels, of which eight are
            of both, differ by a ninth of how much the other two do.
    """
    total = cv2.sumElems(steps)[0]
    if not total:
        return 0.0
    as_large = cv2.convertScaleAbs(steps, alpha=_WINDOW)  # 255 at most, as the other one
    return cv2.sumElems(cv2.min(as_large, blurred_steps))[0] / (_WINDOW * total)


def _share(mask: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(mask)) / mask.size


def _changed(differences: Any, by: Any) -> float:
    # Takes half as long as to compare them.
    return cv2.countNonZero(cv2.threshold(differences, by, 255, cv2.THRESH_BINARY)[1]) / int(differences.size)
