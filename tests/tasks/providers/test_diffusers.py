"""The engine ``diffusers``: what is told without torch, and (marked ``engines``) real pipelines, tiny and random."""

import importlib.util
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from data.domain.errors import (
    GenerationRejectedError,
    ModelMissingError,
    ProcessLostError,
    ProviderMisconfiguredError,
    ProviderUnavailableError,
    ToolMissingError,
)
from data.domain.generations import Capability, GenerationOptions, GenerationRequest, Reference
from tasks.media.probe import probe
from tasks.media.tools import find_tools
from tasks.providers.base import LocalProvider, MadeMedia, ProviderConfig
from tasks.providers.diffusers import INSTALL, Diffusers, capabilities_of, create, interpreter_with_torch
from tests.tasks.providers.contract import LocalProviderContract, LocalWorld

ROOT = Path(__file__).resolve().parents[3]
HAS_TORCH = importlib.util.find_spec("torch") is not None
CONFIG = ProviderConfig(name="tiny", engine="diffusers", model="wan")


@pytest.mark.parametrize(
    ("name", "makes"),
    [
        ("WanPipeline", {"text_to_video"}),
        ("WanImageToVideoPipeline", {"image_to_video"}),
        ("CogVideoXImageToVideoPipeline", {"image_to_video"}),
        ("LTXPipeline", {"text_to_video", "image_to_video"}),
        ("HunyuanVideoPipeline", {"text_to_video"}),
        ("StableDiffusionXLPipeline", {"text_to_image"}),
        ("FluxPipeline", {"text_to_image"}),
    ],
)
def test_a_pipeline_is_known_by_its_name(name: str, makes: set[str]) -> None:
    assert capabilities_of(name) == makes


def test_a_folder_without_a_model_is_told_with_the_command_that_fetches_one(tmp_path: Path) -> None:
    provider = create(replace(CONFIG, models_directory=tmp_path))
    assert isinstance(provider, LocalProvider)

    assert provider.profile.capabilities == frozenset()
    with pytest.raises(ProviderUnavailableError, match="hf download"):
        provider.check()
    with pytest.raises(ModelMissingError, match="hf download"):
        provider.make(GenerationRequest(prompt="A cat."), {}, tmp_path, lambda _: None)


@pytest.mark.skipif(HAS_TORCH, reason="torch is installed here")
def test_a_missing_torch_is_told_with_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(ToolMissingError, match=INSTALL):
        interpreter_with_torch(tmp_path)


@pytest.mark.skipif(HAS_TORCH, reason="torch is installed here")
def test_the_interpreter_of_the_separate_environment_is_taken(tmp_path: Path) -> None:
    python = tmp_path / ".venv-engines" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()

    assert interpreter_with_torch(tmp_path) == python


def test_what_the_model_does_not_make_is_rejected_before_anything_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "wan").mkdir()
    (tmp_path / "wan" / "model_index.json").write_text('{"_class_name": "WanPipeline"}', encoding="utf-8")
    provider = Diffusers(replace(CONFIG, models_directory=tmp_path))

    with pytest.raises(GenerationRejectedError):
        provider.make(
            GenerationRequest(prompt="A cat.", capability=Capability.TEXT_TO_IMAGE), {}, tmp_path, lambda _: None
        )


def test_another_model_or_another_way_to_use_it_is_another_version(tmp_path: Path) -> None:
    weights = tmp_path / "wan" / "weights.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"1")
    config = replace(CONFIG, models_directory=tmp_path)
    first, other_steps = (
        create(replace(config, options={"arguments": {"num_inference_steps": steps}})).profile.version
        for steps in (20, 30)
    )
    weights.write_bytes(b"12")

    assert len({first, other_steps, create(config).profile.version}) == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"model": ""},
        {"options": {"dtype": "int8"}},
        {"options": {"device": "tpu"}},
        {"options": {"offload": True}},
        {"options": {"arguments": []}},
        {"options": {"steps": 3}},
    ],
)
def test_settings_without_sense_are_told_at_once(changed: dict[str, object]) -> None:
    with pytest.raises(ProviderMisconfiguredError):
        create(replace(CONFIG, **changed))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny Wan, LTX and CogVideoX."""
    folder = tmp_path_factory.mktemp("models")
    script = ROOT / "tests" / "fakes" / "tiny_pipelines.py"
    try:
        python = interpreter_with_torch()
    except ToolMissingError as missing:
        pytest.skip(missing.message)
    done = subprocess.run([python, script, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


class Bench:
    """Providers of tiny models that share an engine's directory."""

    def __init__(self, models: Path, home: Path) -> None:
        self.models = models
        self.home = home
        self._count = 0

    def provider(self, model: str, idle_seconds: float = 60, frame_rate: float = 0.0, **arguments: object) -> Diffusers:
        steps = {"num_inference_steps": 2, **({"max_sequence_length": 16} if model == "cogvideox" else {})}
        options = {
            "idle_seconds": idle_seconds,
            "frame_rate": frame_rate,
            "max_short_side": 32,
            "arguments": steps | arguments,
        }
        config = replace(CONFIG, model=model, models_directory=self.models, options=options, threads=1)
        return Diffusers(config, self.home / "engine")

    def make(
        self, provider: Diffusers, request: GenerationRequest, on_progress: Callable[[float], None] = lambda _: None
    ) -> MadeMedia:
        self._count += 1
        scratch = self.home / f"scratch-{self._count}"
        scratch.mkdir()
        return provider.make(request, {"cat.jpg": self.home / "cat.jpg"}, scratch, on_progress)

    def engines(self) -> list[psutil.Process]:
        """The engine's processes of this bench that run."""
        mark = str(self.home / "engine")
        return [each for each in psutil.process_iter(["cmdline"]) if any(mark in part for part in _command(each))]

    def end(self) -> None:
        for each in self.engines():
            each.kill()


def _command(process: psutil.Process) -> list[str]:
    return process.info["cmdline"] or []


def asked(seed: int = 3, **more: object) -> GenerationRequest:
    options = {"short_side": 144, "aspect_ratio": "1:1", "frame_rate": 8, "duration_seconds": 1, "seed": seed}
    return GenerationRequest(prompt="A cat.", options=GenerationOptions.model_validate(options | more))


@pytest.fixture(scope="module")
def bench(tiny_models: Path, state_home: Callable[[str], Path], picture: Path) -> Iterator[Bench]:
    home = state_home("engine")
    (home / "cat.jpg").write_bytes(picture.read_bytes())
    bench = Bench(tiny_models, home)
    yield bench
    bench.end()


@pytest.mark.engines
@pytest.mark.parametrize("model", ["wan", "ltx", "cogvideox"])
def test_a_model_makes_a_video_of_the_size_the_rate_and_the_length_asked_for(bench: Bench, model: str) -> None:
    provider, shares = bench.provider(model), []
    provider.check()

    made = bench.make(provider, asked(), shares.append)

    found = probe(made.path, find_tools())
    assert (found.video.width, found.video.height) == (32, 32)
    assert found.video.frame_rate == 8
    assert found.duration_seconds == pytest.approx(1.0)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len({share for share in shares if share < 0.9}) >= 3  # loaded, and its two steps
    assert made.details["seed"] == 3
    assert made.details["versions"]["torch"].startswith("2.13.0")  # type: ignore[index]
    assert len(str(made.details["model_sha256"])) == 64
    json.dumps(dict(made.details))


@pytest.mark.engines
def test_the_next_job_finds_the_model_loaded_and_a_seed_makes_the_same_again(bench: Bench) -> None:
    first, again, other = (bench.make(bench.provider("wan"), asked(seed)) for seed in (5, 5, 6))

    assert (again.details["model_was_loaded"], other.details["model_was_loaded"]) == (True, True)
    assert first.path.read_bytes() == again.path.read_bytes()
    assert first.path.read_bytes() != other.path.read_bytes()
    assert len(bench.engines()) == 1


@pytest.mark.engines
def test_a_model_of_another_rate_and_shape_is_brought_to_what_was_asked(bench: Bench) -> None:
    provider = bench.provider("wan", frame_rate=4)

    found = probe(bench.make(provider, asked(aspect_ratio="16:9", frame_rate=12)).path, find_tools())

    assert (found.video.width, found.video.height, found.video.frame_rate) == (56, 32, 12)
    assert found.duration_seconds == pytest.approx(1.0, abs=0.1)


@pytest.mark.engines
def test_a_picture_is_set_in_motion(bench: Bench) -> None:
    reference = Reference(name="cat.jpg", key="k", kind="image")
    request = asked().model_copy(update={"capability": Capability.IMAGE_TO_VIDEO, "references": (reference,)})

    made = bench.make(bench.provider("ltx"), request)

    assert made.details["pipeline"] == "LTXImageToVideoPipeline"
    assert probe(made.path, find_tools()).duration_seconds == pytest.approx(1.0)


@pytest.mark.engines
def test_what_a_model_does_not_take_is_rejected_and_the_engine_lives_on(bench: Bench, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model_index.json").write_text(
        '{"_class_name": "WanPipeline", "vae": ["diffusers", "AutoencoderKLWan"]}', encoding="utf-8"
    )

    with pytest.raises(GenerationRejectedError, match="magic"):
        bench.make(bench.provider("wan", magic=1), asked())
    with pytest.raises(ModelMissingError, match="broken"):
        bench.make(bench.provider(str(broken)), asked())

    assert bench.make(bench.provider("wan"), asked()).path.exists()
    assert len(bench.engines()) == 1


@pytest.mark.engines
def test_a_job_that_goes_away_stops_its_work_and_nobody_elses(bench: Bench) -> None:
    class GoneError(Exception):
        pass

    def go(share: float) -> None:
        if share >= 0.05:
            raise GoneError

    bench.make(bench.provider("wan"), asked())
    (before,) = bench.engines()
    with pytest.raises(GoneError):
        bench.make(bench.provider("wan", num_inference_steps=1000), asked(), go)
    after = bench.make(bench.provider("wan"), asked())

    assert after.details["model_was_loaded"]
    assert bench.engines() == [before]


@pytest.mark.engines
def test_a_killed_engine_is_told_the_next_job_starts_another_and_that_ends_when_idle(
    bench: Bench, state_home: Callable[[str], Path], wait_until: Callable[..., None]
) -> None:
    own = Bench(bench.models, state_home("engine"))

    def kill(share: float) -> None:
        if share >= 0.05:
            for each in own.engines():
                each.kill()

    with pytest.raises(ProcessLostError):
        own.make(own.provider("wan", 1, num_inference_steps=1000), asked(), kill)
    made = own.make(own.provider("wan", 1), asked())

    assert made.details["model_was_loaded"] is False
    wait_until(lambda: not own.engines(), description="the idle engine's end")
    assert {each.suffix for each in (own.home / "engine").iterdir()} == {".lock", ".log"}


@pytest.fixture
def local(bench: Bench) -> LocalWorld:
    return LocalWorld(bench.provider("wan"), asked())


@pytest.mark.engines
class TestDiffusers(LocalProviderContract):
    pass
