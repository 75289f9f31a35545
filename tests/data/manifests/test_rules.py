"""A recipe with overrides is validated once for all rows that say the same."""

import pytest

from data.domain.errors import RecipeInvalidError, RecipeUnknownError, SourceForbiddenError
from data.domain.recipes import Recipe
from data.manifests.rules import RowRecipes
from data.recipes import load_recipe


@pytest.fixture
def recipes() -> RowRecipes:
    return RowRecipes(load_recipe)


def test_a_recipe_is_looked_up_once_also_one_that_is_not_there() -> None:
    asked = []

    def resolve(name: str) -> Recipe:
        asked.append(name)
        return load_recipe(name)

    recipes = RowRecipes(resolve)
    for _ in range(3):
        recipes.find("quick", ())
        recipes.find("nothing", ())
        recipes.find("quick", (("video.crf", "20"),))

    assert asked == ["quick", "nothing"]


def test_the_same_combination_is_the_same_value(recipes: RowRecipes) -> None:
    assert recipes.find("quick", (("video.crf", "20"),)) is recipes.find("quick", (("video.crf", "20"),))


def test_values_become_what_the_recipe_takes_them_for(recipes: RowRecipes) -> None:
    given = (("video.crf", "20"), ("captions.enabled", "false"), ("poster.at_seconds", 3), ("captions.language", "de"))

    assert recipes.find("default", given).overrides == {
        "video.crf": 20.0,
        "captions.enabled": False,
        "poster.at_seconds": 3.0,
        "captions.language": "de",
    }


def test_the_more_precise_override_wins(recipes: RowRecipes) -> None:
    given = (("audio", '{"kbps": 64}'), ("audio.kbps", 96))

    assert recipes.find("default", given).overrides["audio.kbps"] == 96


def test_each_wrong_override_is_named_by_its_column(recipes: RowRecipes) -> None:
    row = recipes.find("default", (("video.crf", "99"), ("audio.kbps", "96"), ("captions.language", "english")))

    assert [(column, error.code) for column, error in row.problems] == [
        ("video.crf", RecipeInvalidError.code),
        ("captions.language", RecipeInvalidError.code),
    ]


def test_an_unknown_recipe_is_named_whatever_its_overrides(recipes: RowRecipes) -> None:
    ((column, error),) = recipes.find("nothing", (("video.crf", "99"),)).problems

    assert (column, error.code) == ("recipe", RecipeUnknownError.code)


def test_what_a_recipe_may_not_name_is_blamed_on_the_override_that_names_it() -> None:
    def check(recipe: Recipe) -> None:
        if recipe.edit.join.intro:
            raise SourceForbiddenError("No.", {"field": "edit.join.intro"})

    recipes = RowRecipes(load_recipe, check)

    assert recipes.find("quick", (("video.crf", "20"),)).problems == ()
    for name, value in (("edit.join.intro", "/a.mp4"), ("edit.join", '{"intro": "/a.mp4"}')):
        [(column, _)] = recipes.find("quick", ((name, value),)).problems
        assert column == name


def test_what_the_recipe_itself_may_not_name_is_blamed_on_the_recipe() -> None:
    def check(recipe: Recipe) -> None:
        raise SourceForbiddenError("No.", {"field": "edit.join.intro"})

    assert [column for column, _ in RowRecipes(load_recipe, check).find("quick", ()).problems] == ["recipe"]
