"""Which assets and uploads are still needed, by living jobs or by people who have yet to decide: none is deleted."""

import time
from datetime import UTC, datetime

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterStartTime,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType

from data.database import Database
from data.domain.jobs import ITEM_TAG, JOB_TAG
from data.domain.sources import UPLOAD_SCHEME
from data.repositories import AssetRepository, CandidateRepository
from tasks.reconcile.attempts import LATELY
from tasks.reconcile.runs import of_types, read_runs

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
    """Return the uploads that jobs which have not ended name, as their source or to be shown."""
    tags = FlowRunFilterTags(any_=[JOB_TAG, ITEM_TAG])
    runs = read_runs(client, FlowRunFilter(tags=tags, state=of_types([*_WAITING, *_UNDER_WAY])))
    named = (source for run in runs for source in (_source(run), *_references(run)))
    return frozenset(source.removeprefix(UPLOAD_SCHEME) for source in named if _is_upload(source))


def _source(run: FlowRun) -> str:
    return str(run.parameters.get("source") or "")


def _references(run: FlowRun) -> tuple[str, ...]:
    overrides = run.parameters.get("overrides") or {}
    return tuple(map(str, overrides.get("generation.references") or ()))


def _is_upload(source: str) -> bool:
    return source.startswith(UPLOAD_SCHEME)
