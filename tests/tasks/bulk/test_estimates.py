import numpy
import pytest

from data.domain.costs import CostStep
from data.repositories import StepCost
from tasks.bulk.estimates import DEFAULTS, Work, learn, learn_bytes_out

DEFAULT = DEFAULTS[CostStep.TRANSCODE]


def cost(media_seconds: float, machine_seconds: float, bytes_out: int = 0) -> StepCost:
    return StepCost("transcode", "", media_seconds, 2.0, machine_seconds, 10**6, bytes_out)


def predicted(past: list[StepCost], media_seconds: float) -> float:
    one = numpy.array([media_seconds])
    return float(learn(DEFAULT, past).machine_seconds(Work(one, one * 0 + 2.0, one * 1e6))[0])


def test_without_past_runs_the_default_holds() -> None:
    assert learn(DEFAULT, []) == DEFAULT


def test_one_past_run_says_how_fast_the_machine_is() -> None:
    assert predicted([cost(10, 26.0)], 10) == pytest.approx(26.0)
    assert learn(DEFAULT, [cost(10, 26.0)]).learnt_from == 1


def test_many_runs_tell_the_fixed_part_from_the_rest() -> None:
    past = [cost(seconds, 3 + 0.5 * 2 * seconds) for seconds in range(5, 60, 5)]

    model = learn(DEFAULT, past)

    assert (model.fixed_seconds, model.seconds_per_unit) == (pytest.approx(3), pytest.approx(0.5))
    assert predicted(past, 1000) == pytest.approx(1003)


def test_a_few_strange_runs_change_nothing() -> None:
    past = [cost(seconds, 3 + 0.5 * 2 * seconds) for seconds in range(5, 105, 5)]
    strange = [cost(20, 4000), cost(50, 0.01), cost(90, 9999)]

    assert predicted([*past, *strange], 100) == pytest.approx(predicted(past, 100), rel=0.1)


def test_an_estimate_is_never_negative() -> None:
    past = [cost(seconds, 100 / seconds) for seconds in range(1, 20)]

    assert predicted(past, 1) > 0
    assert predicted(past, 1000) > 0


def test_bytes_are_learnt_by_pixels_and_seconds() -> None:
    assert learn_bytes_out([cost(10, 1, bytes_out=400_000)]) == pytest.approx(0.02)
    assert learn_bytes_out([]) > 0
