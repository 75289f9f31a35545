"""The one door to Prefect: submits, reads and moves flow runs, and translates them into jobs.

Nothing else in the API knows Prefect's client, its states' names or its exceptions. A run is a *job* when it carries
the tag ``dailies-job`` and has no parent; what it starts on the ``gpu`` pool are its *children*, folded into it.
The modules here are plain functions over Prefect's client; :class:`PrefectGateway` is what the rest of the API sees.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from datetime import datetime, timedelta
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.settings import get_current_settings

from api.cursors import JobPosition
from api.gateway.canary import Canary, look_at_canary
from api.gateway.changes import changed_stories, read_stories
from api.gateway.checks import check_providers
from api.gateway.feeds import ensure_feed
from api.gateway.figures import RunFigures, read_run_figures
from api.gateway.histories import Histories
from api.gateway.jobs import has_begun, job_of
from api.gateway.jobs import transitions as transitions_of  # `transitions` is a module here
from api.gateway.known_deployments import KnownDeployments
from api.gateway.known_jobs import KnownJobs
from api.gateway.listing import count_runs
from api.gateway.log_search import search_logs, searched_runs
from api.gateway.logs import nothing_logged, read_log_page
from api.gateway.metrics import read_metrics
from api.gateway.moves import cancel_run, change_run, delete_run, retry_run, submit_run
from api.gateway.pauses import pause_run, resume_run
from api.gateway.priorities import change_priority, check_priority
from api.gateway.runs import read_run, read_states, run_id_of
from api.gateway.schedules import BatchSchedules
from api.gateway.transitions import TransitionReader
from api.gateway.translation import PromptTransport, translated
from api.gateway.watching import JobWatch
from api.gateway.workers import count_live_workers, is_paused
from api.schemas import Job, JobMetrics, JobQuery, LogLine, LogPage, LogQuery, Page, Priority, Transition
from data.domain.batches import Batch
from data.domain.errors import NotFoundError
from data.domain.identity import LOCAL_CALLER, Caller, owner_of
from data.domain.jobs import TERMINAL_STATES, JobDeployment, JobState, PauseMode
from data.domain.tidings import JobStory

__all__ = ["DEFAULT_API_URL", "PrefectGateway", "open_gateway"]

DEFAULT_API_URL = "http://127.0.0.1:4200/api"
"""Where `make up` serves Prefect; used when Prefect's own ``PREFECT_API_URL`` is not set."""


@asynccontextmanager
async def open_gateway(
    api_url: str = "", *, crash_attempts: int, keep_seconds: float = 0.0, timeout_seconds: float = 15.0
) -> AsyncIterator["PrefectGateway"]:
    """Open the gateway for the life of the application; connects only when first used.

    Args:
        api_url: Address of the Prefect API; empty takes Prefect's own setting ``PREFECT_API_URL``.
        crash_attempts: How often a run may start before a crash is final.
        keep_seconds: How old what Prefect said of jobs may be when it is told; 0: it is asked each time.
        timeout_seconds: Longest silence of Prefect before a call fails.
    """
    settings = get_current_settings()
    secret = settings.api.auth_string
    client = PrefectClient(
        api_url or settings.api.url or DEFAULT_API_URL,
        auth_string=secret.get_secret_value() if secret else None,
        httpx_settings={"transport": PromptTransport(retries=1), "timeout": timeout_seconds},
    )
    async with client:
        known = KnownJobs(client, crash_attempts, keep_seconds)
        try:
            yield PrefectGateway(client, crash_attempts, known, KnownDeployments(client), Histories(client))
        finally:
            await known.close()


class PrefectGateway:
    """Jobs in, flow runs out. Lives as long as the application; safe for concurrent requests.

    Every method raises OrchestratorUnavailableError when Prefect is away.
    """

    def __init__(
        self,
        client: PrefectClient,
        crash_attempts: int,
        known: KnownJobs,
        deployments: KnownDeployments,
        histories: Histories,
        caller: Caller = LOCAL_CALLER,
    ) -> None:
        self._client = client
        self._crash_attempts = crash_attempts
        self._known = known
        self._deployments = deployments
        self._histories = histories
        self._caller = caller

    def seen_by(self, caller: Caller) -> "PrefectGateway":
        """Return the gateway as a caller sees it: others' jobs are not there, and what it submits is its own."""
        if caller is self._caller:
            return self
        seen = copy(self)
        seen._caller = caller
        return seen

    async def submit(
        self,
        parameters: dict[str, Any],
        *,
        title: str,
        priority: Priority,
        max_retries: int | None = None,
        idempotency_key: str | None = None,
        tags: Sequence[str] = (),
        deployment: JobDeployment = JobDeployment.PROCESS,
    ) -> Job:
        """Create a run of a deployment whose runs are jobs.

        Args:
            parameters: Those of the flow.
            title: The run's name.
            priority: The work queue to wait in.
            max_retries: How often a step is tried again at most; ``None`` leaves it to the setting.
            idempotency_key: A second submit with the same key returns the first one's run.
            tags: Put on the run beside those that make it a job.
            deployment: Which one.

        Raises:
            OrchestratorUnavailableError: Prefect is away, or its deployments were never made.
            InvalidRequestError: Prefect does not take the parameters.
        """
        run = await submit_run(
            self._deployments,
            deployment,
            parameters,
            name=title,
            priority=priority,
            idempotency_key=idempotency_key,
            owner=self._caller.id,
            tags=tags,
            max_retries=max_retries,
        )
        job = job_of(run, (), self._crash_attempts)
        if not has_begun(run):  # the same key again may return one that has, and that has reported
            self._known.learn(job)
        return job

    async def get(self, job_id: str, *, anew: bool = False) -> Job:
        """Return a job.

        Args:
            job_id: Which one.
            anew: As Prefect says that it is now, for whoever decides by it; else as it was a moment ago.

        Raises:
            NotFoundError: No run has that id, or it is not a job, or not the caller's.
        """
        if anew:
            self._known.forget(job_id)
        job = await self._known.get(job_id)
        if not self._caller.owns(job.owner):
            raise NotFoundError(f"There is no job {job_id}.")
        return job

    async def find(self, query: JobQuery, *, after: str | None, limit: int) -> Page[Job]:
        """Return jobs, the latest due first (which is the latest created, unless somebody scheduled ahead).

        The order (due time, id) never changes for a run, so a cursor stays right while jobs arrive and move on.

        Raises:
            InvalidRequestError: ``after`` is no cursor.
        """
        position = JobPosition.decode(after) if after else None
        return await self._known.page(query, position, limit, self._caller.only_owner)

    async def count(self, states: Iterable[JobState]) -> dict[str, int]:
        """Return how many jobs Prefect holds in each of the states; crashed counts as failed, pausing as paused."""
        return await count_runs(self._client, states, self._caller.only_owner)

    async def metrics(self, window: timedelta) -> JobMetrics:
        """Return the jobs of a window that ends now in numbers, by a bounded number of calls."""
        return await read_metrics(self._client, window, self._crash_attempts, self._caller.only_owner)

    async def search_logs(self, query: LogQuery, *, after: str | None, limit: int) -> Page[LogLine]:
        """Return lines of all jobs' logs, or of one, the latest first.

        Raises:
            NotFoundError: No such job.
            InvalidRequestError: ``after`` is no cursor.
        """
        run = await self._run(query.job_id) if query.job_id else None
        run_ids = await searched_runs(self._client, run, query, self._caller.only_owner)
        return await search_logs(self._client, query, run_ids, after=after, limit=limit)

    async def change(
        self,
        job_id: str,
        *,
        title: str | None = None,
        metadata: dict[str, Any] | None = None,
        priority: Priority | None = None,
    ) -> Job:
        """Change what a job is called, what is kept with it, or how soon it comes; ``None`` leaves it.

        Raises:
            NotFoundError: No such job.
            IllegalMoveError: The job has begun, so that its title is no more to be changed; or it has ended, and its
                priority is not.
        """
        run = await self._run(job_id)
        if priority is not None:
            check_priority(run, self._crash_attempts)
        await change_run(self._client, run, title, metadata, self._crash_attempts)
        if priority is not None:
            await change_priority(self._client, run, priority)
        return await self._moved(job_id)

    async def history(self, job_id: str) -> tuple[Transition, ...]:
        """Return the states that a job went through, oldest first.

        Raises:
            NotFoundError: No such job.
        """
        run = await self._run(job_id)
        return transitions_of(run, await read_states(self._client, run.id), self._crash_attempts)

    def changes(
        self, since: datetime, seen: Mapping[str, str], *, is_thorough: bool
    ) -> AsyncIterator[tuple[JobStory, ...]]:
        """Read the whole histories of the jobs whose state is another than it was, some at a time.

        Args:
            since: What ended or was scheduled before is not looked for.
            seen: The id of the last state seen, by job.
            is_thorough: Look at all that changed since, not only until what was seen already is met.
        """
        return changed_stories(
            self._client,
            self._histories,
            since,
            seen,
            is_thorough=is_thorough,
            crash_attempts=self._crash_attempts,
        )

    async def story(self, job_id: str) -> JobStory | None:
        """Return a job with its whole history; ``None`` where it has none.

        Raises:
            NotFoundError: No such job.
        """
        run = await read_run(self._client, job_id)
        return next(iter(await read_stories(self._histories, [run], self._crash_attempts)), None)

    async def logs(self, job_id: str, *, level: int, after: str | None, limit: int) -> LogPage:
        """Return log lines of a job and of its children, merged by time, oldest first.

        Raises:
            NotFoundError: No such job.
            InvalidRequestError: ``after`` is no cursor.
        """
        job = await self.get(job_id)
        if job.state is JobState.QUEUED and job.attempt == 0 and after is None:
            return nothing_logged()
        has_ended = job.state in TERMINAL_STATES
        return await read_log_page(
            self._client, run_id_of(job_id), level=level, after=after, limit=limit, has_ended=has_ended
        )

    async def cancel(self, job_id: str) -> Job:
        """Stop a job and its children: at once where nothing runs yet, else through ``cancelling``.

        Raises:
            NotFoundError: No such job.
            IllegalMoveError: The job has ended or is being cancelled.
        """
        await self._check_owner(job_id)
        await cancel_run(self._client, job_id, self._crash_attempts)
        return await self._moved(job_id)

    async def retry(self, job_id: str) -> Job:
        """Queue an ended job again under its id; steps that finished are not done again, their results are kept.

        Raises:
            NotFoundError: No such job.
            IllegalMoveError: The job has not failed or been cancelled.
        """
        await self._check_owner(job_id)
        await retry_run(self._client, job_id, self._crash_attempts)
        return await self._moved(job_id)

    async def pause(self, job_id: str, mode: PauseMode) -> Job:
        """Stop a job for a while: at once where nothing runs yet, else through ``pausing``. It has no time limit.

        Raises:
            NotFoundError: No such job.
            IllegalMoveError: The job has ended, is paused or is being stopped.
        """
        await self._check_owner(job_id)
        await pause_run(self._client, job_id, mode, self._crash_attempts)
        return await self._moved(job_id)

    async def resume(self, job_id: str) -> Job:
        """Queue a paused job again; steps that finished are not done again.

        Raises:
            NotFoundError: No such job.
            IllegalMoveError: The job is not paused, or still pausing.
        """
        await self._check_owner(job_id)
        await resume_run(self._client, job_id, self._crash_attempts)
        return await self._moved(job_id)

    async def delete(self, job_id: str) -> None:
        """Remove an ended job, its children and their logs from Prefect; what it published stays.

        Raises:
            NotFoundError: No such job.
            IllegalMoveError: The job has not ended.
        """
        await self._check_owner(job_id)
        await delete_run(self._client, job_id, self._crash_attempts)
        self._known.forget(job_id)

    async def ensure_feed(self, batch: Batch) -> None:
        """Have a run of ``process-batch/on-demand`` work on a batch, unless it needs none or one does already.

        Raises:
            OrchestratorUnavailableError: Prefect is away, or its deployments were never made.
        """
        await ensure_feed(self._client, batch)

    async def check_providers(self, names: Sequence[str], timeout_seconds: float) -> str:
        """Have a run of ``check-providers/on-demand`` test providers, wait for its end, and return its id.

        Raises:
            OrchestratorUnavailableError: Prefect is away, or its deployments were never made.
            TimeLimitError: The run has not ended in time.
        """
        return await check_providers(self._client, names, timeout_seconds)

    def watch(self) -> JobWatch:
        """Return what looks at many jobs at once, whosesoever they are."""
        return JobWatch(self._client, self._crash_attempts)

    def schedules(self, ui_url: str) -> BatchSchedules:
        """Return the schedules of batches.

        Args:
            ui_url: Where people open the Prefect UI.
        """
        return BatchSchedules(self._client, ui_url, self._caller)

    def transition_reader(self, since: datetime) -> TransitionReader:
        """Return a reader of what runs go through.

        Args:
            since: Runs that ended before it are not looked at.
        """
        return TransitionReader(self._client, self._histories, since, self._crash_attempts)

    async def figures(self, now: datetime) -> RunFigures:
        """Return figures over all runs and workers."""
        return await read_run_figures(self._client, now)

    async def canary(self, now: datetime) -> Canary:
        """Return how it is with scheduled runs.

        Raises:
            OrchestratorUnavailableError: Prefect is away, or its deployments were never made.
        """
        return await look_at_canary(self._client, now)

    async def ping(self) -> None:
        """Ask Prefect for a sign of life.

        Raises:
            OrchestratorUnavailableError: There is none.
        """
        with translated():
            await self._client.hello()

    async def live_workers(self, pool: str) -> int:
        """Return how many workers of a pool sent a heartbeat lately; 0 as well for a pool that does not exist."""
        return await count_live_workers(self._client, pool)

    async def is_paused(self, pool: str) -> bool:
        """Say whether a pool takes no new runs because somebody paused it."""
        return await is_paused(self._client, pool)

    async def _run(self, job_id: str) -> FlowRun:
        """Return the run of a job, if it is the caller's: another's is as if it did not exist."""
        run = await read_run(self._client, job_id)
        if not self._caller.owns(owner_of(run.tags)):
            raise NotFoundError(f"There is no job {job_id}.")
        return run

    async def _check_owner(self, job_id: str) -> None:
        """Do nothing if the caller may move a job; who sees all needs no look."""
        if not self._caller.sees_all:
            await self._run(job_id)

    async def _moved(self, job_id: str) -> Job:
        """Return a job that was just asked to move on, as it is now."""
        return await self.get(job_id, anew=True)
