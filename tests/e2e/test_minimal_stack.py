"""The minimal mode: SQLite for Prefect and the catalogue, no Postgres at all."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.stack import Stack
from tests.fakes.clips import clip
from tests.fakes.job_client import JobClient

pytestmark = pytest.mark.slow


def test_a_job_is_published_on_sqlite_alone(state_home: Callable[[str], Path]) -> None:
    home = state_home("minimal")
    (home / "inbox").mkdir()
    shutil.copy(clip("bikes"), home / "inbox" / "bikes.mp4")

    with Stack(home, minimal=True) as stack:
        jobs = JobClient(stack.api_url)
        job = jobs.succeed(str(home / "inbox" / "bikes.mp4"), recipe="quick")
        publication = jobs.publication(job)
        components = [child.name for child in stack.children]
        jobs.close()

    assert publication["version"] == 1
    assert "postgres" not in components
    assert (home / "catalogue.db").is_file()
