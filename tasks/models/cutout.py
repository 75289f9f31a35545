"""What stands out in a picture: U²-Net (small) through onnxruntime. For cut-outs, and crops that keep the subject."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from data.domain.errors import ModelMissingError

MODEL_FILE = "u2netp.onnx"

_SIDE = 320  # pixels of the square that the network sees
_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)

Picture = NDArray[np.uint8]
Mask = NDArray[np.float32]


def saliency(image_bgr: Picture, model_dir: Path, threads: int = 0) -> Mask:
    """Say of each pixel how much it belongs to what stands out.

    Args:
        image_bgr: Height × width × 3, as OpenCV reads it.
        model_dir: The folder that the model store gives for ``u2netp``.
        threads: Threads of the network; 0 lets it choose.

    Returns:
        Height × width, from 0 (background) to 1 (subject). Where nothing stands out the highest value is still 1:
        judge by how much of the picture is covered.

    Raises:
        ModelMissingError: There is no such model.
    """
    height, width = image_bgr.shape[:2]
    session = _load(model_dir / MODEL_FILE, threads)
    outputs = session.run(None, {session.get_inputs()[0].name: _prepared(image_bgr)})
    found = np.asarray(outputs[0], dtype=np.float32)[0, 0]
    low, high = float(found.min()), float(found.max())
    scaled = (found - low) / max(high - low, 1e-6)
    return np.asarray(cv2.resize(scaled, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _prepared(image_bgr: Picture) -> NDArray[np.float32]:
    square = cv2.resize(image_bgr, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    rgb = cv2.cvtColor(square, cv2.COLOR_BGR2RGB).astype(np.float32)
    normal = (rgb / max(float(rgb.max()), 1e-6) - _MEAN) / _DEVIATION
    return np.asarray(normal.transpose(2, 0, 1)[None], dtype=np.float32)


@lru_cache(maxsize=1)
def _load(model_file: Path, threads: int) -> onnxruntime.InferenceSession:
    if not model_file.is_file():
        raise ModelMissingError(
            f"{model_file} is missing. Run `python -m tasks.models pull u2netp`.", {"model": "u2netp"}
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(model_file), options, providers=["CPUExecutionProvider"])
