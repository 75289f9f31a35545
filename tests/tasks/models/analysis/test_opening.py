from fractions import Fraction
from pathlib import Path

import pytest

from data.domain.analysis import AnalysisOptions
from data.domain.errors import ModelMissingError
from tasks.models.analysis.detections import SMALL_SIDE
from tasks.models.analysis.opening import open_detector, wanted_long_side
from tasks.models.analysis.plan import AnalysisPlan


def plan(options: AnalysisOptions, model: Path | None = None) -> AnalysisPlan:
    return AnalysisPlan(options, Fraction(25), 100, (256, 144), onnx_model=model)


def test_each_detector_says_what_it_is() -> None:
    motion, mock = (open_detector(plan(AnalysisOptions(detector=each))) for each in ("motion", "mock"))

    assert (motion.name.startswith("motion"), motion.is_simulated) == (True, False)
    assert (mock.name.startswith("SIMULATED"), mock.is_simulated) == (True, True)


@pytest.mark.parametrize("detector", ["faces", "onnx"])
def test_a_model_that_is_not_given_is_said(detector: str) -> None:
    with pytest.raises(ModelMissingError):
        open_detector(plan(AnalysisOptions.model_validate({"detector": detector})))


def test_pictures_are_no_larger_than_what_is_looked_for_needs() -> None:
    assert wanted_long_side(AnalysisOptions()) == SMALL_SIDE
    assert wanted_long_side(AnalysisOptions(detector="faces")) == 960
    assert wanted_long_side(AnalysisOptions(ocr_interval=2)) == 1280
