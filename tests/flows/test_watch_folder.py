"""A night on the real stack: a watched folder, a batch by hand, and the command line beside them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from data.database import Database
from data.domain.identity import Role
from deployments.environment import isolated
from deployments.stack import Stack
from flows.__main__ import main
from tests.api.callers import make_user
from tests.conftest import WaitUntil
from tests.fakes.manifests import write_manifest
from tests.tasks.test_batches import make_clip

pytestmark = pytest.mark.slow

OWNER = "night@desk.example"


@pytest.fixture(scope="module")
def folder(state_home: Callable[[str], Path]) -> Path:
    return state_home("watched")


@pytest.fixture(scope="module")
def watching(state_home: Callable[[str], Path], folder: Path) -> Iterator[Stack]:
    environment = {
        **isolated(),
        "DAILIES_INGEST__ALLOWED_ROOTS": json.dumps([str(folder)]),
        "DAILIES_BATCH__WATCHED_FOLDER": str(folder / "in"),
        "DAILIES_BATCH__WATCHED_RECIPE": "rehearsal",
        "DAILIES_BATCH__WATCHED_QUIET_SECONDS": "0",
        "DAILIES_BATCH__OWNER": OWNER,
    }
    (folder / "in").mkdir()
    with Stack(state_home("night"), environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def api(watching: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{watching.api_url}/api/v1", timeout=60) as client:
        yield client


def prefect(stack: Stack, *words: str) -> str:
    command = [sys.executable, "-m", "prefect", *words]
    done = subprocess.run(command, env={**os.environ, **stack.environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def batches(api: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("/batches").json()["items"]
    return found


@pytest.fixture(scope="module")
def owner(watching: Stack) -> str:
    """The id of the account that the settings name."""
    database = Database(watching.catalogue_url)
    user = make_user(database, OWNER, Role.OPERATOR)
    database.close()
    return user.id


def test_new_files_become_a_batch_once_of_the_account_that_the_settings_name(
    watching: Stack, api: httpx.Client, folder: Path, owner: str, wait_until: WaitUntil
) -> None:
    clip = make_clip(folder / "clip.mp4", "testsrc2")
    shutil.copy(clip, folder / "in" / "first.mp4")
    shutil.copy(clip, folder / "in" / "second.mp4.part")

    wait_until(lambda: [each["state"] for each in batches(api)] == ["completed"], 240, "two sweeps and one batch, done")
    [batch] = batches(api)
    assert (batch["counts"]["rows"], batch["counts"]["balances"], batch["owner"]) == (1, True, owner)
    [schedule] = api.get("/schedules").json()["items"]
    assert (schedule["name"], schedule["is_active"]) == ("nightly", True)


def test_the_night_takes_the_watched_folder_when_it_is_run_by_hand(
    watching: Stack, api: httpx.Client, folder: Path, owner: str
) -> None:
    (folder / "in" / "quick").mkdir()
    shutil.copy(make_clip(folder / "other.mp4", "testsrc"), folder / "in" / "quick" / "third.mp4")

    prefect(watching, "deployment", "run", "process-batch/nightly", "-p", 'options={"recipe": "rehearsal"}', "--watch")

    batch = batches(api)[0]
    items = api.get(f"/batches/{batch['id']}/items").json()["items"]
    assert (batch["state"], batch["counts"]["balances"], batch["owner"]) == ("completed", True, owner)
    assert {(Path(item["source"]).name, item["recipe"]) for item in items} == {
        ("first.mp4", "rehearsal"),
        ("third.mp4", "quick"),
    }
    assert api.get(f"/batches/{batch['id']}/report").headers["Content-Type"] == "text/html; charset=utf-8"


def test_a_batch_from_the_command_line(
    watching: Stack, folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = [{"source": str(folder / "clip.mp4"), "custom_id": "good", "title": f"{n}"} for n in range(1)]
    manifest = write_manifest(tmp_path, [*rows, {"source": "ftp://nowhere/x.mp4", "custom_id": "bad", "title": ""}])

    def run(*words: str, status: int = 0) -> str:
        assert main(["batch", *words, "--api", watching.api_url]) == status, capsys.readouterr().err
        return capsys.readouterr().out

    refused = run("plan", str(manifest), "--recipe", "rehearsal", status=1)
    planned = json.loads(run("plan", str(manifest), "--recipe", "rehearsal", "--on-invalid", "accept_valid", "--json"))
    run("start", planned["id"])
    watched = run("watch", planned["id"])
    run("results", planned["id"], "--output", str(tmp_path / "results.csv"))
    rejects = run("rejects", planned["id"], "--output", str(tmp_path / "rejects.csv"))

    assert refused == rejects == ""
    assert "2 = 1 succeeded + 1 rejected" in watched
    assert "good" in (tmp_path / "results.csv").read_text("utf-8")
    assert "ftp://nowhere" in (tmp_path / "rejects.csv").read_text("utf-8")
