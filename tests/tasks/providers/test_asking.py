"""What engines ask of a request before they send it."""

from pathlib import Path

import pytest

from data.domain.errors import GenerationRejectedError
from tasks.providers.asking import fitted_picture, frames_for


@pytest.mark.parametrize(
    ("seconds", "rate", "step", "frames"),
    [(5, 16, 4, 81), (4, 25, 8, 105), (1, 12, 4, 13), (0.01, 8, 4, 1), (2, 8, 1, 16)],
)
def test_a_model_makes_never_too_few_frames(seconds: float, rate: float, step: int, frames: int) -> None:
    assert frames_for(seconds, rate, step) == frames


def test_what_is_no_picture_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_text("not a cat")

    with pytest.raises(GenerationRejectedError):
        fitted_picture(tmp_path / "cat.png", 64, 64)
