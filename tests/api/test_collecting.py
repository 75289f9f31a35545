"""One collector, several sinks, on a real Prefect server: nothing is missed, whoever was down, or told twice."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.schemas.objects import State, StateType

from api.collecting import Collector
from api.gateway import open_gateway
from api.gateway.transitions import Moves, RunTransition
from data.database import Database
from data.domain.errors import CatalogueUnavailableError
from data.domain.jobs import JobState
from deployments.stack import Stack
from tests.api.conftest import Prefect


class Notes:
    """A sink that remembers, knows states by their ids, and can be told to fail."""

    def __init__(self) -> None:
        self.told: dict[str, RunTransition] = {}
        self.failures = 0

    def since(self) -> datetime | None:
        return max((each.at for each in self.told.values()), default=None)

    def take(self, transitions: Sequence[RunTransition]) -> None:
        if self.failures:
            self.failures -= 1
            raise CatalogueUnavailableError("It is away.")
        self.told |= {each.state_id: each for each in transitions}

    def states(self, run_id: str) -> list[JobState]:
        return [each.state for each in sorted(self.told.values(), key=lambda each: each.at) if each.run_id == run_id]


@asynccontextmanager
async def collecting(prefect_api_url: str, database: Database, *sinks: Notes) -> AsyncIterator[None]:
    async with open_gateway(prefect_api_url, crash_attempts=2) as gateway:
        task = asyncio.create_task(Collector(gateway, database, sinks, poll_seconds=0.1, retry_seconds=0.1).run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(predicate: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(40):
        while not predicate():
            await asyncio.sleep(0.05)
    assert predicate(), what


def reading(prefect_api_url: str, *reads: timedelta) -> list[Moves]:
    """Read once after another, as one reader, from so long ago on."""

    async def work() -> list[Moves]:
        async with open_gateway(prefect_api_url, crash_attempts=2) as gateway:
            now = datetime.now(UTC)
            reader = gateway.transition_reader(now - reads[0])
            found = []
            for _ in reads:
                found.append(await reader.read(datetime.now(UTC)))
                reader.taken(found[-1])
            return found

    return asyncio.run(work())


@pytest.fixture
def made(prefect: Prefect) -> Callable[[], str]:
    def make() -> str:
        run = prefect.client.create_flow_run_from_deployment(
            prefect.deployment_id, parameters={"source": "x"}, tags=["dailies-job"], name=uuid.uuid4().hex
        )
        return str(run.id)

    return make


def fail(prefect: Prefect, run_id: str) -> None:
    prefect.force(run_id, State(type=StateType.FAILED, name="Failed", message="[DATA.INPUT.CORRUPT] Broken."))


def test_what_happened_while_nobody_collected_is_told_whole(
    prefect_server: Stack, prefect: Prefect, made: Callable[[], str]
) -> None:
    run = made()
    prefect.start(run)
    fail(prefect, run)

    [moves] = reading(prefect_server.prefect_api_url, timedelta(minutes=10))

    told = [each for each in moves.transitions if each.run_id == run]
    assert [each.state for each in told][-2:] == [JobState.RUNNING, JobState.FAILED]
    assert [each.previous for each in told] == [None, *[each.state for each in told][:-1]]
    assert (told[-1].reason, told[-1].tags) == ("DATA.INPUT.CORRUPT", ("dailies-job",))


def test_what_was_told_is_not_told_again(prefect_server: Stack, prefect: Prefect, made: Callable[[], str]) -> None:
    at_work, ended = made(), made()
    prefect.start(at_work)
    fail(prefect, ended)

    first, second, third = reading(prefect_server.prefect_api_url, *[timedelta(minutes=10)] * 3)

    # Of these two alone: others move runs on the same server meanwhile.
    told = [{each.run_id for each in moves.transitions} & {at_work, ended} for moves in (first, second, third)]
    assert told == [{at_work, ended}, set(), set()]


def test_all_sinks_are_told_of_everything_also_when_one_fails_for_a_while(
    prefect_server: Stack,
    prefect: Prefect,
    made: Callable[[], str],
    database: Database,
) -> None:
    other = Database(f"{database.engine.url.render_as_string(hide_password=False)}.turns")
    first, second = Notes(), Notes()
    second.failures = 2
    run = made()

    async def work() -> None:
        async with collecting(prefect_server.prefect_api_url, other, first, second):
            await asyncio.to_thread(prefect.start, run)
            await until(lambda: second.states(run)[-1:] == [JobState.RUNNING], "the run is seen to run")
        await asyncio.to_thread(fail, prefect, run)  # nobody collects
        async with collecting(prefect_server.prefect_api_url, other, first, second):
            await until(lambda: second.states(run)[-1:] == [JobState.FAILED], "the failure is caught up with")

    asyncio.run(work())

    assert first.states(run) == second.states(run)
    assert len(set(first.told)) == len(first.told)
    other.close()
