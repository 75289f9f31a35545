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
_BLUR_EVERY_SECONDS = 0.5
_FRACTIONS = 256
"""Of one of 255 greys, that a blurred picture is told by."""


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

    def look(self, look: Look) -> tuple[Measures, list[Event]]:
        """Take the next frame and return its measures, and what is over."""
        grey, frame, now = look.grey, look.frame, look.at_seconds
        mean = float(cv2.mean(grey)[0]) / 255
        is_black = mean < _DIM and _share(grey <= _BLACK) >= _BLACK_SHARE
        changes = None if self._before is None else cv2.absdiff(self._before, grey)
        is_frozen = not is_black and self._is_frozen(grey, changes)
        # The first picture may be the first of a rest, or not: what lasts throughout is frozen in all others.
        is_open = self._count == 0 and not is_black
        if self._count % self._blur_frames == 0:
            self._is_blurred = blur(grey) > _BLURRED
        events = self._black.look(is_black, frame, now)
        events += [] if is_open else self._freeze.look(is_frozen, frame, now)
        events += self._blur.look(self._is_blurred and not is_black, frame, now)
        events += self._over.look(mean > _BRIGHT and _share(grey >= _CLIPPED) > _CLIPPED_SHARE, frame, now)
        is_dark = not is_black and mean < _DIM and _share(grey < _DARK) > _DARK_SHARE
        is_dark = is_dark and _share(grey > _LIT) < _LIT_SHARE
        events += self._under.look(is_dark, frame, now)
        motion = 0.0 if changes is None else _changed(changes, _MOTION)
        measures = Measures(motion, sharpness(grey), mean)
        self._before = grey
        self._count += 1
        return measures, self._stillness.look(look.cells, now, events)

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

    def _is_frozen(self, grey: Picture, changes: Any) -> bool:
        """Say whether the picture is the one that it began to rest with; so that what moves slowly is not frozen."""
        if self._resting is not None:
            differences = changes if self._resting is self._before else cv2.absdiff(self._resting, grey)
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
    picture = grey.astype(np.uint16)
    picture *= _FRACTIONS
    return max(_kept(picture, (9, 1), np.s_[:, 1:], np.s_[:, :-1]), _kept(picture, (1, 9), np.s_[1:], np.s_[:-1]))


def _kept(picture: NDArray[np.uint16], window: tuple[int, int], after: Any, before: Any) -> float:
    blurred = cv2.blur(picture, window)
    steps = cv2.absdiff(picture[after], picture[before])
    lost = cv2.subtract(steps, cv2.absdiff(blurred[after], blurred[before]))  # not below 0
    total = cv2.sumElems(steps)[0]
    return 1 - cv2.sumElems(lost)[0] / total if total > 0 else 0.0


def _share(mask: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(mask)) / mask.size


def _changed(differences: Any, by: Any) -> float:
    return cv2.countNonZero(cv2.compare(differences, by, cv2.CMP_GT)) / int(differences.size)
