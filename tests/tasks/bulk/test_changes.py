from dataclasses import replace
from pathlib import Path

from data.domain.errors import RecipeUnknownError
from data.domain.recipes import Recipe
from data.recipes import load_recipe
from data.repositories import ItemWish, UploadRepository
from tasks.bulk.changes import Recipes, find_known, look_at_sources
from tests.data.samples import TOOLS
from tests.fakes.bulk import BatchHouse

WISH = ItemWish(row=1, source="/in/a.mp4", wish_key="w", recipe="quick", overrides={}, title="", priority="default")


def load(name: str) -> Recipe:
    if name == "gone":
        raise RecipeUnknownError("There is none.")
    return Recipe(name=name)


def test_a_look_tells_size_and_presence(house: BatchHouse) -> None:
    here, gone = house.source("here.mp4", "12345"), str(house.media / "gone.mp4")

    looks = look_at_sources([here, gone, "upload:u1"], house.limits)

    assert (looks[0].size_bytes, looks[0].is_missing) == (5, False)
    assert looks[0].fingerprint is not None
    assert (looks[1].fingerprint, looks[1].is_missing) == (None, True)
    assert not looks[2].is_missing


def test_recipes_are_told_apart_by_what_they_do_not_by_their_name() -> None:
    recipes = Recipes(load, lambda recipe: "v1", lambda recipe: "v1")
    one, same, other = (
        recipes.of(WISH),
        recipes.of(ItemWish(**{**_values(WISH), "recipe": "renamed"})),
        recipes.of(ItemWish(**{**_values(WISH), "overrides": {"video.crf": 30}})),
    )

    assert one is not None
    assert same is not None
    assert other is not None
    assert one.digest == same.digest != other.digest
    assert recipes.of(ItemWish(**{**_values(WISH), "recipe": "gone"})) is None


def test_an_upload_of_a_known_file_is_known_without_having_been_taken_in(house: BatchHouse, tmp_path: Path) -> None:
    asset = house.publish(house.source("one.mp4"), load("quick"))
    effective = Recipes(load, lambda recipe: house.programs, lambda recipe: house.programs).of(WISH)
    assert effective is not None
    wish = ItemWish(**{**_values(WISH), "source": "upload:u1"})
    with house.database.session() as session:
        UploadRepository(session).create("u1", key="uploads/u1/x", original_name="x.mp4")
        UploadRepository(session).complete("u1", size_bytes=1, sha256=asset.sha256)

    with house.database.session() as session:
        [known] = find_known(session, [wish], look_at_sources([wish.source], house.limits), [effective], TOOLS)

    assert known.asset_id == asset.id
    assert known.fulfilment is not None


def _values(wish: ItemWish) -> dict:
    return {name: getattr(wish, name) for name in ItemWish.__slots__}


def test_what_edits_work_with_counts_by_its_content() -> None:
    def by_content(recipe: Recipe) -> Recipe:
        return recipe.with_overrides({"edit.join.intro": "sha256:abc"})

    here, there = (
        Recipes(load_recipe, lambda recipe: "v1", lambda recipe: "v1", by_content).of(
            replace(WISH, overrides={"edit.join.intro": f"/media/{folder}/intro.mp4"})
        )
        for folder in ("here", "there")
    )

    assert here is not None
    assert there is not None
    assert here.digest == there.digest
