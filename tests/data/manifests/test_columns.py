"""A column means something, or the whole manifest is refused with a hint."""

import pytest

from data.manifests.columns import read_columns


def problem(*names: str) -> str:
    (found,) = read_columns(names).problems
    return found.error.message


def test_columns_are_told_apart_by_what_they_mean() -> None:
    columns = read_columns(
        (" source", "video.crf", "video", "metadata", "metadata.show ", "title", "error", "error_row")
    )

    assert columns.known == {"source": " source", "title": "title", "metadata": "metadata"}
    assert list(columns.overrides) == ["video", "video.crf"]
    assert columns.metadata == {"show": "metadata.show "}
    assert columns.problems == ()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Priority", "priority"),
        ("not before", "not_before"),
        ("custom-id", "custom_id"),
        ("captions.langauge", "captions.language"),
        ("crf", "video.crf"),
        ("video.ladder.rungs", "video.ladder"),
    ],
)
def test_an_unknown_column_says_which_was_meant(name: str, meant: str) -> None:
    assert f"did you mean `{meant}`?" in problem("source", name)


@pytest.mark.parametrize("name", ["description", "rehearsal", "version", "name", "colour"])
def test_data_of_ones_own_goes_into_metadata(name: str) -> None:
    assert f"`metadata.{name}`" in problem("source", name)


def test_a_column_without_a_name_is_refused() -> None:
    assert "no name" in problem("source", "")
    assert "metadata." in problem("source", "metadata.")


def test_a_manifest_without_anything_to_take_in_is_refused() -> None:
    assert "no column `source`" in problem("title")
    assert "looks like a row" in read_columns(("/srv/a.mp4",)).problems[0].error.message
    assert read_columns(("script",)).problems == ()
