"""What cannot be looked for is refused when it is asked for, and by nothing but a validation error."""

import pytest
from pydantic import ValidationError

from data.domain.analysis import AnalysisOptions


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("clustering_interval", float("inf")),
        ("ocr_interval", float("inf")),
        ("ocr_interval", float("nan")),
        ("fps", 0),
        ("max_frames", 10**30),
        ("model", "a\0b"),
        ("model", "../yolox"),
        ("model", "/etc/passwd"),
        ("model", "a/b"),
        ("zones", "[" * 100_000),
        ("zones", "9" * 6000),
        ("zones", "null"),
        ("zones", [{"name": "Door", "points": [[0, 0], [float("nan"), 0], [1, 1]]}]),
        ("zones", [{"name": "=1+1", "points": [[0, 0], [1, 0], [1, 1]]}]),
        ("zones", [{"name": "Door\n", "points": [[0, 0], [1, 0], [1, 1]]}]),
    ],
)
def test_what_makes_no_sense_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        AnalysisOptions.model_validate({field: value})
