"""Which assets and uploads are still needed, by living jobs or by people who have yet to decide: none is deleted."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterStartTime,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, StateType

from data.database import Database
from data.domain.jobs import ITEM_TAG, JOB_TAG
from data.domain.sources import UPLOAD_SCHEME
from data.repositories import AssetRepository, CandidateRepository
from tasks.reconcile.attempts import LATELY
from tasks.reconcile.runs import of_types, read_runs, read_runs_by_id

_FRESH_SECONDS = 3.0
_WAITING = [StateType.SCHEDULED]
_UNDER_WAY = [StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]


def assets_in_use(client: SyncPrefectClient, database: Database) -> frozenset[str]:
    """Return the assets of jobs that have started and not ended, or crashed lately and may be tried again.

    And those of which a version waits for a person: it is not public, but neither is it a leftover.
    """
    tags = FlowRunFilterTags(any_=[JOB_TAG, ITEM_TAG])
    started = FlowRunFilterStartTime(is_null_=False)
    lately = FlowRunFilterEndTime(after_=datetime.now(UTC) - LATELY)
    runs = [
        *read_runs(client, FlowRunFilter(tags=tags, start_time=started, state=of_types([*_WAITING, *_UNDER_WAY]))),
        *read_runs(client, FlowRunFilter(tags=tags, end_time=lately, state=of_types([StateType.CRASHED]))),
    ]
    with database.session() as session:
        worked_on = AssetRepository(session).assets_of_jobs([str(run.id) for run in runs]).values()
        return frozenset(worked_on) | CandidateRepository(session).waiting_assets()


class AssetsInUse:
    """Says whether a living job works on an asset, or a version of it waits; it knows that for a few seconds."""

    def __init__(self, client: SyncPrefectClient, database: Database) -> None:
        self._client = client
        self._database = database
        self._known: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    def __call__(self, asset_id: str) -> bool:
        """Say whether an asset is in use."""
        if time.monotonic() - self._read_at >= _FRESH_SECONDS:
            self._read_at = time.monotonic()
            self._known = assets_in_use(self._client, self._database)
        return asset_id in self._known


def awaited_uploads(client: SyncPrefectClient) -> frozenset[str]:
    """Return the uploads that jobs which have not ended name, as their source, to be shown, or for the brand."""
    tags = FlowRunFilterTags(any_=[JOB_TAG, ITEM_TAG])
    runs = read_runs(client, FlowRunFilter(tags=tags, state=of_types([*_WAITING, *_UNDER_WAY])))
    named = (text for run in runs for text in _texts(run.parameters))
    return frozenset(text.removeprefix(UPLOAD_SCHEME) for text in named if text.startswith(UPLOAD_SCHEME))


def lives(client: SyncPrefectClient, job_id: str) -> bool:
    """Say whether a job has not ended, or crashed lately and may be tried again.

    Args:
        client: Prefect's.
        job_id: A job's, or that of an item of a pack.
    """
    runs = read_runs_by_id(client, {job_id.partition(":")[0]})
    return any(run.state is None or run.state.type not in TERMINAL_STATES or _crashed_lately(run) for run in runs)


def _crashed_lately(run: FlowRun) -> bool:
    state = run.state
    is_crashed = state is not None and state.type is StateType.CRASHED
    return is_crashed and (run.end_time is None or datetime.now(UTC) - run.end_time < LATELY)


def _texts(value: object) -> Iterator[str]:
    """Return every text in a run's parameters, however deep: a source, a reference, a brand's logo."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for each in value.values() for text in _texts(each))
    elif isinstance(value, Sequence):
        yield from (text for each in value for text in _texts(each))
