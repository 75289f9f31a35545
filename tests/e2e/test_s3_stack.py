"""The whole product on an S3-compatible object store: nothing that is published ever touched a shared disk."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from data.storage import open_store
from deployments.stack import Stack
from tasks.media.tools import find_tools
from tests.fakes.clips import clip
from tests.fakes.job_client import JobClient
from tests.fakes.s3_server import s3_server

pytestmark = pytest.mark.slow


def test_a_job_on_s3_is_published_and_played_and_found_again(state_home: Callable[[str], Path]) -> None:
    media = state_home("s3media")
    shutil.copy(clip("bikes"), media / "bikes.mp4")
    with s3_server() as s3:
        environment = {
            "DAILIES_INGEST__ALLOWED_ROOTS": f'["{media}"]',
            "DAILIES_STORAGE__URL": f"{s3.url}/dailies",
            "DAILIES_STORAGE__ENDPOINT_URL": s3.endpoint_url,
            "DAILIES_STORAGE__ACCESS_KEY": s3.access_key,
            "DAILIES_STORAGE__SECRET_KEY": s3.secret_key,
        }
        store = open_store(
            f"{s3.url}/dailies", endpoint_url=s3.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key
        )
        with Stack(state_home("s3stack"), environment=environment) as stack:
            jobs = JobClient(stack.api_url)
            job = jobs.succeed(str(media / "bikes.mp4"), overrides={"video.preset": "ultrafast"})
            publication = jobs.publication(job)
            hls = stack.api_url + publication["urls"]["hls"]
            command = [find_tools().ffmpeg, "-v", "error", "-xerror", "-i", hls, "-map", "0:v:0", "-f", "null", "-"]
            played = subprocess.run(command, capture_output=True, text=True, check=False)
            again = jobs.succeed(str(media / "bikes.mp4"), overrides={"video.preset": "ultrafast"})
            log = jobs.log_text(again["id"])
            jobs.close()
            local = [path for path in (stack.home / "store").rglob("*") if path.is_file()]
        published = {stored.key for stored in store.list(f"publications/{job['asset_id']}/")}
        results = list(store.list("results/"))

    assert played.returncode == 0, played.stderr
    assert "Nothing to encode" in log
    assert f"publications/{job['asset_id']}/publication.json" in published
    assert results, "the results of Prefect's tasks lie in the object store too"
    assert local == []
