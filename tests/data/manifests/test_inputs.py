"""A row takes in a source, from where it may and that is there, or else words."""

import os
from pathlib import Path

import pytest

from data.domain.errors import SourceForbiddenError, SourceNotFoundError, TargetForbiddenError
from data.domain.sources import SourceRules
from data.domain.targets import TargetRules
from data.manifests import ManifestRules
from data.manifests.cells import Flaw
from data.manifests.inputs import check_inputs, check_recipe
from data.recipes import load_recipe


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    (folder / "night").mkdir(parents=True)
    (folder / "a.mp4").write_bytes(b"a")
    (folder / "night" / "b.mp4").write_bytes(b"b")
    return folder


def rules(media: Path, **changes: object) -> ManifestRules:
    sources = SourceRules(allowed_roots=(media,), s3_buckets=("camera",))
    return ManifestRules(**{"resolve_recipe": load_recipe, "sources": sources, **changes})


def checked(rules: ManifestRules, **columns: list[object]) -> tuple[dict[str, list[str]], list[Flaw]]:
    flaws: list[Flaw] = []
    return check_inputs(columns, len(next(iter(columns.values()))), rules, flaws), flaws


def code_of(rules: ManifestRules, source: object) -> str:
    _, flaws = checked(rules, source=[source])
    assert [flaw.column for flaw in flaws] == ["source"]
    return flaws[0].error.code


def test_sources_of_each_kind_are_taken(media: Path) -> None:
    sources = [
        f"{media}/a.mp4",
        f" {media}/night/b.mp4 ",
        "upload:1",
        "https://media.example/a.mp4",
        "s3://camera/a.mp4",
    ]

    kept, flaws = checked(rules(media), source=list(sources))

    assert flaws == []
    assert kept["source"] == [source.strip() for source in sources]


def test_what_is_not_there_or_no_file_is_refused(media: Path) -> None:
    os.mkfifo(media / "pipe")

    assert code_of(rules(media), f"{media}/missing.mp4") == "DATA.SOURCE.NOT_FOUND"
    assert code_of(rules(media), f"{media}/a.mp4/b.mp4") == "DATA.SOURCE.NOT_FOUND"
    assert code_of(rules(media), f"{media}/night") == "DATA.SOURCE.FORBIDDEN"
    assert code_of(rules(media), f"{media}/pipe") == "DATA.SOURCE.FORBIDDEN"
    assert code_of(rules(media), f"{media}/{'x' * 300}.mp4") == "DATA.SOURCE.FORBIDDEN"


def test_files_on_other_machines_are_not_looked_for(media: Path) -> None:
    assert checked(rules(media, check_files=False), source=[f"{media}/missing.mp4"])[1] == []


def test_the_rules_for_sources_are_those_of_jobs(media: Path) -> None:
    assert code_of(rules(media), "/etc/passwd") == "DATA.SOURCE.FORBIDDEN"
    assert code_of(rules(media), f"{media}/../media/a.mp4") == "DATA.SOURCE.FORBIDDEN"
    assert code_of(rules(media), "s3://private/a.mp4") == "DATA.SOURCE.FORBIDDEN"
    assert code_of(rules(media), "ftp://host/a.mp4") == "DATA.SOURCE.INVALID"
    assert code_of(rules(media), "http://host/a.mp4") == "DATA.SOURCE.INVALID"
    assert code_of(rules(media), 1.5) == "DATA.MANIFEST.VALUE"


def test_relative_paths_are_taken_from_where_the_manifest_lies(media: Path) -> None:
    lies_here = rules(media, folder=media / "night")

    kept, flaws = checked(lies_here, source=["b.mp4", "./b.mp4", "../a.mp4"])

    assert flaws == []
    assert kept["source"] == [f"{media}/night/b.mp4", f"{media}/night/b.mp4", f"{media}/a.mp4"]
    assert code_of(lies_here, "../../outside.mp4") == "DATA.SOURCE.FORBIDDEN"


def test_relative_paths_mean_nothing_in_a_manifest_that_was_handed_in(media: Path) -> None:
    _, flaws = checked(rules(media), source=["b.mp4", "C:\\clips\\b.mp4"])

    assert {flaw.error.code for flaw in flaws} == {"DATA.SOURCE.INVALID"}
    assert "write it whole" in flaws[0].error.message
    assert "Windows" in flaws[1].error.message


def test_a_row_has_exactly_one_input(media: Path) -> None:
    source = f"{media}/a.mp4"
    _, flaws = checked(
        rules(media),
        source=[source, "", source, ""],
        prompt=["", "a rabbit", "a rabbit", None],
        script=["", "", "", ""],
    )

    assert [(flaw.place, flaw.column, flaw.error.code) for flaw in flaws] == [
        (2, "source", "DATA.MANIFEST.INPUT"),
        (3, "source", "DATA.MANIFEST.INPUT"),
    ]


def test_a_row_may_begin_with_words(media: Path) -> None:
    kept, flaws = checked(rules(media), prompt=["a rabbit", "", "a fox"], script=["", "FADE IN\n", "Once."])

    assert flaws == []
    assert (kept["prompt"], kept["script"]) == (["a rabbit", "", "a fox"], ["", "FADE IN", "Once."])


def test_uploads_are_looked_up_all_at_once(media: Path) -> None:
    asked = []

    def find(ids: frozenset[str]) -> frozenset[str]:
        asked.append(ids)
        return ids & {"1"}

    _, flaws = checked(rules(media, find_uploads=find), source=["upload:1", "upload:2", "upload:1", "upload:"])

    assert asked == [frozenset({"1", "2", ""})]
    assert [(flaw.place, flaw.error.code) for flaw in flaws] == [
        (1, "DATA.SOURCE.NOT_FOUND"),
        (3, "DATA.SOURCE.NOT_FOUND"),
    ]


def test_copies_are_put_only_where_the_settings_allow_it(media: Path) -> None:
    given = rules(media, targets=TargetRules(allowed=("s3://cdn/news",)))
    recipe = load_recipe("quick")

    check_recipe(recipe.with_overrides({"publish.targets": [{"name": "cdn", "url": "s3://cdn/news/tonight"}]}), given)
    with pytest.raises(TargetForbiddenError) as refused:
        check_recipe(recipe.with_overrides({"publish.targets": [{"name": "cdn", "url": "s3://cdn/sport"}]}), given)
    assert refused.value.facts["field"] == "publish.targets.0.url"


def test_what_a_rows_edits_work_with_is_checked_like_its_source(media: Path) -> None:
    given = rules(media, find_uploads=lambda ids: ids & {"mine"})
    recipe = load_recipe("quick")

    for source in (f"{media}/a.mp4", "upload:mine", "https://media.example/a.mp4"):
        check_recipe(recipe.with_overrides({"edit.join.intro": source}), given)
    for source, error in (
        ("/etc/passwd", SourceForbiddenError),
        (f"{media}/gone.mp4", SourceNotFoundError),
        ("upload:theirs", SourceNotFoundError),
        ("s3://private/a.mp4", SourceForbiddenError),
    ):
        with pytest.raises(error, match=r"edit\.join\.intro: ") as refused:
            check_recipe(recipe.with_overrides({"edit.join.intro": source}), given)
        assert refused.value.facts["field"] == "edit.join.intro"
