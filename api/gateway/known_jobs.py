"""Jobs as they were told a moment ago: those who ask for the same at the same time share the calls to Prefect."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from prefect.client.orchestration import PrefectClient

from api.coalescing import CoalescedReads
from api.cursors import JobPosition
from api.gateway.jobs import has_begun, job_of
from api.gateway.listing import find_runs
from api.gateway.reports import read_reports
from api.gateway.runs import read_runs, run_id_of
from api.schemas import Job, JobQuery, Page
from data.domain.errors import NotFoundError

PageKey = tuple[JobQuery, JobPosition | None, int, str | None]
"""What is asked for, from where on, how many, and whose (``None``: everybody's)."""


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
        self._jobs = CoalescedReads(self._read_jobs, keep_seconds=keep_seconds)
        self._pages = CoalescedReads(self._read_pages, keep_seconds=keep_seconds, most=4)

    async def close(self) -> None:
        """Stop what is being read."""
        await self._jobs.close()
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
        """Return a page of jobs."""
        page = await self._pages.get((query, position, limit, owner))
        assert page is not None, "every page is found, if only an empty one"
        return page

    def forget(self, job_id: str) -> None:
        """Read a job anew, since it was moved."""
        self._jobs.forget(run_id_of(job_id))

    async def _read_jobs(self, run_ids: Sequence[UUID]) -> dict[UUID, Job]:
        runs, reports = await asyncio.gather(read_runs(self._client, run_ids), read_reports(self._client, run_ids))
        return {run.id: job_of(run, reports.get(run.id, ()), self._crash_attempts) for run in runs}

    async def _read_pages(self, keys: Sequence[PageKey]) -> dict[PageKey, Page[Job]]:
        return dict(zip(keys, await asyncio.gather(*(self._read_page(*key) for key in keys)), strict=True))

    async def _read_page(
        self, query: JobQuery, position: JobPosition | None, limit: int, owner: str | None
    ) -> Page[Job]:
        runs, last = await find_runs(self._client, query, position, limit, self._crash_attempts, owner)
        reports = await read_reports(self._client, [run.id for run in runs if has_begun(run)])
        items = tuple(job_of(run, reports.get(run.id, ()), self._crash_attempts) for run in runs)
        return Page(items=items, next=last.encode() if last else None)
