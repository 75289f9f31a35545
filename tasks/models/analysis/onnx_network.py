"""An ONNX file of the user's as it is loaded: what it takes and gives, and a typed error where that does not fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.domain.errors import DetectorInvalidError, ModelMissingError

_SIDE = 640
"""Of an input that leaves its size open."""
_MASKS: dict[str, type[np.generic]] = {"tensor(int64)": np.int64, "tensor(bool)": np.bool_, "tensor(float)": np.float32}

Array = NDArray[Any]


@dataclass(frozen=True)
class Network:
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
        except runtime_errors() as error:
            raise invalid(self.name, f"it fails on a picture: {error}", self.outputs) from error
        return dict(zip(self.outputs, answers, strict=True))


def load_network(model_path: Path, threads: int) -> Network:
    """Load a file.

    Args:
        model_path: The ``.onnx`` file.
        threads: Of the network; 0 lets the runtime choose.

    Raises:
        ModelMissingError: There is no such file.
        DetectorInvalidError: It is damaged, or takes no picture.
    """
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
    except runtime_errors() as error:
        raise invalid(model_path.name, f"it cannot be loaded: {error}", {}) from error
    return _described(session, model_path.name)


def _described(session: Any, name: str) -> Network:
    inputs, outputs = session.get_inputs(), {each.name: each.shape for each in session.get_outputs()}
    picture = next((each for each in inputs if len(each.shape) == 4), None)
    others = [each for each in inputs if each is not picture]
    dtypes: dict[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
    sizes = others[0].name if len(others) == 1 and len(others[0].shape) == 2 else None
    mask = (others[0].name, _MASKS[others[0].type]) if len(others) == 1 and _is_mask(others[0]) else None
    if picture is None or picture.shape[1] != 3 or picture.type not in dtypes or (others and not (sizes or mask)):
        taken = ", ".join(f"{each.name} {each.shape} {each.type}" for each in inputs)
        raise invalid(name, f"it takes {taken}, not a picture of 1 × 3 × height × width", outputs)
    height, width = (side if isinstance(side, int) and side > 0 else _SIDE for side in picture.shape[2:])
    return Network(session, name, picture.name, sizes, mask, outputs, (width, height), dtypes[picture.type])


def _is_mask(given: Any) -> bool:
    return len(given.shape) == 3 and given.type in _MASKS


def invalid(name: str, why: str, outputs: Mapping[str, Sequence[Any]]) -> DetectorInvalidError:
    """Return the error that says why a file is no use, and what it gives."""
    shapes = [f"{output} {list(shape)}" for output, shape in outputs.items()]
    gives = f" (it gives {', '.join(shapes)})" if shapes else ""
    return DetectorInvalidError(
        f"The detector {name} cannot be used: {why}{gives}.", {"model": name, "outputs": shapes}
    )


def unread(network: Network, what: str) -> DetectorInvalidError:
    """Return the error that says that a network's answers are of other shapes than they should be."""
    return invalid(network.name, f"its answers cannot be read: {what}", network.outputs)


def runtime_errors() -> tuple[type[Exception], ...]:
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
