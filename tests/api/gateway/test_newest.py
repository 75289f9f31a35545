"""Pages that are cut from the newest jobs are those that Prefect would answer. On a real Prefect server."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType

from api.cursors import JobPosition
from api.gateway import PrefectGateway, open_gateway
from api.gateway.jobs import job_of
from api.gateway.newest import DEPTHS, Newest, NewestPages, without_gaps
from api.schemas import Job, JobQuery, Page
from data.domain.errors import FailureClass
from data.domain.identity import ROLE_SCOPES, Caller, Role, owner_tag
from data.domain.jobs import JOB_TAG, JobState
from tests.api.conftest import Prefect

MINUTE = timedelta(minutes=1)
FAR = datetime(2075, 1, 1, tzinfo=UTC)
"""When jobs are due that nothing happens to by itself, and that no other test's come before."""
TIED = 14
"""So many runs are due at one instant: among those that are read, and where these end."""


def made(prefect: Prefect, owner: str, dues: Sequence[datetime]) -> list[str]:
    """Make runs of somebody's jobs, due when they are told to be; what SQLite was too busy for is tried again."""
    path = f"/deployments/{prefect.deployment_id}/create_flow_run/bulk"
    runs = [
        {
            "tags": [JOB_TAG, owner_tag(owner)],
            "parameters": {"recipe": "default", "metadata": {"number": number}},
            "state": {"type": "SCHEDULED", "state_details": {"scheduled_time": at.isoformat()}},
        }
        for number, at in enumerate(dues)
    ]
    ids: dict[int, str] = {}
    while left := [number for number in range(len(runs)) if number not in ids]:
        answer = prefect.client.request("POST", path, json=[runs[number] for number in left]).json()
        made_now = zip(left, (each["flow_run_id"] for each in answer["results"]), strict=True)
        ids |= {number: run_id for number, run_id in made_now if run_id}
    return [ids[number] for number in range(len(runs))]


def owned_by(owner: str) -> Caller:
    return Caller(owner, owner, Role.OPERATOR, ROLE_SCOPES[Role.OPERATOR])


async def pages(
    gateway: PrefectGateway, query: JobQuery, limit: int, between: Callable[[], Awaitable[object]] | None = None
) -> list[Page[Job]]:
    found = [await gateway.find(query, after=None, limit=limit)]
    while found[-1].next:
        if between:
            await between()
        found.append(await gateway.find(query, after=found[-1].next, limit=limit))
    return found


@pytest.fixture(scope="module")
def ann(prefect: Prefect) -> str:
    """The owner of more jobs than are read at once, in many states."""
    owner, at = uuid.uuid4().hex, FAR
    apart = DEPTHS[0] - TIED - 3  # the others of which something is read are tied
    dues = [at - n * MINUTE for n in range(apart)]
    ids = made(prefect, owner, dues[:24] + dues[24:25] * TIED + dues[25:])
    for place, kind in enumerate([StateType.FAILED, StateType.CRASHED, StateType.CANCELLED, StateType.COMPLETED]):
        chosen = {"id": {"any_": ids[place::13]}}
        body = {"flow_runs": chosen, "state": {"type": kind.value}, "force": True}
        prefect.client.request("POST", "/flow_runs/bulk_set_state", json=body)
    prefect.start(ids[5])
    prefect.report(ids[5], "transcode", 40)
    made(prefect, owner, [at - apart * MINUTE] * TIED)
    made(prefect, uuid.uuid4().hex, [at - n * 2 * MINUTE for n in range(8)])  # somebody else's are among them
    return owner


QUERIES = (
    JobQuery(),
    JobQuery(states=frozenset({JobState.QUEUED})),
    JobQuery(states=frozenset({JobState.FAILED, JobState.CANCELLED})),
    JobQuery(failures=frozenset({FailureClass.CANCELLED})),
    JobQuery(recipe="another"),
    JobQuery(text='"number": 1'.replace('"', "'")),
)


def test_pages_are_the_same_as_without_keeping_anything(prefect: Prefect, ann: str) -> None:
    async def story() -> None:
        url = str(prefect.client.api_url)
        async with (
            open_gateway(url, crash_attempts=3, keep_seconds=10) as keeping,
            open_gateway(url, crash_attempts=3) as asking,
        ):
            for query, limit in ((JobQuery(), 9), *((query, 20) for query in QUERIES)):
                mine = [each.seen_by(owned_by(ann)) for each in (keeping, asking)]
                await mine[0].find(JobQuery(), after=None, limit=limit)  # now something is known
                told, true = [await pages(each, query, limit) for each in mine]
                assert told == true, (query, limit)
            for_admin = await pages(keeping, JobQuery(owner=ann), 20)
            assert for_admin == await pages(asking, JobQuery(owner=ann), 20)
            nobody = owned_by(uuid.uuid4().hex)
            assert await pages(keeping.seen_by(nobody), JobQuery(owner=ann), 20) == [Page(items=())]
            assert await pages(keeping.seen_by(nobody), JobQuery(), 20) == [Page(items=())]

    asyncio.run(story())


def test_times_bound_what_is_cut_as_they_bound_what_is_asked_for(prefect: Prefect, ann: str) -> None:
    async def story() -> None:
        url = str(prefect.client.api_url)
        async with (
            open_gateway(url, crash_attempts=3, keep_seconds=10) as keeping,
            open_gateway(url, crash_attempts=3) as asking,
        ):
            mine = [each.seen_by(owned_by(ann)) for each in (keeping, asking)]
            first = await mine[0].find(JobQuery(), after=None, limit=20)
            run = await asyncio.to_thread(prefect.client.read_flow_run, uuid.UUID(first.items[8].id))
            at = run.expected_start_time
            for query in (
                JobQuery(created_after=at),
                JobQuery(created_before=at),
                JobQuery(created_after=at, created_before=at),
            ):
                told, true = [await pages(each, query, 6) for each in mine]
                assert told == true, query

    asyncio.run(story())


def test_two_pages_for_everybody_take_one_call(prefect: Prefect, ann: str) -> None:
    async def story() -> None:
        async with counting_calls(prefect) as (client, calls):
            newest = NewestPages(client, plainly, 3, keep_seconds=10)
            whole = [await newest.page(JobQuery(), None, 20, None) for _ in range(20)]
            assert whole[0]
            after = JobPosition.decode(str(whole[0].next))
            second = await newest.page(JobQuery(), after, 20, None)
            of_ann = await newest.page(JobQuery(states=frozenset({JobState.QUEUED})), None, 3, ann)
            await newest.close()

            assert second
            assert of_ann
            assert [job.owner for job in of_ann.items] == [ann] * 3
            assert calls == ["/flow_runs/filter"]

    asyncio.run(story())


def test_pages_stay_whole_while_jobs_come_and_go(prefect: Prefect) -> None:
    owner, at = uuid.uuid4().hex, FAR
    stay = made(prefect, owner, [at + n * MINUTE for n in range(24)])
    goes = made(prefect, owner, [at + n * MINUTE for n in (22, 11, 3)])

    async def story() -> list[str]:
        async def between() -> None:
            await asyncio.to_thread(made, prefect, owner, [at + timedelta(days=1)])
            if goes:
                await asyncio.to_thread(prefect.client.delete_flow_run, uuid.UUID(goes.pop()))
            await asyncio.sleep(0.06)

        async with open_gateway(str(prefect.client.api_url), crash_attempts=3, keep_seconds=0.05) as gateway:
            read = await pages(gateway.seen_by(owned_by(owner)), JobQuery(), 6, between)
        return [job.id for page in read for job in page.items]

    read = asyncio.run(story())

    assert [job_id for job_id in read if job_id in stay] == stay[::-1]
    assert len(read) == len(set(read))


def test_what_has_changed_is_told_once_it_may_be_known(prefect: Prefect) -> None:
    owner = uuid.uuid4().hex
    gone, begun = made(prefect, owner, [FAR, FAR - MINUTE])

    async def story() -> tuple[list[Job], list[Job], list[Job]]:
        async with open_gateway(str(prefect.client.api_url), crash_attempts=3, keep_seconds=0.5) as gateway:
            mine = gateway.seen_by(owned_by(owner))

            async def listed() -> list[Job]:
                return list((await mine.find(JobQuery(), after=None, limit=20)).items)

            before = await listed()
            await asyncio.to_thread(prefect.client.delete_flow_run, uuid.UUID(gone))
            await asyncio.to_thread(prefect.start, begun)
            await asyncio.sleep(0.5)
            return before, await listed(), await listed()

    before, after, again = asyncio.run(story())

    assert [(job.id, job.state) for job in before] == [(gone, "queued"), (begun, "queued")]
    assert [(job.id, job.state) for job in after] == [(begun, "running")]
    assert again == after


async def plainly(runs: Sequence[FlowRun]) -> list[Job]:
    return [job_of(run, (), 3) for run in runs]


@asynccontextmanager
async def counting_calls(prefect: Prefect) -> AsyncIterator[tuple[PrefectClient, list[str]]]:
    """Return a client of Prefect, and the paths of its questions."""
    calls: list[str] = []
    base = httpx.URL(str(prefect.client.api_url)).path

    async def count(request: httpx.Request) -> None:
        if request.url.path.endswith("/filter"):  # else the client gets to know the server
            calls.append(request.url.path.removeprefix(base.rstrip("/")))

    async with PrefectClient(
        str(prefect.client.api_url), httpx_settings={"event_hooks": {"request": [count]}}
    ) as client:
        yield client, calls


def some_runs(*due_at: datetime) -> list[FlowRun]:
    state = State[Any](type=StateType.SCHEDULED)
    return [FlowRun(flow_id=uuid.uuid4(), state=state, expected_start_time=at, tags=[JOB_TAG]) for at in due_at]


def test_of_those_due_when_the_last_one_is_none_is_taken_for_whole() -> None:
    at = FAR
    runs = some_runs(at, at, at - MINUTE, at - MINUTE)

    whole, are_all = without_gaps(runs, 4)
    assert ({run.id for run in whole}, are_all) == ({runs[0].id, runs[1].id}, False)
    whole, are_all = without_gaps(runs, 5)
    assert (len(whole), are_all) == (4, True)
    assert without_gaps(some_runs(at, at), 2) == ((), False)


def test_what_reaches_below_the_newest_is_left_to_prefect() -> None:
    at = FAR
    runs = some_runs(*(at - n * MINUTE for n in range(6)))
    jobs = {run.id: job_of(run, (), 3) for run in runs}
    newest = Newest(tuple(runs), are_all=False, jobs=jobs)
    everything = Newest(tuple(runs), are_all=True, jobs=jobs)
    fourth = JobPosition(at - 3 * MINUTE, runs[3].id)
    far = JobPosition(at - 60 * MINUTE, uuid.uuid4())

    def cut(of: Newest, position: JobPosition | None, limit: int) -> list[str] | None:
        page = of.page(JobQuery(), position, limit, 3, None)
        return None if page is None else [job.id for job in page.items]

    ids = [str(run.id) for run in runs]
    assert cut(newest, None, 5) == cut(everything, None, 5) == ids[:5]
    assert (cut(newest, None, 6), cut(everything, None, 6)) == (None, ids)
    assert (cut(newest, fourth, 1), cut(newest, fourth, 2), cut(everything, fourth, 2)) == (ids[4:5], None, ids[4:])
    assert (cut(newest, far, 5), cut(everything, far, 5)) == (None, [])
