"""What is to be looked for, and by which model: found out before a frame is decoded."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from data.domain.analysis import AnalysisOptions
from data.domain.errors import InvalidRequestError, ModelMissingError
from data.settings import get_settings
from tasks.analysis import chosen_options, own_detector
from tasks.models.versions import detector_digest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("DAILIES_MODELS__DETECTORS", str(tmp_path))
    get_settings.cache_clear()
    (tmp_path / "yolox.onnx").write_bytes(b"weights")
    yield tmp_path
    get_settings.cache_clear()


def asked(model: str) -> AnalysisOptions:
    return AnalysisOptions(enabled=True, detector="onnx", model=model)


def test_what_is_asked_for_by_itself_is_wanted() -> None:
    options = chosen_options({"fps": 5, "zones": '[{"name": "Door", "points": [[0, 0], [1, 0], [1, 1]]}]'})

    assert options.enabled
    assert options.zones[0].name == "Door"


def test_options_that_are_wrong_are_all_named() -> None:
    with pytest.raises(InvalidRequestError, match=r"fps.*detector|detector.*fps"):
        chosen_options({"fps": -1, "detector": "magic"})


def test_a_model_is_found_by_its_name(folder: Path) -> None:
    assert own_detector(asked("yolox")) == own_detector(asked("yolox.onnx")) == folder / "yolox.onnx"
    assert own_detector(AnalysisOptions(enabled=True)) is None


@pytest.mark.parametrize("name", ["", "..", ".hidden"])
def test_a_model_is_named_and_never_a_path(folder: Path, name: str) -> None:
    with pytest.raises(InvalidRequestError):
        own_detector(asked(name))


def test_a_model_that_is_not_there_is_said_with_where_it_was_looked_for(folder: Path) -> None:
    with pytest.raises(ModelMissingError, match="not in the folder"):
        own_detector(asked("other"))


def test_other_weights_or_labels_are_another_detector(folder: Path) -> None:
    model = folder / "yolox.onnx"
    first = detector_digest(model)
    (folder / "yolox.txt").write_text("person\n")
    labelled = detector_digest(model)
    model.write_bytes(b"better weights")

    assert len({first, labelled, detector_digest(model)}) == 3
