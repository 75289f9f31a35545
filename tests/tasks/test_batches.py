"""Two real nights: what the stages leave behind is what the next plan finds."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.database import Database
from data.domain.costs import CostStep
from data.repositories import StepCostRepository
from deployments.environment import isolated
from deployments.stack import Stack
from tasks.media.tools import find_tools
from tests.fakes.catalogues import make_catalogue
from tests.fakes.manifests import write_manifest

Night = Callable[[list[dict[str, str]]], dict[str, Any]]


@pytest.fixture
def night(tmp_path: Path, prefect_server: Stack) -> Night:
    """Return what plans a manifest, carries the plan out, and returns the plan."""
    make_catalogue(f"sqlite:///{tmp_path / 'home' / 'catalogue.db'}")
    variables = {
        **os.environ,
        **isolated(),
        "PREFECT_API_URL": prefect_server.prefect_api_url,
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "DAILIES_HOME": str(tmp_path / "home"),
        "DAILIES_INGEST__ALLOWED_ROOTS": json.dumps([str(tmp_path / "media")]),
    }

    def run(rows: list[dict[str, str]]) -> dict[str, Any]:
        command = [sys.executable, "-m", "tests.fakes.one_night", str(write_manifest(tmp_path / "media", rows))]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        plan: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return plan

    (tmp_path / "media").mkdir()
    return run


def make_clip(path: Path, picture: str) -> str:
    made = ["-f", "lavfi", "-i", f"{picture}=s=320x180:r=25:d=2", "-f", "lavfi", "-i", "sine=d=2"]
    command = [find_tools().ffmpeg, "-v", "error", "-y", *made, "-c:v", "libx264", "-preset", "ultrafast", path]
    subprocess.run(command, check=True)
    return str(path)


@pytest.mark.slow
def test_the_second_night_only_does_what_changed(night: Night, tmp_path: Path) -> None:
    media = tmp_path / "media"
    kept, replaced = make_clip(media / "kept.mp4", "testsrc2"), make_clip(media / "replaced.mp4", "testsrc")
    torn = media / "torn.mp4"
    torn.write_bytes(Path(kept).read_bytes()[:2000])
    rows = [{"source": kept}, {"source": replaced}, {"source": str(media / "none.mp4")}]

    first = night(rows)
    make_clip(media / "replaced.mp4", "rgbtestsrc")
    second = night(rows)
    third = night([*rows, {"source": str(torn)}])

    assert [first[name] for name in ("rows", "new", "unchanged", "rejected")] == [3, 2, 0, 1]
    assert first["media_seconds"] == pytest.approx(4, abs=0.3)
    assert [second[name] for name in ("new", "unchanged")] == [1, 1]
    assert [third[name] for name in ("new", "unchanged")] == [1, 2]
    assert any("torn.mp4" in warning for warning in third["warnings"])
    assert {step["step"]: step["learnt_from"] for step in second["steps"]} == dict.fromkeys(
        ["ingest", "transcode", "publish"], 2
    )


@pytest.mark.slow
def test_an_encode_that_is_found_again_teaches_nothing(night: Night, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "media" / "one.mp4", "testsrc2")

    night([{"source": clip, "title": "One"}])
    renamed = night([{"source": clip, "title": "Two"}])

    assert renamed["new"] == 1
    assert {step["step"]: step["items"] for step in renamed["steps"]}["transcode"] == 0
    database = Database(f"sqlite:///{tmp_path / 'home' / 'catalogue.db'}")
    with database.session() as session:
        costs = StepCostRepository(session)
        assert len(costs.recent_of_any(CostStep.TRANSCODE)) == 1
        assert len(costs.recent_of_any(CostStep.PUBLISH)) == 2
    database.close()
