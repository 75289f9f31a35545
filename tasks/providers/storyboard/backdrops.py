"""What lies behind text: slow clouds of the brand's colours, computed small, and the grain over everything."""

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.providers.storyboard.canvas import Canvas, Colour, Frame, Palette

_LONG_SIDE = 160
_GRAIN_LAYERS = 6
_GRAIN = 2.0


class Clouds:
    """An animated gradient; the same for all cards of a video, so that it runs on from one to the next.

    Args:
        canvas: The frame.
        palette: Colours to drift in.
        seed: Where and how the clouds drift.
    """

    def __init__(self, canvas: Canvas, palette: Palette, seed: int) -> None:
        scale = _LONG_SIDE / max(canvas.width, canvas.height)
        self._size = (canvas.width, canvas.height)
        height, width = max(8, round(canvas.height * scale)), max(8, round(canvas.width * scale))
        aspect = width / height
        self._y, self._x = np.mgrid[0:height, 0:width].astype(np.float32)
        self._x = self._x / width * min(aspect, 1.78) / min(aspect, 1.78)
        self._y = self._y / height
        self._base = np.array(palette.background, dtype=np.float32)
        draw = np.random.default_rng([seed, 1])
        self._colours = [np.array(colour, dtype=np.float32) for colour in _relatives(palette)]
        self._phases = draw.uniform(0, 2 * np.pi, (len(self._colours), 4))
        self._speeds = draw.uniform(0.10, 0.19, (len(self._colours), 2))
        self._homes = np.array([(0.86, 0.14), (0.62, 1.02), (0.04, 0.98), (1.05, 0.70)])
        if draw.random() < 0.5:
            self._homes[:, 1] = 1 - self._homes[:, 1]
        # Text stands on the left: it is darker there, and towards the edges.
        distance = np.hypot(self._x - 0.5, self._y - 0.5)
        self._shade = (1.0 - 0.30 * np.clip(distance / 0.75, 0, 1) ** 2)[..., None].astype(np.float32)

    def paint(self, at_seconds: float, strength: float = 1.0) -> Frame:
        """Return a new frame of clouds at a time of the video."""
        small = np.broadcast_to(self._base, (*self._x.shape, 3)).astype(np.float32)
        for colour, phase, speed, home in zip(self._colours, self._phases, self._speeds, self._homes, strict=True):
            x = home[0] + 0.16 * np.sin(speed[0] * at_seconds * 2 + phase[0])
            y = home[1] + 0.16 * np.cos(speed[1] * at_seconds * 2 + phase[1])
            radius = 0.40 + 0.06 * np.sin(speed[0] * at_seconds + phase[2])
            near = np.exp(-((self._x - x) ** 2 + (self._y - y) ** 2) / (radius * radius))
            small += (colour - small) * (near * 0.62 * strength)[..., None].astype(np.float32)
        shaded = np.clip(small * self._shade, 0, 255).astype(np.uint8)
        return np.asarray(cv2.resize(shaded, self._size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


class Grain:
    """Light film grain: hides the steps of gradients and ties pictures of different origin together."""

    def __init__(self, canvas: Canvas, seed: int) -> None:
        self._draw = np.random.default_rng([seed, 2])
        self._canvas = canvas
        shape = (canvas.height + 64, canvas.width + 64)
        noise = self._draw.normal(0, _GRAIN, shape).round().clip(-7, 7)
        self._more = _grey(np.maximum(noise, 0))
        self._less = _grey(np.maximum(-noise, 0))

    def apply(self, frame: Frame) -> Frame:
        """Return the frame with grain, another each time."""
        row, column = (int(value) for value in self._draw.integers(0, 64, 2))
        area = (slice(row, row + self._canvas.height), slice(column, column + self._canvas.width))
        brighter = cv2.add(frame, self._more[area])
        return np.asarray(cv2.subtract(brighter, self._less[area]), dtype=np.uint8)


def _grey(noise: NDArray[np.float64]) -> Frame:
    return np.repeat(noise.astype(np.uint8)[..., None], 3, axis=2)


def _relatives(palette: Palette) -> list[Colour]:
    """The accent and three relatives of it, deep enough for light text to stand on."""
    light = sum(palette.primary) > sum(palette.background)
    blue, green, red = palette.accent
    hue, lightness, saturation = colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)
    wanted = [(0.0, 0.42, 0.85), (0.93, 0.34, 0.75), (0.72, 0.26, 0.6), (0.86, 0.30, 0.6)]
    found: list[Colour] = []
    for turn, level, share in wanted:
        level = level if light else 1 - level * 0.4
        r, g, b = colorsys.hls_to_rgb(
            (hue + turn) % 1, min(level, max(lightness, 0.2)) if light else level, saturation * share
        )
        found.append((round(b * 255), round(g * 255), round(r * 255)))
    return found
