from pathlib import Path

import pytest

from data.domain.errors import RecipeInvalidError, RecipeUnknownError
from data.domain.recipes import Recipe
from data.recipes import RecipeList, RecipeOrigin, find_recipe, list_recipes, load_recipe

SHIPPED_NAMES = [
    *("analysed", "anonymous", "archive", "av1", "broadcast", "default", "full", "quick", "rehearsal"),
    *("restored", "square", "steady", "vertical"),
]


def names(recipes: RecipeList) -> list[str]:
    return [found.recipe.name for found in recipes.found]


def write(folder: Path, **recipes: str) -> Path:
    for name, text in recipes.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_the_shipped_recipes_are_valid_and_listed_by_name() -> None:
    assert names(list_recipes()) == SHIPPED_NAMES
    assert load_recipe("default").video == Recipe().video
    assert not load_recipe("quick").captions.enabled


@pytest.mark.parametrize("name", ["nothing", "", "../default", "/etc/passwd", "default.yaml", "DEFAULT", "nul\0"])
def test_an_unknown_recipe_names_those_there_are(name: str) -> None:
    with pytest.raises(RecipeUnknownError) as caught:
        load_recipe(name)
    assert caught.value.facts["available"] == SHIPPED_NAMES
    assert ", ".join(SHIPPED_NAMES) in caught.value.message


def test_recipes_of_the_user_join_ours_and_win_by_name(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("captions: {language: de}\n")
    (tmp_path / "quick.yaml").write_text("name: quick\nversion: 7\n")
    (tmp_path / "Not A Recipe.yaml").write_text("{")

    assert names(list_recipes(tmp_path)) == sorted([*SHIPPED_NAMES, "mine"])
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


def test_a_recipe_holds_only_what_differs_from_the_one_it_extends(tmp_path: Path) -> None:
    write(tmp_path, night="extends: quick\nversion: 3\nvideo: {crf: 30}\ncaptions: {enabled: true}\n")

    night, quick = find_recipe("night", tmp_path), load_recipe("quick")

    assert night.extends == ("quick",)
    assert night.origin is RecipeOrigin.OWN
    assert (night.recipe.name, night.recipe.version, night.recipe.description) == ("night", 3, "")
    assert night.recipe.video == quick.video.model_copy(update={"crf": 30})
    assert night.recipe.captions.enabled
    assert not night.recipe.chapters.enabled


def test_lists_are_replaced_not_joined(tmp_path: Path) -> None:
    write(tmp_path, small="extends: quick\nvideo: {ladder: {rungs: [{name: a, short_side: 240, max_kbps: 300}]}}\n")

    assert [rung.name for rung in load_recipe("small", tmp_path).video.ladder.rungs] == ["a"]


def test_a_recipe_of_the_users_may_build_on_ours_of_the_same_name(tmp_path: Path) -> None:
    write(tmp_path, default="extends: default\naudio: {kbps: 96}\n", other="extends: default\n")

    assert load_recipe("default", tmp_path).audio.kbps == 96
    assert load_recipe("other", tmp_path).audio.kbps == 96
    assert find_recipe("other", tmp_path).extends == ("default", "default")


@pytest.mark.parametrize(
    ("recipes", "text"),
    [
        ({"a": "extends: b", "b": "extends: c", "c": "extends: a"}, "a → b → c → a"),
        ({"a": "extends: a"}, "'a', which does not exist"),
        ({"a": "extends: nothing"}, "default, full, quick"),
        ({"a": "extends: [quick]"}, "does not exist"),
        ({"a": "extends: ../../x"}, "does not exist"),
        ({"a": "extends: b", "b": "video: {crf: 99}"}, "video.crf"),
        ({"a": "extends: n1", **{f"n{i}": f"extends: n{i + 1}" for i in range(1, 20)}, "n20": ""}, "8 deep"),
    ],
)
def test_a_chain_that_leads_nowhere_is_a_typed_error(tmp_path: Path, recipes: dict[str, str], text: str) -> None:
    write(tmp_path, **recipes)

    with pytest.raises(RecipeInvalidError) as caught:
        load_recipe("a", tmp_path)
    assert text in caught.value.message


def test_one_broken_file_does_not_hide_the_others(tmp_path: Path) -> None:
    write(tmp_path, broken="video: {crf: 99}", mine="extends: quick")

    recipes = list_recipes(tmp_path)

    assert names(recipes) == sorted([*SHIPPED_NAMES, "mine"])
    assert [(each.name, each.origin) for each in recipes.broken] == [("broken", RecipeOrigin.OWN)]
    assert "video.crf" in recipes.broken[0].problem.message


def test_the_rehearsal_says_that_it_is_simulated() -> None:
    rehearsal = load_recipe("rehearsal")

    assert rehearsal.rehearsal
    assert rehearsal.description.startswith("Simulated")
