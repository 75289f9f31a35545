"""Pages of jobs: whole, in order, and by state, text and time."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from prefect import states as prefect_states
from prefect.client.schemas.objects import State, StateType

from tests.api.conftest import Prefect

Job = dict[str, Any]
Submit = Callable[..., Job]


def read_pages(api: httpx.Client, between_pages: Callable[[], object] = lambda: None, **parameters: Any) -> list[str]:
    ids: list[str] = []
    after = None
    while True:
        page = api.get("/api/v1/jobs", params={**parameters, **({"after": after} if after else {})}).json()
        ids += [job["id"] for job in page["items"]]
        after = page["next"]
        if after is None:
            return ids
        between_pages()


def test_pages_stay_whole_while_jobs_arrive(api: httpx.Client, submit: Submit) -> None:
    mark = uuid.uuid4().hex
    wanted = [submit(title=f"{mark} {number}")["id"] for number in range(7)]

    read = read_pages(api, lambda: submit(title=f"{mark} later"), text=mark, limit=3)

    assert [job_id for job_id in read if job_id in wanted] == wanted[::-1]
    assert len(read) == len(set(read))


def test_jobs_that_are_due_at_the_same_instant_are_neither_lost_nor_repeated(
    api: httpx.Client, prefect: Prefect
) -> None:
    at = datetime(2031, 1, 1, tzinfo=UTC) + timedelta(seconds=uuid.uuid4().int % 10**9)
    wanted = {
        str(
            prefect.client.create_flow_run_from_deployment(
                prefect.deployment_id, state=prefect_states.Scheduled(scheduled_time=at)
            ).id
        )
        for _ in range(7)
    }
    window = {"created_after": at.isoformat(), "created_before": at.isoformat()}

    for limit in (1, 3, 7, 200):
        read = read_pages(api, limit=limit, **window)
        assert (len(read), set(read)) == (7, wanted)


def test_jobs_are_listed_by_state_text_and_time(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    mark = uuid.uuid4().hex
    before = datetime.now(UTC)
    first, second, third = (submit(title=f"{mark} {n}", metadata={"show": f"{mark}-{n}"}) for n in range(3))
    prefect.force(first["id"], State(type=StateType.FAILED))
    prefect.force(second["id"], State(type=StateType.CRASHED))
    prefect.start(third["id"], times=2)
    prefect.force(third["id"], State(type=StateType.CRASHED))

    assert read_pages(api, text=mark, state="failed") == [third["id"], first["id"]]
    assert read_pages(api, text=mark, state=["queued", "failed"]) == [third["id"], second["id"], first["id"]]
    assert read_pages(api, text=mark, state="pausing") == []
    assert read_pages(api, text=f"{mark}-1".upper()) == [second["id"]]
    assert read_pages(api, text=mark, created_before=before.isoformat()) == []
    assert len(read_pages(api, text=mark, created_after=before.isoformat())) == 3
