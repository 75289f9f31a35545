import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from data.domain.ladders import Ladder, RenditionSpec
from data.domain.recipes import DEFAULT_LADDER

SIDES = st.integers(1, 8000)
SPECS = st.builds(
    RenditionSpec, name=st.just("rung"), short_side=st.integers(64, 4320), max_kbps=st.integers(50, 100_000)
)
LADDERS = st.builds(Ladder, rungs=st.lists(SPECS, min_size=1, max_size=10, unique_by=lambda s: s.short_side).map(tuple))


def names(ladder: Ladder) -> list[str]:
    return [rung.name for rung in ladder.rungs]


@given(LADDERS, SIDES, SIDES)
def test_a_ladder_never_upscales(ladder: Ladder, width: int, height: int) -> None:
    for rung in ladder.fitted_to(min(width, height)).rungs:
        out_width, out_height = rung.dimensions(width, height)

        assert out_width <= max(2, width)
        assert out_height <= max(2, height)


@given(SPECS, SIDES, SIDES)
def test_rungs_are_even_and_never_empty(spec: RenditionSpec, width: int, height: int) -> None:
    for side in spec.dimensions(width, height):
        assert side >= 2
        assert side % 2 == 0


@given(SPECS, st.integers(200, 4000), st.integers(200, 4000))
def test_a_rung_keeps_the_shape(spec: RenditionSpec, width: int, height: int) -> None:
    out_width, out_height = spec.dimensions(width, height)
    scale = min(1.0, spec.short_side / min(width, height))

    assert abs(out_width - width * scale) <= 2
    assert abs(out_height - height * scale) <= 2


@given(LADDERS, SIDES)
def test_a_fitted_ladder_always_has_a_rung_and_goes_from_high_to_low(ladder: Ladder, short_side: int) -> None:
    sides = [rung.short_side for rung in ladder.fitted_to(short_side).rungs]

    assert sides
    assert sides == sorted(sides, reverse=True)


@pytest.mark.parametrize(
    ("short_side", "expected"),
    [
        (2160, ["1080p", "720p", "480p", "240p"]),
        (1080, ["1080p", "720p", "480p", "240p"]),
        (1079, ["1079p", "720p", "480p", "240p"]),
        (720, ["720p", "480p", "240p"]),
        (740, ["720p", "480p", "240p"]),
        (540, ["540p", "480p", "240p"]),
        (360, ["360p", "240p"]),
        (240, ["240p"]),
        (100, ["100p"]),
        (10, ["240p"]),
    ],
)
def test_the_default_ladder_by_source(short_side: int, expected: list[str]) -> None:
    assert names(DEFAULT_LADDER.fitted_to(short_side)) == expected


def test_portrait_video_is_measured_by_its_width() -> None:
    rung = RenditionSpec(name="720p", short_side=720, max_kbps=3000)

    assert rung.dimensions(1080, 1920) == (720, 1280)
    assert rung.dimensions(1920, 1080) == (1280, 720)


def test_a_rung_at_the_source_s_own_size_spends_no_more_than_the_rung_above() -> None:
    native = DEFAULT_LADDER.fitted_to(540).rungs[0]

    assert native.short_side == 540
    assert native.max_kbps < 3000


def test_a_ladder_without_rungs_is_none() -> None:
    with pytest.raises(ValidationError):
        Ladder(rungs=())
