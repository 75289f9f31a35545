"""One look over all frames before any is changed: cuts, faces, and what there is to see where.

What follows needs the whole shot: a camera path that does not sway, a face that is hidden before it is found. So the
pictures are decoded small, once, and only numbers are kept of them.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect import AdaptiveDetector, FrameTimecode

from tasks.media.camera import PLACES, Glance, Profile, bump
from tasks.models.faces import FaceBox, Picture, find_faces
from tasks.models.shots import MIN_SHOT_SECONDS

_GLANCES_PER_SECOND = 5
_SURE_FACE = 0.5
_FACE_WEIGHT, _SALIENCY_WEIGHT, _MOTION_WEIGHT, _CENTRE_WEIGHT = 1.0, 0.6, 0.4, 0.05
_SALIENT_SHARES = (0.004, 0.6)
"""Less of the picture that stands out is noise, more of it is no subject."""
_SALIENT = 0.5
_SMALL_WIDTH = 160
_NO_PICTURE = np.empty((0, 0, 3), np.uint8)
_MOVED = 18  # of 255
_MOVING_BONUS = 4.0
_MOVING_SHARES = (0.002, 0.35)
"""More of the picture that moves, the camera's own motion taken out, is a change of everything."""
_SLOWLY = 5
"""Looks, that pictures are apart which tell what moves slowly."""
_CORNERS, _LEAST_CORNERS = 150, 12
_AGREEING = 0.5
"""Share of the corners that must move alike, before that is the camera."""
_SPREAD = 0.45
"""Of the picture's width and height, that most of them must reach over."""
_CORNER_SPREAD, _EDGE = 0.3, 0.06
"""Or so far, if they come so near to two edges that meet."""
_REMEMBERED_SECONDS = 3.0
"""For about so long before it sets off, and after it came to rest, what moves counts as if it did."""


@dataclass(frozen=True)
class SurveyModels:
    """What is to be looked for, by which models; ``None`` looks for nothing of the kind."""

    faces: Path
    saliency: Path | None = None
    """For what there is to see where; only where no face is."""
    every_face: bool = False
    """Look for faces in every frame, and as hard as possible."""
    threads: int = 0


@dataclass(frozen=True, eq=False)
class Survey:
    """What a look over all frames found."""

    frame_count: int
    cuts: tuple[int, ...]
    """Frames at which shots begin, without the first."""
    faces: tuple[tuple[FaceBox, ...], ...]
    """In each frame, in pixels of the surveyed size; empty where every face was not asked for."""
    glances: tuple[Glance, ...]
    """Along the axis that was asked for; none when there was none."""


@dataclass(frozen=True)
class SurveyPlan:
    """What a survey is to give."""

    models: SurveyModels
    frame_rate: Fraction
    min_score: float
    """Of faces that are to be hidden."""
    axis: int | None = None
    """Along which glances are wanted: 0 across the picture, 1 down; ``None`` for none."""


def survey(pictures: Iterable[Picture], plan: SurveyPlan, on_frame: Callable[[int], None]) -> Survey:
    """Look over all frames.

    Args:
        pictures: All frames, small (height × width × 3, BGR).
        plan: What is wanted.
        on_frame: Told after each frame how many were looked at.

    Raises:
        ModelMissingError: A model is not there.
    """
    cuts = Cuts(plan.frame_rate)
    glancing = _Glancing(plan)
    step = max(1, round(plan.frame_rate / _GLANCES_PER_SECOND))
    faces: list[tuple[FaceBox, ...]] = []
    before: Picture | None = None
    count = 0
    for picture in pictures:
        cuts.look(count, picture)
        is_glance = plan.axis is not None and count % step == 0
        found: tuple[FaceBox, ...] = ()
        if plan.models.every_face:
            # A variable rate made constant, or film as television, shows the same picture more than once.
            is_same = before is not None and np.array_equal(picture, before)
            found = faces[-1] if is_same else _every_face(picture, plan)
            faces.append(found)
            before = picture
        elif is_glance:
            found = find_faces(picture, plan.models.faces, _SURE_FACE)
        if is_glance:
            glancing.look(count, picture, tuple(face for face in found if face.score >= _SURE_FACE))
        count += 1
        on_frame(count)
    return Survey(count, tuple(cuts.found), tuple(faces), glancing.glances(cuts.found))


def _every_face(picture: Picture, plan: SurveyPlan) -> tuple[FaceBox, ...]:
    return find_faces(picture, plan.models.faces, plan.min_score, long_side=max(picture.shape[:2]))


class _CutDetector(AdaptiveDetector):  # type: ignore[misc]
    """The library's detector, told what it else measures of every frame."""

    _score = 0.0

    def judge(self, frame: int, score: float) -> list[int]:
        """Take by how much hue, saturation and value (0–255) of a picture's pixels differ from the one before."""
        self._score = score
        # It only counts them: numbers do, and no more is made of each.
        return cast(list[int], self.process_frame(cast(FrameTimecode, frame), _NO_PICTURE))

    def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: Picture) -> float:
        return self._score


class Cuts:
    """Finds where one picture cuts to another, as :mod:`tasks.models.shots` does, in frames that are given to it."""

    def __init__(self, frame_rate: Fraction) -> None:
        self.found: list[int] = []
        self._detector = _CutDetector(min_scene_len=max(1, round(MIN_SHOT_SECONDS * frame_rate)))
        self._before: Picture | None = None

    def look(self, frame: int, picture: Picture) -> None:
        """Take the next frame, by its number."""
        scale = min(1.0, 2 * _SMALL_WIDTH / picture.shape[1])
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
        self.look_together([frame], np.asarray(small))

    def look_together(self, frames: Sequence[int], pictures: Picture) -> None:
        """Take the next frames: by their numbers, small, one below the other."""
        now = np.asarray(cv2.cvtColor(pictures, cv2.COLOR_BGR2HSV), np.uint8)
        rows = len(now) // len(frames)
        first = now[:rows] if self._before is None else self._before
        differences = cv2.absdiff(np.concatenate([first, now[:-rows]]), now)
        self._before = now[-rows:]
        for place, frame in enumerate(frames):
            score = sum(cv2.mean(differences[place * rows : (place + 1) * rows])) / 3
            self.found += self._detector.judge(frame, score)


@dataclass(frozen=True, eq=False)
class _Sight:
    """What one look found, each as a profile; ``None`` where there was nothing of the kind."""

    frame: int
    face: Profile | None
    salient: Profile | None
    motion: Profile | None


class _Glancing:
    """Tells how much there is to see where: faces first, then what moves, then what stands out, then the middle."""

    def __init__(self, plan: SurveyPlan) -> None:
        self._sights: list[_Sight] = []
        self._models = plan.models
        self._axis = plan.axis or 0
        self._memory_frames = _REMEMBERED_SECONDS * float(plan.frame_rate)
        self._greys: deque[Picture] = deque(maxlen=2 * _SLOWLY + 1)
        """Of the last looks, small: what moves slowly is told by pictures that are further apart."""
        self._salient: tuple[int, Profile | None] | None = None

    def look(self, frame: int, picture: Picture, faces: tuple[FaceBox, ...]) -> None:
        self._note_grey(picture)
        motion = self._motion()
        if faces:
            self._salient = None
            self._sights.append(_Sight(frame, self._face_profile(faces, picture), None, motion))
        else:
            self._sights.append(_Sight(frame, None, self._saliency(picture), motion))
        self._note_slow_motion()

    def glances(self, cuts: Sequence[int]) -> tuple[Glance, ...]:
        """Return what was seen, known from the whole shot: what rests now has moved, or is about to."""
        found: list[Glance] = []
        for start, end in pairwise([0, *cuts, sys.maxsize]):
            shot = [sight for sight in self._sights if start <= sight.frame < end]
            found += [self._glance(sight, shot) for sight in shot]
        return tuple(found)

    def _glance(self, sight: _Sight, shot: Sequence[_Sight]) -> Glance:
        if sight.face is not None:
            return Glance(sight.frame, sight.face, _FACE_WEIGHT)
        moved = self._remembered(sight, shot)
        if sight.salient is not None:
            # What moves in front of a still background is looked at, whatever stands out behind it.
            weight = _SALIENCY_WEIGHT if moved is None else _FACE_WEIGHT
            profile = sight.salient / sight.salient.sum() + (0.0 if moved is None else _MOVING_BONUS * moved)
            return Glance(sight.frame, profile, weight)
        if moved is not None:
            return Glance(sight.frame, moved, _MOTION_WEIGHT)
        return Glance(sight.frame, bump(0.5, 0.3), _CENTRE_WEIGHT)

    def _remembered(self, sight: _Sight, shot: Sequence[_Sight]) -> Profile | None:
        """What moves at a look; where nothing does, what did last and what does next, the longer ago the weaker."""
        if sight.motion is not None:
            return np.asarray(sight.motion / sight.motion.sum())
        last = next((one for one in reversed(shot) if one.frame < sight.frame and one.motion is not None), None)
        following = next((one for one in shot if one.frame > sight.frame and one.motion is not None), None)
        found = np.zeros(PLACES)
        for other in (last, following):
            if other is not None and other.motion is not None:
                age = abs(other.frame - sight.frame) / self._memory_frames
                found += np.exp(-age) * other.motion / other.motion.sum()
        return found if found.any() else None

    def _face_profile(self, faces: tuple[FaceBox, ...], picture: Picture) -> Profile:
        """Large faces count more; a face comes with the head and shoulders around it."""
        extent = picture.shape[1 - self._axis]
        profile = np.zeros(PLACES)
        for face in faces:
            start, length = (face.left, face.width) if self._axis == 0 else (face.top, face.height)
            profile += face.area * face.score * bump((start + length / 2) / extent, length / extent)
        return profile

    def _saliency(self, picture: Picture) -> Profile | None:
        """Only every other time, since it takes long; what was seen last holds meanwhile."""
        if self._models.saliency is None:
            return None
        if self._salient is not None and self._salient[0] == len(self._sights) - 1:
            return self._salient[1]
        from tasks.models.cutout import saliency  # with onnxruntime: only for those who look

        mask = saliency(picture, self._models.saliency, self._models.threads)
        least, most = _SALIENT_SHARES
        is_subject = least <= float((mask > _SALIENT).mean()) <= most
        profile = self._along(np.where(mask > _SALIENT, mask, 0)) if is_subject else None
        self._salient = (len(self._sights), profile)
        return profile

    def _note_grey(self, picture: Picture) -> None:
        height, width = picture.shape[:2]
        size = (_SMALL_WIDTH, max(1, round(height * _SMALL_WIDTH / width)))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        self._greys.append(np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8))

    def _motion(self) -> Profile | None:
        """What moved since the last look."""
        if len(self._greys) < 2:
            return None
        return self._moving(_moved(self._greys[-2], self._greys[-1]))

    def _note_slow_motion(self) -> None:
        """Add what moves slowly to three looks: it is there and in neither of two pictures that are a second apart."""
        if len(self._greys) < 2 * _SLOWLY + 1:
            return
        looks = {len(self._sights) - 1 - back: self._greys[-1 - back] for back in (0, _SLOWLY, 2 * _SLOWLY)}
        for look, grey in looks.items():
            one, other = (each for place, each in looks.items() if place != look)
            slow = self._moving(_moved(one, grey) & _moved(other, grey))
            if slow is not None:
                known = self._sights[look].motion
                motion = slow / slow.sum() + (0.0 if known is None else known / known.sum())
                self._sights[look] = replace(self._sights[look], motion=motion)

    def _moving(self, moved: NDArray[np.bool_]) -> Profile | None:
        least, most = _MOVING_SHARES
        return self._along(moved.astype(np.float64)) if least <= float(moved.mean()) <= most else None

    def _along(self, values: NDArray[Any]) -> Profile:
        """Sum a map of the picture over the other axis, in as many places as a profile has."""
        line = values.sum(axis=self._axis, dtype=np.float64)
        places = cv2.resize(line[None, :], (PLACES, 1), interpolation=cv2.INTER_AREA)
        return np.asarray(places, dtype=np.float64).reshape(PLACES)


def _moved(before: Picture, now: Picture) -> NDArray[np.bool_]:
    """Where two small grey pictures differ once the camera's own motion between them is taken out."""
    size = (now.shape[1], now.shape[0])
    camera = camera_motion(before, now)
    steady = cv2.warpAffine(before, camera, size, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.warpAffine(np.full_like(before, 255), camera, size) == 255  # the rest came in with the camera
    return np.asarray((np.asarray(cv2.absdiff(now, steady)) > _MOVED) & seen)


def camera_motion(before: Picture, now: Picture) -> NDArray[np.float64]:
    """Return how most of a small grey picture shifted, turned and grew, as a 2 × 3 matrix; none if unclear."""
    still = np.eye(2, 3)
    corners = cv2.goodFeaturesToTrack(before, _CORNERS, 0.01, 5)
    if corners is None or len(corners) < _LEAST_CORNERS:
        return still
    tracked, is_found, _ = cv2.calcOpticalFlowPyrLK(before, now, corners, np.empty_like(corners))
    kept = is_found.ravel() == 1
    if kept.sum() < _LEAST_CORNERS:
        return still
    matrix, agreeing = cv2.estimateAffinePartial2D(corners[kept], tracked[kept], ransacReprojThreshold=1.0)
    if matrix is None or agreeing.mean() < _AGREEING:
        return still
    places = corners[kept][agreeing.ravel() == 1, 0] / (now.shape[1], now.shape[0])
    return np.asarray(matrix, dtype=np.float64) if _is_surroundings(places) else still


def _is_surroundings(places: NDArray[Any]) -> bool:
    """Say whether what moves alike is what the subject is in front of: it reaches far, or out of the picture.

    Where only the subject has corners, they move with it and not with the camera; it stands on the picture's lower
    edge perhaps, but does not leave the picture at a side as well.

    Args:
        places: Corners (n × 2), as shares of the picture's width and height.
    """
    reach = np.subtract(*np.percentile(places, (90, 10), axis=0)).min()
    if reach >= _SPREAD:
        return True
    nearest = np.minimum(places.min(axis=0), 1 - places.max(axis=0))
    return bool(reach >= _CORNER_SPREAD and nearest.max() <= _EDGE)
