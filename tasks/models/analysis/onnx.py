"""Any detector of the user's that is an ONNX file: YOLOX or RT-DETR, as their own exports or Hugging Face's have them.

The layout is told by names and shapes of what the network takes and gives:

* **YOLOX**: one output of 1 × places × (5 + classes), as many places as the strides 8, 16 and 32 make of the input. It
  takes BGR from 0 to 255, fitted into the upper left of its input, the rest grey.
* **RT-DETR**: ``labels``, ``boxes`` and ``scores`` (its own export, with ``orig_target_sizes`` as second input);
  ``logits`` and ``pred_boxes`` (Hugging Face); or one output of 1 × queries × (4 + classes). It takes RGB from 0 to 1,
  stretched to its input.
* **DETR**, the classic one: ``logits`` and ``pred_boxes``, too, perhaps with a ``pixel_mask`` as second input. The last
  class says that there is nothing, and in a blank picture nearly all queries say so. It takes RGB less ImageNet's mean.
"""

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from data.domain.errors import DetectorInvalidError, ModelMissingError
from data.domain.jobs import one_line
from tasks.models.analysis.detections import Detections, Look
from tasks.models.analysis.plan import Picture

_SIDE = 640
"""Of an input that leaves its size open."""
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
_LABEL_LENGTH = 60
_LABEL_KEYS = ("names", "labels", "classes", "id2label")

_MASKS: dict[str, type[np.generic]] = {"tensor(int64)": np.int64, "tensor(bool)": np.bool_, "tensor(float)": np.float32}

Array = NDArray[Any]
_Found = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]
"""Boxes in shares of the picture (n × 4 edges), scores, classes."""


@dataclass(frozen=True)
class _Network:
    """A loaded file and what it takes."""

    session: Any
    name: str
    input_name: str
    sizes_name: str | None
    mask: tuple[str, type[np.generic]] | None
    """Name and kind of the input that says where the picture is, and where padding: there is none of that."""
    outputs: Mapping[str, Sequence[Any]]
    size: tuple[int, int]
    """Width and height of the input."""
    dtype: type[np.floating[Any]]

    def run(self, picture: Array, original: tuple[int, int]) -> dict[str, Array]:
        """Run the network on a prepared picture (1 × 3 × height × width); ``original`` is what it was made of."""
        given: dict[str, Array] = {self.input_name: picture.astype(self.dtype)}
        if self.sizes_name is not None:
            given[self.sizes_name] = np.array([original], np.int64)
        if self.mask is not None:
            given[self.mask[0]] = np.ones((1, *picture.shape[2:]), self.mask[1])
        try:
            answers = [np.asarray(answer) for answer in self.session.run(list(self.outputs), given)]
        except _runtime_errors() as error:
            raise _invalid(self.name, f"it fails on a picture: {error}", self.outputs) from error
        return dict(zip(self.outputs, answers, strict=True))


class OnnxDetector:
    """Finds what an ONNX file finds; lives as long as one analysis.

    Args:
        model_path: The ``.onnx`` file; its labels lie beside it (``.txt``, one a line, or ``.json``) or within it.
        min_confidence: Less sure ones are left out (0–1).
        threads: Of the network; 0 lets the runtime choose.

    Raises:
        ModelMissingError: There is no such file.
        DetectorInvalidError: It is damaged, or of no layout that is known, or its answers do not fit that.
    """

    is_simulated = False

    def __init__(self, model_path: Path, min_confidence: float, threads: int = 0) -> None:
        self._network = _load(model_path, threads)
        self._decode = _layout(self._network)
        self._labels = _labels(model_path, self._network)
        self._min_confidence = min_confidence
        self._read(np.zeros((self._network.size[1], self._network.size[0], 3), np.uint8))
        self.name = f"{model_path.stem} (ONNX, {self._network.session.get_providers()[0]})"

    def detect(self, look: Look) -> Detections:
        """Find things in the next frame.

        Raises:
            DetectorInvalidError: The network fails on it.
        """
        boxes, scores, classes = self._read(look.bgr)
        kept = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)  # half precision overflows
        boxes, scores, classes = boxes[kept], scores[kept], classes[kept]
        if not len(scores):
            return Detections.none()
        labels = tuple(self._labels.get(int(number), f"class {number}") for number in classes)
        return Detections(np.clip(boxes, 0, 1).astype(np.float32), scores.astype(np.float32), labels)

    def _read(self, picture: Picture) -> _Found:
        """Run the network on a picture and read its answers.

        Raises:
            DetectorInvalidError: It fails, or its answers are of other shapes than its layout has.
        """
        try:
            boxes, scores, classes = self._decode(self._network, picture, self._min_confidence)
        except (ValueError, IndexError, TypeError, ArithmeticError, cv2.error) as error:
            raise _unread(self._network, str(error)) from error
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes) == len(scores) == len(classes):
            raise _unread(self._network, f"{boxes.shape} boxes, {scores.shape} scores and {classes.shape} classes")
        return boxes, scores, classes


def _load(model_path: Path, threads: int) -> _Network:
    import onnxruntime  # takes a while: only for those who detect with it

    if not model_path.is_file():
        raise ModelMissingError(
            f"There is no detector {model_path.name} in the settings' folder.", {"model": model_path.name}
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    available = onnxruntime.get_available_providers()
    providers = [each for each in ("CUDAExecutionProvider", "CPUExecutionProvider") if each in available]
    try:
        session = onnxruntime.InferenceSession(str(model_path), options, providers=providers)
    except _runtime_errors() as error:
        raise _invalid(model_path.name, f"it cannot be loaded: {error}", {}) from error
    return _described(session, model_path.name)


def _described(session: Any, name: str) -> _Network:
    inputs, outputs = session.get_inputs(), {each.name: each.shape for each in session.get_outputs()}
    picture = next((each for each in inputs if len(each.shape) == 4), None)
    others = [each for each in inputs if each is not picture]
    dtypes: dict[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
    sizes = others[0].name if len(others) == 1 and len(others[0].shape) == 2 else None
    mask = (others[0].name, _MASKS[others[0].type]) if len(others) == 1 and _is_mask(others[0]) else None
    if picture is None or picture.shape[1] != 3 or picture.type not in dtypes or (others and not (sizes or mask)):
        taken = ", ".join(f"{each.name} {each.shape} {each.type}" for each in inputs)
        raise _invalid(name, f"it takes {taken}, not a picture of 1 × 3 × height × width", outputs)
    height, width = (side if isinstance(side, int) and side > 0 else _SIDE for side in picture.shape[2:])
    return _Network(session, name, picture.name, sizes, mask, outputs, (width, height), dtypes[picture.type])


def _is_mask(given: Any) -> bool:
    return len(given.shape) == 3 and given.type in _MASKS


def _layout(network: _Network) -> Callable[[_Network, Picture, float], _Found]:
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
    raise _invalid(network.name, "it is neither a YOLOX nor an RT-DETR", network.outputs)


def _yolox(network: _Network, picture: Picture, least: float) -> _Found:
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


def _detr_finished(network: _Network, picture: Picture, least: float) -> _Found:
    height, width = picture.shape[:2]
    answers = network.run(_stretched(network, picture), (width, height))
    scores, boxes = answers["scores"].reshape(-1), answers["boxes"].reshape(-1, 4)
    if network.sizes_name is None:
        width, height = network.size
    kept = scores >= least
    return boxes[kept] / np.tile([width, height], 2), scores[kept], answers["labels"].reshape(-1)[kept]


def _detr_logits(network: _Network, picture: Picture, least: float) -> _Found:
    answers = network.run(_stretched(network, picture), network.size)
    logits = answers["logits"][0].astype(np.float32)
    return _queries(answers["pred_boxes"][0], 1 / (1 + np.exp(-np.clip(logits, -60, 60))), least)


def _detr_classic(network: _Network, picture: Picture, least: float) -> _Found:
    answers = network.run((_stretched(network, picture) - _IMAGENET_MEAN) / _IMAGENET_DEVIATION, network.size)
    logits = answers["logits"][0].astype(np.float32)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return _queries(answers["pred_boxes"][0], (shares / shares.sum(axis=1, keepdims=True))[:, :-1], least)


def _sees_nothing(network: _Network) -> bool:
    """Say whether a network has a class for nothing, as a classic DETR has: in a blank picture nearly all is that.

    Others are sure of nothing then: all that they answer is below zero.
    """
    grey = np.full((1, 3, network.size[1], network.size[0]), 0.5, np.float32)
    logits = network.run(grey, network.size)["logits"]
    if logits.ndim != 3 or logits.shape[2] < 2:
        return False
    is_nothing = (logits[0].argmax(axis=1) == logits.shape[2] - 1) & (logits[0, :, -1] > 0)
    return bool(is_nothing.mean() >= _NOTHING_SHARE)


def _detr_joined(network: _Network, picture: Picture, least: float) -> _Found:
    (answer,) = network.run(_stretched(network, picture), network.size).values()
    return _queries(answer[0, :, :4], answer[0, :, 4:].astype(np.float32), least)


def _queries(boxes: Array, shares: NDArray[np.float32], least: float) -> _Found:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"the boxes are {list(boxes.shape)}, not queries × 4")
    scores, classes = _best(shares)
    kept = scores >= least
    places = boxes[kept].astype(np.float32)
    return _edges(places[:, :2], places[:, 2:4]), scores[kept], classes[kept]


def _stretched(network: _Network, picture: Picture) -> Array:
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


def _labels(model_path: Path, network: _Network) -> dict[int, str]:
    """Names of the classes, from the file beside the model, else from within it; none where there are none."""
    lines, beside = model_path.with_suffix(".txt"), model_path.with_suffix(".json")
    try:
        if lines.is_file():
            return _numbered(lines.read_text(encoding="utf-8").splitlines())
        text = beside.read_text(encoding="utf-8") if beside.is_file() else _within(network.session)
        if not text:
            return {}
        found = ast.literal_eval(text) if text.lstrip().startswith("{") and "'" in text else json.loads(text)
        return _numbered(found)
    except (ValueError, SyntaxError, TypeError, AttributeError) as error:
        raise _invalid(network.name, f"its labels make no sense: {error}", network.outputs) from error


def _within(session: Any) -> str:
    written = session.get_modelmeta().custom_metadata_map
    return next((written[key] for key in _LABEL_KEYS if key in written), "")


def _numbered(found: Any) -> dict[int, str]:
    if isinstance(found, dict):
        found = next((found[key] for key in _LABEL_KEYS if key in found), found)
    if isinstance(found, list):
        found = dict(enumerate(found))
    # One short line each: they are drawn, and stand in tables.
    return {int(number): one_line(str(label))[:_LABEL_LENGTH] for number, label in found.items()}


def _invalid(name: str, why: str, outputs: Mapping[str, Sequence[Any]]) -> DetectorInvalidError:
    shapes = [f"{output} {list(shape)}" for output, shape in outputs.items()]
    gives = f" (it gives {', '.join(shapes)})" if shapes else ""
    return DetectorInvalidError(
        f"The detector {name} cannot be used: {why}{gives}.", {"model": name, "outputs": shapes}
    )


def _unread(network: _Network, what: str) -> DetectorInvalidError:
    return _invalid(network.name, f"its answers cannot be read: {what}", network.outputs)


def _runtime_errors() -> tuple[type[Exception], ...]:
    """What onnxruntime raises, and NumPy where an answer is no array; there is no class for all of it."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NoModel",
        "NotImplemented",
        "RuntimeException",
    )
    return (ValueError, *(getattr(state, name) for name in names))
