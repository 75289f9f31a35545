"""Words become an asset, with the user's own files in it, and the same words cost nothing the second time."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.fakes.clips import clip
from tests.fakes.generation_world import tiny_video
from tests.fakes.openai_videos import OpenAIVideosServer
from tests.fakes.provider_server import KEY

# A process of its own: settings are read once in each.
PROGRAM = """
import json, sys
from prefect.logging import disable_run_logger
from data.database import migrate, open_database
from data.domain.errors import DailiesError
from data.domain.generations import Words
from data.domain.ledger import Subject
from data.domain.recipes import Recipe
from data.repositories import GenerationFilter, GenerationRepository
from data.settings import get_settings
from tasks.packed import working_for
from tasks.words import make_video
url = get_settings().catalogue_url
migrate(url)
made, refused = [], []
with disable_run_logger(), working_for("job:1"):
    for overrides in json.loads(sys.argv[1]):
        recipe = Recipe().with_overrides(overrides)
        try:
            made.append(make_video.fn(Words(script="A man speaks."), recipe, "", Subject(job_id="job:1")))
        except DailiesError as error:
            refused.append(error.code)
with open_database(url).session() as session:
    entries = GenerationRepository(session).page(GenerationFilter())
print(json.dumps({"assets": [each.model_dump(mode="json") for each in made], "refused": refused,
                  "entries": [each.model_dump(mode="json") for each in entries]}))
"""
SMALL = {"short_side": 144, "frame_rate": 8, "music": False}


def made(home: Path, *options: dict[str, object], providers: object = None) -> dict[str, Any]:
    """Make a video of the same words with each of some options of the recipe; return what became of them."""
    overrides = [{f"generation.{name}": value for name, value in {**SMALL, **each}.items()} for each in options]
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(Path.home()),
        "DAILIES_HOME": str(home),
        "DAILIES_INGEST__ALLOWED_ROOTS": json.dumps([str(clip("bigbuckbunny").parent), str(home)]),
        "DAILIES_GENERATION__POLL_SECONDS": "0.1",
    }
    if providers is not None:
        environment["DAILIES_GENERATION__PROVIDERS"] = json.dumps(providers)
    command = [sys.executable, "-c", PROGRAM, json.dumps(overrides)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.slow
def test_words_with_files_of_the_users_own_become_an_asset_once(tmp_path: Path) -> None:
    shown = str(clip("bigbuckbunny"))

    told = made(tmp_path, *[{"references": [shown, shown], "brand.intro": shown}] * 2)

    assert told["refused"] == []
    first, second = told["assets"]
    assert first == second
    assert first["original_name"] == "A man speaks"
    assert (first["facts"]["video"]["width"], first["facts"]["video"]["height"]) == (256, 144)
    [entry] = told["entries"]
    assert (entry["state"], entry["provider"], entry["attempts"]) == ("stored", "storyboard", 1)
    files = entry["request"]["references"]
    assert [each["is_brand"] for each in files] == [False, False, True]
    assert len({each["name"] for each in files}) == 3
    assert (tmp_path / "store" / files[0]["key"]).is_file()


@pytest.mark.slow
def test_a_picture_of_the_users_own_is_sent_to_the_service_that_is_paid(tmp_path: Path) -> None:
    shown = tmp_path / "cat.png"
    Image.linear_gradient("L").save(shown)
    with OpenAIVideosServer(tiny_video()).running() as server:
        studio = {"name": "studio", "engine": "openai_videos", "url": f"{server.url}/v1", "model": "wan2.2"}

        told = made(tmp_path, *[{"references": [str(shown)]}] * 2, providers=[{**studio, "api_key": KEY}])

    assert told["refused"] == []
    [entry] = told["entries"]
    [video] = server.videos.values()
    assert (entry["state"], entry["capability"]) == ("stored", "image_to_video")
    assert video.reference is not None


def test_files_from_elsewhere_are_refused(tmp_path: Path) -> None:
    told = made(tmp_path, {"references": ["/etc/hostname"]}, {"brand.logo": "/etc/hostname"})

    assert told["refused"] == ["DATA.SOURCE.FORBIDDEN"] * 2
    assert told["assets"] == []
