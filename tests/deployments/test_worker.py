"""A worker that listens: it asks when there is news, and when nothing can be heard; it never misses work."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.states import Scheduled

from deployments import components
from deployments.children import Child
from deployments.stack import Stack
from deployments.worker import ECHO_SECONDS, SILENCE_SECONDS, News
from tests.deployments.warm.sample_pools import WARM, make_pool

WaitUntil = Callable[..., None]


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def is_time(news: News) -> bool:
    """Say whether the worker would ask now."""
    try:
        await asyncio.wait_for(news.due(), 0.02)
    except TimeoutError:
        return False
    return True


def listening(clock: Clock) -> News:
    news = News(clock)
    news.is_heard = True
    return news


def test_whoever_hears_nothing_asks_every_time() -> None:
    async def asked() -> list[bool]:
        news = News(Clock())
        return [await is_time(news) for _ in range(3)]

    assert asyncio.run(asked()) == [True, True, True]


def test_after_the_first_question_it_is_silent_until_told() -> None:
    async def asked() -> list[bool]:
        news = listening(Clock())
        times = [await is_time(news), await is_time(news)]
        news.told()
        return [*times, await is_time(news), await is_time(news)]

    assert asyncio.run(asked()) == [True, False, True, False]


def test_news_are_looked_at_again_for_what_was_told_before_it_was_committed() -> None:
    async def asked() -> list[bool]:
        clock = Clock()
        news = listening(clock)
        news.told()
        times = [await is_time(news), await is_time(news)]
        for seconds in ECHO_SECONDS:
            clock.now = 100.0 + seconds
            times += [await is_time(news), await is_time(news)]
        return times

    assert asyncio.run(asked()) == [True, False] * (1 + len(ECHO_SECONDS))


def test_a_long_silence_ends_with_a_question() -> None:
    async def asked() -> list[bool]:
        clock = Clock()
        news = listening(clock)
        await is_time(news)
        clock.now += SILENCE_SECONDS - 0.1
        times = [await is_time(news)]
        clock.now += 0.1
        return [*times, await is_time(news)]

    assert asyncio.run(asked()) == [False, True]


def test_who_waits_is_woken_by_news_and_by_deafness() -> None:
    async def woken(what: Callable[[News], None]) -> bool:
        news = listening(Clock())
        await news.due()
        waiting = asyncio.create_task(news.due())
        await asyncio.sleep(0)
        what(news)
        await asyncio.wait_for(waiting, 5)
        return True

    assert asyncio.run(woken(News.told))
    assert asyncio.run(woken(News.lost))


class Pool:
    """A pool with the sample flows and a worker of ours."""

    def __init__(self, stack: Stack, client: SyncPrefectClient, runtime: Path) -> None:
        self.client = client
        self.name = f"listening-{uuid4().hex[:6]}"
        make_pool(client, self.name, WARM)
        environment = {**stack.environment, "XDG_RUNTIME_DIR": str(runtime)}
        self.worker = Child(components.worker(self.name, stack.addresses, environment), stack.home / "log")

    def submit(self, in_seconds: float = 0) -> UUID:
        deployment = self.client.read_deployment_by_name(f"no-op/{self.name}")
        state = Scheduled(scheduled_time=datetime.now(UTC) + timedelta(seconds=in_seconds))
        return self.client.create_flow_run_from_deployment(deployment.id, state=state).id

    def has_ended(self, run_id: UUID) -> bool:
        state = self.client.read_flow_run(run_id).state
        return state is not None and state.is_completed()


@pytest.fixture(scope="module")
def pool(prefect_server: Stack, state_home: Callable[[str], Path]) -> Iterator[Pool]:
    with SyncPrefectClient(prefect_server.prefect_api_url) as client:
        pool = Pool(prefect_server, client, state_home("run"))
        pool.worker.wait_until_ready()
        yield pool
        pool.worker.stop()


def test_runs_of_now_of_soon_and_of_one_call_are_all_started(pool: Pool, wait_until: WaitUntil) -> None:
    runs = [pool.submit(), pool.submit(in_seconds=2)]
    deployment = pool.client.read_deployment_by_name(f"no-op/{pool.name}")
    body = [{"state": {"type": "SCHEDULED"}} for _ in range(12)]
    answer = httpx.post(f"{pool.client.api_url}deployments/{deployment.id}/create_flow_run/bulk", json=body, timeout=30)
    runs += [UUID(each["flow_run_id"]) for each in answer.raise_for_status().json()["results"]]
    wait_until(lambda: all(map(pool.has_ended, runs)), 90, "all runs to end")


def test_while_nothing_happens_it_hardly_asks(pool: Pool) -> None:
    asked = set()
    for _ in range(20):
        asked |= {queue.last_polled for queue in pool.client.read_work_queues(work_pool_name=pool.name)}
        time.sleep(0.2)
    assert len(asked) <= 3, "four seconds: it would have asked eight times without the stream of events"
