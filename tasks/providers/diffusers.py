"""Engine ``diffusers``: any model in a local folder, made with Hugging Face's diffusers on this machine's GPU.

::

    {"name": "wan", "engine": "diffusers", "model": "/models/Wan2.1-T2V-1.3B-Diffusers",
     "max_duration_seconds": 6,
     "options": {"dtype": "bfloat16", "device": "auto", "offload": "model", "vae_tiling": true,
                 "frame_rate": 16, "max_short_side": 480, "idle_seconds": 600,
                 "arguments": {"num_inference_steps": 30, "guidance_scale": 5.0}}}

``model``
    A folder as ``DiffusionPipeline.save_pretrained`` writes it and the hub has it (``model_index.json`` and
    safetensors); a relative one lies in the model store. It says itself what it makes: text→video, image→video or
    text→image. Nothing is fetched.
``frame_rate``, ``max_short_side``
    What the model was trained for, where that differs from what is asked: it makes so many frames a second, which are
    then brought to the frame rate asked for, and no larger pictures. By default as asked.
``arguments``
    Further arguments of the pipeline's call.

torch is no part of the default set: ``make setup-engines`` installs it with the rest into ``.venv-engines``, which the
engine's process uses where this interpreter has none. How that process lives: :mod:`tasks.providers.resident`.
"""

import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from data.domain.errors import (
    ModelMissingError,
    ProviderMisconfiguredError,
    ProviderUnavailableError,
    ToolMissingError,
)
from data.domain.generations import Capability, GenerationRequest
from tasks.media.tools import find_tools
from tasks.providers.asking import (
    DEFAULT_SECONDS,
    fitted_picture,
    option,
    picture_of,
    refuse_unknown_options,
    refuse_what_does_not_fit,
    words_of,
)
from tasks.providers.base import MadeMedia, Provider, ProviderConfig, ProviderProfile, References
from tasks.providers.pipeline_work import Device, Dtype, Loading, Offload, PipelineWork
from tasks.providers.resident import IDLE_SECONDS, ROOT, ResidentEngine, default_directory

_DECIDING = (".safetensors", ".json", ".model")
INSTALL = "make setup-engines"
_OPTIONS = (
    *("dtype", "device", "offload", "vae_tiling"),
    *("frame_rate", "max_short_side", "idle_seconds", "arguments"),
)
_IMAGE_TO_VIDEO = ("ImageToVideo", "Image2Video", "I2V")
_VIDEO = ("Video", "Wan", "LTX", "Mochi", "Allegro", "Latte", "AnimateDiff", "Cosmos", "SkyReels", "EasyAnimate")
_SAME_WEIGHTS = {"LTXPipeline": "LTXImageToVideoPipeline"}
"""Pipelines for text whose weights set pictures in motion too, with another class."""


def create(config: ProviderConfig) -> Provider:
    """Make a provider of its settings; nothing is loaded yet.

    Raises:
        ProviderMisconfiguredError: They make no sense.
    """
    return Diffusers(config)


class Diffusers:
    """A model in a folder.

    Args:
        config: The settings.
        engine_directory: Where its process is found; ``None`` takes the user's.
    """

    def __init__(self, config: ProviderConfig, engine_directory: Path | None = None) -> None:
        refuse_unknown_options(config, _OPTIONS)
        if not config.model:
            raise ProviderMisconfiguredError(
                f"The provider {config.name} needs a model, a folder.", {"option": "model"}
            )
        self._folder = config.models_directory / Path(config.model).expanduser()
        self._loading = Loading(
            model=str(self._folder.absolute()),
            device=_choice(config, "device", get_args(Device)),
            dtype=_choice(config, "dtype", get_args(Dtype)),
            offload=_choice(config, "offload", get_args(Offload)),
            vae_tiling=option(config, "vae_tiling", bool, False),
            threads=config.threads,
        )
        self._frame_rate = option(config, "frame_rate", float, 0.0)
        self._max_short_side = option(config, "max_short_side", int, 0)
        self._arguments: dict[str, Any] = option(config, "arguments", dict, {})
        self._idle_seconds = option(config, "idle_seconds", float, IDLE_SECONDS)
        self._engine_directory = engine_directory or default_directory()
        self._config = config

    def __repr__(self) -> str:
        """Name and folder."""
        return f"Diffusers({self._config.name!r}, {str(self._folder)!r})"

    @property
    def profile(self) -> ProviderProfile:
        """What it is and can do, as the model's folder says; nothing while there is no folder."""
        try:
            capabilities = capabilities_of(self._pipeline_class())
        except ModelMissingError:
            capabilities = frozenset()
        config = self._config
        return ProviderProfile(
            name=config.name,
            engine=config.engine,
            capabilities=capabilities,
            version=self._version(),
            limits=config.limits,
            price=config.price,
        )

    def check(self) -> None:
        """See whether model and libraries are there; loads nothing.

        Raises:
            ProviderUnavailableError: One is not.
        """
        try:
            self._pipeline_class()
            interpreter_with_torch()
        except (ModelMissingError, ToolMissingError) as error:
            raise ProviderUnavailableError(error.message, error.facts) from error

    def make(
        self,
        request: GenerationRequest,
        references: References,
        scratch: Path,
        on_progress: Callable[[float], None],
    ) -> MadeMedia:
        """Make a video or a picture; see :class:`tasks.providers.base.LocalProvider`.

        Raises:
            GenerationRejectedError: The model does not make this, or the memory does not suffice.
            GenerationFailedError: The model failed.
            ModelMissingError: The folder holds no whole model.
            ToolMissingError: torch or diffusers is not installed; says how to.
            ProcessLostError: The engine's process was killed; another try starts another.
        """
        pipeline_class = self._pipeline_class()
        refuse_what_does_not_fit(self.profile, request)
        engine = ResidentEngine(interpreter_with_torch(), self._engine_directory, self._idle_seconds)
        work = self._work(request, references, pipeline_class, scratch)
        details = engine.make(work, on_progress)
        return MadeMedia(Path(work.target), {"engine": self._config.engine, **details})

    def _work(
        self, request: GenerationRequest, references: References, pipeline_class: str, scratch: Path
    ) -> PipelineWork:
        makes_video = request.capability is not Capability.TEXT_TO_IMAGE
        width, height = self._size(request)
        picture = picture_of(request, references)
        if picture:
            fitted = scratch / "reference.png"
            fitted.write_bytes(fitted_picture(picture, width, height))
        options = request.options
        another_class = _SAME_WEIGHTS.get(pipeline_class, "") if picture else ""
        return PipelineWork(
            loading=replace(self._loading, pipeline=another_class),
            makes_video=makes_video,
            prompt=words_of(request),
            negative_prompt=options.negative_prompt,
            width=width,
            height=height,
            seconds=options.duration_seconds or DEFAULT_SECONDS,
            model_frame_rate=self._frame_rate or float(options.frame_rate),
            frame_rate=options.frame_rate,
            seed=request.seed,
            image=str(fitted) if picture else "",
            arguments=self._arguments,
            target=str(scratch / ("made.mp4" if makes_video else "made.png")),
            ffmpeg=str(find_tools().ffmpeg),
        )

    def _size(self, request: GenerationRequest) -> tuple[int, int]:
        """Return width and height (pixels, even), scaled down to what the model makes."""
        short = min(request.width, request.height)
        scale = min(1.0, self._max_short_side / short) if self._max_short_side else 1.0
        return round(request.width * scale / 2) * 2, round(request.height * scale / 2) * 2

    def _version(self) -> str:
        """Return by what two models, or two ways to use one, are told apart without reading gigabytes."""
        files = [(path.relative_to(self._folder).as_posix(), path.stat()) for path in self._folder.rglob("*")]
        facts = [(name, found.st_size, found.st_mtime_ns) for name, found in sorted(files) if name.endswith(_DECIDING)]
        how = (self._loading.dtype, self._frame_rate, self._max_short_side, sorted(self._arguments.items()))
        return f"{self._folder.name} {hashlib.sha256(repr((facts, how)).encode()).hexdigest()[:16]}"

    def _pipeline_class(self) -> str:
        """Return the name of the model's pipeline.

        Raises:
            ModelMissingError: The folder holds no model.
        """
        index = self._folder / "model_index.json"
        try:
            return str(json.loads(index.read_text(encoding="utf-8"))["_class_name"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelMissingError(
                f"{self._folder} holds no diffusers model (no usable model_index.json): put one there, for example "
                f"with `hf download OWNER/MODEL --local-dir {self._folder}`.",
                {"path": str(self._folder)},
            ) from error


def capabilities_of(pipeline_class: str) -> frozenset[Capability]:
    """Return what a pipeline makes, by the name of its class: torch is not asked."""
    if any(part in pipeline_class for part in _IMAGE_TO_VIDEO):
        return frozenset({Capability.IMAGE_TO_VIDEO})
    if not any(part in pipeline_class for part in _VIDEO):
        return frozenset({Capability.TEXT_TO_IMAGE})
    more = {Capability.IMAGE_TO_VIDEO} if pipeline_class in _SAME_WEIGHTS else set()
    return frozenset({Capability.TEXT_TO_VIDEO, *more})


def interpreter_with_torch(root: Path = ROOT) -> Path:
    """Return the Python that has torch and diffusers: this one, or that of ``.venv-engines``.

    Raises:
        ToolMissingError: None has; the message names the command that installs them.
    """
    if all(importlib.util.find_spec(name) for name in ("torch", "diffusers")):
        return Path(sys.executable)
    separate = root / ".venv-engines" / "bin" / "python"
    if separate.exists():
        return separate
    raise ToolMissingError(
        f"torch and diffusers are not installed: run `{INSTALL}` in {root}.", {"tool": "diffusers", "command": INSTALL}
    )


def _choice(config: ProviderConfig, name: str, choices: tuple[Any, ...]) -> Any:
    value = config.options.get(name, choices[0])
    if value not in choices:
        raise ProviderMisconfiguredError(
            f"The option {name!r} of the provider {config.name} is to be one of {', '.join(choices)}.", {"option": name}
        )
    return value
