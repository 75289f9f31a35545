"""One log of a job and its children, that can be followed."""

from collections.abc import Callable
from typing import Any

import httpx
from prefect.client.schemas.objects import State, StateType

from tests.api.conftest import Prefect

Job = dict[str, Any]
Submit = Callable[..., Job]


def begun(submit: Submit, prefect: Prefect) -> Job:
    job = submit()
    prefect.start(job["id"])
    return job


def read_log(api: httpx.Client, job: Job, **parameters: Any) -> tuple[list[str], str | None]:
    page = api.get(f"/api/v1/jobs/{job['id']}/logs", params=parameters).json()
    return [line["message"] for line in page["items"]], page["next"]


def test_logs_of_the_job_and_its_child_are_one_log_by_time(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    job = begun(submit, prefect)
    child = prefect.child_of(job["id"])
    prefect.log(job["id"], (1, 20, "a"), (4, 30, "d"))
    prefect.log(str(child.id), (2, 20, "b"), (3, 40, "c"))

    assert read_log(api, job)[0] == ["a", "b", "c", "d"]
    assert read_log(api, job, level="WARNING")[0] == ["c", "d"]


def test_logs_page_without_loss_or_repetition_even_at_one_instant(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = begun(submit, prefect)
    prefect.log(job["id"], *[(1, 20, f"line {number}") for number in range(5)], (2, 20, "last"))

    read, after = [], None
    for _ in range(3):
        lines, after = read_log(api, job, limit=2, **({"after": after} if after else {}))
        read += lines

    assert sorted(read) == sorted([*(f"line {number}" for number in range(5)), "last"])
    assert read[-1] == "last"


def test_a_follower_gets_the_lines_of_a_child_that_arrive_late(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = begun(submit, prefect)
    child = prefect.child_of(job["id"])
    prefect.log(job["id"], (10, 20, "parent"))
    first, after = read_log(api, job)
    prefect.log(str(child.id), (5, 20, "child, late"))

    second, _ = read_log(api, job, after=after)

    assert (first, second) == (["parent"], ["child, late"])


def test_the_log_of_an_ended_job_has_an_end(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    job = begun(submit, prefect)
    prefect.log(job["id"], (1, 20, "only"))
    _, while_it_runs = read_log(api, job)
    prefect.force(job["id"], State(type=StateType.COMPLETED))

    assert while_it_runs is not None
    assert read_log(api, job) == (["only"], None)


def test_a_job_that_has_not_begun_has_logged_nothing_and_will(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    nothing, after = read_log(api, job)
    prefect.start(job["id"])
    prefect.log(job["id"], (1, 20, "first"))

    assert nothing == []
    assert read_log(api, job, after=after)[0] == ["first"]
