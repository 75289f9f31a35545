"""Diffusers pipelines: load a folder, keep it, and make videos with it. Only the engine's process comes here.

torch and diffusers take seconds to import and are no part of the default set, so they are imported when the first work
comes. Nothing is fetched (``local_files_only``), no code of a model's folder is run, and only safetensors are read.
"""

import hashlib
import importlib
import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.domain.errors import GenerationFailedError, GenerationRejectedError, ModelMissingError
from tasks.providers.asking import frames_for
from tasks.providers.frame_video import encode_frames
from tasks.providers.pipeline_work import Loading, PipelineWork

_LOADED_SHARE, _MADE_SHARE = 0.05, 0.9

OnProgress = Callable[[float], None]
"""Takes the share (0-1) that is done; it raises when nobody wants the result any more."""


@dataclass(frozen=True)
class _Loaded:
    """A pipeline in memory."""

    loading: Loading
    pipeline: Any
    device: str
    dtype: str
    files: dict[str, str]
    """sha256 of the model's files, by their names."""


class Pipelines:
    """The pipelines of one process: one is kept, and gives way when another is wanted."""

    def __init__(self) -> None:
        self._kept: _Loaded | None = None

    def make(self, work: PipelineWork, on_progress: OnProgress) -> dict[str, object]:
        """Make what is asked for, and return what made it.

        Raises:
            ModelMissingError: The folder holds no whole model.
            GenerationRejectedError: The model does not take these arguments, or the memory does not suffice.
            GenerationFailedError: It failed.
            EncodeFailedError: ffmpeg failed.
        """
        torch = importlib.import_module("torch")
        was_loaded = self._kept is not None and self._kept.loading == work.loading
        kept = self._keep(work.loading)
        on_progress(_LOADED_SHARE)
        began = time.monotonic()
        try:
            made = _make(torch, kept, work, on_progress)
        except torch.OutOfMemoryError as error:
            self._kept = None
            del kept
            _free_memory(torch)
            raise GenerationRejectedError(
                f"The memory does not suffice for {work.width}x{work.height} and {work.seconds:g} s: "
                'ask for less, or set the option "offload" to "model" or "sequential".'
            ) from error
        except (ValueError, TypeError) as error:
            raise GenerationRejectedError(f"The model does not take this: {error}") from error
        except RuntimeError as error:
            raise GenerationFailedError(f"The model failed: {error}") from error
        return made | {
            "model_was_loaded": was_loaded,
            "seconds_taken": round(time.monotonic() - began, 2),
        }

    def _keep(self, loading: Loading) -> _Loaded:
        if self._kept is None or self._kept.loading != loading:
            self._kept = None  # the memory rarely holds two
            torch = importlib.import_module("torch")
            _free_memory(torch)
            self._kept = _load(torch, loading)
        return self._kept


def _load(torch: Any, loading: Loading) -> _Loaded:
    """Load a folder onto its device."""
    if loading.threads:
        torch.set_num_threads(loading.threads)
    device = _device(torch) if loading.device == "auto" else loading.device
    dtype = loading.dtype
    if dtype == "auto":
        dtype = {"cuda": "bfloat16", "mps": "float16"}.get(device, "float32")  # type: ignore[assignment]
    diffusers = importlib.import_module("diffusers")
    try:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(
            loading.model, local_files_only=True, use_safetensors=True, torch_dtype=getattr(torch, dtype)
        )
        if loading.pipeline and loading.pipeline != type(pipeline).__name__:
            pipeline = getattr(diffusers, loading.pipeline)(**pipeline.components)
        _place(pipeline, device, loading)
    except (OSError, ValueError, AttributeError, TypeError, RuntimeError, ImportError) as error:
        _free_memory(torch)
        raise ModelMissingError(
            f"{loading.model} cannot be loaded as a diffusers model: {error}", {"path": loading.model}
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return _Loaded(loading, pipeline, device, dtype, _digests(Path(loading.model)))


def _place(pipeline: Any, device: str, loading: Loading) -> None:
    """Bring a pipeline to its device, or have its parts brought there when they are needed."""
    if loading.offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device)
    elif loading.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.to(device)
    if loading.vae_tiling and hasattr(pipeline.vae, "enable_tiling"):
        pipeline.vae.enable_tiling()


def _make(torch: Any, kept: _Loaded, work: PipelineWork, on_progress: OnProgress) -> dict[str, object]:
    pipeline = kept.pipeline
    arguments = _arguments(torch, pipeline, work, on_progress)
    with torch.inference_mode():
        output = pipeline(**arguments)
    on_progress(_MADE_SHARE)
    made = {name: arguments[name] for name in ("width", "height", "num_frames") if name in arguments}
    if work.makes_video:
        _write_video(output.frames[0], work, on_progress)
    else:
        output.images[0].resize((work.width, work.height)).save(work.target)
    on_progress(1.0)
    return {
        "model": Path(work.loading.model).name,
        "model_sha256": hashlib.sha256(repr(sorted(kept.files.items())).encode()).hexdigest(),
        "files": kept.files,
        "pipeline": type(pipeline).__name__,
        "device": kept.device,
        "dtype": kept.dtype,
        "seed": work.seed,
        "made": made,
        "arguments": dict(work.arguments),
        "versions": {name: str(importlib.import_module(name).__version__) for name in ("torch", "diffusers")},
    }


def _arguments(torch: Any, pipeline: Any, work: PipelineWork, on_progress: OnProgress) -> dict[str, Any]:
    """Return the arguments of a pipeline's call: of what could be said, what its signature knows."""
    known = inspect.signature(pipeline.__call__).parameters
    if unknown := sorted(set(work.arguments) - set(known)):
        raise ValueError(f"{type(pipeline).__name__} has no argument {', '.join(unknown)}.")
    multiple = _spatial_step(pipeline)
    width, height = (max(1, round(each / multiple)) * multiple for each in (work.width, work.height))
    steps = work.arguments.get("num_inference_steps") or known["num_inference_steps"].default
    said = {
        "prompt": work.prompt,
        "negative_prompt": work.negative_prompt or None,
        "width": width,
        "height": height,
        "num_frames": frames_for(work.seconds, work.model_frame_rate, _temporal_step(pipeline)),
        "frame_rate": work.model_frame_rate,
        "generator": torch.Generator("cpu").manual_seed(work.seed),  # of the CPU: the same on every machine
        "output_type": "np" if work.makes_video else "pil",
        "callback_on_step_end": _step_callback(int(steps), on_progress),
    }
    if work.image:
        said["image"] = _picture(work.image, width, height)
    return {name: value for name, value in said.items() if name in known} | dict(work.arguments)


def _step_callback(steps: int, on_progress: OnProgress) -> Callable[..., dict[str, Any]]:
    def note(_pipeline: Any, step: int, _time: Any, values: dict[str, Any]) -> dict[str, Any]:
        on_progress(_LOADED_SHARE + (_MADE_SHARE - _LOADED_SHARE) * min(1.0, (step + 1) / steps))
        return values

    return note


def _write_video(frames: Any, work: PipelineWork, on_progress: OnProgress) -> None:
    """Write frames (count x height x width x 3, 0-1), no more of them than were asked for."""
    frames = frames[: max(1, round(work.seconds * work.model_frame_rate))]
    height, width = frames.shape[1:3]
    encode_frames(
        _pixels(frames),
        made_size=(width, height),
        made_rate=work.model_frame_rate,
        size=(work.width, work.height),
        frame_rate=work.frame_rate,
        frame_count=max(1, round(work.seconds * work.frame_rate)),
        target=Path(work.target),
        ffmpeg=Path(work.ffmpeg),
        on_frame=lambda: on_progress(_MADE_SHARE),
    )


def _pixels(frames: Any) -> Iterator[bytes]:
    for frame in frames:
        yield (frame * 255).round().clip(0, 255).astype("uint8").tobytes()


def _picture(path: str, width: int, height: int) -> Any:
    image = importlib.import_module("PIL.Image")
    with image.open(path) as picture:
        return picture.convert("RGB").resize((width, height))


def _spatial_step(pipeline: Any) -> int:
    """Return what width and height have to be multiples of (pixels)."""
    factor = _first(pipeline, ("vae_spatial_compression_ratio", "vae_scale_factor_spatial", "vae_scale_factor"), 8)
    transformer = getattr(pipeline, "transformer", None)
    patch = getattr(getattr(transformer, "config", None), "patch_size", 1) or 1
    return int(factor) * int(patch if isinstance(patch, int) else patch[-1])


def _temporal_step(pipeline: Any) -> int:
    """Return how many frames the model makes at a time after the first."""
    return int(_first(pipeline, ("vae_temporal_compression_ratio", "vae_scale_factor_temporal"), 1))


def _first(pipeline: Any, names: tuple[str, ...], default: int) -> int:
    return next((value for name in names if (value := getattr(pipeline, name, None))), default)


def _device(torch: Any) -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _free_memory(torch: Any) -> None:
    importlib.import_module("gc").collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of a model's weights and configurations (1.6 GB take a second)."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".safetensors", ".json", ".model"):
            with path.open("rb") as file:
                found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
