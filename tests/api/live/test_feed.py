"""One subscription for all: what is told, to whom, and what it costs Prefect. On a real Prefect server."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State, StateType

from api.gateway.watching import JobWatch, Look
from api.live.feed import JobFeed
from api.live.place import Place
from api.live.story import Event
from data.domain.errors import NotFoundError, StreamsBusyError
from data.domain.identity import LOCAL_CALLER, Caller, Role
from deployments.stack import Stack
from tests.api.conftest import Prefect

Submit = Callable[..., dict[str, Any]]
STRANGER = Caller("stranger", "stranger", Role.OPERATOR, frozenset())


class World:
    """A feed whose requests to Prefect are counted."""

    def __init__(self, client: PrefectClient, requests: list[str], most_listeners: int) -> None:
        self.feed = JobFeed(JobWatch(client, 2), most_listeners=most_listeners, poll_seconds=0.1, kept_seconds=0.5)
        self.requests = requests

    async def listen(self, job_id: str, place: Place | None = None, until: str = "end") -> list[Event]:
        """Listen until an event of a kind, or one that contains a text."""
        channel = await self.feed.join(job_id, LOCAL_CALLER)
        heard = []
        try:
            async with asyncio.timeout(30):
                async for event in self.feed.events(channel, place or Place()):
                    heard.append(event)
                    if event.kind == until or until in str(event.data):
                        break
        finally:
            self.feed.leave(channel)
        return heard


@asynccontextmanager
async def opened(server: Stack, most_listeners: int = 1000) -> AsyncIterator[World]:
    requests: list[str] = []

    async def count(request: httpx.Request) -> None:
        requests.append(f"{request.method} {request.url.path}")

    async with PrefectClient(server.prefect_api_url, httpx_settings={"event_hooks": {"request": [count]}}) as client:
        world = World(client, requests, most_listeners)
        try:
            yield world
        finally:
            await world.feed.close()


def told(events: list[Event], kind: str, name: str) -> list[Any]:
    return [event.data[name] for event in events if event.kind == kind]


def test_two_hundred_listeners_cost_prefect_what_one_does(
    prefect_server: Stack, prefect: Prefect, submit: Submit
) -> None:
    job_id = submit()["id"]
    prefect.start(job_id)

    async def ask_for_a_while(listeners: int) -> tuple[int, list[list[Event]]]:
        async with opened(prefect_server) as world:
            hearing = [asyncio.create_task(world.listen(job_id, until="progress")) for _ in range(listeners)]
            first = await asyncio.gather(*hearing)
            before = len(world.requests)
            rounds = [asyncio.create_task(world.listen(job_id, until="nothing of the kind")) for _ in range(listeners)]
            while sum("flow_runs/filter" in each for each in world.requests[before:]) < 12:
                await asyncio.sleep(0.02)
            for each in rounds:
                each.cancel()
            await asyncio.gather(*rounds, return_exceptions=True)
            return len(world.requests), first

    for_one, _ = asyncio.run(ask_for_a_while(1))
    for_many, heard = asyncio.run(ask_for_a_while(200))

    assert all(told(events, "state", "state")[-1] == "running" for events in heard)
    assert for_many <= for_one * 1.5


def test_everything_is_told_once_and_in_order_over_reconnects(
    prefect_server: Stack, prefect: Prefect, submit: Submit
) -> None:
    job_id = submit()["id"]
    prefect.start(job_id)

    async def listen_in_pieces() -> list[Event]:
        heard: list[Event] = []
        async with opened(prefect_server) as world:
            for number in range(6):
                at = (datetime.now(UTC) - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()
                lines = ((at, 20, f"{name} {number}") for name in ("line", "twin"))
                await asyncio.to_thread(prefect.log, job_id, *lines)
                if number == 3:
                    await asyncio.to_thread(prefect.report, job_id, "transcode", 50)
                place = Place.decode(heard[-1].place.encode()) if heard else Place()
                heard += await world.listen(job_id, place, until=f"twin {number}" if number % 2 else f"line {number}")
            await asyncio.to_thread(prefect.force, job_id, State(type=StateType.COMPLETED))
            heard += await world.listen(job_id, heard[-1].place)
            assert world.feed.listeners == 0
        return heard

    heard = asyncio.run(listen_in_pieces())

    lines = told(heard, "log", "message")
    assert sorted(lines) == sorted(f"{name} {number}" for number in range(6) for name in ("line", "twin"))
    assert [each for each in lines if "line" in each] == [f"line {number}" for number in range(6)]
    assert told(heard, "state", "state") == ["queued", "queued", "running", "succeeded"]
    assert told(heard, "progress", "progress")[-1] == 1.0
    assert [event.kind for event in heard].count("end") == 1


def test_nobody_is_asked_once_nobody_listens(prefect_server: Stack, prefect: Prefect, submit: Submit) -> None:
    job_id = submit()["id"]

    async def listen_and_go() -> tuple[int, int]:
        async with opened(prefect_server) as world:
            await world.listen(job_id, until="progress")
            await asyncio.sleep(1)
            before = len(world.requests)
            await asyncio.sleep(0.5)
            return before, len(world.requests)

    before, after = asyncio.run(listen_and_go())

    assert after == before


def test_a_job_that_is_deleted_ends_its_stream(prefect_server: Stack, prefect: Prefect, submit: Submit) -> None:
    job_id = submit()["id"]

    async def listen_while_it_is_deleted() -> list[Event]:
        async with opened(prefect_server) as world:
            hearing = asyncio.create_task(world.listen(job_id))
            while world.feed.listeners == 0:
                await asyncio.sleep(0.02)
            await asyncio.to_thread(prefect.client.delete_flow_run, uuid.UUID(job_id))
            return await asyncio.wait_for(hearing, 20)

    heard = asyncio.run(listen_while_it_is_deleted())

    assert heard[-1].kind == "end"
    assert heard[-1].data["is_deleted"] is True


def test_a_pause_is_told_when_it_is_asked_and_when_it_has_taken_hold(
    prefect_server: Stack, prefect: Prefect, submit: Submit, api: httpx.Client
) -> None:
    job_id = submit()["id"]
    prefect.start(job_id)

    async def listen_while_it_pauses() -> list[Event]:
        async with opened(prefect_server) as world:
            hearing = asyncio.create_task(world.listen(job_id, until="'paused'"))
            while world.feed.listeners == 0:
                await asyncio.sleep(0.02)
            await asyncio.to_thread(api.post, f"/api/v1/jobs/{job_id}/pause")
            await asyncio.to_thread(prefect.rest, job_id)
            return await asyncio.wait_for(hearing, 20)

    states = told(asyncio.run(listen_while_it_pauses()), "state", "state")

    assert states[-1] == "paused"
    assert states.count("paused") == 1


def test_strangers_and_those_who_are_too_many_are_refused(
    prefect_server: Stack, prefect: Prefect, submit: Submit
) -> None:
    job_id = submit()["id"]

    async def refused() -> None:
        async with opened(prefect_server, most_listeners=1) as world:
            with pytest.raises(NotFoundError):
                await world.feed.join(job_id, STRANGER)
            with pytest.raises(NotFoundError):
                await world.feed.join(str(uuid.uuid4()), LOCAL_CALLER)
            channel = await world.feed.join(job_id, LOCAL_CALLER)
            with pytest.raises(StreamsBusyError):
                await world.feed.join(job_id, LOCAL_CALLER)
            world.feed.leave(channel)
            world.feed.leave(await world.feed.join(job_id, LOCAL_CALLER))

    asyncio.run(refused())


class Broken(JobWatch):
    """Fails once in a way that nobody foresaw."""

    is_broken = False

    async def look(self, job_ids: Collection[str]) -> dict[str, Look]:
        if self.is_broken:
            self.is_broken = False
            raise RuntimeError("nobody foresaw this")
        return await super().look(job_ids)


def test_an_error_that_nobody_foresaw_leaves_no_listener_waiting_for_ever(
    prefect_server: Stack, prefect: Prefect, submit: Submit
) -> None:
    job_id = submit()["id"]

    async def listen() -> list[Event]:
        async with PrefectClient(prefect_server.prefect_api_url) as client:
            watch = Broken(client, 2)
            feed = JobFeed(watch, most_listeners=10, poll_seconds=0.1)
            channel = await feed.join(job_id, LOCAL_CALLER)
            heard = []
            async with asyncio.timeout(30):
                async for event in feed.events(channel, Place()):
                    heard.append(event)
                    if event.kind == "progress" and len(heard) < 4:
                        watch.is_broken = True
                        await asyncio.to_thread(prefect.start, job_id)
                    if event.data.get("state") == "running":
                        break
            feed.leave(channel)
            await feed.close()
        return heard

    assert told(asyncio.run(listen()), "state", "state")[-1] == "running"
