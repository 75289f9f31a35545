"""Publish targets on the real stack: refused before any work, retried without an encode, taken away, brought back."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.stack import Stack
from tests.fakes.clips import clip, own_copy
from tests.fakes.job_client import JobClient
from tests.fakes.upkeep import Upkeep

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def jobs(stack: Stack) -> Iterator[JobClient]:
    client = JobClient(stack.api_url)
    yield client
    client.close()


@pytest.fixture
def source(jobs: JobClient, tmp_path: Path) -> str:
    """An upload of this test's own: other tests on the same stack publish the clip as it is."""
    with own_copy(clip("carphone_pristine"), tmp_path / "car.mp4").open("rb") as file:
        return str(jobs.http.post("/api/v1/uploads", files={"file": ("car.mp4", file, "video/mp4")}).json()["source"])


def named(folder: Path, *, review: bool = False) -> dict[str, Any]:
    target = {"name": "site", "url": f"file://{folder}", "layout": "{title}", "parts": ["mp4", "poster"]}
    return {"publish.targets": [target], "publish.review": review}


def pointer(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "Carphone" / "publication.json").read_text()))


def test_a_target_gets_its_copy_by_retry_loses_it_by_retraction_and_gets_it_back_by_approval(
    jobs: JobClient, stack: Stack, source: str, media_root: Path, wait_until: Callable[..., None]
) -> None:
    site, body = media_root / "site", {"recipe": "quick", "title": "Carphone"}

    refused = jobs.http.post("/api/v1/jobs", json={"source": source, "overrides": named(Path("/srv/else")), **body})
    assert (refused.status_code, refused.json()["code"]) == (422, "DATA.TARGET.FORBIDDEN")
    assert refused.json()["facts"]["field"] == "publish.targets.0.url"

    failed = jobs.process(source, overrides=named(site), max_retries=0, **body)
    assert (failed["state"], failed["reason"]) == ("failed", "TRANSIENT.TARGET.UNAVAILABLE")
    url = f"/api/v1/assets/{failed['asset_id']}"
    asset = jobs.http.get(url).json()
    assert asset["publication"]["version"] == 1  # it stands
    assert [(copy["state"], copy["version"]) for copy in asset["copies"]] == [("wanted", 1)]
    assert "mount it" in asset["copies"][0]["error"]

    site.mkdir()
    jobs.http.post(f"/api/v1/jobs/{failed['id']}/retry").raise_for_status()
    done = jobs.wait_for(failed["id"], lambda job: job["state"] == "succeeded")
    [copy] = jobs.http.get(f"/api/v1/jobs/{done['id']}/artifacts").json()["copies"]
    assert (copy["state"], copy["pointer"]) == ("there", f"file://{site}/Carphone/publication.json")
    assert jobs.http.get(url).json()["publication"]["version"] == 1
    version = site / "Carphone" / pointer(site)["prefix"]
    assert sorted(each.name for each in version.iterdir()) == ["poster.jpg", "video.mp4"]

    again = jobs.succeed(source, overrides=named(site), **body)
    assert jobs.http.get(f"/api/v1/jobs/{again['id']}/artifacts").json()["copies"] == []  # it is there

    jobs.http.post(f"{url}/retract", json={"by": "Ann", "version": 1}).raise_for_status()
    assert pointer(site)["retracted_version"] == 1
    assert not version.exists()
    assert jobs.http.get(url).json()["copies"] == []

    held = jobs.succeed(source, overrides=named(site, review=True), **body)
    assert held["reason"] == "review"
    assert "retracted_version" in pointer(site)
    jobs.http.post(f"{url}/publish", json={"by": "Ann"}).raise_for_status()
    upkeep = Upkeep(stack.prefect_api_url)

    def is_back() -> bool:
        upkeep.hasten()
        return pointer(site).get("version") == 2

    wait_until(is_back, 120, "upkeep to have the approved version copied")


def test_a_recipe_may_have_a_person_decide_about_each_version(jobs: JobClient, source: str) -> None:
    job = jobs.succeed(source, recipe="quick", title="A title of its own", overrides={"publish.review": True})

    waiting = jobs.http.get(f"/api/v1/assets/{job['asset_id']}").json()["candidate"]
    assert (job["reason"], waiting["why"]) == ("review", "The recipe has a person decide about each version.")
