import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from data.domain.errors import DetectorInvalidError, ModelMissingError
from tasks.models.analysis.detections import Detections, look_at
from tasks.models.analysis.onnx import OnnxDetector
from tasks.models.analysis.plan import Picture, Sampled
from tests.fakes.looks import flat
from tests.fakes.tiny_onnx import write_model, yolox_rows

WHITE = flat(255, 128, 64)


def found(model: Path, picture: Picture = WHITE, min_confidence: float = 0.4) -> Detections:
    return OnnxDetector(model, min_confidence).detect(look_at(Sampled(0, 0.0, picture)))


def yolox(path: Path, metadata: dict[str, str] | None = None) -> Path:
    """A thing at cell (2, 1) of stride 16, of 16 x 8 pixels, seen twice; in a picture of 64 x 64."""
    thing = (0.5, 0.5, 0.0, float(np.log(0.5)), 0.9)
    rows = yolox_rows(
        64, {(16, 6): (*thing, 1), (8, 20): (1.0, 1.0, 0.6931, 0.0, 0.8, 1), (32, 0): (0, 0, 0, 0, 0.1, 0)}, 2
    )
    return write_model(path, {"output": rows}, white=255.0, metadata=metadata)


def test_yolox_is_decoded_fitted_and_rid_of_doubles(tmp_path: Path) -> None:
    answer = found(yolox(tmp_path / "tiny.onnx"), flat(255, 64, 64))

    assert np.array(answer.boxes) == pytest.approx(np.array([[32, 20, 48, 28]]) / 64, abs=1e-4)
    assert answer.confidences == pytest.approx([0.9], abs=1e-3)
    assert answer.labels == ("class 1",)


def test_a_wide_picture_is_fitted_not_stretched(tmp_path: Path) -> None:
    rows = yolox_rows(64, {(16, 0): (0.5, 0.5, 0.0, 0.0, 1.0, 0)}, 1)
    model = write_model(tmp_path / "tiny.onnx", {"output": rows * 2}, white=255.0)

    answer = found(model, WHITE, 0.3)  # half of the square is grey padding; the answer is scaled by the brightness

    left, top, right, bottom = answer.boxes[0]
    assert (right - left) * 128 == pytest.approx((bottom - top) * 64)


def test_what_is_too_unsure_is_left_out(tmp_path: Path) -> None:
    model = yolox(tmp_path / "tiny.onnx")

    assert len(found(model, flat(255, 64, 64), 0.95)) == 0
    assert len(found(model, flat(0, 64, 64))) == 0


def rt_detr(path: Path) -> Path:
    return write_model(
        path,
        {
            "labels": np.array([[1, 0]], np.int64),
            "boxes": np.array([[[32, 16, 64, 48], [0, 0, 8, 8]]], np.float32),
            "scores": np.array([[0.8, 0.2]], np.float32),
        },
        inputs={"images": (("N", 3, 64, 64), 1), "orig_target_sizes": (("N", 2), 7)},
    )


def test_an_rt_detr_of_its_own_export_is_read(tmp_path: Path) -> None:
    answer = found(rt_detr(tmp_path / "tiny.onnx"))

    # It answers in pixels of the picture, 128 x 64.
    assert np.array(answer.boxes) == pytest.approx(np.array([[0.25, 0.25, 0.5, 0.75]]))
    assert answer.labels == ("class 1",)


def test_an_rt_detr_of_hugging_face_is_read(tmp_path: Path) -> None:
    answers = {
        "logits": np.array([[[-4, 3, -4], [-4, -4, -4]]], np.float32),
        "pred_boxes": np.array([[[0.5, 0.5, 0.2, 0.4], [0, 0, 0, 0]]], np.float32),
    }

    answer = found(write_model(tmp_path / "tiny.onnx", answers))

    assert np.array(answer.boxes) == pytest.approx(np.array([[0.4, 0.3, 0.6, 0.7]]))
    assert answer.confidences == pytest.approx([0.9526], abs=1e-3)


@pytest.mark.parametrize(
    "inputs",
    [
        {"pixel_values": (("N", 3, 64, 64), 1)},
        {"pixel_values": (("N", 3, 64, 64), 1), "pixel_mask": (("N", 64, 64), 7)},
    ],
)
def test_a_classic_detr_is_told_by_its_class_for_nothing(tmp_path: Path, inputs: dict[str, Any]) -> None:
    logits = np.full((1, 100, 4), -4.0, np.float32)  # three classes, and nothing
    logits[0, :, 3] = 6.0
    logits[0, 7] = -4.0, 8.0, -4.0, -4.0
    boxes = np.full((1, 100, 4), 0.5, np.float32)
    boxes[0, 7] = 0.5, 0.5, 0.2, 0.4

    answer = found(write_model(tmp_path / "detr.onnx", {"logits": logits, "pred_boxes": boxes}, inputs=inputs))

    assert np.array(answer.boxes) == pytest.approx(np.array([[0.4, 0.3, 0.6, 0.7]]))
    assert answer.labels == ("class 1",)
    assert answer.confidences[0] > 0.99


@pytest.mark.parametrize(
    "answers",
    [
        {"logits": np.zeros((1, 9), np.float32), "pred_boxes": np.zeros((1, 9, 4), np.float32)},
        {"logits": np.ones((1, 9, 3), np.float32), "pred_boxes": np.zeros((1, 5, 4), np.float32)},
        {"logits": np.ones((1, 9, 3), np.float32), "pred_boxes": np.zeros((1, 9, 3), np.float32)},
        {
            "labels": np.zeros((1, 2), np.int64),
            "boxes": np.zeros((1, 3, 3), np.float32),
            "scores": np.ones((1, 2), np.float32),
        },
        {
            "labels": np.zeros((1, 5), np.int64),
            "boxes": np.zeros((1, 3, 4), np.float32),
            "scores": np.ones((1, 3), np.float32),
        },
        {"output": np.zeros((1, 9, 3), np.float32)},
    ],
)
def test_answers_of_odd_shapes_are_refused_before_a_frame_is_decoded(
    tmp_path: Path, answers: dict[str, NDArray[Any]]
) -> None:
    with pytest.raises(DetectorInvalidError, match=r"odd\.onnx.*\[1, 9|odd\.onnx.*\[1, 3"):
        OnnxDetector(write_model(tmp_path / "odd.onnx", answers), 0.0)


def test_an_rt_detr_with_one_output_is_read(tmp_path: Path) -> None:
    joined = np.zeros((1, 300, 6), np.float32)
    joined[0, 7] = 0.5, 0.5, 0.2, 0.4, 0.1, 0.9

    answer = found(write_model(tmp_path / "tiny.onnx", {"output0": joined}))

    assert np.array(answer.boxes) == pytest.approx(np.array([[0.4, 0.3, 0.6, 0.7]]), abs=1e-3)
    assert answer.labels == ("class 1",)


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".txt", "person\ncar\n"),
        (".json", json.dumps(["person", "car"])),
        (".json", json.dumps({"0": "person", "1": "car"})),
        (".json", json.dumps({"id2label": {"0": "person", "1": "car"}})),
    ],
)
def test_labels_lie_beside_the_model(tmp_path: Path, suffix: str, text: str) -> None:
    model = rt_detr(tmp_path / "tiny.onnx")
    model.with_suffix(suffix).write_text(text)

    assert found(model).labels == ("car",)


def test_labels_lie_within_the_model(tmp_path: Path) -> None:
    model = yolox(tmp_path / "tiny.onnx", {"names": "{0: 'person', 1: 'car'}"})

    assert found(model, flat(255, 64, 64)).labels == ("car",)


def test_labels_that_make_no_sense_are_said(tmp_path: Path) -> None:
    model = rt_detr(tmp_path / "tiny.onnx")
    model.with_suffix(".json").write_text('"person"')

    with pytest.raises(DetectorInvalidError, match="labels"):
        OnnxDetector(model, 0.4)


def test_labels_are_one_short_line(tmp_path: Path) -> None:
    model = yolox(tmp_path / "tiny.onnx")
    (tmp_path / "tiny.json").write_text(json.dumps(["car", "per\nson" + "x" * 5000]))

    (label,) = found(model, flat(255, 64, 64)).labels
    assert (label[:8], len(label)) == ("per sonx", 60)


def test_labels_that_are_no_text_are_said(tmp_path: Path) -> None:
    model = yolox(tmp_path / "tiny.onnx")
    (tmp_path / "tiny.txt").write_bytes(b"person\n\xff\xfe")

    with pytest.raises(DetectorInvalidError, match="labels"):
        OnnxDetector(model, 0.4)


def test_places_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    boxes = np.array([[[32, 16, np.nan, 48], [0, 0, np.inf, 8], [0, 0, 8, 8]]], np.float32)
    labels, scores = np.array([[1, 0, 1]], np.int64), np.array([[0.9, 0.9, 0.8]], np.float32)
    model = write_model(
        tmp_path / "tiny.onnx",
        {"labels": labels, "boxes": boxes, "scores": scores},
        inputs={"images": (("N", 3, 64, 64), 1), "orig_target_sizes": (("N", 2), 7)},
    )

    assert found(model).labels == ("class 1",)


def test_a_network_of_another_layout_is_refused_with_its_shapes(tmp_path: Path) -> None:
    model = write_model(tmp_path / "segments.onnx", {"mask": np.zeros((1, 21, 64, 64), np.float32)})

    with pytest.raises(DetectorInvalidError, match=r"segments\.onnx.*mask \[1, 21, 64, 64\]") as caught:
        OnnxDetector(model, 0.4)
    assert caught.value.facts["outputs"] == ["mask [1, 21, 64, 64]"]


def test_a_network_that_takes_no_picture_is_refused(tmp_path: Path) -> None:
    inputs = {"words": ((1, 16), 1)}
    model = write_model(tmp_path / "text.onnx", {"output": np.zeros((1, 4), np.float32)}, inputs=inputs)

    with pytest.raises(DetectorInvalidError, match=r"words \[1, 16\]"):
        OnnxDetector(model, 0.4)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08\x3a\x02\x12\x00"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "damaged.onnx").write_bytes(content)

    with pytest.raises(DetectorInvalidError, match=r"damaged\.onnx"):
        OnnxDetector(tmp_path / "damaged.onnx", 0.4)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"none\.onnx"):
        OnnxDetector(tmp_path / "none.onnx", 0.4)
