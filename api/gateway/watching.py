"""Looking at many jobs at once, for those who listen to them: a few calls to Prefect whatever their number.

Prefect's own websockets are no ground for this. Events may be dropped (a backlog of 256 a subscriber), those of logs
are switched off unless the server is set up for them, neither can be resumed, and progress has no event at all.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
    LogFilterTimestamp,
)
from prefect.client.schemas.objects import FlowRun, Log
from prefect.client.schemas.sorting import LogSort

from api.gateway.jobs import job_of, transitions
from api.gateway.logs import log_line
from api.gateway.reports import read_owners, read_reports_of
from api.gateway.runs import PREFECT_ROWS, read_run, read_states
from api.gateway.translation import translated
from api.schemas import Job, LogLine, Transition


@dataclass(frozen=True)
class Look:
    """How a job is."""

    job: Job
    moved_at: datetime | None
    """When it came into its state."""
    run_ids: frozenset[UUID]
    """Its own run, and those that it handed work to."""


@dataclass(frozen=True)
class Line:
    """A line of a run's log, which can be told from every other."""

    id: UUID
    run_id: UUID
    at: datetime
    shown: LogLine


class JobWatch:
    """Looks at jobs, whosesoever they are. Every method raises OrchestratorUnavailableError when Prefect is away."""

    def __init__(self, client: PrefectClient, crash_attempts: int) -> None:
        self._client = client
        self._crash_attempts = crash_attempts

    async def look(self, job_ids: Collection[str]) -> dict[str, Look]:
        """Look at jobs, by id; those that are no more are left out. At most 200 are asked for in one call."""
        wanted = [UUID(each) for each in job_ids]
        runs: list[FlowRun] = []
        for start in range(0, len(wanted), PREFECT_ROWS):
            part = FlowRunFilter(id=FlowRunFilterId(any_=wanted[start : start + PREFECT_ROWS]))
            with translated():
                runs += await self._client.read_flow_runs(flow_run_filter=part, limit=PREFECT_ROWS)
        owners = await read_owners(self._client, runs)
        reports = await read_reports_of(self._client, owners)
        return {
            str(run.id): Look(
                job=job_of(run, reports.get(run.id, ()), self._crash_attempts),
                moved_at=run.state.timestamp if run.state else None,
                run_ids=frozenset({run.id, *(child for child, owner in owners.items() if owner == run.id)}),
            )
            for run in runs
        }

    async def transitions(self, job_id: str) -> tuple[Transition, ...]:
        """Return the states that a job went through, oldest first.

        Raises:
            NotFoundError: No run has that id, or it is not a job.
        """
        run = await read_run(self._client, job_id)
        return transitions(run, await read_states(self._client, run.id), self._crash_attempts)

    async def lines(self, run_ids: Collection[UUID], since: datetime) -> list[Line]:
        """Read what some runs have logged since a moment, oldest first."""
        found: list[Line] = []
        while run_ids:
            rows = await self._read(run_ids, LogSort.TIMESTAMP_ASC, len(found), {"after_": since})
            found += map(_line, rows)
            if len(rows) < PREFECT_ROWS:
                break
        return found

    async def last_lines(self, run_ids: Collection[UUID], most: int) -> list[Line]:
        """Read what some runs have logged last, oldest first."""
        found: list[Line] = []
        while run_ids and len(found) < most:
            rows = await self._read(run_ids, LogSort.TIMESTAMP_DESC, len(found), {})
            found += map(_line, rows)
            if len(rows) < PREFECT_ROWS:
                break
        return found[:most][::-1]

    async def _read(
        self, run_ids: Collection[UUID], sort: LogSort, offset: int, times: Mapping[str, datetime]
    ) -> list[Log]:
        wanted = LogFilter(
            flow_run_id=LogFilterFlowRunId(any_=list(run_ids)),
            timestamp=LogFilterTimestamp.model_validate(times) if times else None,
        )
        with translated():
            return await self._client.read_logs(log_filter=wanted, limit=PREFECT_ROWS, offset=offset, sort=sort)


def _line(log: Log) -> Line:
    assert log.flow_run_id is not None
    return Line(log.id, log.flow_run_id, log.timestamp, log_line(log))
