"""One piece of work for a diffusers pipeline, as it goes from a job's process to the engine's."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

Device = Literal["auto", "cuda", "mps", "cpu"]
Dtype = Literal["auto", "bfloat16", "float16", "float32"]
Offload = Literal["none", "model", "sequential"]


@dataclass(frozen=True, kw_only=True)
class Loading:
    """Which model is to be there, and how; equal values find it loaded."""

    model: str
    """The folder."""
    pipeline: str = ""
    """The class to use in place of the folder's own: another one for the same weights."""
    device: Device = "auto"
    dtype: Dtype = "auto"
    """``auto`` takes bfloat16 on CUDA, float16 on Apple's GPUs, float32 on the CPU."""
    offload: Offload = "none"
    """What is moved off the GPU while it is not needed: nothing, whole models, or layer by layer (slow, smallest)."""
    vae_tiling: bool = False
    threads: int = 0
    """Of the CPU; 0 leaves it to torch."""


@dataclass(frozen=True, kw_only=True)
class PipelineWork:
    """A video (or picture) to make."""

    loading: Loading
    makes_video: bool
    prompt: str
    negative_prompt: str
    width: int
    height: int
    seconds: float
    model_frame_rate: float
    """Frames a second that the model makes."""
    frame_rate: int
    """Frames a second of the result."""
    seed: int
    image: str = ""
    """The picture to set in motion; a file."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the pipeline's call."""
    target: str
    """The file to make."""
    ffmpeg: str

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Read it back."""
        fields = json.loads(line)
        return cls(**fields | {"loading": Loading(**fields["loading"])})
