"""Whose things are on a real stack: what a flow makes is its owner's, and nobody takes another's upload."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from data.database import Database
from data.domain.identity import Role
from deployments.stack import Stack
from tasks.media.tools import find_tools
from tests.api.callers import BASE, calling, person
from tests.conftest import WaitUntil

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

People = Callable[[str], httpx.Client]
ENDED = {"succeeded", "failed", "cancelled", "completed", "rejected", "stopped"}


@pytest.fixture(scope="module")
def people(stack: Stack) -> Iterator[People]:
    """Return a function that gives a client of a new operator."""
    database = Database(stack.catalogue_url)
    with ExitStack() as open_clients, httpx.Client(base_url=stack.api_url, timeout=60) as http:

        def client(name: str) -> httpx.Client:
            return open_clients.enter_context(calling(stack.api_url, person(http, database, name, Role.OPERATOR)))

        yield client
    database.close()


@pytest.fixture(scope="module")
def short_clip(media_root: Path) -> Path:
    target = media_root / "owned.mp4"
    command = [find_tools().ffmpeg, "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=s=320x180:r=25:d=2"]
    subprocess.run([*command, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", target], check=True)
    return target


def ended(client: httpx.Client, path: str, wait_until: WaitUntil) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def has_ended() -> bool:
        found.update(client.get(path).raise_for_status().json())
        return found["state"] in ENDED

    wait_until(has_ended, 240, f"{path} to end")
    return found


def assets(client: httpx.Client) -> list[str]:
    return [asset["id"] for asset in client.get(f"{BASE}/assets").json()["items"]]


def in_a_batch(client: httpx.Client, source: str, wait_until: WaitUntil) -> dict[str, Any]:
    manifest = f"custom_id,source,recipe\nonly,{source},quick\n".encode()
    batch = client.post(f"{BASE}/batches", files={"manifest": ("n.csv", manifest)}).raise_for_status().json()
    return ended(client, f"{BASE}/batches/{batch['id']}", wait_until)


def test_an_asset_belongs_to_everybody_who_handed_it_in_and_an_upload_to_one(
    people: People, short_clip: Path, wait_until: WaitUntil
) -> None:
    ann, bob, cid = people("owner-ann"), people("owner-bob"), people("owner-cid")
    with short_clip.open("rb") as file:
        source = ann.post(f"{BASE}/uploads", files={"file": ("owned.mp4", file)}).raise_for_status().json()["source"]
    job = ann.post(f"{BASE}/jobs", json={"source": source, "recipe": "quick"}).raise_for_status().json()

    done = ended(ann, f"{BASE}/jobs/{job['id']}", wait_until)
    asset_id = done["asset_id"]

    assert done["state"] == "succeeded", done
    assert assets(ann) == [asset_id]
    assert assets(bob) == []
    assert bob.get(f"{BASE}/assets/{asset_id}").status_code == 404
    assert bob.get(f"{BASE}/jobs/{job['id']}/logs").status_code == 404
    assert bob.get(f"/media/{asset_id}").json()["publication"]["version"] == 1

    stolen = in_a_batch(bob, source, wait_until)
    assert (stolen["state"], stolen["counts"]["rejected"]) == ("rejected", 1)
    assert assets(bob) == []

    first, again = in_a_batch(bob, str(short_clip), wait_until), in_a_batch(cid, str(short_clip), wait_until)
    assert first["counts"]["succeeded"] + first["counts"]["skipped"] == 1, first
    assert again["counts"]["skipped"] == 1, again
    assert assets(bob) == assets(cid) == [asset_id]
