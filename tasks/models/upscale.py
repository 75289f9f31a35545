"""More pixels: Real-ESRGAN (animevideov3) through ncnn on the CPU, with an estimate before the work.

The network makes four pixels of one each way, always; what that is too much is averaged away afterwards, which costs
nothing in comparison. A picture goes through in tiles that overlap, so memory does not grow with its size.
"""

import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from data.domain.errors import ModelMissingError
from tasks.media.frames import Picture

FACTOR = 4
_NAME = "realesr-animevideov3-x4"
_TILE = 256  # pixels of the picture; takes about 0.4 GB
_OVERLAP = 10  # what the network sees around a pixel
_TRIAL = 96


class Upscaler:
    """Turns pictures of one size into larger ones. Holds the network; for one thread at a time.

    Args:
        model_directory: The folder that the model store gives for ``realesr-animevideov3``.
        size: Width and height of what comes out, in pixels.
        threads: Of the network, at least 1.

    Raises:
        ModelMissingError: There is no such model.
    """

    def __init__(self, model_directory: Path, size: tuple[int, int], threads: int) -> None:
        self._network = _load(model_directory, threads)
        self._size = size

    def __call__(self, index: int, picture: Picture) -> Picture:
        """Return the picture (height × width × 3, BGR) at the size that was asked for."""
        height, width = picture.shape[:2]
        large = np.empty((height * FACTOR, width * FACTOR, 3), dtype=np.uint8)
        for top in range(0, height, _TILE):
            for left in range(0, width, _TILE):
                self._tile(picture, large, top, left)
        if self._size == (width * FACTOR, height * FACTOR):
            return large
        method = cv2.INTER_AREA if self._size[0] <= width * FACTOR else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(large, self._size, interpolation=method), dtype=np.uint8)

    def seconds_per_pixel(self) -> float:
        """Return how long this machine takes for one pixel of the picture, by a short trial.

        Counted is processor time, so that a machine that is busy now is not taken for a slow one.
        """
        trial = np.random.default_rng(0).integers(0, 255, (_TRIAL, _TRIAL, 3), dtype=np.uint8)
        self._run(trial)  # the first time it also makes itself at home
        began = time.process_time()
        self._run(trial)
        return float((time.process_time() - began) / self._network.opt.num_threads / _TRIAL**2)

    def _tile(self, picture: Picture, large: Picture, top: int, left: int) -> None:
        height, width = picture.shape[:2]
        bottom, right = min(height, top + _TILE), min(width, left + _TILE)
        above, before = min(top, _OVERLAP), min(left, _OVERLAP)
        seen = picture[
            top - above : min(height, bottom + _OVERLAP),
            left - before : min(width, right + _OVERLAP),
        ]
        made = self._run(np.ascontiguousarray(seen))
        large[top * FACTOR : bottom * FACTOR, left * FACTOR : right * FACTOR] = made[
            above * FACTOR : (above + bottom - top) * FACTOR, before * FACTOR : (before + right - left) * FACTOR
        ]

    def _run(self, picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        import ncnn

        given = ncnn.Mat.from_pixels(picture, ncnn.Mat.PixelType.PIXEL_BGR2RGB, width, height)
        given.substract_mean_normalize([], [1 / 255.0] * 3)
        with self._network.create_extractor() as extractor:
            extractor.input("data", given)
            _, made = extractor.extract("output")
        rgb = np.asarray(made).transpose(1, 2, 0)
        return (rgb[..., ::-1].clip(0, 1) * 255 + 0.5).astype(np.uint8)


@lru_cache(maxsize=2)
def _load(model_directory: Path, threads: int) -> Any:
    parameters, weights = model_directory / f"{_NAME}.param", model_directory / f"{_NAME}.bin"
    if not parameters.is_file() or not weights.is_file():
        raise ModelMissingError(
            f"{model_directory} lacks a model. Run `python -m tasks.models pull realesr-animevideov3`.",
            {"model": "realesr-animevideov3"},
        )
    import ncnn  # only for those who upscale

    network = ncnn.Net()
    network.opt.use_vulkan_compute = False
    network.opt.num_threads = threads
    network.load_param(str(parameters))
    network.load_model(str(weights))
    return network
