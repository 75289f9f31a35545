"""Recipes over HTTP: what there is to ask for, and what it comes to."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from data.recipes import load_recipe
from data.settings import RecipeSettings, Settings
from deployments.stack import Stack

RECIPES = "/api/v1/recipes"


@pytest.fixture(scope="module")
def own(
    tmp_path_factory: pytest.TempPathFactory,
    serve_api: Callable[[Settings, str], str],
    settings: Settings,
    api: httpx.Client,
    prefect_server: Stack,
) -> Iterator[httpx.Client]:
    """An API with a folder of own recipes."""
    folder: Path = tmp_path_factory.mktemp("recipes")
    (folder / "night.yaml").write_text("extends: quick\ndescription: By night\naudio: {kbps: 96}\n")
    (folder / "broken.yaml").write_text("video: {crf: 99}\n")
    changed = settings.model_copy(update={"recipes": RecipeSettings(folder=folder)})
    address = serve_api(changed, prefect_server.prefect_api_url)
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


def test_the_shipped_recipes_are_listed(api: httpx.Client) -> None:
    answer = api.get(RECIPES).json()

    assert [item["name"] for item in answer["items"]] == [
        "analysed",
        "anonymous",
        "archive",
        "av1",
        "broadcast",
        "default",
        "full",
        "quick",
        "rehearsal",
        "restored",
        "square",
        "steady",
        "vertical",
    ]
    assert {item["origin"] for item in answer["items"]} == {"shipped"}
    assert [item["name"] for item in answer["items"] if item["rehearsal"]] == ["rehearsal"]
    assert answer["broken"] == []


def test_own_recipes_join_them_and_a_broken_one_says_why(own: httpx.Client) -> None:
    answer = own.get(RECIPES).json()

    assert {item["name"]: item["origin"] for item in answer["items"]}["night"] == "own"
    assert [item["name"] for item in answer["broken"]] == ["broken"]
    assert "video.crf" in answer["broken"][0]["problem"]


def test_a_recipe_is_shown_as_it_takes_effect(own: httpx.Client) -> None:
    night = own.get(f"{RECIPES}/night").json()

    assert (night["extends"], night["description"]) == (["quick"], "By night")
    assert night["recipe"]["audio"]["kbps"] == 96
    assert night["recipe"]["video"]["preset"] == "ultrafast"
    assert night["digest"] != load_recipe("quick").digest()


def test_a_job_can_ask_for_an_own_recipe(own: httpx.Client, media_folder: Path) -> None:
    answer = own.post("/api/v1/jobs", json={"source": f"{media_folder}/a.mp4", "recipe": "night"})

    assert answer.status_code == 202


def test_an_unknown_recipe_is_not_found_and_a_broken_one_says_why(own: httpx.Client) -> None:
    unknown, broken = own.get(f"{RECIPES}/nothing"), own.get(f"{RECIPES}/broken")

    assert (unknown.status_code, unknown.json()["code"]) == (404, "REQUEST.NOT_FOUND")
    assert "night" in unknown.json()["facts"]["available"]
    assert (broken.status_code, broken.json()["code"]) == (422, "DATA.RECIPE.INVALID")
