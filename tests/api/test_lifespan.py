"""The application starts and stops again and again, and leaves nothing."""

import asyncio
import gc
import threading
import warnings
from pathlib import Path

import httpx
import psutil

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


def test_starting_and_stopping_leaves_no_thread_and_no_open_file(prefect_server: Stack, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, _env_file=None)  # type: ignore[call-arg]
    migrate(settings.catalogue_url)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ResourceWarning)
        for number in range(TIMES):
            asyncio.run(live_once(settings, prefect_server.prefect_api_url))
            if number == BEFORE_COUNTING:
                before = held()
        after = held()

    # What other tests' servers in this process open meanwhile is not counted as ours: ours would come with each life.
    lives = TIMES - BEFORE_COUNTING - 1
    assert after[0] - before[0] < lives, "open files"
    assert after[1] - before[1] < lives, "threads"
    assert [str(each.message) for each in said if each.category is ResourceWarning] == []
