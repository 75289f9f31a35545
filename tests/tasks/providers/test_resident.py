"""The resident engine's process, without torch: its directory, its start, its end."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from data.domain.errors import InfrastructureError, ProcessLostError
from tasks.providers.pipeline_work import Loading, PipelineWork
from tasks.providers.resident import ResidentEngine, make_private

WORK = PipelineWork(
    loading=Loading(model="nowhere"),
    makes_video=True,
    prompt="A cat.",
    negative_prompt="",
    width=64,
    height=64,
    seconds=1.0,
    model_frame_rate=8.0,
    frame_rate=8,
    seed=1,
    arguments={"num_inference_steps": 2},
    target="made.mp4",
    ffmpeg="ffmpeg",
)


def test_work_survives_the_way_to_the_engine() -> None:
    assert PipelineWork.from_json(WORK.to_json()) == WORK


def test_a_directory_that_others_can_enter_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path)

    for name in ("open", "link"):
        with pytest.raises(InfrastructureError, match="private"):
            make_private(tmp_path / name)

    make_private(tmp_path / "own")
    make_private(tmp_path / "own")


def test_an_interpreter_that_cannot_start_it_is_told(state_home: Callable[[str], Path]) -> None:
    engine = ResidentEngine(Path("/bin/false"), state_home("engine") / "e")

    with pytest.raises(ProcessLostError, match="does not start"):
        engine.make(WORK, lambda _: None)


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed here")
def test_an_engine_that_breaks_down_is_told_with_its_last_words(state_home: Callable[[str], Path]) -> None:
    engine = ResidentEngine(Path(sys.executable), state_home("engine") / "e")
    shares: list[float] = []

    with pytest.raises(ProcessLostError, match="torch"):
        engine.make(WORK, shares.append)

    assert shares[0] == 0.0


def test_engines_of_different_interpreters_are_different(tmp_path: Path) -> None:
    one, other = (ResidentEngine(Path(name), tmp_path).socket_path for name in ("/a/python", "/b/python"))

    assert one != other
    assert one.parent == other.parent == tmp_path
