"""Paints every frame of the planned scenes and pipes them, once, into ffmpeg."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tasks.media.process import Limits, Progress, run_ffmpeg
from tasks.media.tools import Toolset
from tasks.providers.storyboard.backdrops import Clouds, Grain
from tasks.providers.storyboard.canvas import Canvas, Frame, Painter, Palette, put_over, smooth
from tasks.providers.storyboard.cards import Card, Headline, opening_headline
from tasks.providers.storyboard.clips import Clip
from tasks.providers.storyboard.karaoke import Captions
from tasks.providers.storyboard.pictures import Motion, Picture, PictureModels, read_mark
from tasks.providers.storyboard.planning import FADE_SECONDS, PlannedScene
from tasks.providers.storyboard.typefaces import Typefaces

_OPENING_SECONDS = 0.5
_CLOSING_SECONDS = 0.9
_SCRIM = 0.68
_LONGEST_HEADLINE = 70
"""Characters; longer openings get captions like every other picture."""
_LOGO_UNITS = (56, 200)  # height and width that a logo may have
_LOGO_OPACITY = 0.92
_LIMITS = Limits(soft_seconds=6 * 3600.0, hard_seconds=6 * 3600.0 + 60, stall_seconds=300.0)


@dataclass(frozen=True)
class Look:
    """Everything that decides how the scenes look."""

    canvas: Canvas
    palette: Palette
    typefaces: Typefaces
    models: PictureModels
    frame_rate: int
    seed: int
    karaoke: bool
    logo: Path | None = None


class Film:
    """The frames of a video, in order; scenes are set up when they begin and dropped when they end."""

    def __init__(self, scenes: Sequence[PlannedScene], look: Look) -> None:
        self._scenes, self._look = scenes, look
        self._clouds = Clouds(look.canvas, look.palette, look.seed)
        self._grain = Grain(look.canvas, look.seed)
        self._scrim = _scrim(look.canvas)
        self._logo = _Logo(look.logo, look.canvas) if look.logo else None
        self._staged: dict[int, _Staged] = {}

    @property
    def frame_count(self) -> int:
        """How many frames there are."""
        return round(self._scenes[-1].end_seconds * self._look.frame_rate)

    def frames(self) -> Iterator[Frame]:
        """Paint one frame after another."""
        index = 0
        end = self._scenes[-1].end_seconds
        for number in range(self.frame_count):
            at = number / self._look.frame_rate
            while index + 1 < len(self._scenes) and at >= self._scenes[index].end_seconds + FADE_SECONDS / 2:
                self._staged.pop(index, None)
                index += 1
            frame = self._mixed(index, at)
            if self._logo is not None:
                self._logo.paint(frame)
            shown = smooth(at / _OPENING_SECONDS) * smooth((end - at) / _CLOSING_SECONDS)
            if shown < 1:
                frame = np.asarray(cv2.convertScaleAbs(frame, alpha=shown), dtype=np.uint8)
            yield self._grain.apply(frame)

    def _mixed(self, index: int, at: float) -> Frame:
        """The scene at a time, passing into the next one around its end."""
        frame = self._stage(index).paint(at)
        border = self._scenes[index].end_seconds
        if index + 1 == len(self._scenes) or at < border - FADE_SECONDS / 2:
            return frame
        share = smooth((at - border) / FADE_SECONDS + 0.5)
        following = self._stage(index + 1).paint(at)
        return np.asarray(cv2.addWeighted(frame, 1 - share, following, share, 0), dtype=np.uint8)

    def _stage(self, index: int) -> "_Staged":
        if index not in self._staged:
            self._staged[index] = _Staged(self._scenes[index], index, self._look, self._clouds, self._scrim)
        return self._staged[index]


class _Staged:
    """One scene, set up: its painter, and captions where the picture is not the words themselves."""

    def __init__(self, scene: PlannedScene, index: int, look: Look, clouds: Clouds, scrim: Frame) -> None:
        self._scene, self._scrim = scene, scrim
        self._painter = _painter(scene, index, look, clouds)
        self._captions: Captions | None = None
        self._headline: Headline | None = None
        if scene.kind not in {"image", "video"} or not scene.words:
            return
        if scene.is_title and sum(len(word.text) + 1 for word in scene.words) <= _LONGEST_HEADLINE:
            self._headline = opening_headline(
                scene.words, look.canvas, look.palette, look.typefaces, karaoke=look.karaoke
            )
        else:
            self._captions = Captions(
                scene.words, look.canvas, look.palette.on_picture.primary, look.typefaces, look.karaoke
            )

    def paint(self, at: float) -> Frame:
        local = at - self._scene.start_seconds
        # Painters begin half a fade before the scene's own time.
        is_card = self._scene.kind == "card"
        frame = self._painter.paint(local if is_card else local + FADE_SECONDS / 2)
        if self._captions is not None or self._headline is not None:
            top = frame.shape[0] - self._scrim.shape[0]
            frame[top:] = cv2.multiply(frame[top:], self._scrim, scale=1 / 255)
        if self._captions is not None:
            self._captions.paint(frame, local, 1.0)
        if self._headline is not None:
            self._headline.paint(frame, local)
        return frame


def _painter(scene: PlannedScene, index: int, look: Look, clouds: Clouds) -> Painter:
    whole = scene.duration_seconds + FADE_SECONDS
    if scene.clip is not None:
        return Clip(scene.clip, look.frame_rate, whole)
    if scene.path is not None:
        motion = Motion.drawn(np.random.default_rng([look.seed, 6, index]), index)
        return Picture(scene.path, look.canvas, look.models, motion, whole)
    return Card(
        scene.words,
        look.canvas,
        look.palette,
        clouds,
        look.typefaces,
        starts_seconds=scene.start_seconds,
        is_title=scene.is_title,
        karaoke=look.karaoke,
    )


def _scrim(canvas: Canvas) -> Frame:
    """What darkens the frame's lower part, so that captions can be read on any picture."""
    height = round(canvas.height * (0.62 if canvas.is_upright else 0.52))
    rise = np.linspace(0, 1, height, dtype=np.float32)
    kept = 255 * (1 - _SCRIM * rise * rise * (3 - 2 * rise))
    return np.broadcast_to(kept[:, None, None], (height, canvas.width, 3)).astype(np.uint8).copy()


class _Logo:
    """The brand's mark, small in the upper right corner."""

    def __init__(self, path: Path, canvas: Canvas) -> None:
        image, alpha = read_mark(path)
        most_high, most_wide = (canvas.scaled(units) for units in _LOGO_UNITS)
        scale = min(most_high / image.shape[0], most_wide / image.shape[1])
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        self._image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        opacity = np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
        self._alpha = opacity * np.float32(_LOGO_OPACITY / 255)
        self._left = canvas.width - canvas.scaled(40) - size[0]
        self._top = canvas.scaled(40)

    def paint(self, frame: Frame) -> None:
        part = frame[self._top : self._top + len(self._image), self._left : self._left + self._image.shape[1]]
        put_over(part, self._image, self._alpha)


def film(
    scenes: Sequence[PlannedScene],
    look: Look,
    target: Path,
    tools: Toolset,
    *,
    threads: int,
    on_progress: Callable[[float], None],
) -> None:
    """Paint the video and encode it, without sound.

    Args:
        scenes: What to paint; at least one.
        look: How.
        target: The new file (``.mp4``).
        tools: Where ffmpeg is.
        threads: Threads of the encoder.
        on_progress: Called with the share (0-1) that is done; what it raises ends the work.

    Raises:
        DailiesError: A file of the user's cannot be used, or ffmpeg failed, stalled, was killed, ran out of disk.
    """
    painted = Film(scenes, look)
    reading, writing = os.pipe()

    def report(progress: Progress) -> None:
        on_progress(min(1.0, progress.frame_count / max(1, painted.frame_count)))

    # Painted in a thread of its own, while ffmpeg is watched by this one: with it ffmpeg would end, too.
    with ThreadPoolExecutor(1, thread_name_prefix="storyboard") as painters:
        painting = painters.submit(_paint_all, painted, writing)
        try:
            run_ffmpeg(
                film_arguments(look, target, threads),
                tools=tools,
                log_path=target.with_suffix(".log"),
                limits=_LIMITS,
                expected_seconds=scenes[-1].end_seconds,
                on_progress=report,
                stdin=reading,
            )
        finally:
            os.close(reading)  # ends the painting, should it still write
            failure = painting.exception()
            if failure is not None:  # what ffmpeg complains of, if it does, follows from it
                raise failure


def film_arguments(look: Look, target: Path, threads: int) -> list[str]:
    """Return ffmpeg's arguments for :func:`film`: raw frames in, H.264 out."""
    size = f"{look.canvas.width}x{look.canvas.height}"
    return [
        *("-f", "rawvideo", "-pix_fmt", "bgr24", "-s", size, "-r", str(look.frame_rate), "-i", "pipe:0"),
        *("-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"),
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-threads", str(threads)),
        *("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv"),
        *("-flags:v", "+bitexact", "-fflags", "+bitexact", str(target)),
    ]


def _paint_all(painted: Film, writing: int) -> None:
    with suppress(BrokenPipeError), os.fdopen(writing, "wb", buffering=0) as pipe:  # ffmpeg ended first, and says why
        for frame in painted.frames():
            _write(pipe.fileno(), frame)


def _write(descriptor: int, frame: Frame) -> None:
    rest = np.ascontiguousarray(frame).data.cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]
