import os
from dataclasses import replace
from pathlib import Path

from data.domain.recipes import Recipe
from tasks.media.tools import Toolset
from tasks.models.store import ModelStore
from tasks.models.versions import analysis_version, detector_digest, made_with

TOOLS = Toolset(Path("f"), Path("p"), Path("s"), "9.0", "PATH", "3.8", ffmpeg_build="abc")
MODELS = ModelStore(Path("models"))


def test_only_what_a_recipe_uses_counts() -> None:
    everything = made_with(Recipe(), TOOLS, MODELS)
    silent = made_with(Recipe().with_overrides({"captions.enabled": False}), TOOLS, MODELS)

    assert "whisper-base-" in everything
    assert "whisper-base-" not in silent
    assert made_with(Recipe(), replace(TOOLS, ffmpeg_build="def"), MODELS) != everything


def test_a_model_that_nobody_knows_is_left_to_the_step_that_needs_it() -> None:
    assert "whisper-none" in made_with(Recipe().with_overrides({"captions.model": "whisper-none"}), TOOLS, MODELS)


def test_an_analysis_depends_on_what_looks() -> None:
    plain = Recipe().with_overrides({"analysis.enabled": True})
    faces = plain.with_overrides({"analysis.detector": "faces"})

    assert "opencv" not in made_with(Recipe(), TOOLS, MODELS)
    assert "opencv" in made_with(plain, TOOLS, MODELS)
    assert "trackers-" in made_with(plain, TOOLS, MODELS)
    assert "centerface" in analysis_version(faces.analysis, MODELS)
    assert "centerface" not in analysis_version(plain.analysis, MODELS)
    assert analysis_version(plain.analysis, MODELS, "abc").endswith("abc")


def test_what_was_done_with_another_file_of_ones_own_is_not_done(tmp_path: Path) -> None:
    own = Recipe().with_overrides(
        {"analysis.enabled": True, "analysis.detector": "onnx", "analysis.model": "yolox.onnx"}
    )
    missing = made_with(own, TOOLS, MODELS, tmp_path)
    (tmp_path / "yolox.onnx").write_bytes(b"weights")
    first = made_with(own, TOOLS, MODELS, tmp_path)
    (tmp_path / "yolox.onnx").write_bytes(b"better weights")

    assert len({missing, first, made_with(own, TOOLS, MODELS, tmp_path)}) == 3
    assert detector_digest(tmp_path / "yolox.onnx") in made_with(own, TOOLS, MODELS, tmp_path)


def test_a_model_of_ones_own_is_read_once_while_it_is_the_same(tmp_path: Path) -> None:
    weights = tmp_path / "yolox.onnx"
    weights.write_bytes(b"weights")
    first, state = detector_digest(weights), weights.stat()

    weights.write_bytes(b"WEIGHTS")
    os.utime(weights, ns=(state.st_atime_ns, state.st_mtime_ns))

    assert detector_digest(weights) == first
    os.utime(weights, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert detector_digest(weights) != first
