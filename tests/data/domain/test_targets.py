"""Where copies may be put, and that no name leads anywhere else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.domain.errors import RecipeInvalidError, TargetForbiddenError
from data.domain.recipes import Recipe
from data.domain.targets import PublishTarget, TargetRules, folder_name

CDN = {"name": "cdn", "url": "s3://cdn/videos"}


def target(url: str = "s3://cdn/videos", layout: str = "{asset}") -> PublishTarget:
    return PublishTarget(name="cdn", url=url, layout=layout)


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.example/videos", "videos", "s3://", "s3:///videos", "s3://Cdn/videos", "s3://cdn/../other",
        "s3://cdn//videos", "s3://cdn/.dailies", "file://relative", "file:///", "file:///srv/../etc", "file:///a\nb",
    ],
)  # fmt: skip
def test_an_address_that_is_no_place_is_refused_with_the_recipe(url: str) -> None:
    with pytest.raises(RecipeInvalidError, match=r"publish\.targets\.0\.url"):
        Recipe.parse({"publish": {"targets": [{"name": "cdn", "url": url}]}})


@pytest.mark.parametrize(
    "layout",
    ["", "videos", "{recipe}", "../{asset}", "{asset}/..", "/{asset}", "{asset}/", "{asset.__class__}", "{0}", "{asset",
     "{asset}/.dailies", "{owner}/{asset}", "a b/{asset}"],
)  # fmt: skip
def test_a_layout_that_leads_elsewhere_or_mixes_videos_is_refused(layout: str) -> None:
    with pytest.raises(RecipeInvalidError, match=r"publish\.targets\.0\.layout"):
        Recipe.parse({"publish": {"targets": [{**CDN, "layout": layout}]}})


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_title_leads_out_of_its_folder(title: str, recipe: str) -> None:
    folder = target(layout="all/{title}/{asset}").folder("a" * 24, title, recipe)

    first, name, last = folder.split("/")
    assert (first, last) == ("all", "a" * 24)
    assert name not in ("", ".", "..")
    assert not name.startswith(".")
    assert len(name.encode()) <= 100


@pytest.mark.parametrize(
    ("title", "name"),
    [("Tides & Köln / 2.mp4", "Tides-Köln-2.mp4"), ("../../etc/passwd", "etc-passwd"), ("…", ""), ("夜の港", "夜の港")],
)
def test_a_title_becomes_the_name_of_a_folder(title: str, name: str) -> None:
    assert folder_name(title) == name


def test_a_title_of_which_nothing_is_left_gives_way_to_the_asset() -> None:
    assert target(layout="{title}").folder("a" * 24, "…", "default") == "a" * 24


def test_two_targets_cannot_share_a_name_or_a_folder() -> None:
    for other in ({**CDN, "url": "s3://other"}, {**CDN, "name": "other", "url": "s3://cdn/videos/"}):
        with pytest.raises(RecipeInvalidError, match="two targets have the same"):
            Recipe.parse({"publish": {"targets": [CDN, other]}})


def test_targets_lie_at_or_below_what_the_settings_allow(tmp_path: Path) -> None:
    rules = TargetRules(allowed=("s3://cdn/videos", f"file://{tmp_path}/www"), store_url=f"file://{tmp_path}/store")
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "way out").symlink_to("/etc")

    rules.check([target(), target("s3://cdn/videos/news/"), target(f"file://{tmp_path}/www/news")])
    for url in (
        "s3://cdn",
        "s3://cdn/videos-too",
        "s3://other/videos",
        "file:///etc",
        f"file://{tmp_path}/www/way out",
    ):
        with pytest.raises(TargetForbiddenError, match="ALLOWED_TARGETS") as refused:
            rules.check([target(), target(url)])
        assert refused.value.facts == {"field": "publish.targets.1.url", "target": "cdn"}


@pytest.mark.parametrize("url", ["s3://media/a/b", "s3://media/a/b/publications", "s3://media/a", "s3://media"])
def test_nothing_is_put_into_the_object_store_or_around_it(url: str) -> None:
    with pytest.raises(TargetForbiddenError, match="lie in each other"):
        TargetRules(allowed=(url,), store_url="s3://media/a/b/").check([target(url)])


def test_a_recipe_without_targets_is_what_it_was_and_one_with_them_encodes_nothing_anew() -> None:
    plain, copied = Recipe(), Recipe.parse({"publish": {"targets": [CDN]}})

    assert plain.digest() == "d687799bd5bf97d27540b31e"
    assert copied.digest() != plain.digest() != Recipe.parse({"publish": {"review": True}}).digest()
    assert copied.transcode_options() == plain.transcode_options()
    assert copied.preparation_options() == plain.preparation_options()


def test_targets_are_an_override_like_any_other() -> None:
    recipe = Recipe().with_overrides({"publish.targets": [CDN], "publish.review": True})

    assert recipe.publish.targets[0].url == "s3://cdn/videos"
    assert Recipe.parse(recipe.model_dump(mode="json")) == recipe
