from pathlib import Path

import pytest

from data.domain.errors import RecipeInvalidError, RecipeUnknownError
from data.domain.recipes import Recipe
from data.recipes import list_recipes, load_recipe


def test_the_shipped_recipes_are_valid_and_listed_by_name() -> None:
    assert [recipe.name for recipe in list_recipes()] == ["default", "quick"]
    assert load_recipe("default").video == Recipe().video
    assert not load_recipe("quick").captions.enabled


@pytest.mark.parametrize("name", ["nothing", "", "../default", "/etc/passwd", "default.yaml", "DEFAULT", "nul\0"])
def test_an_unknown_recipe_names_those_there_are(name: str) -> None:
    with pytest.raises(RecipeUnknownError) as caught:
        load_recipe(name)
    assert caught.value.facts["available"] == ["default", "quick"]
    assert "default, quick" in caught.value.message


def test_recipes_of_the_user_join_ours_and_win_by_name(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("captions: {language: de}\n")
    (tmp_path / "quick.yaml").write_text("name: quick\nversion: 7\n")
    (tmp_path / "Not A Recipe.yaml").write_text("{")

    assert [recipe.name for recipe in list_recipes(tmp_path)] == ["default", "mine", "quick"]
    assert load_recipe("mine", tmp_path).captions.language == "de"
    assert load_recipe("quick", tmp_path).version == 7
    assert load_recipe("default", tmp_path / "no such folder") == load_recipe("default")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a list",
        "{unclosed",
        "name: another",
        "unknown_field: 1",
        "captions: {language: much too long}",
        "video: {ladder: {rungs: []}}",
        "description: !!python/object/apply:os.getcwd []",
        "1: number as a name",
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.yaml").write_text(text)

    with pytest.raises(RecipeInvalidError):
        load_recipe("broken", tmp_path)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(RecipeInvalidError):
        load_recipe("broken", tmp_path)
