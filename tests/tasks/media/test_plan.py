from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.domain.errors import RecipeInvalidError
from data.domain.recipes import Recipe
from tasks.media.plan import capped_rate, fitted_size, plan_encode
from tests.fakes.source_facts import source_facts

RECIPE = Recipe()


@pytest.mark.parametrize(
    ("rate", "most", "expected"),
    [
        ("30000/1001", 60, "30000/1001"),
        ("60000/1001", 60, "60000/1001"),
        ("120", 60, "60"),
        ("100", 60, "50"),
        ("144", 60, "48"),
        ("1/10", 60, "1/10"),
    ],
)
def test_a_rate_above_the_cap_is_divided_by_a_whole_number(rate: str, most: float, expected: str) -> None:
    assert capped_rate(Fraction(rate), most) == Fraction(expected)


def test_a_source_of_one_frame_promises_one_frame() -> None:
    plan = plan_encode(source_facts(duration_seconds=0.04), RECIPE)

    assert plan.frame_count == 1
    assert plan.tiles.step_frames >= 1
    assert plan.candidates.step_frames == 1


def test_a_long_source_gets_no_more_tiles_than_the_recipe_allows() -> None:
    plan = plan_encode(source_facts(duration_seconds=7200), RECIPE)

    tiles = -(-plan.frame_count // plan.tiles.step_frames)
    assert tiles == RECIPE.thumbnails.max_count


def test_a_short_source_gets_tiles_at_the_least_interval() -> None:
    plan = plan_encode(source_facts(duration_seconds=10), RECIPE)

    assert plan.tiles.step_frames == 25


def test_stills_come_from_the_lowest_rung_that_is_large_enough() -> None:
    plan = plan_encode(source_facts(), RECIPE)

    assert plan.rungs[plan.candidates.rung_index].spec.name == "480p"
    assert plan.rungs[plan.tiles.rung_index].spec.name == "240p"


def test_stills_of_portrait_video_are_portrait() -> None:
    plan = plan_encode(source_facts(1080, 1920), RECIPE)

    assert (plan.tiles.width, plan.tiles.height) == (90, 160)


def test_sound_lasts_exactly_as_long_as_the_promised_frames() -> None:
    plan = plan_encode(source_facts(frame_rate="24000/1001", duration_seconds=10.01), RECIPE)

    assert plan.frame_count == 240
    assert plan.sample_count == 480_480


def test_two_rungs_of_one_name_are_refused() -> None:
    rung = {"name": "small", "short_side": 240, "max_kbps": 300}
    recipe = Recipe.parse({"video": {"ladder": {"rungs": [rung, {**rung, "short_side": 144}]}}})

    with pytest.raises(RecipeInvalidError, match="small"):
        plan_encode(source_facts(), recipe)


def test_a_rung_may_not_take_the_name_of_another_file() -> None:
    recipe = Recipe.parse({"video": {"ladder": {"rungs": [{"name": "audio", "short_side": 240, "max_kbps": 300}]}}})

    with pytest.raises(RecipeInvalidError, match="audio"):
        plan_encode(source_facts(), recipe)


@given(width=st.integers(1, 8192), height=st.integers(1, 8192), duration=st.floats(0.001, 100_000))
def test_a_plan_never_upscales_and_never_divides_by_nothing(width: int, height: int, duration: float) -> None:
    plan = plan_encode(source_facts(width, height, duration_seconds=duration), RECIPE)

    for rung in plan.rungs:
        assert rung.width % 2 == rung.height % 2 == 0
        assert rung.width <= max(2, width)
        assert rung.height <= max(2, height)
    assert plan.tiles.frame_bytes > 0
    assert plan.keyframe_frames >= 1
    assert fitted_size(width, height, 160) <= (max(width, 1), max(height, 1))
