"""The one door to Prefect: submits, reads and moves flow runs, and translates them into jobs.

Nothing else in the API knows Prefect's client, its states' names or its exceptions. A run is a *job* when it carries
the tag ``dailies-job`` and has no parent; what it starts on the ``gpu`` pool are its *children*, folded into it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterParentTaskRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    LogFilter,
    LogFilterFlowRunId,
    LogFilterLevel,
    LogFilterTimestamp,
    TaskRunFilter,
    TaskRunFilterId,
)
from prefect.client.schemas.objects import FlowRun, Log, State, StateType, WorkerStatus
from prefect.client.schemas.responses import OrchestrationResult, SetStateStatus
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort, LogSort
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from prefect.states import AwaitingRetry, Cancelled, Cancelling

from api.cursors import JobPosition, LogPosition, decode_log_positions, encode_log_positions
from api.progress import StepReport, job_progress
from api.schemas import Job, JobQuery, LogLine, LogPage, Page, Priority, Transition
from data.domain.errors import IllegalMoveError, InvalidRequestError, NotFoundError, OrchestratorUnavailableError
from data.domain.jobs import ALLOWED_MOVES, JOB_TAG, TERMINAL_STATES, JobMove, JobState, StateView, job_state

DEFAULT_API_URL = "http://127.0.0.1:4200/api"
"""Where `make up` serves Prefect; used when Prefect's own ``PREFECT_API_URL`` is not set."""

PROCESS_ASSET = "process-asset/on-demand"
_CANCELLED = "Cancelled by request."
OFFERED_MOVES = frozenset({JobMove.CANCEL, JobMove.RETRY})
"""The moves that this version of the API can carry out."""

PREFECT_ROWS = 200
"""Prefect's own limit of rows an answer (``PREFECT_SERVER_API_DEFAULT_LIMIT``)."""
BUSY_PAUSES_SECONDS = (0.1, 0.3, 1.0, 2.0)
"""How long to wait before each further try when Prefect is busy."""
SCAN_ROWS = 2000
"""Most runs looked at for one page of a text search; the page may then be short, with a cursor to go on."""

_STATE_TYPES: dict[JobState, frozenset[StateType]] = {
    JobState.QUEUED: frozenset({StateType.SCHEDULED, StateType.PENDING, StateType.CRASHED}),
    JobState.RUNNING: frozenset({StateType.RUNNING}),
    JobState.PAUSING: frozenset(),
    JobState.PAUSED: frozenset({StateType.PAUSED}),
    JobState.CANCELLING: frozenset({StateType.CANCELLING}),
    JobState.CANCELLED: frozenset({StateType.CANCELLED}),
    JobState.SUCCEEDED: frozenset({StateType.COMPLETED}),
    JobState.FAILED: frozenset({StateType.FAILED, StateType.CRASHED}),
}
"""Prefect's types that may look like a job state; the exact view is taken afterwards, run by run."""


@asynccontextmanager
async def open_gateway(
    api_url: str = "", *, crash_attempts: int, timeout_seconds: float = 15.0
) -> AsyncIterator["PrefectGateway"]:
    """Open the gateway for the life of the application; connects only when first used.

    Args:
        api_url: Address of the Prefect API; empty takes Prefect's own setting ``PREFECT_API_URL``.
        crash_attempts: How often a run may start before a crash is final.
        timeout_seconds: Longest silence of Prefect before a call fails.
    """
    settings = get_current_settings()
    secret = settings.api.auth_string
    client = PrefectClient(
        api_url or settings.api.url or DEFAULT_API_URL,
        auth_string=secret.get_secret_value() if secret else None,
        httpx_settings={"transport": _PromptTransport(retries=1), "timeout": timeout_seconds},
    )
    async with client:
        yield PrefectGateway(client, crash_attempts)


class _PromptTransport(httpx.AsyncHTTPTransport):
    """Says soon that Prefect is away; the client alone would retry for a minute while our caller waits.

    A 503 is tried again a few times first: that is how Prefect says that its SQLite database was locked for a moment,
    and that it did nothing.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to Prefect."""
        for pause_seconds in (*BUSY_PAUSES_SECONDS, None):
            try:
                response = await super().handle_async_request(request)
            except httpx.TransportError as error:
                raise OrchestratorUnavailableError(f"Prefect does not answer ({type(error).__name__}).") from error
            if response.status_code not in (502, 503):
                return response
            await response.aclose()
            if pause_seconds is not None:
                await asyncio.sleep(pause_seconds)
        raise OrchestratorUnavailableError(f"Prefect answers {response.status_code}.")


class PrefectGateway:
    """Jobs in, flow runs out. Lives as long as the application; safe for concurrent requests."""

    def __init__(self, client: PrefectClient, crash_attempts: int) -> None:
        self._client = client
        self._crash_attempts = crash_attempts

    # --- submit and read -------------------------------------------------------------------------------------------

    async def submit(
        self, parameters: dict[str, Any], *, title: str, priority: Priority, idempotency_key: str | None = None
    ) -> Job:
        """Create a run of ``process-asset/on-demand``.

        Args:
            parameters: Those of the flow.
            title: The run's name.
            priority: The work queue to wait in.
            idempotency_key: A second submit with the same key returns the first one's run.

        Raises:
            OrchestratorUnavailableError: Prefect is away, or its deployments were never made.
            InvalidRequestError: Prefect does not take the parameters.
        """
        with _translated(f"The deployment {PROCESS_ASSET} does not exist yet: run the bootstrap.", missing=True):
            deployment = await self._client.read_deployment_by_name(PROCESS_ASSET)
        with _translated():
            run = await self._client.create_flow_run_from_deployment(
                deployment.id,
                parameters=parameters,
                name=title,
                tags=[JOB_TAG],
                work_queue_name=priority.value,
                idempotency_key=idempotency_key,
            )
        return self._job(run, ())

    async def get(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            NotFoundError: No run has that id, or it is not a job.
            OrchestratorUnavailableError: Prefect is away.
        """
        run = await self._read(job_id)
        reports = await self._reports([run])
        return self._job(run, reports.get(run.id, ()))

    async def find(self, query: JobQuery, *, after: str | None, limit: int) -> Page[Job]:
        """Return jobs, the latest due first (which is the latest created, unless somebody scheduled ahead).

        The order (due time, id) never changes for a run, so a cursor stays right while jobs arrive and move on.

        Raises:
            InvalidRequestError: ``after`` is no cursor.
            OrchestratorUnavailableError: Prefect is away.
        """
        position = JobPosition.decode(after) if after else None
        runs, last = await self._scan(query, position, limit)
        reports = await self._reports(runs)
        return Page(
            items=tuple(self._job(run, reports.get(run.id, ())) for run in runs), next=last.encode() if last else None
        )

    async def count(self, states: Iterable[JobState]) -> dict[str, int]:
        """Return how many jobs Prefect holds in each of the states; a crashed run counts as failed."""
        types = {state: _STATE_TYPES[state] for state in states if _STATE_TYPES[state]}
        if JobState.QUEUED in types:
            types[JobState.QUEUED] -= {StateType.CRASHED}
        with _translated():
            counts = await asyncio.gather(
                *(self._client.count_flow_runs(flow_run_filter=_job_filter(each)) for each in types.values())
            )
        return {state.value: count for state, count in zip(types, counts, strict=True)}

    async def history(self, job_id: str) -> tuple[Transition, ...]:
        """Return the states that a job went through, oldest first.

        Raises:
            NotFoundError: No such job.
        """
        run = await self._read(job_id)
        starts = 0
        transitions = []
        for state in await self._states(run.id):
            starts += state.type is StateType.RUNNING
            view = self._view(state, starts)
            transitions.append(
                Transition(
                    at=state.timestamp,
                    state=view.state,
                    reason=view.reason,
                    prefect_state=state.name or state.type.value,
                    message=state.message or None,
                )
            )
        return tuple(transitions)

    async def logs(self, job_id: str, *, level: int, after: str | None, limit: int) -> LogPage:
        """Return log lines of a job and of its children, merged by time, oldest first.

        Raises:
            NotFoundError: No such job.
            InvalidRequestError: ``after`` is no cursor.
        """
        positions = decode_log_positions(after) if after else {}
        run = await self._read(job_id)
        ids = [run.id, *(child.id for child in await self._descendants(run.id))]
        per_run = await asyncio.gather(*(self._lines(each, level, positions.get(each), limit) for each in ids))
        lines = sorted(chain.from_iterable(per_run), key=lambda line: (line.timestamp, str(line.id)))
        taken = lines[:limit]
        is_complete = len(lines) <= limit and self._run_view(run).state in TERMINAL_STATES
        return LogPage(
            items=tuple(_log_line(line) for line in taken),
            next=None if is_complete else encode_log_positions(_advanced(positions, taken)),
        )

    # --- moves -----------------------------------------------------------------------------------------------------

    async def cancel(self, job_id: str) -> Job:
        """Stop a job and its children: at once where nothing runs yet, else through ``cancelling``.

        Raises:
            NotFoundError: No such job.
            IllegalMoveError: The job has ended or is being cancelled.
        """
        run = await self._read(job_id)
        self._check_move(run, JobMove.CANCEL)
        # The parent first: it would take a cancelled child for a failed step and fail.
        if not await self._stop(run):
            self._check_move(await self._read(job_id), JobMove.CANCEL)
        for child in await self._descendants(run.id):
            await self._stop(child)
        return await self.get(job_id)

    async def retry(self, job_id: str) -> Job:
        """Queue an ended job again under its id; steps that finished are not done again, their results are kept.

        Raises:
            NotFoundError: No such job.
            IllegalMoveError: The job has not failed or been cancelled.
        """
        run = await self._read(job_id)
        self._check_move(run, JobMove.RETRY)
        # Not forced: this is the transition of Prefect's own "Retry" button.
        outcome = await self._propose(run.id, AwaitingRetry(message="Retried by request."))
        if outcome.status is not SetStateStatus.ACCEPT:
            raise self._illegal(await self._read(job_id), JobMove.RETRY)
        return await self.get(job_id)

    async def finish_cancellations(self, older_than: timedelta) -> int:
        """Bring runs to ``Cancelled`` that were cancelled before their process had begun; return how many.

        A worker that had just picked such a run up starts its process all the same; the process sees ``Cancelling`` and
        ends, and then nobody says ``Cancelled``. To say it earlier would be wrong: Prefect lets a process that starts
        late go from ``Cancelled`` to ``Running``.

        Args:
            older_than: How long a process may take to start.
        """
        cancelling = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CANCELLING])))
        with _translated():
            runs = await self._client.read_flow_runs(flow_run_filter=cancelling, limit=PREFECT_ROWS)
        latest = datetime.now(UTC) - older_than
        finished = 0
        for run in runs:
            if run.state is None or run.state.timestamp > latest:
                continue
            if await self._left_state(run.id) in (StateType.SCHEDULED, StateType.PENDING):
                await self._propose(run.id, Cancelled(message=_CANCELLED))
                finished += 1
        return finished

    # --- health ----------------------------------------------------------------------------------------------------

    async def ping(self) -> None:
        """Ask Prefect for a sign of life.

        Raises:
            OrchestratorUnavailableError: There is none.
        """
        with _translated():
            await self._client.hello()

    async def live_workers(self, pool: str) -> int:
        """Return how many workers of a pool sent a heartbeat lately; 0 as well for a pool that does not exist."""
        try:
            with _translated():
                workers = await self._client.read_workers_for_work_pool(pool)
        except NotFoundError:
            return 0
        now = datetime.now(UTC)
        return sum(
            worker.status is WorkerStatus.ONLINE
            and worker.last_heartbeat_time is not None
            and now - worker.last_heartbeat_time < timedelta(seconds=3 * (worker.heartbeat_interval_seconds or 30))
            for worker in workers
        )

    # --- inside ----------------------------------------------------------------------------------------------------

    async def _read(self, job_id: str) -> FlowRun:
        try:
            with _translated(f"There is no job {job_id}."):
                run = await self._client.read_flow_run(UUID(job_id))
        except ValueError as error:
            raise NotFoundError(f"There is no job {job_id}.") from error
        if JOB_TAG not in run.tags or run.parent_task_run_id is not None:
            raise NotFoundError(f"There is no job {job_id}.")
        return run

    async def _states(self, run_id: UUID) -> list[State[Any]]:
        with _translated():
            states = await self._client.read_flow_run_states(run_id)
        return sorted(states, key=lambda state: state.timestamp)

    async def _scan(
        self, query: JobQuery, position: JobPosition | None, limit: int
    ) -> tuple[list[FlowRun], JobPosition | None]:
        """Collect matching runs; the position is where to go on, ``None`` at the end."""
        types = frozenset(chain.from_iterable(_STATE_TYPES[state] for state in query.states))
        if query.states and not types:
            return [], None
        runs_filter = _job_filter(types)
        is_selective = bool(query.text) or StateType.CRASHED in types
        rows = PREFECT_ROWS - 1 if is_selective else min(limit + 1, PREFECT_ROWS - 1)
        found: list[FlowRun] = []
        scanned = 0
        while True:
            batch = await self._runs_after(runs_filter, query, position, rows)
            for run in batch:
                if len(found) == limit:
                    return found, position
                position = _position(run)
                if self._matches(run, query):
                    found.append(run)
            scanned += len(batch)
            if len(batch) < rows:
                return found, None
            if scanned >= SCAN_ROWS:
                return found, position

    async def _runs_after(
        self, runs_filter: FlowRunFilter, query: JobQuery, position: JobPosition | None, limit: int
    ) -> list[FlowRun]:
        """Read up to ``limit`` runs that follow a position in the order (due, id), both descending.

        Prefect sorts by due time alone, so runs that are due at the same microsecond (a batch created in one call) are
        read apart, by id, where a page begins or ends among them.
        """
        runs: list[FlowRun] = []
        before = query.created_before
        if position:
            runs = await self._tied_runs(runs_filter, position.due_at, position.id, limit)
            before = position.due_at - timedelta(microseconds=1)
        missing = limit - len(runs)
        if missing <= 0:
            return runs
        due = _due_between(query.created_after, before)
        batch = await self._read_runs(runs_filter, due, FlowRunSort.EXPECTED_START_TIME_DESC, missing + 1)
        if len(batch) > missing and _due(batch[-1]) == _due(batch[-2]):
            tie = _due(batch[-1])
            batch = [run for run in batch if _due(run) > tie]
            runs += sorted(batch, key=_order)
            return runs + await self._tied_runs(runs_filter, tie, None, limit - len(runs))
        return runs + sorted(batch[:missing], key=_order)

    async def _tied_runs(
        self, runs_filter: FlowRunFilter, due_at: datetime, below: UUID | None, limit: int
    ) -> list[FlowRun]:
        due = _due_between(due_at, due_at)
        runs: list[FlowRun] = []
        offset = 0
        while len(runs) < limit:
            rows = await self._read_runs(runs_filter, due, FlowRunSort.ID_DESC, PREFECT_ROWS, offset)
            runs += [run for run in rows if below is None or run.id < below]
            offset += len(rows)
            if len(rows) < PREFECT_ROWS:
                break
        return runs[:limit]

    async def _read_runs(
        self,
        runs_filter: FlowRunFilter,
        due: FlowRunFilterExpectedStartTime,
        sort: FlowRunSort,
        limit: int,
        offset: int = 0,
    ) -> list[FlowRun]:
        with _translated():
            return await self._client.read_flow_runs(
                flow_run_filter=runs_filter.model_copy(update={"expected_start_time": due}),
                sort=sort,
                limit=limit,
                offset=offset,
            )

    def _matches(self, run: FlowRun, query: JobQuery) -> bool:
        if query.states and self._run_view(run).state not in query.states:
            return False
        return not query.text or query.text.casefold() in f"{run.name}\n{run.id}\n{run.parameters}".casefold()

    async def _children(self, run_ids: Collection[UUID]) -> list[FlowRun]:
        """Read the runs that the given runs started, all pages."""
        wanted = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=list(run_ids)))
        children: list[FlowRun] = []
        while run_ids:
            with _translated():
                rows = await self._client.read_flow_runs(
                    flow_run_filter=wanted, sort=FlowRunSort.ID_DESC, limit=PREFECT_ROWS, offset=len(children)
                )
            children += rows
            if len(rows) < PREFECT_ROWS:
                break
        return children

    async def _descendants(self, run_id: UUID) -> list[FlowRun]:
        """Read children and children's children, nearest first."""
        found: list[FlowRun] = []
        generation = await self._children([run_id])
        while generation:
            found += generation
            generation = await self._children([child.id for child in generation])
        return found

    async def _reports(self, runs: list[FlowRun]) -> dict[UUID, list[StepReport]]:
        """Read what the steps of the jobs and of their children reported, by job."""
        started = [run.id for run in runs if run.run_count]
        if not started:
            return {}
        owner = {run_id: run_id for run_id in started}
        children = await self._children(started)
        parents = await self._parents([c.parent_task_run_id for c in children if c.parent_task_run_id])
        owner |= {c.id: parents[c.parent_task_run_id] for c in children if c.parent_task_run_id in parents}
        reports: dict[UUID, list[StepReport]] = {}
        offset = 0
        while True:
            with _translated():
                rows = await self._client.read_artifacts(
                    artifact_filter=ArtifactFilter(
                        type=ArtifactFilterType(any_=["progress"]),
                        flow_run_id=ArtifactFilterFlowRunId(any_=list(owner)),
                    ),
                    sort=ArtifactSort.ID_DESC,
                    limit=PREFECT_ROWS,
                    offset=offset,
                )
            for row in rows:
                if row.flow_run_id in owner and row.created and row.updated and isinstance(row.data, int | float):
                    report = StepReport(row.description or "", float(row.data), row.created, row.updated)
                    reports.setdefault(owner[row.flow_run_id], []).append(report)
            offset += len(rows)
            if len(rows) < PREFECT_ROWS:
                return reports

    async def _parents(self, task_run_ids: list[UUID]) -> dict[UUID, UUID]:
        """Return the flow run of each task run (a child run hangs on a task run of its parent)."""
        parents: dict[UUID, UUID] = {}
        for start in range(0, len(task_run_ids), PREFECT_ROWS):
            part = task_run_ids[start : start + PREFECT_ROWS]
            with _translated():
                rows = await self._client.read_task_runs(
                    task_run_filter=TaskRunFilter(id=TaskRunFilterId(any_=part)), limit=PREFECT_ROWS
                )
            parents |= {row.id: row.flow_run_id for row in rows if row.flow_run_id}
        return parents

    async def _lines(self, run_id: UUID, level: int, position: LogPosition | None, limit: int) -> list[Log]:
        """Read one more line than asked, if there are so many, after a position in one run's log."""
        wanted = LogFilter(
            flow_run_id=LogFilterFlowRunId(any_=[run_id]),
            level=LogFilterLevel(ge_=level),
            timestamp=LogFilterTimestamp(after_=position.at) if position else None,
        )
        seen = frozenset(position.seen) if position else frozenset[UUID]()
        lines: list[Log] = []
        offset = 0
        while len(lines) <= limit:
            with _translated():
                rows = await self._client.read_logs(
                    log_filter=wanted, limit=PREFECT_ROWS, offset=offset, sort=LogSort.TIMESTAMP_ASC
                )
            lines += [row for row in rows if row.id not in seen]
            offset += len(rows)
            if len(rows) < PREFECT_ROWS:
                break
        return lines[: limit + 1]

    async def _stop(self, run: FlowRun) -> bool:
        """Bring a run to ``Cancelled``, or to ``Cancelling`` where a worker must end its process.

        Returns:
            False if the run had ended before.
        """
        if run.state is not None and run.state.type is StateType.CRASHED:
            outcome = await self._propose(run.id, Cancelled(message=_CANCELLED))
            return outcome.status is SetStateStatus.ACCEPT
        outcome = await self._propose(run.id, Cancelling(message=_CANCELLED))
        if outcome.status is SetStateStatus.ABORT:
            return False
        is_cancelling = outcome.state is not None and outcome.state.type is StateType.CANCELLING
        # Prefect cancels a waiting run at once only if it never had a process; after a retry the last pid is still on
        # record. From `Cancelling` no worker can start it any more, so this cannot race with one.
        if is_cancelling and await self._left_state(run.id) is StateType.SCHEDULED:
            await self._propose(run.id, Cancelled(message=_CANCELLED))
        return True

    async def _propose(self, run_id: UUID, state: State[Any]) -> OrchestrationResult[Any]:
        """Propose a state under Prefect's own rules, which keep two callers from undoing each other."""
        with _translated():
            return await self._client.set_flow_run_state(run_id, state)

    async def _left_state(self, run_id: UUID) -> StateType | None:
        """Return the type of the state that a cancelling run was in before."""
        left = [state.type for state in await self._states(run_id) if state.type is not StateType.CANCELLING]
        return left[-1] if left else None

    def _check_move(self, run: FlowRun, move: JobMove) -> None:
        if move not in self._moves(run):
            raise self._illegal(run, move)

    def _illegal(self, run: FlowRun, move: JobMove) -> IllegalMoveError:
        state = self._run_view(run).state
        allowed = [each.value for each in self._moves(run)]
        return IllegalMoveError(
            f"A job that is {state.value} cannot be asked to {move.value}.", {"state": state.value, "allowed": allowed}
        )

    def _moves(self, run: FlowRun) -> tuple[JobMove, ...]:
        return tuple(sorted(ALLOWED_MOVES[self._run_view(run).state] & OFFERED_MOVES))

    def _run_view(self, run: FlowRun) -> StateView:
        return self._view(run.state, run.run_count)

    def _view(self, state: "State[Any] | None", starts: int) -> StateView:
        return job_state(
            state.type.value if state else None,
            state.name if state else None,
            state.message if state else None,
            attempts_remain=starts < self._crash_attempts,
        )

    def _job(self, run: FlowRun, reports: Iterable[StepReport]) -> Job:
        view = self._run_view(run)
        progress = job_progress(reports, is_done=view.state is JobState.SUCCEEDED)
        parameters = run.parameters
        return Job(
            id=str(run.id),
            title=parameters.get("title") or run.name,
            state=view.state,
            reason=view.reason,
            message=run.state.message if run.state and view.state is JobState.FAILED else None,
            step=progress.step,
            steps=progress.steps,
            attempt=run.run_count,
            progress=progress.share,
            last_progress_at=progress.last_at,
            created_at=run.created or _due(run),
            started_at=run.start_time if run.run_count else None,
            finished_at=run.end_time if view.state in TERMINAL_STATES else None,
            priority=run.work_queue_name or Priority.DEFAULT.value,
            source=parameters.get("source"),
            recipe=parameters.get("recipe"),
            overrides=parameters.get("overrides") or {},
            metadata=parameters.get("metadata") or {},
            moves=self._moves(run),
        )


@contextmanager
def _translated(missing_message: str = "Prefect does not know it.", *, missing: bool = False) -> Iterator[None]:
    """Turn the client's exceptions into ours.

    Args:
        missing_message: What to say when the object does not exist.
        missing: Its absence is a fault of the installation, not of the request.
    """
    try:
        yield
    except ObjectNotFound as error:
        raise (OrchestratorUnavailableError if missing else NotFoundError)(missing_message) from error
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        if status == 404:
            raise NotFoundError(missing_message) from error
        if status in (401, 403, 429) or status >= 500:
            raise OrchestratorUnavailableError(f"Prefect answers {status}.", {"status": status}) from error
        raise InvalidRequestError(f"Prefect refuses the call: {_detail(error.response)}", {"status": status}) from error


def _detail(response: httpx.Response) -> str:
    return response.text[:500]


def _job_filter(types: Collection[StateType]) -> FlowRunFilter:
    state = {"state": FlowRunFilterState(type=FlowRunFilterStateType(any_=sorted(types)))} if types else {}
    return FlowRunFilter(
        tags=FlowRunFilterTags(all_=[JOB_TAG]), parent_task_run_id=FlowRunFilterParentTaskRunId(is_null_=True), **state
    )


def _due_between(after: datetime | None, before: datetime | None) -> FlowRunFilterExpectedStartTime:
    bounds = {"after_": after, "before_": before}
    return FlowRunFilterExpectedStartTime.model_validate({name: at for name, at in bounds.items() if at})


def _due(run: FlowRun) -> datetime:
    return run.expected_start_time or run.created or datetime.min.replace(tzinfo=UTC)


def _order(run: FlowRun) -> tuple[float, int]:
    return -_due(run).timestamp(), -run.id.int


def _position(run: FlowRun) -> JobPosition:
    return JobPosition(_due(run), run.id)


def _advanced(positions: dict[UUID, LogPosition], lines: list[Log]) -> dict[UUID, LogPosition]:
    """Move each run's position behind the lines that were given out."""
    moved = dict(positions)
    for line in lines:
        if line.flow_run_id is None:
            continue
        old = moved.get(line.flow_run_id)
        seen = old.seen if old and old.at == line.timestamp else ()
        moved[line.flow_run_id] = LogPosition(line.timestamp, (*seen, line.id))
    return moved


def _log_line(line: Log) -> LogLine:
    return LogLine(
        at=line.timestamp,
        level=logging.getLevelName(line.level),
        logger=line.name,
        message=line.message,
        run_id=str(line.flow_run_id),
        task_run_id=str(line.task_run_id) if line.task_run_id else None,
    )
