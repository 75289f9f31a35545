"""How detectors answer, as their own exports or Hugging Face's have it: told by names and shapes.

* **YOLOX**: one output of 1 × places × (5 + classes), as many places as the strides 8, 16 and 32 make of the input. It
  takes BGR from 0 to 255, fitted into the upper left of its input, the rest grey.
* **RT-DETR**: ``labels``, ``boxes`` and ``scores`` (its own export, with ``orig_target_sizes`` as second input);
  ``logits`` and ``pred_boxes`` (Hugging Face); or one output of 1 × queries × (4 + classes). It takes RGB from 0 to 1,
  stretched to its input.
* **DETR**, the classic one: ``logits`` and ``pred_boxes``, too, perhaps with a ``pixel_mask`` as second input. The last
  class says that there is nothing, and in a blank picture nearly all queries say so. It takes RGB less ImageNet's mean.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.models.analysis.onnx_network import Array, Network, invalid
from tasks.models.analysis.plan import Picture

_STRIDES = (8, 16, 32)
_PADDING = 114
_OVERLAP = 0.5
_MOST_QUERIES = 1000
_NOTHING_SHARE = 0.8
"""Of a classic DETR's queries, that see nothing in a blank picture."""
_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
_IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]
_DECODED_FROM = 32.0
"""Of YOLOX: raw places are offsets of a cell or two, decoded ones are pixels."""

Found = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]
"""Boxes in shares of the picture (n × 4 edges), scores, classes."""


def layout_of(network: Network) -> Callable[[Network, Picture, float], Found]:
    """Tell by names and shapes how the answers are to be read; shapes that are open are found out by a run."""
    names = set(network.outputs)
    if {"labels", "boxes", "scores"} <= names:
        return _detr_finished
    if {"logits", "pred_boxes"} <= names:
        return _detr_classic if _sees_nothing(network) else _detr_logits
    if len(names) == 1 and network.sizes_name is None:
        blank = np.zeros((1, 3, network.size[1], network.size[0]), np.float32)
        (answer,) = network.run(blank, network.size).values()
        if answer.ndim == 3 and answer.shape[0] == 1:
            if answer.shape[2] > 5 and answer.shape[1] == len(_grid(network.size)[0]):
                return _yolox
            if answer.shape[2] > 4 and answer.shape[1] <= _MOST_QUERIES:
                return _detr_joined
    raise invalid(network.name, "it is neither a YOLOX nor an RT-DETR", network.outputs)


def _yolox(network: Network, picture: Picture, least: float) -> Found:
    height, width = picture.shape[:2]
    scale = min(network.size[0] / width, network.size[1] / height)
    fitted = cv2.resize(picture, (max(1, round(width * scale)), max(1, round(height * scale))))
    padded = np.full((network.size[1], network.size[0], 3), _PADDING, np.uint8)
    padded[: fitted.shape[0], : fitted.shape[1]] = fitted
    (answer,) = network.run(padded.transpose(2, 0, 1)[None], (width, height)).values()
    rows = answer[0].astype(np.float32)
    scores, classes = _best(rows[:, 4:5] * rows[:, 5:])
    centres, sides = rows[:, :2], rows[:, 2:4]
    if np.percentile(np.abs(centres), 99) < _DECODED_FROM:
        cells, strides = _grid(network.size)
        centres, sides = (centres + cells) * strides, np.exp(np.minimum(sides, 20)) * strides
    kept = scores >= least
    boxes = _edges(centres[kept], sides[kept]) / scale
    chosen = _apart(boxes, scores[kept], classes[kept], least)
    return boxes[chosen] / np.tile([width, height], 2), scores[kept][chosen], classes[kept][chosen]


def _detr_finished(network: Network, picture: Picture, least: float) -> Found:
    height, width = picture.shape[:2]
    answers = network.run(_stretched(network, picture), (width, height))
    scores, boxes = answers["scores"].reshape(-1), answers["boxes"].reshape(-1, 4)
    if network.sizes_name is None:
        width, height = network.size
    kept = scores >= least
    return boxes[kept] / np.tile([width, height], 2), scores[kept], answers["labels"].reshape(-1)[kept]


def _detr_logits(network: Network, picture: Picture, least: float) -> Found:
    answers = network.run(_stretched(network, picture), network.size)
    logits = answers["logits"][0].astype(np.float32)
    return _queries(answers["pred_boxes"][0], 1 / (1 + np.exp(-np.clip(logits, -60, 60))), least)


def _detr_classic(network: Network, picture: Picture, least: float) -> Found:
    answers = network.run((_stretched(network, picture) - _IMAGENET_MEAN) / _IMAGENET_DEVIATION, network.size)
    logits = answers["logits"][0].astype(np.float32)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return _queries(answers["pred_boxes"][0], (shares / shares.sum(axis=1, keepdims=True))[:, :-1], least)


def _sees_nothing(network: Network) -> bool:
    """Say whether a network has a class for nothing, as a classic DETR has: in a blank picture nearly all is that.

    Others are sure of nothing then: all that they answer is below zero.
    """
    grey = np.full((1, 3, network.size[1], network.size[0]), 0.5, np.float32)
    logits = network.run(grey, network.size)["logits"]
    if logits.ndim != 3 or logits.shape[2] < 2:
        return False
    is_nothing = (logits[0].argmax(axis=1) == logits.shape[2] - 1) & (logits[0, :, -1] > 0)
    return bool(is_nothing.mean() >= _NOTHING_SHARE)


def _detr_joined(network: Network, picture: Picture, least: float) -> Found:
    (answer,) = network.run(_stretched(network, picture), network.size).values()
    return _queries(answer[0, :, :4], answer[0, :, 4:].astype(np.float32), least)


def _queries(boxes: Array, shares: NDArray[np.float32], least: float) -> Found:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"the boxes are {list(boxes.shape)}, not queries × 4")
    scores, classes = _best(shares)
    kept = scores >= least
    places = boxes[kept].astype(np.float32)
    return _edges(places[:, :2], places[:, 2:4]), scores[kept], classes[kept]


def _stretched(network: Network, picture: Picture) -> Array:
    resized = cv2.cvtColor(cv2.resize(picture, network.size), cv2.COLOR_BGR2RGB)
    return np.asarray(resized, np.float32).transpose(2, 0, 1)[None] / 255


def _grid(size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cell (column, row) and stride of each place of YOLOX."""
    cells, strides = [], []
    for stride in _STRIDES:
        rows, columns = size[1] // stride, size[0] // stride
        row, column = np.mgrid[:rows, :columns]
        cells.append(np.stack([column.ravel(), row.ravel()], axis=1))
        strides.append(np.full((rows * columns, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _best(shares: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    classes = shares.argmax(axis=1)
    return shares[np.arange(len(shares)), classes], classes.astype(np.int64)


def _edges(centres: NDArray[np.float32], sides: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)


def _apart(boxes: Array, scores: Array, classes: Array, least: float) -> NDArray[np.int64]:
    """The surest of boxes of one class that overlap."""
    if not len(boxes):
        return np.empty(0, np.int64)
    corners = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxesBatched(corners.tolist(), scores.tolist(), classes.tolist(), least, _OVERLAP)
    return np.asarray(kept, np.int64).reshape(-1)
