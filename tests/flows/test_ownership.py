"""Whose things are on a real stack: what a flow makes is its owner's, and nobody takes another's upload."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient

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


def test_the_batch_of_a_schedule_belongs_to_whoever_made_it_and_their_webhook_is_told(
    people: People, short_clip: Path, stack: Stack, wait_until: WaitUntil
) -> None:
    ann, bob = people("clock-ann"), people("clock-bob")
    manifest = short_clip.with_name("clock.csv")
    manifest.write_text(f"custom_id,source,recipe\nonly,{short_clip},rehearsal\n")
    hook = ann.post(f"{BASE}/webhooks", json={"url": "https://receiver.invalid/hook"}).raise_for_status().json()
    schedule = {"name": "clock-ann", "cron": "0 22 * * *", "is_active": False, "manifest": str(manifest)}
    ann.post(f"{BASE}/schedules", json=schedule).raise_for_status()

    with SyncPrefectClient(stack.prefect_api_url) as prefect:  # as its scheduler does at 22:00
        nightly = prefect.read_deployment_by_name("process-batch/nightly")
        [made] = [each for each in nightly.schedules if each.slug == "clock-ann"]
        run = prefect.create_flow_run_from_deployment(nightly.id, parameters=made.parameters)
    url = f"{BASE}/batches/{run.id}"
    wait_until(lambda: ann.get(url).status_code == 200, 60, "the batch to be Ann's")

    batch = ended(ann, url, wait_until)
    wait_until(lambda: ann.get(f"{url}/report").status_code == 200, 60, "the report")
    assert (batch["state"], batch["counts"]["balances"]) == ("completed", True)
    assert [bob.get(path).status_code for path in (url, f"{url}/report")] == [404, 404]

    def told() -> list[str]:
        deliveries = ann.get(f"{BASE}/webhooks/deliveries", params={"endpoint_id": hook["id"]}).json()["items"]
        return [each["type"] for each in deliveries if each["subject"] == str(run.id)]

    wait_until(lambda: "batch.finished" in told(), 60, "Ann's webhook to be told")


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
