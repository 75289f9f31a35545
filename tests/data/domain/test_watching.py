from datetime import UTC, datetime, timedelta
from pathlib import PurePath

import pytest

from data.domain.watching import FileLook, SeenFile, may_be_video, recipe_of, sight

NOW = datetime(2026, 11, 22, 5, tzinfo=UTC)
LOOK = FileLook(1000, 1)


def seen(seconds: float, *, is_taken: bool = False, look: FileLook = LOOK) -> SeenFile:
    return SeenFile(look, NOW - timedelta(seconds=seconds), is_taken)


def test_a_new_file_is_remembered_and_waits() -> None:
    sighting = sight({}, {"/in/a.mp4": LOOK}, NOW, quiet_seconds=30)

    assert (sighting.changed, sighting.steady) == ({"/in/a.mp4": LOOK}, ())


@pytest.mark.parametrize(("seconds", "steady"), [(29, ()), (30, ("/in/a.mp4",))])
def test_a_file_is_taken_once_it_has_been_quiet(seconds: float, steady: tuple[str, ...]) -> None:
    assert sight({"/in/a.mp4": seen(seconds)}, {"/in/a.mp4": LOOK}, NOW, quiet_seconds=30).steady == steady


def test_a_file_that_grows_waits_anew() -> None:
    grown = FileLook(2000, 2)

    sighting = sight({"/in/a.mp4": seen(60)}, {"/in/a.mp4": grown}, NOW, quiet_seconds=30)

    assert (sighting.changed, sighting.steady) == ({"/in/a.mp4": grown}, ())


def test_a_file_that_was_taken_is_taken_again_only_when_it_was_replaced() -> None:
    taken = {"/in/a.mp4": seen(600, is_taken=True), "/in/b.mp4": seen(600, is_taken=True)}
    replaced = FileLook(1000, 2)

    sighting = sight(taken, {"/in/a.mp4": LOOK, "/in/b.mp4": replaced}, NOW, quiet_seconds=30)

    assert (sighting.changed, sighting.steady) == ({"/in/b.mp4": replaced}, ())


def test_what_is_gone_is_forgotten() -> None:
    assert sight({"/in/a.mp4": seen(600)}, {}, NOW, quiet_seconds=30).gone == {"/in/a.mp4"}


@pytest.mark.parametrize(
    "name", ["a.mp4.part", "a.MP4.TMP", ".a.mp4", ".sync/a.mp4", "a.mp4~", "a.srt", "poster.JPG", "a\nb.mp4"]
)
def test_unfinished_hidden_and_other_files_are_left_alone(name: str) -> None:
    assert not may_be_video(PurePath(name))


@pytest.mark.parametrize("name", ["a.mp4", "tonight/a.MXF", "no-suffix", "a.ts", "ü ö.mov"])
def test_anything_else_may_be_a_video(name: str) -> None:
    assert may_be_video(PurePath(name))


def test_the_nearest_folder_named_as_a_recipe_gives_it() -> None:
    recipes = frozenset({"quick", "default"})

    assert recipe_of(PurePath("quick/default/a.mp4"), recipes, "x") == "default"
    assert recipe_of(PurePath("quick/monday/a.mp4"), recipes, "x") == "quick"
    assert recipe_of(PurePath("a.mp4"), recipes, "x") == "x"
