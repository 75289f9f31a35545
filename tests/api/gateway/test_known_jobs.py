"""What is known of jobs for a while, and when it is not enough. On a real Prefect server."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from api.gateway import open_gateway
from api.gateway.known_jobs import STILL_REPORTING, LastReports
from api.progress import StepReport
from data.domain.errors import NotFoundError
from data.domain.steps import StepStatus
from tests.api.conftest import Prefect

Submit = Callable[..., dict[str, Any]]
LONG_AGO = datetime.now(UTC) - 2 * STILL_REPORTING
REPORT = StepReport(StepStatus.read("transcode"), 40.0, LONG_AGO, LONG_AGO)


def ended_run(at: datetime = LONG_AGO, kind: StateType = StateType.FAILED) -> FlowRun:
    state = State[Any](type=kind, timestamp=at)
    return FlowRun(flow_id=uuid.uuid4(), state=state, state_id=state.id)


def test_the_last_reports_of_a_run_are_kept_until_it_is_tried_again() -> None:
    reports = LastReports()
    run = ended_run()
    reports.keep(run, [REPORT])
    retried = run.model_copy(update={"state_id": uuid.uuid4()})

    assert reports.of([run]) == {run.id: [REPORT]}
    assert run.id in reports
    assert reports.of([retried]) == {}


@pytest.mark.parametrize(("is_lately", "kind"), [(True, StateType.FAILED), (False, StateType.RUNNING)])
def test_what_may_still_be_reported_is_read_again(is_lately: bool, kind: StateType) -> None:
    reports = LastReports()
    run = ended_run(datetime.now(UTC) - timedelta(seconds=5) if is_lately else LONG_AGO, kind)
    reports.keep(run, [REPORT])

    assert reports.of([run]) == {}


def test_who_decides_by_a_job_sees_it_as_it_is_now(submit: Submit, prefect: Prefect) -> None:
    job_id = submit()["id"]

    async def story() -> tuple[str, str, str]:
        async with open_gateway(str(prefect.client.api_url), crash_attempts=3, keep_seconds=10) as gateway:
            before = await gateway.get(job_id)
            await asyncio.to_thread(prefect.start, job_id)
            known, now = await gateway.get(job_id), await gateway.get(job_id, anew=True)
            return before.state, known.state, now.state

    assert asyncio.run(story()) == ("queued", "queued", "running")


def test_a_job_that_is_gone_is_not_told_of_to_who_decides(submit: Submit, prefect: Prefect) -> None:
    job_id = submit()["id"]

    async def story() -> None:
        async with open_gateway(str(prefect.client.api_url), crash_attempts=3, keep_seconds=10) as gateway:
            await gateway.get(job_id)
            await asyncio.to_thread(prefect.client.delete_flow_run, uuid.UUID(job_id))
            with pytest.raises(NotFoundError):
                await gateway.get(job_id, anew=True)

    asyncio.run(story())
