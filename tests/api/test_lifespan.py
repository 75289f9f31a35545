"""The application starts and stops again and again, and leaves nothing."""

import asyncio
import gc
import json
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import httpx
import psutil
import pytest

from api.app import create_app
from data.database import migrate
from data.settings import Settings
from deployments.stack import Stack

TIMES = 20
BEFORE_COUNTING = 3


async def live_once(settings: Settings, prefect_api_url: str) -> None:
    app = create_app(settings, prefect_api_url=prefect_api_url)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client,
    ):
        answers = await asyncio.gather(
            *(client.get(f"/api/v1/{path}") for path in ("jobs", "batches", "assets", "jobs/0", "health/ready"))
        )
        assert [each.status_code for each in answers] == [200, 200, 200, 404, 200]


def held() -> tuple[int, int]:
    gc.collect()
    return psutil.Process().num_fds(), threading.active_count()


def main(home: str, prefect_api_url: str) -> None:
    """Live again and again, and say what is left of it."""
    settings = Settings(home=Path(home), _env_file=None)  # type: ignore[call-arg]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ResourceWarning)
        for number in range(TIMES):
            asyncio.run(live_once(settings, prefect_api_url))
            if number == BEFORE_COUNTING:
                before = held()
        after = held()
    warned = [str(each.message) for each in said if each.category is ResourceWarning]
    print(json.dumps({"before": before, "after": after, "warned": warned}))


@pytest.mark.slow
def test_starting_and_stopping_leaves_no_thread_and_no_open_file(prefect_server: Stack, tmp_path: Path) -> None:
    migrate(Settings(home=tmp_path, _env_file=None).catalogue_url)  # type: ignore[call-arg]
    # In a process of its own: what other tests' servers open meanwhile is none of ours.
    lived = subprocess.run(
        [sys.executable, "-m", "tests.api.test_lifespan", tmp_path, prefect_server.prefect_api_url],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert lived.returncode == 0, lived.stderr

    left = json.loads(lived.stdout.splitlines()[-1])

    assert left["after"][0] <= left["before"][0], "open files"
    assert left["after"][1] <= left["before"][1], "threads"
    assert left["warned"] == []


if __name__ == "__main__":
    main(*sys.argv[1:])
