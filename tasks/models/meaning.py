"""What short texts mean, as vectors: all-MiniLM-L6-v2 (int8) through onnxruntime. Near vectors mean alike."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from data.domain.errors import ModelMissingError

MODEL_NAME = "minilm"

_MAX_TOKENS = 128
_BATCH = 32

Vectors = NDArray[np.float32]


def meanings(texts: Sequence[str], model_directory: Path, threads: int = 0) -> Vectors:
    """Return one vector of length 1 for each text; the product of two says how alike they are (-1 to 1).

    Args:
        texts: English works best.
        model_directory: The folder that the model store gives for ``minilm``.
        threads: CPU threads; 0 lets the runtime choose.

    Returns:
        Count × 384.

    Raises:
        ModelMissingError: The folder holds no such model.
    """
    batches = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
    found = [_batch(batch, model_directory, threads) for batch in batches]
    return np.concatenate(found) if found else np.zeros((0, 384), dtype=np.float32)


def _batch(texts: Sequence[str], model_directory: Path, threads: int) -> Vectors:
    tokenizer, session = _load(model_directory, threads)
    encoded = tokenizer.encode_batch(list(texts))
    mask = np.array([one.attention_mask for one in encoded], dtype=np.int64)
    known = {
        "input_ids": np.array([one.ids for one in encoded], dtype=np.int64),
        "attention_mask": mask,
        "token_type_ids": np.zeros_like(mask),
    }
    wanted = {entry.name for entry in session.get_inputs()}
    output = np.asarray(session.run(None, {name: known[name] for name in known.keys() & wanted})[0], dtype=np.float32)
    if output.ndim == 3:  # one vector for each token: their mean, without the padding
        weights = mask[..., None].astype(np.float32)
        output = (output * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0)
    return np.asarray(output / np.maximum(np.linalg.norm(output, axis=1, keepdims=True), 1e-9), dtype=np.float32)


@lru_cache(maxsize=1)
def _load(model_directory: Path, threads: int) -> tuple[Tokenizer, onnxruntime.InferenceSession]:
    tokenizer_file, model_file = model_directory / "tokenizer.json", model_directory / "model.onnx"
    if not tokenizer_file.is_file() or not model_file.is_file():
        raise ModelMissingError(
            f"{model_directory} holds no MiniLM. Run `python -m tasks.models pull {MODEL_NAME}`.", {"model": MODEL_NAME}
        )
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.enable_truncation(_MAX_TOKENS)
    tokenizer.enable_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return tokenizer, onnxruntime.InferenceSession(str(model_file), options, providers=["CPUExecutionProvider"])
