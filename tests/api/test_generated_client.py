"""A client that a tool makes of the description works against the real API: it submits, reads and lists."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.slow

USE = """
import sys
from generated import client, schemas

assert client.get_health().status == "alive"
# Its models want every field said, also those with a default.
body = schemas.JobSubmission(
    source=sys.argv[1], prompt=None, script=None, recipe="default", overrides={}, priority="default",
    title="by a client", metadata={}, webhooks=[], max_retries=None,
)
job = client.submit_job(data=body)
assert job.title == "by a client", job
assert client.get_job(job_id=job.id).state == "queued"
assert job.id in [each.id for each in client.list_jobs(limit=50).items]
assert "default" in [each.name for each in client.list_recipes().items]
print("done")
"""


def test_a_generated_client_submits_reads_and_lists(
    api_url: str, prefect: object, media_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "openapi.json").write_bytes(httpx.get(f"{api_url}/api/v1/openapi.json").content)
    generate = [Path(sys.executable).with_name("clientele"), "start-api", "-f", "openapi.json", "-o", "generated"]
    environment = {**os.environ, "BASE_URL": api_url}
    subprocess.run(list(map(str, generate)), cwd=tmp_path, check=True, capture_output=True, env=environment, timeout=60)

    used = subprocess.run(
        [sys.executable, "-c", USE, str(media_folder / "clip.mp4")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )

    assert used.stdout.strip() == "done", used.stderr
