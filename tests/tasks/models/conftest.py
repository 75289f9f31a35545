"""Registries on this machine, and the models of this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from tasks.models.store import ModelStore
from tests.fakes.registries import FileServer


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all pip knows: put wheels and source archives into it."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def file_server() -> Iterator[FileServer]:
    with FileServer().running() as server:
        yield server


@pytest.fixture(scope="session")
def models() -> ModelStore:
    """The real models, in the user's cache; fetched once."""
    return ModelStore(user_cache_path("dailies") / "models")
