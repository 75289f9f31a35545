"""ONNX files of a few hundred bytes, written by hand: a valid graph that gives the same answer for every picture.

Its answer is multiplied by how bright the picture is (0–1 after dividing by `white`), so that it does look at it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Dims = Sequence[int | str]
_FLOAT, _INT64 = 1, 7


def write_model(
    path: Path,
    answers: Mapping[str, NDArray[np.float32]],
    *,
    size: tuple[int, int] = (64, 64),
    inputs: Mapping[str, tuple[Dims, int]] | None = None,
    white: float = 1.0,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a model that gives constant answers, of which `scores` or the only one grow with the picture's brightness.

    Args:
        path: Where to.
        answers: Outputs by name; integer arrays are given as they are.
        size: Width and height of the picture it takes.
        inputs: Instead of one picture named `images`: shape and element type (1 float, 7 int64) by name.
        white: Value of a white pixel.
        metadata: Properties of the model.
    """
    taken = inputs or {"images": ((1, 3, size[1], size[0]), _FLOAT)}
    picture = next(iter(taken))
    nodes = [
        _node("ReduceMean", [picture], "mean_", _text(1, "keepdims") + _number(3, 0) + _number(20, 2)),
        _node("Div", ["mean_", "white_"], "bright_"),
    ]
    constants = [_tensor("white_", np.array(white, np.float32))]
    outputs = []
    for name, values in answers.items():
        constants.append(_tensor(f"{name}_", values))
        grows = name in ("scores", "logits") or len(answers) == 1
        nodes.append(_node("Mul", [f"{name}_", "bright_"], name) if grows else _node("Identity", [f"{name}_"], name))
        outputs.append(_value(name, values.shape, _FLOAT if values.dtype == np.float32 else _INT64))
    graph = b"".join(_piece(1, node) for node in nodes) + _text(2, "tiny")
    graph += b"".join(_piece(5, constant) for constant in constants)
    graph += b"".join(_piece(11, _value(name, dims, kind)) for name, (dims, kind) in taken.items())
    graph += b"".join(_piece(12, output) for output in outputs)
    properties = b"".join(_piece(14, _text(1, key) + _text(2, value)) for key, value in (metadata or {}).items())
    path.write_bytes(_number(1, 8) + _piece(7, graph) + _piece(8, _number(2, 13)) + properties)
    return path


def yolox_rows(size: int, things: Mapping[tuple[int, int], Sequence[float]], classes: int) -> NDArray[np.float32]:
    """Return YOLOX's raw answer: by (stride, place) offsets across and down, log sides, confidence, and the class."""
    places = {stride: (size // stride) ** 2 for stride in (8, 16, 32)}
    starts = {8: 0, 16: places[8], 32: places[8] + places[16]}
    rows = np.zeros((1, sum(places.values()), 5 + classes), np.float32)
    for (stride, place), (across, down, wide, high, confidence, number) in things.items():
        row = rows[0, starts[stride] + place]
        row[:5] = across, down, wide, high, confidence
        row[5 + int(number)] = 1.0
    return rows


def _node(kind: str, inputs: Sequence[str], output: str, attribute: bytes = b"") -> bytes:
    named = b"".join(_text(1, name) for name in inputs) + _text(2, output) + _text(4, kind)
    return named + (_piece(5, attribute) if attribute else b"")


def _tensor(name: str, values: NDArray[np.generic]) -> bytes:
    kind = _FLOAT if values.dtype == np.float32 else _INT64
    dims = b"".join(_number(1, side) for side in values.shape)
    return dims + _number(2, kind) + _text(8, name) + _piece(9, np.ascontiguousarray(values).tobytes())


def _value(name: str, dims: Dims, kind: int) -> bytes:
    sides = b"".join(_piece(1, _number(1, side) if isinstance(side, int) else _text(2, side)) for side in dims)
    return _text(1, name) + _piece(2, _piece(1, _number(1, kind) + _piece(2, sides)))


def _text(field: int, text: str) -> bytes:
    return _piece(field, text.encode())


def _piece(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    digits.append(value)
    return bytes(digits)
