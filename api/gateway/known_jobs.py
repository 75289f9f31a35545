"""Jobs as they were told a moment ago: those who ask for the same at the same time share the calls to Prefect."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

from api.coalescing import CoalescedReads
from api.cursors import JobPosition
from api.gateway.jobs import has_begun, job_of
from api.gateway.listing import find_runs
from api.gateway.newest import NewestPages
from api.gateway.reports import read_reports
from api.gateway.runs import read_runs, run_id_of
from api.progress import StepReport
from api.schemas import Job, JobQuery, Page
from data.domain.errors import NotFoundError
from data.domain.jobs import JobState

PageKey = tuple[JobQuery, JobPosition | None, int, str | None]
"""What is asked for, from where on, how many, and whose (``None``: everybody's)."""

STILL_REPORTING = timedelta(minutes=1)
"""So long after the end of a run its children, or a process on its way out, may still report."""
MOST_KEPT = 2000
MOST_PAGES = 256

Reports = Mapping[UUID, Sequence[StepReport]]
"""Of steps, by the job's run."""


class KnownJobs:
    """Reads jobs and pages of jobs, whoever asks. Lives as long as the application.

    Args:
        client: Prefect's.
        crash_attempts: How often a run may start before a crash is final.
        keep_seconds: How old what Prefect said may be when it is told; 0: it is asked each time.
    """

    def __init__(self, client: PrefectClient, crash_attempts: int, keep_seconds: float) -> None:
        self._client = client
        self._crash_attempts = crash_attempts
        self._last_reports = LastReports()
        self._jobs = CoalescedReads(self._read_jobs, keep_seconds=keep_seconds, is_settled=_is_settled)
        self._newest = NewestPages(client, self._plainly, crash_attempts, keep_seconds)
        self._pages = CoalescedReads(
            self._read_pages, keep_seconds=keep_seconds, most=4, is_asked_again=_is_first, most_kept=MOST_PAGES
        )

    async def close(self) -> None:
        """Stop what is being read."""
        await self._jobs.close()
        await self._newest.close()
        await self._pages.close()

    async def get(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            NotFoundError: No run has that id, or it is not a job.
        """
        job = await self._jobs.get(run_id_of(job_id))
        if job is None:
            raise NotFoundError(f"There is no job {job_id}.")
        return job

    async def page(self, query: JobQuery, position: JobPosition | None, limit: int, owner: str | None) -> Page[Job]:
        """Return a page of jobs: cut from the newest, where it lies among them."""
        if (cut := await self._newest.page(query, position, limit, owner)) is not None:
            return cut
        page = await self._pages.get((query, position, limit, owner))
        assert page is not None, "every page is found, if only an empty one"
        return page

    def forget(self, job_id: str) -> None:
        """Read a job anew, since it was moved."""
        self._jobs.forget(run_id_of(job_id))

    def learn(self, job: Job) -> None:
        """Take a job that was just handed in: who asks next need not wait for Prefect."""
        self._jobs.learn(run_id_of(job.id), job)

    async def _read_jobs(self, run_ids: Sequence[UUID]) -> dict[UUID, Job]:
        unknown = [run_id for run_id in run_ids if run_id not in self._last_reports]
        runs, found = await asyncio.gather(read_runs(self._client, run_ids), read_reports(self._client, unknown))
        return {job_run.id: job for job_run, job in zip(runs, await self._jobs_of(runs, found, unknown), strict=True)}

    async def _read_pages(self, keys: Sequence[PageKey]) -> dict[PageKey, Page[Job]]:
        return dict(zip(keys, await asyncio.gather(*(self._read_page(*key) for key in keys)), strict=True))

    async def _read_page(
        self, query: JobQuery, position: JobPosition | None, limit: int, owner: str | None
    ) -> Page[Job]:
        runs, last = await find_runs(self._client, query, position, limit, self._crash_attempts, owner)
        return Page(items=tuple(await self._plainly(runs)), next=last.encode() if last else None)

    async def _plainly(self, runs: Sequence[FlowRun]) -> list[Job]:
        return await self._jobs_of(runs, {}, ())

    async def _jobs_of(self, runs: Sequence[FlowRun], found: Reports, looked_for: Collection[UUID]) -> list[Job]:
        """Return runs as jobs, reading the reports that were neither looked for nor are known to be the last."""
        known = self._last_reports.of(runs)
        missing = [run.id for run in runs if has_begun(run) and run.id not in known and run.id not in looked_for]
        reports = {**known, **found, **await read_reports(self._client, missing)}
        for run in runs:
            self._last_reports.keep(run, reports.get(run.id, ()))
        return [job_of(run, reports.get(run.id, ()), self._crash_attempts) for run in runs]


class LastReports:
    """What the steps of runs reported that have ended: it stays, until such a run is tried again and has another state.

    Lives as long as what knows the jobs.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, tuple[UUID, Sequence[StepReport]]] = OrderedDict()

    def __contains__(self, run_id: UUID) -> bool:
        return run_id in self._kept

    def of(self, runs: Sequence[FlowRun]) -> Reports:
        """Return the reports of those runs that are still as they were."""
        kept = {run.id: self._kept[run.id] for run in runs if run.id in self._kept}
        return {run.id: kept[run.id][1] for run in runs if run.id in kept and run.state_id == kept[run.id][0]}

    def keep(self, run: FlowRun, reports: Sequence[StepReport]) -> None:
        """Keep the reports of a run, if no more will come."""
        self._kept.pop(run.id, None)
        state = run.state
        if state is not None and state.is_final() and datetime.now(UTC) - state.timestamp > STILL_REPORTING:
            self._kept[run.id] = (state.id, reports)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)


def _is_first(key: PageKey) -> bool:
    """Say whether a page is one that many look at; a later one was turned to by somebody who turns further."""
    return key[1] is None


def _is_settled(job: Job) -> bool:
    """Say whether a job stays as it is; one that failed may be tried again, by another process of ours as well."""
    return job.state is JobState.SUCCEEDED and job.reason is None
