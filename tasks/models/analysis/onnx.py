"""Any detector of the user's that is an ONNX file: YOLOX, RT-DETR, DETR (:mod:`tasks.models.analysis.onnx_layouts`)."""

import ast
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from data.domain.jobs import one_line
from tasks.models.analysis.detections import Detections, Look
from tasks.models.analysis.onnx_layouts import Found, layout_of
from tasks.models.analysis.onnx_network import Network, invalid, load_network, unread
from tasks.models.analysis.plan import Picture

_LABEL_LENGTH = 60
_LABEL_KEYS = ("names", "labels", "classes", "id2label")


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
        self._network = load_network(model_path, threads)
        self._decode = layout_of(self._network)
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
        edges = [(left, top, right, bottom) for left, top, right, bottom in np.clip(boxes, 0, 1).tolist()]
        return Detections(edges, scores.tolist(), labels)

    def _read(self, picture: Picture) -> Found:
        """Run the network on a picture and read its answers.

        Raises:
            DetectorInvalidError: It fails, or its answers are of other shapes than its layout has.
        """
        try:
            boxes, scores, classes = self._decode(self._network, picture, self._min_confidence)
        except (ValueError, IndexError, TypeError, ArithmeticError, cv2.error) as error:
            raise unread(self._network, str(error)) from error
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes) == len(scores) == len(classes):
            raise unread(self._network, f"{boxes.shape} boxes, {scores.shape} scores and {classes.shape} classes")
        return boxes, scores, classes


def _labels(model_path: Path, network: Network) -> dict[int, str]:
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
        raise invalid(network.name, f"its labels make no sense: {error}", network.outputs) from error


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
