"""Judge frames by eye-like measures, keep the best, and take a single frame out of a video.

No faces are looked for here: that is the poster step's part, with a model. What is judged is what ruins a still: blur,
darkness, burnt-out light, fog, greyness.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from data.domain.errors import EncodeFailedError
from tasks.media.process import Limits, run_ffmpeg
from tasks.media.tools import Toolset

Picture = NDArray[np.uint8]
"""Height × width × 3, BGR."""
Planes = NDArray[np.uint8]
"""I420: 1.5 height × width, the brightness above, both colour differences at half the size below; from 16 to 235."""

_JPEG_QUALITY = 88
_LAST_FRAMES_SECONDS = 12
_SHARP_VARIANCE = 180.0
"""Variance of the Laplacian at which a frame of about 640 pixels counts as half sharp."""
_GOOD_DEVIATION = 60.0
_GOOD_COLOURFULNESS = 55.0
_IDEAL_BRIGHTNESS = 0.45
_DEFAULT_LIMITS = Limits()


def _bgr_of(red_weight: float, blue_weight: float) -> NDArray[np.float64]:
    """Return the matrix that makes B, G, R of brightness and its differences to blue and to red."""
    green_weight = 1 - red_weight - blue_weight
    blue, red = 2 * (1 - blue_weight), 2 * (1 - red_weight)
    greens = (1, -blue * blue_weight / green_weight, -red * red_weight / green_weight)
    return np.array([(1, blue, 0), greens, (1, 0, red)])


_BGR_OF_BT709, _BGR_OF_BT601 = _bgr_of(0.2126, 0.0722), _bgr_of(0.299, 0.114)


@dataclass(frozen=True)
class FrameQuality:
    """How a frame looks, each from 0 (bad) to 1 (good)."""

    sharpness: float
    exposure: float
    contrast: float
    colourfulness: float

    @property
    def score(self) -> float:
        """All in one, 0–1; a black, white or flat frame scores near 0 however sharp or colourful."""
        looks = 0.5 * self.sharpness + 0.25 * self.contrast + 0.25 * self.colourfulness
        return round(looks * self.exposure * min(1.0, 4 * self.contrast), 4)


def shown(planes: Planes, *, is_bt709: bool) -> Picture:
    """Return a frame with the colours that it is coded in: OpenCV takes BT.601 for all."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    differences = planes[height:].reshape(2, height // 2, width // 2)
    blue, red = (np.asarray(cv2.resize(each, (width, height)), np.float64) - 128 for each in differences)
    coded = np.dstack([(planes[:height].astype(np.float64) - 16) / 219, blue / 224, red / 224])
    bgr = coded @ (_BGR_OF_BT709 if is_bt709 else _BGR_OF_BT601).T
    return np.clip(np.rint(bgr * 255), 0, 255).astype(np.uint8)


def frame_quality(picture: Picture) -> FrameQuality:
    """Judge one frame (height × width × 3, BGR, 8 bits)."""
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
    edges = float(np.var(np.asarray(cv2.Laplacian(grey, cv2.CV_32F))))
    return FrameQuality(
        sharpness=edges / (edges + _SHARP_VARIANCE),
        exposure=_exposure(grey),
        contrast=min(1.0, float(np.std(grey)) / _GOOD_DEVIATION),
        colourfulness=min(1.0, _colourfulness(picture) / _GOOD_COLOURFULNESS),
    )


def _exposure(grey: NDArray[Any]) -> float:
    """Near 1 for a middle brightness without large crushed or burnt areas."""
    brightness = float(np.mean(grey)) / 255
    distance = abs(brightness - _IDEAL_BRIGHTNESS) / (1 - _IDEAL_BRIGHTNESS)
    lost = float(np.mean((grey < 12) | (grey > 243)))
    return max(0.0, 1 - distance**2) * (1 - 0.7 * lost)


def _colourfulness(picture: Picture) -> float:
    """Hasler and Süsstrunk's measure, of every other pixel each way: 0 grey, 33 moderate, 59 very colourful."""
    blue, green, red = (picture[::2, ::2, channel].astype(np.float32) for channel in range(3))
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    deviation = np.hypot(np.std(red_green), np.std(yellow_blue))
    mean = np.hypot(np.mean(red_green), np.mean(yellow_blue))
    return float(deviation + 0.3 * mean)


@dataclass(frozen=True)
class JudgedFrame:
    """A frame of a sequence with its quality."""

    index: int
    at_seconds: float
    quality: FrameQuality


def judge_frames(pictures: Sequence[Picture] | Picture, times: Sequence[float]) -> tuple[JudgedFrame, ...]:
    """Judge frames that were taken at the given times (seconds), in order of time.

    The very first frame, so often black or a slate, is left out where there are others.
    """
    judged = tuple(
        JudgedFrame(index, at_seconds, frame_quality(picture))
        for index, (picture, at_seconds) in enumerate(zip(pictures, times, strict=True))
    )
    return judged[1:] if len(judged) > 1 else judged


def best_frames(frames: Sequence[JudgedFrame], count: int) -> tuple[JudgedFrame, ...]:
    """Return the best frames, best first, at most ``count``, no two of them close in time while there is a choice."""
    ranked = sorted(frames, key=lambda frame: -frame.quality.score)
    if len(ranked) <= count:
        return tuple(ranked)
    times = [frame.at_seconds for frame in frames]
    gap = (max(times) - min(times)) / (2 * count)
    chosen: list[JudgedFrame] = []
    for frame in ranked:
        if all(abs(frame.at_seconds - other.at_seconds) >= gap for other in chosen):
            chosen.append(frame)
    return tuple(chosen[:count])


def raw_pictures(path: Path, width: int, height: int) -> Picture:
    """Return the frames of a raw BGR file as count × height × width × 3, read from disk only as they are used."""
    size = width * height * 3
    count = path.stat().st_size // size if path.exists() else 0
    if count == 0:
        return np.empty((0, height, width, 3), dtype=np.uint8)
    return np.memmap(path, dtype=np.uint8, mode="r", shape=(count, height, width, 3))


def write_jpeg(picture: Picture, target: Path) -> None:
    """Write a picture (BGR) as JPEG."""
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(picture), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    target.write_bytes(data.tobytes())


def extract_frame(
    video: Path,
    at_seconds: float,
    target: Path,
    tools: Toolset,
    *,
    log_path: Path,
    limits: Limits = _DEFAULT_LIMITS,
    run_id: str = "",
) -> None:
    """Write the frame shown at a time as a JPEG of the video's own size.

    Args:
        video: A file of ours (its own rendition, not a foreign source).
        at_seconds: When; a time past the end gives the last frame.
        target: The JPEG to write.
        tools: Where ffmpeg is.
        log_path: File for what ffmpeg says.
        limits: Time limits in seconds.
        run_id: Marks the process for a later sweep.

    Raises:
        EncodeFailedError: The video gives no picture at all.
        DailiesError: ffmpeg failed, stalled, was killed or ran out of disk.
    """
    # A millisecond early: a frame's own time, rounded, may lie behind the frame.
    positions: tuple[list[str], ...] = (
        ["-ss", f"{max(0.0, at_seconds - 0.001):.6f}"],
        ["-sseof", f"-{_LAST_FRAMES_SECONDS}"],
        [],
    )
    for position in positions:
        target.unlink(missing_ok=True)
        arguments = still_arguments(video, position, target, is_exact=position is positions[0])
        run_ffmpeg(arguments, tools=tools, log_path=log_path, limits=limits, run_id=run_id)
        if target.exists() and target.stat().st_size > 0:
            return
    raise EncodeFailedError("The video gives no picture.", {"at_seconds": at_seconds})


def still_arguments(video: Path, position: Sequence[str], target: Path, *, is_exact: bool) -> list[str]:
    """Return the arguments that write one frame: the first at the position, or the last from it on."""
    which = ["-frames:v", "1"] if is_exact else []
    # JPEG means BT.601 at full range; left alone the BT.709 numbers would be shown as such, with wrong colours.
    colours = "scale=out_color_matrix=bt601:out_range=full,format=yuvj420p"
    return ["-y", *position, "-i", str(video), *which, "-vf", colours, "-q:v", "2", "-update", "1", str(target)]
