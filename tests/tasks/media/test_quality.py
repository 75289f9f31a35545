import pytest

from tasks.media.quality import Trial, is_capped, nearest_trial, next_crf, sample_starts


def linear(crf: float) -> float:
    return 120 - 1.2 * crf


def curved(crf: float) -> float:
    return 98 - 0.02 * (crf - 8) ** 2


def search(target: float, vmaf_of: object, max_kbps: float = 1e6) -> list[Trial]:
    assert callable(vmaf_of)
    trials: list[Trial] = []
    while (crf := next_crf(trials, target, max_kbps, first=23)) is not None:
        trials.append(Trial(crf, vmaf_of(crf), kbps=50_000 / crf))
    return trials


@pytest.mark.parametrize("shape", [linear, curved])
@pytest.mark.parametrize("target", [80, 88, 93])
def test_the_setting_is_found_in_four_trials(shape: object, target: float) -> None:
    trials = search(target, shape)

    assert len(trials) <= 4
    assert abs(nearest_trial(trials, target).vmaf - target) <= 1


def test_what_is_near_at_once_is_taken_at_once() -> None:
    assert [trial.crf for trial in search(linear(23), linear)] == [23]


def test_a_target_beyond_reach_ends_at_the_end_of_the_scale() -> None:
    trials = search(99, lambda crf: 90 - crf / 10)

    assert nearest_trial(trials, 99).crf == 10
    assert len(trials) <= 4


def test_at_the_cap_nothing_more_is_tried() -> None:
    trials = search(95, linear, max_kbps=2000)

    assert len(trials) == 1
    assert is_capped(trials[0], 95, 2000)
    assert not is_capped(trials[0], 80, 2000)


def test_samples_are_spread_evenly_and_short_films_are_taken_whole() -> None:
    assert sample_starts(60) == (6.75, 21.75, 36.75, 51.75)
    assert sample_starts(6) == (0.0,)
