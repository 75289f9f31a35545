from fractions import Fraction

import pytest

from data.domain.analysis import AnalysisOptions
from tasks.models.analysis.plan import AnalysisPlan, sampled
from tests.fakes.looks import flat


def plan(fps: float | None = None, max_frames: int | None = None, frame_count: int = 250) -> AnalysisPlan:
    options = AnalysisOptions(fps=fps, max_frames=max_frames)
    return AnalysisPlan(options, Fraction(25), frame_count, (64, 48))


@pytest.mark.parametrize(
    ("fps", "max_frames", "step", "count"),
    [
        (None, None, 1, 250),
        (5, None, 5, 50),
        (12, None, 2, 125),
        (60, None, 1, 250),
        (None, 100, 3, 84),
        (5, 10, 25, 10),
        (0.5, 1000, 50, 5),
        (None, 1, 250, 1),
        (1e-320, None, 250, 1),
        (120, 2**31 - 1, 1, 250),
    ],
)
def test_as_many_frames_are_looked_at_as_both_limits_allow(
    fps: float | None, max_frames: int | None, step: int, count: int
) -> None:
    wanted = plan(fps, max_frames)

    assert (wanted.step, wanted.sample_count) == (step, count)
    assert [each.frame for each in sampled([flat(0, 4, 4)] * 3, wanted)] == [0, step, 2 * step]
    assert wanted.samples_per_second == pytest.approx(25 / step)


def test_frames_keep_their_numbers_and_times() -> None:
    looked = list(sampled([flat(0, 4, 4)] * 4, plan(fps=5, frame_count=20)))

    assert [(each.frame, each.at_seconds) for each in looked] == [(0, 0.0), (5, 0.2), (10, 0.4), (15, 0.6)]
